//! Requests and the decisions on them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::audit;
use super::grants;
use crate::domain::Change;
use crate::domain::entitlement::Terms;
use crate::domain::grant::Grant;
use crate::domain::person::console_name;
use crate::domain::request::{Request, RequestState};
use crate::domain::text::{Ticket, Words};
use crate::ids::{EntitlementId, PersonId, PrincipalId, RequestId, TargetId};

/// The columns of a request.
struct Row {
    id: RequestId,
    version: i32,
    person: PersonId,
    principal: PrincipalId,
    principal_arn: String,
    principal_unique_id: Option<String>,
    entitlement: EntitlementId,
    target: TargetId,
    role_id: Option<String>,
    terms: Json<Terms>,
    justification: String,
    duration_seconds: i32,
    starts_at: Option<DateTime<Utc>>,
    ticket: Option<String>,
    target_checked: bool,
    state: String,
    submitted_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

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
        Ok(Self {
            id: row.id,
            version: row.version,
            person: row.person,
            principal: row.principal,
            console_name: console_name(&row.principal_arn),
            principal_unique_id: row.principal_unique_id,
            entitlement: row.entitlement,
            target: row.target,
            role_id: row.role_id,
            justification: Words::stored(row.justification),
            ticket: row.ticket.map(Ticket::stored),
            terms: row.terms.0,
            duration_seconds: row.duration_seconds,
            starts_at: row.starts_at,
            target_checked: row.target_checked,
            submitted_at: row.submitted_at,
            expires_at: row.expires_at,
            principal_arn: row.principal_arn,
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
    sqlx::query!(
        "INSERT INTO requests (id, version, person, principal, principal_arn, principal_unique_id, entitlement, \
         target, role_id, approver_group,
             terms, justification, duration_seconds, starts_at, ticket, target_checked, state, submitted_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        request.id.uuid(),
        request.version,
        request.person.uuid(),
        request.principal.uuid(),
        request.principal_arn,
        request.principal_unique_id,
        request.entitlement.uuid(),
        request.target.uuid(),
        request.role_id,
        request.terms.approver_group,
        Json(&request.terms) as _,
        request.justification.as_str(),
        request.duration_seconds,
        request.starts_at,
        request.ticket.as_ref().map(ToString::to_string),
        request.target_checked,
        request.state.as_str(),
        request.submitted_at,
        request.expires_at,
    )
    .execute(&mut *conn)
    .await?;
    audit::append(conn, &change.event).await?;
    Ok(request)
}

/// Locks a request until the transaction ends.
///
/// # Errors
/// When the database does not answer, or the row spells no state.
pub async fn lock(conn: &mut PgConnection, id: RequestId) -> sqlx::Result<Option<Request>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, version, person, principal, principal_arn, principal_unique_id, entitlement, target, role_id, terms AS "terms: Json<Terms>",
                  justification, duration_seconds, starts_at, ticket, target_checked, state, submitted_at,
                  expires_at, closed_at
           FROM requests WHERE id = $1 FOR UPDATE"#,
        id.uuid()
    );
    row.fetch_optional(conn)
        .await?
        .map(TryInto::try_into)
        .transpose()
}

/// A request, not locked.
///
/// # Errors
/// When the database does not answer, or the row spells no state.
pub async fn get(conn: &mut PgConnection, id: RequestId) -> sqlx::Result<Option<Request>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, version, person, principal, principal_arn, principal_unique_id, entitlement, target, role_id, terms AS "terms: Json<Terms>",
                  justification, duration_seconds, starts_at, ticket, target_checked, state, submitted_at,
                  expires_at, closed_at
           FROM requests WHERE id = $1"#,
        id.uuid()
    );
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
    let done = sqlx::query!(
        "UPDATE requests SET state = $2, version = $3, closed_at = $4 WHERE id = $1 AND state = 'pending' \
         AND version = $3 - 1",
        request.id.uuid(),
        request.state.as_str(),
        request.version,
        request.state.closed_at(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    audit::append(conn, &change.event).await?;
    Ok(request)
}

/// What one person said.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Who.
    pub person: PersonId,
    /// Their name as it is now.
    pub name: String,
    /// Whether it was a yes.
    pub approved: bool,
    /// In their words.
    pub comment: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Records one person's voice.
///
/// # Errors
/// When the database does not answer, or refuses the requester's own voice.
pub async fn decide(
    conn: &mut PgConnection,
    request: RequestId,
    person: PersonId,
    approved: bool,
    comment: Option<&Words>,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO decisions (request, stage, person, verdict, comment, at) VALUES ($1, 1, $2, $3, $4, $5)",
        request.uuid(),
        person.uuid(),
        if approved { "approve" } else { "deny" },
        comment.map(ToString::to_string),
        at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The voices on a request, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn decisions(conn: &mut PgConnection, request: RequestId) -> sqlx::Result<Vec<Decision>> {
    sqlx::query_as!(
        Decision,
        r#"SELECT d.person, p.name, d.verdict = 'approve' AS "approved!", d.comment, d.at
           FROM decisions d JOIN people p ON p.id = d.person WHERE d.request = $1 ORDER BY d.at"#,
        request.uuid()
    )
    .fetch_all(conn)
    .await
}

/// Pending requests whose time is over.
///
/// # Errors
/// When the database does not answer.
pub async fn overdue(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    sqlx::query_scalar!(
        "SELECT id FROM requests WHERE state = 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2",
        now,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Which requests a list shows. Each is a walk along an index, however many requests there are.
#[derive(Debug, Clone)]
pub enum View {
    /// A person's own.
    Own(PersonId),
    /// Those that wait for this person, who is in these groups.
    Waiting(PersonId, Vec<String>),
    /// Those that this person may see: their own, those that their groups decide or could have
    /// decided, those that they decided.
    Visible(PersonId, Vec<String>),
    /// All.
    All,
}

/// A request of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The request.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Its grant.
    pub grant: Option<Grant>,
}

/// Up to `limit` requests before `cursor`, newest first, in `state` or in any.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn list(
    conn: &mut PgConnection,
    view: &View,
    state: Option<&str>,
    cursor: Option<RequestId>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    let before = cursor.map_or(uuid::Uuid::max(), RequestId::uuid);
    let ids = match view {
        View::Own(person) => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE person = $1 AND id < $2 AND ($3::text IS NULL OR state = $3) \
                 ORDER BY id DESC LIMIT $4",
                person.uuid(),
                before,
                state,
                limit
            )
            .fetch_all(&mut *conn)
            .await?
        }
        View::Waiting(person, groups) => {
            sqlx::query_scalar!(
                "SELECT id FROM requests r
                 WHERE state = 'pending' AND approver_group = ANY($2) AND person <> $1 AND id < $3
                   AND NOT EXISTS (SELECT FROM decisions d WHERE d.request = r.id AND d.person = $1)
                 ORDER BY id DESC LIMIT $4",
                person.uuid(),
                groups,
                before,
                limit
            )
            .fetch_all(&mut *conn)
            .await?
        }
        View::Visible(person, groups) => visible(conn, *person, groups, state, before, limit).await?,
        View::All => all(conn, state, before, limit).await?,
    };
    listed(conn, &ids).await
}

