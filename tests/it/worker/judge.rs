//! The judge of histories, by credentials alone: no session works outside its person's approved
//! windows, and what is approved works, but for declared moments.

use std::collections::BTreeMap;

use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use chrono::{DateTime, TimeDelta, Utc};
use countersign::ids::GrantId;

use super::life::{Approved, GrantRow, Life, MARGINS, Session, Violation};
use crate::support::rows::ROLE;

/// How often the service looks while a grant is open or closing, and after that while a guard of it
/// should stand (docs/guard.md §3, step 14).
pub const OFTEN: TimeDelta = TimeDelta::seconds(60);
pub const SELDOM: TimeDelta = TimeDelta::minutes(5);

pub const SAFE_MODE: &str = "the role is in safe mode";

/// The declared moments: how long after the last sign of each trouble a grant need not work yet,
/// and why.
pub fn allowance(trouble: &str) -> TimeDelta {
    let p = MARGINS.propagation;
    // Two looks, since the first read may lag behind, a write after each, and P until it is
    // everywhere.
    let looks = OFTEN * 2 + p * 3;
    match trouble {
        // Nothing is opened for L and P after it, and what it did may come to light only then.
        "a write has no answer" | "an unanswered write lands" => MARGINS.unclear() + looks,
        // What stands there is made good at the next look; a statement that was taken away goes
        // back after P.
        "a hand on the trust policy" | "a hand on the guard" => looks + p,
        // The same; and in safe mode the guard is written only P after that was noticed.
        "another installation" => looks + p,
        // It is tried again at the next look.
        "AWS refuses" => looks,
        // The pause between two attempts has grown to five minutes by then.
        "the account does not answer" => looks + SELDOM + p,
        // Gone is gone only when it is read so twice, with P between.
        "AWS says that something is gone" | "a user is gone" | "the role is gone" => looks + p,
        // What AWS holds is another time's: a person has to look.
        "the database went back" | "the role is out of service" | SAFE_MODE => looks,
        // From the end of it on everything is due at once.
        "the worker is gone" => looks,
        other => panic!("no allowance for {other}"),
    }
}

impl Life {
    /// Everybody tries every name with the keys that they have, keeps the sessions, and uses them.
    pub async fn judge(&mut self) -> Result<(), Violation> {
        let now = self.now();
        if self.role_id().is_none() {
            self.trouble("the role is gone", now);
        }
        self.note_condition().await;
        let rows = self.grants().await;
        self.closings_end(&rows)?;
        let got_in = self.attack().await;
        for a in self.approved.iter().filter(|a| self.must_work(&rows, a)) {
            let name = a.id.to_string();
            let Some(session) = got_in.get(&name) else {
                return Err(format!(
                    "liveness: {name} does not let its principal in at {now}"
                ));
            };
            if !works(session).await {
                return Err(format!("liveness: {name} is denied by the guard at {now}"));
            }
        }
        for s in &self.sessions {
            if !self.covered(s) && !self.excuses_session(s, &rows).await && works(&s.iam).await {
                return Err(format!(
                    "session {} of {}, issued at {}, works at {now}",
                    s.name, s.principal, s.issued
                ));
            }
        }
        Ok(())
    }

    async fn note_condition(&mut self) {
        let now = self.now();
        let condition = self.stage.rows.target("condition").await;
        if condition.as_deref() != Some("ok") {
            self.trouble("the role is out of service", now);
        }
        if condition.as_deref() == Some("safe_mode") {
            self.trouble(SAFE_MODE, now);
        }
    }

