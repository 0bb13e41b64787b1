//! The next step towards the desired state: one write per look, the guard first, closings before
//! openings (docs/guard.md §3).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::capacity::{INLINE_QUOTA, size};
use super::desired::{Known, Look};
use super::document::{inert, names_itself, sid};
use super::guard::Guard;
use super::lost::{blocked, ended_with_another_role, gone, lost, nothing, safe_since};
use super::mutations::{Clause, stands};
use super::reverted::{guard_was_deleted, reverted, was_undone};
use super::trust::Seen;
use super::{Input, Observed, Plan, Step, fingerprint};
use crate::domain::cause::Cause;
use crate::domain::grant::GrantState;
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// The next step, and what follows from the look. Pure; the same input gives the same plan.
pub fn plan(input: &Input<'_>) -> Plan {
    let role = match input.observed {
        Observed::Gone => return gone(input),
        Observed::Role(role) => role,
    };
    let (condition, close, closed) = lost(input, role);
    if !close.is_empty() || !closed.is_empty() {
        return Plan {
            close,
            closed,
            due: Some(input.now),
            ..nothing(input, condition)
        };
    }
    let mut look = Look::new(input, role, condition);
    let condition = if condition == Condition::Ok {
        blocked(&look)
    } else {
        condition
    };
    let (close, contested) = reverted(&look, condition);
    if !close.is_empty() {
        let condition = if contested && condition == Condition::Ok {
            Condition::Contested
        } else {
            condition
        };
        return Plan {
            close,
            due: Some(input.now),
            ..nothing(input, condition)
        };
    }
    let may_open = condition == Condition::Ok && !input.closings_only;
    if may_open {
        look.give_console_names();
    }
    Planner {
        guard: look.guard(),
        look,
        condition,
        may_open,
    }
    .plan()
}

/// Where the guard stands.
enum GuardStep {
    /// It was read back as it should be.
    Confirmed,
    /// Exactly this was sent, and the read does not show it; it is not to be sent again before that
    /// time.
    Sent(Step, DateTime<Utc>),
    /// It is to be written.
    Write(Step),
}

struct Planner<'a> {
    look: Look<'a>,
    guard: Guard,
    condition: Condition,
    may_open: bool,
}

