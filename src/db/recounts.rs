//! Which requests are to be counted anew.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::{PersonId, RequestId};

/// What a tally depends on beside the votes, as two numbers: other ones where any of it is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedWith {
    /// Of everybody in its groups.
    pub people: i64,
    /// Of its escalations that are due, and of who stands in for whom.
    pub due: i64,
}

/// How far a request was when it was counted last.
#[derive(Debug, Default)]
pub struct Last {
    /// The stage that was open; `None` where every seat was taken.
    pub stage: Option<i16>,
    /// Whether the people that there were could approve it.
    pub fillable: bool,
    /// Of which escalations it was told that they are due: the stage and the group.
    pub escalated: Vec<(i16, String)>,
    /// The number of the people; `None` before it was counted.
    pub people: Option<i64>,
    /// The number of what was due.
    pub due: i64,
    /// The numbers now; `None` of what is not pending.
    pub now: Option<CountedWith>,
}

/// How far a locked request was, and with what it is counted now. To be read before the people are:
/// what changes in between is another number next time.
///
/// # Errors
/// When the database does not answer.
pub async fn last(
    conn: &mut PgConnection,
    request: RequestId,
    now: DateTime<Utc>,
) -> sqlx::Result<Last> {
    let row = sqlx::query!(
        r#"WITH told AS (
               SELECT g.stage, g."group" FROM approver_groups g WHERE g.request = $1 AND g.escalated_at IS NOT NULL)
           SELECT (SELECT min(s.stage) FROM request_stages s WHERE s.request = $1 AND s.closed_at IS NULL) AS stage,
                  ARRAY(SELECT stage FROM told ORDER BY stage, "group") AS "stages!",
                  ARRAY(SELECT "group" FROM told ORDER BY stage, "group") AS "groups!",
                  c.fillable, c.people, c.due, w.people AS "people_now?", w.due AS "due_now?"
           FROM request_counts c LEFT JOIN counted_with(ARRAY[$1], $2) w ON true WHERE c.request = $1"#,
        request.uuid(),
        now,
    );
    let row = row.fetch_one(conn).await?;
    let numbers = row.people_now.zip(row.due_now);
    Ok(Last {
        stage: row.stage,
        fillable: row.fillable,
        escalated: row.stages.into_iter().zip(row.groups).collect(),
        people: row.people,
        due: row.due,
        now: numbers.map(|(people, due)| CountedWith { people, due }),
    })
}

/// The pending requests of which something has changed since they were counted last, at the time
/// that is `given`, or else now; with `voters` those alone on which one of these humans has voted.
/// The oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn changed(
    conn: &mut PgConnection,
    voters: Option<&[PersonId]>,
    given: Option<DateTime<Utc>>,
) -> sqlx::Result<Vec<RequestId>> {
    let voters = voters.map(|them| them.iter().map(|id| id.uuid()).collect::<Vec<_>>());
    sqlx::query_scalar!(
        r#"WITH at AS (SELECT coalesce($2, clock_timestamp()) AS now),
                pending AS (
                    SELECT ARRAY(
                        SELECT r.id FROM requests r, at WHERE r.state = 'pending' AND r.expires_at > at.now
                          AND ($1::uuid[] IS NULL OR r.id IN (
                              SELECT d.request FROM people v JOIN decisions d ON d.person = ANY (human_ids(v))
                              WHERE v.id = ANY($1)))) AS ids)
           SELECT c.request AS "id: RequestId" FROM at, pending, counted_with(pending.ids, at.now) w
               JOIN request_counts c ON c.request = w.request
           WHERE (c.people, c.due) IS DISTINCT FROM (w.people, w.due) ORDER BY c.request"#,
        voters.as_deref(),
        given
    )
    .fetch_all(conn)
    .await
}

/// What is known of this locked request is another by now: open pages look again.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(conn: &mut PgConnection, request: RequestId) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE requests SET version = version + 1 WHERE id = $1 AND state = 'pending'",
        request.uuid()
    )
    .execute(conn)
    .await
    .map(drop)
}
