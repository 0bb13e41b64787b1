//! What the reconciler reads and stores of a target's grants.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::grants::Row;
use crate::domain::grant::{Grant, Marks};
use crate::ids::{GrantId, RequestId, TargetId};

/// Locks every grant of the target that is not over and done with: scheduled ones, unfinished ones,
/// and ended ones that the guard still has to name. By id.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn lock(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<Vec<Grant>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, request, target, person, principal_arn, principal_id, role_id, grant_name, console_name,
                  state, starts_at, deadline,
                approved_at, sent_until, console_since, unclear_at, opening_at, opened_at, closing_at, cause,
                closing_by,
                closing_reason, ended_at, guard_until, guard_gone_at, restores, principal_missing_since,
                (SELECT r.submitted_at FROM requests r WHERE r.id = request) AS "requested_at!"
         FROM grants WHERE target = $1 AND guard_gone_at IS NULL ORDER BY id FOR NO KEY UPDATE"#,
        target.uuid()
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// Whether it may still be opened: its requester, and as many of its approvers as were needed, are
/// in the groups that the request's terms name.
///
/// # Errors
/// When the database does not answer.
pub async fn is_eligible(conn: &mut PgConnection, grant: GrantId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT p.groups @> ARRAY[r.terms->>'requester_group']
                  AND (SELECT count(DISTINCT d.person) FROM decisions d JOIN people a ON a.id = d.person
                       WHERE d.request = r.id AND d.verdict = 'approve'
                           AND a.groups @> ARRAY[r.terms->>'approver_group'])
                      >= (r.terms->>'needed')::int AS "eligible!"
           FROM grants g JOIN requests r ON r.id = g.request JOIN people p ON p.id = g.person WHERE g.id = $1"#,
        grant.uuid()
    )
    .fetch_one(conn)
    .await
}

/// Stores what was sent and seen.
///
/// # Errors
/// When the database does not answer.
pub async fn store_marks(
    conn: &mut PgConnection,
    grant: GrantId,
    marks: &Marks,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE grants SET sent_until = $2, console_since = $3, guard_until = $4, guard_gone_at = $5, \
         principal_missing_since = $6, unclear_at = $7
         WHERE id = $1",
        grant.uuid(),
        marks.sent_until,
        marks.console_since,
        marks.guard_until,
        marks.guard_gone_at,
        marks.principal_missing_since,
        marks.unclear_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Puts the answer to a trust write on record: `unclear_at` is what it was before.
///
/// # Errors
/// When the database does not answer.
pub async fn answered(
    conn: &mut PgConnection,
    grant: GrantId,
    unclear_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE grants SET unclear_at = $2 WHERE id = $1",
        grant.uuid(),
        unclear_at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Counts that somebody took its statement away and that it is there again. Returns the grant's
/// request.
///
/// # Errors
/// When the database does not answer.
pub async fn restored(conn: &mut PgConnection, grant: GrantId) -> sqlx::Result<RequestId> {
    sqlx::query_scalar!(
        r#"UPDATE grants SET restores = restores + 1 WHERE id = $1 RETURNING request AS "request: RequestId""#,
        grant.uuid()
    )
    .fetch_one(conn)
    .await
}

/// Fixes the ids of AWS that were not known at approval.
///
/// # Errors
/// When the database does not answer.
pub async fn identify(
    conn: &mut PgConnection,
    grant: GrantId,
    principal_id: &str,
    role_id: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE grants SET principal_id = coalesce(principal_id, $2), role_id = coalesce(role_id, $3) WHERE id = $1",
        grant.uuid(),
        principal_id,
        role_id,
    )
    .execute(conn)
    .await
    .map(drop)
}