    /// The new sessions, by name.
    async fn attack(&mut self) -> BTreeMap<String, aws_sdk_iam::Client> {
        let mut got_in = BTreeMap::new();
        let now = self.now();
        let (Some(role_id), Some(trust)) = (self.role_id(), self.trust()) else {
            return got_in;
        };
        let beyond = self.moved.contains(&trust).then_some(trust);
        for (nth, person) in self.people.iter().enumerate() {
            let Some(principal) = person.unique_id(&self.stage) else {
                continue;
            };
            let own = self.approved.iter().rev().filter(|a| a.person == nth);
            let mut names: Vec<String> = own.take(4).map(|a| a.id.to_string()).collect();
            names.push(person.name.to_owned());
            for name in names {
                let call = person.sts.assume_role().role_arn(ROLE);
                let call = call.role_session_name(&name).duration_seconds(self.longest);
                let Ok(answer) = call.send().await else {
                    continue;
                };
                let issued = answer.credentials().unwrap();
                let (id, secret) = (issued.access_key_id(), issued.secret_access_key());
                let token = Some(issued.session_token().to_owned());
                let config = aws_sdk_iam::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new("us-east-1"))
                    .endpoint_url(self.stage.cloud.endpoint())
                    .credentials_provider(Credentials::new(id, secret, token, None, "test"));
                let iam = aws_sdk_iam::Client::from_conf(config.build());
                got_in.insert(name.clone(), iam.clone());
                self.sessions.push(Session {
                    principal: principal.clone(),
                    role_id: role_id.clone(),
                    name,
                    issued: now,
                    beyond: beyond.clone(),
                    iam,
                });
            }
        }
        let longest = TimeDelta::seconds(self.longest.into());
        self.sessions.retain(|s| now < s.issued + longest);
        // Nobody keeps them all: old ones and new ones.
        while self.sessions.len() > 16 {
            let index = self.dice.between(0, 15);
            self.sessions.remove(usize::try_from(index).unwrap());
        }
        got_in
    }

    /// Whether the windows of the session's owner cover the whole time since it was issued.
    fn covered(&self, session: &Session) -> bool {
        let own = |a: &&Approved| a.principal == session.principal && a.role_id == session.role_id;
        // A deadline that stands in AWS means AWS's clock: while that one is behind, it comes so
        // much later.
        let behind = (self.now() - self.stage.aws_now()).max(TimeDelta::zero());
        let windows = self.approved.iter().filter(own).map(|a| {
            let closed = a.announced.map(|at| at + MARGINS.propagation);
            let deadline = a.deadline + behind;
            (a.starts, closed.map_or(deadline, |at| deadline.min(at)))
        });
        let mut windows: Vec<_> = windows.collect();
        windows.sort_unstable();
        let cover = |covered: DateTime<Utc>, (start, end): &(DateTime<Utc>, DateTime<Utc>)| {
            if *start <= covered {
                covered.max(*end)
            } else {
                covered
            }
        };
        self.now() < windows.iter().fold(session.issued, cover)
    }

    /// Whether what somebody else has just written into the guard, or deleted, need not have been
    /// made good yet.
    async fn excuses_hands(&self, rows: &BTreeMap<GrantId, GrantRow>) -> bool {
        let ends = self.troubles.iter();
        let last = ends
            .map(|(what, end)| *end + allowance(what) + SELDOM)
            .max();
        // After a restore nobody may know that there is anything to look at.
        let lost = self.approved.iter().any(|a| !rows.contains_key(&a.id));
        let forgotten = lost && self.due().await.is_none();
        forgotten || last.is_some_and(|until| self.now() < until)
    }

    /// Whether the service could not deny a session yet, or not know that it is to be denied.
    async fn excuses_session(&self, session: &Session, rows: &BTreeMap<GrantId, GrantRow>) -> bool {
        let excused = self.excuses_hands(rows).await;
        // A guard that somebody else has just written is not ours to answer for.
        if self.guard_by_hand.is_some() && excused {
            return true;
        }
        // Beyond its deadline, by a date that somebody moved: the service has not seen it, or has
        // only just seen it.
        let beyond = session.beyond.as_ref();
        if beyond.is_some_and(|trust| !self.seen.contains(trust) || excused) {
            return true;
        }
        let has = |a: &&Approved| {
            let own = a.id.to_string() == session.name;
            a.principal == session.principal && (own || self.people[a.person].name == session.name)
        };
        let mut own = self.approved.iter().filter(has);
        // By a statement that somebody, or a late write, put on another role of the name: there is
        // no guard of ours before it is seen.
        let stray = own.clone().all(|a| a.role_id != session.role_id);
        // By a grant that a restore made forgotten: with the guard gone too, or another
        // installation's in its place, nobody knows of it any more.
        let hands = ["a hand on the guard", "another installation"];
        let hand = hands
            .iter()
            .filter_map(|what| self.troubles.get(what))
            .max();
        let forgotten = own.any(|a| a.forgotten && hand.is_some_and(|at| *at >= a.starts));
        stray && excused || forgotten
    }

    /// Whether something is still going on, or has been until just now.
    pub fn is_excused(&self) -> bool {
        let mut ends = self.troubles.iter();
        ends.any(|(what, end)| self.now() < *end + allowance(what))
    }

    /// Whether a grant has to be open now: within its time after what it takes to open, for its
    /// principal on its role, and not ended.
    fn must_work(&self, rows: &BTreeMap<GrantId, GrantRow>, a: &Approved) -> bool {
        let row = rows.get(&a.id);
        let is_open = row.is_some_and(|row| row.state == "opening" || row.state == "active");
        let now = self.now();
        let time_to_open = allowance("the worker is gone");
        let principal = self.people[a.person].unique_id(&self.stage);
        is_open
            && !self.is_excused()
            && principal.as_ref() == Some(&a.principal)
            && self.role_id().as_ref() == Some(&a.role_id)
            // By the clock that is ahead: AWS's decides when it is over there.
            && now.max(self.stage.aws_now()) < a.deadline
            && now >= a.starts + time_to_open
    }

    /// What was to be closed is ended in the end: nothing waits for ever.
    fn closings_end(&self, rows: &BTreeMap<GrantId, GrantRow>) -> Result<(), Violation> {
        let limit = allowance("a write has no answer");
        for (id, row) in rows {
            let over = row.state == "ended" || row.state == "failed";
            // unwrap: nothing is granted that was not approved
            let deadline = self.approved.iter().find(|a| a.id == *id).unwrap().deadline;
            let since = row.closing_at.unwrap_or(deadline);
            if !over && !self.is_excused() && self.now() > since + limit {
                return Err(format!("liveness: {id} is still {}", row.state));
            }
        }
        Ok(())
    }

    /// After everything: no grant waits.
    pub async fn all_is_over(&mut self) -> Result<(), Violation> {
        let rows = self.grants().await;
        let waits =
            |(_, row): &(&GrantId, &GrantRow)| row.state != "ended" && row.state != "failed";
        match rows.iter().find(waits) {
            None => Ok(()),
            Some((id, row)) => Err(format!("liveness: {id} is {} in the end", row.state)),
        }
    }

    /// After the worker: what it put on record has a reason in the world.
    pub async fn sync(&mut self) -> Result<(), Violation> {
        self.note_documents();
        self.note_condition().await;
        let rows = self.grants().await;
        let moves =
            |row: &GrantRow| ["opening", "closing", "scheduled"].contains(&row.state.as_str());
        self.is_settled = !rows.values().any(moves);
        for (id, row) in rows {
            if row.closing_at.is_some() && self.ends.insert(id) {
                let cause = row.cause.as_deref().unwrap_or_default();
                self.say(format!("{id} closes: {cause}"));
                self.ends_rightly(id, cause)?;
            }
            let Some(at) = row.ended_at else {
                continue;
            };
            // unwrap: nothing is granted that was not approved
            let a = self.approved.iter_mut().find(|a| a.id == id).unwrap();
            if a.announced.is_none() {
                // After a restore a grant may end once more.
                a.announced = Some(at);
                self.say(format!("{id} {}", row.state));
            }
        }
        Ok(())
    }

    /// An end that the service decides upon has a reason in the world.
    fn ends_rightly(&self, id: GrantId, cause: &str) -> Result<(), Violation> {
        // unwrap: nothing is granted that was not approved
        let a = self.approved.iter().find(|a| a.id == id).unwrap();
        let (now, p) = (self.now(), MARGINS.propagation);
        // One that is approved while nobody has seen it yet goes with the others.
        let unseen = a.starts - SELDOM - p;
        let since = |troubles: &[&str]| {
            let mut ends = troubles.iter().filter_map(|what| self.troubles.get(what));
            ends.any(|at| *at >= unseen)
        };
        let principal = self.people[a.person].unique_id(&self.stage);
        // By AWS's clock, where that is ahead, who was created just before the request came after
        // it: so a name that changed hands is told.
        let is_younger = |id| self.created.get(id).is_some_and(|at| *at > a.starts);
        let is_right = match cause {
            "principal_gone" => {
                principal.as_ref() != Some(&a.principal) || is_younger(&a.principal)
            }
            "target_gone" => self.role_id().as_ref() != Some(&a.role_id),
            "target_replaced" => {
                self.role_id().as_ref() != Some(&a.role_id) || is_younger(&a.role_id)
            }
            "reverted_by_owner" => since(&[
                "a hand on the trust policy",
                "a hand on the guard",
                "the database went back",
            ]),
            // It was not open in time, which is judged by what must work; or the role is in safe
            // mode, where nobody can tell whether it was open before a restore.
            "could_not_open" => now + p >= a.deadline || since(&["AWS refuses", SAFE_MODE]),
            "deadline" => now >= a.deadline,
            _ => true,
        };
        if is_right {
            return Ok(());
        }
        Err(format!(
            "liveness: {id} ends without reason as {cause} at {now}"
        ))
    }
}

/// Whether a session can be used: an ordinary call with its keys.
async fn works(session: &aws_sdk_iam::Client) -> bool {
    session.list_users().send().await.is_ok()
}
