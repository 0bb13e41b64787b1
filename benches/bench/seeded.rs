//! Grants that are put into the database as approved.

use chrono::{DateTime, Utc};
use countersign::ids::{GrantId, RequestId};
use sqlx::PgPool;

use crate::Outcome;
use crate::catalog::{approver, requester, role};
use crate::world::Db;

/// Grants of one person each on roles in turn.
pub struct Seeded<'a> {
    pub kind: &'a str,
    pub grants: usize,
    pub roles: usize,
    pub starts_at: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    /// Nobody's but the bare driver's: open already, and due for nobody.
    pub bare: bool,
}

pub async fn next_second(admin: &PgPool) -> Outcome<DateTime<Utc>> {
    let next = "SELECT date_trunc('second', clock_timestamp()) + interval '1 second'";
    Ok(sqlx::query_scalar(next).fetch_one(admin).await?)
}

/// Triggers are left out, since those rows come to be in another order than a verb's; what they
/// check holds for these as well.
pub async fn seed(db: &Db, it: &Seeded<'_>) -> Outcome<()> {
    let (mut requests, mut grants, mut names) = (vec![], vec![], vec![]);
    let (mut roles, mut people) = (vec![], vec![]);
    for nth in 0..it.grants {
        let grant = GrantId::new();
        requests.push(RequestId::new().uuid());
        grants.push(grant.uuid());
        names.push(grant.to_string());
        roles.push(role(it.kind, nth % it.roles));
        people.push(requester(nth / it.roles));
    }
    let mut tx = db.admin.begin().await?;
    sqlx::raw_sql("SET LOCAL session_replication_role = replica")
        .execute(&mut *tx)
        .await?;
    sqlx::query(SEED)
        .bind(requests)
        .bind(grants)
        .bind(names)
        .bind(roles)
        .bind(people)
        .bind(it.starts_at)
        .bind(it.deadline)
        .bind(approver(0))
        .bind(it.bare)
        .execute(&mut *tx)
        .await?;
    if !it.bare {
        let due = "UPDATE targets SET due_at = $2 WHERE arn LIKE '%:role/' || $1 || '-%'";
        sqlx::query(due)
            .bind(it.kind)
            .bind(it.starts_at)
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

const SEED: &str = "
    WITH new AS (
        SELECT it.*, p.id AS person, i.id AS principal, i.arn AS user_arn, e.id AS entitlement, e.target,
               jsonb_build_object('account', t.account, 'account_name', 'Production', 'role_arn', t.arn, 'name', e.name, 'min_duration_seconds', 5,
                   'max_duration_seconds', 28800, 'requester_group', 'engineers',
                   'stages', jsonb_build_array(jsonb_build_object('groups', jsonb_build_array(jsonb_build_object('group', 'sre-leads', 'needed', 1)))), 'method', 'trust_policy',
                   'description', '', 'version', 1) AS terms
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) it (request, id, name, role, subject)
        JOIN people p USING (subject) JOIN principals i ON i.person = p.id JOIN entitlements e ON e.name = it.role JOIN targets t ON t.id = e.target),
    requests AS (
        INSERT INTO requests (id, version, person, principal, principal_arn, entitlement, target, terms, justification, duration_seconds,
                              target_checked, state, submitted_at, expires_at, closed_at)
        SELECT request, 2, person, principal, user_arn, entitlement, target, terms, CASE WHEN $9 THEN 'seeded, bare' ELSE 'seeded' END,
               extract(epoch FROM $7 - $6)::int, true, 'approved', now(), now() + interval '1 day', now() FROM new),
    groups AS (
        INSERT INTO approver_groups (request, stage, \"group\", needed, escalation, wanted, state)
        SELECT request, 1, 'sre-leads', 1, false, false, 'approved' FROM new),
    voices AS (
        INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
        SELECT gen_random_uuid(), request, 1, 1, (SELECT id FROM people WHERE subject = $8), 'approve', extract(epoch FROM $7 - $6)::int, 'api', now() FROM new),
    made AS (
        INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, console_name, state, starts_at, deadline, approved_at, opening_at, opened_at)
        SELECT id, request, target, person, 'trust_policy', user_arn, name, subject, CASE WHEN $9 THEN 'active' ELSE 'scheduled' END, $6, $7, now(),
               CASE WHEN $9 THEN now() END, CASE WHEN $9 THEN now() END FROM new),
    part AS (
        INSERT INTO parts (id, \"grant\", target, kind, state, opened_at, sent_until)
        SELECT gen_random_uuid(), id, target, 'statement', CASE WHEN $9 THEN 'open' ELSE 'waiting' END, CASE WHEN $9 THEN now() END,
               CASE WHEN $9 THEN $7 END FROM new)
    INSERT INTO names (target, name, \"grant\", since) SELECT target, name, id, now() FROM new";
