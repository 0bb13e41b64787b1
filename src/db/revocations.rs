//! Revocations: what is ended and held, and how far it has come.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::audit;
use super::grants::row::whole;
use crate::domain::Change;
use crate::domain::audit::Event;
use crate::domain::grant::Grant;
use crate::domain::revocation::{Hold, Revocation, Scope};
use crate::domain::text::Words;
use crate::ids::{GrantId, PersonId, RevocationId, TargetId};

/// Revocations by their row, with the rest of the statement.
macro_rules! revocations {
    ($tail:literal, $($arg:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT v.id, v.scope, v.person, v.target, v.account, v.reason, v.begun_by, v.begun_at, v.through_at,
                      v.lift_asked_by, v.lift_asked_at, v.lifted_by, v.lifted_at
               FROM revocations v "# + $tail,
            $($arg),*
        )
    };
}

struct Row {
    id: RevocationId,
    scope: String,
    person: Option<PersonId>,
    target: Option<TargetId>,
    account: Option<String>,
    reason: String,
    begun_by: PersonId,
    begun_at: DateTime<Utc>,
    through_at: Option<DateTime<Utc>>,
    lift_asked_by: Option<PersonId>,
    lift_asked_at: Option<DateTime<Utc>>,
    lifted_by: Option<PersonId>,
    lifted_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Revocation {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let scope = match (row.scope.as_str(), row.person, row.target, row.account) {
            ("person", Some(person), None, None) => Scope::Person(person),
            ("role", None, Some(target), None) => Scope::Role(target),
            ("account", None, None, Some(account)) => Scope::Account(account),
            ("everything", None, None, None) => Scope::Everything,
            _ => return Err(sqlx::Error::Decode(format!("{} cannot be", row.id).into())),
        };
        let asked = row.lift_asked_by.zip(row.lift_asked_at);
        let hold = match (row.lifted_by.zip(row.lifted_at), asked) {
            (Some((by, at)), asked) => Hold::Lifted { asked, by, at },
            (None, Some((by, at))) => Hold::Lifting { by, at },
            (None, None) => Hold::Held,
        };
        Ok(Self {
            id: row.id,
            scope,
            reason: Words::stored(row.reason),
            begun_by: row.begun_by,
            begun_at: row.begun_at,
            through_at: row.through_at,
            hold,
        })
    }
}

/// A scope as its columns.
fn columns(scope: &Scope) -> (Option<Uuid>, Option<Uuid>, Option<&str>) {
    match scope {
        Scope::Person(person) => (Some(person.uuid()), None, None),
        Scope::Role(target) => (None, Some(target.uuid()), None),
        Scope::Account(account) => (None, None, Some(account)),
        Scope::Everything => (None, None, None),
    }
}

/// Stores a revocation with its event. Where one of the same scope holds, it goes on, and the event
/// is one of that. Gives the one that holds; none where that was lifted just now.
///
/// # Errors
/// When the database does not answer, or its scope names nothing.
pub async fn begin(
    conn: &mut PgConnection,
    change: Change<Revocation>,
) -> sqlx::Result<Option<Revocation>> {
    let new = change.value;
    let (person, target, account) = columns(&new.scope);
    let made = sqlx::query!(
        "INSERT INTO revocations (id, scope, person, target, account, reason, begun_by, begun_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        new.id.uuid(),
        new.scope.as_str(),
        person,
        target,
        account,
        new.reason.as_str(),
        new.begun_by.uuid(),
        new.begun_at
    )
    .execute(&mut *conn)
    .await?;
    if made.rows_affected() == 1 {
        audit::append(conn, &change.event).await?;
        return Ok(Some(new));
    }
    let standing = revocations!(
        "WHERE v.scope = $1 AND v.lifted_at IS NULL
           AND (v.person, v.target, v.account) IS NOT DISTINCT FROM ($2::uuid, $3::uuid, $4::text)
         FOR NO KEY UPDATE",
        new.scope.as_str(),
        person,
        target,
        account,
    );
    let Some(standing) = standing.fetch_optional(&mut *conn).await? else {
        return Ok(None);
    };
    let standing = Revocation::try_from(standing)?;
    // Whoever ends it once more takes back what was asked for: two people again have to lift it.
    sqlx::query!(
        "UPDATE revocations SET lift_asked_by = NULL, lift_asked_at = NULL WHERE id = $1",
        standing.id.uuid()
    )
    .execute(&mut *conn)
    .await?;
    let event = Event {
        subject: standing.id.to_string(),
        ..change.event
    };
    audit::append(conn, &event).await?;
    let hold = Hold::Held;
    Ok(Some(Revocation { hold, ..standing }))
}

