//! The sequences of docs/guard.md §5 that are about the guard's text.

use countersign::domain::grant::GrantState;
use countersign::policy::LONGEST_SESSION;
use countersign::policy::guard::{Guard, read};

use super::evaluate::{Policy, Request, session_request};
use super::plan::kinds;
use super::run::Run;
use super::*;

fn alone(margins: Margins) -> Run {
    let mut run = Run::new(FOREIGN, margins, vec![grant(1, ALICE, 0, 3600)]);
    let _ = run.settle();
    run
}

fn name(nth: u128) -> String {
    grant_id(nth).to_string()
}

#[test]
fn both_names_work_until_the_deadline_and_no_other() {
    let mut run = alone(PRODUCTION);
    for session in ["alice", &name(1)] {
        assert!(run.admits(ALICE, session) && run.works(session, 0));
        assert!(!run.admits(BOB, session) && !run.admits(OTHER_ALICE, session));
    }
    assert!(!run.admits(ALICE, "zzz") && !run.works(&name(2), 0));
    run.pass(3599);
    assert!(run.works("alice", 10) && run.works(&name(1), 10));
    run.pass(1);
    assert!(!run.admits(ALICE, "alice") && !run.admits(ALICE, &name(1)));
    assert!(!run.works("alice", 10) && !run.works(&name(1), 10));
}

#[test]
fn c1_a_session_from_a_lagging_trust_policy_is_dead_after_an_early_end() {
    let mut run = alone(PRODUCTION);
    run.pass(600);
    run.revoke(0);
    let _ = run.settle();
    assert!(matches!(run.grants[0].state, GrantState::Ended { .. }));
    assert!(!run.admits(ALICE, "alice"));
    // The data plane still honours the old trust policy: a session of 12 h, issued after the end
    // was announced.
    for seconds in [604, 660, 800, 840, 3599, 3600, 3700, 40_000] {
        let _ = run.settle_at(seconds);
        assert!(
            !run.works("alice", 604) && !run.works(&name(1), 604),
            "{seconds}"
        );
    }
}

#[test]
fn an_ended_console_name_is_free_for_others_once_its_deadline_has_passed() {
    let mut run = alone(PRODUCTION);
    run.pass(600);
    run.revoke(0);
    let _ = run.settle();
    for seconds in [720, 846, 3605] {
        let _ = run.settle_at(seconds);
        assert!(
            !run.works("alice", 1_000_000),
            "denied altogether at {seconds}: somebody may put the statement back"
        );
    }
    let (look, _) = run.settle_at(3606);
    assert!(!run.works("alice", 3605) && run.works("alice", 3606));
    let watched = look.due.map(|due| due - run.now);
    assert!(watched <= Some(TimeDelta::minutes(5)), "{look:?}");
}

#[test]
fn c2_the_deadline_does_not_ask_when_the_token_was_issued() {
    let mut run = alone(PRODUCTION);
    run.pass(3600);
    assert!(
        !run.works("alice", 3601),
        "stamped in the second after the deadline"
    );
    let guard = Policy::parse(run.role.guard.as_deref().unwrap());
    let request = session_request(ROLE_ID, "alice", run.now, None);
    assert!(
        guard.denies(&request),
        "a service that sends no aws:TokenIssueTime"
    );
}

#[test]
fn c2_a_statement_whose_date_was_taken_away_by_hand_gives_nobody_a_session_that_works() {
    let mut run = alone(PRODUCTION);
    let dated = r#","DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"}"#;
    assert!(run.role.trust.contains(dated));
    run.role.trust = run.role.trust.replace(dated, "");
    run.pass(4000);
    assert!(run.admits(ALICE, "alice"), "the trust policy is open");
    assert!(
        !run.works("alice", 4000),
        "the guard is not, with nobody there"
    );
    let _ = run.settle_at(4100);
    assert!(!run.admits(ALICE, "alice"));
    for seconds in [4100, 4200, 4220, 4345, 4346, 40_000] {
        let _ = run.settle_at(seconds);
        assert!(
            !run.works("alice", 4100),
            "issued before it was taken away, at {seconds}"
        );
    }
}

#[test]
fn c3_a_request_without_the_condition_keys_is_denied() {
    let mut run = alone(PRODUCTION);
    let silent = |run: &Run| {
        let guard = Policy::parse(run.role.guard.as_deref().unwrap());
        guard.denies(&Request {
            now: None,
            token: None,
            ..session_request(ROLE_ID, "alice", run.now, None)
        })
    };
    assert!(
        silent(&run),
        "no aws:CurrentTime: refused during the grant already"
    );
    let _ = run.settle_at(3600);
    assert!(silent(&run), "ended");
    let _ = run.settle_at(3700);
    let _ = run.settle_at(4000);
    assert!(silent(&run), "settled: no aws:TokenIssueTime");
}

