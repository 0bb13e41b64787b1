//! When planning itself breaks down, the closings are written all the same (docs/guard.md, H10).

use countersign::policy::{BrokeDown, Input, Observed, Step, or_plain};

use super::hands::LOOKS_LIKE_OURS;
use super::plan::{kinds, settled};
use super::run::Run;
use super::*;

fn input<'a>(run: &'a Run, observed: &'a Observed) -> Input<'a> {
    Input {
        target: &run.target,
        grants: &run.grants,
        observed,
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
    }
}

/// The closings of a target on which `plan` panics, until there is nothing more to write.
fn settle_plainly(run: &mut Run) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        let observed = Observed::Role(run.role.clone());
        let input = input(run, &observed);
        let broken = or_plain(&input, |_| panic!("the guard says {}", 1));
        let BrokeDown { plan, message } = *broken.expect_err("it panicked");
        assert_eq!(message, "the guard says 1");
        assert!(plan.opened.is_empty() && plan.closed.is_empty() && plan.close.is_empty());
        if plan.step == Step::Rest {
            return steps;
        }
        run.write(&plan.step);
        steps.push(plan.step);
        assert!(steps.len() < 5, "{steps:?}");
    }
}

#[test]
fn a_revocation_is_written_though_planning_breaks_down() {
    let mut run = settled();
    // A third person's name that no row knows, and one that is cut.
    let guard = run.role.guard.take().unwrap();
    let more = format!(
        r#"{{"Sid":"CountersignKept1","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:userid":["{ROLE_ID}:zoe"]}}}}}}]}}"#
    );
    run.role.guard = Some(guard.strip_suffix("]}").unwrap().to_owned() + "," + &more);
    run.pass(300);
    run.grants.push(grant(3, OTHER_ALICE, 300, 7200));
    run.revoke(0);
    let steps = settle_plainly(&mut run);
    assert_eq!(kinds(&steps), ["put guard", "put trust"]);
    assert!(!run.admits(ALICE, "alice") && !run.works("alice", 10));
    assert!(!run.works(&grant_id(1).to_string(), 10));
    assert!(!run.works("zoe", 10), "what was denied stays so");
    assert!(run.admits(BOB, "bob") && run.works("bob", 10));
    assert!(
        !run.works(&grant_id(3).to_string(), 310),
        "and nothing opens"
    );
}

/// What stands there by a Sid that only looks like ours, or by another installation's, is not a
/// row's to take away.
#[test]
fn statements_that_no_row_knows_stay_though_planning_breaks_down() {
    let mut run = settled();
    let theirs = format!(
        r#",{{"Sid":"{LOOKS_LIKE_OURS}","Effect":"Allow","Principal":{{"Service":"lambda.amazonaws.com"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    run.role.trust = run.role.trust.strip_suffix("]}").unwrap().to_owned() + &theirs;
    run.pass(300);
    run.revoke(0);
    let _ = settle_plainly(&mut run);
    assert!(!run.admits(ALICE, "alice") && run.role.trust.contains(LOOKS_LIKE_OURS));
}

#[test]
fn a_refused_guard_keeps_no_statement_in_though_planning_breaks_down() {
    let mut run = settled();
    run.pass(300);
    run.revoke(0);
    let observed = Observed::Role(run.role.clone());
    let input = Input {
        guard_refused: true,
        ..input(&run, &observed)
    };
    let broken = or_plain(&input, |_| panic!("again")).expect_err("it panicked");
    assert_eq!(
        kinds(std::slice::from_ref(&broken.plan.step)),
        ["put trust"]
    );
}

#[test]
fn where_planning_does_not_break_down_its_plan_stands() {
    let run = settled();
    let observed = Observed::Role(run.role.clone());
    let input = input(&run, &observed);
    let planned = or_plain(&input, countersign::policy::plan).unwrap();
    assert_eq!(planned, run.look());
}

/// The denial was sent, and never landed: it is sent again.
#[test]
fn a_lost_denial_is_sent_again_though_planning_breaks_down() {
    let mut run = settled();
    run.pass(300);
    run.revoke(0);
    let plan = |run: &Run| {
        let observed = Observed::Role(run.role.clone());
        let broken = or_plain(&input(run, &observed), |_| panic!("again"));
        broken.expect_err("it panicked").plan
    };
    let lost = plan(&run);
    run.send(&lost.step);
    run.pass(119);
    assert_eq!(kinds(&[plan(&run).step]), ["put trust"], "a read may lag");
    run.pass(1);
    assert_eq!(kinds(&[plan(&run).step]), ["put guard"]);
}
