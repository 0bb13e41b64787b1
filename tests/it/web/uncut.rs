//! Pages of credentials that nothing can cut early.

use chrono::TimeDelta;
use countersign::domain::entitlement::{EarlyEnd, Entitlement, Method};
use countersign::domain::grant::{Grant, GrantState, Marks};
use countersign::domain::request::RequestState;
use countersign::web::ask::{Ask, AskForm};
use countersign::web::page::Here;
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::*;

/// The same page of an entitlement of which nothing cuts what was handed out; keys work for so many
/// minutes more, where there are any.
pub fn uncut(page: RequestPage, keys: Option<i64>) -> RequestPage {
    let page = handed_out(page);
    let mut request = page.request;
    request.terms.early_end = EarlyEnd::None;
    RequestPage {
        request,
        grant: page.grant.map(|granted| Grant {
            early_end: EarlyEnd::None,
            marks: Marks {
                keys_until: keys.map(|it| now() + minutes(it)),
                ..granted.marks
            },
            ..granted
        }),
        ..page
    }
}

fn approved(state: GrantState) -> RequestPage {
    let at = now() - minutes(18);
    page(RequestState::Approved(at), Some(grant(state)))
}

pub fn active_uncut() -> RequestPage {
    uncut(approved(active()), Some(42))
}

pub fn closing_uncut() -> RequestPage {
    uncut(approved(closing()), Some(12))
}

pub fn review_uncut() -> RequestPage {
    uncut(review(), None)
}

pub fn ask_uncut() -> Ask {
    let mut terms = handed_out_terms();
    terms.early_end = EarlyEnd::None;
    terms.max_duration_seconds = 3_600;
    let offered = Entitlement {
        terms,
        ..entitlement()
    };
    Ask::new(
        frame(Here::Home, "Alice Archer", 0),
        offered,
        AskForm::default(),
        vec![],
    )
}

/// Before anybody has decided it, next to the choice.
#[test]
fn who_asks_and_who_decides_are_told_that_it_cannot_be_cut() {
    let told = html(&review_uncut());
    let choice = told.find("Your decision").unwrap();
    let (page, form) = told.split_at(choice);
    assert!(form.contains("It cannot be cut early."), "{form}");
    assert!(form.contains("and cannot be cut early</small>"), "{form}");
    assert!(page.contains("<dt>Early end</dt><dd><strong>cannot be cut early"));
    assert!(told.contains("What was handed out cannot be cut early"));
    assert!(!told.contains("The guard, a deny policy"), "there is none");
    let ask = html(&ask_uncut());
    assert!(
        ask.contains("What was handed out cannot be cut early"),
        "{ask}"
    );
    for guarded in [html(&handed_out(review())), html(&review())] {
        assert!(!guarded.contains("cut early"), "{guarded}");
    }
}

/// In the last minute nothing is handed out: what is over by then is not offered.
#[test]
fn no_length_is_offered_in_which_credentials_could_not_be_fetched() {
    let offers = |ask: &Ask, length: &str| html(ask).contains(&format!("value=\"{length}\""));
    let mut terms = handed_out_terms();
    terms.min_duration_seconds = 5;
    let of = |method| {
        let mut offered = entitlement();
        offered.terms = terms.clone();
        offered.terms.method = method;
        let frame = frame(Here::Home, "Alice Archer", 0);
        Ask::new(frame, offered, AskForm::default(), vec![])
    };
    let ask = of(Method::StsCredentials);
    assert_eq!(
        ["30s", "60s", "300s"].map(|it| offers(&ask, it)),
        [false, false, true]
    );
    assert!(html(&ask).contains("until a minute before the end"));
    let ask = of(Method::TrustPolicy);
    assert_eq!(
        ["30s", "60s", "300s"].map(|it| offers(&ask, it)),
        [true, true, true]
    );
}

#[test]
fn the_page_says_until_when_keys_work_and_offers_no_console() {
    let told = html(&active_uncut());
    let at = (now() + minutes(42)).format("%H:%M:%S UTC").to_string();
    assert!(told.contains("It cannot be cut early."), "{told}");
    assert!(told.contains("what was handed out works until"), "{told}");
    assert!(told.contains(&at), "{at}: {told}");
    assert!(!told.contains("console-link"), "{told}");
    assert!(!told.contains("AWS was asked at"), "{told}");
    assert!(
        !told.contains("at once when this access is ended"),
        "{told}"
    );
    let nothing = html(&uncut(approved(active()), None));
    assert!(nothing.contains("Nothing was handed out yet"), "{nothing}");
}

#[test]
fn a_closing_one_waits_for_nothing_but_the_keys() {
    let mut page = closing_uncut();
    // For longer than AWS ever takes.
    page.frame.now += TimeDelta::minutes(1);
    let told = html(&page);
    let at = (now() + minutes(12)).format("%H:%M:%S UTC").to_string();
    assert!(told.contains("It cannot be cut early</strong>: what was handed out works until"));
    assert!(told.contains(&at), "{at}: {told}");
    assert!(!told.contains("It may work until AWS agrees"), "{told}");
    assert!(!told.contains("AWS has not confirmed it"), "{told}");
    assert!(!told.contains("AWS was read back"), "{told}");
    let none = html(&uncut(approved(closing()), None));
    assert!(none.contains("Nothing was handed out, and nothing will be."));
}