#[test]
fn c4_an_elevated_person_can_neither_touch_the_guard_nor_leave_its_name() {
    let run = alone(PRODUCTION);
    let guard = Policy::parse(run.role.guard.as_deref().unwrap());
    let id = name(1);
    for session in ["alice", &id] {
        let denied = |action, resource| {
            guard.denies(&Request {
                action,
                resource,
                ..session_request(ROLE_ID, session, at(10), Some(at(5)))
            })
        };
        for action in [
            "iam:DeleteRolePolicy",
            "iam:PutRolePolicy",
            "iam:DetachRolePolicy",
            "iam:AttachRolePolicy",
            "iam:UpdateAssumeRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:PassRole",
            "sts:AssumeRole",
        ] {
            assert!(denied(action, ROLE_ARN), "{action}");
            assert!(
                !denied(action, "arn:aws:iam::111122223333:role/other"),
                "{action}"
            );
        }
        assert!(!denied("iam:GetRole", ROLE_ARN));
    }
}

#[test]
fn c7_a_console_name_belongs_to_one_principal_at_a_time() {
    let grants = vec![grant(1, ALICE, 0, 3600), grant(2, OTHER_ALICE, 0, 7200)];
    let mut run = Run::new(FOREIGN, PRODUCTION, grants);
    let _ = run.settle();
    assert!(run.admits(ALICE, "alice") && !run.admits(OTHER_ALICE, "alice"));
    assert!(run.admits(OTHER_ALICE, &name(2)) && run.works(&name(2), 0));
    run.pass(600);
    run.revoke(1);
    let _ = run.settle();
    assert!(
        run.works("alice", 0),
        "the other one's early end cuts nobody"
    );
    let _ = run.settle_at(3600);
    assert!(
        !run.works("alice", 3599),
        "nor does the other one's deadline keep anything alive"
    );
}

#[test]
fn c7_the_second_principal_gets_the_console_name_when_no_session_of_the_first_can_be_left() {
    let later = 3600 + LONGEST_SESSION.num_seconds() + 3600;
    let grants = vec![
        grant(1, ALICE, 0, 3600),
        grant(2, OTHER_ALICE, 0, later + 3600),
    ];
    let mut run = Run::new(FOREIGN, PRODUCTION, grants);
    let _ = run.settle();
    let mut now = 3600;
    while now < later {
        let (look, _) = run.settle_at(now);
        now = (look.due.unwrap() - at(0)).num_seconds();
    }
    let _ = run.settle_at(later);
    assert!(run.admits(OTHER_ALICE, "alice") && run.works("alice", later));
}

#[test]
fn overlapping_grants_of_one_person_never_cut_each_other_short() {
    let grants = vec![grant(1, ALICE, 0, 3600), grant(2, ALICE, 1800, 7200)];
    let mut run = Run::new(FOREIGN, PRODUCTION, grants);
    let _ = run.settle();
    let _ = run.settle_at(1800);
    for seconds in [1800, 3599, 3600, 3700, 3900, 7199] {
        let _ = run.settle_at(seconds);
        assert!(run.works("alice", 10), "{seconds}");
        assert_eq!(run.works(&name(1), 10), seconds < 3600, "{seconds}");
        assert!(run.works(&name(2), 1800), "{seconds}");
    }
    run.pass(1);
    assert!(!run.works("alice", 7000));
}

#[test]
fn asking_again_straight_after_the_deadline_works_with_the_old_guard_in_place() {
    let mut run = alone(PRODUCTION);
    let _ = run.settle_at(3600);
    run.grants.push(grant(2, ALICE, 3601, 7200));
    let _ = run.settle_at(3601);
    assert!(run.admits(ALICE, &name(2)) && run.works(&name(2), 3601));
    assert!(!run.works("alice", 10), "the old session stays dead");
    assert!(
        run.admits(ALICE, "alice") && !run.works("alice", 3605),
        "the name is hers again from δ on"
    );
    assert!(run.works("alice", 3606));
    let _ = run.settle_at(3700);
    assert!(
        !run.works("alice", 3600) && run.works("alice", 3606),
        "and what was dead stays so"
    );
}

