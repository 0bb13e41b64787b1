//! Who decides for whom while they are away.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::{DelegationId, PersonId, RequestId};

/// A delegation that is made.
#[derive(Debug, Clone, Copy)]
pub struct New {
    /// Its id.
    pub id: DelegationId,
    /// Who is away.
    pub from: PersonId,
    /// Who decides for them.
    pub to: PersonId,
    /// From when.
    pub starts_at: DateTime<Utc>,
    /// Until when.
    pub ends_at: DateTime<Utc>,
    /// When it is made.
    pub made_at: DateTime<Utc>,
}

/// Stores a delegation; `false` where one of the same human is live at some time of it, and then
/// the transaction is over.
///
/// # Errors
/// When the database does not answer, or one of the two is disabled meanwhile.
pub async fn insert(conn: &mut PgConnection, new: New) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO delegations (id, from_person, to_person, starts_at, ends_at, made_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        new.id.uuid(),
        new.from.uuid(),
        new.to.uuid(),
        new.starts_at,
        new.ends_at,
        new.made_at,
    );
    match done.execute(conn).await {
        Ok(_) => Ok(true),
        // Asked there, under a lock of that human: two at once do not see each other.
        Err(sqlx::Error::Database(refusal)) if refusal.constraint() == Some("delegation_live") => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A delegation that is not over.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: DelegationId,
    /// Who is away.
    pub from: PersonId,
    /// Their name.
    pub from_name: String,
    /// Who decides for them.
    pub to: PersonId,
    /// Their name.
    pub to_name: String,
    /// From when.
    pub starts_at: DateTime<Utc>,
    /// Until when.
    pub ends_at: DateTime<Utc>,
}

/// The delegations from and to these accounts that are not over, in the order in which they begin.
///
/// # Errors
/// When the database does not answer.
pub async fn of_people(
    conn: &mut PgConnection,
    people: &[PersonId],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Listed>> {
    let people: Vec<_> = people.iter().map(|id| id.uuid()).collect();
    sqlx::query_as!(
        Listed,
        r#"SELECT d.id AS "id: DelegationId", d.from_person AS "from: PersonId", f.name AS from_name,
                  d.to_person AS "to: PersonId", t.name AS to_name, d.starts_at, d.ends_at
           FROM delegations d JOIN people f ON f.id = d.from_person JOIN people t ON t.id = d.to_person
           WHERE (d.from_person = ANY($1) OR d.to_person = ANY($1)) AND d.ended_at IS NULL AND d.ends_at > $2
           ORDER BY d.starts_at, d.id"#,
        &people,
        now
    )
    .fetch_all(conn)
    .await
}

/// Ends a delegation from or to one of these accounts; tells from whom and to whom it was. `None`
/// where there is no such one that is not over.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    conn: &mut PgConnection,
    people: &[PersonId],
    id: DelegationId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(PersonId, PersonId)>> {
    let people: Vec<_> = people.iter().map(|id| id.uuid()).collect();
    let row = sqlx::query!(
        r#"UPDATE delegations SET ended_at = $3
           WHERE id = $2 AND (from_person = ANY($1) OR to_person = ANY($1)) AND ended_at IS NULL AND ends_at > $3
           RETURNING from_person AS "from: PersonId", to_person AS "to: PersonId""#,
        &people,
        id.uuid(),
        now
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.map(|row| (row.from, row.to)))
}

/// Whether one of these accounts is in a group that approves something in the catalog.
///
/// # Errors
/// When the database does not answer.
pub async fn approves(conn: &mut PgConnection, people: &[PersonId]) -> sqlx::Result<bool> {
    let people: Vec<_> = people.iter().map(|id| id.uuid()).collect();
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM people p, entitlements e, jsonb_array_elements(e.stages) s,
                   jsonb_array_elements(s->'groups') g
               WHERE p.id = ANY($1) AND p.status = 'active' AND e.retired_at IS NULL
                 AND (g->>'group' = ANY (p.groups) OR g->>'escalate_to' = ANY (p.groups))) AS "approves!""#,
        &people
    )
    .fetch_one(conn)
    .await
}

/// Somebody who could decide a request, and is away.
#[derive(Debug, Clone)]
pub struct Away {
    /// Their name.
    pub name: String,
    /// The name of who decides for them.
    pub delegate: String,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Who of a request's groups is away, by name, up to `limit` of them; none of those who have asked.
///
/// # Errors
/// When the database does not answer.
pub async fn away(
    conn: &mut PgConnection,
    request: RequestId,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Away>> {
    sqlx::query_as!(
        Away,
        r#"SELECT f.name, t.name AS delegate, d.ends_at AS until
           FROM requests r, delegations d JOIN people f ON f.id = d.from_person JOIN people t ON t.id = d.to_person
           WHERE r.id = $1 AND d.ended_at IS NULL AND d.starts_at <= $2 AND d.ends_at > $2
             AND human(f.id) <> ALL (askers(r))
             AND EXISTS (SELECT FROM people p JOIN approver_groups g ON p.groups @> ARRAY[g."group"]
                         WHERE g.request = r.id AND p.id = ANY (human_ids(f)) AND p.status = 'active')
           ORDER BY f.name, d.id LIMIT $3"#,
        request.uuid(),
        now,
        limit
    )
    .fetch_all(conn)
    .await
}
