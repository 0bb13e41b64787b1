//! People, their AWS principals and their API tokens.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::person::{Person, Principal};
use crate::ids::{PersonId, TokenId};

/// A person.
///
/// # Errors
/// When the database does not answer.
pub async fn get(conn: &mut PgConnection, id: PersonId) -> sqlx::Result<Option<Person>> {
    sqlx::query_as!(
        Person,
        "SELECT id, name, email, groups FROM people WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(conn)
    .await
}

/// The people with this e-mail address: for the command line, where a person is named; never to
/// tell who is calling.
///
/// # Errors
/// When the database does not answer.
pub async fn with_email(conn: &mut PgConnection, email: &str) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as!(
        Person,
        "SELECT id, name, email, groups FROM people WHERE email = $1",
        email
    )
    .fetch_all(conn)
    .await
}

/// Everybody, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as!(
        Person,
        "SELECT id, name, email, groups FROM people ORDER BY name"
    )
    .fetch_all(conn)
    .await
}

/// The names of these people.
///
/// # Errors
/// When the database does not answer.
pub async fn names(
    conn: &mut PgConnection,
    ids: &[uuid::Uuid],
) -> sqlx::Result<HashMap<PersonId, String>> {
    let rows = sqlx::query!("SELECT id, name FROM people WHERE id = ANY($1)", ids)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// The first `limit` names of the people in a group, without some of them.
///
/// # Errors
/// When the database does not answer.
pub async fn in_group(
    conn: &mut PgConnection,
    group: &str,
    without: &[uuid::Uuid],
    limit: i64,
) -> sqlx::Result<Vec<String>> {
    // `@>` is what the index on groups answers; `= ANY(groups)` would read everybody.
    sqlx::query_scalar!(
        "SELECT name FROM people WHERE groups @> ARRAY[$1] AND id <> ALL($2) ORDER BY name LIMIT $3",
        group,
        without,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The AWS identities of a person, in every account. One that was ended is none.
///
/// # Errors
/// When the database does not answer.
pub async fn principals(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<Principal>> {
    sqlx::query_as!(
        Principal,
        "SELECT id, person, account, arn, role_session_name AS session, unique_id FROM principals
         WHERE person = $1 AND ended_at IS NULL AND conflict_with IS NULL ORDER BY arn",
        person.uuid()
    )
    .fetch_all(conn)
    .await
}

/// Whom a secret speaks for.
#[derive(Debug)]
pub struct Known {
    /// Who.
    pub person: Person,
    /// Its last use on record is more than a minute ago.
    pub is_stale: bool,
    /// When that was looked up.
    pub now: DateTime<Utc>,
}

pub(super) struct KnownRow {
    pub id: PersonId,
    pub name: String,
    pub email: String,
    pub groups: Vec<String>,
    pub is_stale: bool,
    pub now: DateTime<Utc>,
}

impl From<KnownRow> for Known {
    fn from(row: KnownRow) -> Self {
        Self {
            person: Person {
                id: row.id,
                name: row.name,
                email: row.email,
                groups: row.groups,
            },
            is_stale: row.is_stale,
            now: row.now,
        }
    }
}

/// A new API token.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// Its id.
    pub id: TokenId,
    /// SHA-256 of the token.
    pub hash: &'a [u8; 32],
    /// Its first characters.
    pub prefix: &'a str,
    /// Whom it speaks for.
    pub person: PersonId,
    /// What it is for.
    pub name: &'a str,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

/// Stores an API token.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_token(conn: &mut PgConnection, token: &NewToken<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO api_tokens (id, token_hash, prefix, person, name, created_at, expires_at) VALUES ($1, $2, \
         $3, $4, $5, $6, $7)",
        token.id.uuid(),
        token.hash,
        token.prefix,
        token.person.uuid(),
        token.name,
        token.created_at,
        token.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// An API token as it is listed.
#[derive(Debug)]
pub struct ListedToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// E-mail address of the person it speaks for.
    pub email: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// When it was made useless before.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Every API token that was ever made, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn tokens(conn: &mut PgConnection) -> sqlx::Result<Vec<ListedToken>> {
    sqlx::query_as!(
        ListedToken,
        "SELECT t.id, t.name, p.email, t.created_at, t.last_used_at, t.expires_at, t.revoked_at
         FROM api_tokens t JOIN people p ON p.id = t.person ORDER BY t.created_at DESC, t.id DESC"
    )
    .fetch_all(conn)
    .await
}

/// The person of an API token that works at the time that is `given`, or else now.
///
/// # Errors
/// When the database does not answer.
pub async fn of_token(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    given: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<Known>> {
    let row = sqlx::query_as!(
        KnownRow,
        r#"SELECT p.id, p.name, p.email, p.groups, now AS "now!",
                coalesce(t.last_used_at < now - interval '1 minute', true) AS "is_stale!"
         FROM (SELECT coalesce($2, clock_timestamp()) AS now) clock, api_tokens t JOIN people p ON p.id = t.person
         WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > now"#,
        token_hash,
        given
    );
    Ok(row.fetch_optional(conn).await?.map(Into::into))
}

/// Keeps a token's last use, to the minute.
///
/// # Errors
/// When the database does not answer or takes no writes.
pub async fn token_used(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE api_tokens SET last_used_at = $2
         WHERE token_hash = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - interval '1 minute')",
        token_hash,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Revokes an API token; tells whether it worked until now.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke_token(
    conn: &mut PgConnection,
    id: TokenId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2",
        id.uuid(),
        now
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}
