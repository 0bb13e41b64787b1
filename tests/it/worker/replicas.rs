//! Two processes and one grant on two targets.

use sqlx::Executor as _;

use super::minutes;
use super::switch::policy;
use crate::support::elevation::Elevation;
use countersign::policy::inline::ENDED;

/// A4: one replica is in the midst of the role, or of her user, and has its lease. Another one
/// closes the other part meanwhile, and neither waits.
#[tokio::test]
async fn a4_each_target_closes_alone_whoever_holds_the_other() {
    for (held, kind, other) in [
        ("PutRolePolicy", "role", "user"),
        ("PutUserPolicy", "user", "role"),
    ] {
        let world = Elevation::switching().await;
        let grant = world.open(60).await;
        let alice = world.stage.cloud.keys("alice");
        let session = alice.assume(&grant.to_string()).await.unwrap();
        world.end(grant).await;
        let rows = &world.stage.rows;
        let set = async |kind: &str, due: &str| {
            let sql = format!("UPDATE targets SET due_at = {due} WHERE kind = '{kind}'");
            rows.as_owner(&sql).await;
        };
        set(other, "NULL").await;
        let hold = world.stage.cloud.hold(held, false);
        let first = world.stage.worker().await;
        let first = tokio::spawn(async move { first.run_until_idle().await });
        hold.reached().await;
        set(other, &format!("'{}'", world.stage.now())).await;
        world.stage.work().await;
        let leased =
            format!("SELECT FROM targets WHERE kind = '{kind}' AND lease_token IS NOT NULL");
        let leased = rows.pool.fetch_all(sqlx::AssertSqlSafe(leased)).await;
        assert_eq!(
            leased.unwrap().len(),
            1,
            "{kind} is in the first one's hands"
        );
        assert_eq!(world.stage.state(grant).await, "closing");
        if kind == "role" {
            assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
            assert!(alice.assume(&grant.to_string()).await.is_none());
        } else {
            assert!(!session.work().await, "the guard ends it");
        }
        hold.release();
        first.await.unwrap().unwrap();
        world.stage.pass(minutes(1)).await;
        assert_eq!(world.stage.state(grant).await, "ended");
        assert!(!session.work().await);
    }
}
