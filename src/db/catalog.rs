//! The catalog: people, targets and entitlements.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::accounts;
use crate::domain::account::ManagerRole;
use crate::domain::demands::{Demands, ExternalId};
use crate::domain::entitlement::{EarlyEnd, Entitlement, Method, Scope, Terms};
use crate::domain::rules::Rules;
use crate::domain::stages::Stages;
use crate::domain::target::Condition;
use crate::ids::{EntitlementId, PersonId, TargetId};

/// Entitlements that may be asked for, with one condition more.
macro_rules! offered {
    ($tail:literal, $($arg:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT e.id, e.target, e.name, e.description, e.account, a.name AS account_name, t.arn AS "role_arn?",
                      e.method, e.statements AS "statements: Json<Vec<String>>",
                      (e.mfa OR (e.method <> 'sts_credentials' AND coalesce(t.mfa, false))) AS "mfa!",
                      CASE WHEN e.method <> 'sts_credentials' THEN t.external_id END AS asked_external_id,
                      e.session_scope AS "session_scope: Json<Scope>", e.early_end, e.session_tags,
                      e.min_duration_seconds, e.max_duration_seconds,
                      e.requester_group, e.stages AS "stages: Json<Stages>", e.rules AS "rules: Json<Rules>", e.version
               FROM entitlements e JOIN accounts a ON a.id = e.account LEFT JOIN targets t ON t.id = e.target
               WHERE e.retired_at IS NULL AND "# + $tail,
            $($arg),*
        )
    };
}

struct Row {
    id: EntitlementId,
    target: Option<TargetId>,
    name: String,
    description: String,
    account: String,
    account_name: String,
    role_arn: Option<String>,
    method: String,
    statements: Option<Json<Vec<String>>>,
    session_scope: Option<Json<Scope>>,
    early_end: String,
    session_tags: bool,
    mfa: bool,
    asked_external_id: Option<String>,
    min_duration_seconds: i32,
    max_duration_seconds: i32,
    requester_group: String,
    stages: Json<Stages>,
    rules: Json<Rules>,
    version: i32,
}

impl TryFrom<Row> for Entitlement {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let method = Method::parse(&row.method)
            .ok_or_else(|| sqlx::Error::Decode(format!("unknown method {}", row.method).into()))?;
        let early_end = EarlyEnd::parse(&row.early_end)
            .ok_or_else(|| sqlx::Error::Decode(format!("unknown end {}", row.early_end).into()))?;
        Ok(Self {
            id: row.id,
            target: row.target,
            terms: Terms {
                name: row.name,
                description: row.description,
                account: row.account,
                account_name: row.account_name,
                role_arn: row.role_arn,
                method,
                statements: row.statements.map(|it| it.0).unwrap_or_default(),
                scope: row.session_scope.map(|scope| scope.0).unwrap_or_default(),
                early_end,
                session_tags: row.session_tags,
                demands: Demands {
                    mfa: row.mfa,
                    external_id: row.asked_external_id.map(ExternalId::stored),
                },
                min_duration_seconds: row.min_duration_seconds,
                max_duration_seconds: row.max_duration_seconds,
                requester_group: row.requester_group,
                stages: row.stages.0,
                rules: row.rules.0,
                version: row.version,
            },
        })
    }
}

