//! The sequence C13 of docs/guard.md §5: the database goes back to an earlier moment.

use countersign::domain::target::Condition;
use countersign::policy::LONGEST_SESSION;

use super::lasting::{DAY, name, works};
use super::plan::{is_active, is_ended, settled};
use super::run::Run;
use super::*;

#[test]
fn c13_a_restored_database_does_not_narrow_what_the_guard_denies() {
    for resumed in [false, true] {
        let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 1800)]);
        let _ = run.settle();
        run.go_on(3600);
        assert!(is_ended(&run, 0));
        let (grants, target) = (run.grants.clone(), run.target.clone());
        run.begin(grant(2, ALICE, 3600, 8 * 3600));
        run.go_on(4000);
        assert!(run.works("alice", 3990));
        run.revoke(1);
        run.go_on(6000);
        assert!(is_ended(&run, 1) && !run.works("alice", 3990));
        (run.grants, run.target, run.due) = (grants, target, Some(run.now));
        for seconds in (6000..6000 + DAY).step_by(600) {
            run.go_on(seconds);
            if resumed && run.target.condition == Condition::SafeMode {
                run.target.condition = Condition::Ok;
                run.due = Some(run.now);
            }
            let alive = seconds < 4000 + LONGEST_SESSION.num_seconds();
            assert!(
                !alive || !run.works("alice", 3990),
                "at {seconds}, resumed: {resumed}"
            );
        }
    }
}

/// The look that finds the restored database may lag behind the last write of the lost time.
#[test]
fn c13_a_restored_database_takes_nothing_back_by_a_read_that_lags() {
    // Written, and then lost with the rows: another person's grant, and one more beside it.
    let mut run = Run::new(FOREIGN, PRODUCTION, Vec::new());
    let _ = run.settle();
    let (grants, target) = (run.grants.clone(), run.target.clone());
    run.begin(grant(1, BOB, 0, 3600));
    let _ = run.settle();
    let lagging = run.role.guard.clone();
    run.begin(grant(2, ALICE, 0, 3600));
    let _ = run.settle();
    assert!(run.admits(ALICE, "alice"));
    (run.grants, run.target) = (grants, target);
    let role = run.role.clone();
    run.role.guard = lagging;
    let look = run.look();
    run.store(&look);
    run.role = role;
    run.write(&look.step);
    run.pass(3600);
    assert!(
        !run.works("alice", 3599),
        "her statement stood there until its deadline: {:?}",
        run.role.guard
    );
}

/// What safe mode keeps stands in the guard alone: a look that lags behind it, once a person has
/// resumed the role, does not know of it.
#[test]
fn c13_what_safe_mode_keeps_outlasts_a_look_that_lags_after_the_resumption() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 1800)]);
    let _ = run.settle();
    run.go_on(3600);
    let (grants, target) = (run.grants.clone(), run.target.clone());
    run.begin(grant(2, ALICE, 3600, 8 * 3600));
    run.go_on(4000);
    assert!(run.works("alice", 3990));
    let lagging = run.role.guard.clone();
    (run.grants, run.target) = (grants, target);
    let _ = run.settle();
    run.pass(120);
    let _ = run.settle();
    assert!(!run.works("alice", 3990), "denied in safe mode");
    run.target.condition = Condition::Ok;
    run.pass(10);
    let guard = std::mem::replace(&mut run.role.guard, lagging);
    let look = run.look();
    run.store(&look);
    run.role.guard = guard;
    run.write(&look.step);
    assert!(!run.works("alice", 3990), "{:?}", run.role.guard);
}

/// The database goes back to a moment at which the role was in safe mode already.
#[test]
fn c13_safe_mode_begins_anew_with_every_later_revision() {
    let mut run = settled();
    run.target.condition = Condition::SafeMode;
    run.target.safe_since = Some(at(-5000));
    run.pass(300);
    assert_eq!(run.look().safe_since, Some(at(-5000)));
    run.target.revision = 0;
    run.revoke(0);
    let look = run.look();
    assert_eq!(look.safe_since, Some(at(300)));
    assert!(
        !puts_guard(&look.step),
        "the read may lag behind a write that is lost: {look:?}"
    );
}

