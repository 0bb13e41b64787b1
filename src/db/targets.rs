//! The reconciler's queue: who works on a role, until when, and what was sent to AWS last.
//!
//! Locks are always taken in one order: grants first, then their target.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::target::{Condition, Target, Written};
use crate::ids::TargetId;

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

/// A target in its holder's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The role and what was sent.
    pub target: Target,
    /// Failures in a row.
    pub attempts: i32,
    /// Kind of the last failure.
    pub last_error: Option<String>,
    /// When a failure of that kind was last put on record.
    pub last_error_at: Option<DateTime<Utc>>,
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

/// Makes a target due at `at`, or leaves it due earlier. Somebody who is at work on it right now
/// may have looked before the caller's change: it is due again as soon as he is done.
///
/// # Errors
/// When the database does not answer.
pub async fn make_due(
    conn: &mut PgConnection,
    target: TargetId,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE targets SET due_at = least(due_at, $2, lease_expires_at - interval '1 microsecond') WHERE id = $1",
        target.uuid(),
        at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Takes the target that has been due longest and that nobody has, for `lease`. While it is held it
/// is due when the lease expires, so that it is found again if its holder dies. `closings_only`:
/// one with a grant that is to be closed.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lease: TimeDelta,
    closings_only: bool,
) -> sqlx::Result<Option<Lease>> {
    let token = Uuid::now_v7();
    let target = sqlx::query_scalar!(
        r#"UPDATE targets SET lease_token = $3, lease_expires_at = $2, due_at = $2
           WHERE id = (SELECT t.id FROM targets t
                       WHERE t.due_at <= $1 AND (t.lease_expires_at IS NULL OR t.lease_expires_at <= $1)
                         AND (NOT $4 OR EXISTS (SELECT FROM grants g WHERE g.target = t.id AND g.guard_gone_at IS NULL
                                                AND (g.state = 'closing' OR (g.state IN ('opening', 'active')
                                                    AND g.deadline <= $1))))
                       ORDER BY t.due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING id AS "id: TargetId""#,
        now,
        now + lease,
        token,
        closings_only,
    )
    .fetch_optional(conn)
    .await?;
    Ok(target.map(|target| Lease { target, token }))
}

/// When the next target becomes due after `now`.
///
/// # Errors
/// When the database does not answer.
pub async fn next_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"SELECT due_at AS "due_at!" FROM targets WHERE due_at > $1 ORDER BY due_at LIMIT 1"#,
        now
    )
    .fetch_optional(conn)
    .await
}

/// Locks the target under its token, renews the lease until `until` and returns the row.
///
/// # Errors
/// [`LeaseError::Lost`] when the lease is over at `now` or the token is not the target's any more.
pub async fn hold(
    conn: &mut PgConnection,
    lease: &Lease,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Held, LeaseError> {
    let row = sqlx::query_as!(
        Row,
        r#"UPDATE targets
           SET lease_expires_at = $4, due_at = CASE WHEN due_at = lease_expires_at THEN $4 ELSE due_at END
           WHERE id = $1 AND lease_token = $2 AND lease_expires_at > $3
           RETURNING id, account, arn, revision, condition, written_trust_hash, trust_wrote_at,
           written_guard_hash, guard_wrote_at,
                     guard_unclear_at, trust_sent_at, trust_unclear_at, missing_since, safe_since,
                     original_trust, guard_restores, kept AS "kept: Json<BTreeMap<String, DateTime<Utc>>>",
                     (SELECT i.id FROM installation i) AS "installation!",
                     attempts, last_error, last_error_at"#,
        lease.target.uuid(),
        lease.token,
        now,
        until,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.ok_or(LeaseError::Lost)?.held()?)
}

/// Stores what was seen of the role and what is sent to it.
///
/// # Errors
/// [`LeaseError::Lost`] when the token is not the target's any more.
pub async fn store(
    conn: &mut PgConnection,
    lease: &Lease,
    unique_id: Option<&str>,
    target: &Target,
) -> Result<(), LeaseError> {
    let (trust, guard) = (target.written_trust.as_ref(), target.written_guard.as_ref());
    let done = sqlx::query!(
        "UPDATE targets
         SET unique_id = coalesce($3, unique_id), revision = $4, condition = $5, written_trust_hash = $6, \
         trust_wrote_at = $7,
             written_guard_hash = $8, guard_wrote_at = $9, guard_unclear_at = $10, original_trust = $11, \
             guard_restores = $12,
             trust_unclear_at = $13, missing_since = $14, kept = $15, safe_since = $16, trust_sent_at = $17
         WHERE id = $1 AND lease_token = $2",
        lease.target.uuid(),
        lease.token,
        unique_id,
        target.revision,
        target.condition.as_str(),
        trust.map(|w| &w.hash[..]),
        trust.map(|w| w.at),
        guard.map(|w| &w.hash[..]),
        guard.map(|w| w.at),
        target.guard_unclear_at,
        target.original_trust,
        target.guard_restores,
        target.trust_unclear_at,
        target.missing_since,
        Json(&target.kept) as _,
        target.safe_since,
        target.trust_sent_at,
    )
    .execute(conn)
    .await?;
    one(done.rows_affected())
}

/// Gives the target back. What was made due meanwhile stays due.
///
/// # Errors
/// [`LeaseError::Lost`] when the token is not the target's any more.
pub async fn release(
    conn: &mut PgConnection,
    lease: &Lease,
    release: &Release,
) -> Result<(), LeaseError> {
    let done = sqlx::query!(
        "UPDATE targets
         SET due_at = CASE WHEN due_at = lease_expires_at THEN $3 ELSE least(due_at, $3) END, \
         lease_token = NULL, lease_expires_at = NULL,
             attempts = $4, last_error = $5, last_error_at = $6
         WHERE id = $1 AND lease_token = $2",
        lease.target.uuid(),
        lease.token,
        release.due,
        release.attempts,
        release.last_error,
        release.last_error_at,
    )
    .execute(conn)
    .await?;
    one(done.rows_affected())
}

/// Locks a role and tells its condition.
///
/// # Errors
/// When the database does not answer, or the row cannot be.
pub async fn lock_by_arn(
    conn: &mut PgConnection,
    arn: &str,
) -> sqlx::Result<Option<(TargetId, Condition, Option<DateTime<Utc>>)>> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: TargetId", condition, safe_since FROM targets WHERE arn = $1 FOR NO KEY UPDATE"#,
        arn
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((row.id, parse(&row.condition)?, row.safe_since)))
        .transpose()
}

