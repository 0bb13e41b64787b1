//! What befalls accounts beside the service's own doing: hands, faults, another installation,
//! clocks, quotas, and databases of another time.

use chrono::TimeDelta;
use countersign::app::restored;
use countersign::aws::GUARD_NAME;
use countersign::sandbox::{Fault, When};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::company::{ACCOUNTS, QUOTA, RIGHTS, lets_visit};
use super::world::World;
use crate::policy::PRODUCTION;
use crate::support::cloud::{Knob, is_write};
use crate::worker::befalls::{edited, moved, of_others};

/// Calls that meet a fault.
const CALLS: [&str; 6] = [
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "PutUserPolicy",
    "DeleteUserPolicy",
    "GetRole",
    "GetUser",
];
/// The other installation.
const OTHERS: &str = "iffffffff";
const HAND: &str = "a hand on the trust policy";

impl World {
    pub fn some_role(&mut self) -> usize {
        usize::try_from(self.dice.between(0, 2)).unwrap()
    }

    pub fn hand_on_trust(&mut self) {
        let nth = self.some_role();
        let Some(now) = self.trust(nth) else {
            return;
        };
        let trusts = &self.roles[nth].trusts;
        let (what, text) = match self.dice.between(0, 9) {
            0..5 => {
                let recent = trusts.len().saturating_sub(4);
                ("a stale save", self.dice.one_of(&trusts[recent..]).clone())
            }
            5..7 => ("our statements deleted", edited(&now, |_| None)),
            _ => {
                let by = *self.dice.one_of(&[-120, -1, 1, 120, 500_000]);
                let date = self.now() + TimeDelta::minutes(by);
                ("our dates moved", edited(&now, |s| Some(moved(s, date))))
            }
        };
        if what == "our dates moved" {
            self.roles[nth].moved.insert(text.clone());
        }
        let (knobs, arn) = (self.knobs(), self.roles[nth].arn);
        // AWS takes none that names somebody who is not there.
        if now != text && knobs.put_trust(arn, &text).is_ok() {
            self.say(format!("a hand on the trust policy of {nth}, {what}"));
            self.roles[nth].is_edited = true;
            self.hand(arn, HAND);
            self.note_documents();
        }
    }

    pub fn hand_on_guard(&mut self) {
        let nth = self.some_role();
        let (arn, guards) = (self.roles[nth].arn, &self.roles[nth].guards);
        let text = match guards.is_empty() || self.dice.chance(50) {
            true => None,
            false => Some(self.dice.one_of(guards).clone()),
        };
        if self.trust(nth).is_none() || self.guard(nth) == text {
            return;
        }
        let put = self
            .knobs()
            .put_role_policy(arn, GUARD_NAME, text.as_deref());
        if put.is_ok() {
            self.say(format!("a hand on the guard of {nth}: {text:?}"));
            self.hand(arn, "a hand on the guard");
            self.roles[nth].guard_by_hand = Some(text);
        }
    }

    /// Somebody deletes a policy of ours on a user, saves an old text of it, or changes it.
    pub fn hand_on_policy(&mut self) {
        let known: Vec<(String, String)> = self.policies.keys().cloned().collect();
        let recent = &known[known.len().saturating_sub(4)..];
        if recent.is_empty() {
            return;
        }
        let key = self.dice.one_of(recent).clone();
        let (user, name) = &key;
        let (knobs, past) = (self.knobs(), &self.policies[&key]);
        let now = knobs.user_policy(user, name);
        let text = match self.dice.between(0, 3) {
            0 => None,
            1 if past.is_empty() => None,
            1 => Some(self.dice.one_of(past).clone()),
            2 => now
                .as_ref()
                .map(|it| it.replace("StringEquals", "StringNotEquals")),
            _ => {
                let date = self.now() + TimeDelta::minutes(self.dice.between(-10, 300));
                now.as_ref().map(|it| edited(it, |s| Some(moved(s, date))))
            }
        };
        if now == text || self.unique_id(user).is_none() {
            return;
        }
        if knobs.put_user_policy(user, name, text.as_deref()).is_ok() {
            self.say(format!("a hand on {name}: {text:?}"));
            self.hand(user, HAND);
        }
    }

