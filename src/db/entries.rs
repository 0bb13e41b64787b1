//! How Countersign fares with its accounts: whether manager roles let it in, and when everybody in
//! an account is looked through next.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::accounts;
use crate::domain::account::ManagerRole;

/// Since when every manager role refuses; none where that is not so.
///
/// # Errors
/// When the database does not answer.
pub async fn refused_since(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!("SELECT since FROM hub_refusals WHERE over_at IS NULL")
        .fetch_optional(conn)
        .await
}

/// Other accounts with a manager role, up to `most`, those first that were tried last; `None` where
/// one of all of them was entered since that time.
///
/// # Errors
/// When the database does not answer.
pub async fn others(
    conn: &mut PgConnection,
    account: &str,
    since: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Option<Vec<(String, ManagerRole)>>> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.manager_role_arn, a.external_id, coalesce(e.entered_at >= $2, false) AS "entered!"
           FROM accounts a LEFT JOIN account_entries e ON e.account = a.id
           WHERE a.manager_role_arn IS NOT NULL AND (a.id <> $1 OR e.entered_at >= $2)
           ORDER BY e.entered_at DESC NULLS LAST, a.id LIMIT $3"#,
        account,
        since,
        most
    );
    let rows = rows.fetch_all(conn).await?;
    if rows.iter().any(|row| row.entered) {
        return Ok(None);
    }
    let others = rows.into_iter().filter_map(|row| {
        let manager = accounts::manager_role(row.manager_role_arn, row.external_id)?;
        Some((row.id, manager))
    });
    Ok(Some(others.collect()))
}

/// A manager role let us in.
///
/// # Errors
/// When the database does not answer.
pub async fn entered(
    conn: &mut PgConnection,
    account: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO account_entries AS e (account, entered_at) VALUES ($1, $2)
         ON CONFLICT (account) DO UPDATE SET entered_at = greatest(e.entered_at, excluded.entered_at)",
        account,
        at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Every manager role refuses; tells whether that is news.
///
/// # Errors
/// When the database does not answer.
pub async fn begin_refusal(conn: &mut PgConnection, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO hub_refusals (since) VALUES ($1) ON CONFLICT DO NOTHING",
        at
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// One of them does not refuse any more; tells whether that is news.
///
/// # Errors
/// When the database does not answer.
pub async fn end_refusal(conn: &mut PgConnection, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE hub_refusals SET over_at = greatest(since, $1) WHERE over_at IS NULL",
        at
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Takes the account that has waited longest to be looked through, if there is one whose time has
/// come, and puts it off by `again`: who takes it and dies leaves it to be taken again. Nobody else
/// has it meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    again: TimeDelta,
) -> sqlx::Result<Option<(String, Option<ManagerRole>)>> {
    let row = sqlx::query!(
        "WITH due AS (
             SELECT a.id, a.manager_role_arn, a.external_id
             FROM accounts a LEFT JOIN account_entries e ON e.account = a.id
             WHERE e.look_through_at IS NULL OR e.look_through_at <= $1
             ORDER BY e.look_through_at NULLS FIRST, a.id LIMIT 1),
         taken AS (
             INSERT INTO account_entries AS e (account, look_through_at) SELECT id, $2 FROM due
             ON CONFLICT (account) DO UPDATE SET look_through_at = excluded.look_through_at
             WHERE e.look_through_at IS NULL OR e.look_through_at <= $1 RETURNING account)
         SELECT due.id, due.manager_role_arn, due.external_id FROM due JOIN taken ON taken.account = due.id",
        now,
        now + again
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.map(|row| {
        let manager = accounts::manager_role(row.manager_role_arn, row.external_id);
        (row.id, manager)
    }))
}

/// The account was looked through, and is again at that time.
///
/// # Errors
/// When the database does not answer.
pub async fn looked_through(
    conn: &mut PgConnection,
    account: &str,
    next: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE account_entries SET look_through_at = $2 WHERE account = $1",
        account,
        next
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Makes those of the targets (ARNs) due that nobody looks at; tells which.
///
/// # Errors
/// When the database does not answer.
pub async fn wake(
    conn: &mut PgConnection,
    arns: &[String],
    at: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    // By id, as everybody locks several targets.
    sqlx::query_scalar!(
        "WITH asleep AS (
             SELECT id FROM targets WHERE arn = ANY($1) AND due_at IS NULL ORDER BY id FOR NO KEY UPDATE)
         UPDATE targets SET due_at = $2 WHERE id IN (SELECT id FROM asleep) RETURNING arn",
        arns,
        at
    )
    .fetch_all(conn)
    .await
}
