//! Somebody's hand on what we wrote, and databases of another time: C11 to C13, H10 and H12 of the
//! guard's sequences.

use chrono::{SubsecRound, TimeDelta};
use countersign::clock::Clock;
use countersign::ids::GrantId;

use super::minutes;
use crate::support::cloud::Knob;
use crate::support::rows::ROLE;
use crate::support::stage::{FOREIGN, Stage};

async fn stage_with_lag() -> Stage {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    stage
}

/// On until the end is on record.
async fn until_ended(stage: &Stage, grant: GrantId) {
    for _ in 0..30 {
        if stage.state(grant).await == "ended" {
            return;
        }
        stage.pass(minutes(1)).await;
    }
    panic!("never ended: {}", stage.state(grant).await);
}

/// An admin has the trust policy open in an editor while the grant is active, and saves it after
/// the grant was revoked.
#[tokio::test]
async fn c11_a_stale_save_after_a_revocation_gives_nothing() {
    let stage = stage_with_lag().await;
    let grant = stage.open("alice", 480).await;
    stage.pass(minutes(5)).await;
    let stale = stage.cloud.trust();
    stage.revoke(grant).await;
    stage.work().await;
    until_ended(&stage, grant).await;
    for _ in 0..8 {
        stage.pass(minutes(2)).await;
    }
    stage.cloud.knobs().put_trust(ROLE, &stale).unwrap();
    let alice = stage.cloud.keys("alice");
    let mut sessions = Vec::new();
    for name in ["alice".to_owned(), grant.to_string()] {
        sessions.push(alice.assume(&name).await.expect("the statement admits her"));
    }
    stage.pass(minutes(5)).await;
    assert_eq!(stage.cloud.trust(), FOREIGN, "it is noticed and undone");
    // Past the deadline, past twelve hours: the sessions are dead, and no new one begins.
    for _ in 0..(20 * 4) {
        for session in &sessions {
            assert!(!session.work().await, "at {}", stage.now());
        }
        assert!(alice.assume("alice").await.is_none());
        stage.pass(minutes(15)).await;
    }
    assert_eq!(stage.cloud.guard(), None, "and in the end nothing is left");
}

/// A new grant of the same person has the name as before, and revives nothing that began in
/// between.
#[tokio::test]
async fn c11_a_new_grant_has_the_name_and_revives_no_session_from_the_gap() {
    let stage = stage_with_lag().await;
    let arn = stage.cloud.create_user("alice");
    let person = stage.rows.person("alice").await;
    let grant = stage
        .rows
        .approve(person, &arn, stage.now(), minutes(480))
        .await;
    stage.work().await;
    stage.pass(minutes(5)).await;
    let stale = stage.cloud.trust();
    stage.revoke(grant).await;
    until_ended(&stage, grant).await;
    stage.cloud.knobs().put_trust(ROLE, &stale).unwrap();
    let alice = stage.cloud.keys("alice");
    let from_the_gap = alice.assume("alice").await.unwrap();
    stage.pass(minutes(10)).await;
    let again = stage
        .rows
        .approve(person, &arn, stage.now(), minutes(60))
        .await;
    stage.work().await;
    assert!(stage.grant(again).await.console_since.is_some());
    stage.advance(TimeDelta::seconds(10));
    let session = alice.assume("alice").await.expect("the name is hers");
    assert!(session.work().await && !from_the_gap.work().await);
    stage.pass(minutes(60)).await;
    assert!(!session.work().await && !from_the_gap.work().await);
}