    /// A second installation opens a grant of its own on a role.
    pub fn other_installation(&mut self) {
        let nth = self.some_role();
        let arn = self.roles[nth].arn;
        let (Some(role_id), Some(now)) = (self.unique_id(arn), self.trust(nth)) else {
            return;
        };
        let until = self.now() + TimeDelta::seconds(self.dice.between(60, 9000));
        let console = *self.dice.one_of(&["elsewhere", "alice", "carol"]);
        let revision = self.dice.between(1, 40);
        let (guard, text) = of_others((arn, &role_id), &now, (console, until), revision);
        let knobs = self.knobs();
        knobs
            .put_role_policy(arn, GUARD_NAME, Some(&guard))
            .unwrap();
        // Where AWS does not take the trust policy, the guard stands alone.
        let _ = knobs.put_trust(arn, &text);
        self.say(format!("another installation writes to {nth}: {guard}"));
        self.hand(arn, "another installation");
        self.roles[nth].is_edited = true;
        self.roles[nth].guard_by_hand = Some(Some(guard));
        self.note_documents();
    }

    /// Whoever runs the other installation takes its guards away.
    pub fn others_leave(&mut self) {
        for nth in 0..self.roles.len() {
            if self.guard(nth).is_some_and(|it| it.contains(OTHERS)) {
                let arn = self.roles[nth].arn;
                let gone = self.knobs().put_role_policy(arn, GUARD_NAME, None);
                gone.unwrap();
                self.say(format!("the other installation leaves {nth}"));
                self.hand(arn, "a hand on the guard");
                self.roles[nth].guard_by_hand = Some(None);
            }
        }
    }

    pub fn user_goes_or_comes(&mut self) {
        let nth = self.some_role();
        let (name, arn) = (self.people[nth].name, self.people[nth].arn.clone());
        let mut comes = self.unique_id(&arn).is_none();
        if !comes {
            self.say(format!("{name} is deleted"));
            self.stage.cloud.delete_user(name);
            comes = self.dice.chance(50);
        }
        if comes {
            self.say(format!("{name} is created again"));
            self.stage.cloud.create_user(name);
            lets_visit(&self.knobs(), &arn);
            self.note_created(&arn);
        }
        self.trouble(&arn, "a user is gone", self.now());
    }

    /// Another role of that name has no guard.
    pub fn role_goes_or_comes(&mut self) {
        let nth = self.some_role();
        let (arn, knobs) = (self.roles[nth].arn, self.knobs());
        let mut comes = self.trust(nth).is_none();
        if !comes {
            self.say(format!("role {nth} is deleted"));
            knobs.delete_role(arn);
            comes = self.dice.chance(50);
        }
        if comes {
            self.say(format!("role {nth} is created again"));
            knobs.create_role(arn, &self.roles[nth].foreign).unwrap();
            knobs.put_role_policy(arn, "all", Some(RIGHTS)).unwrap();
            self.note_created(arn);
            self.roles[nth].longest = 3_600;
            self.roles[nth].is_edited = false;
        }
        self.roles[nth].guard_by_hand = None;
        self.trouble(arn, "the role is gone", self.now());
    }

    /// Keeps when AWS says that the user or role was created.
    fn note_created(&mut self, arn: &str) {
        let id = self.unique_id(arn).unwrap();
        self.created.insert(id, self.stage.aws_now());
    }

    /// The next call of some kind in some account meets this, if it comes within minutes.
    pub async fn arm(&mut self) {
        let call = *self.dice.one_of(&CALLS);
        let account = *self.dice.one_of(&ACCOUNTS);
        let until = self.now() + TimeDelta::minutes(5);
        let (knobs, after) = (self.knobs(), self.dice.chance(50));
        let (what, trouble) = match self.dice.between(0, 7) {
            // A second lie soon after would be none that anybody could tell.
            0 if !is_write(call) && !self.lied() => {
                let (when, fault) = Knob::Refuse("NoSuchEntity", 404).fault();
                knobs.fail_in(account, call, 1, when, fault);
                (
                    "say that there is nothing",
                    "AWS says that something is gone",
                )
            }
            0 | 1 => {
                let codes = [("LimitExceeded", 409), ("AccessDenied", 403)];
                let (code, status) = *self.dice.one_of(&codes);
                let (when, fault) = Knob::Refuse(code, status).fault();
                knobs.fail_in(account, call, 1, when, fault);
                ("be refused", "AWS refuses")
            }
            2..5 if is_write(call) => {
                let when = if after {
                    When::AfterEffect
                } else {
                    When::BeforeEffect
                };
                knobs.fail_in(account, call, 1, when, Fault::DropConnection);
                ("lose its answer", "a write has no answer")
            }
            5 | 6 if is_write(call) => {
                self.faults
                    .armed
                    .push((account, knobs.land_late_in(account, call, 1)));
                ("land late", "a write has no answer")
            }
            _ => return self.lag(),
        };
        self.say(format!("{call} in {account} will {what}, after {after}"));
        self.trouble_in(account, trouble, until);
        self.faults.armed_until = Some(until);
        self.make_due().await;
    }

