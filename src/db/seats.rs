//! Who may sit where on a request, as the tally asks for it; and how far that has brought it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::recounts::CountedWith;
use crate::domain::tally::{Count, Delegation, Human, People, StageState};
use crate::ids::{PersonId, RequestId};

/// Of people who are in the same of a request's groups, so many are loaded: there are ten seats at
/// most, and who has voted, has asked or stands in for somebody is loaded beside them.
pub const LOADED: usize = 50;

/// What a tally depends on beside the votes.
#[derive(Debug)]
pub struct Around {
    /// Everybody who may count.
    pub people: People,
    /// When each stage was opened first.
    pub opened: Vec<Option<DateTime<Utc>>>,
    /// The humans who have asked.
    pub askers: Vec<PersonId>,
}

/// Everybody who may count on a request. Of many who are in the same of its groups some are enough,
/// as there are ten seats at most; `named` are there in any case: who has voted, and who calls.
///
/// # Errors
/// When the database does not answer.
pub async fn around(
    conn: &mut PgConnection,
    request: RequestId,
    named: &[PersonId],
    now: DateTime<Utc>,
) -> sqlx::Result<Around> {
    let named: Vec<Uuid> = named.iter().map(|it| it.uuid()).collect();
    let loaded = i64::try_from(LOADED).unwrap_or(i64::MAX);
    let row = sqlx::query!(
        r#"WITH live AS (
               SELECT human(f.id) AS from_human, human(d.to_person) AS to_human
               FROM delegations d JOIN people f ON f.id = d.from_person
               WHERE d.ended_at IS NULL AND d.starts_at <= $2 AND d.ends_at > $2 AND EXISTS (
                   SELECT FROM people p JOIN approver_groups g ON p.groups @> ARRAY[g."group"]
                   WHERE g.request = $1 AND p.id = ANY (human_ids(f)) AND p.status = 'active')),
               named AS (
                   SELECT unnest($3::uuid[]) AS id
                   UNION SELECT unnest(askers(r)) FROM requests r WHERE r.id = $1
                   UNION SELECT from_human FROM live UNION SELECT to_human FROM live),
               members AS (
                   SELECT coalesce(p.same_as, p.id) AS id,
                          array_agg(DISTINCT w."group" ORDER BY w."group") AS groups
                   FROM (SELECT DISTINCT g."group" FROM approver_groups g WHERE g.request = $1) w
                       JOIN people p ON p.groups @> ARRAY[w."group"] WHERE p.status = 'active' GROUP BY 1),
               counted AS (
                   SELECT id, groups, row_number() OVER (PARTITION BY groups ORDER BY id) AS nth FROM members),
               humans AS (
                   SELECT id, groups FROM counted WHERE nth <= $4 OR id IN (SELECT id FROM named)
                   UNION ALL
                   SELECT n.id, '{}' FROM named n
                   WHERE EXISTS (SELECT FROM people p WHERE p.id = n.id AND p.status = 'active')
                      OR EXISTS (SELECT FROM people p WHERE p.same_as = n.id AND p.status = 'active'))
           SELECT askers(r) AS "askers!: Vec<PersonId>",
                  ARRAY(SELECT s.opened_at FROM request_stages s WHERE s.request = r.id ORDER BY s.stage)
                      AS "opened!: Vec<Option<DateTime<Utc>>>",
                  ARRAY(SELECT from_human FROM live ORDER BY from_human) AS "away!: Vec<PersonId>",
                  ARRAY(SELECT to_human FROM live ORDER BY from_human) AS "delegates!: Vec<PersonId>",
                  (SELECT coalesce(jsonb_agg(jsonb_build_array(id, groups)), '[]') FROM humans)
                      AS "humans!: Json<Vec<(Uuid, Vec<String>)>>"
           FROM requests r WHERE r.id = $1"#,
        request.uuid(),
        now,
        &named,
        loaded,
    );
    let row = row.fetch_one(conn).await?;
    let away = row.away.into_iter().zip(row.delegates);
    let delegations = away.map(|(from, to)| Delegation { from, to });
    let humans = row.humans.0.into_iter().map(|(id, groups)| Human {
        id: PersonId::from_uuid(id),
        is_active: true,
        groups,
    });
    Ok(Around {
        people: People::new(humans.collect(), &delegations.collect::<Vec<_>>()),
        opened: row.opened,
        askers: row.askers,
    })
}

