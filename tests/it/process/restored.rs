//! `countersign serve --restored`: a database that went back in time opens nothing by itself.

use chrono::{SecondsFormat, TimeDelta};
use countersign::ids::GrantId;
use countersign::policy::inline::{ENDED, name};
use serde_json::{Value, json};
use sqlx::{Executor as _, Row as _};

use super::Server;
use crate::sandbox::{self, ACCOUNT, ALICE, ROLE};
use crate::support::catalog::{Entitlement, allowing, role_arn, user_arn};
use crate::support::wait;
use crate::support::world::{TRUST, World, as_in_the_examples};

/// A role to be let into, and something to be allowed on one's own user.
pub async fn world() -> World {
    let mut catalog = as_in_the_examples();
    let attached = Entitlement::attaching("see-users", &allowing("iam:ListUsers"));
    catalog.entitlements.push(attached);
    World::of(sandbox::start(TRUST).await, &catalog).await
}

pub async fn back_up(world: &World) {
    let tables = ["grants", "targets", "parts", "names", "documents"];
    let copies = tables.map(|it| format!("CREATE TABLE {it}_then AS TABLE {it};"));
    world.db.as_owner(&copies.concat()).await;
}

/// What people asked for and decided stays, so that the tests can still read it.
pub async fn restore(world: &World) {
    let columns = "revision, condition, due_at, lease_token, lease_expires_at, attempts, last_error, last_error_at,
         guard_restores, missing_since, safe_since, kept, guard_equal_at, unpinned";
    let held = ["grants", "parts", "names"];
    let triggers = |on: &str| held.map(|it| format!("ALTER TABLE {it} {on} TRIGGER USER;"));
    let off = triggers("DISABLE").concat();
    let on = triggers("ENABLE").concat();
    let sql = format!(
        "{off} DELETE FROM names; DELETE FROM parts; DELETE FROM documents; DELETE FROM grants;
         INSERT INTO grants SELECT * FROM grants_then; INSERT INTO parts SELECT * FROM parts_then;
         INSERT INTO names SELECT * FROM names_then; INSERT INTO documents SELECT * FROM documents_then;
         UPDATE targets t SET ({columns}) = (SELECT {columns} FROM targets_then o WHERE o.id = t.id); {on}"
    );
    world.db.as_owner(&sql).await;
}

/// The inline policy of a grant on alice's user.
pub async fn policy(world: &World, grant: &str) -> Option<String> {
    let name = policy_name(world, grant).await;
    world.sandbox.knobs().user_policy(ALICE, &name)
}

pub async fn policy_name(world: &World, grant: &str) -> String {
    let sql = sqlx::raw_sql("SELECT id FROM installation");
    let row = world.db.pool.fetch_one(sql).await.expect("a row");
    let installation: String = row.get(0);
    let grant: GrantId = grant.parse().expect("a grant's id");
    name(&installation, grant)
}

pub async fn approved(world: &World, serve: &Server, entitlement: &str) -> String {
    let request = world.submit_for(serve, entitlement, "PT1H").await;
    world.approve(serve, &request).await
}

async fn state(world: &World, serve: &Server, grant: &str) -> Value {
    let grant = serve.get(&world.alice, &format!("/grants/{grant}")).await;
    grant["state"].clone()
}

