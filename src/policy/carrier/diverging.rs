//! What on a user the rows do not account for.

use super::Carrier;
use super::known::Known;
use crate::policy::divergence::Divergence;
use crate::policy::inline;

impl Carrier<'_> {
    /// Everything that diverges.
    pub(super) fn divergences(&self) -> Vec<Divergence> {
        let installation = &self.input.target.installation;
        let names = self.unaccounted.iter();
        let names = names.map(|(id, _)| inline::name(installation, *id));
        let mut found: Vec<Divergence> = names.map(Divergence::Unaccounted).collect();
        found.extend(self.grants.iter().filter_map(of_grant));
        found
    }
}

fn of_grant(known: &Known<'_>) -> Option<Divergence> {
    let id = known.grant.id;
    if known.grant.state.is_over() {
        return known.may_allow().then_some(Divergence::CameBack(id));
    }
    if !known.grant.state.is_open() {
        return None;
    }
    if !known.is_its_user {
        return Some(Divergence::Replaced(id));
    }
    if known.is_of_another_timeline() {
        return Some(Divergence::OtherTimeline(id));
    }
    if !known.live {
        return None;
    }
    if known.is_altered() {
        return Some(Divergence::Altered(id));
    }
    known.is_removed().then_some(Divergence::Missing(id))
}
