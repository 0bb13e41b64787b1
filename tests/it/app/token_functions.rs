//! `serve` writes neither tokens nor machines: what it must it does by functions that check in SQL,
//! tried here wrongly, as its own role.

use chrono::TimeDelta;
use countersign::app::sign_in;
use countersign::domain::scope::Scopes;
use countersign::ids::MachineId;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::app::TestApp;
use crate::support::machines::{Machine, session, token};

struct World {
    company: TestApp,
    /// bob's.
    machine: MachineId,
}

/// A session's secret as SQL names it.
fn named(session: &str) -> String {
    format!("'\\x{}'::bytea", hex::encode(Sha256::digest(session)))
}

impl World {
    async fn new() -> Self {
        let company = TestApp::new().await;
        let machine = Machine::of("bob").made(&company).await;
        Self { company, machine }
    }

    async fn session(&self, name: &str) -> String {
        named(&session(&self.company, name).await.1)
    }

    /// Runs it as the application; the constraint that it breaks, or an empty text.
    async fn broken(&self, sql: &str) -> String {
        broken(self.company.pool(), sql).await
    }

    fn at(&self) -> String {
        format!("'{}'::timestamptz", self.company.clock.given().unwrap())
    }

    /// A call that makes a token.
    fn token(&self, session: &str, machine: Option<MachineId>, scopes: &str, hours: i64) -> String {
        let machine = machine.map_or("NULL".to_owned(), |it| format!("'{}'", it.uuid()));
        let at = self.at();
        format!(
            "SELECT token_created({session}, gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'csn_x', {machine}, 'x',
             '{{{scopes}}}', {at} + interval '{hours} hours', {at}, '{{admins}}')"
        )
    }
}

async fn broken(pool: &PgPool, sql: &str) -> String {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool);
    match done.await {
        Ok(_) => String::new(),
        Err(error) => {
            let error = error
                .into_database_error()
                .unwrap_or_else(|| panic!("{sql}"));
            let constraint = error.constraint().map(str::to_owned);
            constraint.unwrap_or_else(|| error.code().unwrap_or_default().into_owned())
        }
    }
}

#[tokio::test]
async fn a_token_is_made_by_a_session_that_works_and_for_its_own_person() {
    let world = World::new().await;
    let (bob, alice, ada) = (
        world.session("bob").await,
        world.session("alice").await,
        world.session("ada").await,
    );
    let (ctx, ended) = session(&world.company, "alice").await;
    sign_in::end(&world.company.app, &ctx.person, &ended)
        .await
        .unwrap();
    let (all, both) = ("request:read,admin", "request:create,request:read");
    let machine = Some(world.machine);
    for (sql, wanted) in [
        (world.token("'\\x00'", None, all, 1), "made_without_session"),
        (world.token("NULL", None, all, 1), "made_without_session"),
        (
            world.token(&named(&ended), None, all, 1),
            "made_without_session",
        ),
        (world.token(&alice, None, all, 1), ""),
        (world.token(&alice, None, "", 1), "api_tokens_scopes_check"),
        (
            world.token(&alice, None, "everything", 1),
            "api_tokens_scopes_check",
        ),
        (world.token(&alice, None, all, 2160), ""),
        (world.token(&alice, None, all, 2161), "token_life"),
        (world.token(&alice, None, all, 0), "api_tokens_check"),
        // A machine's, by its owner or an admin, and no more than it has.
        (world.token(&alice, machine, both, 1), "token_of_another"),
        (world.token(&bob, machine, both, 1), ""),
        (world.token(&ada, machine, both, 1), ""),
        (world.token(&bob, machine, all, 1), "token_of_another"),
        (
            world.token(&bob, Some(MachineId::new()), both, 1),
            "token_of_another",
        ),
    ] {
        assert_eq!(world.broken(&sql).await, wanted, "{sql}");
    }
    // It is the session's person for whom it speaks.
    let sql = "SELECT string_agg(DISTINCT p.name, ' ') FROM api_tokens t JOIN people p ON p.id = t.person";
    let whose: String = sqlx::query_scalar(sql)
        .fetch_one(world.company.pool())
        .await
        .unwrap();
    assert_eq!(whose, "Alice");
    world.company.later(TimeDelta::hours(12));
    let late = world.token(&alice, None, all, 1);
    assert_eq!(world.broken(&late).await, "made_without_session");
}

