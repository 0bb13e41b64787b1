//! What must hold after a load, whatever its pace: AWS lets in whom an active grant names and
//! nobody else, and every step is in the audit log.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use countersign::ids::GrantId;
use countersign::policy::document::{is_grant_sid, sid};
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use crate::Outcome;
use crate::aws;
use crate::world::{Db, World};

/// Looks at the roles of these kinds, and at all rows.
pub async fn holds(world: &World, kinds: &[&str]) -> Outcome<()> {
    world.main.settle().await?;
    let client = aws::client(&world.sandbox.url);
    let wrong = documents(&world.main, &client, kinds).await?;
    let wrong: Vec<String> = wrong.into_iter().chain(rows(&world.main).await?).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let told = wrong.len().min(10);
    Err(format!(
        "the oracle says no, {} times:\n{}",
        wrong.len(),
        wrong[..told].join("\n")
    )
    .into())
}

/// One statement for each active grant, none for any other, and a guard that lists it.
async fn documents(db: &Db, client: &Client, kinds: &[&str]) -> Outcome<Vec<String>> {
    let targets: Vec<(String,)> = sqlx::query_as(
        "SELECT arn FROM targets WHERE split_part(split_part(arn, '/', 2), '-', 1) = ANY($1)",
    )
    .bind(kinds)
    .fetch_all(&db.admin)
    .await?;
    let active: Vec<(String, Uuid)> = sqlx::query_as(
        "SELECT t.arn, g.id FROM grants g JOIN targets t ON t.id = g.target WHERE g.state = 'active'",
    )
    .fetch_all(&db.admin)
    .await?;
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (arn, id) in active {
        let ours = wanted.entry(arn).or_default();
        ours.insert(sid(GrantId::from_uuid(id)));
    }
    let wanted = &wanted;
    let looks = stream::iter(targets).map(|(arn,)| async move {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let found = aws::sids(&aws::trust(client, name).await?);
        let found: Vec<String> = found.into_iter().filter(|it| is_grant_sid(it)).collect();
        let once: BTreeSet<String> = found.iter().cloned().collect();
        let should = wanted.get(&arn).cloned().unwrap_or_default();
        let mut wrong = Vec::new();
        if once != should || once.len() != found.len() {
            wrong.push(format!("{arn} lets in {found:?} instead of {should:?}"));
        }
        if !should.is_empty() {
            wrong.extend(unguarded(client, name, &should).await?);
        }
        Ok::<_, crate::Fault>(wrong)
    });
    let wrong: Vec<Vec<String>> = looks.buffer_unordered(8).try_collect().await?;
    Ok(wrong.concat())
}

async fn unguarded(
    client: &Client,
    role: &str,
    sids: &BTreeSet<String>,
) -> Outcome<Option<String>> {
    let guard = client
        .get_role_policy()
        .role_name(role)
        .policy_name(aws::GUARD);
    let guard = guard.send().await?;
    let names = sids.iter().map(|it| it.replace("Countersign", "grant_"));
    let missing: Vec<String> = names
        .filter(|name| !guard.policy_document().contains(name.as_str()))
        .collect();
    Ok((!missing.is_empty()).then(|| format!("the guard of {role} does not name {missing:?}")))
}

/// What no row may say. What was put there for a measure, not by a verb, is told apart by its
/// justification.
const WRONG: [(&str, &str); 6] = [
    (
        "grants that failed, or were delayed",
        "SELECT count(*) FROM audit_events WHERE action IN ('grant.failed', 'grant.delayed')",
    ),
    (
        "grants past their deadline that are not over",
        "SELECT count(*) FROM grants WHERE deadline < clock_timestamp() - interval '1 second' AND state NOT IN ('ended', 'failed')",
    ),
    (
        "verbs that were refused",
        "SELECT count(*) FROM audit_events WHERE outcome <> 'success'",
    ),
    (
        "requests whose ask is not in the audit log",
        "SELECT abs((SELECT count(*) FROM audit_events WHERE action = 'request.submitted')
                  - (SELECT count(*) FROM requests WHERE justification NOT LIKE 'seeded%'))",
    ),
    (
        "approvals that are not in the audit log",
        "SELECT abs((SELECT count(*) FROM audit_events WHERE action = 'request.approved')
                  - (SELECT count(*) FROM decisions d JOIN requests r ON r.id = d.request WHERE r.justification NOT LIKE 'seeded%'))",
    ),
    (
        "grants whose steps are not in the audit log, each once",
        "SELECT count(*) FROM grants g LEFT JOIN LATERAL (
             SELECT count(*) FILTER (WHERE action = 'grant.opening') AS opening, count(*) FILTER (WHERE action = 'grant.opened') AS opened,
                    count(*) FILTER (WHERE action = 'grant.closing') AS closing, count(*) FILTER (WHERE action = 'grant.ended') AS ended
             FROM audit_events WHERE subject = g.grant_name) e ON true
         WHERE (SELECT justification FROM requests r WHERE r.id = g.request) <> 'seeded, bare'
           AND (e.opening, e.opened, e.closing, e.ended) IS DISTINCT FROM
               (CASE WHEN g.opening_at IS NULL THEN 0 ELSE 1 END, CASE WHEN g.opened_at IS NULL THEN 0 ELSE 1 END,
                CASE WHEN g.closing_at IS NULL OR g.opening_at IS NULL THEN 0 ELSE 1 END, CASE WHEN g.ended_at IS NULL THEN 0 ELSE 1 END)",
    ),
];

/// What rows say that none may say.
pub async fn rows(db: &Db) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    for (what, sql) in WRONG {
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&db.admin).await?;
        if count != 0 {
            wrong.push(format!("{what}: {count}"));
        }
    }
    Ok(wrong)
}
