//! The sequences of docs/guard.md §5 that are about what is written when; those about the guard's
//! text are beside it.

use countersign::domain::cause::Cause;
use countersign::domain::target::Condition;
use countersign::policy::LONGEST_SESSION;
use countersign::policy::document::{has_grants, sid};

use super::plan::{is_active, is_ended, kinds, settled};
use super::run::Run;
use super::*;

#[test]
fn c8_a_deleted_or_recreated_user_ends_the_grant_and_is_never_let_in() {
    for id in [None, Some(identity("AIDASOMEBODYELSE0001"))] {
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
            if let Some((_, document)) = put(step, DocumentKey::Trust) {
                assert!(!document.contains(&sid(grant_id(1))), "{document}");
            }
        }
        assert!(is_ended(&run, 0) && is_active(&run, 1));
    }
}

#[test]
fn c8_another_user_of_the_name_ends_the_grant_whatever_our_statement_shows() {
    let mut run = settled();
    let other = identity("AIDASOMEBODYELSE0001");
    run.role
        .principals
        .insert(PEOPLE[ALICE].0.to_owned(), Some(other));
    assert_eq!(run.look().close, [(grant_id(1), Cause::PrincipalGone)]);
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
    assert!(
        run.look().guard_removed.is_empty(),
        "a late write or a stale save may bring their statements to this role"
    );
    run.now = at(7205 + 12 * 3600 + 120 + 1);
    assert_eq!(run.look().guard_removed, [grant_id(1), grant_id(2)]);
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
fn h2a_our_own_orphan_keeps_nobodys_closing_from_being_written() {
    let mut run = settled();
    run.pass(300);
    run.role.principals.insert(PEOPLE[ALICE].0.to_owned(), None);
    run.role.trust = run.role.trust.replace(PEOPLE[ALICE].0, PEOPLE[ALICE].1);
    run.revoke(1);
    let (_, steps) = run.settle();
    for step in &steps {
        if let Some((_, document)) = put(step, DocumentKey::Trust) {
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
    let (write, document) = put(&full.step, DocumentKey::Guard).unwrap();
    assert_eq!(write.opens, [grant_id(3)]);
    assert!(document.contains(&grant_id(3).to_string()));
    run.store(&full);
    run.send(&full.step);
    let guard = run.role.guard.clone().unwrap();
    let closings = run.look_with(true);
    let (write, document) = put(&closings.step, DocumentKey::Guard).unwrap();
    assert!(write.opens.is_empty() && document.len() < guard.len());
    assert!(
        !document.contains(&grant_id(3).to_string())
            && !document.contains(&grant_id(1).to_string())
    );
    run.store(&closings);
    run.write(&closings.step);
    let trust = run.look_with(true);
    let (write, document) = put(&trust.step, DocumentKey::Trust).unwrap();
    assert!(write.opens.is_empty() && document.len() < run.role.trust.len());
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
    assert!(puts_guard(&refused.step));
    run.store(&refused);
    let next = run.look_refused();
    assert!(next.closed.is_empty());
    run.store(&next);
    assert_eq!(kinds(std::slice::from_ref(&next.step)), ["put trust"]);
    run.write(&next.step);
    assert!(!run.admits(ALICE, "alice") && run.admits(BOB, "bob"));
    assert_eq!(run.look_refused().step, Step::Rest);
    assert!(puts_guard(&run.look().step), "it is tried again");
    assert!(
        run.look().closed.is_empty(),
        "and nothing counts as closed without it"
    );
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
fn h4_after_an_unanswered_guard_nothing_is_opened_or_ended_for_l_and_p() {
    let mut run = settled();
    run.pass(300);
    run.grants.push(grant(3, OTHER_ALICE, 300, 7200));
    run.revoke(0);
    run.target.guard.unclear_at = Some(run.now);
    let (look, steps) = run.settle();
    assert_eq!(kinds(&steps), ["put guard", "put trust"], "closing goes on");
    assert!(
        !run.admits(ALICE, "alice")
            && !is_ended(&run, 0)
            && !run.admits(OTHER_ALICE, &grant_id(3).to_string())
    );
    assert!(look.due.is_some());
    let _ = run.settle_at(300 + 15 * 60 + 120 - 1);
    assert!(!is_ended(&run, 0) && !is_active(&run, 2));
    let _ = run.settle_at(300 + 15 * 60 + 120);
    assert!(is_ended(&run, 0) && is_active(&run, 2));
}

#[test]
fn h4_a_statement_counts_as_gone_only_when_no_unanswered_write_can_bring_it_back() {
    let mut run = settled();
    run.grants[0].marks.unclear_at = Some(run.now);
    run.target.trust.unclear_at = Some(run.now);
    run.pass(60);
    run.revoke(0);
    let _ = run.settle();
    assert!(!run.admits(ALICE, "alice") && !is_ended(&run, 0));
    assert!(
        !run.works("alice", 1_000_000),
        "denied altogether meanwhile"
    );
    let _ = run.settle_at(15 * 60 + 120 - 1);
    assert!(!is_ended(&run, 0));
    let _ = run.settle_at(15 * 60 + 120);
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
    run.target.guard.written = None;
    run.target.trust.written = None;
    run.role.trust = FOREIGN.to_owned();
    run.grants.push(grant(3, OTHER_ALICE, 300, 7200));
    let (look, steps) = run.settle();
    assert_eq!(
        (look.condition, kinds(&steps)),
        (Condition::SafeMode, vec![])
    );
    // A read may still lag behind a write of the time that is lost.
    run.pass(120);
    let _ = run.settle();
    assert!(
        !is_open(&run.grants[2]),
        "it may have been opened and revoked in that time"
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
    run.grants.push(grant(3, OTHER_ALICE, 300, 100_000));
    let mut now = 300;
    let forgotten = 300 + 2 * LONGEST_SESSION.num_seconds() + 2 * 120 + 5;
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
