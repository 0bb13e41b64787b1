//! Pages of what may not stay in AWS, as the last grant has shown (docs/carrier.md, T10).

use countersign::app::find::Undone;
use countersign::domain::entitlement::{Entitlement, Method};
use countersign::web::ask::{Ask, AskForm};
use countersign::web::page::Here;
use countersign::web::request::RequestPage;

use super::facts::*;
use super::outlives::attached;
use super::samples::{frame, html, review};

fn undone() -> Vec<Undone> {
    vec![Undone {
        arn: "arn:aws:iam::111122223333:user/people/platform/alice.archer@example.com".into(),
        at: now() - minutes(90),
    }]
}

/// Who decides is told beside what else outlives or undoes it.
pub fn review_undone() -> RequestPage {
    RequestPage {
        undone: undone(),
        ..attached()
    }
}

/// Who asks is told before it.
pub fn ask_undone() -> Ask {
    let mut terms = entitlement().terms;
    terms.method = Method::Attach;
    terms.role_arn = None;
    let offered = Entitlement {
        terms,
        ..entitlement()
    };
    let frame = frame(Here::Home, "Alice Archer", 0);
    Ask {
        undone: undone(),
        ..Ask::new(frame, offered, AskForm::default(), vec![])
    }
}

#[test]
fn t10_who_asks_and_who_decides_are_told_what_was_taken_from_where_and_when() {
    for page in [html(&review_undone()), html(&ask_undone())] {
        let (_, told) = page.split_once("It may be taken away again.").unwrap();
        assert!(told.contains("alice.archer@example.com"), "{page}");
        assert!(told.contains("that grant ended"), "{page}");
    }
    assert!(!html(&review()).contains("taken away again"));
}
