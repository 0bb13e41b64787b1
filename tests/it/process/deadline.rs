//! The deadline holds with nobody there to enforce it.

use chrono::TimeDelta;

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_aws_refuses_new_and_live_sessions_with_countersign_killed() {
    let world = World::new().await;
    assert!(
        world.assume("alice", "alice").await.is_err(),
        "before: refused"
    );

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
    assert!(
        world.assume("alice", "mallory").await.is_err(),
        "any other name is refused"
    );
    assert!(
        world.assume("bob", &grant).await.is_err(),
        "bob is refused with the grant's name"
    );
    assert!(
        world.assume("bob", "alice").await.is_err(),
        "bob is refused with alice's name"
    );
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
    assert!(world.assume("alice", &grant).await.is_err());
    assert!(world.assume("alice", "alice").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_straight_after_an_end_works_with_the_old_guard_in_place() {
    let world = World::new().await;
    let serve = world.serve();
    let request = world.submit(&serve, "PT5S").await;
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
