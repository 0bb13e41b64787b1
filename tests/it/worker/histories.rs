//! Random histories of the worker against the real SQL, the real SDK and an AWS that answers over
//! HTTP, with hands and faults of every kind; judged by credentials alone. Each step of a history
//! throws dice of its own, so that what proptest leaves out while it shrinks changes nothing in the
//! rest.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use super::cloud::Knob;
use super::life::{COLUMNS, Life, MARGINS};
use super::minutes;
use super::rows::ROLE;
use super::stage::FOREIGN;
use crate::policy::plane::Dice;

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const WRITES: [&str; 2] = ["PutRolePolicy", "UpdateAssumeRolePolicy"];

/// The same few histories each time. `PROPTEST_CASES=500 cargo test worker::histories` looks at so
/// many others.
fn config() -> ProptestConfig {
    let base = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return base;
    }
    ProptestConfig {
        cases: 3,
        rng_seed: RngSeed::Fixed(1),
        ..base
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_hand_and_no_fault_opens_what_is_over_or_closes_what_is_open(
        steps in prop::collection::vec(any::<u64>(), 6..24),
    ) {
        lived(&steps).map_err(TestCaseError::fail)?;
    }
}

/// What went wrong in a history, with everything that happened in it.
fn lived(steps: &[u64]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let mut life = Life::new().await;
        let went = through(&mut life, steps).await;
        went.map_err(|v| format!("{v}\n{}", life.log.join("\n")))
    })
}

async fn through(life: &mut Life, steps: &[u64]) -> Result<(), String> {
    for step in steps {
        life.dice = Dice(*step);
        if life.dice.chance(30) {
            life.back_up().await;
        }
        match life.dice.between(0, 99) {
            0..24 => life.approve().await,
            24..38 => life.revoke_one().await,
            38..52 => life.hand_on_trust(),
            52..60 => life.hand_on_guard(),
            60..64 => life.user_goes_or_comes(),
            64..67 => life.role_goes_or_comes(),
            67..84 => life.arm().await,
            84..88 => life.die().await?,
            88..92 => life.restore().await,
            92..95 => life.normalise(),
            _ => life.resume().await,
        }
        // What befalls a write needs one to befall.
        if life.is_armed() && life.dice.chance(70) {
            match life.dice.chance(60) {
                true => life.approve().await,
                false => life.revoke_one().await,
            }
        }
        let (low, high) =
            *life
                .dice
                .one_of(&[(1, 5), (1, 5), (5, 20), (5, 20), (20, 60), (60, 600)]);
        let length = minutes(life.dice.between(low, high));
        life.pass_time(length).await?;
    }
    // Whatever happened: in the end everything is over.
    life.calm().await;
    let latest = life.approved.iter().map(|a| a.deadline).max();
    let latest = latest.map_or(life.now(), |at| at.max(life.now()));
    life.pass_time(latest - life.now() + minutes(45)).await?;
    life.all_is_over().await
}

/// What befalls a role beside the service's own doing.
impl Life {
    fn hand_on_trust(&mut self) {
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
        // AWS takes no trust policy that names somebody who is not there.
        if text != now && self.stage.cloud.knobs().put_trust(ROLE, &text).is_ok() {
            if what == "our dates moved" {
                self.moved.insert(text.clone());
            }
            self.say(format!("a hand on the trust policy, {what}: {text}"));
            self.trouble("a hand on the trust policy", self.now());
            self.note_documents();
        }
    }

    fn hand_on_guard(&mut self) {
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

    fn user_goes_or_comes(&mut self) {
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
            self.stage.cloud.create_user(name);
        }
        self.trouble("a user is gone", self.now());
    }

    /// Another role of that name has no guard.
    fn role_goes_or_comes(&mut self) {
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
            self.longest = 3_600;
        }
        self.guard_by_hand = None;
        self.trouble("the role is gone", self.now());
    }

    /// The next call of some kind meets this, if it comes within minutes.
    async fn arm(&mut self) {
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
    fn lag(&mut self) {
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

    fn normalise(&mut self) {
        self.normalised = !self.normalised;
        self.stage.cloud.knobs().normalised_reads(self.normalised);
        self.say(format!(
            "documents are read normalised: {}",
            self.normalised
        ));
    }

    async fn back_up(&mut self) {
        let nth = self.backups.len();
        let sql = format!(
            "CREATE TABLE grants_{nth} AS TABLE grants; CREATE TABLE targets_{nth} AS TABLE targets"
        );
        self.stage.rows.as_owner(&sql).await;
        self.backups.push(self.now());
    }

    /// The rows go back; what people approved and were told does not, and AWS knows nothing of it
    /// (docs/guard.md, C9, C13).
    async fn restore(&mut self) {
        let Some(last) = self.backups.len().checked_sub(1) else {
            return;
        };
        let back = self.dice.between(0, i64::try_from(last.min(4)).unwrap());
        let nth = last - usize::try_from(back).unwrap();
        let (now, before) = (self.now(), self.sent().await);
        self.stage
            .rows
            .as_owner(&format!(
                "ALTER TABLE grants DISABLE TRIGGER USER; ALTER TABLE targets DISABLE TRIGGER USER;
             DELETE FROM grants; INSERT INTO grants SELECT * FROM grants_{nth};
             UPDATE targets SET ({COLUMNS}) = (SELECT {COLUMNS} FROM targets_{nth});
             UPDATE targets SET due_at = greatest(due_at, '{now}') WHERE due_at IS NOT NULL;
             ALTER TABLE grants ENABLE TRIGGER USER; ALTER TABLE targets ENABLE TRIGGER USER"
            ))
            .await;
        let after = self.sent().await;
        for a in &mut self.approved {
            a.forgotten |= after.get(&a.id) < before.get(&a.id);
        }
        self.say(format!("the database goes back to {}", self.backups[nth]));
        self.backups.truncate(nth + 1);
        for later in nth + 1..=last {
            let sql = format!("DROP TABLE grants_{later}; DROP TABLE targets_{later}");
            self.stage.rows.as_owner(&sql).await;
        }
        self.trouble("the database went back", now);
    }
}

/// The policy with each statement of ours as `change` makes it, or without.
fn edited(text: &str, change: impl Fn(Value) -> Option<Value>) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    let statements = document["Statement"].take();
    let all = statements.as_array().cloned().unwrap_or(vec![statements]);
    let is_ours = |s: &Value| {
        s["Sid"]
            .as_str()
            .is_some_and(|it| it.starts_with("Countersign"))
    };
    let kept = all
        .into_iter()
        .filter_map(|s| if is_ours(&s) { change(s) } else { Some(s) });
    document["Statement"] = kept.collect();
    document.to_string()
}

fn moved(mut statement: Value, date: DateTime<Utc>) -> Value {
    let date = date.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    statement["Condition"]["DateLessThan"]["aws:CurrentTime"] = json!(date);
    statement
}
