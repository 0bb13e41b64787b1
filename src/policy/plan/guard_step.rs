//! Where the guard stands: whether it was read back, is on its way or has to be written
//! (docs/guard.md §3, step 9).

use chrono::{DateTime, Utc};

use super::Planner;
use crate::domain::target::DocumentKey;
use crate::ids::GrantId;
use crate::policy::capacity::{INLINE_QUOTA, size};
use crate::policy::condition::safe_since;
use crate::policy::reverted::guard_was_deleted;
use crate::policy::{Step, Write, fingerprint};

/// Where the guard stands.
pub(super) enum GuardStep {
    /// It was read back as it should be.
    Confirmed,
    /// What was sent may not show yet, or a lost write may not: `again` is taken from `settles` on,
    /// where the guard is not confirmed by then.
    Sent { again: Step, settles: DateTime<Utc> },
    /// It is to be written.
    Write(Step),
}

impl Planner<'_> {
    pub(super) fn guard_step(&self) -> GuardStep {
        if !self.situation.needs_guard() {
            return self.without_guard();
        }
        let settles = self.situation.guard_settles();
        let reads_as_desired = self.reads_as_desired();
        // In safe mode what the guard says is kept, so that it is written only from a read which
        // cannot lag: a guard of the lost time would be written over unseen (docs/guard.md, C13).
        if self.situation.safe && !reads_as_desired && self.may_lag() {
            return GuardStep::Sent {
                again: Step::Rest,
                settles: settles.max(self.safe_mode_settles()),
            };
        }
        if reads_as_desired && self.shows_last_revision() {
            return GuardStep::Confirmed;
        }
        if reads_as_desired {
            // The same words may be those of an older guard, as long as a read may lag behind.
            let again = Step::Rest;
            return GuardStep::Sent { again, settles };
        }
        let again = self.put_guard();
        let sent = self.situation.input.target.revision;
        if self.was_sent(&self.rendered(sent)) {
            GuardStep::Sent { again, settles }
        } else {
            GuardStep::Write(again)
        }
    }

    /// Where the guard stands if no grant and no kept name needs one.
    fn without_guard(&self) -> GuardStep {
        let is_there = self.situation.role.guard.is_some();
        // Another installation's guard is not ours to delete. While nothing may be taken back ours
        // stays too: by which clock its last session is over nobody knows.
        if !is_there || self.situation.is_of_others() || self.situation.tightens {
            return GuardStep::Confirmed;
        }
        if self.was_sent("") {
            return GuardStep::Sent {
                again: self.delete_guard(),
                settles: self.situation.guard_settles(),
            };
        }
        GuardStep::Write(self.delete_guard())
    }

    /// Whether exactly this is what we sent last as the guard.
    fn was_sent(&self, text: &str) -> bool {
        let sent = &self.situation.input.target.guard;
        sent.is(&fingerprint(text))
    }

    /// Whether the guard as read says what it should. One from another time never does: it is
    /// written anew, so that its age is known.
    fn reads_as_desired(&self) -> bool {
        let role = self.situation.role;
        let Some(text) = &role.guard else {
            return false;
        };
        !self.situation.is_of_another_time() && self.guard.is(text, &role.role_id, &role.arn)
    }

    /// From when no read lags behind a write that the database has lost.
    fn safe_mode_settles(&self) -> DateTime<Utc> {
        let input = self.situation.input;
        let noticed = safe_since(input, self.condition).unwrap_or(input.now);
        noticed + input.margins.propagation
    }

    fn may_lag(&self) -> bool {
        self.situation.guard_is_stale() || self.situation.input.now < self.safe_mode_settles()
    }

    /// Whether the guard as read is our last one, by its revision or by the time.
    fn shows_last_revision(&self) -> bool {
        let input = self.situation.input;
        let shown = self.situation.shown.revision;
        let is_last = shown.is_some_and(|shown| shown >= input.target.revision);
        is_last || input.guard_has_settled()
    }

    /// The revision of the next guard: above what we have sent and above what AWS shows.
    fn next_revision(&self) -> i64 {
        let sent = self.situation.input.target.revision;
        let shown = self.situation.shown.revision.unwrap_or(sent);
        shown.max(sent) + 1
    }

    fn rendered(&self, revision: i64) -> String {
        let role = self.situation.role;
        self.guard.render(&role.role_id, &role.arn, revision)
    }

    fn put_guard(&self) -> Step {
        let mut opens = Vec::new();
        for known in &self.situation.grants {
            let is_listed = self.guard.until.contains_key(&known.grant.grant_name);
            if is_listed && !self.situation.lists(known) {
                opens.push(known.grant.id);
            }
        }
        let text = self.rendered(self.next_revision());
        Step::from(Write {
            opens,
            guard_back: guard_was_deleted(&self.situation),
            ..self.guard_write(Some(text), self.next_revision())
        })
    }

    fn guard_write(&self, text: Option<String>, revision: i64) -> Write {
        Write {
            key: DocumentKey::Guard,
            text,
            revision,
            opens: Vec::new(),
            guard_back: false,
            restores: Vec::new(),
            sends: Vec::new(),
            replaces: self.situation.role.guard.clone(),
        }
    }

    /// Delete the guard: no session is left that it could end.
    fn delete_guard(&self) -> Step {
        Step::from(self.guard_write(None, self.situation.input.target.revision))
    }

    /// The newest opening grant, where the guard's text is over the quota: the newest gives way,
    /// never a closing.
    pub(super) fn without_room_in_the_guard(&self) -> Option<GrantId> {
        if size(&self.rendered(self.next_revision())) <= INLINE_QUOTA {
            return None;
        }
        let mut newest_first = self.situation.grants.iter().rev();
        let newest = newest_first.find(|known| {
            let is_new = known.live && known.is_opening() && known.statement.is_none();
            is_new && self.guard.until.contains_key(&known.grant.grant_name)
        });
        newest.map(|known| known.grant.id)
    }
}