#[test]
fn h3_a_name_is_remembered_for_the_longest_session_after_the_removal() {
    let mut run = alone(PRODUCTION);
    let _ = run.settle_at(5000);
    let last_issue = 3600 + 5;
    let until = last_issue + LONGEST_SESSION.num_seconds() + 120;
    let mut now = 5000;
    while now <= until {
        let (look, _) = run.settle_at(now);
        assert!(!run.works("alice", 3600), "{now}");
        now = (look.due.unwrap() - at(0)).num_seconds();
    }
    let (look, steps) = run.settle_at(now);
    assert_eq!(kinds(&steps), ["delete guard"]);
    assert_eq!(look.due, Some(at(now + 120)), "a read may still lag");
    let (look, _) = run.settle_at(now + 120);
    assert!(run.grants[0].marks.guard_gone_at.is_some());
    assert_eq!(
        (look.step, look.due),
        (Step::Rest, None),
        "and nothing is left to do"
    );
}

#[test]
fn a_guard_says_the_same_when_it_is_read_back() {
    let mut guard = Guard {
        installation: "0a1b2c3d".to_owned(),
        ..Guard::default()
    };
    guard.until.insert("alice".to_owned(), at(60));
    guard.until.insert(name(1), at(60));
    guard.cut.insert("bob".to_owned(), at(50));
    guard.denied.insert("carol".to_owned());
    guard.kept.insert("dave".to_owned(), at(40));
    let text = guard.render(ROLE_ID, ROLE_ARN, 412);
    let seen = read(&text, ROLE_ID);
    assert_eq!(seen.revision, Some(412));
    assert_eq!(seen.installation.as_deref(), Some("0a1b2c3d"));
    assert_eq!(seen.until, guard.until);
    assert_eq!(seen.denied, guard.denied);
    assert_eq!(seen.kept, guard.kept);
    assert_eq!(seen.listed.iter().collect::<Vec<_>>(), [&name(1)]);
    assert_eq!(seen.names.len(), 5);
    assert!(guard.is(&text, ROLE_ID, ROLE_ARN));
    let spaced = text.replace(",", " ,\n").replace(
        r#"["AROAEXAMPLEROLE000001:carol"]"#,
        r#""AROAEXAMPLEROLE000001:carol""#,
    );
    assert!(
        guard.is(&spaced, ROLE_ID, ROLE_ARN),
        "white space and lists of one say nothing"
    );
    for (was, now) in [
        ("Deny", "Allow"),
        ("00:01:00Z", "00:01:01Z"),
        ("IfExists", ""),
        ("bob", "bab"),
        (r#""*""#, r#""s3:*""#),
    ] {
        assert!(
            !guard.is(&text.replacen(was, now, 1), ROLE_ID, ROLE_ARN),
            "{was}"
        );
    }
    assert_eq!(
        read(&text, "AROAOTHER"),
        countersign::policy::guard::Read {
            revision: Some(412),
            installation: Some("0a1b2c3d".to_owned()),
            ..Default::default()
        }
    );
}

#[test]
fn the_guard_of_one_live_grant_is_this_document() {
    let run = alone(PRODUCTION);
    insta::assert_snapshot!(run.role.guard.unwrap().replace("},{", "},\n {"));
}

#[test]
fn twenty_seven_grants_fit_and_what_is_too_much_is_given_up() {
    let mut grants = Vec::new();
    for nth in 1..=31 {
        let mut g = grant(nth, ALICE, 0, 3600 + i64::try_from(nth).unwrap());
        g.principal_arn = Some(format!("arn:aws:iam::111122223333:user/person{nth:02}"));
        g.console_name = Some(format!("person{nth:02}"));
        grants.push(g);
    }
    let mut run = Run::new(FOREIGN, PRODUCTION, grants);
    run.role.trust_quota = 20_000;
    let ids = run.grants.iter();
    let ids = ids.map(|g| {
        (
            g.principal_arn.clone().unwrap(),
            g.principal_id.as_deref().map(identity),
        )
    });
    run.role.principals = ids.collect();
    let _ = run.settle();
    let active = |g: &Grant| matches!(g.state, GrantState::Active { .. });
    let open = run.grants.iter().take_while(|g| active(g)).count();
    assert!(
        run.role.guard.as_ref().unwrap().len() <= 10_240 && open >= 27,
        "{open}"
    );
    let newest = &run.grants[open..];
    assert!(newest.iter().all(|g| matches!(
        g.state,
        GrantState::Ended {
            cause: Cause::CouldNotOpen,
            ..
        }
    )));
}