fn resume(world: &World, arguments: &[&str]) -> String {
    let mut all = vec!["target", "resume"];
    all.extend(arguments);
    let output = world.command(&all).output().expect("it runs");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_opens_nothing_until_a_person_says_so_and_closes_what_there_is() {
    let world = world().await;
    let serve = world.serve();
    let role = approved(&world, &serve, "prod-admin").await;
    let revoked = approved(&world, &serve, "see-users").await;
    for grant in [&role, &revoked] {
        serve.reaches(&world.alice, grant, "active").await;
    }
    // Its end, before anything was sent, leaves no trace in AWS.
    world.sandbox.knobs().silent(ACCOUNT, true);
    let traceless = approved(&world, &serve, "see-users").await;
    serve.reaches(&world.alice, &traceless, "opening").await;
    back_up(&world).await;
    world.end(&serve, &traceless).await;
    world.sandbox.knobs().silent(ACCOUNT, false);
    world.end(&serve, &revoked).await;
    for grant in [&traceless, &revoked] {
        wait::until_async("it is over", async || {
            let state = state(&world, &serve, grant).await;
            state == "ended" || state == "failed"
        })
        .await;
    }
    let forgotten = approved(&world, &serve, "see-users").await;
    serve.reaches(&world.alice, &forgotten, "active").await;
    serve.kill();
    restore(&world).await;

    let serve = Server::start(world.command(&["serve", "--restored"]));
    wait::until_async("the policy of no grant is gone", async || {
        policy(&world, &forgotten).await.is_none()
    })
    .await;
    let over = serve.reaches(&world.alice, &revoked, "ended").await;
    assert_eq!(over["cause"], "reverted_by_owner", "{over}");
    assert_eq!(policy(&world, &revoked).await.as_deref(), Some(ENDED));
    let held = serve
        .get(&world.alice, &format!("/grants/{traceless}"))
        .await;
    let told = (&held["state"], &held["delayed_by"]);
    assert_eq!(told, (&json!("opening"), &json!("safe_mode")), "{held}");
    assert_eq!(policy(&world, &traceless).await, None);
    assert_eq!(state(&world, &serve, &role).await, "active");
    world
        .assume("alice", &role)
        .await
        .expect("it was open all the time");

    // Each role and user has its event, and nobody may ask for more.
    let events = serve
        .get(&world.otto, "/audit-events?action=target.changed")
        .await;
    let events = events["items"].as_array().expect("a list");
    let by_hand = events.iter().filter(|it| it["actor"]["kind"] == "machine");
    assert_eq!(by_hand.count(), 3, "two roles and a user: {events:?}");
    for entitlement in ["prod-admin", "see-users"] {
        let ask = json!({"entitlement": entitlement, "duration": "PT1H", "justification": "more"});
        let (status, answer) = serve.post(&world.alice, "/requests", &ask).await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("role_suspended")),
            "{entitlement}"
        );
    }

    // A closing waits for nobody.
    world.end(&serve, &role).await;
    serve.reaches(&world.alice, &role, "ended").await;
    assert_eq!(world.trust(), TRUST);
    world.assert_refused("alice", &role).await;

    assert!(resume(&world, &[ALICE]).contains("was safe_mode"));
    serve.reaches(&world.alice, &traceless, "active").await;
    assert!(policy(&world, &traceless).await.is_some());
    // A grant begins at a whole second; with P = 0 that of the restore may not be over.
    wait::until_async("what begins now begins after the restore", async || {
        let sql = "SELECT date_trunc('second', clock_timestamp()) > max(safe_since) FROM targets";
        let row = world.db.pool.fetch_one(sqlx::raw_sql(sql)).await;
        row.expect("a row").get(0)
    })
    .await;
    assert!(resume(&world, &[ROLE]).contains("was safe_mode"));
    let again = approved(&world, &serve, "prod-admin").await;
    serve.reaches(&world.alice, &again, "active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_taken_back_at_once_but_for_what_a_person_has_to_judge() {
    let world = world().await;
    let serve = world.serve();
    let grant = approved(&world, &serve, "see-users").await;
    serve.reaches(&world.alice, &grant, "active").await;
    let starts_at = world.sandbox.knobs().now() + TimeDelta::minutes(30);
    let ask = json!({"entitlement": "prod-admin", "duration": "PT1H", "justification": "later",
        "starts_at": starts_at.to_rfc3339_opts(SecondsFormat::Secs, true)});
    let (status, request) = serve.post(&world.alice, "/requests", &ask).await;
    assert_eq!(status, 201, "{request}");
    let request = request["id"].as_str().expect("an id");
    let scheduled = world.approve(&serve, request).await;
    back_up(&world).await;
    let forgotten = approved(&world, &serve, "see-users").await;
    serve.reaches(&world.alice, &forgotten, "active").await;
    serve.kill();
    restore(&world).await;
    // bob is in nobody's catalog.
    let (bob, orphan) = (
        user_arn("bob"),
        policy_name(&world, &GrantId::new().to_string()).await,
    );
    let put = world
        .sandbox
        .knobs()
        .put_user_policy(&bob, &orphan, Some(ENDED));
    put.expect("a policy");

    let serve = Server::start(world.command(&["serve", "--restored"]));
    wait::until_async("both alarms are on record", async || {
        let events = serve
            .get(&world.otto, "/audit-events?action=target.alarm")
            .await;
        let of = |alarm: &str| {
            let all = events["items"].as_array().expect("a list");
            all.iter()
                .filter(|it| it["details"]["alarm"] == alarm)
                .count()
        };
        of("orphan") == 1 && of("unaccounted") == 1
    })
    .await;
    assert!(
        world.sandbox.knobs().user_policy(&bob, &orphan).is_some(),
        "a person's to remove"
    );
    let told = resume(&world, &["--all"]);
    let other = role_arn("prod-root");
    assert!(told.contains(&format!("{other} was safe_mode")), "{told}");
    assert!(
        told.contains(&format!("{ROLE} stays in safe_mode: grants would open")),
        "{told}"
    );
    assert!(
        told.contains(&format!("{ALICE} stays in safe_mode: something was found")),
        "{told}"
    );
    let looked = world.command(&["reconcile", "--dry-run"]).output();
    let looked = String::from_utf8(looked.expect("it runs").stdout).expect("UTF-8");
    let waits = format!("note     waits: {scheduled} opens once");
    let mend = format!("mend: countersign target resume {ROLE}");
    assert!(
        looked.contains(&waits) && looked.contains(&mend),
        "{looked}"
    );
    for arn in [ALICE, ROLE] {
        assert!(resume(&world, &[arn]).contains("was safe_mode"));
    }
    assert_eq!(resume(&world, &["--all"]), "", "nothing is left to resume");
}

/// Nobody has said that the database was restored.
#[tokio::test(flavor = "multi_thread")]
async fn one_rewind_that_is_seen_has_everything_looked_at_at_once() {
    let world = world().await;
    let serve = world.serve();
    let role = approved(&world, &serve, "prod-admin").await;
    let attached = approved(&world, &serve, "see-users").await;
    for grant in [&role, &attached] {
        serve.reaches(&world.alice, grant, "active").await;
    }
    serve.kill();
    let name = policy_name(&world, &attached).await;
    let knobs = world.sandbox.knobs();
    let put = knobs.put_user_policy(ALICE, &name, Some(ENDED));
    put.expect("a policy");
    knobs.put_trust(ROLE, TRUST).expect("good");
    let later = "UPDATE targets SET lease_token = NULL, lease_expires_at = NULL,
        due_at = clock_timestamp() + CASE WHEN kind = 'role' THEN interval '1 hour' ELSE interval '0' END";
    let done = world.db.pool.execute(sqlx::raw_sql(later)).await;
    done.expect("good SQL");

    let serve = world.serve();
    serve.reaches(&world.alice, &attached, "ended").await;
    wait::until("her statement is there again", || {
        world.our_statements() == 1
    });
    let path = format!("/audit-events?subject={role}&action=grant.restored");
    wait::until_async("it is on record", async || {
        let events = serve.get(&world.otto, &path).await;
        events["items"].as_array().expect("a list").len() == 1
    })
    .await;
}
