//! One look at a time: what is planned, in which order, and what keeps it from being done.

use countersign::domain::grant::{Cause, GrantState};
use countersign::domain::target::Condition;
use countersign::policy::document::{has_grants, sid};
use countersign::policy::{Input, LONGEST_SESSION, Observed, Step, plan};

use super::run::Run;
use super::*;

fn two() -> Run {
    Run::new(
        FOREIGN,
        PRODUCTION,
        vec![grant(1, ALICE, 0, 3600), grant(2, BOB, 0, 7200)],
    )
}

fn settled() -> Run {
    let mut run = two();
    let _ = run.settle();
    run
}

fn kinds(steps: &[Step]) -> Vec<&'static str> {
    let kind = |s: &Step| match s {
        Step::Rest => "rest",
        Step::PutGuard { .. } => "put guard",
        Step::DeleteGuard => "delete guard",
        Step::PutTrust { .. } => "put trust",
    };
    steps.iter().map(kind).collect()
}

fn is_active(run: &Run, index: usize) -> bool {
    matches!(run.grants[index].state, GrantState::Active { .. })
}

fn is_ended(run: &Run, index: usize) -> bool {
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
    assert!(matches!(second.step, Step::PutTrust { .. }) && second.opened.is_empty());
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
fn in_the_demo_a_grant_straight_after_another_waits_a_moment_for_the_console_name_alone() {
    let mut run = Run::new(FOREIGN, DEMO, vec![grant(1, ALICE, 0, 5)]);
    let _ = run.settle();
    let _ = run.settle_at(5);
    run.grants.push(grant(2, ALICE, 5, 15));
    let (look, _) = run.settle_at(5);
    assert!(run.admits(ALICE, &grant_id(2).to_string()) && !run.admits(ALICE, "alice"));
    assert!(is_active(&run, 1));
    assert_eq!(look.due, Some(at(7)), "one second of δ, and strictly later");
    let _ = run.settle_at(7);
    assert!(run.admits(ALICE, "alice") && run.works("alice", 7) && !run.works("alice", 4));
}

#[test]
fn c8_a_deleted_or_recreated_user_ends_the_grant_and_is_never_let_in() {
    for id in [None, Some("AIDASOMEBODYELSE0001".to_owned())] {
        let mut run = settled();
        run.pass(300);
        run.role.principals.insert(PEOPLE[ALICE].0.to_owned(), id);
        // AWS shows whom the statement named by the bare id.
        run.role.trust = run.role.trust.replace(PEOPLE[ALICE].0, PEOPLE[ALICE].1);
        let look = run.look();
        assert_eq!(look.close, [(grant_id(1), Cause::PrincipalGone)]);
        assert_eq!(look.step, Step::Rest);
        let (_, steps) = run.settle();
        for step in &steps {
            if let Step::PutTrust { document, .. } = step {
                assert!(!document.contains(&sid(grant_id(1))), "{document}");
            }
        }
        assert!(is_ended(&run, 0) && is_active(&run, 1));
    }
}

#[test]
fn c8_our_statement_with_a_bare_id_ends_the_grant_whatever_the_look_at_the_user_says() {
    let mut run = settled();
    run.role.trust = run.role.trust.replace(PEOPLE[ALICE].0, PEOPLE[ALICE].1);
    assert_eq!(run.look().close, [(grant_id(1), Cause::PrincipalGone)]);
}

#[test]
fn c8_another_role_of_the_name_ends_every_grant_and_is_not_written() {
    let mut run = settled();
    run.revoke(1);
    run.role.role_id = "AROAANOTHERROLE000001".to_owned();
    let look = run.look();
    assert_eq!(look.condition, Condition::Replaced);
    assert_eq!(look.close, [(grant_id(1), Cause::TargetReplaced)]);
    assert_eq!(look.closed, [grant_id(2)]);
    let (before, guard) = (run.role.trust.clone(), run.role.guard.clone());
    run.store(&look);
    run.store(&run.look());
    assert_eq!(
        (run.role.trust.clone(), run.role.guard.clone()),
        (before, guard)
    );
    assert!(is_ended(&run, 0) && is_ended(&run, 1));
    assert_eq!(run.look().guard_removed, [grant_id(1), grant_id(2)]);
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
        })
    };
    let look = input(&run);
    assert_eq!(look.condition, Condition::Gone);
    assert_eq!(look.close, [(grant_id(1), Cause::TargetGone)]);
    assert_eq!(look.closed, [grant_id(2)]);
    run.store(&look);
    let look = input(&run);
    assert_eq!(
        (look.closed.clone(), look.guard_removed.clone()),
        (vec![grant_id(1)], vec![grant_id(2)])
    );
    run.store(&look);
    let look = input(&run);
    assert_eq!(
        (look.guard_removed, look.due, look.step),
        (vec![grant_id(1), grant_id(2)], None, Step::Rest)
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
        [(grant_id(1), PEOPLE[ALICE].1.to_owned(), ROLE_ID.to_owned())]
    );
    let _ = run.settle();
    assert!(is_active(&run, 0));
}

