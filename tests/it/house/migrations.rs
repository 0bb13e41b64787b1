//! An older program on a newer schema, and a migration that broke off.

use countersign::db::migrate::{Migrated, migrate};
use countersign::db::pool::{ConnectError, connect};

use crate::support::{TestDb, timeouts};

const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)";

#[tokio::test]
async fn going_back_to_an_older_program_stops_nothing() {
    let db = TestDb::new().await;
    assert_eq!(migrate(&db.owner_url).await.unwrap(), Migrated::UpToDate);
    db.as_owner(NEWER).await;
    // What a newer program has granted is left as it is.
    db.as_owner("REVOKE INSERT ON requests FROM countersign_app")
        .await;
    assert_eq!(migrate(&db.owner_url).await.unwrap(), Migrated::Newer(9999));
    let may = sqlx::query_scalar!(
        r#"SELECT has_table_privilege('countersign_app', 'requests', 'INSERT') AS "it!""#
    );
    assert!(!may.fetch_one(&db.pool).await.unwrap());
    connect(&db.app_url, 1, timeouts()).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_that_lacks_something_of_ours_is_refused() {
    for broken in [
        "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
        "UPDATE _sqlx_migrations SET success = false WHERE version = 2",
    ] {
        let db = TestDb::new().await;
        db.as_owner(NEWER).await;
        db.as_owner(broken).await;
        let migrated = migrate(&db.owner_url).await;
        assert!(migrated.is_err(), "{broken}: {migrated:?}");
    }
}

#[tokio::test]
async fn serve_does_not_start_on_a_migration_that_broke_off() {
    let db = TestDb::new().await;
    db.as_owner("UPDATE _sqlx_migrations SET success = false WHERE version = 3")
        .await;
    let error = connect(&db.app_url, 1, timeouts()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unfinished(3)), "{error}");
    let told = error.to_string();
    for word in ["DELETE FROM _sqlx_migrations", "countersign migrate"] {
        assert!(told.contains(word), "{told}");
    }
}
