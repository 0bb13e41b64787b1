//! Requests, one at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit;
use crate::domain::Change;
use crate::domain::audit::By;
use crate::domain::entitlement::Terms;
use crate::domain::machine::{Asked, RequestedBy};
use crate::domain::outlive::Outlives;
use crate::domain::person::Who;
use crate::domain::request::{Request, RequestState};
use crate::domain::text::{Ticket, Words};
use crate::ids::{EntitlementId, GrantId, MachineId, PersonId, PrincipalId, RequestId, TargetId};

/// The columns of a request.
pub(super) struct Row {
    pub id: RequestId,
    pub version: i32,
    pub revision: i32,
    pub person: PersonId,
    /// The name of the machine that has sent it, or else of its person.
    pub sender: String,
    pub machine: Option<MachineId>,
    pub machine_owner: Option<PersonId>,
    /// Whose the machine is now.
    pub owner_now: Option<PersonId>,
    pub principal: Option<PrincipalId>,
    pub principal_arn: Option<String>,
    pub principal_session: Option<String>,
    pub principal_unique_id: Option<String>,
    pub entitlement: EntitlementId,
    pub target: TargetId,
    pub role_id: Option<String>,
    pub terms: Json<Terms>,
    pub justification: String,
    pub duration_seconds: i32,
    pub effective_seconds: i32,
    pub extends: Option<GrantId>,
    pub starts_at: Option<DateTime<Utc>>,
    pub ticket: Option<String>,
    pub target_checked: bool,
    pub outlives: Option<Json<Vec<Outlives>>>,
    pub state: String,
    pub submitted_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// Requests with what is asked of them: the columns of [`Row`].
macro_rules! requests {
    ($tail:literal $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id, version, revision, person,
                      coalesce((SELECT m.name FROM machines m WHERE m.id = requested_by),
                               (SELECT p.name FROM people p WHERE p.id = person)) AS "sender!",
                      requested_by AS "machine: MachineId", machine_owner AS "machine_owner: PersonId",
                      (SELECT m.owner FROM machines m WHERE m.id = requested_by) AS "owner_now: PersonId",
                      principal, principal_arn, principal_session, principal_unique_id, entitlement, target, role_id,
                      terms AS "terms: Json<Terms>", justification, duration_seconds,
                      effective_duration(requests) AS "effective_seconds!", extends, starts_at, ticket,
                      target_checked, outlives AS "outlives: Json<Vec<Outlives>>", state, submitted_at, expires_at,
                      closed_at
               FROM requests "# + $tail,
            $($arg),*
        )
    };
}
pub(super) use requests;

impl TryFrom<Row> for Request {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let state = match (row.state.as_str(), row.closed_at) {
            ("pending", None) => RequestState::Pending,
            ("approved", Some(at)) => RequestState::Approved(at),
            ("denied", Some(at)) => RequestState::Denied(at),
            ("withdrawn", Some(at)) => RequestState::Withdrawn(at),
            ("expired", Some(at)) => RequestState::Expired(at),
            _ => {
                let text = format!("request {}: impossible state", row.id);
                return Err(sqlx::Error::Decode(text.into()));
            }
        };
        let who = row.principal_arn.as_deref().map(|arn| Who {
            arn,
            session: row.principal_session.as_deref(),
        });
        let asked = row.machine.zip(row.machine_owner).zip(row.owner_now);
        Ok(Self {
            id: row.id,
            version: row.version,
            revision: row.revision,
            person: row.person,
            requested_by: match asked {
                Some(((id, owner_then), owner)) => RequestedBy::Machine(Asked {
                    id,
                    name: row.sender,
                    owner_then,
                    owner,
                }),
                None => RequestedBy::Person(row.sender),
            },
            principal: row.principal,
            // Not a column: it follows from the identity, and a trigger asks for the same at the
            // grant.
            console_name: row.terms.0.console_name(who),
            principal_unique_id: row.principal_unique_id,
            entitlement: row.entitlement,
            target: row.target,
            role_id: row.role_id,
            // Not checked again: a rule of today must not make an old request unreadable.
            justification: Words::stored(row.justification),
            ticket: row.ticket.map(Ticket::stored),
            terms: row.terms.0,
            duration_seconds: row.duration_seconds,
            effective_seconds: row.effective_seconds,
            extends: row.extends,
            starts_at: row.starts_at,
            target_checked: row.target_checked,
            outlives: row.outlives.map(|it| it.0),
            submitted_at: row.submitted_at,
            expires_at: row.expires_at,
            principal_arn: row.principal_arn,
            principal_session: row.principal_session,
            state,
        })
    }
}

