//! When to look again (docs/guard.md §3, step 14).

use chrono::{DateTime, TimeDelta, Utc};

use super::situation::{Known, SECOND, Situation};
use super::{Input, Plan};
use crate::domain::grant::GrantState;

/// How soon to look again while a grant is open or not yet closed: somebody may have changed what
/// we wrote, or what stood in the way may be gone.
pub(super) const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);

impl Situation<'_> {
    /// The next moment at which something may have to be done. `outcomes` is the plan so far.
    pub(super) fn due(&self, outcomes: &Plan) -> Option<DateTime<Utc>> {
        let mut moments = self.moments_of_writes();
        moments.extend(self.moment_of_the_watch(outcomes));
        for known in &self.grants {
            moments.extend(self.moments_of(known, outcomes));
        }
        moments.extend(self.moments_of_kept_names());
        // In safe mode the guard is written anew once no read can lag (docs/guard.md, C13).
        let noticed = outcomes.safe_since;
        moments.extend(noticed.map(|at| at + self.input.margins.propagation));
        moments.retain(|at| *at > self.input.now);
        moments.into_iter().min()
    }

    /// When a read shows our last writes, and when a write without an answer cannot land any more.
    fn moments_of_writes(&self) -> Vec<DateTime<Utc>> {
        let Input {
            target, margins, ..
        } = *self.input;
        let mut moments = Vec::new();
        for sent in [&target.trust, &target.guard] {
            moments.extend(sent.written_at().map(|at| at + margins.propagation));
            moments.extend(sent.unclear_at.map(|at| at + margins.unclear()));
        }
        moments
    }

    /// While a guard stands, or a grant is remembered: somebody may delete the guard, or put a
    /// statement back that the guard has to outlast (docs/guard.md, C11, C12).
    fn moment_of_the_watch(&self, outcomes: &Plan) -> Option<DateTime<Utc>> {
        let stands = self.role.guard.is_some() && !self.is_of_others();
        let remembers = self.input.grants.len() > outcomes.guard_removed.len();
        let watches = stands || remembers || self.needs_guard();
        watches.then(|| self.input.now + self.input.margins.watch)
    }

    fn moments_of(&self, known: &Known<'_>, outcomes: &Plan) -> Vec<DateTime<Utc>> {
        let Input { now, margins, .. } = *self.input;
        let mut moments = Vec::new();
        let state = &known.grant.state;
        let is_closing = matches!(state, GrantState::Closing(_));
        let is_left = is_closing && !outcomes.closed.contains(&known.grant.id);
        if state.may_be_open() || is_left {
            moments.extend([
                known.grant.starts_at,
                known.grant.deadline,
                now + LOOK_AGAIN,
            ]);
        }
        let marks = &known.marks;
        // What lets somebody in elsewhere waits for the console name.
        moments.extend(marks.console_since);
        moments.extend(marks.unclear_at.map(|at| at + margins.unclear()));
        let missing = marks.principal_missing_since;
        moments.extend(missing.map(|at| at + margins.missing()));
        if !known.live {
            // Only after that moment the name turns from denied to cut, and from cut to forgotten.
            let turns = [self.last_issue(marks), marks.guard_until];
            moments.extend(turns.into_iter().flatten().map(|at| at + SECOND));
        }
        moments
    }

    /// When a kept name, and the guard itself, have outlived the last session that they deny.
    fn moments_of_kept_names(&self) -> Vec<DateTime<Utc>> {
        let outlived = self.outlived() + SECOND;
        let found = self.kept.values().map(|found| *found + outlived);
        let mut moments: Vec<_> = found.collect();
        moments.extend(self.guard_ages().map(|at| at + SECOND));
        moments
    }
}