    fn lied(&self) -> bool {
        let lie = "AWS says that something is gone";
        let mut lies = self.troubles.iter().filter(|((_, what), _)| *what == lie);
        lies.any(|(_, at)| self.now() < *at + PRODUCTION.unclear())
    }

    /// Reads lag behind what is written from now on, for less than P.
    pub fn lag(&mut self) {
        let knobs = self.knobs();
        // What is read is older than the next write, not than the last.
        for nth in 0..self.roles.len() {
            let arn = self.roles[nth].arn;
            if let Some(trust) = self.trust(nth) {
                // One that names who is gone is not taken: it lags all the same.
                if knobs.put_trust(arn, &trust).is_err() {
                    return;
                }
                let guard = self.guard(nth);
                let same = knobs.put_role_policy(arn, GUARD_NAME, guard.as_deref());
                if same.is_err() {
                    return;
                }
            }
        }
        for (user, name) in self.policies.keys() {
            if self.unique_id(user).is_some() {
                let text = knobs.user_policy(user, name);
                let _ = knobs.put_user_policy(user, name, text.as_deref());
            }
        }
        knobs.stale_reads(true);
        self.faults.stale_until = Some(self.now() + TimeDelta::seconds(100));
        self.say("reads lag");
    }

    /// AWS's clock runs a little ahead or behind, within what the margins allow for.
    pub fn change_clock(&mut self) {
        let ahead = self.dice.between(-2, 2);
        self.stage.set_ahead(TimeDelta::seconds(ahead));
        self.say(format!("AWS's clock is {ahead} s ahead"));
    }

    /// The last account answers nothing for a while.
    pub fn silence(&mut self) {
        let until = self.now() + TimeDelta::seconds(self.dice.between(30, 2400));
        self.say(format!("{} answers nothing until {until}", ACCOUNTS[2]));
        self.knobs().failing(ACCOUNTS[2], true);
        self.faults.silent_until = Some(until);
    }

    /// A trust policy of some account may be longer or shorter from now on.
    pub async fn change_quota(&mut self) {
        let nth = self.some_role();
        let quota = *self.dice.one_of(&[600, 1_600, 2_048, i64::from(QUOTA)]);
        self.say(format!(
            "a trust policy of {} has {quota} characters",
            ACCOUNTS[nth]
        ));
        self.knobs()
            .trust_quota(ACCOUNTS[nth], usize::try_from(quota).unwrap());
        if quota == i64::from(QUOTA) {
            self.faults.tight.remove(&nth);
            // A process believes in less for five minutes of real time.
            self.restart().await;
        } else {
            self.faults.tight.insert(nth);
        }
    }

    pub async fn back_up(&mut self) {
        let nth = self.backups.len();
        let mut sql = format!("CREATE SCHEMA backup_{nth}");
        for table in self.tables().await {
            sql += &format!("; CREATE TABLE backup_{nth}.{table} AS TABLE public.{table}");
        }
        self.as_superuser(&sql).await;
        self.backups.push(self.now());
    }

    /// The database is one of the last backups, and is started as a restored one
    /// (`serve --restored`): every process is stopped before, and people take each role and user
    /// back into service. AWS knows nothing of it.
    pub async fn restore(&mut self) {
        let Some(last) = self.backups.len().checked_sub(1) else {
            return;
        };
        let back = self.dice.between(0, i64::try_from(last.min(4)).unwrap());
        let nth = last - usize::try_from(back).unwrap();
        let mut sql = "SET session_replication_role = replica".to_owned();
        let tables = self.tables().await;
        for table in &tables {
            sql += &format!("; DELETE FROM public.{table}");
        }
        for table in &tables {
            sql += &format!("; INSERT INTO public.{table} SELECT * FROM backup_{nth}.{table}");
        }
        self.restart().await;
        self.as_superuser(&sql).await;
        for later in nth + 1..=last {
            self.as_superuser(&format!("DROP SCHEMA backup_{later} CASCADE"))
                .await;
        }
        self.say(format!("the database goes back to {}", self.backups[nth]));
        self.backups.truncate(nth + 1);
        self.trouble_everywhere("the database went back", self.now());
        restored::suspend_all(&self.app.admin).await.unwrap();
    }

    /// Everything that changes in the database.
    async fn tables(&self) -> Vec<String> {
        let sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%' ORDER BY 1";
        self.column(sql.to_owned()).await
    }

    async fn as_superuser(&self, sql: &str) {
        let mut admin = self.app.db.superuser().await;
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        admin.execute(sql).await.unwrap();
        admin.close().await.unwrap();
    }
}