/// A revocation.
///
/// # Errors
/// When the database does not answer, or the row cannot be.
pub async fn get(conn: &mut PgConnection, id: RevocationId) -> sqlx::Result<Option<Revocation>> {
    let row = revocations!("WHERE v.id = $1", id.uuid());
    let row = row.fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Locks a revocation until the transaction ends.
///
/// # Errors
/// When the database does not answer, or the row cannot be.
pub async fn lock(conn: &mut PgConnection, id: RevocationId) -> sqlx::Result<Option<Revocation>> {
    let row = revocations!("WHERE v.id = $1 FOR NO KEY UPDATE", id.uuid());
    let row = row.fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Revocations, newest first.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn list(
    conn: &mut PgConnection,
    before: Option<RevocationId>,
    limit: i64,
) -> sqlx::Result<Vec<Revocation>> {
    let rows = revocations!(
        "WHERE $1::uuid IS NULL OR v.id < $1 ORDER BY v.id DESC LIMIT $2",
        before.map(RevocationId::uuid),
        limit
    );
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Those that hold.
///
/// # Errors
/// When the database does not answer.
pub async fn holding(conn: &mut PgConnection) -> sqlx::Result<Vec<RevocationId>> {
    sqlx::query_scalar!(r#"SELECT id FROM revocations WHERE lifted_at IS NULL ORDER BY id"#)
        .fetch_all(conn)
        .await
}

/// Stores where the hold of a locked revocation stands, with its event.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn store(
    conn: &mut PgConnection,
    change: Change<Revocation>,
) -> sqlx::Result<Revocation> {
    let now = change.value;
    let (asked, lifted) = match now.hold {
        Hold::Held => (None, None),
        Hold::Lifting { by, at } => (Some((by, at)), None),
        Hold::Lifted { asked, by, at } => (asked, Some((by, at))),
    };
    sqlx::query!(
        "UPDATE revocations SET lift_asked_by = $2, lift_asked_at = $3, lifted_by = $4, lifted_at = $5 WHERE id = $1",
        now.id.uuid(),
        asked.map(|(by, _)| by.uuid()),
        asked.map(|(_, at)| at),
        lifted.map(|(by, _)| by.uuid()),
        lifted.map(|(_, at)| at),
    )
    .execute(&mut *conn)
    .await?;
    audit::append(conn, &change.event).await?;
    Ok(now)
}

/// Nothing of its scope is left that could still be ended; tells whether that is news.
///
/// # Errors
/// When the database does not answer.
pub async fn through(
    conn: &mut PgConnection,
    id: RevocationId,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE revocations SET through_at = $2 WHERE id = $1 AND through_at IS NULL AND lifted_at IS NULL",
        id.uuid(),
        at
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Locks up to `most` grants of a revocation that can still be ended, by id, as everybody locks
/// several.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn open_grants(
    conn: &mut PgConnection,
    id: RevocationId,
    most: i64,
) -> sqlx::Result<Vec<Grant>> {
    let rows = whole!(
        r#"WHERE g.state IN ('scheduled', 'opening', 'active')
             AND EXISTS (SELECT FROM revocations v WHERE v.id = $1 AND v.lifted_at IS NULL
                         AND is_revoked(v, g.person,
                                        g.target || ARRAY(SELECT w.target FROM parts w WHERE w."grant" = g.id),
                                        g.principal_arn))
           ORDER BY g.id LIMIT $2 FOR NO KEY UPDATE OF g"#,
        id.uuid(),
        most
    );
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The revocations that hold some of these locked grants, the oldest for each. Read after they were
/// locked: what is stored by then holds whatever is begun for them.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn of_grants(
    conn: &mut PgConnection,
    grants: &[Uuid],
) -> sqlx::Result<BTreeMap<GrantId, Revocation>> {
    let held = sqlx::query!(
        r#"SELECT DISTINCT ON (g.id) g.id AS "grant", v.id AS revocation
           FROM grants g JOIN revocations v ON v.lifted_at IS NULL
             AND is_revoked(v, g.person,
                            g.target || ARRAY(SELECT w.target FROM parts w WHERE w."grant" = g.id), g.principal_arn)
           WHERE g.id = ANY($1) ORDER BY g.id, v.id"#,
        grants
    );
    let held = held.fetch_all(&mut *conn).await?;
    let ids: Vec<Uuid> = held.iter().map(|row| row.revocation.uuid()).collect();
    let rows = revocations!("WHERE v.id = ANY($1)", &ids);
    let mut known = BTreeMap::new();
    for row in rows.fetch_all(conn).await? {
        let revocation = Revocation::try_from(row)?;
        known.insert(revocation.id, revocation);
    }
    let held = held.into_iter();
    let held = held.filter_map(|row| Some((row.grant, known.get(&row.revocation)?.clone())));
    Ok(held.collect())
}