/// Exclusive inline policies (Terraform) delete the guard once the grant is over; her twelve-hour
/// session is still good.
#[tokio::test]
async fn c12_a_guard_that_is_deleted_after_the_end_is_put_back_within_minutes() {
    for revoked in [false, true] {
        let stage = stage_with_lag().await;
        let grant = stage.open("alice", 60).await;
        stage.pass(minutes(5)).await;
        let alice = stage.cloud.keys("alice");
        let mut sessions = Vec::new();
        for name in ["alice".to_owned(), grant.to_string()] {
            sessions.push(alice.assume(&name).await.unwrap());
        }
        if revoked {
            stage.revoke(grant).await;
        } else {
            stage.pass(minutes(55)).await;
        }
        until_ended(&stage, grant).await;
        // Again and again, for as long as a session may be left.
        for _ in 0..10 {
            stage.pass(minutes(60)).await;
            stage.cloud.delete_guard();
            stage.pass(minutes(5)).await;
            for session in &sessions {
                assert!(!session.work().await, "revoked {revoked}, {}", stage.now());
            }
        }
    }
}

/// Alice has two grants within twelve hours; the second was revoked; the database is restored to a
/// moment between them.
#[tokio::test]
async fn c13_a_restore_between_two_grants_of_one_person_revives_no_session() {
    let stage = stage_with_lag().await;
    let arn = stage.cloud.create_user("alice");
    let person = stage.rows.person("alice").await;
    let first = stage
        .rows
        .approve(person, &arn, stage.now(), minutes(30))
        .await;
    stage.work().await;
    stage.pass(minutes(30)).await;
    until_ended(&stage, first).await;
    // The older grant's cut lies well before the session of the newer one.
    stage.pass(minutes(30)).await;
    let columns = "revision, due_at, condition";
    stage
        .rows
        .as_owner(&format!(
            "CREATE TABLE backup AS SELECT {columns} FROM targets; CREATE TABLE sent AS TABLE documents"
        ))
        .await;
    let second = stage
        .rows
        .approve(person, &arn, stage.now(), minutes(480))
        .await;
    stage.work().await;
    stage.pass(minutes(10)).await;
    let session = stage.cloud.keys("alice").assume("alice").await.unwrap();
    stage.advance(TimeDelta::seconds(10));
    assert!(session.work().await);
    stage.revoke(second).await;
    until_ended(&stage, second).await;
    stage.pass(minutes(30)).await;
    assert!(!session.work().await);

    let id = second.uuid();
    stage.rows.as_owner(&format!(
        "ALTER TABLE grants DISABLE TRIGGER USER; ALTER TABLE parts DISABLE TRIGGER USER; ALTER TABLE names DISABLE TRIGGER USER;
         DELETE FROM names WHERE \"grant\" = '{id}'; DELETE FROM parts WHERE \"grant\" = '{id}'; DELETE FROM grants WHERE id = '{id}';
         DELETE FROM documents; INSERT INTO documents SELECT * FROM sent;
         UPDATE targets SET ({columns}) = (SELECT {columns} FROM backup); UPDATE targets SET due_at = '{}'",
        stage.now()
    )).await;
    stage.pass(minutes(5)).await;
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("safe_mode")
    );
    for nth in 0..(12 * 4) {
        if nth == 4 {
            // A person has judged it, and new grants may open: what was denied stays so.
            stage
                .rows
                .run("UPDATE targets SET condition = 'ok'".to_owned())
                .await;
        }
        stage.pass(minutes(15)).await;
        assert!(!session.work().await, "at {}", stage.now());
    }
}

