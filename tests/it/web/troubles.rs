//! What somebody has to look after, and what a grant cannot end or does not need to.

use countersign::app::find::{Contested, Troubles, Unguarded};
use countersign::domain::grant::{Bypassed, Grant};
use countersign::domain::request::RequestState;
use countersign::ids::PrincipalId;
use countersign::web::home::Home;
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::*;

pub fn troubled() -> Home {
    Home {
        troubles: Troubles {
            hub_refused: Some(now() - minutes(7)),
            unguarded: vec![Unguarded {
                arn: "arn:aws:iam::444455556666:role/teams/platform/staging-switch".into(),
                error: "denied".into(),
                attempts: 4,
                since: now() - minutes(12),
            }],
            contested: vec![Contested {
                arn: "arn:aws:iam::111122223333:role/team/developers".into(),
                session: Some("bob.brandt@example.com".into()),
                owner: "Bob Brandt".into(),
                owned: PrincipalId::from_uuid(uuid::Uuid::nil()),
                claimant: HOSTILE.into(),
                claim: PrincipalId::from_uuid(uuid::Uuid::nil()),
                is_signed: false,
                since: now() - minutes(3),
            }],
        },
        ..home(vec![], vec![])
    }
}

/// Her own policy lets her in as well.
pub fn bypassed() -> RequestPage {
    let mut granted = grant(active());
    granted.marks.bypassed = Some(Bypassed {
        at: now() - minutes(3),
        by: "user_alice_break-glass".into(),
    });
    let mut page = page(RequestState::Approved(now()), Some(granted));
    page.may.extend = false;
    page
}

/// An account that is gone for ever.
pub fn dead() -> RequestPage {
    let granted = Grant {
        deadline: now() - minutes(15 * 60),
        ..grant(closing())
    };
    RequestPage {
        dead_since: Some(now() - minutes(90)),
        delay: Some(refused()),
        ..page(RequestState::Approved(now()), Some(granted))
    }
}

#[test]
fn troubles_say_since_when_and_what_to_type() {
    let home = html(&troubled());
    assert!(home.contains("Every manager role refuses"));
    assert!(home.contains("<code>countersign doctor</code>"));
    assert!(home.contains("4 attempts without success"));
    assert!(!html(&super::samples::home(vec![], vec![])).contains("To be looked after"));
    let page = html(&bypassed());
    assert!(page.contains("user_alice_break-glass lets them into the role as well"));
    assert!(html(&dead()).contains("Nothing of it can work since"));
}
