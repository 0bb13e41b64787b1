//! Grants that an inline policy on the person's own user opens, by the names of their sequences.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::find;
use countersign::app::submit::submit;
use countersign::ids::GrantId;
use countersign::policy::inline::{self, ENDED};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use crate::sandbox::ROLE;
use crate::support::catalog::user_arn;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;

/// Her inline policy of a grant, as AWS holds it.
pub async fn policy(world: &Elevation, grant: GrantId) -> Option<String> {
    let name = policy_name(world, grant).await;
    world
        .stage
        .cloud
        .knobs()
        .user_policy(&user_arn("alice"), &name)
}

pub async fn policy_name(world: &Elevation, grant: GrantId) -> String {
    let row = world
        .stage
        .rows
        .pool
        .fetch_one("SELECT id FROM installation");
    let installation: String = row.await.unwrap().get("id");
    inline::name(&installation, grant)
}

#[tokio::test]
async fn she_may_switch_from_the_opening_to_the_deadline_with_the_service_killed() {
    let world = Elevation::switching().await;
    let (alice, trust) = (world.stage.cloud.keys("alice"), world.stage.cloud.trust());
    let grant = world.approved(60).await;
    let own = grant.to_string();
    assert!(alice.assume(&own).await.is_none());
    world.stage.cloud.take_writes();
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    let writes = world.stage.cloud.take_writes();
    assert_eq!(
        writes[..2],
        ["PutRolePolicy", "PutUserPolicy"],
        "the guard first"
    );
    assert_eq!(
        world.stage.cloud.trust(),
        trust,
        "the trust policy is not ours"
    );
    let session = alice.assume(&own).await.unwrap();
    let console = alice.assume("alice").await.unwrap();
    assert!(session.work().await && console.work().await);
    assert!(
        alice.assume("zzz").await.is_none(),
        "under her own names alone"
    );
    // The service is killed: nothing of ours runs any more.
    world.advance(3_599);
    assert!(session.work().await && console.work().await);
    world.advance(1);
    assert!(!session.work().await && !console.work().await);
    assert!(alice.assume(&own).await.is_none());
    // It comes back. AWS holds the date; by which clock, δ later nobody can doubt.
    world.stage.work().await;
    world.stage.pass(TimeDelta::seconds(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await, None, "nothing of ours is left");
}

#[tokio::test]
async fn an_early_end_stops_the_live_sessions_and_new_ones() {
    let world = Elevation::switching().await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(60).await;
    let session = alice.assume(&grant.to_string()).await.unwrap();
    let console = alice.assume("alice").await.unwrap();
    world.end(grant).await;
    world.stage.work().await;
    assert!(!session.work().await && !console.work().await);
    assert!(alice.assume(&grant.to_string()).await.is_none());
    assert!(alice.assume("alice").await.is_none());
    assert_eq!(world.stage.state(grant).await, "ended");
    assert_eq!(
        policy(&world, grant).await.as_deref(),
        Some(ENDED),
        "until the deadline"
    );
    world.stage.pass(minutes(61)).await;
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await, None);
}

#[tokio::test]
async fn what_needs_nothing_of_ours_or_is_admitted_by_nothing_is_refused_when_asked() {
    let named = |who: &str| {
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{who}"}},"Action":"sts:AssumeRole"}}"#)
    };
    let service = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
    for (trust, code) in [
        (named(&user_arn("alice")), "role_open_already"),
        (named("*"), "role_open_already"),
        (
            named("arn:aws:iam::444455556666:root"),
            "role_not_admitting",
        ),
        (service.to_owned(), "role_not_admitting"),
    ] {
        let world = Elevation::switching_with(&trust).await;
        let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
        assert_eq!(error.told_code(), code, "{trust}");
    }
    let world = Elevation::switching().await;
    let allow = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#;
    let put =
        world
            .stage
            .cloud
            .knobs()
            .put_user_policy(&user_arn("alice"), "standing", Some(allow));
    put.unwrap();
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "role_open_already");
    assert!(
        error.about().detail.contains("standing"),
        "{}",
        error.about().detail
    );
}

/// I1: the role's own trust policy never held a statement of ours. What was sent is known from the
/// inline policy.
#[tokio::test]
async fn i1_the_guard_stays_as_long_as_a_session_may_be_left() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let alice = world.stage.cloud.keys("alice");
    let session = alice.assume("alice").await.unwrap();
    let sent = listed(&world, grant).await;
    assert_eq!(
        sent,
        Some(world.stage.now() + minutes(60)),
        "as the guard's part knows it"
    );
    world.end(grant).await;
    for hour in 0..12 {
        world.stage.pass(minutes(60)).await;
        assert!(!session.work().await, "{hour}");
        assert!(world.stage.cloud.guard().is_some(), "{hour}");
    }
    world.stage.pass(minutes(26 * 60)).await;
    assert!(world.stage.cloud.guard().is_none());
}

