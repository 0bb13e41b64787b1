//! Grants, with what is written to their targets and the session names that they have there.

pub(super) mod row;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use self::row::{columns, whole};
use super::audit;
use crate::domain::Change;
use crate::domain::cause::Cause;
use crate::domain::demands::{Demands, ExternalId};
use crate::domain::entitlement::Terms;
use crate::domain::grant::Grant;
use crate::domain::part::{Allows, PartKind};
use crate::domain::request::Request;
use crate::domain::text::Words;
use crate::ids::{GrantId, MachineId, PartId, PersonId, RequestId, TargetId};

/// Stores a transition of a locked grant together with its audit event. One that is over before
/// anything was sent for it takes its parts and names along.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn store(conn: &mut PgConnection, change: Change<Grant>) -> sqlx::Result<Grant> {
    let grant = change.value;
    let event = audit::Columns::try_from(&change.event)?;
    let (opening_at, opened_at, closing_at, cause, by, reason, ended_at) = columns(&grant.state);
    // The row has been locked since it was read, so that its state is still the one that was left.
    let done = sqlx::query!(
        r#"WITH part AS (UPDATE parts SET state = 'closed', closed_at = $9
                         WHERE "grant" = $1 AND $9::timestamptz IS NOT NULL AND state <> 'closed'),
                name AS (UPDATE names SET guard_gone_at = $10
                         WHERE "grant" = $1 AND $10::timestamptz IS NOT NULL AND guard_gone_at IS NULL),
                stored AS (
                    UPDATE grants SET state = $2, opening_at = $3, opened_at = $4, closing_at = $5, cause = $6,
                                      closing_by = $7, closing_reason = $8, ended_at = $9,
                                      bypass_asked_at = $22, bypassed_at = $23, bypassed_by = $24
                    WHERE id = $1 RETURNING person)
           INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome,
               code, details, concerns)
           SELECT $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, person FROM stored"#,
        grant.id.uuid(),
        grant.state.as_str(),
        opening_at,
        opened_at,
        closing_at,
        cause.map(Cause::as_str),
        by.map(PersonId::uuid),
        reason.map(Words::as_str),
        ended_at,
        grant.marks.guard_gone_at,
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
        grant.marks.bypass_asked_at,
        grant.marks.bypassed.as_ref().map(|it| it.at),
        grant.marks.bypassed.as_ref().map(|it| it.by.as_str()),
    )
    .execute(conn)
    .await?;
    // Without a stored row there is no event either.
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(grant)
}

/// IAM was asked whether the person of a locked grant could do without it, and did not say so.
///
/// # Errors
/// When the database does not answer.
pub async fn asked(conn: &mut PgConnection, id: GrantId, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE grants SET bypass_asked_at = $2 WHERE id = $1",
        id.uuid(),
        at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A part before anything is written.
#[derive(Debug, Serialize)]
struct NewPart<'a> {
    id: Uuid,
    kind: &'static str,
    allows: Option<&'a Allows>,
}

/// Stores the grant that an approval made, with its parts and its own name on each target; its
/// event is the approval's.
///
/// # Errors
/// When the database does not answer, or the approvals are missing.
pub async fn insert(conn: &mut PgConnection, grant: &Grant, terms: &Terms) -> sqlx::Result<()> {
    let allows = terms.allows();
    let parts = grant.parts().iter().map(|kind| NewPart {
        id: PartId::new().uuid(),
        kind: kind.as_str(),
        allows: allows.as_ref().filter(|_| *kind == PartKind::Inline),
    });
    let parts: Vec<NewPart<'_>> = parts.collect();
    // Triggers refuse the COMMIT of a grant that lacks a part: nothing would ever settle it. An
    // inline policy is on the user or role that was approved, everything else on the grant's
    // target. The id of a role's session begins with that of the role.
    sqlx::query!(
        r#"WITH made AS (
               INSERT INTO grants (id, request, target, person, principal_arn, principal_id, grant_name, console_name,
                                   state, starts_at, deadline, approved_at, method, mfa, external_id, early_end,
                                   principal_session)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $15, $16, $17, $18, $19)),
           new AS (
               SELECT it.*, CASE it.kind WHEN 'inline' THEN (SELECT t.id FROM targets t WHERE t.arn = $5) ELSE $3 END
                          AS target, CASE it.kind WHEN 'inline' THEN split_part($6, ':', 1) ELSE $14 END AS target_uid
               FROM jsonb_to_recordset($13) AS it(id uuid, kind text, allows jsonb)),
           part AS (
               INSERT INTO parts (id, "grant", target, kind, state, target_uid, allows)
               SELECT id, $1, target, kind, 'waiting', target_uid, allows FROM new)
           INSERT INTO names (target, name, "grant", since) SELECT target, $7, $1, $12 FROM new"#,
        grant.id.uuid(),
        grant.request.uuid(),
        grant.target.uuid(),
        grant.person.uuid(),
        grant.principal_arn,
        grant.principal_id,
        grant.grant_name,
        grant.console_name,
        grant.state.as_str(),
        grant.starts_at,
        grant.deadline,
        grant.approved_at,
        Json(&parts) as _,
        grant.role_id,
        grant.method.as_str(),
        grant.demands.mfa,
        grant.demands.external_id.as_ref().map(ExternalId::as_str),
        grant.early_end.as_str(),
        grant.principal_session,
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
    // The grant's row alone: parts and names are written only by whoever holds it.
    let row = whole!("WHERE g.id = $1 FOR UPDATE OF g", id.uuid());
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
    let row = whole!("WHERE g.id = $1", id.uuid());
    row.fetch_optional(conn)
        .await?
        .map(TryInto::try_into)
        .transpose()
}