#[test]
fn h1_a_statement_that_its_owner_removes_waits_for_p_and_comes_back() {
    let mut run = settled();
    run.role.trust = FOREIGN.to_owned();
    run.pass(30);
    let look = run.look();
    assert_eq!(
        (look.step, look.due),
        (Step::Rest, Some(at(90))),
        "the read may lag"
    );
    run.pass(90);
    run.revoke(0);
    let (_, steps) = run.settle();
    assert_eq!(
        kinds(&steps),
        ["put guard", "put trust"],
        "nobody's closing or opening hangs"
    );
    assert!(is_ended(&run, 0) && run.admits(BOB, "bob") && !run.admits(ALICE, "alice"));
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
fn h2a_our_own_orphan_keeps_nobodys_closing_from_being_written() {
    let mut run = settled();
    run.pass(300);
    run.role.principals.insert(PEOPLE[ALICE].0.to_owned(), None);
    run.role.trust = run.role.trust.replace(PEOPLE[ALICE].0, PEOPLE[ALICE].1);
    run.revoke(1);
    let (_, steps) = run.settle();
    for step in &steps {
        if let Step::PutTrust { document, .. } = step {
            assert!(!document.contains("AIDA"), "AWS would refuse {document}");
        }
    }
    assert_eq!(run.role.trust, FOREIGN);
    assert!(is_ended(&run, 0) && is_ended(&run, 1));
}

#[test]
fn h2b_a_foreign_orphan_bars_openings_and_no_closing() {
    let orphan = FOREIGN.replace(
        r#""Service":"ec2.amazonaws.com""#,
        r#""AWS":["AIDAEXAMPLEGONE000001"]"#,
    );
    let mut run = Run::new(&orphan, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let (look, steps) = run.settle();
    assert_eq!(look.condition, Condition::BlockedByForeignPrincipal);
    assert_eq!(kinds(&steps), ["put guard"]);
    assert!(!is_active(&run, 0));
    assert_eq!(look.due, Some(at(60)), "somebody may mend it");
    let mut run = settled();
    run.pass(300);
    run.role.trust = run.role.trust.replace(
        r#""Service":"ec2.amazonaws.com""#,
        r#""AWS":["AIDAEXAMPLEGONE000001"]"#,
    );
    run.revoke(0);
    let (_, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"]);
    assert!(!run.works("alice", 0) && is_ended(&run, 0));
}

#[test]
fn h2c_after_a_refusal_the_closings_are_written_alone() {
    let mut run = settled();
    run.pass(300);
    run.grants.push(grant(3, OTHER_ALICE, 300, 7200));
    run.revoke(0);
    let full = run.look();
    let Step::PutGuard {
        document, opens, ..
    } = &full.step
    else {
        panic!("{full:?}");
    };
    assert_eq!(opens, &[grant_id(3)]);
    assert!(document.contains(&grant_id(3).to_string()));
    run.store(&full);
    run.send(&full.step);
    let guard = run.role.guard.clone().unwrap();
    let closings = run.look_with(true);
    let Step::PutGuard {
        document, opens, ..
    } = &closings.step
    else {
        panic!("{closings:?}");
    };
    assert!(opens.is_empty() && document.len() < guard.len());
    assert!(
        !document.contains(&grant_id(3).to_string())
            && !document.contains(&grant_id(1).to_string())
    );
    run.store(&closings);
    run.write(&closings.step);
    let trust = run.look_with(true);
    let Step::PutTrust {
        document, opens, ..
    } = &trust.step
    else {
        panic!("{trust:?}");
    };
    assert!(opens.is_empty() && document.len() < run.role.trust.len());
    assert!(!document.contains(&sid(grant_id(1))) && document.contains(&sid(grant_id(2))));
    run.store(&trust);
    run.write(&trust.step);
    assert_eq!(run.look_with(true).closed, [grant_id(1)]);
}

#[test]
fn h2c_a_guard_that_is_refused_does_not_keep_statements_in() {
    let mut run = settled();
    run.pass(300);
    run.revoke(0);
    let refused = run.look();
    run.store(&refused);
    run.send(&refused.step);
    let next = run.look_with(true);
    assert!(matches!(next.step, Step::PutTrust { .. }), "{next:?}");
    assert!(next.closed.is_empty());
}

#[test]
fn h2d_where_ours_would_be_the_last_statement_an_inert_one_stands_in() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let _ = run.settle();
    let (foreign, ours) = run
        .role
        .trust
        .split_at(run.role.trust.find(r#"{"Sid"#).unwrap());
    run.role.trust = foreign[..foreign.find('[').unwrap() + 1].to_owned() + ours;
    let open = run.role.trust.len();
    let _ = run.settle_at(3600);
    assert!(
        run.role.trust.contains("1970")
            && !has_grants(&run.role.trust)
            && run.role.trust.len() < open
    );
    assert!(is_ended(&run, 0));
    run.grants.push(grant(2, ALICE, 3700, 7200));
    let _ = run.settle_at(3700);
    assert!(
        is_active(&run, 1) && !run.role.trust.contains("1970"),
        "it leaves when another comes"
    );
}

#[test]
fn h2e_a_document_that_cannot_be_edited_bars_openings_and_the_guard_still_closes() {
    for trust in [
        "",
        "nothing",
        "[]",
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Statement":[],"Statement":[]}"#,
        r#"{"Statement":"x"}"#,
        r#"{"Statement":[1]}"#,
        r#"{"Statement":[{"Effect":"Allow"}]} x"#,
    ] {
        let mut run = Run::new(trust, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
        let (look, _) = run.settle();
        assert_eq!(look.condition, Condition::Unreadable, "{trust}");
        assert_eq!(run.role.trust, trust);
        assert!(!is_active(&run, 0));
        let mut run = settled();
        run.pass(300);
        run.role.trust = trust.to_owned();
        run.revoke(0);
        let (look, steps) = run.settle();
        assert_eq!(kinds(&steps), ["put guard"], "{trust}");
        assert!(
            !run.works("alice", 0) && !is_ended(&run, 0),
            "nobody can tell whether the statement is gone"
        );
        assert!(look.due.is_some());
    }
}

#[test]
fn h2f_a_quota_below_what_is_used_bars_no_closing() {
    let mut run = settled();
    run.pass(300);
    run.role.trust_quota = 10;
    run.revoke(0);
    let _ = run.settle();
    assert!(is_ended(&run, 0) && is_active(&run, 1));
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
fn h4_after_an_unanswered_guard_nothing_is_opened_or_ended_for_l() {
    let mut run = settled();
    run.pass(300);
    run.grants.push(grant(3, OTHER_ALICE, 300, 7200));
    run.revoke(0);
    run.target.guard_unclear_at = Some(run.now);
    let (look, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"], "closing goes on");
    assert!(
        !run.admits(ALICE, "alice")
            && !is_ended(&run, 0)
            && !run.admits(OTHER_ALICE, &grant_id(3).to_string())
    );
    assert!(look.due.is_some());
    let _ = run.settle_at(300 + 15 * 60 - 1);
    assert!(!is_ended(&run, 0) && !is_active(&run, 2));
    let _ = run.settle_at(300 + 15 * 60);
    assert!(is_ended(&run, 0) && is_active(&run, 2));
}

#[test]
fn h4_a_statement_counts_as_gone_only_when_no_unanswered_write_can_bring_it_back() {
    let mut run = settled();
    run.grants[0].marks.unclear_at = Some(run.now);
    run.pass(60);
    run.revoke(0);
    let _ = run.settle();
    assert!(
        !run.admits(ALICE, "alice")
            && !is_ended(&run, 0)
            && run.grants[0].marks.absent_at.is_none()
    );
    assert!(
        !run.works("alice", 1_000_000),
        "denied altogether meanwhile"
    );
    let _ = run.settle_at(15 * 60);
    assert!(is_ended(&run, 0));
}

#[test]
fn h5_nothing_is_opened_with_less_than_p_left() {
    let mut run = Run::new(
        FOREIGN,
        PRODUCTION,
        vec![grant(1, ALICE, 0, 120), grant(2, BOB, 0, 121)],
    );
    let _ = run.settle();
    assert!(!run.role.trust.contains(&sid(grant_id(1))) && !is_active(&run, 0));
    assert!(run.admits(BOB, &grant_id(2).to_string()) && is_active(&run, 1));
    let _ = run.settle_at(121);
    assert!(is_ended(&run, 0) && is_ended(&run, 1));
}

#[test]
fn c9_a_later_revision_than_ours_means_closings_alone() {
    let mut run = settled();
    run.pass(300);
    run.target.revision = 0;
    run.target.written_guard = None;
    run.target.written_trust = None;
    run.role.trust = FOREIGN.to_owned();
    run.grants.push(grant(3, OTHER_ALICE, 300, 7200));
    let (look, steps) = run.settle();
    assert_eq!(
        (look.condition, kinds(&steps)),
        (Condition::SafeMode, vec![])
    );
    run.revoke(0);
    let (look, steps) = run.settle();
    assert_eq!(
        (look.condition, kinds(&steps)),
        (Condition::SafeMode, vec!["put guard"])
    );
    assert!(
        !run.works("alice", 0) && is_ended(&run, 0),
        "what is closing closes"
    );
    assert_eq!(run.role.trust, FOREIGN);
}

#[test]
fn c9_names_that_nobody_knows_stay_denied_until_their_last_session_is_dead() {
    let mut run = settled();
    run.pass(300);
    let lost = run.grants.remove(0);
    let _ = run.settle();
    assert!(
        !run.role.trust.contains(&sid(lost.id)),
        "an orphan statement is removed"
    );
    assert!(!run.works("alice", 1_000_000) && run.works("bob", 0));
    run.grants.push(grant(3, OTHER_ALICE, 300, 50_000));
    let mut now = 300;
    let forgotten = 300 + LONGEST_SESSION.num_seconds() + 2 * 120 + 5;
    while now <= forgotten {
        let (look, _) = run.settle_at(now);
        assert!(
            !run.works("alice", 299) && !run.admits(OTHER_ALICE, "alice"),
            "{now}"
        );
        now = (look.due.unwrap() - at(0)).num_seconds();
    }
    let _ = run.settle_at(now);
    assert!(run.admits(OTHER_ALICE, "alice") && run.works("alice", now));
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
    let Some(Step::PutTrust {
        opens,
        sends,
        replaces,
        ..
    }) = steps.last()
    else {
        panic!("{steps:?}");
    };
    assert_eq!(opens, &[grant_id(3)]);
    assert_eq!(
        sends,
        &[
            (grant_id(1), at(3600)),
            (grant_id(2), at(7200)),
            (grant_id(3), at(5000))
        ]
    );
    assert!(has_grants(replaces));
    assert_eq!(run.target.original_trust.as_deref(), Some(FOREIGN));
}
