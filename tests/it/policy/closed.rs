//! A closed role: its guard denies whoever has no grant, whatever the session's name, and always
//! stands (docs/carrier.md, I4, I8).

use countersign::domain::grant::GrantState;
use countersign::domain::target::{DocumentKey, Written};
use countersign::policy::fingerprint;
use countersign::policy::guard::{Guard, read};

use super::run::Run;
use super::*;

fn name(nth: u128) -> String {
    grant_id(nth).to_string()
}

/// A closed role that these grants are for.
fn closed(grants: Vec<Grant>) -> Run {
    let mut run = Run::new(FOREIGN, PRODUCTION, grants);
    run.target.closed = true;
    let _ = run.settle();
    run
}

/// Names that nobody was given.
const OTHERS: [&str; 4] = [
    "zzz",
    "i-0123456789abcdef0",
    "bob",
    "grant_00000000000000000000000000",
];

fn nobody_else(run: &Run) -> bool {
    OTHERS.iter().all(|name| !run.works(name, 0))
}

#[test]
fn i4_a_session_of_any_other_name_is_dead_and_those_of_the_grant_work() {
    let run = closed(vec![grant(1, ALICE, 0, 3600)]);
    assert!(run.works("alice", 0) && run.works(&name(1), 0));
    assert!(nobody_else(&run), "{:?}", run.role.guard);
    let mut open = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let _ = open.settle();
    assert!(open.works("zzz", 0), "elsewhere it is somebody else's");
}

