//! The plan for a carrier, bullet by bullet of docs/carrier.md §The plan.

use countersign::policy::inline::ENDED;
use countersign::policy::{Alarm, Observed};

use super::run::Run;
use super::*;
use crate::policy::plan::kinds;

fn seconds(moment: Option<DateTime<Utc>>) -> Option<i64> {
    moment.map(|moment| (moment - at(0)).num_seconds())
}

#[test]
fn a_grant_opens_with_one_policy_and_leaves_nothing_behind() {
    for allows in [switch(), attach()] {
        let mut run = Run::of(allows);
        let first = run.look();
        let write = first.step.write().unwrap();
        assert_eq!(
            (&write.opens, &write.sends),
            (&vec![grant_id(1)], &vec![(grant_id(1), at(3600))])
        );
        let (_, steps) = run.settle();
        assert_eq!(kinds(&steps), ["put inline"]);
        assert!(
            run.is_active(0)
                && run.lets_in(1)
                && !run.lets_in_as(1, "zzz") | (run.allows[&grant_id(1)] == attach())
        );
        run.now = at(3599);
        assert!(run.lets_in(1));
        // AWS itself holds the deadline; what is left goes δ later, and the grant ends with it.
        let (_, steps) = run.settle_at(3600);
        assert!(steps.is_empty() && !run.lets_in(1));
        let (_, steps) = run.settle_at(3606);
        assert_eq!(kinds(&steps), ["delete inline"]);
        assert!(run.is_over(0));
        run.go_on(4000);
        assert!(run.grants[0].marks.guard_gone_at.is_some());
        assert_eq!(run.due, None);
        assert!(run.told.is_empty());
    }
}

#[test]
fn an_early_end_leaves_a_text_that_neither_allows_nor_denies() {
    let mut run = Run::open(switch());
    run.go_on(300);
    run.revoke(0);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put inline"]);
    let write = steps[0].write().unwrap();
    assert!(write.opens.is_empty() && write.sends.is_empty() && write.restores.is_empty());
    assert_eq!(run.policy(1), Some(ENDED));
    let ended = Policy::parse(ENDED);
    for action in ["sts:AssumeRole", ACTION] {
        let request = Request {
            action,
            resource: ROLE_ARN,
            user: ("", ""),
            session_name: Some("x"),
            now: Some(run.now),
            token: None,
        };
        assert!(!ended.allows(&request) && !ended.denies(&request));
    }
    // It has ended when P after that write a look shows the same.
    run.go_on(419);
    assert!(run.is_closing(0));
    run.go_on(421);
    assert!(run.is_over(0));
    assert_eq!(run.policy(1), Some(ENDED), "until its last date");
    run.go_on(3606);
    assert_eq!(run.policy(1), None);
}

#[test]
fn a_user_that_is_gone_ends_its_grants_when_a_second_look_says_so() {
    let mut run = Run::new(&[
        (grant(1, ALICE, 0, 3600), switch()),
        (grant(2, ALICE, 0, 3600), attach()),
    ]);
    let _ = run.settle();
    run.now = at(300);
    run.revoke(1);
    let look = run.look_at(&Observed::Gone);
    assert!(look.close.is_empty() && look.closed.is_empty());
    assert_eq!(
        (look.missing_since, seconds(look.due)),
        (Some(at(300)), Some(305))
    );
    run.store(&look);
    run.now = at(300 + 124);
    assert!(run.look_at(&Observed::Gone).close.is_empty(), "P and δ");
    run.now = at(300 + 125);
    let look = run.look_at(&Observed::Gone);
    assert_eq!(look.close, [(grant_id(1), Cause::PrincipalGone)]);
    assert_eq!(look.closed, [grant_id(2)]);
    assert_eq!(look.condition, Condition::Gone);
    run.store(&look);
    run.store(&run.look_at(&Observed::Gone));
    assert!(run.is_over(0) && run.is_over(1));
    // Whoever takes the name may get a policy of ours by a stale save, as long as it has a date.
    assert!(run.look_at(&Observed::Gone).guard_removed.is_empty());
    run.now = at(3606);
    let look = run.look_at(&Observed::Gone);
    assert_eq!(look.guard_removed, [grant_id(1), grant_id(2)]);
    assert_eq!(look.due, None);
}

