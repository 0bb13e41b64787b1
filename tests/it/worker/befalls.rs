//! What befalls a role beside the service's own doing: hands, faults, another installation, clocks
//! and databases of another time.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::demands::Demands;
use countersign::ids::GrantId;
use countersign::policy::guard::Guard;
use countersign::policy::trust::{self, Admitted};
use serde_json::{Value, json};

use super::life::{COLUMNS, Life, MARGINS};
use super::minutes;
use crate::support::cloud::{ELSEWHERE_ARN, Knob};
use crate::support::rows::ROLE;
use crate::support::stage::FOREIGN;

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const WRITES: [&str; 2] = ["PutRolePolicy", "UpdateAssumeRolePolicy"];

impl Life {
    pub fn hand_on_trust(&mut self) {
        let Some(now) = self.trust() else {
            return;
        };
        let (what, text) = match self.dice.between(0, 9) {
            0..5 => {
                let recent = self.trusts.len().saturating_sub(4);
                let text = self.dice.one_of(&self.trusts[recent..]).clone();
                ("a stale save", text)
            }
            5..7 => ("our statements deleted", edited(&now, |_| None)),
            _ => {
                let by = *self.dice.one_of(&[-120, -1, 1, 120, 500_000]);
                let date = self.now() + minutes(by);
                ("our dates moved", edited(&now, |s| Some(moved(s, date))))
            }
        };
        if what == "our dates moved" {
            self.moved.insert(text.clone());
        }
        self.save_trust(what, &text);
    }

    /// Somebody else writes the trust policy. AWS takes none that names somebody who is not there.
    pub fn save_trust(&mut self, what: &str, text: &str) {
        let knobs = self.stage.cloud.knobs();
        if knobs.trust(ROLE).as_deref() != Some(text) && knobs.put_trust(ROLE, text).is_ok() {
            self.say(format!("a hand on the trust policy, {what}: {text}"));
            self.trouble("a hand on the trust policy", self.now());
            self.note_documents();
        }
    }

    pub fn hand_on_guard(&mut self) {
        if self.trust().is_none() {
            return;
        }
        let text = match self.guards.is_empty() || self.dice.chance(50) {
            true => None,
            false => Some(self.dice.one_of(&self.guards).clone()),
        };
        if self.stage.cloud.guard() == text {
            return;
        }
        let put = self.stage.cloud.knobs();
        let put = put.put_role_policy(ROLE, countersign::aws::GUARD_NAME, text.as_deref());
        if put.is_ok() {
            self.say(format!("a hand on the guard: {text:?}"));
            self.trouble("a hand on the guard", self.now());
            self.guard_by_hand = Some(text);
        }
    }

    /// A second installation opens a grant of its own on the same role: its guard takes the place
    /// of ours, as there is one name for both. The console name in it may be that of somebody of
    /// ours.
    pub fn other_installation(&mut self) {
        let (Some(role_id), Some(now)) = (self.role_id(), self.trust()) else {
            return;
        };
        let until = self.now() + TimeDelta::seconds(self.dice.between(60, 9000));
        let console = *self.dice.one_of(&["elsewhere", "alice", "carol"]);
        let revision = self.dice.between(1, 40);
        let role = (ROLE, role_id.as_str());
        let (guard, text) = of_others(role, &now, (console, until), revision);
        self.say(format!("another installation writes {guard} and {text}"));
        let knobs = self.stage.cloud.knobs();
        let name = countersign::aws::GUARD_NAME;
        let put = knobs.put_role_policy(ROLE, name, Some(&guard));
        put.unwrap();
        // Where AWS does not take the trust policy, since it names somebody who is not there, the
        // guard stands alone.
        let _ = knobs.put_trust(ROLE, &text);
        self.trouble("another installation", self.now());
        self.guard_by_hand = Some(Some(guard));
        self.note_documents();
    }

    pub fn user_goes_or_comes(&mut self) {
        let nth = self.some_person();
        let name = self.people[nth].name;
        let mut comes = self.people[nth].unique_id(&self.stage).is_none();
        if !comes {
            self.say(format!("{name} is deleted"));
            self.stage.cloud.delete_user(name);
            comes = self.dice.chance(50);
        }
        if comes {
            self.say(format!("{name} is created again"));
            let arn = self.stage.cloud.create_user(name);
            self.note_created(&arn);
        }
        self.trouble("a user is gone", self.now());
    }

