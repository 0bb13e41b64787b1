//! What is looked at before one more request of a person is stored.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::text::{Ticket, Words};
use crate::ids::{EntitlementId, PersonId, PrincipalId, RequestId};

/// Lets one ask of a person be stored at a time, until the transaction ends.
///
/// # Errors
/// When the database does not answer, or the lock cannot be had in time.
pub async fn lock(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text AS "locked""#,
        format!("asks of {person}")
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// An ask, to be compared with those before.
#[derive(Debug)]
#[expect(missing_docs, reason = "as of a request")]
pub struct SameAsk<'a> {
    pub person: PersonId,
    pub entitlement: EntitlementId,
    pub principal: PrincipalId,
    pub justification: &'a Words,
    pub duration_seconds: i32,
    pub starts_at: Option<DateTime<Utc>>,
    pub ticket: Option<&'a Ticket>,
    /// How far back to look.
    pub since: DateTime<Utc>,
}

/// The latest request of the same ask that waits or has a grant which is not over.
///
/// # Errors
/// When the database does not answer.
pub async fn same(conn: &mut PgConnection, ask: &SameAsk<'_>) -> sqlx::Result<Option<RequestId>> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id!: RequestId" FROM (SELECT * FROM requests WHERE person = $1 ORDER BY id DESC LIMIT 50) r
           WHERE entitlement = $2 AND principal = $3 AND justification = $4 AND duration_seconds = $5
             AND starts_at IS NOT DISTINCT FROM $6 AND ticket IS NOT DISTINCT FROM $7 AND submitted_at > $8
             AND (state = 'pending'
                  OR EXISTS (SELECT FROM grants g WHERE g.request = r.id AND g.state IN ('scheduled', 'opening',
                  'active')))
           ORDER BY id DESC LIMIT 1"#,
        ask.person.uuid(),
        ask.entitlement.uuid(),
        ask.principal.uuid(),
        ask.justification.as_str(),
        ask.duration_seconds,
        ask.starts_at,
        ask.ticket.map(Ticket::as_str),
        ask.since,
    )
    .fetch_optional(conn)
    .await
}

/// How many requests of a person wait for a decision.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// All of them.
    pub all: i64,
    /// Those for one entitlement.
    pub of_entitlement: i64,
}

/// Counts a person's pending requests, up to `limit` of them.
///
/// # Errors
/// When the database does not answer.
pub async fn pending(
    conn: &mut PgConnection,
    person: PersonId,
    entitlement: EntitlementId,
    limit: i64,
) -> sqlx::Result<Pending> {
    sqlx::query_as!(
        Pending,
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE entitlement = $2) AS "of_entitlement!"
           FROM (SELECT entitlement FROM requests WHERE person = $1 AND state = 'pending' LIMIT $3) waiting"#,
        person.uuid(),
        entitlement.uuid(),
        limit
    )
    .fetch_one(conn)
    .await
}