/// What people in these groups may ask for, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn entitlements(
    conn: &mut PgConnection,
    groups: &[String],
) -> sqlx::Result<Vec<Entitlement>> {
    // A retired entitlement is not offered; requests for it keep their own terms.
    let rows = offered!("e.requester_group = ANY($1) ORDER BY e.name", groups);
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Every entitlement of the catalog, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn all_entitlements(conn: &mut PgConnection) -> sqlx::Result<Vec<Entitlement>> {
    let rows = offered!("true ORDER BY e.name",);
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One entitlement of the catalog.
///
/// # Errors
/// When the database does not answer.
pub async fn entitlement(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Entitlement>> {
    // Postgres takes no NUL in a text, so nothing has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    let row = offered!("e.name = $1", name);
    let row = row.fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// An entitlement that somebody may ask for.
#[derive(Debug)]
pub struct Offer {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// The condition of its role as last seen; `Ok` where it opens none.
    pub condition: Condition,
    /// As whom Countersign works in its account.
    pub manager: Option<ManagerRole>,
    /// When that was looked up.
    pub now: DateTime<Utc>,
}

/// One entitlement of the catalog, if the person may ask for it; and the time that is `given`, or
/// else now.
///
/// # Errors
/// When the database does not answer, or the role's condition is not known.
pub async fn offer(
    conn: &mut PgConnection,
    name: &str,
    person: PersonId,
    given: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<Offer>> {
    // Postgres takes no NUL in a text, so nothing has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    // The group is asked of the person's row, and who is not in it gets no row: names of
    // entitlements are for those who may ask.
    let row = sqlx::query!(
        r#"SELECT e.id AS "id: EntitlementId", e.target AS "target: TargetId", e.name, e.description, e.account,
                  a.name AS account_name, t.arn AS "role_arn?", e.statements AS "statements: Json<Vec<String>>",
                  (e.mfa OR (e.method <> 'sts_credentials' AND coalesce(t.mfa, false))) AS "mfa!",
                  CASE WHEN e.method <> 'sts_credentials' THEN t.external_id END AS asked_external_id,
                  e.session_scope AS "session_scope: Json<Scope>", e.early_end, e.session_tags,
                  e.min_duration_seconds, e.max_duration_seconds, e.requester_group, e.rules AS "rules: Json<Rules>",
                  e.stages AS "stages: Json<Stages>", e.version, t.condition AS "condition?", e.method,
                  a.manager_role_arn, a.external_id, coalesce($3, clock_timestamp()) AS "now!"
           FROM entitlements e JOIN accounts a ON a.id = e.account LEFT JOIN targets t ON t.id = e.target
               JOIN people p ON p.id = $2 AND e.requester_group = ANY(p.groups)
           WHERE e.retired_at IS NULL AND e.name = $1"#,
        name,
        person.uuid(),
        given,
    );
    let Some(row) = row.fetch_optional(conn).await? else {
        return Ok(None);
    };
    let entitlement = Row {
        id: row.id,
        target: row.target,
        name: row.name,
        description: row.description,
        account: row.account,
        account_name: row.account_name,
        role_arn: row.role_arn,
        method: row.method,
        statements: row.statements,
        session_scope: row.session_scope,
        early_end: row.early_end,
        session_tags: row.session_tags,
        mfa: row.mfa,
        asked_external_id: row.asked_external_id,
        min_duration_seconds: row.min_duration_seconds,
        max_duration_seconds: row.max_duration_seconds,
        requester_group: row.requester_group,
        stages: row.stages,
        rules: row.rules,
        version: row.version,
    };
    Ok(Some(Offer {
        entitlement: entitlement.try_into()?,
        condition: condition(row.condition.as_deref())?,
        manager: accounts::manager_role(row.manager_role_arn, row.external_id),
        now: row.now,
    }))
}

/// The condition of an entitlement's role. Where it opens none, nothing of a role bars it.
fn condition(stored: Option<&str>) -> sqlx::Result<Condition> {
    let Some(text) = stored else {
        return Ok(Condition::Ok);
    };
    Condition::parse(text)
        .ok_or_else(|| sqlx::Error::Decode(format!("unknown condition {text}").into()))
}

/// A person of the catalog.
#[derive(Debug)]
pub struct NewPerson<'a> {
    /// OIDC issuer.
    pub issuer: &'a str,
    /// OIDC subject.
    pub subject: &'a str,
    /// Name.
    pub name: &'a str,
    /// E-mail address.
    pub email: &'a str,
    /// Groups; none where the provider tells them.
    pub groups: Option<&'a [String]>,
}

/// Adds a person or changes what is known of them; tells their id and whether anything changed.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn put_person(
    conn: &mut PgConnection,
    person: &NewPerson<'_>,
) -> sqlx::Result<(PersonId, bool)> {
    // Issuer and subject are the person; an e-mail address may pass on to somebody else.
    let done = sqlx::query!(
        "INSERT INTO people AS p (id, issuer, subject, name, email, groups, groups_known)
         VALUES ($1, $2, $3, $4, $5, coalesce($6, '{}'::text[]), $6 IS NOT NULL)
         ON CONFLICT (issuer, subject) DO UPDATE SET name = excluded.name, email = excluded.email,
             email_verified = p.email_verified OR p.email <> excluded.email, groups = coalesce($6, p.groups),
             groups_known = p.groups_known OR $6 IS NOT NULL,
             groups_at = CASE WHEN $6 IS NULL THEN p.groups_at END
         WHERE (p.name, p.email, p.groups, p.groups_known)
               IS DISTINCT FROM
               (excluded.name, excluded.email, coalesce($6, p.groups), p.groups_known OR $6 IS NOT NULL)",
        PersonId::new().uuid(),
        person.issuer,
        person.subject,
        person.name,
        person.email,
        person.groups as Option<&[String]>,
    )
    .execute(&mut *conn)
    .await?;
    // Asked apart: an upsert that changes nothing returns no row.
    let id = sqlx::query_scalar!(
        "SELECT id FROM people WHERE issuer = $1 AND subject = $2",
        person.issuer,
        person.subject
    );
    Ok((id.fetch_one(conn).await?, done.rows_affected() == 1))
}

/// The names of everybody but these, of whom each has an issuer and a subject at the same place of
/// both lists.
///
/// # Errors
/// When the database does not answer.
pub async fn names_of_others(
    conn: &mut PgConnection,
    issuers: &[String],
    subjects: &[String],
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "SELECT name FROM people WHERE (issuer, subject) NOT IN (SELECT * FROM unnest($1::text[], $2::text[])) \
         ORDER BY name",
        issuers,
        subjects
    )
    .fetch_all(conn)
    .await
}

/// The ARN of a target that is the same role in another case.
///
/// # Errors
/// When the database does not answer.
pub async fn same_role(conn: &mut PgConnection, arn: &str) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "SELECT arn FROM targets WHERE lower(arn) = lower($1) AND arn <> $1 LIMIT 1",
        arn
    )
    .fetch_optional(conn)
    .await
}

