//! What the schema says of itself.

use crate::support::app::TestApp;

#[tokio::test]
async fn each_table_and_each_column_says_what_it_is_for() {
    let company = TestApp::new().await;
    let silent = "
        SELECT c.relname || coalesce('.' || a.attname, '')
        FROM pg_class c
        JOIN (SELECT attrelid, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
              UNION ALL SELECT oid, 0, NULL FROM pg_class) a ON a.attrelid = c.oid
        LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = a.attnum
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> '_sqlx_migrations'";
    let all: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT count(*) FROM ({silent}) it"
    )))
    .fetch_one(company.pool())
    .await
    .unwrap();
    assert!(all > 100, "{all} tables and columns");
    let silent = format!("{silent} AND coalesce(trim(d.description), '') = '' ORDER BY 1");
    let silent: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(silent))
        .fetch_all(company.pool())
        .await
        .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}
