//! When to look at a user again.

use chrono::{DateTime, Utc};

use super::Carrier;
use super::known::Known;
use crate::domain::grant::GrantState;
use crate::domain::target::DocumentKey;
use crate::policy::Plan;
use crate::policy::due::LOOK_AGAIN;
use crate::policy::situation::SECOND;

impl Carrier<'_> {
    /// The next moment at which something may have to be done. `outcomes` is the plan so far.
    pub(super) fn due(&self, outcomes: &Plan) -> Option<DateTime<Utc>> {
        let mut moments = Vec::new();
        for known in &self.grants {
            if !outcomes.guard_removed.contains(&known.grant.id) {
                moments.extend(self.moments_of(known, outcomes));
            }
        }
        for (id, _) in &self.unaccounted {
            let key = DocumentKey::Inline(*id);
            let written = self.input.target.sent(key).written_at();
            moments.extend(written.map(|at| at + self.input.margins.propagation));
        }
        moments.retain(|at| *at > self.input.now);
        moments.into_iter().min()
    }

    fn moments_of(&self, known: &Known<'_>, outcomes: &Plan) -> Vec<DateTime<Utc>> {
        let (now, margins) = (self.input.now, self.input.margins);
        let state = &known.grant.state;
        // Nothing of it is there before it begins.
        if *state == GrantState::Scheduled {
            return vec![known.grant.starts_at];
        }
        let is_left = state.is_closing() && !outcomes.closed.contains(&known.grant.id);
        let is_near = state.may_be_open() || is_left || known.may_land();
        // As long as somebody could put its policy back, it is looked for (docs/carrier.md, T2).
        let again = if is_near { LOOK_AGAIN } else { margins.watch };
        let mut moments = vec![now + again];
        moments.extend(known.moments_of_writes().into_iter().flatten());
        if state.is_open() {
            moments.extend([known.grant.starts_at, known.grant.deadline]);
        }
        let absent = known.marks.absent_at.map(|at| at + margins.propagation);
        // Only after that moment what is left is deleted.
        let last = known.marks.guard_until.map(|at| at + SECOND);
        moments.extend(absent.into_iter().chain(last));
        moments
    }
}
