//! The deadline holds with nobody there to enforce it.

use chrono::TimeDelta;

use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_aws_refuses_new_and_live_sessions_with_countersign_killed() {
    let world = World::new().await;
    world.assert_refused("alice", "alice").await;

    let serve = world.serve();
    let request = world.submit(&serve, "PT10M").await;
    let grant = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &grant, "active").await;
    let by_grant = world
        .assume("alice", &grant)
        .await
        .expect("the grant's own name");
    let by_console = world
        .assume("alice", "alice")
        .await
        .expect("the console's name");
    for (user, session) in [("alice", "mallory"), ("bob", &grant), ("bob", "alice")] {
        world.assert_refused(user, session).await;
    }
    assert!(world.works(&by_grant).await && world.works(&by_console).await);

    serve.kill();
    world
        .sandbox
        .knobs()
        .advance(TimeDelta::minutes(10) - TimeDelta::seconds(30));
    assert!(world.works(&by_grant).await, "still within the grant");
    world.sandbox.knobs().advance(TimeDelta::seconds(31));
    assert!(
        !world.works(&by_grant).await && !world.works(&by_console).await,
        "live sessions end"
    );
    for session in [&grant, "alice"] {
        world.assert_refused("alice", session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_straight_after_an_end_works_with_the_old_guard_in_place() {
    let world = World::new().await;
    let serve = world.serve();
    let request = world.submit(&serve, "PT20S").await;
    let first = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &first, "active").await;
    let old = world.assume("alice", &first).await.expect("open");
    serve.reaches(&world.alice, &first, "ended").await;
    assert!(
        world.guard().is_some(),
        "the guard stays for the sessions that may be left"
    );
    assert!(!world.works(&old).await);

    let request = world.submit(&serve, "PT1H").await;
    let second = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &second, "active").await;
    let new = world.assume("alice", &second).await.expect("open again");
    assert!(world.works(&new).await);
    assert!(!world.works(&old).await, "what ended stays ended");
}
