//! The batches of a revocation, beside a worker, a death and what else is due.

use countersign::app::revoke::{NewRevocation, carry_on, carry_on_all, revoke};
use countersign::db::targets;
use countersign::ids::RevocationId;
use sqlx::Executor as _;

use super::minutes;
use super::revocations::{admins, everything, hold_alone, named};
use super::shares::due_longer;
use crate::support::catalog::{Catalog, Entitlement, role_arn};
use crate::support::elevation::Elevation;
use crate::support::stage::FOREIGN;
use crate::support::wait;

/// R2: the worker has locked the grant, has seen no hold, and stores its intent to open. The scan
/// waits for it, and ends what it finds then.
#[tokio::test]
async fn r2_the_scan_waits_for_an_intent_that_is_being_stored_and_ends_it() {
    let mut world = Elevation::switching().await;
    let (ada, _) = admins(&world.app).await;
    let before = world.open(5).await;
    world.end(before).await;
    world.stage.work().await;
    let grant = world.approved(60).await;
    world.stage.cloud.take_writes();
    // Where the worker has nothing to ask any more, and everything to store.
    let mut holder = world.stage.rows.owner.begin().await.unwrap();
    let stored = "SELECT FROM documents WHERE key = 'guard' FOR UPDATE";
    holder.execute(stored).await.unwrap();
    // On connections that wait for a lock as long as it takes; whoever gives up comes again.
    world.stage.rows.pool = world.stage.rows.owner.clone();
    let worker = world.stage.worker().await;
    let working = tokio::spawn(async move { worker.run_until_idle().await });
    world.stage.waits_for_locks(1).await;
    let id = hold_alone(&world.app, &ada).await;
    let (app, begun) = (ada.app.clone(), id.parse().unwrap());
    let scan = tokio::spawn(async move {
        // Ten times the second and a half that a statement waits for a lock.
        for _ in 0..10 {
            if carry_on(&app, begun).await.is_ok() {
                return;
            }
        }
        panic!("the scan never came through");
    });
    world.stage.waits_for_locks(2).await;
    holder.rollback().await.unwrap();
    scan.await.unwrap();
    working.await.unwrap().unwrap();
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
    assert_eq!(named(&world, grant, "grant.closing").await, [id]);
    let told = world.stage.rows.told(grant).await;
    let at = |action| told.iter().position(|it| it == action);
    assert!(at("grant.opening") < at("grant.closing"), "{told:?}");
    assert!(at("grant.opened").is_none(), "{told:?}");
    let writes = world.stage.cloud.take_writes();
    assert!(!writes.iter().any(|it| it == "PutUserPolicy"), "{writes:?}");
}

/// What is approved for tomorrow, so many times more.
async fn copy(world: &Elevation, copies: usize) {
    let changed = |table: &str, of: &str, changes: &str| {
        format!(
            "ALTER TABLE {table} DISABLE TRIGGER USER;
             INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object({changes}))).*
             FROM {table} t, generate_series(1, {copies}) n {of};
             ALTER TABLE {table} ENABLE TRIGGER USER;"
        )
    };
    let id = |kind: &str| format!("'018f0000-0000-7000-{kind}-' || lpad(to_hex(n), 12, '0')");
    let name = "'grant_0' || lpad(n::text, 25, '0')";
    let (request, grant, part) = (id("8001"), id("8002"), id("8003"));
    let sql = [
        changed("requests", "", &format!("'id', {request}")),
        changed(
            "grants",
            "",
            &format!("'id', {grant}, 'request', {request}, 'grant_name', {name}"),
        ),
        changed("parts", "", &format!("'id', {part}, 'grant', {grant}")),
        changed("names", "", &format!("'grant', {grant}, 'name', {name}")),
    ];
    world.stage.rows.run(sql.concat()).await;
}

/// R4: the process dies between two of its batches. What it has ended is ended; the next sweep ends
/// the rest, each once.
#[tokio::test]
async fn r4_what_is_left_after_three_batches_the_next_sweep_ends() {
    let world = Elevation::attaching().await;
    let (ada, _) = admins(&world.app).await;
    world.approved_at(24 * 60, 60).await;
    copy(&world, 650).await;
    let id: RevocationId = hold_alone(&world.app, &ada).await.parse().unwrap();
    // In the fourth batch of two hundred.
    let mut holder = world.stage.rows.owner.begin().await.unwrap();
    let row = "SELECT FROM grants WHERE grant_name LIKE 'grant_0%620' FOR UPDATE";
    holder.execute(row).await.unwrap();
    let app = ada.app.clone();
    let scan = tokio::spawn(async move { carry_on(&app, id).await });
    let ended = "grants WHERE state = 'ended'";
    let is_there = async || world.app.count(ended).await == 600;
    wait::until_async("three batches are through", is_there).await;
    scan.abort();
    drop(scan.await);
    holder.rollback().await.unwrap();
    assert_eq!(world.app.count(ended).await, 600);
    carry_on_all(&world.app.app).await.unwrap();
    assert_eq!(world.app.count(ended).await, 651);
    let told =
        format!("audit_events WHERE action = 'grant.ended' AND details->>'revocation_id' = '{id}'");
    assert_eq!(world.app.count(&told).await, 651, "each once");
    let through = "audit_events WHERE action = 'revocation.through'";
    assert_eq!(world.app.count(through).await, 1);
}

/// R5: everything of hers ends at once, where openings have been due for longer. Of what openings
/// may take as well, they get nothing until the closings are drained.
#[tokio::test]
async fn r5_closings_take_the_share_of_the_openings_until_they_are_drained() {
    let world = Elevation::trusting().await;
    let (ada, _) = admins(&world.app).await;
    let names: Vec<String> = (0..6).map(|nth| format!("many-{nth}")).collect();
    let change = |catalog: &mut Catalog| {
        for name in &names {
            catalog.entitlements.push(Entitlement {
                name: name.clone(),
                role_arn: role_arn(name),
                ..catalog.entitlements[0].clone()
            });
        }
    };
    world.app.change(change).await;
    let knobs = world.stage.cloud.knobs();
    for name in &names {
        knobs.create_role(&role_arn(name), FOREIGN).unwrap();
        world.approved_for(name, 60).await;
    }
    world.stage.work().await;
    due_longer(&world.stage, "111122223333", 6).await;
    world.stage.advance(minutes(1));
    let hers = NewRevocation {
        person: Some(world.alice.person.id.to_string()),
        everything: false,
        ..everything()
    };
    let id = revoke(&ada, hers).await.unwrap().id;
    carry_on(&ada.app, id).await.unwrap();
    let mut conn = world.app.pool().acquire().await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..4 {
        let now = Some(world.stage.now());
        let claim = targets::claim(&mut conn, now, minutes(1), 3, false, &[]);
        let mut arns: Vec<String> = claim
            .await
            .unwrap()
            .taken
            .into_iter()
            .map(|it| it.arn)
            .collect();
        arns.sort();
        taken.push(arns);
    }
    let closing = |arns: &[Vec<String>]| {
        let arns = arns.iter().flatten();
        arns.filter(|arn| arn.contains("many-")).count()
    };
    assert_eq!(taken[..2].concat().len(), 6, "{taken:?}");
    assert_eq!(closing(&taken[..2]), 6, "{taken:?}");
    assert_eq!(closing(&taken[2..]), 0, "{taken:?}");
}
