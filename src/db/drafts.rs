//! Forms that were sent with a session that was over, for whoever typed them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::{DraftId, PersonId};

/// A form before it is stored.
#[derive(Debug, Clone, Copy)]
pub struct NewDraft<'a> {
    /// Its id.
    pub id: DraftId,
    /// Who typed it.
    pub person: PersonId,
    /// The path that it was sent to.
    pub place: &'a str,
    /// Its fields, as JSON.
    pub form: &'a str,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// A form that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The path that it was sent to.
    pub place: String,
    /// Its fields, as JSON.
    pub form: String,
}

/// Stores a form. The person has `most` of them at most: the oldest go.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(conn: &mut PgConnection, draft: &NewDraft<'_>, most: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO drafts (id, person, place, form, expires_at) VALUES ($1, $2, $3, $4, $5)",
        draft.id.uuid(),
        draft.person.uuid(),
        draft.place,
        draft.form,
        draft.expires_at,
    )
    .execute(&mut *conn)
    .await?;
    // The ids are in the order of their making.
    sqlx::query!(
        "DELETE FROM drafts WHERE id IN (SELECT id FROM drafts WHERE person = $1 ORDER BY id DESC OFFSET $2)",
        draft.person.uuid(),
        most
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A form of that person's that is not over.
///
/// # Errors
/// When the database does not answer.
pub async fn of_person(
    conn: &mut PgConnection,
    id: DraftId,
    person: PersonId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Draft>> {
    sqlx::query_as!(
        Draft,
        "SELECT place, form FROM drafts WHERE id = $1 AND person = $2 AND expires_at > $3",
        id.uuid(),
        person.uuid(),
        now
    )
    .fetch_optional(conn)
    .await
}

/// Deletes a form unless it is that person's.
///
/// # Errors
/// When the database does not answer.
pub async fn drop_of_others(
    conn: &mut PgConnection,
    id: DraftId,
    person: PersonId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM drafts WHERE id = $1 AND person <> $2",
        id.uuid(),
        person.uuid()
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Deletes what is over.
///
/// # Errors
/// When the database does not answer.
pub async fn tidy(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM drafts WHERE expires_at <= $1", now)
        .execute(conn)
        .await
        .map(drop)
}
