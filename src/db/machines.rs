//! Machines: programs that ask on behalf of people.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::machine::Machine;
use crate::domain::person::Person;
use crate::domain::scope::Scopes;
use crate::ids::{GrantId, MachineId, PersonId, RequestId, TokenId};

/// A machine before it is stored.
#[derive(Debug)]
pub struct NewMachine<'a> {
    /// Its id.
    pub id: MachineId,
    /// What people call it.
    pub name: &'a str,
    /// Who answers for it.
    pub owner: PersonId,
    /// What it may do.
    pub scopes: Scopes,
    /// The names of the entitlements that it may ask for.
    pub entitlements: &'a [String],
    /// Its workload identity, if it has one.
    pub workload: Option<&'a Workload>,
}

/// A workload identity: what somebody signs for a program that has no stored secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Who signs it.
    pub issuer: String,
    /// For whom (`aud`); none is `server.public_url`.
    pub audience: Option<String>,
    /// The claims that are equal in it, by name; `sub` is among them.
    pub claims: Vec<(String, String)>,
}

impl Workload {
    fn object(&self) -> serde_json::Value {
        let claims = self.claims.iter().cloned();
        claims
            .map(|(name, text)| (name, serde_json::Value::String(text)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn stored(
        issuer: Option<String>,
        audience: Option<String>,
        claims: Option<serde_json::Value>,
    ) -> Option<Self> {
        let claims = claims?;
        let claims = claims.as_object()?.iter();
        let claims = claims.map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
        Some(Self {
            issuer: issuer?,
            audience,
            claims: claims.collect::<Option<_>>()?,
        })
    }
}

/// Stores a machine that a session of the portal makes: the database itself asks whose session it
/// is, and whether they may.
///
/// # Errors
/// When the database does not answer, or refuses it: `machines_name_key` where a machine that has
/// not ended has the name.
pub async fn create(
    conn: &mut PgConnection,
    session: &[u8; 32],
    machine: &NewMachine<'_>,
    now: DateTime<Utc>,
    admins: &[String],
) -> sqlx::Result<()> {
    let workload = machine.workload;
    sqlx::query!(
        "SELECT machine_created($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)::text AS made",
        session,
        machine.id.uuid(),
        machine.name,
        machine.owner.uuid(),
        &machine.scopes.words(),
        machine.entitlements,
        workload.map(|it| it.issuer.as_str()) as Option<&str>,
        workload.and_then(|it| it.audience.as_deref()) as Option<&str>,
        workload.map(Workload::object) as Option<serde_json::Value>,
        now,
        admins,
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// Ends a machine with its tokens, for the session's person; tells whether it worked until now.
///
/// # Errors
/// When the database does not answer, or the session does not work.
pub async fn end(
    conn: &mut PgConnection,
    session: &[u8; 32],
    id: MachineId,
    now: DateTime<Utc>,
    admins: &[String],
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT machine_ended($1, $2, $3, $4) AS "done!""#,
        session,
        id.uuid(),
        now,
        admins
    )
    .fetch_one(conn)
    .await
}

/// A machine that has got another owner.
#[derive(Debug)]
pub struct Given {
    /// Whose it was.
    pub was: PersonId,
    /// Its tokens, which have ended.
    pub tokens: Vec<TokenId>,
}

/// Gives a machine to another owner, for the session's person, and ends its tokens; none where it
/// has ended, or is theirs already.
///
/// # Errors
/// When the database does not answer, the session does not work or is no admin's, or the owner is
/// disabled.
pub async fn give(
    conn: &mut PgConnection,
    session: &[u8; 32],
    id: MachineId,
    owner: PersonId,
    now: DateTime<Utc>,
    admins: &[String],
) -> sqlx::Result<Option<Given>> {
    let row = sqlx::query!(
        r#"SELECT was AS "was: PersonId", tokens AS "tokens: Vec<TokenId>" FROM machine_given($1, $2, $3, $4, $5)"#,
        session,
        id.uuid(),
        owner.uuid(),
        now,
        admins
    );
    let row = row.fetch_one(conn).await?;
    let given = row.was.zip(row.tokens);
    Ok(given.map(|(was, tokens)| Given { was, tokens }))
}

/// A machine as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The machine.
    pub machine: Machine,
    /// Its owner's name.
    pub owner: String,
    /// Its workload identity, if it has one.
    pub workload: Option<Workload>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when nothing of it works any more.
    pub ended_at: Option<DateTime<Utc>>,
}

struct Row {
    id: MachineId,
    name: String,
    owner: PersonId,
    owner_name: String,
    scopes: Vec<String>,
    entitlements: Vec<String>,
    issuer: Option<String>,
    audience: Option<String>,
    claims: Option<Json<serde_json::Value>>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        Self {
            machine: Machine {
                id: row.id,
                name: row.name,
                owner: row.owner,
                scopes: Scopes::stored(&row.scopes),
                entitlements: row.entitlements,
            },
            owner: row.owner_name,
            workload: Workload::stored(row.issuer, row.audience, row.claims.map(|it| it.0)),
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

/// Machines with one condition more, and in which order.
macro_rules! machines {
    ($tail:literal $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT m.id, m.name, m.owner, p.name AS owner_name, m.scopes, m.entitlements, m.issuer, m.audience,
                      m.claims AS "claims: Json<serde_json::Value>", m.created_at, m.ended_at
               FROM machines m JOIN people p ON p.id = m.owner "# + $tail,
            $($arg),*
        )
    };
}

/// Every machine, or those of one owner, by name; those that are ended last.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut PgConnection, owner: Option<PersonId>) -> sqlx::Result<Vec<Listed>> {
    let rows = machines!(
        "WHERE $1::uuid IS NULL OR m.owner = $1 ORDER BY m.ended_at IS NOT NULL, m.name",
        owner.map(PersonId::uuid) as Option<uuid::Uuid>
    );
    let rows = rows.fetch_all(conn).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// One machine.
///
/// # Errors
/// When the database does not answer.
pub async fn get(conn: &mut PgConnection, id: MachineId) -> sqlx::Result<Option<Listed>> {
    let row = machines!("WHERE m.id = $1", id.uuid());
    Ok(row.fetch_optional(conn).await?.map(Into::into))
}

/// The machines whose workload identity that issuer signs.
///
/// # Errors
/// When the database does not answer.
pub async fn of_issuer(conn: &mut PgConnection, issuer: &str) -> sqlx::Result<Vec<Listed>> {
    // Postgres takes no NUL in a text, so nobody has such a name.
    if issuer.contains('\0') {
        return Ok(Vec::new());
    }
    let rows = machines!("WHERE m.issuer = $1 AND m.ended_at IS NULL", issuer);
    let rows = rows.fetch_all(conn).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The person of a request that the machine has asked for.
///
/// # Errors
/// When the database does not answer.
pub async fn asked_for(
    conn: &mut PgConnection,
    machine: MachineId,
    request: RequestId,
) -> sqlx::Result<Option<Person>> {
    sqlx::query_as!(
        Person,
        r#"SELECT p.id, p.name, p.email, p.groups, human_ids(p) AS "ids!: Vec<PersonId>"
           FROM requests r JOIN people p ON p.id = r.person WHERE r.id = $1 AND r.requested_by = $2"#,
        request.uuid(),
        machine.uuid()
    )
    .fetch_optional(conn)
    .await
}

/// The request of a grant, whoever asked.
///
/// # Errors
/// When the database does not answer.
pub async fn request_of(
    conn: &mut PgConnection,
    grant: GrantId,
) -> sqlx::Result<Option<RequestId>> {
    sqlx::query_scalar!(
        r#"SELECT request AS "request: RequestId" FROM grants WHERE id = $1"#,
        grant.uuid()
    )
    .fetch_optional(conn)
    .await
}
