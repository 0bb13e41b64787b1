//! The name that the console's Switch Role sends is shown as usable only where AWS takes it.

use countersign::domain::grant::{Grant, GrantState, Marks};
use countersign::domain::request::RequestState;
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::{html, page};

fn shown(state: GrantState, has_console: bool, mine: bool) -> String {
    let granted = Grant {
        marks: Marks {
            console_since: has_console.then(now),
            ..Marks::default()
        },
        ..grant(state)
    };
    html(&RequestPage {
        mine,
        ..page(RequestState::Approved(now()), Some(granted))
    })
}

#[test]
fn the_consoles_name_is_promised_where_it_works_alone() {
    let name = "<span class=\"mono\">alice</span>";
    for mine in [true, false] {
        let page = shown(active(), false, mine);
        assert!(page.contains("cannot be used for now"), "{page}");
        assert_eq!(page.matches(&format!("or {name}")).count(), 0, "{page}");
        assert_eq!(page.matches(&format!("and {name}")).count(), 0, "{page}");
    }
    assert!(shown(active(), true, true).contains(&format!("or {name}, which the console")));
    assert!(shown(active(), true, false).contains(&format!("and {name}.")));
    assert!(!shown(active(), true, true).contains("cannot be used for now"));
}
