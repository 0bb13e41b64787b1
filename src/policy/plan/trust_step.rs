//! The two writes of the trust policy: the closing one, which only removes, and the opening one
//! (docs/guard.md §3, steps 11 and 12).

use std::collections::BTreeMap;

use super::{Choice, Planner};
use crate::domain::cause::Cause;
use crate::domain::target::DocumentKey;
use crate::ids::GrantId;
use crate::policy::capacity::size;
use crate::policy::document::{inert, names_itself, sid};
use crate::policy::mutations::{Clause, stands};
use crate::policy::reverted::was_undone;
use crate::policy::situation::Known;
use crate::policy::trust::Wording;
use crate::policy::{Step, Write};

/// Statements of ours by Sid.
type Statements = BTreeMap<String, String>;

impl Planner<'_> {
    /// Takes away what should not be there, and nothing else: ended grants, statements that nobody
    /// knows, altered and doubled ones; those of live grants as well where there is no guard, and
    /// it cannot be put back (docs/guard.md §3, step 10).
    pub(super) fn closing(&self, with_guard: bool) -> Option<Step> {
        let document = self.situation.document.as_ref().ok()?;
        // A stale read may lack what a write of ours has added since (docs/guard.md, H1).
        if self.situation.trust_read.stale {
            return None;
        }
        let staying = self.staying(with_guard);
        if document.ours().count() > staying.len() {
            self.put_trust(&staying, Vec::new())
        } else {
            None
        }
    }

    /// The statements that may stay as they are: those that are not ours to touch, and, with a
    /// guard, those of live grants. Of a doubled one the first stays.
    fn staying(&self, with_guard: bool) -> Statements {
        let mut staying = Statements::new();
        let Ok(document) = &self.situation.document else {
            return staying;
        };
        for (sid, statement) in document.ours() {
            let is_others = self.is_not_ours(sid, statement.text);
            if is_others || with_guard && self.is_live_as_sent(sid) {
                let text = || statement.text.to_owned();
                staying.entry(sid.to_owned()).or_insert_with(text);
            }
        }
        staying
    }

    /// Whether a statement has a Sid of ours and is not to be touched.
    fn is_not_ours(&self, sid: &str, text: &str) -> bool {
        if self.situation.input.has_grant_of(sid) {
            return false;
        }
        // The guard is another installation's, and so is what we do not know. Or nobody's grant has
        // the Sid, and the statement does not pin the session name that each of ours pins: it only
        // looks like ours (docs/guard.md, H12).
        self.situation.is_of_others() || !names_itself(sid, text)
    }

    /// Whether a live grant has that Sid, and its statement reads as it was sent.
    fn is_live_as_sent(&self, own: &str) -> bool {
        let mut grants = self.situation.grants.iter();
        grants.any(|known| {
            let stands = known.wants_statement() && known.stands_as_sent();
            known.live && stands && sid(known.grant.id) == own
        })
    }

    /// Adds and updates the statements of live grants, if nothing stands against it. `None` where
    /// there is nothing to add, or where it has to wait.
    pub(super) fn opening(&self) -> Option<Choice> {
        if !self.may_open_now() {
            return None;
        }
        let quota = self.situation.role.trust_quota;
        let mut statements = self.staying(true);
        let (mut opens, mut without_room) = (Vec::new(), Vec::new());
        let mut changes = false;
        for known in self.to_be_written() {
            let sid = sid(known.grant.id);
            let is_new = !statements.contains_key(&sid);
            let mut with_one_more = statements.clone();
            with_one_more.insert(sid, known.desired_statement());
            if size(&self.rendered_trust(&with_one_more)?) <= quota {
                statements = with_one_more;
                changes = true;
                if is_new {
                    opens.push(known.grant.id);
                }
            } else if is_new {
                // A statement that stands and cannot be updated stays as it is; a new one is left
                // out, and its grant closes.
                without_room.push((known.grant.id, cause_without_room(known)));
            }
        }
        if !without_room.is_empty() {
            return Some(Choice::GiveUp(without_room));
        }
        let step = changes.then(|| self.put_trust(&statements, opens))?;
        step.map(Choice::Take)
    }

    /// Whether statements may be added at this moment.
    fn may_open_now(&self) -> bool {
        let input = self.situation.input;
        // A write that may still land can take the guard's entry away, or the statement: of this
        // grant or of a later one (docs/guard.md, H4, H11).
        let guard_may_land = input.guard_is_unclear() && stands(Clause::GuardAnswered);
        let may_land = guard_may_land || input.trust_is_unclear();
        self.may_open && !self.situation.trust_read.stale && !may_land
    }

    /// The live grants whose statements are to be added or updated; one alone, where AWS has
    /// refused several together, so that its next refusal hits the guilty one (docs/guard.md, H12).
    fn to_be_written(&self) -> Vec<&Known<'_>> {
        let mut wanted = Vec::new();
        for known in &self.situation.grants {
            let is_current = known.statement == Some(Wording::Current);
            let is_missing = known.wants_statement() && !is_current;
            if known.live && is_missing && self.may_be_opened(known) {
                wanted.push(known);
            }
        }
        if self.situation.input.one_at_a_time {
            wanted.truncate(1);
        }
        wanted
    }

    /// Time enough for the guard to be everywhere before the deadline (docs/guard.md, H5), and the
    /// very user that was approved, in this look (C8); of a role, an authority that vouches for the
    /// session's name (C6).
    fn may_be_opened(&self, known: &Known<'_>) -> bool {
        let input = self.situation.input;
        let has_time = input.now + input.margins.propagation < known.grant.deadline;
        let Some(Some(user)) = self.situation.role.shows(known.grant) else {
            return false;
        };
        let is_approved = self.situation.principal_id(known.grant) == Some(user.id);
        has_time && is_approved && user.unvouched.is_none()
    }

    fn rendered_trust(&self, statements: &Statements) -> Option<String> {
        let document = self.situation.document.as_ref().ok()?;
        let original = self.situation.input.target.trust.original.as_deref();
        let inert = inert(&self.situation.role.arn);
        Some(document.with(statements, original, &inert))
    }

    fn put_trust(&self, statements: &Statements, opens: Vec<GrantId>) -> Option<Step> {
        let (mut restores, mut sends) = (Vec::new(), Vec::new());
        for known in &self.situation.grants {
            let id = known.grant.id;
            if statements.contains_key(&sid(id)) {
                sends.push((id, known.grant.deadline));
            }
            // A statement that somebody changed is taken out first, and counts from then on
            // (docs/decisions.md, 5); one that somebody removed counts when it is added.
            let counts = known.statement.is_some() || opens.contains(&id);
            if counts && was_undone(&self.situation, known) {
                restores.push(id);
            }
        }
        Some(Step::from(Write {
            key: DocumentKey::Trust,
            text: Some(self.rendered_trust(statements)?),
            revision: self.situation.input.target.revision,
            opens,
            guard_back: false,
            restores,
            sends,
            replaces: Some(self.situation.role.trust.clone()),
        }))
    }
}

/// Why a grant closes whose statement has no room.
fn cause_without_room(known: &Known<'_>) -> Cause {
    if known.is_opening() {
        Cause::CouldNotOpen
    } else {
        // The grant was open, so that there was room for its statement. Somebody took the statement
        // away, and what somebody wrote since then fills the policy.
        Cause::RevertedByOwner
    }
}
