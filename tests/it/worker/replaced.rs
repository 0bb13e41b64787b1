//! A role that was made anew while the inline policy of a switch names it (docs/carrier.md, I5).

use countersign::app::approve::approve;
use countersign::app::submit::submit;
use countersign::aws::Clouds;
use countersign::policy::inline::ENDED;

use super::minutes;
use super::switch::policy;
use crate::sandbox::{ALLOW_ALL, ROLE};
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;

/// Somebody deletes the role and makes another one of its name, with the same trust policy.
async fn made_anew(world: &Elevation) {
    let (cloud, trust) = (&world.stage.cloud, world.stage.cloud.trust());
    cloud.knobs().delete_role(ROLE);
    let iam = cloud.keys("admin").iam();
    let name = ROLE.rsplit('/').next().unwrap();
    let call = iam
        .create_role()
        .role_name(name)
        .max_session_duration(43_200);
    let call = call.assume_role_policy_document(trust);
    call.send().await.unwrap();
    cloud
        .knobs()
        .put_role_policy(ROLE, "admin", Some(ALLOW_ALL))
        .unwrap();
}

/// Her account takes no writes: her policy stands, and lets her into the new role.
#[tokio::test]
async fn i5_on_the_new_role_her_names_are_dead_as_long_as_a_session_may_be_left() {
    let world = Elevation::switching().await;
    let (cloud, alice) = (&world.stage.cloud, world.stage.cloud.keys("alice"));
    let grant = world.open(60).await;
    made_anew(&world).await;
    let early = alice.assume(&grant.to_string()).await.unwrap();
    let console = alice.assume("alice").await.unwrap();
    assert!(
        early.work().await && console.work().await,
        "until the next look"
    );
    cloud.always("PutUserPolicy", Knob::Refuse("Throttling", 400));
    world.stage.pass(minutes(1)).await;
    assert_eq!(
        world.stage.state(grant).await,
        "closing",
        "her policy stands"
    );
    assert!(!early.work().await && !console.work().await);
    for name in [grant.to_string(), "alice".to_owned()] {
        let late = alice.assume(&name).await.unwrap();
        assert!(!late.work().await, "{name}");
    }
    cloud.knobs().clear();
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    assert_eq!(world.stage.state(grant).await, "ended");
    for hour in 0..12 {
        world.stage.pass(minutes(60)).await;
        assert!(!early.work().await && !console.work().await, "{hour}");
        assert!(cloud.guard().is_some(), "{hour}");
    }
    world.stage.pass(minutes(61)).await;
    assert!(cloud.guard().is_none(), "nothing of hers is left");
    let told = world.stage.rows.told(grant).await;
    let forgotten = told.iter().filter(|it| *it == "guard.removed");
    assert_eq!(forgotten.count(), 1);
}

/// Nobody lets us write to the new role. What is to end, ends; and what is not there is forgotten.
#[tokio::test]
async fn i5_a_new_role_that_takes_no_guard_keeps_nothing_from_ending() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    made_anew(&world).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("PutRolePolicy", refuse);
    world.stage.pass(minutes(1)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    world.stage.pass(minutes(14 * 60)).await;
    let told = world.stage.rows.told(grant).await;
    assert!(told.iter().any(|it| it == "guard.removed"), "{told:?}");
}

/// What is approved for the new role opens there, with her console name; and older sessions of that
/// name stay dead.
#[tokio::test]
async fn i5_a_grant_of_the_new_role_revives_nothing_of_the_old_one() {
    let world = Elevation::switching().await;
    let alice = world.stage.cloud.keys("alice");
    let before = world.open(60).await;
    made_anew(&world).await;
    let early = alice.assume("alice").await.unwrap();
    world.stage.pass(minutes(1)).await;
    assert_eq!(world.stage.state(before).await, "ended");
    // Looks before a request remember a role for a moment: this is another process.
    let (endpoint, timeout) = (world.stage.cloud.endpoint(), world.stage.timeout);
    let clouds = Clouds::with(&endpoint, world.stage.key, "secret", timeout).await;
    let alice_again = world.app.clone().with_clouds(clouds).ctx("alice").await;
    let asked = submit(&alice_again, Elevation::wish(60)).await.unwrap();
    let shown = approve(&world.bob, asked.request().id, None, None)
        .await
        .unwrap();
    let after = shown.grant.unwrap().id;
    world.stage.work().await;
    for _ in 0..2 {
        world.stage.pass(minutes(1)).await;
    }
    let session = alice.assume("alice").await.unwrap();
    assert!(session.work().await);
    assert!(!early.work().await, "it is the old grant's");
    assert_eq!(world.stage.state(after).await, "active");
}
