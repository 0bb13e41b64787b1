//! Two `serve` processes on one Postgres share the work and do nothing twice.

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_work_and_do_nothing_twice() {
    let world = World::new().await;
    let (one, two) = (world.serve(), world.serve());
    let mut grants = Vec::new();
    for round in 0..6 {
        let (asked, decided) = if round % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let request = world.submit(asked, "PT1H").await;
        grants.push(world.approve(decided, &request).await);
    }
    for grant in &grants {
        one.reaches(&world.alice, grant, "active").await;
        world.assert_once(&one, grant, "grant.opening").await;
        world.assert_once(&one, grant, "grant.opened").await;
    }
    assert_eq!(world.our_statements(), grants.len());
}
