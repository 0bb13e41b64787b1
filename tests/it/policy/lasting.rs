//! The sequences C11, C12, C14 and H10 to H12 of docs/guard.md §5: a closing that lasts, whatever
//! somebody saves, deletes or says afterwards.

use countersign::domain::target::Condition;
use countersign::policy::LONGEST_SESSION;
use countersign::policy::document::sid;
use countersign::policy::trust::literal;

use super::hands::LOOKS_LIKE_OURS;
use super::plan::{is_active, is_ended, settled};
use super::run::Run;
use super::*;

pub const DAY: i64 = 24 * 3600;

/// Alice's grant until 08:00, revoked at 00:05; what stood in the trust policy meanwhile.
pub fn revoked() -> (Run, String) {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 8 * 3600)]);
    let _ = run.settle();
    let open = run.role.trust.clone();
    run.go_on(300);
    run.revoke(0);
    run.go_on(1200);
    assert!(is_ended(&run, 0) && run.role.trust == FOREIGN);
    (run, open)
}

pub fn name(nth: u128) -> String {
    grant_id(nth).to_string()
}

pub fn works(run: &Run, issued: i64) -> bool {
    run.works("alice", issued) || run.works(&name(1), issued)
}

#[test]
fn c11_a_stale_save_gives_the_revoked_person_no_session() {
    let (mut run, open) = revoked();
    run.role.trust = open;
    assert!(run.admits(ALICE, "alice"), "the statement stands there");
    assert!(!works(&run, 1200), "and the guard denies what it lets in");
    for seconds in (1200..1200 + LONGEST_SESSION.num_seconds()).step_by(600) {
        run.go_on(seconds);
        assert!(!works(&run, 1200), "at {seconds}");
    }
}

#[test]
fn c11_a_statement_that_a_stale_save_brought_back_is_taken_away_at_the_next_look() {
    let (mut run, open) = revoked();
    run.role.trust = open;
    run.go_on(1200 + 300);
    assert!(!run.admits(ALICE, "alice"), "{}", run.role.trust);
}

#[test]
fn c11_a_new_grant_of_the_same_person_has_the_console_name_before_the_old_deadline() {
    let (mut run, _) = revoked();
    run.begin(grant(2, ALICE, 1300, 5000));
    run.go_on(2000);
    assert!(is_active(&run, 1) && run.admits(ALICE, "alice"));
    assert!(run.works("alice", 2000) && !run.works("alice", 200));
    run.go_on(5200);
    assert!(!run.works("alice", 5200), "nor after it");
}

#[test]
fn c11_a_session_of_a_stale_save_stays_dead_when_the_person_has_a_new_grant() {
    let (mut run, open) = revoked();
    run.role.trust = open;
    run.go_on(2000);
    run.begin(grant(2, ALICE, 2000, 5000));
    run.go_on(2600);
    assert!(run.admits(ALICE, "alice") && run.works("alice", 2600));
    assert!(
        !run.works("alice", 1200),
        "issued while nothing was approved"
    );
}

#[test]
fn c12_a_guard_that_is_deleted_after_the_end_is_back_within_five_minutes() {
    let (mut run, _) = revoked();
    for nth in 1..=10 {
        run.role.guard = None;
        let seconds = 1200 + nth * 3600;
        let before = seconds - 3600;
        run.go_on(before + 300);
        assert!(!works(&run, 200), "deletion {nth}");
        run.go_on(seconds);
    }
}

#[test]
fn c12_the_guard_is_looked_after_until_no_session_can_be_left_and_then_it_goes() {
    let (mut run, _) = revoked();
    let last = 8 * 3600 + LONGEST_SESSION.num_seconds();
    run.go_on(last);
    assert!(run.role.guard.is_some());
    run.go_on(last + 1200);
    assert_eq!((run.role.guard, run.due), (None, None));
}

