//! The audit log: rows go in, and stay.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::audit::{Actor, Event, Outcome, Told};
use crate::ids::{EventId, GrantId, PersonId, RequestId};

/// The outcome of a refusal.
const REFUSED: &str = "refused";

/// What a row holds besides whom it concerns. A statement that stores a change puts its event in
/// with it.
#[derive(Serialize)]
pub(super) struct Columns<'a> {
    pub id: uuid::Uuid,
    pub at: DateTime<Utc>,
    pub action: &'a str,
    pub actor_kind: &'static str,
    pub actor_id: String,
    pub actor_name: &'a str,
    pub subject: &'a str,
    pub channel: &'static str,
    pub outcome: &'static str,
    pub code: Option<&'static str>,
    pub details: serde_json::Value,
}

impl<'a> TryFrom<&'a Event> for Columns<'a> {
    type Error = sqlx::Error;

    fn try_from(event: &'a Event) -> sqlx::Result<Self> {
        let mut on_behalf_of = None;
        let (actor_kind, actor_id, actor_name) = match &event.actor {
            Actor::Person { id, name } => ("person", id.to_string(), name.as_str()),
            Actor::Machine { name } => ("machine", name.clone(), name.as_str()),
            Actor::Workload {
                id,
                name,
                on_behalf_of: person,
            } => {
                on_behalf_of = *person;
                ("machine", id.to_string(), name.as_str())
            }
            Actor::System { part } => ("system", (*part).to_owned(), *part),
        };
        let (outcome, code) = match event.outcome {
            Outcome::Success => ("success", None),
            Outcome::Refused(code) => (REFUSED, Some(code)),
            Outcome::Failure(code) => ("failure", Some(code)),
        };
        let columns = event.told.columns();
        let (action, mut details) = columns.map_err(|error| sqlx::Error::Encode(error.into()))?;
        if let Some(person) = on_behalf_of {
            details["on_behalf_of"] = person.to_string().into();
        }
        Ok(Self {
            // Made in the order of the events: a history is read in the order of ids.
            id: EventId::new().uuid(),
            at: event.at,
            action,
            actor_kind,
            actor_id,
            actor_name,
            subject: &event.subject,
            channel: event.channel.as_str(),
            outcome,
            code,
            details,
        })
    }
}

/// Appends one event that is stored with nothing else. Whom it concerns is looked up where its
/// subject is a request or a grant.
///
/// # Errors
/// When the database does not answer.
pub async fn append(conn: &mut PgConnection, event: &Event) -> sqlx::Result<()> {
    append_all(conn, std::slice::from_ref(event)).await
}

/// A row whose subject tells whom it concerns.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    columns: Columns<'a>,
    request: Option<uuid::Uuid>,
    grant: Option<uuid::Uuid>,
}

impl<'a> Row<'a> {
    fn of(event: &'a Event) -> sqlx::Result<Self> {
        Ok(Self {
            columns: Columns::try_from(event)?,
            request: event.subject.parse().ok().map(RequestId::uuid),
            grant: event.subject.parse().ok().map(GrantId::uuid),
        })
    }
}

/// Appends events in their order, in one statement.
///
/// # Errors
/// When the database does not answer.
pub async fn append_all(conn: &mut PgConnection, events: &[Event]) -> sqlx::Result<()> {
    let rows: Vec<Row<'_>> = events.iter().map(Row::of).collect::<sqlx::Result<_>>()?;
    sqlx::query!(
        r#"INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, code,
                                     details, concerns)
           SELECT e.id, e.at, e.action, e.actor_kind, e.actor_id, e.actor_name, e.subject, e.channel, e.outcome,
                  e.code, e.details,
                  coalesce((SELECT person FROM requests r WHERE r.id = e.request),
                           (SELECT person FROM grants g WHERE g.id = e."grant"))
           FROM jsonb_to_recordset($1) AS e(id uuid, at timestamptz, action text, actor_kind text, actor_id text,
                actor_name text, subject text, channel text, outcome text, code text, details jsonb, request uuid,
                "grant" uuid)"#,
        Json(&rows) as _,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// One row, as it is read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub action: String,
    /// person, machine or system.
    pub actor_kind: String,
    /// TypeID of the person; or the name of the machine or part.
    pub actor_id: String,
    /// The name as it was then.
    pub actor_name: String,
    /// TypeID of what it was done to, or its name.
    pub subject: String,
    /// Through what.
    pub channel: String,
    /// success, refused or failure.
    pub outcome: String,
    /// The error code, unless it was a success.
    pub code: Option<String>,
    /// What else there is to know.
    pub details: serde_json::Value,
}