#[tokio::test]
async fn a_machine_is_made_by_an_admin_and_never_for_everything() {
    let world = World::new().await;
    let (ada, bob) = (world.session("ada").await, world.session("bob").await);
    let alice = world.company.ctx("alice").await.person.id.uuid();
    let make = |session: &str, scopes: &str, entitlements: &str, workload: &str| {
        format!(
            "SELECT machine_created({session}, gen_random_uuid(), 'm' || gen_random_uuid(), '{alice}', '{{{scopes}}}', {entitlements}, {workload}, {},
             '{{admins}}')",
            world.at()
        )
    };
    let (one, none) = ("'{prod-admin}'", "NULL, NULL, NULL");
    let sub = "'https://i', NULL, '{\"sub\": \"s\"}'";
    for (sql, wanted) in [
        (make(&ada, "request:create", one, none), ""),
        (make(&ada, "request:create", one, sub), ""),
        (
            make(&bob, "request:create", one, none),
            "machine_of_no_admin",
        ),
        (
            make("'\\x00'", "request:create", one, none),
            "made_without_session",
        ),
        (
            make(&ada, "request:decide", one, none),
            "machines_scopes_check",
        ),
        (make(&ada, "", one, none), "machines_scopes_check"),
        (
            make(&ada, "request:read", "'{}'", none),
            "machines_entitlements_check",
        ),
        (
            make(&ada, "request:read", "'{*}'", none),
            "machine_entitlement_unknown",
        ),
        (
            make(&ada, "request:read", "'{prod-admin,x}'", none),
            "machine_entitlement_unknown",
        ),
        (
            make(
                &ada,
                "request:read",
                one,
                "'http://i', NULL, '{\"sub\": \"s\"}'",
            ),
            "machines_issuer_check",
        ),
        (
            make(
                &ada,
                "request:read",
                one,
                "'https://i', NULL, '{\"aud\": \"s\"}'",
            ),
            "machines_claims_check",
        ),
        (
            make(
                &ada,
                "request:read",
                one,
                "'https://i', NULL, '{\"sub\": 1}'",
            ),
            "machines_claims_check",
        ),
        (
            make(
                &ada,
                "request:read",
                one,
                "'https://i', NULL, '{\"sub\": \"s\", \"x\": true}'",
            ),
            "machines_claims_check",
        ),
        (
            make(&ada, "request:read", one, "'https://i', NULL, NULL"),
            "machines_check1",
        ),
        (
            make(&ada, "request:read", one, "NULL, 'https://a', NULL"),
            "machines_check2",
        ),
    ] {
        assert_eq!(world.broken(&sql).await, wanted, "{sql}");
    }
    // No admins in the configuration: nobody.
    let sql = make(&ada, "request:read", one, none).replace("'{admins}'", "'{}'");
    assert_eq!(world.broken(&sql).await, "machine_of_no_admin");
    let sql = make(&ada, "request:read", one, none).replace("'{admins}'", "NULL");
    assert_eq!(world.broken(&sql).await, "machine_of_no_admin");
}

#[tokio::test]
async fn a_stranger_ends_nothing() {
    let world = World::new().await;
    let made = token(&world.company, "bob", world.machine, Scopes::OF_MACHINES).await;
    assert!(made.starts_with("csm_"));
    let (alice, bob) = (world.session("alice").await, world.session("bob").await);
    let (at, machine) = (world.at(), world.machine.uuid());
    let done = async |sql: String| {
        let done = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(world.company.pool());
        let done: bool = done.await.unwrap();
        done
    };
    let person = world.company.ctx("alice").await.person.id.uuid();
    let revoke = |who: &str| {
        format!("SELECT token_revoked({who}, (SELECT id FROM api_tokens), {at}, '{{admins}}')")
    };
    assert!(!done(revoke(&format!("'{person}'"))).await);
    assert!(!done(revoke("NULL")).await);
    let end =
        |session: &str| format!("SELECT machine_ended({session}, '{machine}', {at}, '{{admins}}')");
    assert!(!done(end(&alice)).await);
    let live = "SELECT count(*) FROM api_tokens t JOIN machines m ON m.id = t.machine WHERE t.revoked_at IS NULL AND m.ended_at IS NULL";
    let count = async || {
        let count = sqlx::query_scalar(live).fetch_one(world.company.pool());
        let count: i64 = count.await.unwrap();
        count
    };
    assert_eq!(count().await, 1);
    assert!(done(end(&bob)).await);
    assert_eq!(count().await, 0);
    let revoked = "SELECT bool_and(revoked_at IS NOT NULL) FROM api_tokens";
    let revoked = sqlx::query_scalar(revoked).fetch_one(world.company.pool());
    let revoked: bool = revoked.await.unwrap();
    assert!(revoked, "its tokens are listed as over");
    assert!(!done(end(&bob)).await, "it has ended already");
    let over = world.token(&bob, Some(world.machine), "request:read", 1);
    assert_eq!(world.broken(&over).await, "token_of_another");
}

