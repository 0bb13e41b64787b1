//! Grants with parts on several targets: what one target's pass asks of the others, and tells them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Worker;
use super::ledger::Ledger;
use crate::db::guarding::guarding;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::part::{Allows, Part, PartKind, PartState};
use crate::ids::{GrantId, TargetId};

/// For how long a look at the guard counts for whoever is let in elsewhere. While a grant is open
/// its role is looked at each minute, and a look that misses the guard takes it back at once; were
/// this shorter, a user that is looked at just before its role would wait for ever.
const FRESH: TimeDelta = TimeDelta::seconds(90);

impl Worker {
    /// Those that may be let in by an inline policy, as far as their role's guard is concerned
    /// (docs/carrier.md, I2), once it was asked whether they need it (I3): in the transaction that
    /// plans it, of the locked grants.
    pub(super) async fn listed(
        &self,
        conn: &mut PgConnection,
        grants: &[Grant],
        parts: &BTreeMap<GrantId, Part>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<BTreeSet<GrantId>> {
        let mut listed = BTreeSet::new();
        for grant in grants.iter().filter(|grant| grant.state.may_be_open()) {
            let allows = parts.get(&grant.id).and_then(|part| part.allows.as_ref());
            if !matches!(allows, Some(Allows::Role { .. })) || is_unasked(grant) {
                continue;
            }
            let guarding = guarding(conn, grant.id).await?;
            let lands = self.settings.margins.unclear();
            // The guard's date first: with an earlier one there the old policy stands.
            let is_whole = guarding.listed_until >= Some(grant.deadline);
            let may_be = is_whole && !guarding.condition.needs_a_person();
            if may_be && guarding.holds(now, FRESH, lands) {
                listed.insert(grant.id);
            }
        }
        Ok(listed)
    }
}

impl Ledger {
    /// What the inline policies of the grants allow, and which of them may be let in now.
    pub fn inline(&self) -> (BTreeMap<GrantId, Allows>, &BTreeSet<GrantId>) {
        let parts = self.parts.values();
        let allows = parts.filter_map(|part| Some((part.grant, part.allows.clone()?)));
        (allows.collect(), &self.listed)
    }

    /// An inline policy that lets the grant in until then is about to be sent, or stands there
    /// whoever put it: the guard of its role has to outlast that (docs/carrier.md, I1).
    pub fn outlasted(&mut self, id: GrantId, until: Option<DateTime<Utc>>) {
        let is_inline = |part: &Part| part.kind == PartKind::Inline;
        let known = self.grants.iter().find(|grant| grant.id == id);
        let Some((grant, until)) = known.zip(until) else {
            return;
        };
        if self.parts.get(&id).is_some_and(is_inline) && grant.marks.sent_until < Some(until) {
            self.lasting.push((id, until));
            self.concern_others.insert(id);
        }
    }

    /// The guard as read lists a grant until later than before: an inline policy may have waited
    /// for that.
    pub fn listed_anew(&mut self, id: GrantId, until: Option<DateTime<Utc>>) {
        let mut grants = self.grants.iter();
        if grants.any(|grant| grant.id == id && grant.marks.listed_until < until) {
            self.concern_others.insert(id);
        }
    }

    /// The other targets of grants for which whatever they wait for has come.
    pub fn others_due(&self) -> BTreeSet<TargetId> {
        let mut due = BTreeSet::new();
        for part in &self.elsewhere {
            let is_over = part.state.closed_at().is_some() || self.never_opened(part.grant);
            let is_concerned = self.concern_others.contains(&part.grant);
            // A guard that is not known to list a grant is looked at.
            if !is_over && (is_concerned || self.waits_for_list(part)) {
                due.insert(part.target);
            }
        }
        due
    }

    /// Whether an inline policy cannot be put for lack of that part. Where something is open the
    /// role is looked at each minute anyway, and at the pace that its account allows.
    fn waits_for_list(&self, part: &Part) -> bool {
        let mut grants = self.grants.iter();
        let is_it = |grant: &Grant| grant.id == part.grant && !is_unasked(grant);
        let opens = grants.any(|grant| is_it(grant) && grant.state.is_opening());
        opens && part.kind == PartKind::Listed && !self.listed.contains(&part.grant)
    }

    /// The guard was read as it should be, and `before` was the last time: who could not be let in
    /// on a user for want of that is looked at there. Only then, since a user that waits for
    /// something else has the role looked at in turn, without an end.
    pub fn guard_is_whole(&mut self, before: Option<DateTime<Utc>>) {
        let now = self.tx.now();
        for part in &self.elsewhere {
            let is_waiting = part.kind == PartKind::Inline && part.state == PartState::Waiting;
            let mut grants = self.grants.iter();
            let may_go = grants.any(|grant| {
                let since = grant.marks.console_since;
                // A console name that is theirs only in a moment is waited for.
                let is_named = since.is_none_or(|since| since <= now);
                let is_news = before.is_none_or(|at| Some(at) < since || now > at + FRESH);
                grant.id == part.grant && grant.state.is_opening() && is_named && is_news
            });
            // What was known was taken back by a look that missed the guard.
            let mut grants = self.grants.iter();
            let is_open = |grant: &Grant| matches!(grant.state, GrantState::Active { .. });
            let may_be_moved = before.is_none()
                && part.kind == PartKind::Inline
                && grants.any(|grant| grant.id == part.grant && is_open(grant));
            if is_waiting && may_go || may_be_moved {
                self.concern_others.insert(part.grant);
            }
        }
    }

    /// Whether a grant is over before anything was sent for it.
    pub fn never_opened(&self, id: GrantId) -> bool {
        let grant = self.grants.iter().find(|grant| grant.id == id);
        grant.is_some_and(|grant| {
            matches!(
                grant.state,
                GrantState::Ended {
                    opening_at: None,
                    ..
                } | GrantState::Failed {
                    opening_at: None,
                    ..
                }
            )
        })
    }
}

/// Whether nobody has asked yet whether the person of a grant that is to open could do without it.
fn is_unasked(grant: &Grant) -> bool {
    grant.state.is_opening() && grant.marks.bypass_asked_at.is_none()
}
