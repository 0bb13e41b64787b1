//! One look at a time: what is planned, in which order, and what keeps it from being done.

use countersign::domain::cause::Cause;
use countersign::domain::grant::GrantState;
use countersign::domain::target::Condition;
use countersign::policy::document::{has_grants, sid};
use countersign::policy::{Input, Observed, plan};

use super::run::Run;
use super::*;

pub fn two() -> Run {
    Run::new(
        FOREIGN,
        PRODUCTION,
        vec![grant(1, ALICE, 0, 3600), grant(2, BOB, 0, 7200)],
    )
}

pub fn settled() -> Run {
    let mut run = two();
    let _ = run.settle();
    run
}

pub fn kinds(steps: &[Step]) -> Vec<&'static str> {
    let kind = |s: &Step| match s {
        Step::Rest => "rest",
        Step::Write(write) => match (write.key, &write.text) {
            (DocumentKey::Guard, Some(_)) => "put guard",
            (DocumentKey::Guard, None) => "delete guard",
            (DocumentKey::Trust, _) => "put trust",
            (DocumentKey::Inline(_), Some(_)) => "put inline",
            (DocumentKey::Inline(_), None) => "delete inline",
        },
    };
    steps.iter().map(kind).collect()
}

pub fn is_active(run: &Run, index: usize) -> bool {
    matches!(run.grants[index].state, GrantState::Active { .. })
}

pub fn is_ended(run: &Run, index: usize) -> bool {
    matches!(run.grants[index].state, GrantState::Ended { .. })
}

#[test]
fn the_guard_is_written_and_read_back_before_the_trust_policy() {
    let mut run = two();
    let (look, steps) = run.settle();
    assert_eq!(
        kinds(&steps),
        ["put guard", "put trust"],
        "two grants, one write each"
    );
    assert!(is_active(&run, 0) && is_active(&run, 1));
    assert_eq!(look.due, Some(at(60)), "somebody may undo it");
    let again = run.look();
    assert_eq!((again.step, again.marks), (Step::Rest, vec![]));
}

#[test]
fn a_grant_is_open_only_when_guard_and_statement_were_read_back() {
    let mut run = two();
    let first = run.look();
    assert!(first.opened.is_empty());
    run.store(&first);
    run.send(&first.step);
    let lagging = run.look();
    assert_eq!(
        (&lagging.step, lagging.due),
        (&Step::Rest, Some(at(60).min(at(120))))
    );
    run.write(&first.step);
    let second = run.look();
    assert!(put(&second.step, DocumentKey::Trust).is_some() && second.opened.is_empty());
    run.store(&second);
    run.write(&second.step);
    assert_eq!(run.look().opened, [grant_id(1), grant_id(2)]);
    run.role.guard = None;
    assert!(run.look().opened.is_empty());
}

#[test]
fn an_early_end_writes_the_guard_first_and_leaves_the_others_alone() {
    let mut run = settled();
    let open = run.role.trust.clone();
    run.pass(300);
    run.revoke(0);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"]);
    assert!(is_ended(&run, 0) && is_active(&run, 1));
    assert!(run.admits(BOB, "bob") && run.works("bob", 0) && !run.admits(ALICE, "alice"));
    assert!(run.role.trust.len() < open.len());
}

#[test]
fn after_the_last_grant_the_trust_policy_is_what_it_was() {
    let mut run = settled();
    let _ = run.settle_at(3600);
    assert!(has_grants(&run.role.trust));
    let _ = run.settle_at(7200);
    assert_eq!(run.role.trust, FOREIGN);
}

#[test]
fn in_the_demo_grants_of_five_seconds_one_after_the_other_all_get_the_console_name() {
    let mut run = Run::new(FOREIGN, DEMO, Vec::new());
    for nth in 0..4 {
        let starts = nth * 8;
        run.grants.push(grant(
            u128::try_from(nth).unwrap() + 1,
            ALICE,
            starts,
            starts + 5,
        ));
        let _ = run.settle_at(starts);
        assert!(
            run.admits(ALICE, "alice") && run.works("alice", starts),
            "{nth}"
        );
        let (_, _) = run.settle_at(starts + 5);
        assert!(
            !run.works("alice", starts) && !run.admits(ALICE, "alice"),
            "{nth}"
        );
        assert_eq!(run.role.trust, FOREIGN);
    }
}

#[test]
fn in_the_demo_a_grant_straight_after_another_has_the_console_name_from_the_next_second_on() {
    let mut run = Run::new(FOREIGN, DEMO, vec![grant(1, ALICE, 0, 5)]);
    let _ = run.settle();
    let _ = run.settle_at(5);
    run.grants.push(grant(2, ALICE, 5, 15));
    let _ = run.settle_at(5);
    assert!(is_active(&run, 1) && run.admits(ALICE, &grant_id(2).to_string()));
    assert!(run.admits(ALICE, "alice") && run.works("alice", 6) && !run.works("alice", 5));
}

