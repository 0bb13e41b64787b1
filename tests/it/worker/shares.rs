//! What is taken first, and what one account may have of all that is worked on.

use std::sync::Arc;
use std::time::Duration;

use countersign::app::ctx::Ctx;
use countersign::app::revoke::{NewRevocation, carry_on, revoke};
use countersign::aws::Clouds;
use countersign::db::targets;
use countersign::ids::TargetId;
use countersign::worker::{Settings, Worker};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use crate::sandbox::OTHER;
use crate::support::elevation::Elevation;
use crate::support::member::Member;
use crate::support::stage::Stage;
use crate::support::wait;

/// Roles of an account that have been due for a while.
pub async fn due_longer(stage: &Stage, account: &str, count: usize) {
    for nth in 0..count {
        let sql = format!(
            "INSERT INTO targets (id, account, kind, arn, due_at)
             VALUES (gen_random_uuid(), '{account}', 'role', 'arn:aws:iam::{account}:role/due-{nth}', '{}')",
            stage.now() - minutes(1)
        );
        stage.rows.run(sql).await;
    }
}

async fn first(stage: &Stage) -> TargetId {
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let claimed = targets::claim(&mut conn, Some(stage.now()), minutes(1), 1, false, &[]).await;
    claimed.unwrap().taken.remove(0).lease.target
}

/// Thousands of grants may end in the same second: AWS ends those by itself, and these not.
#[tokio::test]
async fn what_somebody_ends_comes_before_what_has_been_due_for_longer() {
    for by_revocation in [false, true] {
        let world = Elevation::new().await;
        let grant = world.open(60).await;
        due_longer(&world.stage, "111122223333", 3).await;
        if by_revocation {
            world
                .app
                .change(|catalog| catalog.regroup("ada", &["admins"]))
                .await;
            let ada: Ctx = world.app.ctx("ada").await;
            let all = NewRevocation {
                everything: true,
                reason: "Now".to_owned(),
                ..NewRevocation::default()
            };
            let id = revoke(&ada, all).await.unwrap().id;
            carry_on(&ada.app, id).await.unwrap();
        } else {
            world.end(grant).await;
        }
        let sql = format!("SELECT target FROM grants WHERE id = '{}'", grant.uuid());
        let row = world.app.pool().fetch_one(AssertSqlSafe(sql)).await;
        let target = TargetId::from_uuid(row.unwrap().get("target"));
        assert_eq!(first(&world.stage).await, target, "{by_revocation}");
    }
}

/// The first half of the room is not all there is; and where that is too little, what waits for AWS
/// gives room.
#[tokio::test]
async fn a5_an_account_that_does_not_answer_keeps_no_other_waiting() {
    for concurrency in [4, 2] {
        let mut member = Member::new().await;
        // Nobody comes back from there in time.
        member.stage.timeout = Duration::from_mins(10);
        let stage = &member.stage;
        let grant = stage.approve("dora", 60).await;
        due_longer(stage, OTHER, 20).await;
        stage.cloud.knobs().silent(OTHER, true);
        let endpoint = stage.cloud.endpoint();
        let settings = Settings {
            poll: Duration::from_secs(60),
            lease: Duration::from_mins(60),
            concurrency,
            open_attempts: 8,
            margins: stage.margins,
        };
        let worker = Worker::new(
            stage.rows.pool.clone(),
            stage.clock.clone(),
            Clouds::with(&endpoint, stage.key, "secret", stage.timeout).await,
            settings,
            Arc::default(),
        );
        let running = tokio::spawn(worker.run(std::future::pending()));
        wait::until_async(
            &format!("the other grant is open beside {concurrency}"),
            async || stage.state(grant).await == "active",
        )
        .await;
        running.abort();
    }
}
