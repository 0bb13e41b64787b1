//! Credentials that are not handed out: AWS fails, or is not as it was.

use std::sync::LazyLock;

use aws_sdk_sts::primitives::DateTime;
use aws_sdk_sts::types::Credentials;
use countersign::app::submit::submit;
use countersign::aws::GUARD_NAME;
use countersign::clock::Clock;
use countersign::policy::assumable;
use secrecy::ExposeSecret as _;

use super::minutes;
use crate::sandbox::ROLE;
use crate::sandbox::bucket::read_object_at;
use crate::support::catalog::Catalog;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;
use crate::support::log::{self, LOG};
use crate::support::wait;

/// F3: somebody deletes the guard, and we cannot put it back. That it was read as it should be a
/// minute ago says nothing any more.
#[tokio::test]
async fn f3_a_look_that_misses_the_guard_ends_the_handing_out_at_once() {
    for altered in [false, true] {
        let world = Elevation::new().await;
        let grant = world.open(60).await;
        let guard = world.stage.cloud.guard().unwrap();
        if altered {
            let weak = guard.replace("\"Deny\"", "\"Allow\"");
            let put = world
                .stage
                .cloud
                .knobs()
                .put_role_policy(ROLE, GUARD_NAME, Some(&weak));
            put.unwrap();
        } else {
            world.stage.cloud.delete_guard();
        }
        let refuse = Knob::Refuse("AccessDenied", 403);
        world.stage.cloud.always("PutRolePolicy", refuse);
        world.stage.pass(minutes(1)).await;
        assert_eq!(world.refused(grant).await, "guard_unconfirmed", "{altered}");
        world.stage.cloud.knobs().clear();
        // Longer than P since the last write, so that it is not a read that lags.
        world.stage.pass(minutes(5)).await;
        assert_eq!(world.refused(grant).await, "-", "{altered}");
    }
}

/// C8: between two looks the role was deleted and made anew. STS gives a session of a role that has
/// no guard.
#[tokio::test]
async fn c8_a_session_of_a_role_that_was_made_anew_is_handed_to_nobody() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let trust = world.stage.cloud.trust();
    world.stage.cloud.knobs().delete_role(ROLE);
    world.stage.cloud.knobs().create_role(ROLE, &trust).unwrap();
    assert_eq!(world.refused(grant).await, "guard_unconfirmed");
    let rows = world.rows(grant).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome.as_deref(), Some("discarded"));
    assert!(rows[0].access_key_id.is_some());
}

/// Whoever asked and does not wait for the answer leaves no fetch without an outcome.
#[tokio::test]
async fn a_client_that_hangs_up_leaves_an_outcome() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let held = world.stage.cloud.hold("AssumeRole", true);
    tokio::select! {
        _ = world.fetch(grant) => panic!("STS is held"),
        () = held.reached() => {}
    }
    assert_eq!(world.rows(grant).await[0].outcome, None);
    held.release();
    let has_outcome = async || world.rows(grant).await[0].outcome.is_some();
    wait::until_async("the outcome is on record", has_outcome).await;
    assert_eq!(
        world.rows(grant).await[0].outcome.as_deref(),
        Some("issued")
    );
}

/// An answer that nobody can read holds the secrets all the same.
#[tokio::test]
async fn the_log_holds_no_secret_of_an_answer_that_cannot_be_read() {
    LazyLock::force(&LOG);
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    world.stage.cloud.once("AssumeRole", Knob::Garbled);
    assert_eq!(world.refused(grant).await, "aws_silent");
    assert!(log::has_line(&[
        "AWS call failed",
        "AssumeRole",
        "cannot be read"
    ]));
    assert!(!log::text().contains("SecretAccessKey"));
}

/// F1: STS is asked with no transaction open and no row locked. An end, and what AWS is told of it,
/// waits for no answer of STS.
#[tokio::test]
async fn f1_an_end_waits_for_no_answer_of_sts() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let held = world.stage.cloud.hold("AssumeRole", true);
    let (code, ()) = tokio::join!(world.refused(grant), async {
        held.reached().await;
        world.end(grant).await;
        world.stage.work().await;
        assert_eq!(world.stage.state(grant).await, "ended");
        assert!(!world.stage.listed(grant));
        held.release();
    });
    assert_eq!(code, "wrong_state");
    let rows = world.rows(grant).await;
    assert_eq!(rows[0].outcome.as_deref(), Some("discarded"));
}

/// F4: a process is stopped over the deadline while STS is asked. What it wakes up with is dead,
/// and nobody gets it.
#[tokio::test]
async fn f4_a_process_that_wakes_after_the_deadline_hands_nothing_out() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let held = world.stage.cloud.hold("AssumeRole", false);
    let (code, ()) = tokio::join!(world.refused(grant), async {
        held.reached().await;
        world.advance(7_200);
        held.release();
    });
    assert_eq!(code, "wrong_state");
    let rows = world.rows(grant).await;
    assert_eq!(rows[0].outcome.as_deref(), Some("discarded"));
}

#[tokio::test]
async fn what_sts_refuses_or_leaves_unanswered_is_on_record() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let failures = [
        (
            Knob::Refuse("AccessDenied", 403),
            "aws_refused",
            "failed",
            "denied",
        ),
        (
            Knob::Refuse("Throttling", 400),
            "aws_silent",
            "failed",
            "throttled",
        ),
        (Knob::Drop(true), "aws_silent", "unanswered", "unclear"),
    ];
    for (knob, code, outcome, error) in failures {
        world.stage.cloud.once("AssumeRole", knob);
        assert_eq!(world.refused(grant).await, code);
        let row = world.rows(grant).await.pop().unwrap();
        assert_eq!(row.outcome.as_deref(), Some(outcome));
        assert_eq!(
            (row.error.as_deref(), row.access_key_id),
            (Some(error), None)
        );
    }
    assert_eq!(
        world.refused(grant).await,
        "-",
        "it was not tried again by itself"
    );
    assert_eq!(world.rows(grant).await.len(), 4);
}

