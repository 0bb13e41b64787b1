//! People's AWS identities, as the catalog writes them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::{PersonId, PrincipalId};

/// Adds an AWS identity to a person, or changes the name of their sessions of the role: from now on
/// the catalog says that it is theirs. Tells whether anything changed.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn put(
    conn: &mut PgConnection,
    person: PersonId,
    account: &str,
    arn: &str,
    session: Option<&str>,
) -> sqlx::Result<bool> {
    // Somebody else's identity is no conflict of this key: a unique index refuses it.
    let done = sqlx::query!(
        "INSERT INTO principals AS p (id, person, account, arn, role_session_name) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (person, arn) WHERE conflict_with IS NULL DO UPDATE SET
             role_session_name = excluded.role_session_name, source = 'catalog', ended_at = NULL
         WHERE (p.role_session_name, p.source, p.ended_at)
               IS DISTINCT FROM (excluded.role_session_name, 'catalog', NULL::timestamptz)",
        PrincipalId::new().uuid(),
        person.uuid(),
        account,
        arn,
        session
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Ends an AWS identity of an account that is disabled, and another one than that of `to`, who gets
/// it; gives whose it was, where there was one.
///
/// # Errors
/// When the database does not answer.
pub async fn give_way(
    conn: &mut PgConnection,
    to: PersonId,
    arn: &str,
    session: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<PersonId>> {
    sqlx::query_scalar!(
        r#"UPDATE principals o SET ended_at = $4 FROM people p
           WHERE p.id = o.person AND p.status = 'disabled' AND p.id <> $1 AND lower(o.arn) = lower($2)
             AND lower(coalesce(o.role_session_name, '')) = lower(coalesce($3, ''))
             AND o.ended_at IS NULL AND o.conflict_with IS NULL
           RETURNING o.person AS "person: PersonId""#,
        to.uuid(),
        arn,
        session,
        now
    )
    .fetch_optional(conn)
    .await
}

/// Whose an AWS identity is.
#[derive(Debug)]
pub struct Owner {
    /// ARN of the identity.
    pub arn: String,
    /// The session name, where it is a role.
    pub session: Option<String>,
    /// OIDC issuer of the person.
    pub issuer: String,
    /// OIDC subject of the person.
    pub subject: String,
    /// E-mail address of the person.
    pub email: String,
    /// Whether their account is active.
    pub is_active: bool,
}

/// Whose these AWS identities are, in whatever case they are on record: IAM does not tell names
/// apart by case. Those of nobody are left out, and those that were ended.
///
/// # Errors
/// When the database does not answer.
pub async fn owners(conn: &mut PgConnection, arns: &[String]) -> sqlx::Result<Vec<Owner>> {
    sqlx::query_as!(
        Owner,
        r#"SELECT o.arn, o.role_session_name AS session, p.issuer, p.subject, p.email, p.status = 'active' AS "is_active!"
           FROM principals o JOIN people p ON p.id = o.person
           WHERE o.ended_at IS NULL AND o.conflict_with IS NULL
               AND lower(o.arn) IN (SELECT lower(a) FROM unnest($1::text[]) a)"#,
        arns
    )
    .fetch_all(conn)
    .await
}

/// Somebody who may ask for an entitlement, but has no AWS identity in its account.
#[derive(Debug)]
pub struct Lacking {
    /// Their e-mail address.
    pub email: String,
    /// The entitlement's name.
    pub entitlement: String,
    /// That account.
    pub account: String,
}

/// The first twenty people who may ask for an entitlement, but have no AWS identity for it: one in
/// its account, or any where it opens a role. A role is none where a second factor is asked for,
/// and one of Identity Center carries nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn without_identity(conn: &mut PgConnection) -> sqlx::Result<Vec<Lacking>> {
    sqlx::query_as!(
        Lacking,
        "SELECT p.email, e.name AS entitlement, e.account
         FROM entitlements e JOIN people p ON p.groups @> ARRAY[e.requester_group]
         LEFT JOIN targets t ON t.id = e.target
         WHERE e.retired_at IS NULL AND e.method IN ('trust_policy', 'switch', 'attach') AND p.status = 'active'
           AND NOT EXISTS \
         (SELECT FROM principals o WHERE o.person = ANY(human_ids(p)) AND o.ended_at IS NULL AND o.conflict_with IS NULL
           AND (o.account = e.account OR e.method <> 'attach')
          AND (o.role_session_name IS NULL OR NOT (e.mfa OR coalesce(t.mfa, false))
               AND (e.method = 'trust_policy' OR o.arn NOT LIKE 'arn:%:role/aws-reserved/%')))
         ORDER BY e.name, p.email LIMIT 20"
    )
    .fetch_all(conn)
    .await
}