#[test]
fn a_role_that_is_gone_ends_every_grant() {
    let mut run = settled();
    run.revoke(1);
    let input = |run: &Run| {
        plan(&Input {
            target: &run.target,
            grants: &run.grants,
            observed: &Observed::Gone,
            now: run.now,
            margins: run.margins,
            closings_only: false,
            one_at_a_time: false,
            clocks_differ: false,
            guard_refused: false,
            allows: NOTHING,
            listed: NOBODY,
            ended_refused: false,
            refused: NOBODY,
        })
    };
    let look = input(&run);
    assert_eq!(
        (look.condition, look.due),
        (Condition::Ok, Some(at(5))),
        "one such answer may be wrong"
    );
    assert!(look.close.is_empty() && look.closed.is_empty());
    run.store(&look);
    run.now = at(125);
    let look = input(&run);
    assert_eq!(look.condition, Condition::Gone);
    assert_eq!(look.close, [(grant_id(1), Cause::TargetGone)]);
    assert_eq!(look.closed, [grant_id(2)]);
    run.store(&look);
    let look = input(&run);
    assert_eq!(look.closed, [grant_id(1)]);
    run.store(&look);
    let look = input(&run);
    assert_eq!(
        (look.guard_removed, look.due, look.step),
        (vec![], Some(at(125 + 300)), Step::Rest),
        "it is looked for as long as a session of it may be left"
    );
    run.now = at(7205 + 12 * 3600 + 120 + 1);
    let look = input(&run);
    assert_eq!(
        (look.guard_removed, look.due),
        (vec![grant_id(1), grant_id(2)], None)
    );
}

#[test]
fn a_protected_role_is_left_alone() {
    let mut run = two();
    run.role.arn =
        "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1"
            .to_owned();
    let look = run.look();
    assert_eq!(
        (look.condition, &look.step),
        (Condition::Protected, &Step::Rest)
    );
    assert_eq!(
        look.close,
        [
            (grant_id(1), Cause::CouldNotOpen),
            (grant_id(2), Cause::CouldNotOpen)
        ]
    );
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["rest"]);
    assert!(is_ended(&run, 0) && is_ended(&run, 1));
}

#[test]
fn ids_that_nobody_could_read_at_approval_are_fixed_at_the_first_look() {
    let mut run = two();
    run.grants[0].principal_id = None;
    run.grants[0].role_id = None;
    let look = run.look();
    assert_eq!(
        look.identified,
        [(
            grant_id(1),
            Some(PEOPLE[ALICE].1.to_owned()),
            ROLE_ID.to_owned()
        )]
    );
    let _ = run.settle();
    assert!(is_active(&run, 0));
}

#[test]
fn a_guard_that_somebody_deleted_goes_back_at_once() {
    let mut run = settled();
    run.pass(300);
    let guard = run.role.guard.take().unwrap();
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard"]);
    assert_eq!(run.role.guard.unwrap(), guard.replace("Rev1", "Rev2"));
}

#[test]
fn a_guard_that_was_deleted_and_is_refused_leaves_no_statement() {
    let mut run = settled();
    run.pass(300);
    run.role.guard = None;
    let refused = run.look();
    assert!(puts_guard(&refused.step), "it goes back first");
    run.store(&refused);
    let next = run.look_refused();
    run.write(&next.step);
    assert_eq!(run.role.trust, FOREIGN);
    assert_eq!(run.look_refused().step, Step::Rest);
}

#[test]
fn a_full_trust_policy_gives_up_the_newest_grant_and_opens_the_others() {
    let mut run = two();
    run.role.trust_quota = 500;
    let _ = run.settle();
    assert!(is_active(&run, 0));
    let GrantState::Ended { cause, .. } = run.grants[1].state else {
        panic!("{:?}", run.grants[1]);
    };
    assert_eq!(cause, Cause::CouldNotOpen);
    assert!(run.role.trust.len() <= 500);
}

#[test]
fn a_contested_role_opens_nothing_and_closes_all() {
    let mut run = settled();
    run.pass(300);
    run.target.condition = Condition::Contested;
    run.role.trust = run.role.trust.replace(&sid(grant_id(2)), "Other");
    run.revoke(0);
    let (look, _) = run.settle();
    assert_eq!(look.condition, Condition::Contested);
    assert!(is_ended(&run, 0) && !run.role.trust.contains(&sid(grant_id(2))));
}

#[test]
fn foreign_edits_between_our_writes_survive() {
    let mut run = settled();
    run.pass(300);
    let theirs =
        r#" , {"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"sts:TagSession"}]}"#;
    run.role.trust = run.role.trust.strip_suffix("]}").unwrap().to_owned() + theirs;
    run.revoke(0);
    let _ = run.settle();
    let _ = run.settle_at(7200);
    assert_eq!(
        run.role.trust,
        FOREIGN.strip_suffix("]}").unwrap().to_owned() + theirs
    );
}

#[test]
fn an_extension_moves_both_dates_guard_first_and_leaves_no_gap() {
    let mut run = settled();
    run.pass(1800);
    run.grants[0].deadline = at(7200);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"]);
    run.now = at(5000);
    assert!(run.works("alice", 10) && run.admits(ALICE, "alice"));
}

#[test]
fn what_was_sent_is_told_for_every_grant_in_the_document() {
    let mut run = settled();
    run.pass(300);
    run.grants.push(grant(3, OTHER_ALICE, 300, 5000));
    let (_, steps) = run.settle();
    let (write, _) = put(steps.last().unwrap(), DocumentKey::Trust).unwrap();
    assert_eq!(write.opens, [grant_id(3)]);
    assert_eq!(
        write.sends,
        [
            (grant_id(1), at(3600)),
            (grant_id(2), at(7200)),
            (grant_id(3), at(5000))
        ]
    );
    assert!(has_grants(write.replaces.as_deref().unwrap()));
    assert_eq!(run.target.trust.original.as_deref(), Some(FOREIGN));
}
