//! Being away: the page of it, and a request that somebody decides for another one.

use countersign::app::delegations::{Away, Listed};
use countersign::domain::request::RequestState;
use countersign::ids::{DelegationId, PersonId};
use countersign::web::delegations::{DelegateForm, Delegations};
use countersign::web::page::Here;
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::{errors, frame, second_voice};

/// The page, with what was wrong.
pub fn delegations() -> Delegations {
    let wrong = "must be somebody who approves something: this person is in no group that does";
    let (me, other) = (PersonId::from_uuid(uuid(1)), PersonId::from_uuid(uuid(2)));
    let listed = |from, from_name: &str, to_name: &str, starts_in| Listed {
        id: DelegationId::from_uuid(uuid(3)),
        from,
        from_name: from_name.to_owned(),
        to: if from == me { other } else { me },
        to_name: to_name.to_owned(),
        starts_at: now() + minutes(starts_in),
        ends_at: now() + minutes(starts_in + 10_000),
    };
    Delegations {
        frame: frame(Here::Elsewhere, "Alice Archer", 0),
        me: vec![me],
        delegations: vec![
            listed(me, "Alice Archer", "Bob Brandt", -90),
            listed(other, "Carol Costa", "Alice Archer", 600),
        ],
        form: DelegateForm {
            delegate: "mallory@example.com".to_owned(),
            ..DelegateForm::default()
        },
        errors: errors("delegate", wrong),
    }
}

/// A request that waits, with the vote of somebody who stands in, and somebody else who is away.
pub fn away() -> RequestPage {
    let mut page = second_voice();
    page.decisions[0].stands_for = Some((PersonId::from_uuid(uuid(8)), "Dana Dietz".to_owned()));
    page.away = vec![Away {
        name: "Dana Dietz".to_owned(),
        delegate: "Bob Brandt".to_owned(),
        until: now() + minutes(6000),
    }];
    page.request.state = RequestState::Pending;
    page
}
