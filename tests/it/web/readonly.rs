//! The portal on a database that takes no writes for now.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::app::TestApp;
use crate::support::cluster;

#[tokio::test]
async fn pages_go_on_and_what_is_sent_is_told_to_come_again() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let alice = portal.browser("alice").await;
    let request = company.ask("prod-admin").await.id;
    // Long enough for the session's last use to be due.
    company.later(TimeDelta::minutes(5));
    let name = &company.db.name;
    let sql = format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    let mut admin = PgConnection::connect(&cluster().url("postgres", "postgres"))
        .await
        .unwrap();
    admin
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
    for path in ["/", "/requests", &format!("/requests/{request}")] {
        let page = alice.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
    }
    let path = format!("/requests/{request}/withdraw");
    let busy = alice.post(&path, &[]).await;
    assert_eq!(
        busy.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        busy.body
    );
    assert_eq!(busy.header(RETRY_AFTER), "2");
    assert!(busy.body.contains("Countersign is busy"), "{}", busy.body);
}