/// Stores a new request with its event.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn insert(conn: &mut PgConnection, change: Change<Request>) -> sqlx::Result<Request> {
    let request = change.value;
    let event = audit::Columns::try_from(&change.event)?;
    sqlx::query!(
        "WITH stored AS (
             INSERT INTO requests (id, version, person, principal, principal_arn, principal_unique_id, entitlement, \
                 target, role_id, terms, justification, duration_seconds, starts_at, ticket, \
                 target_checked, state, submitted_at, expires_at, extends, outlives, principal_session, requested_by, \
                 machine_owner)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $30, $31, \
                 $32, $33, $34)
             RETURNING person)
         INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, \
             code, details, concerns)
         SELECT $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, person FROM stored",
        request.id.uuid(),
        request.version,
        request.person.uuid(),
        request.principal.map(PrincipalId::uuid),
        request.principal_arn,
        request.principal_unique_id,
        request.entitlement.uuid(),
        request.target.uuid(),
        request.role_id,
        Json(&request.terms) as _,
        request.justification.as_str(),
        request.duration_seconds,
        request.starts_at,
        request.ticket.as_ref().map(ToString::to_string),
        request.target_checked,
        request.state.as_str(),
        request.submitted_at,
        request.expires_at,
        event.id,
        event.at,
        event.action,
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.subject,
        event.channel,
        event.outcome,
        event.code,
        event.details,
        request.extends.map(GrantId::uuid),
        request.outlives.as_ref().map(Json) as _,
        request.principal_session,
        request.requested_by.machine().map(|it| it.id.uuid()),
        request.requested_by.machine().map(|it| it.owner_then.uuid()),
    )
    .execute(conn)
    .await?;
    Ok(request)
}

/// Locks a request until the transaction ends.
///
/// # Errors
/// When the database does not answer, or the row spells no state.
pub async fn lock(conn: &mut PgConnection, id: RequestId) -> sqlx::Result<Option<Request>> {
    let row = requests!("WHERE id = $1 FOR UPDATE", id.uuid());
    row.fetch_optional(conn)
        .await?
        .map(TryInto::try_into)
        .transpose()
}

/// Stores a transition of a locked request with its event.
///
/// # Errors
/// When the database does not answer, or the row is not what it was when it was locked.
pub async fn store(conn: &mut PgConnection, change: Change<Request>) -> sqlx::Result<Request> {
    let request = change.value;
    let event = audit::Columns::try_from(&change.event)?;
    // The row is locked; should a caller ever forget that, a voice still counts on no other version
    // than the one it saw.
    let done = sqlx::query!(
        "WITH stored AS (
             UPDATE requests SET state = $2, version = $3, closed_at = $4, revision = $16
             WHERE id = $1 AND state = 'pending' AND version = $3 - 1 RETURNING person)
         INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, \
             code, details, concerns)
         SELECT $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, person FROM stored",
        request.id.uuid(),
        request.state.as_str(),
        request.version,
        request.state.closed_at(),
        event.id,
        event.at,
        event.action,
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.subject,
        event.channel,
        event.outcome,
        event.code,
        event.details,
        request.revision,
    )
    .execute(conn)
    .await?;
    // Without a stored row there is no event either.
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(request)
}

/// Pending requests whose time is over at the time that is `given`, or else now.
///
/// # Errors
/// When the database does not answer.
pub async fn overdue(
    conn: &mut PgConnection,
    given: Option<DateTime<Utc>>,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    // In a SELECT of its own the time is asked once, so that the index on `expires_at` serves.
    sqlx::query_scalar!(
        "SELECT id FROM requests WHERE state = 'pending' AND expires_at <= (SELECT coalesce($1, clock_timestamp()))
         ORDER BY expires_at LIMIT $2",
        given,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Lets lapse what is to extend these grants and waits for a decision, since they close or are
/// over; tells how many did. The caller has the grants' locks, or knows that they stay closed.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn lapse_with(
    conn: &mut PgConnection,
    grants: &[GrantId],
    by: &By,
) -> sqlx::Result<usize> {
    let grants: Vec<Uuid> = grants.iter().map(|id| id.uuid()).collect();
    // Who approves locks the request before the grant: waiting here for somebody who decides would
    // be the other order. They find the grant closed, and the next sweep comes back to it.
    let rows = requests!(
        "WHERE extends = ANY($1) AND state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED",
        &grants
    );
    let mut lapsed = 0;
    for row in rows.fetch_all(&mut *conn).await? {
        let request = Request::try_from(row)?;
        let closed = request.extends;
        if let Ok(change) = request.expire(closed, by) {
            store(conn, change).await?;
            lapsed += 1;
        }
    }
    Ok(lapsed)
}

/// Grants that close or are over although a request to extend them waits for a decision.
///
/// # Errors
/// When the database does not answer.
pub async fn adrift(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<GrantId>> {
    sqlx::query_scalar!(
        r#"SELECT g.id AS "id: GrantId" FROM requests r JOIN grants g ON g.id = r.extends
           WHERE r.state = 'pending' AND g.state IN ('closing', 'ended', 'failed') LIMIT $1"#,
        limit
    )
    .fetch_all(conn)
    .await
}

/// These requests, newest first.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn with_ids(conn: &mut PgConnection, ids: &[RequestId]) -> sqlx::Result<Vec<Request>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let rows = requests!("WHERE id = ANY($1) ORDER BY id DESC", &ids);
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
