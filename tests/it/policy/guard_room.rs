//! Room in a guard that many grants share.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::ids::GrantId;
use countersign::policy::capacity::{INLINE_QUOTA, Room};
use countersign::policy::guard_room::{Guarded, Named};

const ROLE_ID: &str = "AROAEXAMPLEEXAMPLE123";
const ROLE: &str = "arn:aws:iam::111122223333:role/prod-admin";

fn named(console: Option<&str>, deadline: DateTime<Utc>) -> Named {
    Named {
        name: GrantId::new().to_string(),
        console: console.map(str::to_owned),
        deadline,
        is_live: true,
    }
}

fn minute(count: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(count)
}

fn check(guarded: &Guarded, one_more: Named) -> Result<Room, Room> {
    guarded.check(ROLE_ID, ROLE, 0, one_more)
}

/// How many fit, one after the other.
fn fits(mut next: impl FnMut(i64) -> Named) -> i64 {
    let mut guarded = Guarded::default();
    for count in 0..1_000 {
        let one_more = next(count);
        if check(&guarded, one_more.clone()).is_err() {
            return count;
        }
        guarded.grants.push(one_more);
    }
    1_000
}

#[test]
fn as_many_fit_as_the_guard_has_room_for() {
    assert_eq!(fits(|_| named(None, minute(1))), 83, "with one deadline");
    assert_eq!(
        fits(|count| named(None, minute(count))),
        34,
        "with a deadline each"
    );
    let console = |count: i64| {
        let name = format!("somebody{count:03}");
        named(Some(&name), minute(count))
    };
    let with_names = fits(console);
    assert!((24..34).contains(&with_names), "{with_names}");
}

#[test]
fn what_is_over_and_what_nobody_explains_takes_room_as_well() {
    let one_more = || named(None, minute(1));
    let empty = check(&Guarded::default(), one_more()).unwrap();
    let mut over = named(Some("alice"), minute(1));
    over.is_live = false;
    let lingering = Guarded {
        grants: vec![over.clone()],
        ..Guarded::default()
    };
    let lingering = check(&lingering, one_more()).unwrap();
    assert!(lingering.used > empty.used + 100, "{lingering:?}");
    assert_eq!(lingering.needed, empty.needed);
    over.console = None;
    let named_by_its_own = Guarded {
        grants: vec![over],
        ..Guarded::default()
    };
    assert_eq!(
        check(&named_by_its_own, one_more()).unwrap(),
        empty,
        "whatever is not listed is denied"
    );
    let kept = Guarded {
        kept: [("mallory".to_owned(), minute(0))].into(),
        ..Guarded::default()
    };
    assert!(check(&kept, one_more()).unwrap().used > empty.used + 100);
    // A second grant of one deadline takes less than the first.
    let beside = Guarded {
        grants: vec![one_more()],
        ..Guarded::default()
    };
    assert!(check(&beside, one_more()).unwrap().needed < empty.needed);
}

#[test]
fn what_others_have_put_there_counts() {
    let room = check(&Guarded::default(), named(None, minute(1))).unwrap();
    let left = INLINE_QUOTA - room.used - room.needed;
    let at = |foreign| Guarded::default().check(ROLE_ID, ROLE, foreign, named(None, minute(1)));
    assert!(at(left).is_ok());
    let full = at(left + 1).unwrap_err();
    assert_eq!(
        (full.used, full.quota),
        (room.used + left + 1, INLINE_QUOTA)
    );
}
