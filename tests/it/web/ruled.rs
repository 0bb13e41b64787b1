//! Pages of what rules ask, and of what somebody has already.

use countersign::app::find::Held;
use countersign::domain::rules::{DecideVia, Presence, Rules, Via, Wait};
use countersign::ids::{GrantId, PersonId, RequestId};
use countersign::web::ask::{Ask, AskForm};
use countersign::web::page::Here;
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::{frame, review};

fn rules() -> Rules {
    Rules {
        justification_min: 20,
        ticket: Presence::Required,
        approve_comment: Presence::Required,
        decide_via: DecideVia::new([Via::Api]),
        live_per_person: Some(1),
        live: Some(5),
        remind_after: None,
        expire_after: Wait::parse("PT8H").ok(),
        delegation: false,
    }
}

/// A grant that is open, one that begins later, and a request that waits.
fn held() -> Vec<Held> {
    let open = Held {
        request: RequestId::from_uuid(uuid(2)),
        person: PersonId::from_uuid(uuid(4)),
        principal_arn: None,
        principal_session: None,
        grant: Some(GrantId::from_uuid(uuid(6))),
        window: Some((now() - minutes(18), now() + minutes(42))),
    };
    let later = Held {
        window: Some((now() + minutes(90), now() + minutes(150))),
        ..open.clone()
    };
    let waiting = Held {
        grant: None,
        window: None,
        ..open.clone()
    };
    vec![open, later, waiting]
}

/// Who asks is told before it.
pub fn ask_ruled() -> Ask {
    let mut offered = entitlement();
    offered.terms.rules = rules();
    Ask {
        held: held(),
        ..Ask::new(
            frame(Here::Home, "Alice Archer", 0),
            offered,
            AskForm::default(),
            vec![],
        )
    }
}

/// Who decides is told what they have, and that they say why.
pub fn review_ruled() -> RequestPage {
    let mut page = review();
    page.request.terms.rules = rules();
    page.held = held();
    page
}