/// Stores how far a request is: which of its stages are open, whose votes would bring it further,
/// which escalations it was told of, and with what it was counted. The caller has the request's
/// lock.
///
/// # Errors
/// When the database does not answer.
pub async fn store(
    conn: &mut PgConnection,
    request: RequestId,
    count: &Count<'_>,
    with: Option<CountedWith>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    store_stages(&mut *conn, request, count, now).await?;
    store_groups(conn, request, count, with, now).await
}

async fn store_stages(
    conn: &mut PgConnection,
    request: RequestId,
    count: &Count<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let stages = count.stages();
    let numbers: Vec<i16> = stages.iter().map(|it| it.stage).collect();
    let is = |state| stages.iter().map(move |it| it.state == state);
    let closed: Vec<bool> = is(StageState::Closed).collect();
    let waiting: Vec<bool> = is(StageState::Waiting).collect();
    sqlx::query!(
        "UPDATE request_stages s
         SET opened_at = CASE WHEN it.waiting THEN s.opened_at ELSE coalesce(s.opened_at, $5) END,
             closed_at = CASE WHEN it.closed THEN coalesce(s.closed_at, $5) END
         FROM unnest($2::smallint[], $3::boolean[], $4::boolean[]) it(stage, closed, waiting)
         WHERE s.request = $1 AND s.stage = it.stage
           AND (it.closed <> (s.closed_at IS NOT NULL) OR s.opened_at IS NULL AND NOT it.waiting)",
        request.uuid(),
        &numbers,
        &closed,
        &waiting,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

async fn store_groups(
    conn: &mut PgConnection,
    request: RequestId,
    count: &Count<'_>,
    with: Option<CountedWith>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let groups = count.groups();
    let stages: Vec<i16> = groups.iter().map(|it| it.stage).collect();
    let names: Vec<String> = groups.iter().map(|it| it.group.clone()).collect();
    let escalations: Vec<bool> = groups.iter().map(|it| it.escalation).collect();
    let wanted: Vec<bool> = groups.iter().map(|it| it.wanted).collect();
    let due: Vec<Option<DateTime<Utc>>> = groups.iter().map(|it| it.due_at).collect();
    let open = count.open_stage();
    let told: Vec<bool> = groups.iter().map(|it| it.is_escalated(open, now)).collect();
    sqlx::query!(
        r#"WITH counted AS (
               UPDATE request_counts SET fillable = $8, people = coalesce($9, people), due = coalesce($10, due)
               WHERE request = $1)
           UPDATE approver_groups g SET wanted = it.wanted, due_at = it.due_at,
               escalated_at = coalesce(g.escalated_at, CASE WHEN it.told THEN $11::timestamptz END)
           FROM unnest($2::smallint[], $3::text[], $4::boolean[], $5::boolean[], $6::timestamptz[], $7::boolean[])
               it(stage, name, escalation, wanted, due_at, told)
           WHERE g.request = $1 AND (g.stage, g."group", g.escalation) = (it.stage, it.name, it.escalation)
             AND ((g.wanted, g.due_at) IS DISTINCT FROM (it.wanted, it.due_at) OR it.told AND g.escalated_at IS NULL)"#,
        request.uuid(),
        &stages,
        &names,
        &escalations,
        &wanted,
        &due as _,
        &told,
        count.is_fillable(),
        with.map(|it| it.people),
        with.map(|it| it.due),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}