#[tokio::test]
async fn nobody_else_may_call_them_and_serve_writes_nothing_by_itself() {
    let world = World::new().await;
    let bob = world.session("bob").await;
    let catalog = world.company.db.catalog().await;
    for name in [
        "token_created",
        "token_revoked",
        "machine_created",
        "machine_ended",
    ] {
        let sql = format!(
            "SELECT has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p WHERE p.proname = '{name}'"
        );
        let may = async |pool: &PgPool| {
            let may = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(pool);
            let may: bool = may.await.unwrap();
            may
        };
        assert!(
            may(world.company.pool()).await && !may(&catalog).await,
            "{name}"
        );
        let sql = format!(
            "SELECT p.prosecdef AND p.proconfig[1] LIKE 'search_path=pg_catalog, %' FROM pg_proc p WHERE p.proname = '{name}'"
        );
        let safe: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&catalog)
            .await
            .unwrap();
        assert!(safe, "{name}");
    }
    let sql = world.token(&bob, None, "request:read", 1);
    assert_eq!(broken(&catalog, &sql).await, "42501");
    for write in [
        "INSERT INTO machines SELECT * FROM machines",
        "UPDATE machines SET owner = owner",
        "DELETE FROM machines",
        "UPDATE api_tokens SET scopes = '{admin}'",
        "UPDATE api_tokens SET machine = NULL",
        "DELETE FROM api_tokens",
    ] {
        assert_eq!(world.broken(write).await, "42501", "{write}");
    }
}

/// Who asked is told by the row, and the row by the machine.
#[tokio::test]
async fn a_request_by_a_machine_is_what_the_machine_may_ask_for_and_its_owners() {
    let world = World::new().await;
    let company = &world.company;
    company.ask("prod-admin").await;
    company.ask("prod-root").await;
    let owner = async |name: &str| company.ctx(name).await.person.id.uuid();
    let (bob, carol) = (owner("bob").await, owner("carol").await);
    let machine = world.machine.uuid();
    let insert = |entitlement: &str, machine: &str, owner: &str| {
        format!(
            "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'requested_by', {machine}, \
             'machine_owner', {owner}))).* FROM requests r WHERE terms->>'name' = '{entitlement}' LIMIT 1"
        )
    };
    let (machine, bob, carol) = (
        format!("'{machine}'"),
        format!("'{bob}'"),
        format!("'{carol}'"),
    );
    let nobodys = format!("'{}'", MachineId::new().uuid());
    for (entitlement, machine, owner, wanted) in [
        ("prod-admin", &machine, &bob, ""),
        ("prod-admin", &machine, &carol, "asked_by_machine"),
        ("prod-root", &machine, &bob, "asked_by_machine"),
        ("prod-admin", &nobodys, &bob, "asked_by_machine"),
        (
            "prod-admin",
            &machine,
            &"NULL".to_owned(),
            "asked_by_machine",
        ),
        ("prod-admin", &"NULL".to_owned(), &bob, "requests_check2"),
    ] {
        let sql = insert(entitlement, machine, owner);
        assert_eq!(world.broken(&sql).await, wanted, "{sql}");
    }
    for write in [
        "UPDATE requests SET requested_by = NULL, machine_owner = NULL WHERE requested_by IS NOT NULL",
        "UPDATE requests SET machine_owner = person WHERE requested_by IS NOT NULL",
    ] {
        assert_eq!(world.broken(write).await, "42501", "{write}");
    }
    company
        .as_owner("UPDATE machines SET ended_at = created_at")
        .await;
    let sql = insert("prod-admin", &machine, &bob);
    assert_eq!(world.broken(&sql).await, "asked_by_machine");
}
