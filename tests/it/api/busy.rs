//! A database that is busy, read-only or full: what can be read is read, and the rest is told to
//! come again.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::api::{Answer, Api, ask};
use crate::support::app::TestApp;
use crate::support::{cluster, wait};

/// Holds a lock as long as it lives.
async fn locked(service: &Api, lock: &str) -> PgConnection {
    let mut owner = PgConnection::connect(&service.db.owner_url).await.unwrap();
    let sql = AssertSqlSafe(format!("BEGIN; LOCK TABLE {lock}"));
    owner.execute(sqlx::raw_sql(sql)).await.unwrap();
    owner
}

async fn get(service: &Api, token: &str, path: &str) -> Answer {
    // Far more than anything takes, so that what hangs is told.
    let answer = service.call(token, "GET", path, &Value::Null);
    let answer = tokio::time::timeout(Duration::from_secs(60), answer).await;
    answer.unwrap_or_else(|_| panic!("{path} hangs"))
}

fn assert_busy(told: &Answer) {
    assert_eq!(
        (
            told.status.as_u16(),
            told.code(),
            told.header("retry-after")
        ),
        (503, "busy", "2"),
        "{}",
        told.body
    );
}

async fn admin() -> PgConnection {
    let url = cluster().url("postgres", "postgres");
    PgConnection::connect(&url).await.unwrap()
}

/// Every new transaction of the database is read-only from now on, as on a standby.
async fn make_read_only(service: &Api) {
    let name = &service.db.name;
    let mut admin = admin().await;
    let sql = format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    admin
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_locked_table_does_not_take_along_what_does_not_need_it() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let lock = locked(&service, "requests IN ACCESS EXCLUSIVE MODE").await;
    let waiting = async {
        let all = (0..24).map(|_| get(&service, &alice, "/requests"));
        futures_util::future::join_all(all).await
    };
    let beside = async {
        wait::until_async("every connection waits for the lock", async || {
            let waiting = sqlx::query_scalar!(
                r#"SELECT count(*) AS "n!" FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"#,
                service.db.name
            );
            // As somebody who sees what others wait for.
            waiting.fetch_one(&mut admin().await).await.unwrap() >= 8
        })
        .await;
        get(&service, &alice, "/people/me").await
    };
    let (busy, me) = tokio::join!(waiting, beside);
    assert_eq!(me.status.as_u16(), 200, "{}", me.body);
    busy.iter().for_each(assert_busy);
    lock.close().await.unwrap();
    let after = get(&service, &alice, "/requests").await;
    assert_eq!(after.status.as_u16(), 200, "{}", after.body);
}

#[tokio::test]
async fn a_last_use_that_cannot_be_written_keeps_no_call_waiting() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let lock = locked(&service, "api_tokens IN SHARE MODE").await;
    for path in ["/people/me", "/requests", "/entitlements"] {
        let answer = get(&service, &alice, path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.body);
    }
    drop(lock);
}

#[tokio::test]
async fn a_last_use_is_written_beside_the_call() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    get(&service, &alice, "/people/me").await;
    wait::until_async("the use is on record", async || {
        let used = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM api_tokens WHERE last_used_at = $1"#,
            service.start
        );
        used.fetch_one(service.pool()).await.unwrap() == 1
    })
    .await;
}

#[tokio::test]
async fn a_read_only_database_is_read_and_busy_for_the_rest() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let request = service.ask("prod-admin").await.id;
    make_read_only(&service).await;
    let path = format!("/requests/{request}");
    for path in ["/people/me", "/requests", "/entitlements", "/grants", &path] {
        let answer = get(&service, &alice, path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.body);
    }
    let told = service.call(&alice, "POST", "/requests", &ask()).await;
    assert_busy(&told);
}

#[tokio::test]
async fn what_the_database_has_no_room_or_time_for_is_busy() {
    for state in ["53100", "53200", "57014", "55P03", "08006"] {
        let service = TestApp::new().await.api().await;
        let alice = service.token("alice").await;
        let full = format!(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{state}'; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION full_disk()"
        );
        service.as_owner(&full).await;
        let told = service.call(&alice, "POST", "/requests", &ask()).await;
        assert_busy(&told);
        assert_eq!(service.count("requests").await, 0, "{state}");
    }
}
