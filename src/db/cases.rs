//! A request as it meets one person: what tells them, and whether they may see it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::delays::Delay;
use super::requests::Row;
use crate::domain::audit::ActionName;
use crate::domain::entitlement::Terms;
use crate::domain::outlive::Outlives;
use crate::domain::person::Person;
use crate::domain::request::Request;
use crate::ids::{EntitlementId, GrantId, MachineId, PersonId, PrincipalId, RequestId, TargetId};

/// A request with who asked and who calls.
#[derive(Debug)]
pub struct Case {
    /// The request, not locked.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Who calls, as they are now in the database.
    pub caller: Person,
    /// Whether the caller has decided it, by whichever account, or stands in for an approver of it.
    pub involved: bool,
    /// Whether they stand in for one.
    pub stands_in: bool,
    /// The request for a later deadline of its grant that waits for a decision.
    pub extension: Option<RequestId>,
    /// What keeps AWS from following, where that was asked for.
    pub delay: Option<Delay>,
}

/// A grant on its way, or there again although it is over, by its name, and since when it is: what
/// has kept it waiting is looked for.
pub type Moving<'a> = (&'a str, DateTime<Utc>);

/// A request as it meets the caller. With `moving`, also the failure on record of its role: a
/// failure that began before counts from the role's own record. `now` is the database's own time
/// where it is not given.
///
/// # Errors
/// When the database does not answer, or the row spells no state.
pub async fn of_request(
    conn: &mut PgConnection,
    id: RequestId,
    caller: PersonId,
    moving: Option<Moving<'_>>,
    now: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<Case>> {
    // The caller is read again with the request: they may have left a group since their token was
    // looked up. `attempts` is 0 once nothing fails any more, so that an old failure delays
    // nothing.
    let row = sqlx::query_as!(
        CaseRow,
        r#"SELECT r.id, r.version, r.revision, r.person, coalesce(sender.name, requester.name) AS "sender!",
                  r.requested_by AS "machine: MachineId", r.machine_owner AS "machine_owner: PersonId",
                  sender.owner AS "owner_now?: PersonId", r.principal, r.principal_arn, r.principal_session,
                  r.principal_unique_id, r.entitlement, r.target, r.role_id, r.terms AS "terms: Json<Terms>",
                  r.justification, r.duration_seconds, effective_duration(r) AS "effective_seconds!", r.extends,
                  r.starts_at, r.ticket, r.target_checked, r.outlives AS "outlives: Json<Vec<Outlives>>", r.state,
                  r.submitted_at, r.expires_at, r.closed_at, requester.name AS requester,
                  caller.id AS caller_id, caller.name AS caller_name, caller.email AS caller_email,
                  caller.groups AS caller_groups, human_ids(caller) AS "caller_ids!: Vec<PersonId>",
                  EXISTS (SELECT FROM decisions d JOIN people v ON v.id = d.person
                          WHERE d.request = r.id AND d.person = ANY(human_ids(caller))
                            AND v.times_disabled = d.times_disabled)
                      AS "has_decided!",
                  stands_in(caller.id, r.id, coalesce($6, clock_timestamp())) AS "stands_in!",
                  (SELECT x.id FROM requests x WHERE x.state = 'pending'
                   AND x.extends IN (SELECT g.id FROM grants g WHERE g.request = r.id UNION ALL SELECT r.extends))
                      AS "extension: RequestId",
                  t.last_error AS "error?", t.attempts AS "attempts?",
                  CASE WHEN t.held_since IS NOT NULL THEN t.held_since WHEN t.id IS NOT NULL
                       THEN coalesce((SELECT min(e.at) FROM audit_events e WHERE e.subject = $3
                                      AND e.action = $5 AND e.at >= $4), t.last_error_at) END AS since
           FROM requests r JOIN people requester ON requester.id = r.person JOIN people caller ON caller.id = $2
               LEFT JOIN machines sender ON sender.id = r.requested_by
               LEFT JOIN LATERAL (
                   SELECT t.id, CASE WHEN held THEN t.condition ELSE t.last_error END AS last_error,
                          CASE WHEN held THEN 0 ELSE t.attempts END AS attempts, t.last_error_at,
                          CASE WHEN held THEN greatest(t.safe_since, g.opening_at) END AS held_since
                   FROM grants g JOIN parts p ON p."grant" = g.id JOIN targets t ON t.id = p.target
                       CROSS JOIN LATERAL
                           (SELECT g.state = 'opening' AND t.condition IN ('safe_mode', 'contested')) h(held)
                   WHERE g.request = r.id AND $3::text IS NOT NULL
                       AND (p.state <> 'closed'
                            OR g.ended_at IS NOT NULL AND p.kind = 'inline' AND p.absent_at IS NULL
                                AND p.sent_until > coalesce($6, clock_timestamp()))
                       AND (held OR t.attempts > 0 AND t.last_error IS NOT NULL AND t.last_error_at IS NOT NULL)
                   ORDER BY held DESC, t.last_error_at LIMIT 1) t ON true
           WHERE r.id = $1"#,
        id.uuid(),
        caller.uuid(),
        moving.map(|(name, _)| name),
        moving.map(|(_, since)| since),
        ActionName::GrantDelayed.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// The columns of a request, of its people, and of what keeps its grant waiting.
struct CaseRow {
    id: RequestId,
    version: i32,
    revision: i32,
    person: PersonId,
    sender: String,
    machine: Option<MachineId>,
    machine_owner: Option<PersonId>,
    owner_now: Option<PersonId>,
    principal: Option<PrincipalId>,
    principal_arn: Option<String>,
    principal_session: Option<String>,
    principal_unique_id: Option<String>,
    entitlement: EntitlementId,
    target: TargetId,
    role_id: Option<String>,
    terms: Json<Terms>,
    justification: String,
    duration_seconds: i32,
    effective_seconds: i32,
    extends: Option<GrantId>,
    starts_at: Option<DateTime<Utc>>,
    ticket: Option<String>,
    target_checked: bool,
    outlives: Option<Json<Vec<Outlives>>>,
    state: String,
    submitted_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    requester: String,
    caller_id: PersonId,
    caller_name: String,
    caller_email: String,
    caller_groups: Vec<String>,
    caller_ids: Vec<PersonId>,
    has_decided: bool,
    stands_in: bool,
    extension: Option<RequestId>,
    error: Option<String>,
    attempts: Option<i32>,
    since: Option<DateTime<Utc>>,
}

impl TryFrom<CaseRow> for Case {
    type Error = sqlx::Error;

    fn try_from(row: CaseRow) -> sqlx::Result<Self> {
        let delay = row.error.zip(row.attempts).zip(row.since);
        let request = Row {
            id: row.id,
            version: row.version,
            revision: row.revision,
            person: row.person,
            sender: row.sender,
            machine: row.machine,
            machine_owner: row.machine_owner,
            owner_now: row.owner_now,
            principal: row.principal,
            principal_arn: row.principal_arn,
            principal_session: row.principal_session,
            principal_unique_id: row.principal_unique_id,
            entitlement: row.entitlement,
            target: row.target,
            role_id: row.role_id,
            terms: row.terms,
            justification: row.justification,
            duration_seconds: row.duration_seconds,
            effective_seconds: row.effective_seconds,
            extends: row.extends,
            starts_at: row.starts_at,
            ticket: row.ticket,
            target_checked: row.target_checked,
            outlives: row.outlives,
            state: row.state,
            submitted_at: row.submitted_at,
            expires_at: row.expires_at,
            closed_at: row.closed_at,
        };
        Ok(Self {
            request: request.try_into()?,
            requester: row.requester,
            caller: Person {
                id: row.caller_id,
                name: row.caller_name,
                email: row.caller_email,
                groups: row.caller_groups,
                ids: row.caller_ids,
            },
            involved: row.has_decided || row.stands_in,
            stands_in: row.stands_in,
            extension: row.extension,
            delay: delay.map(|((error, attempts), since)| Delay {
                error,
                attempts,
                since,
            }),
        })
    }
}
