//! The reconciler's queue: who works on a role, until when, and what was sent to AWS last.
//!
//! Locks are always taken in one order: grants first, then their target.

pub(super) mod row;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::accounts;
use super::documents::Document;
use crate::domain::account::ManagerRole;
use crate::domain::target::{Condition, Target};
use crate::ids::{PersonId, TargetId};
use row::{held, parse};

pub use row::Held;

/// The right to work on one target. Everything that its holder writes is written under its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The target.
    pub target: TargetId,
    /// Known to nobody else.
    pub token: Uuid,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Its time was over, or somebody else has the target now.
    #[error("the lease is lost")]
    Lost,
    /// No answer.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// How work on a target ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// When to look again.
    pub due: Option<DateTime<Utc>>,
    /// Failures in a row.
    pub attempts: i32,
    /// Kind of the failure.
    pub last_error: Option<String>,
    /// When a failure of that kind was last put on record.
    pub last_error_at: Option<DateTime<Utc>>,
}

/// A target that was due and that nobody had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The right to work on it.
    pub lease: Lease,
    /// ARN of the role or user.
    pub arn: String,
    /// Whether people come as it, so that it carries inline policies.
    pub carries: bool,
    /// As whom Countersign works in its account.
    pub manager: Option<ManagerRole>,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// Since when every manager role refuses, where that is so.
    pub hub_refused: Option<DateTime<Utc>>,
}

/// What there is to work on.
#[derive(Debug)]
pub struct Claimed {
    /// Targets that nobody else works on from now on.
    pub taken: Vec<Taken>,
    /// When the next one becomes due, of those that are not due yet.
    pub next_due: Option<DateTime<Utc>>,
    /// The moment of the look.
    pub now: DateTime<Utc>,
}

/// Takes up to `most` targets that are due and that nobody has, for `lease`: those that have been
/// due longest. While one is held it is due when the lease expires, so that it is found again if
/// its holder dies. `closings_only`: those with a grant that is to be closed. `full`: the accounts
/// (12 digits) of which none are taken. `now` is the database's own time where it is not given (see
/// [`crate::clock`]).
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    conn: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    lease: TimeDelta,
    most: i64,
    closings_only: bool,
    full: &[String],
) -> sqlx::Result<Claimed> {
    let token = Uuid::now_v7();
    let lease = f64::from(u32::try_from(lease.num_milliseconds()).unwrap_or(u32::MAX)) / 1000.0;
    // `NO KEY UPDATE` spares rows that refer to the target; with SKIP LOCKED no worker waits. A
    // grant past its deadline closes, though no row says so, and a policy that is there again goes
    // as that of a closing one. All arrays are in the order of ids.
    let row = sqlx::query_file!(
        "src/db/targets/claim.sql",
        now,
        lease,
        token,
        most,
        closings_only,
        full,
    )
    .fetch_one(conn)
    .await?;
    let managers = row.managers.into_iter().zip(row.external_ids);
    let taken = row
        .ids
        .into_iter()
        .zip(row.arns)
        .zip(managers)
        .zip(row.carry);
    let taken = taken.map(|(((target, arn), manager), carries)| Taken {
        lease: Lease { target, token },
        arn,
        carries,
        manager: accounts::manager_role(manager.0, manager.1),
        at: row.now,
        hub_refused: row.hub_refused,
    });
    let (taken, next_due, now) = (taken.collect(), row.next_due, row.now);
    Ok(Claimed {
        taken,
        next_due,
        now,
    })
}

/// Locks the target under its token and returns the row, with the present time: the database's own
/// where it is not given.
///
/// # Errors
/// [`LeaseError::Lost`] when the lease is over or the token is not the target's any more.
pub async fn hold(
    conn: &mut PgConnection,
    lease: &Lease,
    now: Option<DateTime<Utc>>,
) -> Result<Held, LeaseError> {
    // A lease that is over is no right, though nobody else has the target yet: our write could land
    // after the next worker's (docs/guard.md, H4).
    let row = held!(
        "WHERE t.id = $2 AND t.lease_token = $3 AND t.lease_expires_at > now FOR NO KEY UPDATE OF t",
        now,
        lease.target.uuid(),
        lease.token,
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.ok_or(LeaseError::Lost)?.held()?)
}

