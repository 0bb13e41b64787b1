//! T8: 2,048 characters for all inline policies of a user together.

use countersign::policy::ObservedUser;
use countersign::policy::capacity::{Booking, Room, check_user, size};
use countersign::policy::inline::{ENDED, text};

use super::run::Run;
use super::*;
use crate::policy::plan::kinds;

fn booking(nth: u128, starts: i64, deadline: i64) -> Booking {
    Booking::of(&switch(), &grant(nth, ALICE, starts, deadline)).unwrap()
}

fn user(foreign: usize) -> ObservedUser {
    ObservedUser {
        foreign,
        ..Run::of(switch()).user
    }
}

fn check(foreign: usize, others: &[Booking], one_more: Booking) -> Result<Room, Room> {
    check_user(&user(foreign), &target().installation, others, one_more)
}

#[test]
fn t8_a_full_user_is_told_with_its_numbers_before_anybody_approves() {
    let one = booking(1, 0, 3600);
    let own = grant(1, ALICE, 0, 3600);
    assert_eq!(one.size, size(&text(&switch(), &own, true, at(0)).unwrap()));
    let room = check(100, &[one], booking(2, 0, 3600)).unwrap();
    assert_eq!(
        (room.used, room.needed, room.quota),
        (100 + one.size, one.size, 2048)
    );
    let five = [one; 5];
    let full = check(400, &five, one).unwrap_err();
    assert_eq!(
        (full.used, full.needed, full.quota),
        (400 + 5 * one.size, one.size, 2048)
    );
    assert!(check(2048 - one.size, &[], one).is_ok());
    assert!(check(2049 - one.size, &[], one).is_err());
}

#[test]
fn t8_what_does_not_overlap_takes_no_room_and_what_is_ended_takes_a_little() {
    let first = booking(1, 0, 3600);
    let later = booking(2, 3601, 7200);
    assert_eq!(check(0, &[first; 9], later).unwrap().used, 0);
    assert_eq!(check(0, &[later; 9], first).unwrap().used, 0);
    // One that is to be deleted may be there for a moment yet.
    assert_eq!(
        check(0, &[first], booking(2, 3600, 7200)).unwrap().used,
        first.size
    );
    // Revoked, and somebody may put it back until its last date.
    let ended = Booking::ended(at(3600));
    assert_eq!(check(0, &[ended], booking(2, 0, 3600)).unwrap().used, 151);
    assert_eq!(check(0, &[ended], later).unwrap().used, 0);
    // A date that somebody moved counts as long.
    let mut moved = grant(1, ALICE, 0, 3600);
    moved.marks.sent_until = Some(at(5000));
    assert_eq!(Booking::of(&switch(), &moved).unwrap().until, at(5000));
}

#[test]
fn t8_what_others_have_counts_and_what_of_ours_stands_there_is_counted_by_its_grants() {
    let mut full = user(10);
    let others = "Countersign-zzzzzzzz-grant_01j0000000e008000000000009";
    full.policies
        .insert(others.to_owned(), "{ \"a\" : 1 }".to_owned());
    full.policies.insert(name(1), ENDED.to_owned());
    let room = check_user(&full, &target().installation, &[], booking(2, 0, 3600)).unwrap();
    assert_eq!(room.used, 10 + 7);
}

/// What is promised at request time holds when it is opened.
#[test]
fn t8_what_fits_by_the_check_is_opened_and_what_does_not_is_refused() {
    let one = booking(1, 0, 3600);
    for foreign in [2048 - 2 * one.size, 2049 - 2 * one.size] {
        let mut run = Run::new(&[
            (grant(1, ALICE, 0, 3600), switch()),
            (grant(2, ALICE, 0, 3600), switch()),
        ]);
        for grant in &mut run.grants {
            grant.marks.console_since = Some(at(0));
        }
        run.user.foreign = foreign;
        let fits = check(foreign, &[one], booking(2, 0, 3600)).is_ok();
        let _ = run.settle();
        assert!(run.is_active(0));
        assert_eq!(run.is_active(1), fits, "the newest gives way");
        let GrantState::Ended { cause, .. } = run.grants[1].state else {
            assert!(fits);
            continue;
        };
        assert_eq!(cause, Cause::CouldNotOpen);
    }
}

/// Somebody has filled the user meanwhile.
#[test]
fn t8_a_closing_shrinks_or_deletes() {
    for (foreign, refused, left) in [
        (2048 - 151, false, Some(ENDED)),
        (2048 - 150, false, None),
        (0, true, None),
        (0, false, Some(ENDED)),
    ] {
        let mut run = Run::open(switch());
        run.now = at(300);
        run.user.foreign = foreign;
        run.ended_refused = refused;
        run.revoke(0);
        let (_, steps) = run.settle();
        assert_eq!(steps.len(), 1);
        assert_eq!(run.policy(1), left, "{foreign} {refused}");
        assert!(!run.lets_in(1));
    }
}

/// What was open had room: who takes its policy away and fills the user undoes it.
#[test]
fn t8_a_policy_that_has_no_room_any_more_is_not_put_back() {
    let mut run = Run::open(switch());
    run.now = at(300);
    run.by_hand(1, None);
    run.user.foreign = 2000;
    assert_eq!(run.look().close, [(grant_id(1), Cause::RevertedByOwner)]);
    // An update that has no room leaves what stands there.
    let mut run = Run::open(switch());
    run.now = at(300);
    run.user.foreign = 2048 - size(run.policy(1).unwrap());
    run.grants[0].marks.console_since = Some(at(300));
    let (rest, steps) = run.settle();
    assert!(kinds(&steps).is_empty() && rest.close.is_empty());
    assert!(run.is_active(0) && run.lets_in(1));
}