/// How many requests wait for this person, who is in these groups, counted up to `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(
    conn: &mut PgConnection,
    person: PersonId,
    groups: &[String],
    limit: i64,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM requests r WHERE state = 'pending' AND approver_group = ANY($2) AND person <> $1
                 AND NOT EXISTS (SELECT FROM decisions d WHERE d.request = r.id AND d.person = $1)
               LIMIT $3) waiting"#,
        person.uuid(),
        groups,
        limit
    )
    .fetch_one(conn)
    .await
}

/// Each group's requests are a walk of their own along an index that begins with the group. The
/// pairs are compared as wholes, so that no other index has the order that is asked for: a walk
/// along all ids would read the whole history for somebody whose groups decide nothing.
async fn visible(
    conn: &mut PgConnection,
    person: PersonId,
    groups: &[String],
    state: Option<&str>,
    before: uuid::Uuid,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id!: RequestId" FROM (
               (SELECT id FROM requests WHERE person = $1 AND id < $3 AND ($4::text IS NULL OR state = $4)
                   ORDER BY id DESC LIMIT $5)
               UNION
               (SELECT own.id FROM unnest($2::text[]) AS approvers(name), LATERAL (
                    SELECT id FROM requests
                    WHERE (approver_group, id) >= (approvers.name, '00000000-0000-0000-0000-000000000000')
                        AND (approver_group, id) < (approvers.name, $3)
                    ORDER BY approver_group DESC, id DESC LIMIT $5) own
                WHERE $4::text IS NULL)
               UNION
               (SELECT own.id FROM unnest($2::text[]) AS approvers(name), LATERAL (
                    SELECT id FROM requests
                    WHERE (approver_group, state, id) >= (approvers.name, $4, '00000000-0000-0000-0000-000000000000')
                      AND (approver_group, state, id) < (approvers.name, $4, $3)
                    ORDER BY approver_group DESC, state DESC, id DESC LIMIT $5) own
                WHERE $4::text IS NOT NULL)
               UNION
               (SELECT r.id FROM decisions d JOIN requests r ON r.id = d.request
                WHERE d.person = $1 AND d.request < $3 AND r.id < $3 AND ($4::text IS NULL OR r.state = $4)
                    ORDER BY d.request DESC LIMIT $5)) seen
           ORDER BY id DESC LIMIT $5"#,
        person.uuid(),
        groups,
        before,
        state,
        limit
    )
    .fetch_all(conn)
    .await
}

async fn all(
    conn: &mut PgConnection,
    state: Option<&str>,
    before: uuid::Uuid,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    match state {
        Some(state) => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE state = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                state,
                before,
                limit
            )
            .fetch_all(conn)
            .await
        }
        None => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE id < $1 ORDER BY id DESC LIMIT $2",
                before,
                limit
            )
            .fetch_all(conn)
            .await
        }
    }
}

/// These requests as a list shows them, newest first.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn listed(conn: &mut PgConnection, ids: &[RequestId]) -> sqlx::Result<Vec<Listed>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, version, person, principal, principal_arn, principal_unique_id, entitlement, target, role_id, terms AS "terms: Json<Terms>",
                  justification, duration_seconds, starts_at, ticket, target_checked, state, submitted_at,
                  expires_at, closed_at
           FROM requests WHERE id = ANY($1) ORDER BY id DESC"#,
        &ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let people = rows.iter().map(|row| row.person.uuid()).collect::<Vec<_>>();
    let names = super::people::names(conn, &people).await?;
    let mut granted = grants::of_requests(conn, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let requester = names.get(&row.person).cloned().unwrap_or_default();
            let request = Request::try_from(row)?;
            Ok(Listed {
                grant: granted.remove(&request.id),
                request,
                requester,
            })
        })
        .collect()
}
