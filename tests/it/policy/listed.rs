//! Grants that need no statement: the guard lists them, and what lets the person in is elsewhere.

use countersign::domain::target::{Condition, Written};
use countersign::policy::document::sid;
use countersign::policy::{GuardRead, LONGEST_SESSION, Plan, fingerprint};

use super::plan::{is_active, is_ended, kinds};
use super::run::Run;
use super::*;

/// A grant of sts_credentials, and one of trust_policy beside it.
fn both() -> Run {
    Run::new(
        FOREIGN,
        PRODUCTION,
        vec![lone(3600), grant(2, BOB, 0, 7200)],
    )
}

/// Nobody of AWS is let in.
fn lone(deadline: i64) -> Grant {
    Grant {
        method: Method::StsCredentials,
        principal_arn: None,
        principal_id: None,
        console_name: None,
        ..grant(1, ALICE, 0, deadline)
    }
}

fn alone() -> Run {
    let mut run = both();
    run.grants.truncate(1);
    run
}

#[test]
fn a_listed_grant_opens_with_the_guard_and_leaves_the_trust_policy_alone() {
    let mut run = alone();
    let first = run.look();
    assert!(puts_guard(&first.step) && first.opened.is_empty());
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard"]);
    assert!(is_active(&run, 0));
    assert_eq!(run.role.trust, FOREIGN);
    assert!(
        run.role
            .guard
            .clone()
            .unwrap()
            .contains(&grant_id(1).to_string())
    );
    let mut run = both();
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"]);
    assert!(is_active(&run, 0) && is_active(&run, 1));
    assert!(!run.role.trust.contains(&sid(grant_id(1))));
}

#[test]
fn its_end_is_the_guard_without_it_and_the_other_one_stays() {
    let mut run = both();
    let _ = run.settle();
    run.pass(300);
    run.revoke(0);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard"]);
    assert!(is_ended(&run, 0) && is_active(&run, 1));
    assert!(
        !run.role
            .guard
            .clone()
            .unwrap()
            .contains(&grant_id(1).to_string())
    );
}

/// I1: what was handed out is known from the fetches, not from the role's own trust policy.
#[test]
fn i1_the_guard_stays_for_the_sessions_that_were_handed_out() {
    let mut run = alone();
    let _ = run.settle();
    run.pass(300);
    // Fetched at 300: a call that nobody answered may still give out a session until L is over.
    let last = at(300) + PRODUCTION.unanswered;
    run.grants[0].marks.sent_until = Some(last);
    run.revoke(0);
    let _ = run.settle();
    assert!(is_ended(&run, 0));
    let dead = last + PRODUCTION.clock + LONGEST_SESSION + PRODUCTION.propagation;
    let seconds = (dead - at(0)).num_seconds();
    let _ = run.settle_at(seconds - 60);
    assert!(run.role.guard.is_some(), "a session may be left");
    assert_eq!(run.grants[0].marks.guard_gone_at, None);
    let _ = run.settle_at(seconds + 60);
    let _ = run.settle_at(seconds + 600);
    assert!(run.grants[0].marks.guard_gone_at.is_some());
}

#[test]
fn a_statement_with_its_sid_is_a_hands_and_goes() {
    let mut run = alone();
    let _ = run.settle();
    run.pass(300);
    let forged = trust_statement(&run.grants[0]);
    run.role.trust = run
        .role
        .trust
        .replace("\"Statement\":[", &format!("\"Statement\":[{forged},"));
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put trust"]);
    assert_eq!(run.role.trust, FOREIGN);
    assert!(is_active(&run, 0), "what was approved stays");
}

#[test]
fn a_role_that_waits_for_a_person_lets_nobody_in() {
    for condition in [Condition::Contested, Condition::SafeMode] {
        let mut run = alone();
        run.target.condition = condition;
        let _ = run.settle();
        assert!(!is_active(&run, 0), "{condition:?}");
    }
}

fn trust_statement(own: &Grant) -> String {
    let named = grant(1, ALICE, 0, 3600);
    countersign::policy::trust::of(&named, false, own.deadline)
}

/// The backup says that the grant is open; it was ended in the time that is lost. No statement is
/// missing that would tell: the list alone does.
#[test]
fn c13_a_restored_database_does_not_list_again_what_was_ended_meanwhile() {
    for looked in [false, true] {
        let mut run = Run::new(FOREIGN, PRODUCTION, vec![lone(8 * 3600)]);
        let _ = run.settle();
        run.go_on(300);
        let (grants, target) = (run.grants.clone(), run.target.clone());
        run.revoke(0);
        run.go_on(1200);
        assert!(is_ended(&run, 0));
        (run.grants, run.target) = (grants, target);
        let _ = run.settle();
        assert_eq!(run.target.condition, Condition::SafeMode);
        run.now += PRODUCTION.propagation;
        if looked {
            let _ = run.settle();
        }
        run.target.condition = Condition::Ok;
        run.due = Some(run.now);
        for seconds in (1800..8 * 3600).step_by(600) {
            run.go_on(seconds);
            let guard = run.role.guard.clone().unwrap_or_default();
            assert!(
                !guard.contains(&grant_id(1).to_string()),
                "at {seconds}, {looked}"
            );
        }
        assert!(is_ended(&run, 0));
    }
}

