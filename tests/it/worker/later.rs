//! An extension that AWS does not take for now: it stops nothing else.

use chrono::TimeDelta;

use super::extensions::extended;
use super::minutes;
use super::switch::policy;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;

/// Nobody else waits for a later date that cannot be written, however long; and whose it is goes on
/// with the earlier one.
#[tokio::test]
async fn a_later_date_that_aws_refuses_stops_no_credentials() {
    let world = Elevation::new().await;
    let first = world.open(60).await;
    let second = world.open(60).await;
    let (old, new) = (
        world.stage.now() + minutes(60),
        world.stage.now() + minutes(90),
    );
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("PutRolePolicy", refuse);
    extended(&world, first, 30).await;
    for _ in 0..8 {
        world.stage.pass(minutes(5)).await;
        for grant in [first, second] {
            let given = world.fetch(grant).await.unwrap();
            assert_eq!(given.expires_at, old);
            assert!(world.keys(&given).work().await);
        }
    }
    world.stage.pass(TimeDelta::seconds(19 * 60 + 30)).await;
    // With less than a minute left of what AWS has, the guard is waited for.
    assert_eq!(world.refused(first).await, "guard_unconfirmed");
    world.stage.cloud.knobs().clear();
    world.stage.work().await;
    assert_eq!(world.fetch(first).await.unwrap().expires_at, new);
}

/// A switch whose policy is still to be put is not kept out by somebody's later date.
#[tokio::test]
async fn a_later_date_that_aws_refuses_stops_no_switch() {
    let world = Elevation::switching().await;
    let alice = world.stage.cloud.keys("alice");
    let first = world.open(60).await;
    world.stage.pass(TimeDelta::seconds(6)).await;
    let throttled = Knob::Refuse("Throttling", 400);
    world.stage.cloud.always("PutUserPolicy", throttled);
    let second = world.approved(60).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(second).await, "opening");
    extended(&world, first, 30).await;
    world.stage.cloud.knobs().clear();
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("PutRolePolicy", refuse);
    for _ in 0..3 {
        world.stage.pass(minutes(2)).await;
    }
    assert_eq!(world.stage.state(second).await, "active");
    assert!(alice.assume(&second.to_string()).await.is_some());
    let text = policy(&world, first).await.unwrap();
    assert!(
        text.contains("2026-01-05T10:00:00Z"),
        "the guard first: {text}"
    );
    // Once the guard has it, her user is looked at without a wait.
    world.stage.cloud.knobs().clear();
    let now = world.stage.now();
    let due = format!("UPDATE targets SET due_at = '{now}' WHERE kind = 'role'");
    world.stage.rows.run(due).await;
    world.stage.work().await;
    let text = policy(&world, first).await.unwrap();
    assert!(text.contains("2026-01-05T10:30:00Z"), "{text}");
}
