//! API tokens: of people, and of machines.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::machine::Machine;
use crate::domain::person::Person;
use crate::domain::scope::Scopes;
use crate::ids::{MachineId, PersonId, TokenId};

/// A new API token.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// Its id.
    pub id: TokenId,
    /// SHA-256 of the token.
    pub hash: &'a [u8; 32],
    /// Its first characters.
    pub prefix: &'a str,
    /// What it is for.
    pub name: &'a str,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

/// Stores an API token that speaks for a person: for the server's command line, whose database role
/// may write them.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    conn: &mut PgConnection,
    token: &NewToken<'_>,
    person: PersonId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO api_tokens (id, token_hash, prefix, kind, person, name, scopes, created_at, expires_at)
         VALUES ($1, $2, $3, 'person', $4, $5, $6, $7, $8)",
        token.id.uuid(),
        token.hash,
        token.prefix,
        person.uuid(),
        token.name,
        &token.scopes.words(),
        token.created_at,
        token.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Stores a token that a session of the portal makes, for its person or for a machine: the
/// database itself asks whose session it is, and whether they may.
///
/// # Errors
/// When the database does not answer, or refuses it.
pub async fn create(
    conn: &mut PgConnection,
    session: &[u8; 32],
    token: &NewToken<'_>,
    machine: Option<MachineId>,
    admins: &[String],
) -> sqlx::Result<()> {
    sqlx::query!(
        "SELECT token_created($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)::text AS made",
        session,
        token.id.uuid(),
        token.hash,
        token.prefix,
        machine.map(MachineId::uuid) as Option<uuid::Uuid>,
        token.name,
        &token.scopes.words(),
        token.expires_at,
        token.created_at,
        admins,
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// An API token as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Whose it is: the machine's name, or the e-mail address of the person it speaks for.
    pub of: String,
    /// The machine whose token it is.
    pub machine: Option<MachineId>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// When it was made useless before.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Listed {
    /// Whether it works.
    #[must_use]
    pub fn works(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at > now
    }
}

/// Tokens as they are listed, with what is asked of them and in which order.
macro_rules! listed {
    ($tail:literal $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Listed,
            r#"SELECT t.id AS "id: TokenId", t.name, t.prefix, coalesce(m.name, p.email) AS "of!",
                      t.machine AS "machine: MachineId", t.scopes, t.created_at, t.last_used_at, t.expires_at,
                      t.revoked_at
               FROM api_tokens t LEFT JOIN people p ON p.id = t.person
                   LEFT JOIN machines m ON m.id = t.machine "# + $tail,
            $($arg),*
        )
    };
}

/// Every API token that was ever made, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Listed>> {
    listed!("ORDER BY t.created_at DESC, t.id DESC")
        .fetch_all(conn)
        .await
}