/// The backup is from a moment at which the grant was about to open, or scheduled: it was opened
/// and revoked since. Nobody lifts safe mode before P, and should nobody have looked between that
/// and the lifting, the next look finds it all the same.
#[test]
fn c13_a_restored_database_does_not_open_what_was_revoked_meanwhile() {
    for looked in [false, true] {
        let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 8 * 3600)]);
        let (grants, target) = (run.grants.clone(), run.target.clone());
        let _ = run.settle();
        run.go_on(300);
        run.revoke(0);
        run.go_on(1200);
        assert!(is_ended(&run, 0) && !run.admits(ALICE, "alice"));
        (run.grants, run.target) = (grants, target);
        let _ = run.settle();
        assert_eq!(run.target.condition, Condition::SafeMode);
        assert!(is_open(&run.grants[0]), "the read may lag");
        run.now += PRODUCTION.propagation;
        if looked {
            let _ = run.settle();
        }
        run.target.condition = Condition::Ok;
        run.due = Some(run.now);
        for seconds in (1800..8 * 3600).step_by(600) {
            run.go_on(seconds);
            assert!(!run.admits(ALICE, "alice"), "at {seconds}, {looked}");
            assert!(!works(&run, 290), "at {seconds}, {looked}");
        }
        assert!(!is_open(&run.grants[0]));
    }
}

/// What begins only after safe mode was noticed was never open in the time that is lost.
#[test]
fn c13_what_begins_after_safe_mode_was_noticed_opens_once_it_is_lifted() {
    let mut run = settled();
    run.target.revision = 0;
    let _ = run.settle_at(100);
    assert_eq!(run.target.condition, Condition::SafeMode);
    run.begin(grant(3, OTHER_ALICE, 400, 3600));
    let _ = run.settle_at(400);
    run.target.condition = Condition::Ok;
    let _ = run.settle_at(500);
    assert!(is_active(&run, 2) && run.admits(OTHER_ALICE, &name(3)));
}

/// The backup knows of no grant at all; the guard says nothing of those that are lost but that it
/// lists none of them.
#[test]
fn c13_a_guard_whose_rows_are_all_lost_outlasts_the_lifting_of_safe_mode() {
    let mut run = Run::new(FOREIGN, PRODUCTION, Vec::new());
    let _ = run.settle();
    let (grants, target) = (run.grants.clone(), run.target.clone());
    run.begin(grant(1, ALICE, 0, 600));
    run.go_on(1200);
    assert!(is_ended(&run, 0) && !run.works(&name(1), 300));
    (run.grants, run.target) = (grants, target);
    run.begin(grant(2, BOB, 1300, 5000));
    let _ = run.settle_at(1300);
    assert_eq!(run.target.condition, Condition::SafeMode);
    run.now += PRODUCTION.propagation;
    run.target.condition = Condition::Ok;
    for seconds in (1440..1200 + LONGEST_SESSION.num_seconds()).step_by(600) {
        run.go_on(seconds);
        assert!(!run.works(&name(1), 300), "at {seconds}");
    }
}

/// Nothing is open, so that nothing else brings the service back before its watch.
#[test]
fn c13_the_guard_is_written_anew_as_soon_as_no_read_can_lag() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 600)]);
    let _ = run.settle();
    run.go_on(1200);
    run.target.revision = 0;
    run.now = at(1500);
    let (look, _) = run.settle();
    let known = run.now + PRODUCTION.propagation;
    assert_eq!(
        (look.condition, look.due),
        (Condition::SafeMode, Some(known))
    );
}

/// The backup has the grant before anything of it was sent; by the restore its deadline has passed.
#[test]
fn c13_a_console_name_whose_statement_the_backup_has_not_sent_stays_dead() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let look = run.look();
    run.store(&look);
    run.write(&look.step);
    let (grants, target) = (run.grants.clone(), run.target.clone());
    let _ = run.settle();
    assert!(run.admits(ALICE, "alice"));
    // Another grant comes, so that the guard is of a later revision.
    run.begin(grant(2, BOB, 600, 1800));
    run.go_on(2000);
    run.now = at(4000);
    (run.grants, run.target) = (grants, target);
    // A pass after an earlier restore has taken the statement away, and its rows are lost as well.
    run.role.trust = FOREIGN.to_owned();
    for seconds in (4000..3600 + LONGEST_SESSION.num_seconds()).step_by(600) {
        let _ = run.settle_at(seconds);
        assert!(
            !run.works("alice", 500),
            "at {seconds}: {:?}",
            run.role.guard
        );
    }
}
