//! Signing in through the provider: attempts, whom the provider has signed out, and the person of
//! an issuer and subject.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::sign_in::{Attempt, Identity, Logout};
use crate::ids::{DraftId, PersonId};

/// An attempt before it is stored.
#[derive(Debug, Clone, Copy)]
pub struct NewAttempt<'a> {
    /// SHA-256 of the browser's cookie for it.
    pub cookie_hash: &'a [u8; 32],
    /// SHA-256 of `state`.
    pub state_hash: &'a [u8; 32],
    /// What the ID token has to repeat.
    pub nonce: &'a str,
    /// The secret of PKCE.
    pub verifier: &'a str,
    /// Where to go afterwards.
    pub next: &'a str,
    /// What was typed before, if it is kept.
    pub draft: Option<DraftId>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// Stores an attempt.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    conn: &mut PgConnection,
    attempt: &NewAttempt<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO sign_in_attempts (cookie_hash, state_hash, nonce, verifier, next, created_at, expires_at, draft)
         VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT id FROM drafts WHERE id = $8))",
        attempt.cookie_hash,
        attempt.state_hash,
        attempt.nonce,
        attempt.verifier,
        attempt.next,
        now,
        attempt.expires_at,
        attempt.draft.map(DraftId::uuid),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Uses the attempt of this browser and this `state` up, where there is one that is not over.
/// Another browser's stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    conn: &mut PgConnection,
    cookie_hash: &[u8; 32],
    state_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Attempt>> {
    let row = sqlx::query!(
        "UPDATE sign_in_attempts SET used_at = $3
         WHERE cookie_hash = $1 AND state_hash = $2 AND used_at IS NULL AND expires_at > $3
         RETURNING nonce, verifier, next, draft, created_at",
        cookie_hash,
        state_hash,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Attempt {
        nonce: row.nonce,
        verifier: row.verifier.into(),
        next: row.next,
        draft: row.draft,
        began_at: row.created_at,
    }))
}

/// Deletes attempts that are over, and logouts that were received before `kept`.
///
/// # Errors
/// When the database does not answer.
pub async fn tidy(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    kept: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM sign_in_attempts WHERE expires_at <= $1", now)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM logouts WHERE received_at < $1", kept)
        .execute(conn)
        .await
        .map(drop)
}

/// The person of an issuer and subject, as they are told of now; `id` is that of a new one.
///
/// # Errors
/// When the database does not answer.
pub async fn person(
    conn: &mut PgConnection,
    id: PersonId,
    identity: &Identity,
    now: DateTime<Utc>,
) -> sqlx::Result<PersonId> {
    let found = sqlx::query_scalar!(
        r#"SELECT person_signed_in($1, $2, $3, $4, $5, $6, $7, $8) AS "id!""#,
        id.uuid(),
        identity.issuer,
        identity.subject,
        identity.name,
        identity.email,
        identity.email_verified,
        identity.groups.told() as Option<&[String]>,
        now,
    );
    found.fetch_one(conn).await.map(PersonId::from_uuid)
}

/// Which of the two somebody is who takes [`turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Makes a session; others may at the same time.
    SigningIn,
    /// Ends sessions, alone.
    SigningOut,
}

/// Waits until nobody signs people out meanwhile, or for who does, until no session is being made.
/// Held until the transaction ends: a logout then either finds the session, or is found by its
/// sign-in.
///
/// # Errors
/// When the database does not answer.
pub async fn turn(conn: &mut PgConnection, turn: Turn) -> sqlx::Result<()> {
    const KEY: i64 = 0x5349_474E_5F49_4E00;
    match turn {
        Turn::SigningIn => sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", KEY)
            .execute(conn)
            .await
            .map(drop),
        Turn::SigningOut => sqlx::query!("SELECT pg_advisory_xact_lock($1)", KEY)
            .execute(conn)
            .await
            .map(drop),
    }
}

/// Whether the provider has signed the person out since the sign-in was begun. Asked under
/// [`turn`].
///
/// # Errors
/// When the database does not answer.
pub async fn is_signed_out(
    conn: &mut PgConnection,
    identity: &Identity,
    began_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM logouts WHERE issuer = $1 AND sid = $3)
               OR EXISTS (SELECT FROM logouts WHERE issuer = $1 AND subject = $2 AND sid IS NULL AND before > $4)
               AS "is!""#,
        identity.issuer,
        identity.subject,
        identity.sid,
        began_at
    )
    .fetch_one(conn)
    .await
}

/// Keeps a logout and ends its sessions, under [`turn`]; gives the people whose sessions have
/// ended. The same token again ends nothing more.
///
/// # Errors
/// When the database does not answer.
pub async fn sign_out(
    conn: &mut PgConnection,
    logout: &Logout,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<PersonId>> {
    let is_new = sqlx::query!(
        "INSERT INTO logouts (issuer, jti, subject, sid, before, received_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
        logout.issuer,
        logout.id,
        logout.subject,
        logout.sid,
        before,
        now
    )
    .execute(&mut *conn)
    .await?;
    if is_new.rows_affected() == 0 {
        return Ok(Vec::new());
    }
    // A session of the provider that is named is meant alone, whoever is named beside it. Locked
    // by id: whoever is disabled meanwhile ends the same sessions.
    sqlx::query_scalar!(
        "WITH meant AS (
             SELECT id FROM sessions WHERE ended_at IS NULL AND issuer = $1
                 AND CASE WHEN $3::text IS NULL THEN subject = $2 AND began_at < $4
                          ELSE sid = $3 AND ($2::text IS NULL OR subject = $2) END
             ORDER BY id FOR UPDATE)
         UPDATE sessions s SET ended_at = $5 FROM meant WHERE s.id = meant.id
         RETURNING s.person",
        logout.issuer,
        logout.subject,
        logout.sid,
        before,
        now
    )
    .fetch_all(conn)
    .await
}
