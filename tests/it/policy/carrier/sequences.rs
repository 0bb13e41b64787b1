//! The sequences of docs/carrier.md §The sequences, each by its name.

use countersign::policy::Alarm;
use countersign::policy::inline::{ENDED, text};

use super::run::Run;
use super::*;
use crate::policy::plan::kinds;

#[test]
fn i2_what_is_not_listed_now_is_not_put() {
    let mut run = Run::of(switch());
    run.listed.clear();
    let (rest, steps) = run.settle();
    assert!(steps.is_empty() && rest.close.is_empty() && !rest.waits);
    assert_eq!(
        rest.due,
        Some(at(60)),
        "the role's look makes it due before"
    );
    assert!(!run.lets_in(1));
    run.listed.insert(grant_id(1));
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put inline"]);
    assert!(run.is_active(0) && run.lets_in(1));
    // What an entitlement allows asks no guard.
    let mut run = Run::of(attach());
    run.listed.clear();
    let _ = run.settle();
    assert!(run.is_active(0));
}

#[test]
fn i2_without_the_list_the_old_text_stands_with_its_own_date() {
    let mut run = Run::open(switch());
    let old = run.policy(1).unwrap().to_owned();
    run.now = at(300);
    // The guard names her console name from now on, but is not known to.
    run.grants[0].marks.console_since = Some(at(300));
    run.listed.clear();
    let (_, steps) = run.settle();
    assert!(steps.is_empty());
    assert_eq!(run.policy(1), Some(old.as_str()));
    assert!(run.is_active(0) && run.lets_in(1) && !run.lets_in_as(1, "alice"));
    run.listed.insert(grant_id(1));
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put inline"]);
    assert!(run.lets_in_as(1, "alice"));
}

/// The role was made anew, and its guard is gone: what stands here ends, whoever is silent there.
#[test]
fn i5_a_closing_asks_for_no_list_no_lease_and_no_room() {
    for allows in [switch(), attach()] {
        let mut run = Run::open(allows);
        run.now = at(300);
        run.listed.clear();
        run.target.condition = Condition::SafeMode;
        run.closings_only = true;
        close(&mut run.grants[0], at(300), Cause::TargetReplaced);
        let (_, steps) = run.settle();
        assert_eq!(kinds(&steps), ["put inline"]);
        assert_eq!(run.policy(1), Some(ENDED));
        assert!(!run.lets_in(1));
    }
}

#[test]
fn i8_a_pin_that_somebody_removed_is_back_at_the_next_look_and_told() {
    let mut run = Run::open(switch());
    let whole = run.policy(1).unwrap().to_owned();
    let pin = format!(
        r#""StringEquals":{{"sts:RoleSessionName":["{}"]}},"#,
        grant_id(1)
    );
    let unpinned = whole.replace(&pin, "");
    assert_ne!(whole, unpinned);
    run.go_on(300);
    run.by_hand(1, Some(&unpinned));
    assert!(run.lets_in_as(1, "zzz"));
    run.go_on(361);
    assert_eq!(run.policy(1), Some(whole.as_str()));
    assert_eq!(run.told, [Alarm::Altered(grant_id(1))]);
    assert!(run.is_active(0) && !run.lets_in_as(1, "zzz"));
    // The second time the grant ends.
    run.go_on(600);
    run.by_hand(1, Some(&unpinned));
    run.go_on(661);
    assert_eq!(run.policy(1), Some(ENDED));
    assert_eq!(
        run.told,
        [Alarm::Altered(grant_id(1)), Alarm::Altered(grant_id(1))]
    );
    assert!(run.is_closing(0));
}

/// Where it may not be written anew, an altered policy is not left standing either.
#[test]
fn i8_an_altered_policy_ends_where_it_may_not_be_written_anew() {
    let mut run = Run::open(switch());
    let own = grant(1, ALICE, 0, 3600);
    let later = text(&switch(), &own, false, at(7200)).unwrap();
    run.go_on(300);
    run.by_hand(1, Some(&later));
    run.listed.clear();
    run.go_on(361);
    assert_eq!(run.policy(1), Some(ENDED));
    assert_eq!(run.told, [Alarm::Altered(grant_id(1))]);
    let marks = &run.grants[0].marks;
    assert_eq!(
        marks.sent_until,
        Some(at(7200)),
        "somebody may put that one back"
    );
    // The text of the end stands as long.
    run.go_on(7200);
    assert_eq!(run.policy(1), Some(ENDED));
    run.go_on(7300);
    assert_eq!(run.policy(1), None);
}