#[test]
fn c8_another_user_of_the_name_gets_nothing_and_what_has_our_names_is_deleted() {
    for knows_the_id in [true, false] {
        let mut run = Run::new(&[
            (grant(1, ALICE, 0, 3600), switch()),
            (grant(2, ALICE, 0, 3600), attach()),
        ]);
        let _ = run.settle();
        run.now = at(300);
        run.revoke(1);
        run.user.user_id = "AIDASOMEBODYELSE0001".to_owned();
        run.user.created_at = at(200);
        if !knows_the_id {
            run.grants
                .iter_mut()
                .for_each(|grant| grant.principal_id = None);
        }
        let look = run.look();
        assert_eq!(look.close, [(grant_id(1), Cause::PrincipalGone)]);
        assert_eq!(look.condition, Condition::Replaced);
        assert!(look.opened.is_empty() && look.step == Step::Rest);
        let (_, steps) = run.settle();
        assert_eq!(kinds(&steps), ["delete inline", "delete inline"]);
        assert!(run.user.policies.is_empty());
        run.go_on(600);
        assert!(run.is_over(0) && run.is_over(1));
    }
}

#[test]
fn c8_a_grant_that_was_not_opened_is_not_put_on_another_user() {
    let mut run = Run::of(attach());
    run.user.user_id = "AIDASOMEBODYELSE0001".to_owned();
    let (_, steps) = run.settle();
    assert!(steps.is_empty());
    assert!(run.is_over(0));
}

#[test]
fn a_read_that_lacks_our_last_write_is_waited_for_and_an_unanswered_one_goes_again() {
    for allows in [switch(), attach()] {
        let mut run = Run::of(allows);
        let first = run.look();
        let mut answered = run.clone();
        answered.send(&first.step);
        answered.now = at(119);
        let look = answered.look();
        assert!(look.waits && look.step == Step::Rest && look.close.is_empty());
        assert_eq!(seconds(look.due), Some(120));
        run.send_unanswered(&first.step);
        run.now = at(1);
        assert_eq!(
            run.look().step.write().unwrap().text,
            first.step.write().unwrap().text
        );
    }
}

/// The read of a closing lags behind our own write: it is ended all the same.
#[test]
fn what_was_put_a_moment_ago_counts_as_standing_there() {
    let mut run = Run::open(attach());
    run.now = at(30);
    run.revoke(0);
    run.user.policies.clear();
    let look = run.look();
    assert_eq!(look.step.write().unwrap().text.as_deref(), Some(ENDED));
    // Once that is sent, nothing more is to be done until reads show it.
    run.send(&look.step);
    run.now = at(31);
    assert_eq!(run.look().step, Step::Rest);
    // Without an answer it goes again at once: the policy may still stand.
    let mut unanswered = Run::open(attach());
    unanswered.now = at(30);
    unanswered.revoke(0);
    unanswered.send_unanswered(&look.step);
    unanswered.user.policies.clear();
    unanswered.now = at(31);
    assert_eq!(unanswered.look().step.write().unwrap().text(), ENDED);
    // After P the read is right: nothing is there, and nothing is put.
    let mut later = Run::open(attach());
    later.now = at(150);
    later.revoke(0);
    later.user.policies.clear();
    assert_eq!(later.look().step, Step::Rest);
}

#[test]
fn closings_come_first_and_one_document_each() {
    let mut run = Run::new(&[
        (grant(1, ALICE, 0, 3600), switch()),
        (grant(2, ALICE, 0, 3600), attach()),
    ]);
    let _ = run.settle();
    run.now = at(300);
    run.revoke(0);
    run.revoke(1);
    let new = grant(3, ALICE, 300, 3600);
    run.allows.insert(new.id, attach());
    run.grants.push(new);
    let keys = |steps: &[Step]| -> Vec<DocumentKey> {
        steps.iter().map(|step| step.write().unwrap().key).collect()
    };
    let (_, steps) = run.settle();
    assert_eq!(
        keys(&steps),
        [1, 2, 3].map(|nth| DocumentKey::Inline(grant_id(nth)))
    );
    assert!(
        run.is_active(2) && !run.lets_in(1) && run.lets_in(2),
        "the third allows the same"
    );
    // While nothing may be opened, a closing goes on.
    run.now = at(600);
    run.revoke(2);
    run.closings_only = true;
    let (_, steps) = run.settle();
    assert_eq!(keys(&steps), [DocumentKey::Inline(grant_id(3))]);
}

#[test]
fn nothing_is_put_that_may_not_be_now() {
    let nothing = |change: fn(&mut Run)| {
        let mut run = Run::of(attach());
        change(&mut run);
        let look = run.look();
        assert_eq!(look.step, Step::Rest);
        assert!(look.close.is_empty());
    };
    nothing(|run| run.closings_only = true);
    nothing(|run| run.target.condition = Condition::SafeMode);
    nothing(|run| run.target.condition = Condition::Contested);
    nothing(|run| run.now = at(3600 - 125));
    nothing(|run| run.now = at(-1));
    let mut last = Run::of(attach());
    last.now = at(3600 - 126);
    assert_ne!(last.look().step, Step::Rest, "P and δ are left");
}