    /// Another role of that name has no guard.
    pub fn role_goes_or_comes(&mut self) {
        let mut comes = self.trust().is_none();
        let knobs = self.stage.cloud.knobs().clone();
        if !comes {
            self.say("the role is deleted".to_owned());
            knobs.delete_role(ROLE);
            comes = self.dice.chance(50);
        }
        if comes {
            self.say("the role is created again".to_owned());
            knobs.create_role(ROLE, FOREIGN).unwrap();
            knobs.put_role_policy(ROLE, "all", Some(ALLOW_ALL)).unwrap();
            self.note_created(ROLE);
            self.longest = 3_600;
        }
        self.guard_by_hand = None;
        self.trouble("the role is gone", self.now());
    }

    /// The next call of some kind meets this, if it comes within minutes.
    pub async fn arm(&mut self) {
        let call = *self.dice.one_of(&WRITES);
        let until = self.now() + minutes(5);
        let cloud = &self.stage.cloud;
        let (text, trouble) = match self.dice.between(0, 6) {
            0 => {
                let read = *self.dice.one_of(&["GetRole", "GetUser"]);
                let lied = self.troubles.get("AWS says that something is gone");
                // A second time soon after would be no lie that anybody could tell.
                if lied.is_some_and(|at| self.now() < *at + MARGINS.unclear()) {
                    return;
                }
                cloud.once(read, Knob::Refuse("NoSuchEntity", 404));
                let text = format!("{read} will say that there is nothing");
                (text, "AWS says that something is gone")
            }
            1 => {
                cloud.once(call, Knob::Refuse("LimitExceeded", 409));
                (format!("{call} will be refused"), "AWS refuses")
            }
            2 | 3 => {
                let after = self.dice.chance(50);
                cloud.once(call, Knob::Drop(after));
                let text = format!("{call} will lose its answer, landed {after}");
                (text, "a write has no answer")
            }
            4 | 5 => {
                self.armed.push(cloud.knobs().land_late(call, 1));
                let text = format!("{call} will land late");
                (text, "a write has no answer")
            }
            _ => return self.lag(),
        };
        self.say(text);
        self.trouble(trouble, until);
        self.armed_until = Some(until);
        self.make_due().await;
    }

    /// Reads lag behind what is written from now on, for less than P.
    pub fn lag(&mut self) {
        let Some(trust) = self.trust() else {
            return;
        };
        let (knobs, guard) = (self.stage.cloud.knobs(), self.stage.cloud.guard());
        // What is read is older than the next write, not than the last.
        let name = countersign::aws::GUARD_NAME;
        let same = knobs.put_trust(ROLE, &trust);
        if same.is_ok() && knobs.put_role_policy(ROLE, name, guard.as_deref()).is_ok() {
            knobs.stale_reads(true);
            self.stale_until = Some(self.now() + TimeDelta::seconds(100));
            self.say("reads lag".to_owned());
        }
    }

    /// AWS's clock runs a little ahead or behind, within what the margins allow for, until it is
    /// set anew. With the clock of a test the worker does not compare the two, so that nothing that
    /// is further apart is a fault which it could notice.
    pub fn change_clock(&mut self) {
        let ahead = TimeDelta::seconds(self.dice.between(-2, 2));
        self.stage.set_ahead(ahead);
        self.say(format!("AWS's clock is {} s ahead", ahead.num_seconds()));
    }

    pub fn normalise(&mut self) {
        self.normalised = !self.normalised;
        self.stage.cloud.knobs().normalised_reads(self.normalised);
        self.say(format!(
            "documents are read normalised: {}",
            self.normalised
        ));
    }

    pub async fn back_up(&mut self) {
        let nth = self.backups.len();
        let sql = format!(
            "CREATE TABLE grants_{nth} AS TABLE grants; CREATE TABLE targets_{nth} AS TABLE targets;
             CREATE TABLE parts_{nth} AS TABLE parts; CREATE TABLE names_{nth} AS TABLE names;
             CREATE TABLE documents_{nth} AS TABLE documents"
        );
        self.stage.rows.as_owner(&sql).await;
        self.backups.push(self.now());
    }