/// The target of a role or user, made where it is missing. One ARN is of one kind for ever.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn put_target(
    conn: &mut PgConnection,
    account: &str,
    kind: &str,
    arn: &str,
) -> sqlx::Result<TargetId> {
    // A row that is there is the worker's as well, and stays as it is.
    sqlx::query!(
        "INSERT INTO targets (id, account, kind, arn) VALUES ($1, $2, $3, $4) ON CONFLICT (arn) DO NOTHING",
        TargetId::new().uuid(),
        account,
        kind,
        arn
    )
    .execute(&mut *conn)
    .await?;
    let id = sqlx::query_scalar!(
        "SELECT id FROM targets WHERE arn = $1 AND kind = $2",
        arn,
        kind
    );
    id.fetch_one(conn).await
}

/// Adds an entitlement or changes it, which gives it a new version, as does `anew`: its role has
/// changed. Tells whether anything did.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn put_entitlement(
    conn: &mut PgConnection,
    target: Option<TargetId>,
    terms: &Terms,
    anew: bool,
) -> sqlx::Result<bool> {
    // Where a role is opened, the role asks.
    let mfa = terms.demands.mfa && target.is_none();
    let scope = (!terms.scope.is_role()).then_some(Json(&terms.scope));
    let statements = (!terms.statements.is_empty()).then_some(Json(&terms.statements));
    // An unchanged one keeps its version; a retired one that is named again comes back.
    let done = sqlx::query!(
        "INSERT INTO entitlements AS e (id, name, description, target, method, min_duration_seconds,
             max_duration_seconds, requester_group, stages, session_scope, account, statements,
             mfa, early_end, session_tags, rules)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $15, $16, $17)
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, target = excluded.target,
             method = excluded.method, session_scope = excluded.session_scope, account = excluded.account,
             statements = excluded.statements, mfa = excluded.mfa, early_end = excluded.early_end,
             session_tags = excluded.session_tags, rules = excluded.rules,
             min_duration_seconds = excluded.min_duration_seconds, max_duration_seconds = excluded.max_duration_seconds,
             requester_group = excluded.requester_group, stages = excluded.stages, version = e.version + 1,
             retired_at = NULL
         WHERE (e.description, e.target, e.method, e.min_duration_seconds, e.max_duration_seconds,
                e.requester_group, e.stages, e.session_scope, e.account, e.statements, e.mfa,
                e.early_end, e.session_tags, e.rules, e.retired_at)
            IS DISTINCT FROM (excluded.description, excluded.target, excluded.method, excluded.min_duration_seconds,
                excluded.max_duration_seconds, excluded.requester_group, excluded.stages,
                excluded.session_scope, excluded.account, excluded.statements, excluded.mfa, excluded.early_end,
                excluded.session_tags, excluded.rules, NULL::timestamptz)
            OR $14",
        EntitlementId::new().uuid(),
        terms.name,
        terms.description,
        target.map(TargetId::uuid),
        terms.method.as_str(),
        terms.min_duration_seconds,
        terms.max_duration_seconds,
        terms.requester_group,
        Json(&terms.stages) as _,
        scope as _,
        terms.account,
        statements as _,
        mfa,
        anew,
        terms.early_end.as_str(),
        terms.session_tags,
        Json(&terms.rules) as _,
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}