/// The row has no statements, or some that cannot be dated.
#[test]
fn what_cannot_be_rendered_is_not_opened() {
    for allows in [None, Some(Allows::Statements(vec!["{".to_owned()]))] {
        let mut run = Run::of(attach());
        run.allows.clear();
        run.allows.extend(allows.map(|it| (grant_id(1), it)));
        assert_eq!(run.look().close, [(grant_id(1), Cause::CouldNotOpen)]);
    }
}

#[test]
fn a_name_of_ours_that_no_grant_accounts_for_is_deleted_and_told() {
    let mut run = Run::open(attach());
    let ours = run.policy(1).unwrap().to_owned();
    run.by_hand(7, Some(&ours));
    run.by_hand(8, Some(ENDED));
    let others = "Countersign-zzzzzzzz-grant_01j0000000e008000000000009";
    run.user.policies.insert(others.to_owned(), ours.clone());
    run.now = at(300);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["delete inline", "delete inline"]);
    assert_eq!(run.told, [7, 8].map(|nth| Alarm::Unaccounted(name(nth))));
    assert_eq!(
        run.user.policies.len(),
        2,
        "another installation's is left alone"
    );
    assert!(run.is_active(0));
    // A read that lags shows it once more, and it is not told again.
    run.by_hand(7, Some(&ours));
    run.now = at(310);
    let look = run.look();
    assert!(look.step == Step::Rest && look.alarms.is_empty());
    run.now = at(421);
    assert_ne!(run.look().step, Step::Rest, "somebody has saved it");
}

/// A scheduled grant's name is accounted for, and has nothing there.
#[test]
fn a_scheduled_grant_is_left_alone() {
    let mut run = Run::of(attach());
    run.grants[0].state = GrantState::Scheduled;
    run.grants[0].starts_at = at(1800);
    let look = run.look();
    assert!(look.step == Step::Rest && look.close.is_empty() && look.closed.is_empty());
    assert_eq!(seconds(look.due), Some(1800));
}

#[test]
fn what_was_never_sent_is_closed_at_once() {
    let mut run = Run::of(switch());
    run.listed.clear();
    let _ = run.settle();
    run.revoke(0);
    let _ = run.settle();
    assert!(run.is_over(0));
    run.go_on(200);
    assert_eq!(run.due, None);
}

#[test]
fn the_next_look_is_due_as_written() {
    // While it is live, and each moment at which something changes before that.
    let mut run = Run::open(attach());
    assert_eq!(seconds(run.look().due), Some(60));
    run.now = at(90);
    assert_eq!(seconds(run.look().due), Some(120), "P after the write");
    run.now = at(3570);
    assert_eq!(seconds(run.look().due), Some(3600), "the deadline");
    // While it is closing, and when reads show the write.
    run.now = at(300);
    run.revoke(0);
    let (rest, _) = run.settle();
    assert_eq!(seconds(rest.due), Some(360));
    run.now = at(400);
    assert_eq!(seconds(run.settle().0.due), Some(420));
    // When it is over.
    run.now = at(420);
    let _ = run.settle();
    assert!(run.is_over(0));
    run.now = at(600);
    assert_eq!(seconds(run.look().due), Some(900));
    run.now = at(3500);
    assert_eq!(
        seconds(run.look().due),
        Some(3606),
        "the last date, δ and a second"
    );
    // While a write may land it is near again.
    run.grants[0].marks.unclear_at = Some(at(3400));
    assert_eq!(seconds(run.look().due), Some(3560));
}

#[test]
fn where_planning_breaks_down_what_is_not_open_is_ended() {
    let mut run = Run::new(&[
        (grant(1, ALICE, 0, 3600), switch()),
        (grant(2, ALICE, 0, 3600), attach()),
    ]);
    let _ = run.settle();
    run.now = at(300);
    run.revoke(1);
    let planned = run.look();
    let key = DocumentKey::Inline(grant_id(2));
    let mut refused = run.clone();
    refused.ended_refused = true;
    for (run, text) in [(&mut run, Some(ENDED)), (&mut refused, None)] {
        let broken = run.look_by(|_| panic!("broken"));
        let write = broken.step.write().unwrap();
        assert_eq!((write.key, write.text.as_deref()), (key, text));
        assert_eq!(planned.step.write().unwrap().key, key);
        run.write(&broken.step);
        let broken = run.look_by(|_| panic!("broken"));
        assert_eq!(broken.step, Step::Rest, "what is open stays");
    }
}