/// An absurd date keeps nobody busy for ever, and breaks nothing.
#[test]
fn h10_a_date_far_ahead_counts_for_twelve_hours() {
    for date in ["9999-12-31T23:59:59Z", "+262142-12-31T23:59:59Z", "soon"] {
        let mut run = Run::open(switch());
        let absurd = run.policy(1).unwrap().replace("2026-12-01T01:00:00Z", date);
        run.go_on(300);
        run.by_hand(1, Some(&absurd));
        run.revoke(0);
        let _ = run.settle();
        assert_eq!(run.policy(1), Some(ENDED));
        let until = at(300) + TimeDelta::hours(12);
        assert_eq!(run.grants[0].marks.sent_until, Some(until), "{date}");
        run.go_on(13 * 3600);
        assert_eq!((run.policy(1), run.due), (None, None));
    }
}

/// A date before every time that the database knows, of a policy that nobody has sent.
#[test]
fn h10_a_date_before_all_times_counts_as_1970() {
    let mut run = Run::of(attach());
    let own = grant(1, ALICE, 0, 3600);
    let policy = text(&attach(), &own, false, at(3600)).unwrap();
    let absurd = policy.replace("2026-12-01T01:00:00Z", "-99999-01-01T00:00:00Z");
    assert_ne!(policy, absurd);
    run.revoke(0);
    run.by_hand(1, Some(&absurd));
    let _ = run.settle();
    let marks = &run.grants[0].marks;
    assert_eq!(marks.sent_until, Some(DateTime::UNIX_EPOCH));
    run.go_on(600);
    assert!(run.is_over(0));
    assert_eq!(run.policy(1), None);
}

#[test]
fn t1_a_late_write_is_ended_again_within_a_minute_and_until_then_nothing_has_ended() {
    for allows in [switch(), attach()] {
        let mut run = Run::of(allows);
        let first = run.look();
        run.send_unanswered(&first.step);
        let late = first.step.write().unwrap().text().to_owned();
        run.now = at(60);
        run.revoke(0);
        let _ = run.settle();
        let lands = 600;
        run.go_on(lands);
        assert!(run.is_closing(0), "the write may still land");
        run.by_hand(1, Some(&late));
        assert!(run.lets_in(1));
        run.go_on(lands + 61);
        assert!(!run.lets_in(1));
        assert_eq!(run.policy(1), Some(ENDED));
        // L and P after the write, and P after the last one of ours, it is over.
        run.go_on(15 * 60 + 2 * 60 + 61);
        assert!(run.is_over(0));
    }
}

#[test]
fn t2_a_stale_save_is_ended_within_five_minutes_and_told() {
    for allows in [switch(), attach()] {
        let mut run = Run::open(allows);
        let saved = run.policy(1).unwrap().to_owned();
        run.go_on(300);
        run.revoke(0);
        run.go_on(600);
        assert!(run.is_over(0));
        assert_eq!(run.policy(1), Some(ENDED));
        let looks = run.due.unwrap();
        assert!(looks <= at(900), "{looks}");
        run.by_hand(1, Some(&saved));
        assert!(run.lets_in(1));
        run.go_on(901);
        assert_eq!(run.policy(1), Some(ENDED));
        assert_eq!(run.told, [Alarm::CameBack(grant_id(1))]);
        // Nobody looks once the date is over, and nothing is left.
        run.go_on(7200);
        assert_eq!((run.policy(1), run.due), (None, None));
        assert!(run.grants[0].marks.guard_gone_at.is_some());
        run.by_hand(1, Some(&saved));
        assert!(!run.lets_in(1));
    }
}