/// What a hand wrote into the guard is read as text, whatever it says.
#[tokio::test]
async fn h10_hostile_guards_keep_no_closing_waiting() {
    for (sid, name) in [
        ("CountersignKept8210266876799", "zzz"),
        ("CountersignKept9223372036854775807", "zzz"),
        ("CountersignRev9223372036854775807iffffffff", "zzz"),
        ("CountersignRev9223372036854775807i{own}", "zzz"),
        // No name of a session, and no text for the database either.
        ("Theirs", r"x\u0000"),
        ("CountersignKept1767603600", r"x\u0000"),
        ("Theirs", r"\u20ac\u20ac"),
    ] {
        let stage = Stage::new().await;
        let grant = stage.open("alice", 60).await;
        let session = stage.cloud.keys("alice").assume("alice").await.unwrap();
        let id = stage.cloud.knobs().unique_id(ROLE).unwrap();
        let own = stage.rows.target("(SELECT i.id FROM installation i)").await;
        let sid = sid.replace("{own}", &own.unwrap());
        let deny = |sid: &str| {
            format!(
                r#"{{"Sid":"{sid}","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:userid":["{id}:{name}"]}}}}}}"#
            )
        };
        let twice = format!(
            r#"{{"Version":"2012-10-17","Statement":[{},{}]}}"#,
            deny(&sid),
            deny("CountersignKept8210266876798")
        );
        let put = |text| {
            let guard = Some(text);
            stage
                .cloud
                .knobs()
                .put_role_policy(ROLE, "CountersignGuard", guard)
        };
        put(&twice).unwrap();
        stage.revoke(grant).await;
        stage.pass(minutes(1)).await;
        until_ended(&stage, grant).await;
        assert_eq!(stage.cloud.trust(), FOREIGN, "{sid} {name}");
        assert!(!session.work().await, "{sid} {name}");
        let kept = stage.rows.target("kept::text").await.unwrap();
        assert_eq!(kept.contains("zzz"), name == "zzz", "{sid}: {kept}");
        assert!(
            !stage.cloud.guard().unwrap().contains("\u{20ac}"),
            "AWS takes no such text"
        );
    }
}

/// A statement that nobody's grant accounts for, and a name in it that is none.
#[tokio::test]
async fn h10_a_stray_with_a_name_that_is_none_keeps_no_closing_waiting() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    let own = grant.to_string();
    let stray = GrantId::new().to_string();
    let (own, id) = (&own["grant_".len()..], &stray["grant_".len()..]);
    stage.cloud.edit_trust(|trust| {
        let from = trust.find("{\"Sid\":\"Countersign").unwrap();
        let till = from + trust[from..].find("}}}").unwrap() + 3;
        let stray = trust[from..till].replace(own, id);
        let stray = stray.replacen("[\"", "[\"x\\u0000\",\"", 1);
        format!("{},{stray}{}", &trust[..till], &trust[till..])
    });
    assert_eq!(stage.statements(), 2);
    stage.revoke(grant).await;
    stage.pass(minutes(1)).await;
    until_ended(&stage, grant).await;
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

/// F25: the database's clock goes back while a statement stands that a hand has changed.
#[tokio::test]
async fn f25_a_clock_that_goes_back_keeps_no_look_off_the_record() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 120).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    stage.cloud.always("UpdateAssumeRolePolicy", refuse);
    stage.cloud.edit_trust(|trust| {
        let at = trust.find("\"aws:CurrentTime\":\"").unwrap() + 19;
        format!("{}2099-01-01T00:00:00Z{}", &trust[..at], &trust[at + 20..])
    });
    stage.pass(minutes(2)).await;
    let sent = stage.grant(grant).await.sent_until;
    assert_eq!(sent, Some(stage.now() + TimeDelta::hours(12)));
    stage.advance(-minutes(1));
    let due = "UPDATE targets SET due_at = '2026-01-01'";
    stage.rows.run(due.to_owned()).await;
    stage.work().await;
    assert_eq!(stage.grant(grant).await.sent_until, sent);
}

/// What the database does not take, it takes the next time no more than now: that is told.
#[tokio::test]
async fn what_the_database_does_not_take_is_told() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    let broken = "ALTER TABLE targets ADD CONSTRAINT broken CHECK (revision < 2)";
    stage.rows.as_owner(broken).await;
    stage.revoke(grant).await;
    let worker = stage.worker().await;
    assert!(worker.run_until_idle().await.is_err());
    assert_eq!(stage.state(grant).await, "closing");
    let told = stage.rows.told(grant).await;
    assert!(told.contains(&"grant.delayed".to_owned()), "{told:?}");
    let error = stage.rows.target("last_error").await;
    assert_eq!(error.as_deref(), Some("unplanned"));
    let mended = "ALTER TABLE targets DROP CONSTRAINT broken";
    stage.rows.as_owner(mended).await;
    stage.pass(minutes(6)).await;
    assert_eq!(stage.state(grant).await, "ended");
}

