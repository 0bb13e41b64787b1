//! The oracles of liveness: what is approved works, but for declared moments; what is to end ends;
//! and what the service put on record has a reason in the world.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use countersign::domain::entitlement::Method;
use countersign::ids::GrantId;

use super::oracles::GotIn;
use super::world::{Approved, GrantRow, P, Violation, World};
use crate::policy::PRODUCTION;
use crate::worker::judge::{SELDOM, allowance};

impl World {
    /// A grant that has to be open is used: by its session, by its person's own keys, or by what is
    /// fetched.
    pub async fn works_now(
        &mut self,
        nth: usize,
        a: &Approved,
        got_in: &GotIn,
    ) -> Result<(), Violation> {
        let (now, id) = (self.now(), a.id);
        let works = match a.method {
            Method::Attach => self.lists_roles(a.person).await,
            Method::StsCredentials => {
                // It costs two transactions.
                if !self.dice.chance(30) {
                    return Ok(());
                }
                let keys = self.fetch(nth).await;
                let keys =
                    keys.map_err(|code| format!("liveness: {id} is not fetched at {now}: {code}"))?;
                keys.work().await
            }
            Method::TrustPolicy | Method::Switch => {
                let role = self.role_of(&a.on).unwrap();
                let keys = got_in.get(&(role, a.person, id.to_string()));
                let keys = keys.ok_or_else(|| {
                    format!("liveness: {id} does not let its principal in at {now}")
                })?;
                keys.work().await
            }
        };
        if works {
            self.judged.worked += 1;
            return Ok(());
        }
        Err(format!("liveness: {id} is denied at {now}"))
    }

    /// Whether a grant has to be open now: within its time after what it takes to open, for its
    /// principal on its role, and not ended.
    pub fn must_work(&self, rows: &BTreeMap<GrantId, GrantRow>, a: &Approved) -> bool {
        let Some(row) = rows.get(&a.id).filter(|row| row.is_open()) else {
            return false;
        };
        let user = self.unique_id(&self.people[a.person].arn);
        let is_it = a.method == Method::StsCredentials || user.as_ref() == Some(&a.principal);
        let is_its_role = a.role_id.is_none() || self.unique_id(&a.on) == a.role_id;
        let now = self.now();
        is_it
            && is_its_role
            && !self.is_excused(a)
            // By the clock that is ahead: AWS's decides when it is over there. Of credentials there
            // are none in the last minute.
            && now.max(self.stage.aws_now()) + TimeDelta::minutes(1) < row.deadline
            && now >= a.starts + allowance("the worker is gone")
    }

    /// What was to be closed is ended in the end: nothing waits for ever.
    pub fn closings_end(&self, rows: &BTreeMap<GrantId, GrantRow>) -> Result<(), Violation> {
        let limit = allowance("the worker is gone");
        for a in &self.approved {
            let Some(row) = rows.get(&a.id).filter(|row| !row.is_over()) else {
                continue;
            };
            let since = row.closing_at.unwrap_or(row.deadline);
            if !self.is_excused(a) && self.now() > since + limit {
                return Err(format!(
                    "liveness: {} is still {} at {}",
                    a.id,
                    row.state,
                    self.now()
                ));
            }
        }
        Ok(())
    }

    /// After the workers: what they put on record has a reason in the world.
    pub async fn sync(&mut self) -> Result<(), Violation> {
        self.note_documents();
        self.note_conditions().await;
        self.note_looks();
        let rows = self.rows().await;
        let moves =
            |row: &GrantRow| ["opening", "closing", "scheduled"].contains(&row.state.as_str());
        self.is_settled = !rows.values().any(moves);
        for (id, row) in rows {
            let Some(nth) = self.approved.iter().position(|a| a.id == id) else {
                return Err(format!("{id} was never approved"));
            };
            if row.closing_at.is_some() && self.ends.insert(id) {
                let cause = row.cause.clone().unwrap_or_default();
                self.say(format!("{id} closes: {cause}"));
                self.ends_rightly(&self.approved[nth], &cause)?;
            }
            if row.ended_at.is_some() && self.approved[nth].announced.is_none() {
                // After a restore a grant may end once more.
                self.approved[nth].announced = row.ended_at;
                self.say(format!("{id} {}", row.state));
            }
        }
        Ok(())
    }

    /// An end that the service decides upon has a reason in the world.
    fn ends_rightly(&self, a: &Approved, cause: &str) -> Result<(), Violation> {
        let now = self.now();
        // One that is approved while nobody has seen it yet goes with the others.
        let unseen = a.starts - SELDOM - P - PRODUCTION.unclear();
        let on = self.on(a);
        let since = |harmless: &[&str]| {
            let mut all = self.troubles.iter();
            all.any(|((arn, what), at)| {
                on.contains(arn) && *at >= unseen && !harmless.contains(what)
            })
        };
        let user = self.unique_id(&self.people[a.person].arn);
        let role_id = self.unique_id(&a.on);
        // By AWS's clock, where that is ahead, who was created just before the request came after
        // it: so a name that changed hands is told.
        let is_younger = |id: &String| self.created.get(id).is_some_and(|at| *at > a.starts - P);
        let is_right = match cause {
            "principal_gone" => user.as_ref() != Some(&a.principal) || is_younger(&a.principal),
            "target_gone" | "target_replaced" => {
                role_id.is_none()
                    || role_id != a.role_id
                    || a.role_id.as_ref().is_some_and(is_younger)
            }
            // Our own late writes, and what we did not do in time, end no grant.
            "reverted_by_owner" => since(&[
                "a write has no answer",
                "an unanswered write lands",
                "the worker is gone",
            ]),
            "could_not_open" => {
                now + P + TimeDelta::seconds(5) >= a.deadline || since(&["the worker is gone"])
            }
            "deadline" => {
                let mut all = self.troubles.keys();
                let went_back = all.any(|(_, what)| *what == "the database went back");
                now >= a.deadline || went_back && a.earlier.iter().any(|it| now >= *it)
            }
            _ => true,
        };
        if is_right {
            return Ok(());
        }
        Err(format!(
            "liveness: {} ends without reason as {cause} at {now}",
            a.id
        ))
    }

    /// Where the service has looked since a hand was there, it knows. A look that lags shows
    /// nothing.
    fn note_looks(&mut self) {
        if self.unseen.is_empty() || self.faults.stale_until.is_some() {
            return;
        }
        for call in self.knobs().calls() {
            let account = call.caller.split(':').nth(4).unwrap_or_default();
            let kind = match call.action.as_str() {
                "GetRole" => "role",
                "ListUserPolicies" => "user",
                _ => continue,
            };
            let name = call.params.get("RoleName").or(call.params.get("UserName"));
            let arn = format!(
                "arn:aws:iam::{account}:{kind}/{}",
                name.map_or("", String::as_str)
            );
            let is_ours = call.caller.contains("/countersign");
            if is_ours && self.unseen.get(&arn).is_some_and(|at| call.at >= *at) {
                self.unseen.remove(&arn);
            }
        }
    }
}
