//! Lists of requests.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::grants;
use super::requests::with_ids;
use crate::domain::grant::Grant;
use crate::domain::request::Request;
use crate::ids::{MachineId, PersonId, RequestId};

/// Which requests a list shows. Each is a walk along an index, however many requests there are.
#[derive(Debug, Clone)]
pub enum View {
    /// A person's own.
    Own(PersonId),
    /// Those that a machine has asked for.
    RequestedBy(MachineId),
    /// Those that wait for a human with these accounts, who is in these groups; at the time that is
    /// given, or else now.
    Waiting(Vec<PersonId>, Vec<String>, Option<DateTime<Utc>>),
    /// Those that this person may see: their own, those that their groups decide or could have
    /// decided, those that they decided.
    Visible(PersonId, Vec<String>),
    /// All.
    All,
}

/// A request of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The request.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Its grant.
    pub grant: Option<Grant>,
}

/// What waits for a human: pending requests that one more vote of theirs would bring further, by a
/// group of theirs or of somebody for whom they stand in. What they cannot decide, or have
/// approved, does not wait for them: the badge would never go. Nor does what their machine asked
/// for, or what lets them in. Their accounts are `$1`, their groups `$2`, the time `$3`.
macro_rules! waiting {
    ($tail:literal, "id", $($arg:expr),* $(,)?) => { waiting!(@ query_scalar, $tail, $($arg),*) };
    ($tail:literal, "row", $($arg:expr),* $(,)?) => { waiting!(@ query, $tail, $($arg),*) };
    (@ $query:ident, $tail:literal, $($arg:expr),*) => {
        sqlx::$query!(
            r#"WITH at AS (SELECT coalesce($3, clock_timestamp()) AS now),
                mine AS (
                    SELECT name, NULL::uuid AS away FROM unnest($2::text[]) name
                    UNION ALL
                    SELECT g, human(f.id) FROM delegations d JOIN people a ON a.id = d.from_person
                        JOIN people f ON f.id = ANY (human_ids(a)) AND f.status = 'active', at, unnest(f.groups) g
                    WHERE d.to_person = ANY($1) AND d.ended_at IS NULL AND d.starts_at <= at.now
                      AND d.ends_at > at.now),
                waiting AS (
                    SELECT r.id FROM mine JOIN approver_groups g ON g."group" = mine.name AND g.wanted
                        JOIN requests r ON r.id = g.request
                    WHERE r.state = 'pending' AND r.person <> ALL($1)
                      AND (r.machine_owner IS NULL OR r.machine_owner <> ALL($1))
                      AND NOT EXISTS (SELECT FROM machines m WHERE m.id = r.requested_by AND m.owner = ANY($1))
                      AND NOT EXISTS (SELECT FROM principals o WHERE o.person = ANY($1)
                          AND lower(o.arn) = lower(r.principal_arn)
                          AND lower(coalesce(o.role_session_name, '')) = lower(coalesce(r.principal_session, '')))
                      AND (SELECT d.verdict FROM decisions d JOIN people v ON v.id = d.person
                           WHERE d.request = r.id AND d.person = ANY($1) AND d.times_disabled = v.times_disabled
                           ORDER BY d.seq DESC LIMIT 1) IS DISTINCT FROM 'approve'
                      AND (mine.away IS NULL OR coalesce((r.terms->'rules'->>'delegation')::boolean, true)
                           AND mine.away <> ALL (askers(r))
                           AND NOT EXISTS (SELECT FROM standing(r.id) s
                                   JOIN people v ON v.id = s.person AND v.times_disabled = s.times_disabled
                               WHERE s.verdict = 'approve' AND human(s.person) = mine.away)))
               "# + $tail,
            $($arg),*
        )
    };
}

/// Up to `limit` requests before `cursor`, newest first, in `state` or in any.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn list(
    conn: &mut PgConnection,
    view: &View,
    state: Option<&str>,
    cursor: Option<RequestId>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    let before = cursor.map_or(uuid::Uuid::max(), RequestId::uuid);
    let ids = match view {
        View::Own(person) => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE person = $1 AND id < $2 AND ($3::text IS NULL OR state = $3) \
                 ORDER BY id DESC LIMIT $4",
                person.uuid(),
                before,
                state,
                limit
            )
            .fetch_all(&mut *conn)
            .await?
        }
        View::RequestedBy(machine) => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE requested_by = $1 AND id < $2 AND ($3::text IS NULL OR state = $3) \
                 ORDER BY id DESC LIMIT $4",
                machine.uuid(),
                before,
                state,
                limit
            )
            .fetch_all(&mut *conn)
            .await?
        }
        View::Waiting(ids, groups, given) => {
            let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
            let rows = waiting!(
                "SELECT DISTINCT id FROM waiting WHERE id < $4 ORDER BY id DESC LIMIT $5",
                "id",
                &ids,
                groups,
                *given,
                before,
                limit
            );
            rows.fetch_all(&mut *conn).await?
        }
        View::Visible(person, groups) => visible(conn, *person, groups, state, before, limit).await?,
        View::All => all(conn, state, before, limit).await?,
    };
    listed(conn, &ids).await
}

