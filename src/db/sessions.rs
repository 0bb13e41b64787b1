//! Sessions of the portal: browsers that are signed in.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::person::Person;
use crate::domain::sign_in::Identity;
use crate::ids::{PersonId, SessionId};

/// A session before it is stored.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// SHA-256 of the cookie's token.
    pub token_hash: &'a [u8; 32],
    /// Whose it is.
    pub person: PersonId,
    /// What the provider told; nothing where nobody was asked (the demo).
    pub identity: Option<&'a Identity>,
    /// What the browser calls itself, at most 200 characters.
    pub user_agent: &'a str,
    /// When the sign-in was begun.
    pub began_at: DateTime<Utc>,
    /// The absolute end.
    pub expires_at: DateTime<Utc>,
}

/// Stores a session of the portal.
///
/// # Errors
/// When the database does not answer.
pub async fn start(
    conn: &mut PgConnection,
    session: &NewSession<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let identity = session.identity;
    sqlx::query!(
        "INSERT INTO sessions (token_hash, id, person, issuer, subject, sid, auth_time, acr, user_agent, began_at,
                               created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)",
        session.token_hash,
        SessionId::new().uuid(),
        session.person.uuid(),
        identity.map(|it| it.issuer.as_str()),
        identity.map(|it| it.subject.as_str()),
        identity.and_then(|it| it.sid.as_deref()),
        identity.and_then(|it| it.auth_time),
        identity.and_then(|it| it.acr.as_deref()),
        session.user_agent,
        session.began_at,
        now,
        session.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Whose session it is.
#[derive(Debug)]
pub struct Known {
    /// Who.
    pub person: Person,
    /// Its last use on record is more than a minute ago.
    pub is_stale: bool,
    /// When that was looked up.
    pub now: DateTime<Utc>,
}

struct KnownRow {
    id: PersonId,
    name: String,
    email: String,
    groups: Vec<String>,
    ids: Vec<PersonId>,
    is_stale: bool,
    now: DateTime<Utc>,
}

impl From<KnownRow> for Known {
    fn from(row: KnownRow) -> Self {
        Self {
            person: Person {
                id: row.id,
                name: row.name,
                email: row.email,
                groups: row.groups,
                ids: row.ids,
            },
            is_stale: row.is_stale,
            now: row.now,
        }
    }
}

/// The person of a session that is neither over, idle for too long, nor ended at the time that is
/// `given`, or else now.
///
/// # Errors
/// When the database does not answer.
pub async fn of_session(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    given: Option<DateTime<Utc>>,
    idle: TimeDelta,
) -> sqlx::Result<Option<Known>> {
    // Ended, over or idle looks like never begun: the caller learns nothing of a cookie that does
    // not work.
    let row = sqlx::query_as!(
        KnownRow,
        r#"SELECT p.id, p.name, p.email, p.groups, human_ids(p) AS "ids!: Vec<PersonId>", now AS "now!",
                s.last_seen_at < now - interval '1 minute' AS "is_stale!"
         FROM (SELECT coalesce($2, clock_timestamp()) AS now) clock, sessions s JOIN people p ON p.id = s.person
         WHERE s.token_hash = $1 AND s.ended_at IS NULL AND s.expires_at > now
             AND s.last_seen_at > now - $3::interval AND p.status = 'active'"#,
        token_hash,
        given,
        idle as _
    );
    Ok(row.fetch_optional(conn).await?.map(Into::into))
}

/// Whose session it is or was, over or not.
///
/// # Errors
/// When the database does not answer.
pub async fn whose(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
) -> sqlx::Result<Option<PersonId>> {
    sqlx::query_scalar!(
        "SELECT person FROM sessions WHERE token_hash = $1",
        token_hash
    )
    .fetch_optional(conn)
    .await
}

/// Keeps a session's last use, to the minute.
///
/// # Errors
/// When the database does not answer or takes no writes.
pub async fn used(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // The minute is asked for here as well: another process may have written it just now.
    sqlx::query!(
        "UPDATE sessions SET last_seen_at = $2 WHERE token_hash = $1 AND \
         last_seen_at < $2::timestamptz - interval '1 minute'",
        token_hash,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Ends a session; tells whether there was one.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    // What has ended keeps its first time, and tells the caller that there is no event to write.
    let done = sqlx::query!(
        "UPDATE sessions SET ended_at = $2 WHERE token_hash = $1 AND ended_at IS NULL",
        token_hash,
        now
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// A session as its own person sees it.
#[derive(Debug, Clone)]
pub struct ListedSession {
    /// Its id.
    pub id: SessionId,
    /// What the browser calls itself.
    pub user_agent: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub is_this: bool,
}

/// The sessions of a person that work, the last used first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_person(
    conn: &mut PgConnection,
    person: PersonId,
    this: Option<&[u8; 32]>,
    idle: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ListedSession>> {
    let this = this.map(<[u8; 32]>::as_slice);
    sqlx::query_as!(
        ListedSession,
        r#"SELECT id, user_agent, created_at, last_seen_at, expires_at, coalesce(token_hash = $2, false) AS "is_this!"
           FROM sessions WHERE person = $1 AND ended_at IS NULL AND expires_at > $4 AND last_seen_at > $4 - $3::interval
           ORDER BY last_seen_at DESC, id DESC"#,
        person.uuid(),
        this,
        idle as _,
        now
    )
    .fetch_all(conn)
    .await
}

/// Ends one session of a person, or all of them; tells how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn end_own(
    conn: &mut PgConnection,
    person: PersonId,
    one: Option<SessionId>,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "UPDATE sessions SET ended_at = $3 WHERE person = $1 AND ended_at IS NULL AND ($2::uuid IS NULL OR id = $2)",
        person.uuid(),
        one.map(SessionId::uuid),
        now
    );
    Ok(done.execute(conn).await?.rows_affected())
}
