//! What a plan may not open, for reasons that no document of the role tells alone.

use crate::domain::cause::Cause;
use crate::domain::entitlement::Method;
use crate::domain::grant::Grant;
use crate::ids::GrantId;
use crate::policy::assumable::Lacking;
use crate::policy::{Plan, Step};

/// Our own role is never opened: whoever is let into it could do all that we can.
pub(super) fn refuse_our_own(plan: &mut Plan, grants: &[Grant]) {
    let opening = grants.iter().filter(|grant| grant.state.is_opening());
    could_not_open(plan, opening.map(|grant| grant.id).collect());
}

/// A role that does not let us in pinned opens for nobody by credentials of ours, and what is open
/// is handed out no more until it does.
pub(super) fn hand_nothing_out(plan: &mut Plan, grants: &[Grant], lacking: Lacking) {
    tracing::warn!(
        ?lacking,
        "the role's trust policy does not let us in pinned: no credentials are handed out"
    );
    let opening = grants
        .iter()
        .filter(|grant| grant.state.is_opening() && is_handed_out(grant));
    could_not_open(plan, opening.map(|grant| grant.id).collect());
}

/// Nor does one open whose sessions carry a tag, where the role does not let us tag them: STS would
/// refuse each of them.
pub(super) fn tag_nothing(plan: &mut Plan, grants: &[Grant]) {
    let opening = grants
        .iter()
        .filter(|grant| grant.state.is_opening() && grant.session_tags);
    could_not_open(plan, opening.map(|grant| grant.id).collect());
}

/// Whether credentials are handed out for it, or are to be.
pub(super) fn is_handed_out(grant: &Grant) -> bool {
    grant.method == Method::StsCredentials && grant.state.is_open()
}

fn could_not_open(plan: &mut Plan, opening: Vec<GrantId>) {
    if opening.is_empty() {
        return;
    }
    plan.opened.retain(|id| !opening.contains(id));
    let causes = opening.into_iter().map(|id| (id, Cause::CouldNotOpen));
    plan.close.extend(causes);
    // Whatever the step was, it was planned with these grants open.
    plan.step = Step::Rest;
}
