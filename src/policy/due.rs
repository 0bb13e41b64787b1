//! When to look again.

use chrono::{DateTime, TimeDelta, Utc};

use super::desired::Look;
use super::{Input, Plan};
use crate::domain::grant::GrantState;

/// How soon to look again while a grant is open or not yet closed: somebody may have changed what
/// we wrote, or what stood in the way may be gone.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);

impl Look<'_> {
    /// The next moment at which something may have to be done.
    pub(super) fn due(&self, plan: &Plan) -> Option<DateTime<Utc>> {
        let Input {
            now,
            margins,
            target,
            grants,
            ..
        } = *self.input;
        let second = TimeDelta::seconds(1);
        let mut moments: Vec<DateTime<Utc>> = Vec::new();
        let written = [&target.written_trust, &target.written_guard];
        moments.extend(
            written
                .into_iter()
                .flatten()
                .map(|w| w.at + margins.propagation),
        );
        let unclear = [target.trust_unclear_at, target.guard_unclear_at];
        moments.extend(
            unclear
                .into_iter()
                .flatten()
                .map(|at| at + margins.unclear()),
        );
        let stands = self.role.guard.is_some() && !self.is_of_others();
        let remembers = grants.len() > plan.guard_removed.len();
        if stands || remembers || self.needs_guard() {
            // Somebody may delete it, or put a statement back that it has to outlast
            // (docs/guard.md, C11, C12).
            moments.push(now + margins.watch);
        }
        for k in &self.grants {
            let unfinished = k.grant.state.may_be_open()
                || matches!(k.grant.state, GrantState::Closing(_))
                    && !plan.closed.contains(&k.grant.id);
            if unfinished {
                moments.extend([k.grant.starts_at, k.grant.deadline, now + LOOK_AGAIN]);
            }
            moments.extend(k.marks.unclear_at.map(|at| at + margins.unclear()));
            let missing = k.marks.principal_missing_since;
            moments.extend(missing.map(|at| at + margins.missing()));
            if !k.live {
                moments.extend(self.last_issue(&k.marks).map(|at| at + second));
                moments.extend(k.marks.guard_until.map(|at| at + second));
            }
        }
        let found = self.kept.values();
        let outlived = found.map(|found| *found + self.outlived());
        moments.extend(outlived.chain(self.guard_ages()).map(|at| at + second));
        moments.into_iter().filter(|at| *at > now).min()
    }
}
