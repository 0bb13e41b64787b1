//! Made-up decisions, and how far they have brought a request.

use countersign::app::find::{Approvers, Decision, StageView};
use countersign::domain::entitlement::Terms;
use countersign::domain::request::Verdict;
use countersign::domain::tally::StageState;
use countersign::ids::PersonId;

use super::facts::{now, uuid};

/// The only stage of these terms.
pub fn stage(terms: &Terms, have: i16) -> StageView {
    let only = terms.stages.iter().next().expect("a stage");
    StageView {
        stage: 1,
        state: if have == only.seats() {
            StageState::Closed
        } else {
            StageState::Open
        },
        needed: only.seats(),
        have,
        groups: only.groups.clone(),
        can: vec![],
    }
}

/// These can decide.
pub fn approvers(named: &[&str], more: bool) -> Approvers {
    Approvers {
        named: named.iter().map(|it| (*it).to_owned()).collect(),
        more,
    }
}

pub fn voice(name: &str, approved: bool) -> Decision {
    Decision {
        person: PersonId::from_uuid(uuid(7)),
        name: name.into(),
        seq: 1,
        verdict: if approved {
            Verdict::Approve
        } else {
            Verdict::Deny
        },
        duration_seconds: approved.then_some(3600),
        channel: "portal".to_owned(),
        comment: None,
        at: now(),
        human: PersonId::from_uuid(uuid(7)),
        revision: 1,
        stands: true,
        counts: true,
        stands_for: None,
    }
}