#[test]
fn with_nobody_live_everybody_is_dead_and_the_guard_stands_for_ever() {
    let mut run = closed(vec![]);
    let guard = run.role.guard.clone().expect("a guard");
    assert!(guard.contains(&format!(r#""StringLike":{{"aws:userid":["{ROLE_ID}:*"]}}"#)));
    assert!(nobody_else(&run) && !run.works("alice", 0));
    for hours in [1, 24, 49, 2_000] {
        let (look, _) = run.settle_at(hours * 3600);
        assert_eq!(run.role.guard.as_ref(), Some(&guard), "{hours}");
        let watched = look.due.map(|due| due - run.now);
        assert!(watched <= Some(TimeDelta::minutes(5)) && watched.is_some());
    }
    run.role.guard = None;
    let _ = run.settle_at(2_001 * 3600);
    assert!(nobody_else(&run), "somebody has deleted it");
}

#[test]
fn a_grant_that_ends_leaves_everybody_dead() {
    let mut run = closed(vec![grant(1, ALICE, 0, 3600), grant(2, BOB, 0, 7200)]);
    assert!(run.works("alice", 0) && run.works("bob", 0));
    run.pass(600);
    run.revoke(0);
    let _ = run.settle();
    assert!(!run.works("alice", 0) && !run.works(&name(1), 0));
    assert!(run.works("bob", 0), "the other goes on");
    let _ = run.settle_at(7200);
    for seconds in [7200, 7400, 12_000, 100_000, 400_000] {
        let _ = run.settle_at(seconds);
        for name in ["alice", "bob", &name(1), &name(2), "zzz"] {
            assert!(!run.works(name, 1_000_000), "{name} at {seconds}");
        }
    }
    assert!(matches!(run.grants[1].state, GrantState::Ended { .. }));
}

#[test]
fn a_role_that_is_closed_or_opened_later_gets_the_other_guard() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let _ = run.settle();
    assert!(run.works("zzz", 0));
    run.target.closed = true;
    let _ = run.settle_at(300);
    assert!(nobody_else(&run) && run.works("alice", 0) && run.works(&name(1), 0));
    run.target.closed = false;
    let _ = run.settle_at(600);
    assert!(run.works("zzz", 0) && run.works("alice", 0) && !run.works(OTHERS[3], 0));

    let mut empty = closed(vec![]);
    empty.target.closed = false;
    // What it says may be the trace of a lost row, until it is old enough.
    let _ = empty.settle_at(100);
    assert!(empty.works("zzz", 0));
    let _ = empty.settle_at(200_000);
    assert_eq!(empty.role.guard, None, "nothing needs it any more");
}

#[test]
fn its_guard_reads_back_as_what_it_is() {
    let mut guard = Guard {
        closed: true,
        installation: "0a1b2c3d".to_owned(),
        ..Guard::default()
    };
    guard.until.insert(name(1), at(3600));
    guard.until.insert("alice".to_owned(), at(3600));
    let text = guard.render(ROLE_ID, ROLE_ARN, 7);
    let list = format!(
        r#"{{"Sid":"CountersignRev7i0a1b2c3d","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringNotEquals":{{"aws:userid":["{ROLE_ID}:alice","{ROLE_ID}:{}"]}}}}}}"#,
        name(1)
    );
    assert!(text.contains(&list), "{text}");
    let seen = read(&text, ROLE_ID);
    assert!(seen.closed);
    assert_eq!(
        seen.listed.iter().collect::<Vec<_>>(),
        [&name(1)],
        "a console name is of no grant of its own"
    );
    assert_eq!(seen.until, guard.until);
    assert!(guard.is(&text, ROLE_ID, ROLE_ARN));
    guard.closed = false;
    assert!(!guard.is(&text, ROLE_ID, ROLE_ARN));
    assert!(!read(&guard.render(ROLE_ID, ROLE_ARN, 7), ROLE_ID).closed);
    assert!(
        !read(&text, "AROAEXAMPLEROLE000002").closed,
        "of another role"
    );
    let nobody = Guard {
        closed: true,
        installation: "0a1b2c3d".to_owned(),
        ..Guard::default()
    };
    assert!(read(&nobody.render(ROLE_ID, ROLE_ARN, 7), ROLE_ID).closed);
}

#[test]
fn in_safe_mode_a_closed_guard_stays_closed() {
    let mut run = closed(vec![grant(1, ALICE, 0, 3600)]);
    // A database from before the role was closed, and before the last guards.
    run.target.closed = false;
    run.target.revision = 0;
    run.target.guard.written = None;
    let before = run.role.guard.clone();
    let (look, _) = run.settle_at(600);
    assert_eq!(look.condition, Condition::SafeMode);
    let _ = run.settle_at(1_200);
    assert_ne!(run.role.guard, before, "it is written anew");
    assert!(!run.works("zzz", 0), "{:?}", run.role.guard);
}

#[test]
fn a_closed_role_that_is_gone_is_looked_for_and_its_successor_is_closed() {
    let mut run = closed(vec![]);
    let mut gone = run.clone();
    gone.target.missing_since = Some(gone.now);
    gone.pass(3_600);
    assert!(gone.look_gone().due.is_some(), "it may be made anew");
    run.role.role_id = "AROAEXAMPLEROLE000002".to_owned();
    run.role.guard = None;
    let _ = run.settle_at(900);
    let guard = run.role.guard.expect("a guard");
    assert!(guard.contains("AROAEXAMPLEROLE000002:*"), "{guard}");
}

#[test]
fn the_guard_of_another_installation_is_left_alone() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![]);
    let others = Guard {
        installation: "9z9z9z9z".to_owned(),
        ..Guard::default()
    };
    let text = others.render(ROLE_ID, ROLE_ARN, 3);
    run.role.guard = Some(text.clone());
    run.target.closed = true;
    let _ = run.settle();
    assert_eq!(run.role.guard, Some(text));
}

#[test]
fn where_planning_breaks_down_it_stays_closed() {
    use countersign::policy::{Input, Observed, or_plain};
    let run = closed(vec![grant(1, ALICE, 0, 3600)]);
    let mut target = run.target.clone();
    target.guard.written = Some(Written {
        hash: fingerprint("another"),
        at: at(-1_000),
    });
    let observed = Observed::Role(run.role.clone());
    let input = Input {
        target: &target,
        grants: &run.grants,
        observed: &observed,
        now: at(60),
        margins: PRODUCTION,
        closings_only: false,
        one_at_a_time: false,
        clocks_differ: false,
        guard_refused: false,
        allows: NOTHING,
        listed: NOBODY,
        ended_refused: false,
        refused: NOBODY,
    };
    let broken = or_plain(&input, |_| panic!("a fault of ours")).unwrap_err();
    let (_, text) = put(&broken.plan.step, DocumentKey::Guard).expect("a guard");
    assert!(read(text, ROLE_ID).closed, "{text}");
}
