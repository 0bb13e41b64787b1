//! Deletions of the guard that land late.

use super::minutes;
use super::switch::policy;
use crate::support::elevation::Elevation;

/// I10: nobody needs the guard any more, its deletion has no answer, and she asks again. Although
/// the guard was read back with her name, nothing lets her in until the deletion cannot land.
#[tokio::test]
async fn i10_a_late_deletion_of_the_guard_counts_as_a_write_of_it() {
    let world = Elevation::switching().await;
    let first = world.open(5).await;
    world.end(first).await;
    world.stage.work().await;
    let cloud = &world.stage.cloud;
    let deletion = cloud.knobs().land_late("DeleteRolePolicy", 1);
    for _ in 0..60 {
        if !deletion.is_reached() {
            world.stage.pass(minutes(60)).await;
        }
    }
    assert!(deletion.is_reached());
    let grant = world.approved(60).await;
    world.stage.work().await;
    for _ in 0..10 {
        assert!(world.stage.listed(grant), "the guard is there");
        assert_eq!(policy(&world, grant).await, None);
        world.stage.pass(minutes(1)).await;
    }
    deletion.land();
    assert!(cloud.guard().is_none());
    for _ in 0..15 {
        world.stage.pass(minutes(1)).await;
        if policy(&world, grant).await.is_some() {
            assert!(world.stage.listed(grant), "never without the guard");
        }
    }
    assert_eq!(world.stage.state(grant).await, "active");
    let alice = cloud.keys("alice");
    let session = alice.assume(&grant.to_string()).await.unwrap();
    assert!(session.work().await);
    world.end(grant).await;
    world.stage.work().await;
    assert!(!session.work().await);
}