/// The backup says that the grant is open, or is to be opened; it was revoked in the time that is
/// lost.
#[test]
fn t3_a_restored_database_does_not_open_again_what_was_revoked() {
    for allows in [switch(), attach()] {
        for backup in ["scheduled", "opening", "active"] {
            let mut run = Run::of(allows.clone());
            if backup == "scheduled" {
                run.grants[0].state = GrantState::Scheduled;
            }
            if backup == "active" {
                let _ = run.settle();
            }
            let (grants, target) = (run.grants.clone(), run.target.clone());
            run.grants[0].state = GrantState::Opening { at: at(0) };
            let _ = run.settle();
            run.now = at(60);
            run.revoke(0);
            run.go_on(600);
            assert!(run.is_over(0));
            (run.grants, run.target) = (grants, target);
            run.due = Some(run.now);
            let plan = run.look();
            let cause = match backup {
                "active" => Cause::RevertedByOwner,
                _ => Cause::CouldNotOpen,
            };
            assert_eq!(plan.close, [(grant_id(1), cause)], "{backup}");
            assert_eq!(plan.alarms, [Alarm::OtherTimeline(grant_id(1))]);
            if backup == "scheduled" {
                continue;
            }
            for seconds in (660..3600).step_by(60) {
                run.go_on(seconds);
                assert!(!run.lets_in(1), "{backup} at {seconds}");
                assert_eq!(run.policy(1), Some(ENDED), "{backup} at {seconds}");
            }
        }
    }
}

/// The backup is from before the write: what stands there was never sent, as far as anybody knows.
#[test]
fn t3_a_policy_that_was_never_sent_ends_its_grant() {
    let standing = Run::open(switch()).policy(1).unwrap().to_owned();
    let mut run = Run::of(switch());
    run.by_hand(1, Some(&standing));
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put inline"]);
    assert_eq!(run.policy(1), Some(ENDED));
    assert_eq!(run.told, [Alarm::OtherTimeline(grant_id(1))]);
    assert_eq!(run.grants[0].marks.sent_until, Some(at(3600)));
}

/// Somebody owns all inline policies of the user, and deletes what is not in her files.
#[test]
fn t4_what_an_entitlement_allows_is_never_put_back() {
    let mut run = Run::open(attach());
    run.go_on(300);
    run.by_hand(1, None);
    run.go_on(361);
    assert!(run.is_active(0), "one such look may be wrong");
    assert_eq!(run.policy(1), None);
    run.go_on(300 + 60 + 120 + 60);
    assert!(
        run.is_over(0),
        "read twice, P apart: {:?}",
        run.grants[0].state
    );
    assert_eq!(run.policy(1), None);
    let GrantState::Ended { cause, .. } = run.grants[0].state else {
        panic!("{:?}", run.grants[0].state);
    };
    assert_eq!(cause, Cause::RevertedByOwner);
}

/// Nobody answered, a look showed it, and somebody took it away.
#[test]
fn t4_an_answer_that_was_lost_is_no_reason_to_put_it_again() {
    let mut run = Run::of(attach());
    let first = run.look();
    run.send_unanswered(&first.step);
    let text = first.step.write().unwrap().text().to_owned();
    run.by_hand(1, Some(&text));
    run.now = at(5);
    let _ = run.settle();
    assert!(run.is_active(0));
    run.by_hand(1, None);
    run.now = at(10);
    assert_eq!(run.look().step, Step::Rest);
}

/// A look that lags misses it, and the next one shows it.
#[test]
fn t4_one_look_without_it_ends_nothing() {
    let mut run = Run::open(attach());
    run.go_on(300);
    let standing = run.policy(1).unwrap().to_owned();
    run.by_hand(1, None);
    run.go_on(361);
    assert!(run.grants[0].marks.absent_at.is_some());
    run.by_hand(1, Some(&standing));
    run.go_on(1200);
    assert!(run.is_active(0));
    assert_eq!(run.grants[0].marks.absent_at, None);
}

#[test]
fn t4_that_of_a_switch_is_put_back_twice_with_p_between() {
    let mut run = Run::open(switch());
    let mut puts = Vec::new();
    for seconds in (300..1800).step_by(30) {
        run.by_hand(1, None);
        let (_, steps) = run.settle_at(seconds);
        if !steps.is_empty() {
            puts.push(seconds);
        }
        // What was put is there while P is waited for, and then somebody takes it away again.
        if run.is_closing(0) || run.is_over(0) {
            break;
        }
    }
    assert_eq!(puts, [300, 420]);
    assert_eq!(run.grants[0].marks.restores, 2);
    let GrantState::Ended {
        cause,
        requested_at,
        ..
    } = run.grants[0].state
    else {
        panic!("{:?}", run.grants[0].state);
    };
    assert_eq!((cause, requested_at), (Cause::RevertedByOwner, at(540)));
}
