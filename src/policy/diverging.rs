//! Everything that a look shows and the rows do not account for, and not that alone which the next
//! step is about: for people who ask what Countersign makes of AWS.

use super::capacity::is_protected;
use super::condition::{by_guard, by_trust_policy, stored_for_a_person};
use super::divergence::Divergence;
use super::document::{Document, names_itself};
use super::lost::{principal_is_gone, was_replaced};
use super::reverted::{guard_was_deleted, was_undone};
use super::situation::{Known, Situation};
use super::{Input, Observed, ObservedRole, carrier, fingerprint};
use crate::domain::target::Condition;

/// Everything that diverges, in the order in which it matters. `input` is that of
/// [`plan`](super::plan); the same input gives the same answer.
#[must_use]
pub fn divergences(input: &Input<'_>) -> Vec<Divergence> {
    let mut found = match input.observed {
        Observed::Gone if input.grants.is_empty() => Vec::new(),
        Observed::Gone => vec![Divergence::Gone],
        Observed::User(user) => carrier::divergences(input, user),
        Observed::Role(role) => of_role(input, role),
    };
    if stored_for_a_person(input.target) == Condition::Contested {
        found.push(Divergence::Barred(Condition::Contested));
    }
    found
}

fn of_role(input: &Input<'_>, role: &ObservedRole) -> Vec<Divergence> {
    let situation = Situation::new(input, role, by_guard(input, role));
    let mut found = Vec::new();
    if is_protected(&role.arn) {
        found.push(Divergence::Barred(Condition::Protected));
    }
    found.extend(of_guard(&situation));
    let unfinished = input.grants.iter().filter(|grant| !grant.state.is_over());
    let replaced = unfinished.filter(|grant| was_replaced(grant, role));
    found.extend(replaced.map(|grant| Divergence::Replaced(grant.id)));
    found.extend(of_nobody(&situation).map(|sid| Divergence::Unaccounted(sid.to_owned())));
    for known in &situation.grants {
        found.extend(of_grant(&situation, known));
    }
    match by_trust_policy(&situation.document) {
        Condition::Ok => {}
        condition => found.push(Divergence::Barred(condition)),
    }
    found
}

/// The guard beside what was sent of it. One that a read may not show yet is no news.
fn of_guard(situation: &Situation<'_>) -> Option<Divergence> {
    let input = situation.input;
    let sent = &input.target.guard;
    if situation.is_of_others() {
        return Some(Divergence::OtherInstallation);
    }
    let known = input.target.revision;
    if let Some(shown) = situation.shown.revision.filter(|shown| *shown > known) {
        return Some(Divergence::LaterRevision { shown, sent: known });
    }
    let is_unsettled = !input.guard_has_settled() || input.guard_is_unclear();
    let Some(text) = &situation.role.guard else {
        let was_put = sent.written.is_some() && !sent.is(&fingerprint(""));
        let is_missed = was_put && !is_unsettled && situation.needs_guard();
        return (is_missed || guard_was_deleted(situation)).then_some(Divergence::GuardMissing);
    };
    let is_changed = !sent.is(&fingerprint(text)) && !is_unsettled;
    is_changed.then_some(Divergence::GuardAltered)
}

/// The Sids of statements of ours that no grant accounts for.
fn of_nobody<'a>(situation: &'a Situation<'_>) -> impl Iterator<Item = &'a str> {
    let is_ours = !situation.is_of_others() && !situation.trust_read.stale;
    let ours = situation.document.iter().flat_map(Document::ours);
    let strays = ours.filter(move |(sid, statement)| {
        is_ours && !situation.input.has_grant_of(sid) && names_itself(sid, statement.text)
    });
    strays.map(|(sid, _)| sid)
}

fn of_grant(situation: &Situation<'_>, known: &Known<'_>) -> Vec<Divergence> {
    let id = known.grant.id;
    let mut found = Vec::new();
    let is_read = !situation.trust_read.stale;
    let stands = known.statement.is_some() && is_read;
    let never_sent = known.grant.marks.sent_until.is_none();
    if stands && known.grant.state.is_over() {
        found.push(Divergence::CameBack(id));
    } else if stands && known.grant.state.may_be_open() && never_sent {
        found.push(Divergence::OtherTimeline(id));
    } else if is_orphaned(situation, known) {
        found.push(Divergence::PrincipalGone(id));
    } else if was_undone(situation, known) {
        found.push(match known.statement {
            Some(_) => Divergence::Altered(id),
            None => Divergence::Missing(id),
        });
    }
    let is_listed = situation.lists(known) || situation.guard_is_stale();
    if known.is_active() && situation.role.guard.is_some() && !is_listed {
        found.push(Divergence::Unlisted(id));
    }
    found
}

fn is_orphaned(situation: &Situation<'_>, known: &Known<'_>) -> bool {
    let Situation { input, role, .. } = situation;
    known.grant.state.may_be_open() && principal_is_gone(input, known.grant, role)
}