/// Somebody moves our statement's date: it is written anew once, told, and then the grant ends.
#[tokio::test]
async fn h12_a_statement_that_somebody_changes_is_written_anew_once() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 120).await;
    let alter = || {
        stage.cloud.edit_trust(|trust| {
            let at = trust.find("\"aws:CurrentTime\":\"").unwrap() + 19;
            format!("{}2099-01-01T00:00:00Z{}", &trust[..at], &trust[at + 20..])
        });
    };
    alter();
    stage.pass(minutes(2)).await;
    assert_eq!(stage.state(grant).await, "active");
    assert!(!stage.cloud.trust().contains("2099") && stage.statements() == 1);
    let told = stage.rows.told(grant).await;
    assert!(told.contains(&"grant.restored".to_owned()), "{told:?}");
    alter();
    stage.pass(minutes(2)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("reverted_by_owner"))
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

/// The database's clock runs ahead of AWS's: by the database no session is left, by AWS there are
/// some.
#[tokio::test]
async fn h12_the_guard_stands_while_the_clocks_are_known_to_differ() {
    let mut stage = Stage::new().await;
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let now = Clock::Database.now(&mut conn).await.unwrap();
    stage.advance(now.trunc_subsecs(0) - stage.now());
    let arn = stage.cloud.create_user("alice");
    let person = stage.rows.person("alice").await;
    stage.clock = Clock::Database;
    stage.cloud.knobs().real_clock();
    let now = Clock::Database.now(&mut conn).await.unwrap();
    let grant = stage
        .rows
        .approve(person, &arn, now.trunc_subsecs(0), minutes(60))
        .await;
    stage.work().await;
    let session = stage.cloud.keys("alice").assume("alice").await.unwrap();
    let now = Clock::Database.now(&mut conn).await.unwrap();
    stage.rows.revoke(grant, now).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "ended");
    let back = "- interval '30 hours'";
    stage.rows.as_owner(&format!(
        "ALTER TABLE parts DISABLE TRIGGER USER; ALTER TABLE names DISABLE TRIGGER USER;
         UPDATE names SET guard_until = guard_until {back}, since = since {back}; UPDATE parts SET sent_until = sent_until {back};
         UPDATE documents SET wrote_at = wrote_at {back}; UPDATE targets SET due_at = '2026-01-01'"
    )).await;
    stage.cloud.knobs().date_ahead(-minutes(4));
    stage.work().await;
    assert_eq!(
        stage.rows.target("last_error").await.as_deref(),
        Some("clock_skew")
    );
    assert!(stage.cloud.guard().is_some() && !session.work().await);
    assert_eq!(stage.grant(grant).await.guard_gone_at, None);
}

/// AWS was silent when it was asked for, the start lay ahead, and meanwhile the user's name went to
/// somebody else.
#[tokio::test]
async fn h12_who_took_the_name_after_the_request_is_not_let_in() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 480).await;
    stage.advance(minutes(1));
    stage.cloud.delete_user("alice");
    stage.cloud.create_user("alice");
    stage.work().await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("principal_gone"))
    );
    assert!(stage.cloud.keys("alice").assume("alice").await.is_none());
    let role = stage.approve("carol", 480).await;
    stage.advance(minutes(1));
    stage.cloud.knobs().delete_role(ROLE);
    stage.cloud.knobs().create_role(ROLE, FOREIGN).unwrap();
    stage.pass(minutes(1)).await;
    let row = stage.grant(role).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("target_replaced"))
    );
}
