//! What the worker reads and stores of a target's grants, all of them in one statement.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::grants::row::{Row, columns, there};
use crate::domain::cause::Cause;
use crate::domain::grant::Grant;
use crate::domain::part::{Allows, Part, PartKind, PartState};
use crate::domain::text::Words;
use crate::ids::{GrantId, PartId, PersonId, TargetId};

/// Every grant of the target that is not over and done with, by id: scheduled ones, unfinished
/// ones, and ended ones that the guard still has to name. Not locked.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn read(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<Vec<Grant>> {
    let rows = standing(conn, target).await?;
    rows.into_iter().map(Grant::try_from).collect()
}

async fn standing(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<Vec<Row>> {
    let rows = there!(
        "JOIN",
        "$1",
        "WHERE n.target = $1 AND n.guard_gone_at IS NULL ORDER BY g.id",
        target.uuid()
    );
    rows.fetch_all(conn).await
}

/// The same with their parts, both locked until the transaction ends: what a fetch of credentials
/// stores in a part while this waits for the grant must be read here.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn lock(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<Vec<(Grant, Part)>> {
    // By id, as everybody locks several grants: two orders would deadlock.
    let rows = there!(
        "JOIN",
        "$1",
        "WHERE n.target = $1 AND n.guard_gone_at IS NULL ORDER BY g.id FOR NO KEY UPDATE OF g, p",
        target.uuid()
    );
    let locked = rows.fetch_all(&mut *conn).await?;
    // Where the lock was waited for, Postgres reads grant and part anew and their name not (READ
    // COMMITTED). A name is forgotten by somebody else only when a scheduled grant is over.
    let is_torn = |row: &Row| row.ended_at.is_some() && row.opening_at.is_none();
    let rows = if locked.iter().any(is_torn) {
        // Of the locked ones alone: a grant that was approved meanwhile comes with the next pass.
        let ids: Vec<Uuid> = locked.iter().map(|row| row.id.uuid()).collect();
        let again = there!(
            "JOIN",
            "$1",
            "WHERE n.target = $1 AND n.guard_gone_at IS NULL AND g.id = ANY($2) ORDER BY g.id",
            target.uuid(),
            &ids
        );
        again.fetch_all(conn).await?
    } else {
        locked
    };
    let both = rows.into_iter().map(|row| {
        let part = row.part(target)?;
        Ok((row.try_into()?, part))
    });
    both.collect()
}

/// The grants of which a user carries something, or is to, and who this installation is.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn carried(
    conn: &mut PgConnection,
    arn: &str,
) -> sqlx::Result<(String, Vec<(Grant, Part)>)> {
    let own = sqlx::query!(
        r#"SELECT i.id AS installation, (SELECT t.id FROM targets t WHERE t.arn = $1) AS "target: TargetId"
           FROM installation i"#,
        arn
    );
    let own = own.fetch_one(&mut *conn).await?;
    let Some(target) = own.target else {
        return Ok((own.installation, Vec::new()));
    };
    Ok((own.installation, both(conn, target).await?))
}

/// The same as [`read`] with their parts.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn both(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<Vec<(Grant, Part)>> {
    let rows = standing(conn, target).await?;
    let both = rows.into_iter().map(|row| {
        let part = row.part(target)?;
        Ok((row.try_into()?, part))
    });
    both.collect()
}

/// The parts that locked grants of the target have on other targets. Written only by whoever holds
/// the grant.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn elsewhere(
    conn: &mut PgConnection,
    target: TargetId,
    grants: &[Uuid],
) -> sqlx::Result<Vec<Part>> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: PartId", "grant" AS "grant: GrantId", target AS "target: TargetId", kind, state,
                  allows AS "allows: Json<Allows>", opened_at, closed_at
           FROM parts WHERE "grant" = ANY($2) AND target <> $1"#,
        target.uuid(),
        grants
    );
    let rows = rows.fetch_all(conn).await?;
    let parts = rows.into_iter().map(|row| {
        let broken = || sqlx::Error::Decode(format!("part {} cannot be", row.id).into());
        Ok(Part {
            id: row.id,
            grant: row.grant,
            target: row.target,
            kind: PartKind::parse(&row.kind).ok_or_else(broken)?,
            allows: row.allows.map(|it| it.0),
            state: PartState::of(&row.state, row.opened_at, row.closed_at).ok_or_else(broken)?,
        })
    });
    parts.collect()
}