/// Up to `limit` tokens before `cursor` that are a person's own, or their machines', newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_person(
    conn: &mut PgConnection,
    person: PersonId,
    cursor: Option<TokenId>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    let before = cursor.map_or(uuid::Uuid::max(), TokenId::uuid);
    listed!(
        "WHERE (t.person = $1 OR m.owner = $1) AND t.id < $2 ORDER BY t.id DESC LIMIT $3",
        person.uuid(),
        before,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Up to `limit` tokens of a machine, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_machine(
    conn: &mut PgConnection,
    machine: MachineId,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    listed!(
        "WHERE t.machine = $1 ORDER BY t.id DESC LIMIT $2",
        machine.uuid(),
        limit
    )
    .fetch_all(conn)
    .await
}

/// A token, with who may revoke it: its person, or its machine's owner.
///
/// # Errors
/// When the database does not answer.
pub async fn get(
    conn: &mut PgConnection,
    id: TokenId,
) -> sqlx::Result<Option<(Listed, Option<PersonId>)>> {
    let Some(token) = listed!("WHERE t.id = $1", id.uuid())
        .fetch_optional(&mut *conn)
        .await?
    else {
        return Ok(None);
    };
    let whose = sqlx::query_scalar!(
        r#"SELECT coalesce(t.person, m.owner) AS "whose: PersonId"
           FROM api_tokens t LEFT JOIN machines m ON m.id = t.machine WHERE t.id = $1"#,
        id.uuid()
    );
    Ok(Some((token, whose.fetch_one(conn).await?)))
}

/// Whom a token speaks for.
#[derive(Debug)]
pub enum Speaks {
    /// A person.
    Person {
        /// Who.
        person: Person,
        /// What it may be used for.
        scopes: Scopes,
        /// Whether their groups are known, and told lately enough.
        groups_known: bool,
    },
    /// A machine, with the scopes of this token.
    Machine(Machine),
}

/// A token that works.
#[derive(Debug)]
pub struct Known {
    /// Whom it speaks for.
    pub speaks: Speaks,
    /// Its last use on record is more than a minute ago.
    pub is_stale: bool,
    /// When that was looked up.
    pub now: DateTime<Utc>,
}

/// Whom an API token speaks for that works at the time that is `given`, or else now. Groups that
/// the provider told longer ago than `fresh` are not known.
///
/// # Errors
/// When the database does not answer, or the row is nobody's.
pub async fn known(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    fresh: TimeDelta,
    given: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<Known>> {
    let row = sqlx::query!(
        r#"SELECT t.scopes, now AS "now!", coalesce(t.last_used_at < now - interval '1 minute', true) AS "is_stale!",
                  p.id AS "person?: PersonId", p.name AS "person_name?", p.email AS "email?", p.groups AS "groups?",
                  CASE WHEN p.id IS NOT NULL THEN human_ids(p) END AS "ids?: Vec<PersonId>",
                  coalesce(p.groups_known AND coalesce(p.groups_at > now - $3::interval, true), false)
                      AS "groups_known!",
                  m.id AS "machine?: MachineId", m.name AS "machine_name?", m.owner AS "owner?: PersonId",
                  m.scopes AS "machine_scopes?", m.entitlements AS "entitlements?"
           FROM (SELECT coalesce($2, clock_timestamp()) AS now) clock, api_tokens t
               LEFT JOIN people p ON p.id = t.person AND p.status = 'active'
               LEFT JOIN machines m ON m.id = t.machine AND m.ended_at IS NULL
           WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > now
             AND (p.id IS NOT NULL OR m.id IS NOT NULL)"#,
        token_hash,
        given,
        fresh as _
    );
    let Some(row) = row.fetch_optional(conn).await? else {
        return Ok(None);
    };
    let scopes = Scopes::stored(&row.scopes);
    let speaks = match (row.person, row.machine, row.owner) {
        (Some(id), None, _) => Speaks::Person {
            person: Person {
                id,
                name: row.person_name.unwrap_or_default(),
                email: row.email.unwrap_or_default(),
                groups: row.groups.unwrap_or_default(),
                ids: row.ids.unwrap_or_default(),
            },
            scopes,
            groups_known: row.groups_known,
        },
        (None, Some(id), Some(owner)) => Speaks::Machine(Machine {
            id,
            owner,
            name: row.machine_name.unwrap_or_default(),
            scopes: scopes.and(Scopes::stored(&row.machine_scopes.unwrap_or_default())),
            entitlements: row.entitlements.unwrap_or_default(),
        }),
        _ => return Err(sqlx::Error::Decode("a token of nobody".into())),
    };
    Ok(Some(Known {
        speaks,
        is_stale: row.is_stale,
        now: row.now,
    }))
}

/// Keeps a token's last use, to the minute.
///
/// # Errors
/// When the database does not answer or takes no writes.
pub async fn used(
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

/// Revokes an API token, for the server's command line; tells whether it worked until now.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(
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

/// Revokes an API token for its person, its machine's owner or an admin; tells whether it worked
/// until now.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke_by(
    conn: &mut PgConnection,
    person: PersonId,
    id: TokenId,
    now: DateTime<Utc>,
    admins: &[String],
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT token_revoked($1, $2, $3, $4) AS "done!""#,
        person.uuid(),
        id.uuid(),
        now,
        admins
    )
    .fetch_one(conn)
    .await
}