/// The grants of these requests: their own, and of an extension the one that it extends.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn of_requests<'a>(
    conn: &mut PgConnection,
    requests: impl Iterator<Item = &'a Request>,
) -> sqlx::Result<HashMap<RequestId, Grant>> {
    let (extensions, own): (Vec<_>, Vec<_>) =
        requests.partition(|request| request.extends.is_some());
    let mut grants = HashMap::with_capacity(own.len());
    let own: Vec<Uuid> = own.iter().map(|request| request.id.uuid()).collect();
    if !own.is_empty() {
        let rows = whole!("WHERE g.request = ANY($1)", &own);
        for row in rows.fetch_all(&mut *conn).await? {
            grants.insert(row.request, row.try_into()?);
        }
    }
    let extended = extensions.iter().filter_map(|request| request.extends);
    let extended: Vec<Uuid> = extended.map(GrantId::uuid).collect();
    if !extended.is_empty() {
        let rows = whole!("WHERE g.id = ANY($1)", &extended);
        for row in rows.fetch_all(conn).await? {
            let grant = Grant::try_from(row)?;
            let of = extensions.iter().filter(|it| it.extends == Some(grant.id));
            grants.extend(of.map(|request| (request.id, grant.clone())));
        }
    }
    Ok(grants)
}

/// Stores the later deadline of a locked grant with its event. Until its role's guard was read anew
/// what is known of that is of the earlier one (`parts.listed_until`).
///
/// # Errors
/// When the database does not answer, or the approvals are missing.
pub async fn extend(conn: &mut PgConnection, change: Change<Grant>) -> sqlx::Result<Grant> {
    let grant = change.value;
    sqlx::query!(
        "UPDATE grants SET deadline = $2 WHERE id = $1",
        grant.id.uuid(),
        grant.deadline
    )
    .execute(&mut *conn)
    .await?;
    audit::append(conn, &change.event).await?;
    Ok(grant)
}

/// The extensions of grants that wait for a decision.
///
/// # Errors
/// When the database does not answer.
pub async fn extensions(
    conn: &mut PgConnection,
    grants: &[Uuid],
) -> sqlx::Result<HashMap<GrantId, RequestId>> {
    let rows = sqlx::query!(
        r#"SELECT extends AS "extends!: GrantId", id FROM requests WHERE extends = ANY($1) AND state = 'pending'"#,
        grants
    );
    let rows = rows.fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.extends, row.id)).collect())
}

/// Whose grants a list shows.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// One person's.
    Person(PersonId),
    /// Those that a machine has asked for.
    Machine(MachineId),
    /// All.
    Anybody,
}

/// Up to `limit` grants before `cursor`, newest first.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn list(
    conn: &mut PgConnection,
    whose: Whose,
    cursor: Option<GrantId>,
    limit: i64,
) -> sqlx::Result<Vec<Grant>> {
    let before = cursor.map_or(Uuid::max(), GrantId::uuid);
    // The few that are shown are found first: what belongs to a grant is looked up for those alone.
    let rows = match whose {
        Whose::Person(person) => {
            whole!(
                "WHERE g.id IN (SELECT id FROM grants WHERE person = $1 AND id < $2 ORDER BY id DESC LIMIT $3)
                 ORDER BY g.id DESC",
                person.uuid(),
                before,
                limit
            )
            .fetch_all(conn)
            .await?
        }
        Whose::Machine(machine) => {
            whole!(
                "WHERE g.id IN (SELECT w.id FROM requests r JOIN grants w ON w.request = r.id
                                WHERE r.requested_by = $1 AND w.id < $2 ORDER BY w.id DESC LIMIT $3)
                 ORDER BY g.id DESC",
                machine.uuid(),
                before,
                limit
            )
            .fetch_all(conn)
            .await?
        }
        Whose::Anybody => {
            whole!(
                "WHERE g.id IN (SELECT id FROM grants WHERE id < $1 ORDER BY id DESC LIMIT $2)
                 ORDER BY g.id DESC",
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
    /// Its `aws:userid`, where the statement pins it: of a role's session.
    pub userid: Option<String>,
    /// The console's session name.
    pub console_name: Option<String>,
    /// What its statement asks for.
    pub demands: Demands,
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
    let seated = sqlx::query!(
        r#"SELECT principal_arn AS "principal_arn!", console_name, mfa, external_id,
                  CASE WHEN principal_session IS NOT NULL THEN principal_id END AS userid FROM grants
           WHERE target = $1 AND method = 'trust_policy'
             AND (state IN ('opening', 'active', 'closing')
                  OR (state = 'scheduled' AND starts_at < $3 AND deadline > $2))"#,
        target.uuid(),
        from,
        until
    );
    let seated = seated.fetch_all(conn).await?.into_iter().map(|row| Seated {
        principal_arn: row.principal_arn,
        userid: row.userid,
        console_name: row.console_name,
        demands: Demands {
            mfa: row.mfa,
            external_id: row.external_id.map(ExternalId::stored),
        },
    });
    Ok(seated.collect())
}
