//! People who leave: disabling them with what they have, and enabling them again.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::grants::row::whole;
use super::requests::{Row, requests};
use crate::domain::entitlement::Terms;
use crate::domain::grant::Grant;
use crate::domain::outlive::Outlives;
use crate::domain::request::Request;
use crate::domain::sign_in::Identity;
use crate::ids::{DelegationId, MachineId, PersonId, TokenId};

/// Whether a person is active; they stay so until the transaction ends, since who disables them
/// waits for it.
///
/// # Errors
/// When the database does not answer, or the lock cannot be had in time.
pub async fn acts(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT person_acts($1) AS "acts!""#, person.uuid())
        .fetch_one(conn)
        .await
}

/// The same of somebody who is about to change another account: both rows are held, by id, so that
/// of two who disable each other the second finds that they are disabled.
///
/// # Errors
/// When the database does not answer, or the locks cannot be had in time.
pub async fn acts_on(
    conn: &mut PgConnection,
    person: PersonId,
    other: PersonId,
) -> sqlx::Result<bool> {
    let (person, other) = (person.uuid(), other.uuid());
    sqlx::query_scalar!(r#"SELECT person_acts_on($1, $2) AS "acts!""#, person, other)
        .fetch_one(conn)
        .await
}

/// What a person signed in and called with.
#[derive(Debug)]
pub struct Ended {
    /// How many sessions.
    pub sessions: i64,
    /// The API tokens, those of their machines too.
    pub tokens: Vec<TokenId>,
    /// The machines that they owned.
    pub machines: Vec<MachineId>,
    /// The delegations from and to them: their ids, who was away, and who decided for them.
    pub delegations: Vec<(DelegationId, PersonId, PersonId)>,
}

/// Disables a person, and ends their sessions and tokens; none where there is nobody of that id who
/// is active. Waits for what the person is doing, and holds their row from here on.
///
/// # Errors
/// When the database does not answer, or `by` is the same human.
pub async fn disable(
    conn: &mut PgConnection,
    person: PersonId,
    by: Option<PersonId>,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<Ended>> {
    let row = sqlx::query!(
        r#"SELECT sessions, tokens AS "tokens: Vec<TokenId>", machines AS "machines: Vec<MachineId>",
                  delegations AS "delegations: Vec<DelegationId>", away AS "away: Vec<PersonId>",
                  delegates AS "delegates: Vec<PersonId>"
           FROM person_disabled($1, $2, $3)"#,
        person.uuid(),
        by.map(PersonId::uuid),
        at
    );
    let row = row.fetch_one(conn).await?;
    let ended = row.sessions.zip(row.tokens).zip(row.machines);
    let people = row.away.into_iter().flatten();
    let people = people.zip(row.delegates.into_iter().flatten());
    let delegations = row.delegations.into_iter().flatten().zip(people);
    let delegations = delegations.map(|(id, (from, to))| (id, from, to));
    Ok(ended.map(|((sessions, tokens), machines)| Ended {
        sessions,
        tokens,
        machines,
        delegations: delegations.collect(),
    }))
}

/// Enables a person; tells whether they were disabled.
///
/// # Errors
/// When the database does not answer, or `by` is the same human.
pub async fn enable(conn: &mut PgConnection, person: PersonId, by: PersonId) -> sqlx::Result<bool> {
    let (person, by) = (person.uuid(), by.uuid());
    sqlx::query_scalar!(r#"SELECT person_enabled($1, $2) AS "was!""#, person, by)
        .fetch_one(conn)
        .await
}

/// Enables a person for the server's command line, whose database role writes people; tells
/// whether they were disabled.
///
/// # Errors
/// When the database does not answer or refuses.
pub async fn enable_by_command(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE people SET status = 'active', disabled_at = NULL, disabled_by = NULL
         WHERE id = $1 AND status = 'disabled'",
        person.uuid()
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Locks the pending requests of a person who has just been disabled, and those on which a vote of
/// theirs counts no more for that, by id.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn requests(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<Request>> {
    let rows = requests!(
        "WHERE state = 'pending' AND (person = $1 OR id IN (
             SELECT d.request FROM decisions d JOIN people v ON v.id = d.person
             WHERE d.person = $1 AND d.times_disabled = v.times_disabled - 1))
         ORDER BY id FOR UPDATE",
        person.uuid()
    );
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Locks the grants of a person that can still be ended, by id. Read after their requests were
/// locked: what was approved by then is among them.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn grants(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<Grant>> {
    let rows = whole!(
        "WHERE g.person = $1 AND g.state IN ('scheduled', 'opening', 'active')
         ORDER BY g.id FOR NO KEY UPDATE OF g",
        person.uuid()
    );
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The person whom a provider tells of, where they are active.
///
/// # Errors
/// When the database does not answer.
pub async fn of_identity(
    conn: &mut PgConnection,
    identity: &Identity,
) -> sqlx::Result<Option<PersonId>> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id: PersonId" FROM people WHERE issuer = $1 AND subject = $2 AND status = 'active'"#,
        identity.issuer,
        identity.subject
    )
    .fetch_optional(conn)
    .await
}

