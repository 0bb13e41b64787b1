//! Grants: a row for each, and the state that its columns spell.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::audit;
use crate::domain::Change;
use crate::domain::cause::Cause;
use crate::domain::grant::{Closing, Grant, GrantState, Marks};
use crate::domain::text::Words;
use crate::ids::{GrantId, PersonId, RequestId, TargetId};

/// The columns of a grant.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub id: GrantId,
    pub request: RequestId,
    pub target: TargetId,
    pub person: PersonId,
    pub principal_arn: String,
    pub principal_id: Option<String>,
    pub role_id: Option<String>,
    pub grant_name: String,
    pub console_name: Option<String>,
    pub state: String,
    pub starts_at: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    pub approved_at: DateTime<Utc>,
    pub sent_until: Option<DateTime<Utc>>,
    pub console_since: Option<DateTime<Utc>>,
    pub unclear_at: Option<DateTime<Utc>>,
    pub opening_at: Option<DateTime<Utc>>,
    pub opened_at: Option<DateTime<Utc>>,
    pub closing_at: Option<DateTime<Utc>>,
    pub cause: Option<String>,
    pub closing_by: Option<PersonId>,
    pub closing_reason: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub guard_until: Option<DateTime<Utc>>,
    pub guard_gone_at: Option<DateTime<Utc>>,
    pub restores: i16,
    pub principal_missing_since: Option<DateTime<Utc>>,
    pub requested_at: DateTime<Utc>,
}

impl TryFrom<Row> for Grant {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let state = state(&row)?;
        Ok(Self {
            id: row.id,
            request: row.request,
            target: row.target,
            person: row.person,
            principal_arn: row.principal_arn,
            principal_id: row.principal_id,
            role_id: row.role_id,
            grant_name: row.grant_name,
            console_name: row.console_name,
            requested_at: row.requested_at,
            starts_at: row.starts_at,
            deadline: row.deadline,
            approved_at: row.approved_at,
            marks: Marks {
                sent_until: row.sent_until,
                console_since: row.console_since,
                unclear_at: row.unclear_at,
                guard_until: row.guard_until,
                guard_gone_at: row.guard_gone_at,
                restores: row.restores,
                principal_missing_since: row.principal_missing_since,
            },
            state,
        })
    }
}

fn state(row: &Row) -> sqlx::Result<GrantState> {
    let cause = row
        .cause
        .as_deref()
        .map(|text| Cause::parse(text).ok_or_else(|| broken(row, "unknown cause")));
    let cause = cause.transpose()?;
    let reason = row.closing_reason.clone().map(Words::stored);
    let (opening_at, opened_at, by) = (row.opening_at, row.opened_at, row.closing_by);
    match (
        row.state.as_str(),
        opening_at,
        opened_at,
        row.closing_at,
        cause,
        row.ended_at,
    ) {
        ("scheduled", None, None, None, None, None) => Ok(GrantState::Scheduled),
        ("opening", Some(at), None, None, None, None) => Ok(GrantState::Opening { at }),
        ("active", Some(opening_at), Some(opened_at), None, None, None) => Ok(GrantState::Active {
            opening_at,
            opened_at,
        }),
        ("closing", Some(opening_at), _, Some(since), Some(cause), None) => {
            Ok(GrantState::Closing(Closing {
                opening_at,
                opened_at,
                since,
                cause,
                by,
                reason,
            }))
        }
        ("ended", _, _, Some(requested_at), Some(cause), Some(at)) => Ok(GrantState::Ended {
            opening_at,
            opened_at,
            requested_at,
            cause,
            by,
            reason,
            at,
        }),
        ("failed", _, None, Some(requested_at), Some(cause), Some(at)) => Ok(GrantState::Failed {
            opening_at,
            requested_at,
            cause,
            at,
        }),
        _ => Err(broken(row, "impossible state")),
    }
}

fn broken(row: &Row, what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("grant {}: {what}", row.id).into())
}

/// The columns that a state fills: opening_at, opened_at, closing_at, cause, closing_by,
/// closing_reason, ended_at.
type Columns<'a> = (
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<Cause>,
    Option<PersonId>,
    Option<&'a Words>,
    Option<DateTime<Utc>>,
);