impl Entry {
    /// What it tells, as it was written.
    #[must_use]
    pub fn told(&self) -> Told {
        Told::read(&self.action, &self.details, self.outcome == REFUSED)
    }
}

/// Which events a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this action.
    pub action: Option<String>,
    /// Only this actor: TypeID, or name of a machine or part.
    pub actor: Option<String>,
    /// Only this subject: TypeID or name.
    pub subject: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
    /// Only what concerns this person: what they did, and what was done to their requests and
    /// grants.
    pub concerning: Option<PersonId>,
}

/// Up to `limit` events before `cursor`, newest first. Ids carry the time of their making, so that
/// a span of time is a span of ids.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    cursor: Option<EventId>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    // Postgres takes no NUL in a text, so no event has one.
    let asked = [&filter.action, &filter.actor, &filter.subject];
    if asked.into_iter().flatten().any(|text| text.contains('\0')) {
        return Ok(Vec::new());
    }
    let before = cursor.map_or(uuid::Uuid::max(), EventId::uuid);
    let before = filter.to.map_or(before, |to| before.min(first_id_at(to)));
    let after = filter.from.map_or(uuid::Uuid::nil(), first_id_at);
    match filter.concerning {
        Some(person) => list_concerning(conn, person, filter, before, after, limit).await,
        None => {
            sqlx::query_as!(
                Entry,
                "SELECT id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, code, \
                 details FROM audit_events
                 WHERE id < $1 AND id >= $2
                   AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR actor_id = $4) \
                   AND ($5::text IS NULL OR subject = $5)
                 ORDER BY id DESC LIMIT $6",
                before,
                after,
                filter.action,
                filter.actor,
                filter.subject,
                limit,
            )
            .fetch_all(conn)
            .await
        }
    }
}

/// The same of what a person did and of what was done to their requests and grants: two walks along
/// an index each.
async fn list_concerning(
    conn: &mut PgConnection,
    person: PersonId,
    filter: &Filter,
    before: uuid::Uuid,
    after: uuid::Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    // Each walk has a limit of its own: else all events of a busy person would be sorted. `UNION`
    // takes out what is in both: what they did to their own requests.
    sqlx::query_as!(
        Entry,
        r#"SELECT id AS "id!: EventId", at AS "at!", action AS "action!", actor_kind AS "actor_kind!", actor_id AS "actor_id!",
                  actor_name AS "actor_name!", subject AS "subject!", channel AS "channel!",
                  outcome AS "outcome!", code, details AS "details!"
           FROM ((SELECT * FROM audit_events WHERE actor_id = $6 AND id < $1 AND id >= $2
                    AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR actor_id = $4)
                        AND ($5::text IS NULL OR subject = $5)
                  ORDER BY id DESC LIMIT $8)
                 UNION
                 (SELECT * FROM audit_events WHERE concerns = $7 AND id < $1 AND id >= $2
                    AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR actor_id = $4)
                        AND ($5::text IS NULL OR subject = $5)
                  ORDER BY id DESC LIMIT $8)) seen
           ORDER BY id DESC LIMIT $8"#,
        before,
        after,
        filter.action,
        filter.actor,
        filter.subject,
        person.to_string(),
        person.uuid(),
        limit,
    )
    .fetch_all(conn)
    .await
}

/// What was done to these subjects, oldest first: the history of a request and its grant. Refused
/// attempts are for the audit log.
///
/// # Errors
/// When the database does not answer.
pub async fn history(conn: &mut PgConnection, subjects: &[String]) -> sqlx::Result<Vec<Entry>> {
    // Refusals are left out here, not by the caller: five hundred of them would hide what happened.
    sqlx::query_as!(
        Entry,
        "SELECT id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, code, details \
         FROM audit_events
         WHERE subject = ANY($1) AND outcome <> 'refused' ORDER BY id LIMIT 500",
        subjects
    )
    .fetch_all(conn)
    .await
}

/// The smallest UUIDv7 of a moment: 48 bits of milliseconds.
fn first_id_at(at: DateTime<Utc>) -> uuid::Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Uuid::from_u128(u128::from(millis) << 80)
}