/// Until when a plan says that the guard lists a grant.
fn listed(run: &Run, plan: &Plan, nth: u128) -> Option<DateTime<Utc>> {
    let id = grant_id(nth);
    let stored = run.grants.iter().map(|grant| (grant.id, &grant.marks));
    let new = plan.marks.iter().map(|(id, marks)| (*id, marks));
    let all: BTreeMap<_, _> = stored.chain(new).collect();
    all[&id].listed_until
}

/// What is known of the guard before anything is handed out: that it is ours, and whom it lists.
#[test]
fn f3_a_look_tells_of_each_grant_until_when_the_guard_lists_it() {
    let mut run = both();
    assert_eq!(run.look().guard_read, GuardRead::Other, "it is not there");
    let _ = run.settle();
    let look = run.look();
    assert_eq!(look.guard_read, GuardRead::Whole);
    assert_eq!(listed(&run, &look, 1), Some(at(3600)));
    assert_eq!(listed(&run, &look, 2), Some(at(7200)));
    run.pass(300);
    let guard = run.role.guard.clone().unwrap();
    // A later deadline that the guard does not have is not what AWS holds; it keeps nobody else
    // waiting, and neither does another grant that is to be listed.
    run.grants[0].deadline = at(5400);
    let look = run.look();
    assert_eq!(
        (look.guard_read, listed(&run, &look, 1)),
        (GuardRead::Whole, Some(at(3600)))
    );
    let look = run.look_with(true);
    assert_eq!(
        (look.guard_read, listed(&run, &look, 1)),
        (GuardRead::Whole, Some(at(3600)))
    );
    run.grants[0].deadline = at(3600);
    let (grants, mut more) = (run.grants.clone(), run.grants[0].clone());
    more.id = grant_id(7);
    more.grant_name = more.id.to_string();
    more.state = GrantState::Opening { at: run.now };
    run.grants.push(more);
    let look = run.look();
    assert_eq!(
        (look.guard_read, listed(&run, &look, 7)),
        (GuardRead::Whole, None)
    );
    run.grants = grants;
    run.role.guard = Some(guard.replace(&grant_id(1).to_string(), &grant_id(9).to_string()));
    assert_eq!(run.look().guard_read, GuardRead::Other, "a hand was there");
    // While nothing may open, nothing is taken into the list that was not in it: the guard is as it
    // should be then, and says nothing of her.
    let mut of_bob = both();
    of_bob.grants.remove(0);
    let _ = of_bob.settle();
    let written = of_bob.role.guard.clone().unwrap();
    let revision = format!("CountersignRev{}i", run.target.revision);
    run.role.guard = Some(written.replacen("CountersignRev1i", &revision, 1));
    assert!(!puts_guard(&run.look_with(true).step));
    let look = run.look_with(true);
    assert_eq!(listed(&run, &look, 1), None);
    run.role.guard = None;
    assert_eq!(run.look().guard_read, GuardRead::Other);
    // Nothing was sent last: that nothing is there tells of no guard.
    run.target.guard.written = Some(Written {
        hash: fingerprint(""),
        at: run.now,
    });
    assert!(run.look().guard_read != GuardRead::Whole);
}

/// Who has a console name is listed by both: its policy names both.
#[test]
fn i2_who_has_a_console_name_is_listed_with_it_alone() {
    let own = grant(1, BOB, 0, 3600);
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![own]);
    let _ = run.settle();
    assert_eq!(run.grants[0].marks.listed_until, Some(at(3600)));
    assert!(run.grants[0].marks.console_since.is_some());
    let console = format!("{ROLE_ID}:bob");
    let guard = run.role.guard.clone().unwrap();
    assert!(guard.contains(&console));
    run.role.guard = Some(guard.replace(&console, &format!("{ROLE_ID}:bib")));
    let look = run.look();
    assert_eq!(listed(&run, &look, 1), None);
}

/// A role that nobody could look at when it was asked for has its id from the first look.
#[test]
fn the_roles_id_is_found_without_an_identity() {
    let mut run = alone();
    run.grants[0].role_id = None;
    let _ = run.settle();
    assert!(is_active(&run, 0));
    assert_eq!(run.grants[0].role_id.as_deref(), Some(ROLE_ID));
    assert_eq!(run.grants[0].principal_id, None);
}