/// Until when the guard's part of a grant says that somebody may be let in.
pub async fn listed(world: &Elevation, grant: GrantId) -> Option<DateTime<Utc>> {
    let sql = format!(
        "SELECT sent_until FROM parts WHERE kind = 'listed' AND \"grant\" = '{}'",
        grant.uuid()
    );
    let row = world
        .stage
        .rows
        .pool
        .fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)));
    row.await.unwrap().get("sent_until")
}

/// I2: the guard was read as it should be, and then her account is throttled. When it answers again
/// somebody has deleted the guard, and the role's account refuses us.
#[tokio::test]
async fn i2_listed_once_is_not_listed_now() {
    let world = Elevation::switching().await;
    let grant = world.approved(60).await;
    let cloud = &world.stage.cloud;
    cloud.always("PutUserPolicy", Knob::Refuse("Throttling", 400));
    world.stage.work().await;
    assert!(world.stage.listed(grant));
    assert_eq!(policy(&world, grant).await, None);
    cloud.knobs().clear();
    cloud.delete_guard();
    cloud.always("PutRolePolicy", Knob::Refuse("AccessDenied", 403));
    world.stage.advance(minutes(1));
    for _ in 0..4 {
        world.stage.pass(minutes(1)).await;
        assert_eq!(policy(&world, grant).await, None);
    }
    assert!(
        cloud
            .keys("alice")
            .assume(&grant.to_string())
            .await
            .is_none()
    );
    cloud.knobs().clear();
    for _ in 0..4 {
        world.stage.pass(minutes(1)).await;
    }
    assert_eq!(world.stage.state(grant).await, "active");
    assert!(
        cloud
            .keys("alice")
            .assume(&grant.to_string())
            .await
            .is_some()
    );
}

/// I5: another role has the name of the one that was approved. Nothing of hers lets her in there.
#[tokio::test]
async fn i5_a_role_that_was_made_anew_is_not_switched_to() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let cloud = &world.stage.cloud;
    let trust = cloud.trust();
    cloud.knobs().delete_role(ROLE);
    cloud.knobs().create_role(ROLE, &trust).unwrap();
    world.stage.pass(minutes(1)).await;
    assert!(
        cloud
            .keys("alice")
            .assume(&grant.to_string())
            .await
            .is_none()
    );
    assert_eq!(world.stage.state(grant).await, "ended");
    assert_eq!(
        world.stage.grant(grant).await.cause.as_deref(),
        Some("target_replaced")
    );
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
}

/// I5: her policy is absent only when no read can lag. Until then the role, with whose part of the
/// grant there is nothing left to do, is looked at with pauses.
#[tokio::test]
async fn i5_a_role_that_is_gone_or_another_is_not_looked_at_without_a_pause() {
    for comes in [true, false] {
        let mut world = Elevation::switching().await;
        world.stage.margins.propagation = minutes(2);
        let grant = world.open(60).await;
        let cloud = &world.stage.cloud;
        let trust = cloud.trust();
        cloud.knobs().delete_role(ROLE);
        if comes {
            cloud.knobs().create_role(ROLE, &trust).unwrap();
        }
        let worker = world.stage.worker().await;
        for _ in 0..8 {
            world.advance(60);
            let mut looks = 0;
            while worker.step().await.unwrap() {
                looks += 1;
                assert!(looks < 20, "without a pause, {comes}");
            }
        }
        assert_eq!(world.stage.state(grant).await, "ended", "{comes}");
    }
}

