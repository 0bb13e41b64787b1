//! People and their AWS principals.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::person::{Person, Principal};
use crate::domain::sign_in::Identity;
use crate::ids::{PersonId, PrincipalId};

/// A person.
///
/// # Errors
/// When the database does not answer.
pub async fn get(conn: &mut PgConnection, id: PersonId) -> sqlx::Result<Option<Person>> {
    sqlx::query_as!(
        Person,
        r#"SELECT id, name, email, groups, human_ids(p) AS "ids!: Vec<PersonId>" FROM people p WHERE id = $1"#,
        id.uuid()
    )
    .fetch_optional(conn)
    .await
}

/// The people with this e-mail address: for the command line, where a person is named; never to
/// tell who is calling.
///
/// # Errors
/// When the database does not answer.
pub async fn with_email(conn: &mut PgConnection, email: &str) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as!(
        Person,
        r#"SELECT id, name, email, groups, human_ids(p) AS "ids!: Vec<PersonId>" FROM people p
           WHERE lower(email) = lower($1)"#,
        email
    )
    .fetch_all(conn)
    .await
}

/// Who is named by an id, or by an e-mail address that they alone have verified; nobody who is
/// disabled. Of several accounts of one human with that address it is the one that counts for all.
///
/// # Errors
/// When the database does not answer.
pub async fn named(conn: &mut PgConnection, text: &str) -> sqlx::Result<Option<Person>> {
    let id = text.parse::<PersonId>().ok();
    // Postgres takes no NUL in a text, so nobody has such an address.
    let email = Some(text).filter(|it| it.contains('@') && !it.contains('\0'));
    let people = sqlx::query_as!(
        Person,
        r#"SELECT DISTINCT ON (coalesce(same_as, id)) id, name, email, groups, human_ids(p) AS "ids!: Vec<PersonId>"
           FROM people p WHERE (id = $1 OR (email = $2 AND email_verified)) AND status = 'active'
           ORDER BY coalesce(same_as, id), same_as IS NOT NULL, id LIMIT 2"#,
        id.map(PersonId::uuid) as Option<uuid::Uuid>,
        email as Option<&str>
    );
    let mut people = people.fetch_all(conn).await?;
    // Addresses are not unique, and nobody is meant who only has the same one.
    Ok(people.pop().filter(|_| people.is_empty()))
}

/// The groups that are on record of whom a provider tells of, where they are known.
///
/// # Errors
/// When the database does not answer.
pub async fn groups_at(
    conn: &mut PgConnection,
    identity: &Identity,
) -> sqlx::Result<Option<Vec<String>>> {
    sqlx::query_scalar!(
        "SELECT groups FROM people WHERE issuer = $1 AND subject = $2 AND groups_known",
        identity.issuer,
        identity.subject
    )
    .fetch_optional(conn)
    .await
}

/// Whether a person's groups are known, and were told within `fresh` where the provider tells them.
///
/// # Errors
/// When the database does not answer, or there is no such person.
pub async fn groups_known(
    conn: &mut PgConnection,
    person: PersonId,
    fresh: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT groups_known AND coalesce(groups_at > $3::timestamptz - $2::interval, true) AS "known!"
           FROM people WHERE id = $1"#,
        person.uuid(),
        fresh as _,
        now
    )
    .fetch_one(conn)
    .await
}

/// Everybody, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as!(
        Person,
        r#"SELECT id, name, email, groups, human_ids(p) AS "ids!: Vec<PersonId>" FROM people p ORDER BY name"#
    )
    .fetch_all(conn)
    .await
}

/// The names of these people.
///
/// # Errors
/// When the database does not answer.
pub async fn names(
    conn: &mut PgConnection,
    ids: &[uuid::Uuid],
) -> sqlx::Result<HashMap<PersonId, String>> {
    let rows = sqlx::query!("SELECT id, name FROM people WHERE id = ANY($1)", ids)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// The first `limit` names of the people in some groups who are active, each human once, without
/// some of them.
///
/// # Errors
/// When the database does not answer.
pub async fn in_groups(
    conn: &mut PgConnection,
    groups: &[String],
    without: &[uuid::Uuid],
    limit: i64,
) -> sqlx::Result<Vec<String>> {
    // `&&` is what the index on groups answers; `= ANY(groups)` would read everybody.
    sqlx::query_scalar!(
        "SELECT DISTINCT h.name FROM people p JOIN people h ON h.id = coalesce(p.same_as, p.id)
         WHERE p.groups && $1 AND p.status = 'active' AND h.id <> ALL($2) ORDER BY h.name LIMIT $3",
        groups,
        without,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The AWS identities that a person may ask with, in every account of AWS: those that this account
/// of theirs has, and where it has none, those of their other accounts that are active. One that
/// was ended is none.
///
/// # Errors
/// When the database does not answer.
pub async fn principals(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<Principal>> {
    // Of a role two accounts may have a session name each: its ARN alone is what requests name.
    sqlx::query_as!(
        Principal,
        r#"WITH own AS (
               SELECT o.* FROM people p JOIN people w ON w.id = ANY(human_ids(p)) JOIN principals o ON o.person = w.id
               WHERE p.id = $1 AND (w.id = p.id OR w.status = 'active')
                 AND o.ended_at IS NULL AND o.conflict_with IS NULL)
           SELECT DISTINCT ON (arn) id AS "id!: PrincipalId", $1 AS "person!: PersonId", account AS "account!",
                  arn AS "arn!", role_session_name AS session, unique_id
           FROM own WHERE person = $1 OR account NOT IN (SELECT account FROM own WHERE person = $1)
           ORDER BY arn, id"#,
        person.uuid()
    )
    .fetch_all(conn)
    .await
}