fn columns(state: &GrantState) -> Columns<'_> {
    match state {
        GrantState::Scheduled => (None, None, None, None, None, None, None),
        GrantState::Opening { at } => (Some(*at), None, None, None, None, None, None),
        GrantState::Active {
            opening_at,
            opened_at,
        } => (
            Some(*opening_at),
            Some(*opened_at),
            None,
            None,
            None,
            None,
            None,
        ),
        GrantState::Closing(c) => (
            Some(c.opening_at),
            c.opened_at,
            Some(c.since),
            Some(c.cause),
            c.by,
            c.reason.as_ref(),
            None,
        ),
        GrantState::Ended {
            opening_at,
            opened_at,
            requested_at,
            cause,
            by,
            reason,
            at,
        } => (
            *opening_at,
            *opened_at,
            Some(*requested_at),
            Some(*cause),
            *by,
            reason.as_ref(),
            Some(*at),
        ),
        GrantState::Failed {
            opening_at,
            requested_at,
            cause,
            at,
        } => (
            *opening_at,
            None,
            Some(*requested_at),
            Some(*cause),
            None,
            None,
            Some(*at),
        ),
    }
}

/// Stores a transition of a locked grant together with its audit event.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn store(conn: &mut PgConnection, change: Change<Grant>) -> sqlx::Result<Grant> {
    let grant = change.value;
    let (opening_at, opened_at, closing_at, cause, by, reason, ended_at) = columns(&grant.state);
    let marks = &grant.marks;
    sqlx::query!(
        "UPDATE grants
         SET state = $2, opening_at = $3, opened_at = $4, closing_at = $5, cause = $6, closing_by = $7, \
         closing_reason = $8, ended_at = $9,
             sent_until = $10, console_since = $11, guard_until = $12, guard_gone_at = $13, \
             principal_missing_since = $14,
             unclear_at = $15
         WHERE id = $1",
        grant.id.uuid(),
        grant.state.as_str(),
        opening_at,
        opened_at,
        closing_at,
        cause.map(Cause::as_str),
        by.map(PersonId::uuid),
        reason.map(ToString::to_string),
        ended_at,
        marks.sent_until,
        marks.console_since,
        marks.guard_until,
        marks.guard_gone_at,
        marks.principal_missing_since,
        marks.unclear_at,
    )
    .execute(&mut *conn)
    .await?;
    audit::append(conn, &change.event).await?;
    Ok(grant)
}

/// Stores the grant that an approval made; its event is the approval's.
///
/// # Errors
/// When the database does not answer, or the approvals are missing.
pub async fn insert(conn: &mut PgConnection, grant: &Grant) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO grants (id, request, target, person, principal_arn, principal_id, role_id, grant_name, \
         console_name, state, starts_at, deadline, approved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        grant.id.uuid(),
        grant.request.uuid(),
        grant.target.uuid(),
        grant.person.uuid(),
        grant.principal_arn,
        grant.principal_id,
        grant.role_id,
        grant.grant_name,
        grant.console_name,
        grant.state.as_str(),
        grant.starts_at,
        grant.deadline,
        grant.approved_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Locks a grant until the transaction ends.
///
/// # Errors
/// When the database does not answer, or the row spells no state.
pub async fn lock(conn: &mut PgConnection, id: GrantId) -> sqlx::Result<Option<Grant>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, request, target, person, principal_arn, principal_id, role_id, grant_name, console_name,
                  state, starts_at, deadline, approved_at,
                sent_until, console_since, unclear_at, opening_at, opened_at, closing_at, cause, closing_by,
                closing_reason, ended_at,
                guard_until, guard_gone_at, restores, principal_missing_since,
                (SELECT r.submitted_at FROM requests r WHERE r.id = request) AS "requested_at!"
         FROM grants WHERE id = $1 FOR UPDATE"#,
        id.uuid()
    );
    row.fetch_optional(conn)
        .await?
        .map(TryInto::try_into)
        .transpose()
}

/// A grant, not locked.
///
/// # Errors
/// When the database does not answer, or the row spells no state.
pub async fn get(conn: &mut PgConnection, id: GrantId) -> sqlx::Result<Option<Grant>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, request, target, person, principal_arn, principal_id, role_id, grant_name, console_name,
                  state, starts_at, deadline, approved_at,
                sent_until, console_since, unclear_at, opening_at, opened_at, closing_at, cause, closing_by,
                closing_reason, ended_at,
                guard_until, guard_gone_at, restores, principal_missing_since,
                (SELECT r.submitted_at FROM requests r WHERE r.id = request) AS "requested_at!"
         FROM grants WHERE id = $1"#,
        id.uuid()
    );
    row.fetch_optional(conn)
        .await?
        .map(TryInto::try_into)
        .transpose()
}