/// Stores what was seen of the target and what is sent to it, and renews the lease until `until` or
/// gives the target back. What was made due meanwhile stays due. Returns when the target is due.
///
/// # Errors
/// [`LeaseError::Lost`] when the token is not the target's any more.
pub async fn store(
    conn: &mut PgConnection,
    lease: &Lease,
    role_id: Option<&str>,
    target: &Target,
    until: DateTime<Utc>,
    release: Option<&Release>,
) -> Result<Option<DateTime<Utc>>, LeaseError> {
    let documents = Document::all(target);
    // `due_at` is ours to set only where it is still what the claim or the last `store` left:
    // otherwise somebody made the target due meanwhile. A document of which nothing is known gets
    // no row; one that has a row loses what is known no more. `hold` has asked whether the lease is
    // over, under the same lock.
    let row = sqlx::query!(
        r#"WITH document AS (
               INSERT INTO documents (target, key, sha256, wrote_at, unclear_at, sent_at, original)
               SELECT $1, key, decode(sha256, 'hex'), wrote_at, unclear_at, sent_at, original
               FROM jsonb_to_recordset($9) AS it(
                   key text, sha256 text, wrote_at timestamptz, unclear_at timestamptz, sent_at timestamptz,
                   original text)
               WHERE num_nonnulls(sha256, unclear_at, sent_at, original) > 0
                  OR EXISTS (SELECT FROM documents d WHERE d.target = $1 AND d.key = it.key)
               ON CONFLICT (target, key) DO UPDATE SET sha256 = excluded.sha256, wrote_at = excluded.wrote_at,
                   unclear_at = excluded.unclear_at, sent_at = excluded.sent_at, original = excluded.original)
           UPDATE targets
           SET unique_id = coalesce($3, unique_id), revision = $4, condition = $5, guard_restores = $6,
               missing_since = $7, kept = $8, safe_since = $10, guard_equal_at = $17, unpinned = $18,
               clocks_differ = $19, due_at = CASE WHEN due_at = lease_expires_at
                                  THEN CASE WHEN $12 THEN $13::timestamptz ELSE $11::timestamptz END
                             WHEN $12 THEN least(due_at, $13) ELSE due_at END,
               lease_token = CASE WHEN $12 THEN NULL ELSE lease_token END,
               lease_expires_at = CASE WHEN $12 THEN NULL ELSE $11 END,
               attempts = CASE WHEN $12 THEN $14 ELSE attempts END,
               last_error = CASE WHEN $12 THEN $15 ELSE last_error END,
               last_error_at = CASE WHEN $12 THEN $16 ELSE last_error_at END
           WHERE id = $1 AND lease_token = $2 RETURNING due_at"#,
        lease.target.uuid(),
        lease.token,
        role_id,
        target.revision,
        target.condition.as_str(),
        target.guard_restores,
        target.missing_since,
        Json(&target.kept) as _,
        Json(&documents) as _,
        target.safe_since,
        until,
        release.is_some(),
        release.and_then(|it| it.due),
        release.map_or(0, |it| it.attempts),
        release.and_then(|it| it.last_error.as_deref()),
        release.and_then(|it| it.last_error_at),
        target.guard_equal_at,
        target.unpinned,
        target.clocks_differ,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.ok_or(LeaseError::Lost)?.due_at)
}

/// Locks a role or user and tells its condition, since when AWS was seen to be of another time, and
/// whether that waits for a person.
///
/// # Errors
/// When the database does not answer, or the row cannot be.
pub async fn lock_by_arn(
    conn: &mut PgConnection,
    arn: &str,
) -> sqlx::Result<Option<(TargetId, Condition, Option<DateTime<Utc>>, bool)>> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: TargetId", condition, safe_since, rewound_at IS NOT NULL AS "is_rewound!"
           FROM targets WHERE arn = $1 FOR NO KEY UPDATE"#,
        arn
    )
    .fetch_optional(conn)
    .await?;
    let locked = row.map(|row| {
        let condition = parse(&row.condition)?;
        Ok((row.id, condition, row.safe_since, row.is_rewound))
    });
    locked.transpose()
}

/// The role or user of that ARN. It is not locked: the worker locks a target after its grants, so
/// that nobody may wait for a grant while they hold one.
///
/// # Errors
/// When the database does not answer.
pub async fn by_arn(conn: &mut PgConnection, arn: &str) -> sqlx::Result<Option<TargetId>> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id: TargetId" FROM targets WHERE arn = $1"#,
        arn
    )
    .fetch_optional(conn)
    .await
}

/// Whether anything opens on a target for a person who comes as that user or role: its condition as
/// last seen, and whether a revocation holds any of them. Read after the request was locked.
///
/// # Errors
/// When the database does not answer, or the row cannot be.
pub async fn opens(
    conn: &mut PgConnection,
    target: TargetId,
    person: PersonId,
    principal_arn: Option<&str>,
) -> sqlx::Result<(Condition, bool)> {
    let row = sqlx::query!(
        r#"SELECT condition,
                  EXISTS (SELECT FROM revocations v WHERE v.lifted_at IS NULL
                          AND is_revoked(v, $2, ARRAY[$1::uuid], $3))
                      AS "is_held!"
           FROM targets WHERE id = $1"#,
        target.uuid(),
        person.uuid(),
        principal_arn
    )
    .fetch_one(conn)
    .await?;
    Ok((parse(&row.condition)?, row.is_held))
}

/// The ARN of a target.
///
/// # Errors
/// When the database does not answer, or has no such target.
pub async fn arn(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<String> {
    sqlx::query_scalar!("SELECT arn FROM targets WHERE id = $1", target.uuid())
        .fetch_one(conn)
        .await
}

/// The target of a person's own AWS identity, which `catalog apply` makes with each: the user, or
/// the role that the person comes as.
///
/// # Errors
/// When the database does not answer, or has no such identity.
pub async fn of_identity(conn: &mut PgConnection, arn: &str) -> sqlx::Result<TargetId> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id: TargetId" FROM targets WHERE arn = $1 AND kind <> 'role'"#,
        arn
    )
    .fetch_one(conn)
    .await
}

/// Takes the role back into service.
///
/// # Errors
/// When the database does not answer.
pub async fn resume(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<()> {
    // `safe_since` stays: until the guard is written anew its age is unknown (docs/guard.md, C13).
    sqlx::query!(
        "UPDATE targets SET condition = CASE WHEN condition IN ('contested', 'safe_mode') THEN 'ok' ELSE condition END,
             guard_restores = 0, rewound_at = NULL WHERE id = $1",
        target.uuid()
    )
    .execute(conn)
    .await
    .map(drop)
}