/// What is over before anything was sent for it is over on every other target as well.
///
/// # Errors
/// When the database does not answer.
pub async fn over_elsewhere(
    conn: &mut PgConnection,
    target: TargetId,
    grants: &[Uuid],
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"WITH part AS (UPDATE parts SET state = 'closed', closed_at = $3
                         WHERE "grant" = ANY($2) AND target <> $1 AND state <> 'closed')
           UPDATE names SET guard_gone_at = $3
           WHERE "grant" = ANY($2) AND target <> $1 AND guard_gone_at IS NULL"#,
        target.uuid(),
        grants,
        at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The guard of the role has to outlast what lets these grants in elsewhere, until those times.
///
/// # Errors
/// When the database does not answer.
pub async fn lasts(conn: &mut PgConnection, sent: &[(GrantId, DateTime<Utc>)]) -> sqlx::Result<()> {
    let (ids, untils): (Vec<Uuid>, Vec<DateTime<Utc>>) =
        sent.iter().map(|(id, until)| (id.uuid(), *until)).unzip();
    sqlx::query!(
        r#"UPDATE parts p SET sent_until = greatest(p.sent_until, it.until)
           FROM unnest($1::uuid[], $2::timestamptz[]) AS it(id, until)
           WHERE p."grant" = it.id AND p.kind = 'listed'"#,
        &ids,
        &untils
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Those of the grants that may still be opened: the requester is active, and they and as many of
/// the approvers as were needed, each another human, are in groups that the request's terms name,
/// or stood in for somebody who is, and none of those who have asked, and the identity that is let
/// in is the person's still. Who approved and was disabled since counts: after the approval votes
/// are history.
///
/// # Errors
/// When the database does not answer.
pub async fn eligible(
    conn: &mut PgConnection,
    grants: &[GrantId],
) -> sqlx::Result<BTreeSet<GrantId>> {
    let ids: Vec<Uuid> = grants.iter().map(|id| id.uuid()).collect();
    // By the terms of the request: the catalog may name other groups by now.
    let eligible = sqlx::query_scalar!(
        r#"SELECT g.id AS "id: GrantId"
           FROM grants g JOIN requests r ON r.id = g.request JOIN people p ON p.id = g.person
           WHERE g.id = ANY($1) AND p.groups @> ARRAY[r.terms->>'requester_group'] AND p.status = 'active'
             AND (SELECT count(*) FROM standing(r.id) d
                  WHERE d.verdict = 'approve' AND human(d.person) <> ALL (askers(r))
                    AND has_sat(d.person, r.id, d.at))
                 >= seats(r.terms->'stages')
             AND principal_is_own(r)"#,
        &ids
    );
    Ok(eligible.fetch_all(conn).await?.into_iter().collect())
}

/// A grant's columns, those of its part and those of its names.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    id: Uuid,
    state: &'static str,
    opening_at: Option<DateTime<Utc>>,
    opened_at: Option<DateTime<Utc>>,
    closing_at: Option<DateTime<Utc>>,
    cause: Option<&'static str>,
    closing_by: Option<Uuid>,
    closing_reason: Option<&'a str>,
    ended_at: Option<DateTime<Utc>>,
    principal_id: Option<&'a str>,
    principal_missing_since: Option<DateTime<Utc>>,
    bypassed_at: Option<DateTime<Utc>>,
    bypassed_by: Option<&'a str>,
    part_state: &'static str,
    part_opened_at: Option<DateTime<Utc>>,
    part_closed_at: Option<DateTime<Utc>>,
    target_uid: Option<&'a str>,
    sent_until: Option<DateTime<Utc>>,
    listed_until: Option<DateTime<Utc>>,
    unclear_at: Option<DateTime<Utc>>,
    absent_at: Option<DateTime<Utc>>,
    restores: i16,
    guard_until: Option<DateTime<Utc>>,
    guard_gone_at: Option<DateTime<Utc>>,
    named_since: Option<DateTime<Utc>>,
}

impl<'a> Stored<'a> {
    fn of((grant, part): &'a (Grant, Part), named: &BTreeMap<GrantId, DateTime<Utc>>) -> Self {
        let (opening_at, opened_at, closing_at, cause, by, reason, ended_at) =
            columns(&grant.state);
        let marks = &grant.marks;
        Self {
            id: grant.id.uuid(),
            state: grant.state.as_str(),
            opening_at,
            opened_at,
            closing_at,
            cause: cause.map(Cause::as_str),
            closing_by: by.map(PersonId::uuid),
            closing_reason: reason.map(Words::as_str),
            ended_at,
            principal_id: grant.principal_id.as_deref(),
            principal_missing_since: marks.principal_missing_since,
            bypassed_at: marks.bypassed.as_ref().map(|it| it.at),
            bypassed_by: marks.bypassed.as_ref().map(|it| it.by.as_str()),
            part_state: part.state.as_str(),
            part_opened_at: part.state.opened_at(),
            part_closed_at: part.state.closed_at(),
            target_uid: grant.role_id.as_deref(),
            sent_until: marks.sent_until,
            listed_until: marks.listed_until,
            unclear_at: marks.unclear_at,
            absent_at: marks.absent_at,
            restores: marks.restores,
            guard_until: marks.guard_until,
            guard_gone_at: marks.guard_gone_at,
            named_since: named.get(&grant.id).copied(),
        }
    }
}

/// Stores locked grants as they are now, with their parts and names on the target. Those that are
/// `named` have their console name from that time on; whoever had it before was forgotten in an
/// earlier transaction, since a row that is forgotten here is still seen as it was.
///
/// # Errors
/// When the database does not answer or refuses a row.
pub async fn store(
    conn: &mut PgConnection,
    target: TargetId,
    grants: &[(Grant, Part)],
    named: &BTreeMap<GrantId, DateTime<Utc>>,
) -> sqlx::Result<()> {
    let rows = grants.iter().map(|both| Stored::of(both, named));
    let rows: Vec<Stored<'_>> = rows.collect();
    // Both names stay in the guard equally long. A console name that has its row keeps it; another
    // principal's is no conflict of this key, and a trigger refuses it (docs/guard.md, C7).
    sqlx::query!(
        r#"WITH new AS (
               SELECT * FROM jsonb_to_recordset($2) AS it(
                   id uuid, state text, opening_at timestamptz, opened_at timestamptz, closing_at timestamptz,
                   cause text, closing_by uuid, closing_reason text, ended_at timestamptz, principal_id text,
                   principal_missing_since timestamptz, bypassed_at timestamptz, bypassed_by text,
                   part_state text, part_opened_at timestamptz,
                   part_closed_at timestamptz, target_uid text, sent_until timestamptz,
                   listed_until timestamptz, unclear_at timestamptz,
                   absent_at timestamptz, restores smallint, guard_until timestamptz, guard_gone_at timestamptz,
                   named_since timestamptz)),
           part AS (
               UPDATE parts p SET state = new.part_state, opened_at = new.part_opened_at,
                   closed_at = new.part_closed_at, target_uid = new.target_uid, sent_until = new.sent_until,
                   listed_until = new.listed_until, unclear_at = new.unclear_at,
                   absent_at = new.absent_at, restores = new.restores
               FROM new WHERE p."grant" = new.id AND p.target = $1),
           name AS (
               UPDATE names n SET guard_until = new.guard_until, guard_gone_at = new.guard_gone_at
               FROM new WHERE n."grant" = new.id AND n.target = $1),
           console AS (
               INSERT INTO names (target, name, "grant", principal_id, target_uid, since, guard_until)
               SELECT $1, g.console_name, g.id, new.principal_id, new.target_uid, new.named_since, new.guard_until
               FROM new JOIN grants g ON g.id = new.id
               WHERE new.named_since IS NOT NULL AND g.console_name IS NOT NULL)
           UPDATE grants g SET state = new.state, opening_at = new.opening_at, opened_at = new.opened_at,
               closing_at = new.closing_at, cause = new.cause, closing_by = new.closing_by,
               closing_reason = new.closing_reason, ended_at = new.ended_at, principal_id = new.principal_id,
               principal_missing_since = new.principal_missing_since,
               bypassed_at = new.bypassed_at, bypassed_by = new.bypassed_by
           FROM new WHERE g.id = new.id"#,
        target.uuid(),
        Json(&rows) as _,
    )
    .execute(conn)
    .await
    .map(drop)
}