impl Planner<'_> {
    fn plan(self) -> Plan {
        let input = self.look.input;
        let guard_step = self.guard_step();
        let confirmed = matches!(guard_step, GuardStep::Confirmed);
        let unclear = self.look.guard_is_unclear() || self.look.trust_is_unclear();
        let waits = matches!(guard_step, GuardStep::Sent(..)) || unclear;
        let mut close = Vec::new();
        let step = self.step(guard_step, &mut close);
        let outcome = |wanted: &dyn Fn(&Known<'_>) -> bool| -> Vec<GrantId> {
            let grants = self.look.grants.iter().filter(|k| confirmed && wanted(k));
            grants.map(|k| k.grant.id).collect()
        };
        let changed = self.look.grants.iter().filter(|k| k.marks != k.grant.marks);
        let mut plan = Plan {
            marks: changed.map(|k| (k.grant.id, k.marks.clone())).collect(),
            opened: outcome(&|k| self.is_opened(k)),
            closed: outcome(&|k| self.is_closed(k)),
            kept: self.guard.kept.clone(),
            guard_removed: outcome(&|k| self.is_forgotten(k)),
            waits,
            ..nothing(input, self.condition)
        };
        plan.guard_removed.extend(ended_with_another_role(input));
        if close.is_empty() {
            plan.due = (step == Step::Rest).then(|| self.look.due(&plan)).flatten();
            plan.step = step;
        } else {
            plan.close = close;
            plan.due = Some(input.now);
        }
        plan
    }

    fn step(&self, guard_step: GuardStep, close: &mut Vec<(GrantId, Cause)>) -> Step {
        let now = self.look.input.now;
        let deleted = self.look.role.guard.is_none();
        if !stands(Clause::GuardFirst)
            && let Some(step) = self.opening(close)
        {
            return step;
        }
        match guard_step {
            GuardStep::Confirmed => {
                let closing = self.closing(true);
                closing
                    .or_else(|| self.opening(close))
                    .unwrap_or(Step::Rest)
            }
            // A guard that AWS refuses must not keep statements from being taken away; where there
            // is none, no statement of ours stays (docs/guard.md §3, step 10).
            GuardStep::Write(_) | GuardStep::Sent(..) if self.look.input.guard_refused => {
                self.closing(!deleted).unwrap_or(Step::Rest)
            }
            GuardStep::Write(step) => {
                self.drop_what_does_not_fit(close);
                step
            }
            GuardStep::Sent(step, until) => {
                let wait = if now < until { Step::Rest } else { step };
                // One that somebody deleted goes back first.
                let closing = (!deleted).then(|| self.closing(true)).flatten();
                closing.unwrap_or(wait)
            }
        }
    }

    fn guard_step(&self) -> GuardStep {
        let Look { input, role, .. } = &self.look;
        let written = input.target.written_guard.as_ref();
        let settles = written.map_or(input.now, |w| w.at + input.margins.propagation);
        let was_sent = |text: &str| written.is_some_and(|w| w.hash == fingerprint(text));
        if !self.look.needs_guard() {
            return match &role.guard {
                None => GuardStep::Confirmed,
                Some(_) if self.look.is_of_others() => GuardStep::Confirmed,
                // By which clock its last session is over nobody knows.
                Some(_) if self.look.tightens => GuardStep::Confirmed,
                Some(_) if was_sent("") => GuardStep::Sent(Step::DeleteGuard, settles),
                Some(_) => GuardStep::Write(Step::DeleteGuard),
            };
        }
        let known = input.target.revision;
        let revision = self
            .look
            .read
            .revision
            .map_or(known, |read| read.max(known))
            + 1;
        let document = self.guard.render(&role.role_id, &role.arn, revision);
        let grants = self
            .look
            .grants
            .iter()
            .filter(|k| self.guard.until.contains_key(&k.grant.grant_name));
        let opens = grants
            .filter(|k| !self.look.read.until.contains_key(&k.grant.grant_name))
            .map(|k| k.grant.id)
            .collect();
        let put = Step::PutGuard {
            document,
            revision,
            opens,
            restores: guard_was_deleted(&self.look),
        };
        // One from another time is written anew, so that it is known how old it is.
        let equal = !self.look.is_of_another_time()
            && role
                .guard
                .as_deref()
                .is_some_and(|g| self.guard.is(g, &role.role_id, &role.arn));
        // In safe mode what the guard says is kept, so that it is written only from a read which
        // cannot lag.
        let noticed = safe_since(input, self.condition).unwrap_or(input.now);
        let certain = settles.max(noticed + input.margins.propagation);
        let lags = self.look.guard_is_stale() || input.now < noticed + input.margins.propagation;
        if self.look.safe && !equal && lags {
            return GuardStep::Sent(Step::Rest, certain);
        }
        // The same words may be those of an older guard, as long as a read may lag behind.
        let ours =
            self.look.read.revision.is_some_and(|read| read >= known) || input.now >= settles;
        match (equal, ours) {
            (true, true) => GuardStep::Confirmed,
            (true, false) => GuardStep::Sent(Step::Rest, settles),
            (false, _) if was_sent(&self.guard.render(&role.role_id, &role.arn, known)) => {
                GuardStep::Sent(put, settles)
            }
            (false, _) => GuardStep::Write(put),
        }
    }

    /// The newest grant that the guard has no room for is given up.
    fn drop_what_does_not_fit(&self, close: &mut Vec<(GrantId, Cause)>) {
        let role = self.look.role;
        if size(&self.guard.render(
            &role.role_id,
            &role.arn,
            self.look.input.target.revision + 1,
        )) > INLINE_QUOTA
        {
            let new = self.look.grants.iter().rev().find(|k| {
                k.live
                    && matches!(k.grant.state, GrantState::Opening { .. })
                    && self.guard.until.contains_key(&k.grant.grant_name)
                    && k.statement.is_none()
            });
            close.extend(new.map(|k| (k.grant.id, Cause::CouldNotOpen)));
        }
    }

    /// The statements that may stay as they are, by Sid: those that are not ours to touch, and,
    /// with a guard, those of live grants.
    fn staying(&self, with_guard: bool) -> BTreeMap<String, String> {
        let Ok(document) = &self.look.document else {
            return BTreeMap::new();
        };
        let stays = |sid: &str, text: &str| {
            if self.look.is_of_others() && !self.is_known(sid) {
                return true;
            }
            // Nobody's grant, and it does not pin the session name that each of ours pins: a Sid
            // that only looks like ours.
            if !self.is_known(sid) && !names_itself(sid, text) {
                return true;
            }
            let live = |k: &Known<'_>| k.live && super::document::sid(k.grant.id) == sid;
            let as_sent =
                |k: &Known<'_>| matches!(k.statement, Some(Seen::Current | Seen::Earlier));
            with_guard && self.look.grants.iter().any(|k| live(k) && as_sent(k))
        };
        let mut staying = BTreeMap::new();
        for (sid, statement) in document.ours().filter(|(sid, s)| stays(sid, s.text)) {
            staying
                .entry(sid.to_owned())
                .or_insert_with(|| statement.text.to_owned());
        }
        staying
    }

    fn is_known(&self, sid: &str) -> bool {
        let grants = self.look.input.grants;
        grants.iter().any(|g| super::document::sid(g.id) == sid)
    }

    /// Takes away what should not be there, and nothing else: ended grants, statements that nobody
    /// knows, altered and doubled ones; those of live grants as well where there is no guard, and
    /// it cannot be put back (docs/guard.md §3, step 10).
    fn closing(&self, with_guard: bool) -> Option<Step> {
        let document = self
            .look
            .document
            .as_ref()
            .ok()
            .filter(|_| !self.look.stale)?;
        let staying = self.staying(with_guard);
        (document.ours().count() > staying.len()).then(|| self.put_trust(&staying, Vec::new()))?
    }

    /// Adds what should be there, if nothing stands against it.
    fn opening(&self, close: &mut Vec<(GrantId, Cause)>) -> Option<Step> {
        let role = self.look.role;
        // A write that may still land can take the guard's entry away, or the statement: of this
        // grant or of a later one (docs/guard.md, H4, H11).
        let unclear = self.look.guard_is_unclear() && stands(Clause::GuardAnswered)
            || self.look.trust_is_unclear();
        if !self.may_open || self.look.stale || unclear {
            return None;
        }
        let mut statements = self.staying(true);
        let desired = self.look.statements();
        let new = desired
            .iter()
            .filter(|(_, (k, _))| k.statement != Some(Seen::Current) && self.may_be_opened(k));
        let mut opens = Vec::new();
        let mut any = false;
        let most = if self.look.input.one_at_a_time {
            1
        } else {
            desired.len()
        };
        for (sid, (k, text)) in new.take(most) {
            let before = statements.insert(sid.clone(), text.clone());
            if size(&self.render(&statements)?) <= role.trust_quota {
                any = true;
                opens.extend(before.is_none().then_some(k.grant.id));
                continue;
            }
            match before {
                Some(before) => drop(statements.insert(sid.clone(), before)),
                None => {
                    statements.remove(sid);
                    let opening = matches!(k.grant.state, GrantState::Opening { .. });
                    close.push((
                        k.grant.id,
                        if opening {
                            Cause::CouldNotOpen
                        } else {
                            Cause::RevertedByOwner
                        },
                    ));
                }
            }
        }
        if any {
            self.put_trust(&statements, opens)
        } else {
            None
        }
    }

    /// Time enough for the guard to be everywhere before the deadline, and the very user that was
    /// approved.
    fn may_be_opened(&self, k: &Known<'_>) -> bool {
        let Input { now, margins, .. } = *self.look.input;
        let read = self
            .look
            .role
            .principals
            .get(&k.grant.principal_arn)
            .and_then(Option::as_ref);
        now + margins.propagation < k.grant.deadline
            && read.is_some_and(|it| Some(it.id.as_str()) == self.look.principal_id(k.grant))
    }

    fn render(&self, statements: &BTreeMap<String, String>) -> Option<String> {
        let document = self.look.document.as_ref().ok()?;
        let original = self.look.input.target.original_trust.as_deref();
        Some(document.with(statements, original, &inert(&self.look.role.arn)))
    }

    fn put_trust(
        &self,
        statements: &BTreeMap<String, String>,
        opens: Vec<GrantId>,
    ) -> Option<Step> {
        let grants = self
            .look
            .grants
            .iter()
            .filter(|k| statements.contains_key(&sid(k.grant.id)));
        // One that somebody changed is taken out first, and counts from then on.
        let counts = |k: &Known<'_>| k.statement.is_some() || opens.contains(&k.grant.id);
        let undone = |k: &&Known<'_>| counts(k) && was_undone(&self.look, k);
        let restores = self.look.grants.iter().filter(undone);
        Some(Step::PutTrust {
            document: self.render(statements)?,
            restores: restores.map(|k| k.grant.id).collect(),
            opens,
            sends: grants.map(|k| (k.grant.id, k.grant.deadline)).collect(),
            replaces: self.look.role.trust.clone(),
        })
    }

    fn is_opened(&self, k: &Known<'_>) -> bool {
        let stands = matches!(k.statement, Some(Seen::Current | Seen::Earlier));
        let listed = self.guard.until.contains_key(&k.grant.grant_name);
        k.live && stands && listed && matches!(k.grant.state, GrantState::Opening { .. })
    }

    fn is_closed(&self, k: &Known<'_>) -> bool {
        let absent = k.absent || k.marks.sent_until.is_none();
        matches!(k.grant.state, GrantState::Closing(_)) && absent && !self.look.guard_is_unclear()
    }

    /// Ended, and no session of it can be left. A guard that was written just now may still be read
    /// as it was.
    fn is_forgotten(&self, k: &Known<'_>) -> bool {
        let Input {
            now,
            margins,
            target,
            ..
        } = *self.look.input;
        let recent = target
            .written_guard
            .as_ref()
            .is_some_and(|w| now < w.at + margins.propagation);
        let over = matches!(
            k.grant.state,
            GrantState::Ended { .. } | GrantState::Failed { .. }
        );
        let forgotten = !self.look.past(k) && !self.look.tightens;
        over && (k.marks.sent_until.is_none() || forgotten && !recent)
    }
}