#[tokio::test]
async fn f10_a_role_that_lets_us_in_unpinned_or_not_at_all_is_refused_when_asked() {
    let us = "arn:aws:iam::111122223333:user/countersign";
    let free =
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{us}"}},"Action":"sts:AssumeRole"}}"#);
    let nobody = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
    for (trust, code) in [
        (free.as_str(), "role_not_pinned"),
        (nobody, "role_not_assumable"),
    ] {
        let world = Elevation::with_trust(trust).await;
        let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
        assert_eq!(error.told_code(), code);
        let detail = error.about().detail.into_owned();
        assert!(detail.contains(&assumable::statements(us)), "{detail}");
    }
}

/// F10 where AWS was silent when it was asked for, and where the pins are taken away later.
#[tokio::test]
async fn f10_a_role_that_lets_us_in_unpinned_opens_for_nobody_and_hands_nothing_out() {
    let us = "arn:aws:iam::111122223333:user/countersign";
    let free =
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{us}"}},"Action":"sts:AssumeRole"}}"#);
    let world = Elevation::with_trust(&free).await;
    world.stage.cloud.once("GetRole", Knob::Drop(false));
    let grant = world.approved(60).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "failed");
    assert!(!world.stage.listed(grant));

    let world = Elevation::new().await;
    // One process: what it learns of itself it keeps.
    let worker = world.stage.worker().await;
    let work = async |later| {
        world.stage.advance(later);
        worker.run_until_idle().await.unwrap();
    };
    let grant = world.approved(60).await;
    work(minutes(0)).await;
    let pinned = world.stage.cloud.trust();
    let more = format!(r#""Statement":[{free},"#);
    world
        .stage
        .cloud
        .edit_trust(|trust| trust.replacen("\"Statement\":[", &more, 1));
    work(minutes(1)).await;
    assert_eq!(world.refused(grant).await, "guard_unconfirmed");
    assert_eq!(world.stage.state(grant).await, "active");
    // A new process, which does not know yet who it is, takes nothing back.
    world.stage.pass(minutes(1)).await;
    assert_eq!(world.refused(grant).await, "guard_unconfirmed");
    world.stage.cloud.edit_trust(|_| pinned);
    work(minutes(1)).await;
    assert_eq!(world.refused(grant).await, "-");
}

/// The same while the guard is on its way.
#[tokio::test]
async fn f10_a_role_that_is_unpinned_while_it_opens_never_opens() {
    let world = Elevation::new().await;
    let grant = world.approved(60).await;
    world.stage.cloud.once("PutRolePolicy", Knob::Drop(true));
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "opening");
    let free = r#""Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"},"#;
    world
        .stage
        .cloud
        .edit_trust(|trust| trust.replacen("\"Statement\":[", free, 1));
    // P + L later the answer is not waited for any more.
    world.stage.pass(minutes(20)).await;
    let told = world.stage.rows.told(grant).await;
    assert!(!told.iter().any(|it| it == "grant.opened"), "{told:?}");
    assert_eq!(world.stage.state(grant).await, "failed");
}

/// F11: a policy of a resource that names the very session lets it do more than the entitlement's
/// own policy says. It does not let it outlive the deadline, with no guard and nobody of ours
/// there, or an end.
#[tokio::test]
async fn f11_a_scope_is_no_wall_to_a_resource_that_names_the_session_and_the_deadline_is() {
    for ends in [false, true] {
        let world = Elevation::new().await;
        let scope = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}"#;
        let change = |catalog: &mut Catalog| {
            let more = &mut catalog.entitlements[0].more;
            more.insert("scope_down".to_owned(), scope.into());
        };
        world.app.change(change).await;
        // STS makes no session shorter than 15 minutes.
        let grant = world.open(5).await;
        let given = world.fetch(grant).await.unwrap();
        let knobs = world.stage.cloud.knobs();
        knobs.create_bucket("111122223333", "payroll");
        knobs.put_object("payroll", "may", "42");
        let reads = async || {
            let keys = Credentials::builder()
                .access_key_id(&given.access_key_id)
                .secret_access_key(given.secret.expose_secret())
                .session_token(given.token.expose_secret())
                .expiration(DateTime::from_secs(0));
            let keys = keys.build().unwrap();
            let mut conn = world.app.pool().acquire().await.unwrap();
            let now = Clock::Database.now(&mut conn).await.unwrap();
            let sandbox = world.stage.cloud.sandbox();
            read_object_at(sandbox, &keys, "payroll/may", now).await.0 == 200
        };
        let session = format!("arn:aws:sts::111122223333:assumed-role/prod-admin/{grant}");
        for (named, may) in [(ROLE, false), (session.as_str(), true)] {
            let policy = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{named}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::payroll/*"}}]}}"#
            );
            knobs.put_bucket_policy("payroll", Some(&policy)).unwrap();
            assert_eq!(reads().await, may, "{named}");
        }
        if ends {
            world.end(grant).await;
            world.stage.work().await;
        } else {
            world.stage.cloud.delete_guard();
            world.advance(299);
            assert!(reads().await);
            world.advance(1);
        }
        assert!(!reads().await, "{ends}");
    }
}
