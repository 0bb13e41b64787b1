//! Somebody undoes what we write: it goes back a few times, then the grant ends and the role is
//! contested (docs/guard.md §3, step 6).

use countersign::domain::cause::Cause;
use countersign::domain::target::Condition;
use countersign::policy::document::sid;

use super::plan::{is_active, is_ended, kinds, settled};
use super::run::Run;
use super::*;

fn cause(run: &Run, index: usize) -> Option<Cause> {
    match &run.grants[index].state {
        GrantState::Closing(closing) => Some(closing.cause),
        GrantState::Ended { cause, .. } => Some(*cause),
        _ => None,
    }
}

/// The owner's tool puts the trust policy back to what it knows, P and more after our last write.
fn owner_reverts(run: &mut Run) {
    run.pass(300);
    run.role.trust = FOREIGN.to_owned();
}

#[test]
fn a_statement_is_put_back_twice_and_then_its_grant_ends_and_the_role_is_contested() {
    let mut run = settled();
    for nth in 1..=2 {
        owner_reverts(&mut run);
        let (_, steps) = run.settle();
        assert_eq!(kinds(&steps), ["put trust"], "revert {nth}");
        assert!(run.admits(ALICE, &grant_id(1).to_string()));
        assert_eq!(run.grants[0].marks.restores, nth);
    }
    owner_reverts(&mut run);
    let (look, _) = run.settle();
    assert_eq!(look.condition, Condition::Contested);
    assert_eq!(cause(&run, 0), Some(Cause::RevertedByOwner));
    assert_eq!(cause(&run, 1), Some(Cause::RevertedByOwner));
    assert_eq!(run.role.trust, FOREIGN, "the owner is not fought");
    run.pass(15 * 60);
    let _ = run.settle();
    assert!(is_ended(&run, 0) && !run.works("alice", 0));
}

#[test]
fn on_a_contested_role_a_statement_that_is_taken_away_is_not_put_back() {
    let mut run = settled();
    run.target.condition = Condition::Contested;
    let own = sid(grant_id(1));
    run.pass(300);
    run.role.trust = run.role.trust.replace(&own, "Theirs");
    let _ = run.settle();
    assert_eq!(cause(&run, 0), Some(Cause::RevertedByOwner));
    assert!(is_active(&run, 1), "the other one still stands there");
}

#[test]
fn statements_that_we_took_away_ourselves_are_no_revert() {
    let mut run = settled();
    run.pass(300);
    run.role.guard = None;
    let put = run.look();
    assert_eq!(kinds(std::slice::from_ref(&put.step)), ["put guard"]);
    run.store(&put);
    // AWS refuses the guard, so that no statement may stay.
    let closing = run.look_refused();
    run.store(&closing);
    run.write(&closing.step);
    assert_eq!(run.role.trust, FOREIGN);
    run.pass(300);
    let (look, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"]);
    assert_eq!(look.condition, Condition::Ok);
    assert!(is_active(&run, 0) && run.grants[0].marks.restores == 0);
}

#[test]
fn a_guard_that_is_deleted_twice_under_the_same_grants_ends_them_all() {
    let mut run = settled();
    run.pass(300);
    run.role.guard = None;
    let (look, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard"]);
    assert_eq!(
        (look.condition, run.target.guard_restores),
        (Condition::Ok, 1)
    );
    run.pass(300);
    run.role.guard = None;
    let (look, _) = run.settle();
    assert_eq!(look.condition, Condition::Contested);
    assert_eq!(cause(&run, 0), Some(Cause::RevertedByOwner));
    assert_eq!(cause(&run, 1), Some(Cause::RevertedByOwner));
    assert!(
        !run.works("alice", 0) && !run.works("bob", 0),
        "and the guard is back"
    );
    assert_eq!(run.role.trust, FOREIGN);
}

#[test]
fn statement_and_guard_entry_gone_together_are_another_timeline_and_not_put_back() {
    let mut run = settled();
    run.pass(300);
    run.role.trust = FOREIGN.to_owned();
    run.role.guard = None;
    let _ = run.settle();
    assert_eq!(cause(&run, 0), Some(Cause::RevertedByOwner));
    assert_eq!(run.role.trust, FOREIGN);
    assert!(!run.works("alice", 0));
}

#[test]
fn the_guard_of_another_installation_means_closings_alone_and_is_left_to_it() {
    let mut other = settled();
    other.pass(300);
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(3, OTHER_ALICE, 300, 7200)]);
    run.now = other.now;
    run.target.installation = "ffffffff".to_owned();
    run.target.revision = 100;
    run.role = other.role.clone();
    let (look, steps) = run.settle();
    assert_eq!(
        (look.condition, kinds(&steps)),
        (Condition::SafeMode, vec![])
    );
    assert_eq!(run.role, other.role, "its grants and its guard are its own");
}

#[test]
fn what_was_open_is_denied_even_where_another_installation_has_written_its_guard() {
    let mut run = settled();
    run.pass(300);
    let guard = run.role.guard.clone().unwrap();
    run.role.guard = Some(guard.replace("i0a1b2c3d", "iffffffff"));
    run.revoke(0);
    let (look, steps) = run.settle();
    assert_eq!(look.condition, Condition::SafeMode);
    assert_eq!(kinds(&steps), ["put trust"], "the guard as read may lag");
    run.pass(120);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard"]);
    assert!(!run.works("alice", 0) && !run.admits(ALICE, "alice") && is_ended(&run, 0));
}
