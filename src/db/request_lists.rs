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
    /// Those that wait for a human with these accounts, who is in these groups.
    Waiting(Vec<PersonId>, Vec<String>),
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
        View::Waiting(ids, groups) => waiting_for(conn, ids, groups, before, limit).await?,
        View::Visible(person, groups) => visible(conn, *person, groups, state, before, limit).await?,
        View::All => all(conn, state, before, limit).await?,
    };
    listed(conn, &ids).await
}

/// What waits for a human with these accounts, who is in these groups, newest first.
async fn waiting_for(
    conn: &mut PgConnection,
    ids: &[PersonId],
    groups: &[String],
    before: uuid::Uuid,
    limit: i64,
) -> sqlx::Result<Vec<RequestId>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    // What the caller cannot decide, or has decided, does not wait for them: the badge
    // would never go. Nor does what their machine asked for, or what lets them in.
    sqlx::query_scalar!(
        "SELECT id FROM requests r
         WHERE state = 'pending' AND approver_group = ANY($2) AND person <> ALL($1) AND id < $3
           AND (machine_owner IS NULL OR machine_owner <> ALL($1))
           AND NOT EXISTS (SELECT FROM machines m WHERE m.id = r.requested_by AND m.owner = ANY($1))
           AND NOT EXISTS (SELECT FROM principals o WHERE o.person = ANY($1)
               AND lower(o.arn) = lower(r.principal_arn)
               AND lower(coalesce(o.role_session_name, '')) = lower(coalesce(r.principal_session, '')))
           AND NOT EXISTS (SELECT FROM decisions d JOIN people v ON v.id = d.person
               WHERE d.request = r.id AND d.person = ANY($1) AND v.times_disabled = d.times_disabled)
         ORDER BY id DESC LIMIT $4",
        &ids,
        groups,
        before,
        limit
    )
    .fetch_all(conn)
    .await
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
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", coalesce($4, clock_timestamp()) AS "now!" FROM (
               SELECT FROM requests r WHERE state = 'pending' AND approver_group = ANY($2) AND person <> ALL($1)
                 AND (machine_owner IS NULL OR machine_owner <> ALL($1))
                 AND NOT EXISTS (SELECT FROM machines m WHERE m.id = r.requested_by AND m.owner = ANY($1))
                 AND NOT EXISTS (SELECT FROM principals o WHERE o.person = ANY($1)
                     AND lower(o.arn) = lower(r.principal_arn)
                     AND lower(coalesce(o.role_session_name, '')) = lower(coalesce(r.principal_session, '')))
                 AND NOT EXISTS (SELECT FROM decisions d JOIN people v ON v.id = d.person
                     WHERE d.request = r.id AND d.person = ANY($1) AND v.times_disabled = d.times_disabled)
               LIMIT $3) waiting"#,
        &ids,
        groups,
        limit,
        given
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
                    SELECT id FROM requests
                    WHERE (approver_group, id) >= (approvers.name, '00000000-0000-0000-0000-000000000000')
                        AND (approver_group, id) < (approvers.name, $3)
                    ORDER BY approver_group DESC, id DESC LIMIT $5) own
                WHERE $4::text IS NULL)
               UNION
               (SELECT own.id FROM unnest($2::text[]) AS approvers(name), LATERAL (
                    SELECT id FROM requests
                    WHERE (approver_group, state, id) >= (approvers.name, $4, '00000000-0000-0000-0000-000000000000')
                      AND (approver_group, state, id) < (approvers.name, $4, $3)
                    ORDER BY approver_group DESC, state DESC, id DESC LIMIT $5) own
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