/// The grants of these requests.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn of_requests(
    conn: &mut PgConnection,
    requests: &[uuid::Uuid],
) -> sqlx::Result<HashMap<RequestId, Grant>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, request, target, person, principal_arn, principal_id, role_id, grant_name, console_name,
                  state, starts_at, deadline, approved_at,
                sent_until, console_since, unclear_at, opening_at, opened_at, closing_at, cause, closing_by,
                closing_reason, ended_at,
                guard_until, guard_gone_at, restores, principal_missing_since,
                (SELECT r.submitted_at FROM requests r WHERE r.id = request) AS "requested_at!"
         FROM grants WHERE request = ANY($1)"#,
        requests
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.request, row.try_into()?)))
        .collect()
}

/// Up to `limit` grants before `cursor`, newest first: one person's, or all.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn list(
    conn: &mut PgConnection,
    person: Option<PersonId>,
    cursor: Option<GrantId>,
    limit: i64,
) -> sqlx::Result<Vec<Grant>> {
    let before = cursor.map_or(uuid::Uuid::max(), GrantId::uuid);
    let rows = match person {
        Some(person) => {
            sqlx::query_as!(
                Row,
                r#"SELECT id, request, target, person, principal_arn, principal_id, role_id, grant_name,
                          console_name, state, starts_at, deadline, approved_at,
                sent_until, console_since, unclear_at, opening_at, opened_at, closing_at, cause, closing_by,
                closing_reason, ended_at,
                guard_until, guard_gone_at, restores, principal_missing_since,
                (SELECT r.submitted_at FROM requests r WHERE r.id = request) AS "requested_at!"
                 FROM grants WHERE person = $1 AND id < $2 ORDER BY id DESC LIMIT $3"#,
                person.uuid(),
                before,
                limit
            )
            .fetch_all(conn)
            .await?
        }
        None => {
            sqlx::query_as!(
                Row,
                r#"SELECT id, request, target, person, principal_arn, principal_id, role_id, grant_name,
                          console_name, state, starts_at, deadline, approved_at,
                sent_until, console_since, unclear_at, opening_at, opened_at, closing_at, cause, closing_by,
                closing_reason, ended_at,
                guard_until, guard_gone_at, restores, principal_missing_since,
                (SELECT r.submitted_at FROM requests r WHERE r.id = request) AS "requested_at!"
                 FROM grants WHERE id < $1 ORDER BY id DESC LIMIT $2"#,
                before,
                limit
            )
            .fetch_all(conn)
            .await?
        }
    };
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The requests of a person's grants that are not over: up to `limit`, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn unfinished(
    conn: &mut PgConnection,
    person: PersonId,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    sqlx::query_scalar!(
        "SELECT request FROM grants WHERE person = $1 AND state IN ('scheduled', 'opening', 'active', 'closing') \
         ORDER BY id DESC LIMIT $2",
        person.uuid(),
        limit
    )
    .fetch_all(conn)
    .await
}

/// A grant that takes, or will take, room in a role's trust policy.
#[derive(Debug, Clone)]
pub struct Seated {
    /// The identity that is let in.
    pub principal_arn: String,
    /// The console's session name.
    pub console_name: Option<String>,
}

/// The grants of a target whose statements may stand in its trust policy between these times: those
/// that are not over, and of the scheduled ones those that overlap (docs/guard.md §4, *room*).
///
/// # Errors
/// When the database does not answer.
pub async fn seated(
    conn: &mut PgConnection,
    target: TargetId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Vec<Seated>> {
    sqlx::query_as!(
        Seated,
        "SELECT principal_arn, console_name FROM grants
         WHERE target = $1 AND guard_gone_at IS NULL
           AND (state IN ('opening', 'active', 'closing') OR (state = 'scheduled' AND starts_at < $3 \
           AND deadline > $2))",
        target.uuid(),
        from,
        until
    )
    .fetch_all(conn)
    .await
}