    pub async fn restore(&mut self) {
        if let Some(last) = self.backups.len().checked_sub(1) {
            let back = self.dice.between(0, i64::try_from(last.min(4)).unwrap());
            self.restore_to(last - usize::try_from(back).unwrap()).await;
        }
    }

    /// The rows go back; what people approved and were told does not, and AWS knows nothing of it
    /// (docs/guard.md, C9, C13).
    pub async fn restore_to(&mut self, nth: usize) {
        let (now, before) = (self.now(), self.sent().await);
        self.stage
            .rows
            .as_owner(&format!(
                "ALTER TABLE grants DISABLE TRIGGER USER; ALTER TABLE parts DISABLE TRIGGER USER;
             ALTER TABLE names DISABLE TRIGGER USER;
             DELETE FROM names; DELETE FROM parts; DELETE FROM documents;
             DELETE FROM grants; INSERT INTO grants SELECT * FROM grants_{nth};
             INSERT INTO parts SELECT * FROM parts_{nth}; INSERT INTO names SELECT * FROM names_{nth};
             INSERT INTO documents SELECT * FROM documents_{nth};
             UPDATE targets SET ({COLUMNS}) = (SELECT {COLUMNS} FROM targets_{nth});
             UPDATE targets SET due_at = greatest(due_at, '{now}') WHERE due_at IS NOT NULL;
             ALTER TABLE grants ENABLE TRIGGER USER; ALTER TABLE parts ENABLE TRIGGER USER;
             ALTER TABLE names ENABLE TRIGGER USER"
            ))
            .await;
        let after = self.sent().await;
        for a in &mut self.approved {
            a.forgotten |= after.get(&a.id) < before.get(&a.id);
        }
        self.say(format!("the database goes back to {}", self.backups[nth]));
        let all = self.backups.len();
        self.backups.truncate(nth + 1);
        for later in nth + 1..all {
            let sql = format!(
                "DROP TABLE grants_{later}; DROP TABLE targets_{later}; DROP TABLE parts_{later};
                 DROP TABLE names_{later}; DROP TABLE documents_{later}"
            );
            self.stage.rows.as_owner(&sql).await;
        }
        self.trouble("the database went back", now);
    }
}

/// The guard and the trust policy of another installation that has opened a grant of its own on a
/// role (ARN and id), beside what stands there. The console name in it lasts until then.
pub fn of_others(
    (role, role_id): (&str, &str),
    now: &str,
    (console, until): (&str, DateTime<Utc>),
    revision: i64,
) -> (String, String) {
    let id = GrantId::new();
    let name = id.to_string();
    let guard = Guard {
        until: [(name.clone(), until), (console.to_owned(), until)].into(),
        installation: "ffffffff".to_owned(),
        ..Guard::default()
    };
    let guard = guard.render(role_id, role, revision);
    let names = [console, &name];
    let elsewhere = Admitted {
        arn: ELSEWHERE_ARN,
        userid: None,
    };
    let statement = trust::statement(id, elsewhere, &names, &Demands::default(), until);
    let statement = serde_json::from_str(&statement).unwrap();
    (guard, with_statements(now, |all| all.push(statement)))
}

pub fn with_statements(text: &str, edit: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    let statements = document["Statement"].take();
    let mut all = statements.as_array().cloned().unwrap_or(vec![statements]);
    edit(&mut all);
    document["Statement"] = Value::Array(all);
    document.to_string()
}

/// The policy with each statement of ours as `change` makes it, or without.
pub fn edited(text: &str, change: impl Fn(Value) -> Option<Value>) -> String {
    let is_ours = |s: &Value| {
        s["Sid"]
            .as_str()
            .is_some_and(|it| it.starts_with("Countersign"))
    };
    with_statements(text, |all| {
        let kept = std::mem::take(all)
            .into_iter()
            .filter_map(|s| if is_ours(&s) { change(s) } else { Some(s) });
        all.extend(kept);
    })
}

pub fn moved(mut statement: Value, date: DateTime<Utc>) -> Value {
    let date = date.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    statement["Condition"]["DateLessThan"]["aws:CurrentTime"] = json!(date);
    statement
}
