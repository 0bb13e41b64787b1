//! What keeps grants waiting for AWS.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::audit::ActionName;
use crate::ids::GrantId;

/// AWS does not let a grant open or close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// Kind of the last failure: a code, never a secret. Or the condition of a role or user, on
    /// which nothing opens until a person has looked.
    pub error: String,
    /// Failures in a row; 0 where a person is waited for.
    pub attempts: i32,
    /// When the first failure was put on record.
    pub since: DateTime<Utc>,
}

/// What keeps these grants waiting; those that are neither on their way nor, when they are over,
/// there again, or whose targets had no failure, have no entry. A failure that began before the end
/// was asked for is not put on record once more for the end: then the time of the target's own
/// record holds. `now` is the database's own time where it is not given.
///
/// # Errors
/// When the database does not answer.
pub async fn of_grants(
    conn: &mut PgConnection,
    grants: &[uuid::Uuid],
    now: Option<DateTime<Utc>>,
) -> sqlx::Result<HashMap<GrantId, Delay>> {
    // A delay is told again every hour; the first of its events says since when.
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (g.id) g.id AS "id: GrantId",
                  CASE WHEN held THEN t.condition ELSE t.last_error END AS "error!",
                  CASE WHEN held THEN 0 ELSE t.attempts END AS "attempts!",
                  CASE WHEN held THEN greatest(t.safe_since, g.opening_at)
                       ELSE coalesce((SELECT min(e.at) FROM audit_events e
                                      WHERE e.subject = g.grant_name AND e.action = $2
                                          AND e.at >= coalesce(g.ended_at, g.closing_at, g.opening_at)),
                                     t.last_error_at) END AS "since!"
           FROM grants g JOIN parts p ON p."grant" = g.id JOIN targets t ON t.id = p.target
               CROSS JOIN LATERAL (SELECT g.state = 'opening' AND t.condition IN ('safe_mode', 'contested')) h(held)
           WHERE g.id = ANY($1)
               AND (g.state IN ('opening', 'closing') AND p.state <> 'closed'
                    OR g.ended_at IS NOT NULL AND p.kind = 'inline' AND p.absent_at IS NULL
                        AND p.sent_until > coalesce($3, clock_timestamp()))
               AND (held OR t.attempts > 0 AND t.last_error IS NOT NULL AND t.last_error_at IS NOT NULL)
           ORDER BY g.id, held DESC, t.last_error_at"#,
        grants,
        ActionName::GrantDelayed.as_str(),
        now,
    )
    .fetch_all(conn)
    .await?;
    let delays = rows.into_iter().map(|row| {
        let delay = Delay {
            error: row.error,
            attempts: row.attempts,
            since: row.since,
        };
        (row.id, delay)
    });
    Ok(delays.collect())
}