/// The condition of a role as last seen.
///
/// # Errors
/// When the database does not answer, or the row cannot be.
pub async fn condition(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<Condition> {
    let text = sqlx::query_scalar!("SELECT condition FROM targets WHERE id = $1", target.uuid())
        .fetch_one(conn)
        .await?;
    parse(&text)
}

/// Takes the role back into service.
///
/// # Errors
/// When the database does not answer.
pub async fn resume(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE targets SET condition = 'ok', guard_restores = 0 WHERE id = $1",
        target.uuid()
    )
    .execute(conn)
    .await
    .map(drop)
}

fn parse(condition: &str) -> sqlx::Result<Condition> {
    Condition::parse(condition)
        .ok_or_else(|| sqlx::Error::Decode(format!("unknown condition {condition}").into()))
}

const fn one(rows: u64) -> Result<(), LeaseError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(LeaseError::Lost)
    }
}

struct Row {
    id: TargetId,
    account: String,
    arn: String,
    revision: i64,
    condition: String,
    written_trust_hash: Option<Vec<u8>>,
    trust_wrote_at: Option<DateTime<Utc>>,
    written_guard_hash: Option<Vec<u8>>,
    guard_wrote_at: Option<DateTime<Utc>>,
    guard_unclear_at: Option<DateTime<Utc>>,
    trust_sent_at: Option<DateTime<Utc>>,
    trust_unclear_at: Option<DateTime<Utc>>,
    missing_since: Option<DateTime<Utc>>,
    safe_since: Option<DateTime<Utc>>,
    kept: Json<BTreeMap<String, DateTime<Utc>>>,
    original_trust: Option<String>,
    guard_restores: i16,
    installation: String,
    attempts: i32,
    last_error: Option<String>,
    last_error_at: Option<DateTime<Utc>>,
}

impl Row {
    fn held(self) -> sqlx::Result<Held> {
        let condition = parse(&self.condition)?;
        Ok(Held {
            target: Target {
                id: self.id,
                account: self.account,
                arn: self.arn,
                revision: self.revision,
                condition,
                written_trust: written(self.written_trust_hash, self.trust_wrote_at)?,
                written_guard: written(self.written_guard_hash, self.guard_wrote_at)?,
                guard_unclear_at: self.guard_unclear_at,
                trust_sent_at: self.trust_sent_at,
                trust_unclear_at: self.trust_unclear_at,
                missing_since: self.missing_since,
                safe_since: self.safe_since,
                kept: self.kept.0,
                original_trust: self.original_trust,
                guard_restores: self.guard_restores,
                installation: self.installation,
            },
            attempts: self.attempts,
            last_error: self.last_error,
            last_error_at: self.last_error_at,
        })
    }
}

fn written(hash: Option<Vec<u8>>, at: Option<DateTime<Utc>>) -> sqlx::Result<Option<Written>> {
    match (hash, at) {
        (None, None) => Ok(None),
        (Some(hash), Some(at)) => {
            let hash = hash
                .try_into()
                .map_err(|_| broken("a hash is not 32 bytes"))?;
            Ok(Some(Written { hash, at }))
        }
        _ => Err(broken("a document's hash and its time go together")),
    }
}

fn broken(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