#[test]
fn c14_a_role_that_is_said_to_be_gone_twice_at_once_ends_nothing() {
    let mut run = settled();
    run.pass(300);
    run.revoke(0);
    for _ in 0..2 {
        let look = run.look_gone();
        assert!(look.close.is_empty() && look.closed.is_empty(), "{look:?}");
        assert!(look.due.is_some(), "and somebody looks again");
        run.store(&look);
    }
    run.go_on(400);
    assert!(is_ended(&run, 0) && is_active(&run, 1));
    assert!(!run.admits(ALICE, "alice") && !run.works("alice", 100));
}

#[test]
fn c14_a_user_who_is_said_to_be_gone_once_keeps_the_grant() {
    let mut run = settled();
    run.pass(300);
    let there = run.role.principals.clone();
    for person in run.role.principals.values_mut() {
        *person = None;
    }
    let _ = run.settle();
    run.role.principals = there;
    run.go_on(400);
    assert!(is_active(&run, 0) && is_active(&run, 1));
}

#[test]
fn h10_numbers_that_no_clock_and_no_counter_reaches_keep_nobody_from_closing() {
    let own = target().installation;
    let sids = [
        "CountersignKept8210266876799".to_owned(),
        "CountersignKept-8334601228800".to_owned(),
        format!("CountersignKept{}", i64::MAX),
        format!("CountersignRev{}i{own}", i64::MAX),
        format!("CountersignRev{}iffffffff", i64::MAX),
        format!("CountersignRev{}i{own}", i64::MIN),
    ];
    for sid in sids {
        let mut run = settled();
        run.pass(300);
        let hostile = |sid: &str| {
            let who =
                format!(r#""Condition":{{"StringEquals":{{"aws:userid":["{ROLE_ID}:zzz"]}}}}"#);
            format!(r#"{{"Sid":"{sid}","Effect":"Deny","Action":"*","Resource":"*",{who}}}"#)
        };
        let twice = [hostile(&sid), hostile(&sid)].join(",");
        run.role.guard = Some(format!(
            r#"{{"Version":"2012-10-17","Statement":[{twice}]}}"#
        ));
        run.revoke(0);
        run.go_on(2000);
        assert!(
            is_ended(&run, 0) && !run.works("alice", 100) && !run.admits(ALICE, "alice"),
            "{sid}: {:?}",
            run.role.guard
        );
    }
}

#[test]
fn h12_a_foreign_statement_with_a_sid_like_ours_is_not_taken_away() {
    let theirs = FOREIGN.replace(
        r#"{"Effect""#,
        &format!(r#"{{"Sid":"{LOOKS_LIKE_OURS}","Effect""#),
    );
    let mut run = Run::new(&theirs, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let _ = run.settle();
    assert!(is_active(&run, 0) && run.role.trust.contains(LOOKS_LIKE_OURS));
    run.go_on(4000);
    assert_eq!(run.role.trust, theirs);
}

/// Where there is no guard and none is taken, no statement of ours stays; theirs does.
#[test]
fn h12_a_foreign_statement_with_a_sid_like_ours_stays_though_the_guard_is_refused() {
    let theirs = FOREIGN.replace(
        r#"{"Effect""#,
        &format!(r#"{{"Sid":"{LOOKS_LIKE_OURS}","Effect""#),
    );
    let mut run = Run::new(&theirs, PRODUCTION, vec![grant(1, ALICE, 0, 3600)]);
    let _ = run.settle();
    run.go_on(300);
    run.role.guard = None;
    let look = run.look_refused();
    run.write(&look.step);
    assert_eq!(run.role.trust, theirs);
}

/// A role of the same name got the old one's trust policy from a backup: our statement stands on a
/// role that has no guard of ours.
#[test]
fn c8_c11_a_stale_save_on_another_role_of_the_name_gives_no_lasting_session() {
    let (mut run, open) = revoked();
    run.role.role_id = "AROAANOTHERROLE000001".to_owned();
    run.role.guard = None;
    run.go_on(1300);
    run.role.trust = open;
    run.go_on(1700);
    assert!(
        !run.role.trust.contains(&sid(grant_id(1))),
        "seen at the next look"
    );
    assert!(
        !run.works_on("AROAANOTHERROLE000001", "alice", 1310),
        "what was got meanwhile is dead: {:?}",
        run.role.guard
    );
}

/// The role was away for a while, and nobody looked when it came back: one wrong answer is one,
/// whatever was true before.
#[test]
fn c14_an_answer_of_long_ago_does_not_count_with_a_new_one() {
    let mut run = Run::new(FOREIGN, PRODUCTION, Vec::new());
    let away = run.look_gone();
    run.store(&away);
    run.pass(7200);
    run.begin(grant(1, ALICE, 7200, 9000));
    let look = run.look_gone();
    assert!(look.close.is_empty(), "{look:?}");
}

/// A write without an answer lands on the role that has taken the name of the old one meanwhile:
/// there is no guard of ours.
#[test]
fn c8_h4_a_late_write_on_another_role_of_the_name_gives_no_lasting_session() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 7200)]);
    let _ = run.settle();
    let late = run.role.trust.clone();
    run.go_on(100);
    run.role.role_id = "AROAANOTHERROLE000001".to_owned();
    (run.role.guard, run.role.trust) = (None, FOREIGN.to_owned());
    run.go_on(400);
    assert!(is_ended(&run, 0));
    run.role.trust = late;
    run.go_on(1000);
    assert!(!run.admits(ALICE, "alice"), "seen at the next look");
    assert!(
        !run.works_on("AROAANOTHERROLE000001", "alice", 410),
        "what was got meanwhile is dead: {:?}",
        run.role.guard
    );
}

/// Somebody saves a statement of ours that everybody has forgotten, and moves its date.
#[test]
fn c11_a_statement_of_a_forgotten_grant_with_a_moved_date_gives_no_lasting_session() {
    let (mut run, open) = revoked();
    let later = 8 * 3600 + LONGEST_SESSION.num_seconds() + 1200;
    run.begin(grant(2, BOB, 1200, later + 7200));
    run.go_on(later);
    run.role.trust = open.replace("2026-12-01T08:00:00Z", "2027-12-01T08:00:00Z");
    assert!(run.admits(ALICE, "alice"));
    run.go_on(later + 600);
    assert!(!run.admits(ALICE, "alice"), "taken away at the next look");
    assert!(
        !run.works("alice", later + 30),
        "what was got meanwhile is dead: {:?}",
        run.role.guard
    );
}

#[test]
fn h11_while_a_write_of_ours_may_land_nothing_counts_as_a_revert() {
    let mut run = settled();
    run.pass(300);
    run.begin(grant(3, OTHER_ALICE, 300, 7200));
    let before = run.role.trust.clone();
    let _ = run.settle();
    assert!(is_active(&run, 2));
    run.target.trust.unclear_at = Some(run.now);
    for _ in 0..5 {
        run.pass(150);
        // One of our own, which lands over the newer one.
        run.role.trust = before.clone();
        run.target.trust.unclear_at = Some(run.now);
        let _ = run.settle();
        assert!(is_active(&run, 2), "{:?}", run.grants[2].state);
    }
    run.pass(PRODUCTION.unclear().num_seconds() + 1);
    let _ = run.settle();
    assert!(is_active(&run, 2) && run.admits(OTHER_ALICE, &name(3)));
}

/// The highest revision that is believed, and one more: neither makes the role unusable.
#[test]
fn h10_a_revision_that_cannot_be_ours_is_written_over() {
    for revision in [1 << 33, (1 << 48) - 1, 1 << 48, (1 << 48) + 1, i64::MAX] {
        let mut run = settled();
        run.pass(300);
        let guard = run.role.guard.take().unwrap();
        run.role.guard = Some(guard.replace("Rev1i", &format!("Rev{revision}i")));
        run.revoke(0);
        let (look, _) = run.settle();
        assert_eq!(look.condition, Condition::Ok, "{revision}");
        assert!(is_ended(&run, 0) && !run.works("alice", 0), "{revision}");
        assert!(is_active(&run, 1) && run.works("bob", 0), "{revision}");
    }
}

/// A time of the year 262142 beside one of our own grants' names, and a later revision: nothing is
/// out of range, and nothing is kept for ever.
#[test]
fn h10_a_kept_name_from_the_far_future_counts_as_found_now() {
    let mut run = settled();
    run.pass(300);
    let name = grant_id(1).to_string();
    let more = format!(
        r#",{{"Sid":"CountersignKept8210266876799","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:userid":["{ROLE_ID}:{name}"]}}}}}}]}}"#
    );
    let guard = run.role.guard.take().unwrap().replace("Rev1i", "Rev9i");
    run.role.guard = Some(guard.strip_suffix("]}").unwrap().to_owned() + &more);
    run.due = Some(run.now);
    run.go_on(3600);
    let now = run.now;
    assert!(run.target.kept.values().all(|found| *found <= now));
    run.target.condition = Condition::Ok;
    run.due = Some(run.now);
    run.go_on(3 * DAY);
    assert!(run.target.kept.is_empty(), "{:?}", run.target.kept);
}

/// What only a person can judge to be over is not forgotten because the role seems to be gone for a
/// while.
#[test]
fn c14_safe_mode_outlasts_a_role_that_seems_to_be_gone() {
    let mut run = settled();
    run.target.condition = Condition::SafeMode;
    for seconds in [300, 600] {
        run.now = at(seconds);
        let look = run.look_gone();
        assert_eq!(look.condition, Condition::SafeMode);
        run.store(&look);
    }
    assert_eq!(run.look().condition, Condition::SafeMode);
}

/// Somebody saves a statement of ours that everybody has forgotten, and moves its date, while a
/// later grant's cut of the same name is still in the guard: that cut is older than the sessions
/// which the statement gives.
#[test]
fn c11_a_forgotten_statement_with_a_moved_date_is_not_explained_by_a_later_grants_cut() {
    let mut run = Run::new(FOREIGN, PRODUCTION, vec![grant(1, ALICE, 0, 300)]);
    let _ = run.settle();
    let open = run.role.trust.clone();
    run.go_on(6000);
    run.begin(grant(2, ALICE, 6000, 7000));
    let forgotten = 300 + LONGEST_SESSION.num_seconds() + 600;
    run.go_on(forgotten);
    assert!(run.grants[0].marks.guard_gone_at.is_some() && is_ended(&run, 1));
    run.role.trust = open.replace(&literal(at(300)), &literal(at(forgotten + 1_000_000)));
    assert!(run.admits(ALICE, "alice"));
    run.go_on(forgotten + 300);
    assert!(!run.admits(ALICE, "alice"), "seen at the next look");
    for seconds in (forgotten + 300..forgotten + DAY / 2).step_by(600) {
        run.go_on(seconds);
        assert!(!works(&run, forgotten + 200), "at {seconds}");
    }
}

/// The hand writes into the guard as well, as if the name had been found long ago.
#[test]
fn c11_a_name_that_a_hand_dates_back_is_denied_while_a_forgotten_statement_gives_it() {
    let (mut run, open) = revoked();
    let later = 8 * 3600 + LONGEST_SESSION.num_seconds() + 1200;
    run.go_on(later);
    run.role.trust = open.replace("2026-12-01T08:00:00Z", "2027-12-01T08:00:00Z");
    let kept = r#"{"Version":"2012-10-17","Statement":[{"Sid":"CountersignKept1000000000","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:userid":["AROAEXAMPLEROLE000001:alice"]}}}]}"#;
    run.role.guard = Some(kept.to_owned());
    // The very first write: whoever is let in before the second one stays.
    let look = run.look();
    run.write(&look.step);
    run.pass(60);
    assert!(!run.works("alice", later + 30), "{:?}", run.role.guard);
}
