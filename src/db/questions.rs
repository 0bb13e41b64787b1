//! Questions to requesters, with their answers.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::text::Words;
use crate::ids::{PersonId, RequestId};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub asked_by: PersonId,
    /// Their name as it is now.
    pub name: String,
    /// What they ask.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What the requester answered, and when; none while it is open.
    pub answer: Option<(String, DateTime<Utc>)>,
}

/// The questions on a request, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_request(
    conn: &mut PgConnection,
    request: RequestId,
) -> sqlx::Result<Vec<Question>> {
    let rows = sqlx::query!(
        r#"SELECT q.asked_by AS "asked_by: PersonId", p.name, q.text, q.at, q.answer, q.answered_at
           FROM questions q JOIN people p ON p.id = q.asked_by WHERE q.request = $1 ORDER BY q.seq"#,
        request.uuid()
    );
    let rows = rows.fetch_all(conn).await?.into_iter().map(|row| Question {
        asked_by: row.asked_by,
        name: row.name,
        text: row.text,
        at: row.at,
        answer: row.answer.zip(row.answered_at),
    });
    Ok(rows.collect())
}

/// Stores a question. The caller has the request's lock.
///
/// # Errors
/// When the database does not answer, or another one is open.
pub async fn ask(
    conn: &mut PgConnection,
    request: RequestId,
    asked_by: PersonId,
    text: &Words,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO questions (request, seq, asked_by, text, at)
         VALUES ($1, (SELECT count(*) + 1 FROM questions q WHERE q.request = $1), $2, $3, $4)",
        request.uuid(),
        asked_by.uuid(),
        text.as_str(),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Answers the question that is open, and says whether there was one. The caller has the request's
/// lock.
///
/// # Errors
/// When the database does not answer.
pub async fn answer(
    conn: &mut PgConnection,
    request: RequestId,
    text: &Words,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE questions SET answer = $2, answered_at = $3 WHERE request = $1 AND answered_at IS NULL",
        request.uuid(),
        text.as_str(),
        now,
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}
