//! What R3 is divided by: as many grants, ended with the least that there is to do.

use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::aws;
use crate::seeded::{Seeded, next_second, seed};
use crate::world::World;
use crate::{Outcome, Plan};

/// As many tasks as the worker has by default.
const TASKS: usize = 8;

/// Ends as many grants with the least that there is to do, and tells how long it took: the rows
/// with an audit row each, in batches of about a hundred; or, with `calls`, role by role with the
/// trust policy read, written and read back between two transactions.
pub async fn drain(plan: &Plan, world: &World, calls: bool) -> Outcome<f64> {
    let db = &world.main;
    let now = next_second(&db.admin).await?;
    let seeded = Seeded {
        kind: "drain",
        grants: plan.grants,
        roles: plan.roles,
        starts_at: now - TimeDelta::hours(1),
        deadline: now,
        bare: true,
    };
    seed(db, &seeded).await?;
    let targets: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT id, split_part(arn, '/', 2) FROM targets WHERE arn LIKE '%:role/drain-%' ORDER BY arn")
            .fetch_all(&db.admin)
            .await?;
    let at_once = if calls {
        1
    } else {
        (100 * plan.roles).div_ceil(plan.grants)
    };
    let (room, client) = (
        Arc::new(Semaphore::new(TASKS)),
        aws::client(&world.sandbox.url),
    );
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for batch in targets.chunks(at_once) {
        let (batch, room, client) = (batch.to_vec(), Arc::clone(&room), client.clone());
        let pool = db.admin.clone();
        tasks.spawn(async move {
            let _turn = room.acquire().await?;
            if !calls {
                return step(&pool, &batch, ENDED, "grant.ended").await;
            }
            step(&pool, &batch, CLOSING, "grant.closing").await?;
            for (_, name) in &batch {
                let text = aws::trust(&client, name).await?.to_string();
                let write = client.update_assume_role_policy().role_name(name);
                write.policy_document(text).send().await?;
                aws::trust(&client, name).await?;
            }
            step(&pool, &batch, CLOSED, "grant.ended").await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn step(
    pool: &PgPool,
    batch: &[(Uuid, String)],
    sql: &'static str,
    action: &'static str,
) -> Outcome<()> {
    let targets: Vec<Uuid> = batch.iter().map(|(id, _)| *id).collect();
    let mut tx = pool.begin().await?;
    let done = sqlx::query(sql).bind(targets).bind(action);
    let rows = done.execute(&mut *tx).await?.rows_affected();
    if rows == 0 {
        return Err("the bare drain found nothing to end".into());
    }
    Ok(tx.commit().await?)
}

macro_rules! ends {
    ($from:literal, $set:literal, $closed:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM grants WHERE target = ANY($1) AND state = '", $from, "' ORDER BY id FOR UPDATE SKIP LOCKED),
                  part AS (UPDATE parts p SET state = 'closed', closed_at = now() FROM due WHERE p.\"grant\" = due.id AND ", $closed, "),
                  name AS (UPDATE names n SET guard_until = now(), guard_gone_at = now() FROM due WHERE n.\"grant\" = due.id AND ", $closed, "),
                  done AS (UPDATE grants g SET ", $set, " FROM due WHERE g.id = due.id RETURNING g.grant_name, g.person, g.request)
             INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, details, concerns)
             SELECT gen_random_uuid(), now(), $2, 'system', 'bench', 'bench', grant_name, 'system', 'success', jsonb_build_object('request', request), person
             FROM done"
        )
    };
}

const ENDED: &str = ends!(
    "active",
    "state = 'ended', closing_at = now(), cause = 'deadline', ended_at = now()",
    "true"
);
const CLOSING: &str = ends!(
    "active",
    "state = 'closing', closing_at = now(), cause = 'deadline'",
    "false"
);
const CLOSED: &str = ends!("closing", "state = 'ended', ended_at = now()", "true");