/// A person, as admins see them.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Their id.
    pub id: PersonId,
    /// Name.
    pub name: String,
    /// E-mail address; may be empty.
    pub email: String,
    /// Who says who they are.
    pub issuer: String,
    /// Who they are there.
    pub subject: String,
    /// Since when they are disabled; none while they are active.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Name of the admin who did it, where it was one.
    pub disabled_by: Option<String>,
    /// The other accounts of the same human, each by name, subject and issuer.
    pub others: Vec<String>,
    /// Accounts with the same verified e-mail address that are not known to be the same human's.
    pub alike: Vec<String>,
    /// How many of their sessions work.
    pub sessions: i64,
    /// How many of their API tokens work, those of their machines among them.
    pub tokens: i64,
    /// How many machines that have not ended they answer for.
    pub machines: i64,
    /// How many of their requests wait for a decision.
    pub requests: i64,
    /// How many of their grants are scheduled, opening or active.
    pub grants: i64,
}

impl Listed {
    /// The word used everywhere.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        if self.disabled_at.is_some() {
            "disabled"
        } else {
            "active"
        }
    }
}

/// Which people are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this one.
    pub id: Option<PersonId>,
    /// Only those in whose name, e-mail address or subject this stands, in whatever case.
    pub text: String,
    /// Only those after this one.
    pub after: Option<PersonId>,
}

/// Up to `limit` people, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    limit: i64,
    idle: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Listed>> {
    // The few that are shown are found first: the rest is looked up for those alone.
    sqlx::query_as!(
        Listed,
        r#"WITH shown AS (
               SELECT p.id FROM people p
               WHERE ($1::uuid IS NULL OR p.id = $1)
                 AND ($2::text = '' OR position(lower($2) IN lower(concat_ws(' ', p.name, p.email, p.subject))) > 0)
                 AND ($3::uuid IS NULL OR (p.name, p.id) > (SELECT b.name, b.id FROM people b WHERE b.id = $3))
               ORDER BY p.name, p.id LIMIT $4)
           SELECT p.id, p.name, p.email, p.issuer, p.subject, p.disabled_at, b.name AS "disabled_by?",
                  ARRAY(SELECT format('%s, %s of %s', o.name, o.subject, o.issuer) FROM people o
                        WHERE o.id = ANY(human_ids(p)) AND o.id <> p.id ORDER BY o.name, o.id) AS "others!",
                  ARRAY(SELECT format('%s, %s of %s', o.name, o.subject, o.issuer) FROM people o
                        WHERE lower(o.email) = lower(p.email) AND o.email_verified AND o.email <> ''
                          AND p.email_verified AND o.id <> ALL(human_ids(p)) ORDER BY o.name, o.id) AS "alike!",
                  (SELECT count(*) FROM sessions s WHERE s.person = p.id AND s.ended_at IS NULL AND s.expires_at > $6
                       AND s.last_seen_at > $6 - $5::interval) AS "sessions!",
                  (SELECT count(*) FROM api_tokens t
                   WHERE (t.person = p.id OR t.machine IN (SELECT m.id FROM machines m WHERE m.owner = p.id))
                     AND t.revoked_at IS NULL AND t.expires_at > $6) AS "tokens!",
                  (SELECT count(*) FROM machines m WHERE m.owner = p.id AND m.ended_at IS NULL) AS "machines!",
                  (SELECT count(*) FROM requests r WHERE r.person = p.id AND r.state = 'pending') AS "requests!",
                  (SELECT count(*) FROM grants g WHERE g.person = p.id
                       AND g.state IN ('scheduled', 'opening', 'active')) AS "grants!"
           FROM shown JOIN people p ON p.id = shown.id LEFT JOIN people b ON b.id = p.disabled_by
           ORDER BY p.name, p.id"#,
        filter.id.map(PersonId::uuid),
        filter.text,
        filter.after.map(PersonId::uuid),
        limit,
        idle as _,
        now
    )
    .fetch_all(conn)
    .await
}
