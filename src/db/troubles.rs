//! What somebody who runs Countersign has to look after, beside single grants.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::entries;

/// How many roles are named.
const MOST: i64 = 20;

/// What needs looking after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Since when every manager role refuses Countersign's own identity.
    pub hub_refused: Option<DateTime<Utc>>,
    /// Closed roles whose guards AWS does not take: whoever they let in comes in.
    pub unguarded: Vec<Unguarded>,
}

/// A closed role without its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unguarded {
    /// Its ARN.
    pub arn: String,
    /// Kind of the last failure: a code.
    pub error: String,
    /// Failures in a row.
    pub attempts: i32,
    /// When it was put on record last.
    pub since: DateTime<Utc>,
}

/// Reads it.
///
/// # Errors
/// When the database does not answer.
pub async fn read(conn: &mut PgConnection) -> sqlx::Result<Troubles> {
    let rows = sqlx::query_as!(
        Unguarded,
        r#"SELECT arn, last_error AS "error!", attempts, last_error_at AS "since!" FROM targets
           WHERE closed AND guard_equal_at IS NULL AND attempts > 0 AND last_error IS NOT NULL
               AND last_error_at IS NOT NULL
           ORDER BY arn LIMIT $1"#,
        MOST
    );
    Ok(Troubles {
        unguarded: rows.fetch_all(&mut *conn).await?,
        hub_refused: entries::refused_since(conn).await?,
    })
}
