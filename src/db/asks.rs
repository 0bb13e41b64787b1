//! What is looked at before one more request of a person is stored.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::person::Person;
use crate::domain::text::{Ticket, Words};
use crate::ids::{EntitlementId, GrantId, MachineId, PersonId, PrincipalId, RequestId};

/// Lets one ask of a human be stored at a time, until the transaction ends.
///
/// # Errors
/// When the database does not answer, or the lock cannot be had in time.
pub async fn lock(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    // An advisory lock, since there is no row yet that could be locked.
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
    pub person: &'a Person,
    pub machine: Option<MachineId>,
    pub entitlement: EntitlementId,
    pub principal: Option<PrincipalId>,
    pub session: Option<&'a str>,
    pub justification: &'a Words,
    pub duration_seconds: i32,
    pub starts_at: Option<DateTime<Utc>>,
    pub ticket: Option<&'a Ticket>,
    /// How far back to look.
    pub since: DateTime<Utc>,
}

/// What a person has asked for before.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// The latest request of the same ask that waits or has a grant which is not over.
    pub same: Option<RequestId>,
    /// How many requests wait for a decision.
    pub waiting: i64,
    /// How many of these are for the same entitlement.
    pub of_entitlement: i64,
    /// Whether the identity, if there is one, is the person's still.
    pub is_own: bool,
}

/// What the person has asked for before; the requests that wait of all of the human's accounts are
/// counted up to `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn before(
    conn: &mut PgConnection,
    ask: &SameAsk<'_>,
    limit: i64,
) -> sqlx::Result<Before> {
    let ids: Vec<_> = ask.person.ids.iter().map(|id| id.uuid()).collect();
    // A repetition is at most a minute old, so that the latest fifty requests are enough. A grant
    // that closes leads nowhere: who asks then wants a new one. `IS NOT DISTINCT FROM`: two asks
    // without a start are the same.
    sqlx::query_as!(
        Before,
        r#"SELECT (SELECT r.id FROM (SELECT * FROM requests WHERE person = $1 ORDER BY id DESC LIMIT 50) r
                   WHERE r.entitlement = $2 AND r.principal IS NOT DISTINCT FROM $3 AND r.justification = $4
                     AND r.duration_seconds = $5
                     AND r.starts_at IS NOT DISTINCT FROM $6 AND r.ticket IS NOT DISTINCT FROM $7
                     AND r.submitted_at > $8 AND r.extends IS NULL AND r.requested_by IS NOT DISTINCT FROM $10
                     AND (r.state = 'pending'
                          OR EXISTS (SELECT FROM grants g WHERE g.request = r.id
                                     AND g.state IN ('scheduled', 'opening', 'active')))
                   ORDER BY r.id DESC LIMIT 1) AS "same: RequestId",
                  count(*) AS "waiting!", count(*) FILTER (WHERE entitlement = $2) AS "of_entitlement!",
                  ($3::uuid IS NULL OR EXISTS (SELECT FROM principals o JOIN people w ON w.id = o.person
                   WHERE o.id = $3 AND o.person = ANY($11) AND (o.person = $1 OR w.status = 'active')
                   AND o.ended_at IS NULL AND o.conflict_with IS NULL
                   AND o.role_session_name IS NOT DISTINCT FROM $12)) AS "is_own!"
           FROM (SELECT entitlement FROM requests WHERE person = ANY($11) AND state = 'pending' LIMIT $9) waiting"#,
        ask.person.id.uuid(),
        ask.entitlement.uuid(),
        ask.principal.map(PrincipalId::uuid),
        ask.justification.as_str(),
        ask.duration_seconds,
        ask.starts_at,
        ask.ticket.map(Ticket::as_str),
        ask.since,
        limit,
        ask.machine.map(MachineId::uuid) as Option<uuid::Uuid>,
        &ids,
        ask.session,
    )
    .fetch_one(conn)
    .await
}

/// What a human has of an entitlement, or waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The request.
    pub request: RequestId,
    /// Which account of theirs has asked.
    pub person: PersonId,
    /// ARN of the AWS identity that is let in; none where the method needs none.
    pub principal_arn: Option<String>,
    /// The name of its sessions, where it is a role.
    pub principal_session: Option<String>,
    /// Its grant; none while it waits for a decision.
    pub grant: Option<GrantId>,
    /// From when until when that is.
    pub window: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// What somebody has of an entitlement by whichever account of theirs, or waits for, the latest ask
/// first. What closes leads nowhere any more.
///
/// # Errors
/// When the database does not answer.
pub async fn held(
    conn: &mut PgConnection,
    person: PersonId,
    entitlement: EntitlementId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Held>> {
    let rows = sqlx::query!(
        r#"SELECT r.id AS "request!: RequestId", r.person AS "person!: PersonId", r.principal_arn, r.principal_session,
                  NULL::uuid AS "grant: GrantId", NULL::timestamptz AS starts_at, NULL::timestamptz AS deadline
           FROM people p JOIN requests r ON r.person = ANY (human_ids(p)) AND r.state = 'pending'
           WHERE p.id = $1 AND r.entitlement = $2 AND r.extends IS NULL AND r.expires_at > $3
           UNION ALL
           SELECT r.id, r.person, r.principal_arn, r.principal_session, g.id, g.starts_at, g.deadline
           FROM people p JOIN grants g ON g.person = ANY (human_ids(p))
                   AND g.state IN ('scheduled', 'opening', 'active')
               JOIN requests r ON r.id = g.request
           WHERE p.id = $1 AND r.entitlement = $2 AND g.deadline > $3
           ORDER BY 1 DESC LIMIT 10"#,
        person.uuid(),
        entitlement.uuid(),
        now,
    );
    let rows = rows.fetch_all(conn).await?.into_iter().map(|row| Held {
        request: row.request,
        person: row.person,
        principal_arn: row.principal_arn,
        principal_session: row.principal_session,
        grant: row.grant,
        window: row.starts_at.zip(row.deadline),
    });
    Ok(rows.collect())
}