/// How many requests wait for a human with these accounts, who is in these groups, counted up to
/// `limit`; and the time that is `given`, or else now.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(
    conn: &mut PgConnection,
    ids: &[PersonId],
    groups: &[String],
    limit: i64,
    given: Option<DateTime<Utc>>,
) -> sqlx::Result<(i64, DateTime<Utc>)> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let row = waiting!(
        r#"SELECT (SELECT count(*) FROM (SELECT DISTINCT id FROM waiting LIMIT $4) it) AS "count!", at.now AS "now!" FROM at"#,
        "row",
        &ids,
        groups,
        given,
        limit
    );
    let row = row.fetch_one(conn).await?;
    Ok((row.count, row.now))
}

/// Each group's requests are a walk of their own along an index that begins with the group. The
/// pairs are compared as wholes, so that no other index has the order that is asked for: a walk
/// along all ids would read the whole history for somebody whose groups decide nothing.
async fn visible(
    conn: &mut PgConnection,
    person: PersonId,
    groups: &[String],
    state: Option<&str>,
    before: uuid::Uuid,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    // With a state and without, groups are walked along two different indexes; one of the two
    // branches is always empty.
    sqlx::query_scalar!(
        r#"SELECT id AS "id!: RequestId" FROM (
               (SELECT id FROM requests WHERE person = $1 AND id < $3 AND ($4::text IS NULL OR state = $4)
                   ORDER BY id DESC LIMIT $5)
               UNION
               (SELECT own.id FROM unnest($2::text[]) AS approvers(name), LATERAL (
                    SELECT DISTINCT ON ("group", request) request AS id FROM approver_groups
                    WHERE ("group", request) >= (approvers.name, '00000000-0000-0000-0000-000000000000')
                        AND ("group", request) < (approvers.name, $3)
                    ORDER BY "group" DESC, request DESC LIMIT $5) own
                WHERE $4::text IS NULL)
               UNION
               (SELECT own.id FROM unnest($2::text[]) AS approvers(name), LATERAL (
                    SELECT DISTINCT ON ("group", state, request) request AS id FROM approver_groups
                    WHERE ("group", state, request) >= (approvers.name, $4, '00000000-0000-0000-0000-000000000000')
                      AND ("group", state, request) < (approvers.name, $4, $3)
                    ORDER BY "group" DESC, state DESC, request DESC LIMIT $5) own
                WHERE $4::text IS NOT NULL)
               UNION
               (SELECT r.id FROM decisions d JOIN requests r ON r.id = d.request
                WHERE d.person = $1 AND d.request < $3 AND r.id < $3 AND ($4::text IS NULL OR r.state = $4)
                    ORDER BY d.request DESC LIMIT $5)) seen
           ORDER BY id DESC LIMIT $5"#,
        person.uuid(),
        groups,
        before,
        state,
        limit
    )
    .fetch_all(conn)
    .await
}

async fn all(
    conn: &mut PgConnection,
    state: Option<&str>,
    before: uuid::Uuid,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    match state {
        Some(state) => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE state = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                state,
                before,
                limit
            )
            .fetch_all(conn)
            .await
        }
        None => {
            sqlx::query_scalar!(
                "SELECT id FROM requests WHERE id < $1 ORDER BY id DESC LIMIT $2",
                before,
                limit
            )
            .fetch_all(conn)
            .await
        }
    }
}

/// These requests as a list shows them, newest first.
///
/// # Errors
/// When the database does not answer, or a row spells no state.
pub async fn listed(conn: &mut PgConnection, ids: &[RequestId]) -> sqlx::Result<Vec<Listed>> {
    let requests = with_ids(conn, ids).await?;
    let people = requests.iter().map(|request| request.person.uuid());
    let names = super::people::names(conn, &people.collect::<Vec<_>>()).await?;
    let mut granted = grants::of_requests(conn, requests.iter()).await?;
    let listed = requests.into_iter().map(|request| Listed {
        requester: names.get(&request.person).cloned().unwrap_or_default(),
        grant: granted.remove(&request.id),
        request,
    });
    Ok(listed.collect())
}