/// C8: a new hire has the deleted user's name.
#[tokio::test]
async fn c8_another_user_of_the_name_carries_nothing() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let cloud = &world.stage.cloud;
    let text = policy(&world, grant).await.unwrap();
    cloud.delete_user("alice");
    cloud.create_user("alice");
    // Whoever made the user anew has saved the policies of the old one.
    let name = policy_name(&world, grant).await;
    cloud
        .knobs()
        .put_user_policy(&user_arn("alice"), &name, Some(&text))
        .unwrap();
    world.stage.pass(minutes(1)).await;
    assert_eq!(policy(&world, grant).await, None);
    world.stage.pass(minutes(1)).await;
    assert_eq!(
        world.stage.grant(grant).await.cause.as_deref(),
        Some("principal_gone")
    );
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// T1: a write without an answer lands when the grant has long been ended.
#[tokio::test]
async fn t1_a_late_write_lets_in_until_the_next_look() {
    let world = Elevation::switching().await;
    let grant = world.approved(600).await;
    let cloud = &world.stage.cloud;
    let late = cloud.knobs().land_late("PutUserPolicy", 1);
    world.stage.work().await;
    assert!(late.is_reached());
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(
        world.stage.state(grant).await,
        "closing",
        "it may still land"
    );
    late.land();
    // What it gives her is dead: the guard denies it.
    if let Some(session) = cloud.keys("alice").assume("alice").await {
        assert!(!session.work().await);
    }
    world.stage.pass(minutes(1)).await;
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    for _ in 0..20 {
        world.stage.pass(minutes(1)).await;
    }
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// T2: somebody saves again what was on the screen before the end.
#[tokio::test]
async fn t2_a_stale_save_is_ended_at_the_next_look_and_told() {
    let world = Elevation::switching().await;
    let grant = world.open(600).await;
    let cloud = &world.stage.cloud;
    let (name, text) = (
        policy_name(&world, grant).await,
        policy(&world, grant).await.unwrap(),
    );
    world.end(grant).await;
    world.stage.work().await;
    cloud
        .knobs()
        .put_user_policy(&user_arn("alice"), &name, Some(&text))
        .unwrap();
    world.stage.pass(minutes(5)).await;
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    let sql = "SELECT details->>'alarm' AS alarm FROM audit_events WHERE action = 'target.alarm'";
    let row = world.stage.rows.pool.fetch_one(sql).await.unwrap();
    assert_eq!(row.get::<String, _>("alarm"), "came_back");
    // Whatever she gets meanwhile the guard has ended already.
    assert!(cloud.keys("alice").assume("alice").await.is_none());
}

/// Whoever has left the group meanwhile is let in nowhere, and nothing of it is left to look for.
#[tokio::test]
async fn one_that_may_not_open_any_more_is_over_on_both_targets() {
    let world = Elevation::switching().await;
    let grant = world.approved(60).await;
    world
        .app
        .change(|catalog| catalog.regroup("alice", &[]))
        .await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "failed");
    let sql = "SELECT count(*) FROM names WHERE guard_gone_at IS NULL";
    let row = world.stage.rows.pool.fetch_one(sql).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 0);
    assert!(
        !world
            .stage
            .cloud
            .take_writes()
            .iter()
            .any(|call| call == "PutUserPolicy")
    );
}

/// Her user is looked at before anybody looks at the role. That has the role looked at, and the
/// user again as soon as the guard stands.
#[tokio::test]
async fn her_user_waits_for_the_guard_and_no_longer() {
    let world = Elevation::switching().await;
    let grant = world.approved(60).await;
    world
        .stage
        .rows
        .as_owner("UPDATE targets SET due_at = NULL WHERE kind = 'role'")
        .await;
    world.stage.work().await;
    assert_eq!(
        world.stage.state(grant).await,
        "active",
        "with no clock moved"
    );
}

/// What AWS refuses on her user keeps the grant waiting, though nothing is wrong with the role.
#[tokio::test]
async fn what_keeps_her_user_waiting_is_told_of_the_grant() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("PutUserPolicy", refuse);
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "closing");
    let shown = find::grant(&world.alice, grant).await.unwrap();
    assert_eq!(shown.delay.unwrap().error, "denied");
    let told = world.stage.rows.told(grant).await;
    assert!(told.iter().any(|it| it == "grant.delayed"), "{told:?}");
    // A revoke that fails thirty times still closes.
    for _ in 0..30 {
        world.stage.pass(minutes(1)).await;
        assert_eq!(world.stage.state(grant).await, "closing");
    }
    world.stage.cloud.knobs().clear();
    world.stage.pass(minutes(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
    let shown = find::grant(&world.alice, grant).await.unwrap();
    assert!(shown.delay.is_none());
}

/// I9: a grant of each method on one role for one person; each ends alone.
#[tokio::test]
async fn i9_two_methods_on_one_role_for_one_person_end_each_alone() {
    for switch_ends_first in [true, false] {
        let world = Elevation::switching().await;
        let switched = world.open(60).await;
        let (person, arn) = (world.alice.person.id, user_arn("alice"));
        let (now, hour) = (world.stage.now(), minutes(60));
        let trusted = world.stage.rows.approve(person, &arn, now, hour).await;
        world.stage.work().await;
        assert_eq!(world.stage.state(trusted).await, "active");
        let alice = world.stage.cloud.keys("alice");
        let own = alice.assume(&switched.to_string()).await.unwrap();
        let other = alice.assume(&trusted.to_string()).await.unwrap();
        if switch_ends_first {
            world.end(switched).await;
        } else {
            world.stage.revoke(trusted).await;
        }
        world.stage.work().await;
        assert_eq!(own.work().await, !switch_ends_first);
        assert_eq!(other.work().await, switch_ends_first);
        let told = world
            .app
            .events(switched, "grant.bypassed", "success")
            .await;
        assert_eq!(told, 0, "what lets her in beside it is a grant of ours");
    }
}
