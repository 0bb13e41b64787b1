//! The grants of a revocation: how far AWS has followed with each of them, and with all.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::probe::Probed;
use crate::ids::{GrantId, PersonId, RequestId, RevocationId};

/// How far a revocation has come: of what was not over when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Scheduled, opening or active still.
    pub open: i64,
    /// On its way out of AWS.
    pub closing: i64,
    /// Ended or failed.
    pub over: i64,
    /// Of these, how many a part of AWS may not have followed yet, or are there again.
    pub unsettled: i64,
    /// Until when the last of what is not closed could work.
    pub works_until: Option<DateTime<Utc>>,
    /// How many are not over of which nothing can be cut early, and may still work.
    pub uncut: i64,
    /// Until when the last of these works.
    pub uncut_until: Option<DateTime<Utc>>,
}

/// How far a revocation has come at `now`. AWS may lag behind for so many seconds.
///
/// # Errors
/// When the database does not answer.
pub async fn sum(
    conn: &mut PgConnection,
    id: RevocationId,
    now: DateTime<Utc>,
    propagation_seconds: f64,
) -> sqlx::Result<Sum> {
    sqlx::query_as!(
        Sum,
        r#"SELECT count(*) FILTER (WHERE g.state IN ('scheduled', 'opening', 'active')) AS "open!",
                  count(*) FILTER (WHERE g.state = 'closing') AS "closing!",
                  count(*) FILTER (WHERE g.ended_at IS NOT NULL) AS "over!",
                  count(*) FILTER (WHERE g.opening_at IS NOT NULL AND g.ended_at > $2::timestamptz
                                   - make_interval(secs => $3) OR g.ended_at IS NOT NULL AND b.until > $2)
                      AS "unsettled!",
                  max(w.until) FILTER (
                      WHERE w.until > $2 AND (g.ended_at IS NULL OR g.method = 'attach')
                      AND (g.early_end = 'guard' OR k.until IS NOT NULL OR g.state <> 'closing')) AS works_until,
                  count(*) FILTER (WHERE g.ended_at IS NULL AND k.until > $2) AS "uncut!",
                  max(k.until) FILTER (WHERE g.ended_at IS NULL AND k.until > $2) AS uncut_until
           FROM revocations v CROSS JOIN LATERAL (
               SELECT id FROM grants WHERE state IN ('scheduled', 'opening', 'active', 'closing')
               UNION ALL SELECT id FROM grants WHERE ended_at >= v.begun_at) still JOIN grants g ON g.id = still.id
           LEFT JOIN LATERAL (
               SELECT max(least(g.deadline, f.expires_at)) AS until FROM fetches f
               WHERE g.early_end = 'none' AND f."grant" = g.id AND f.outcome IS DISTINCT FROM 'failed') k ON true
           LEFT JOIN LATERAL (
               SELECT max(p.sent_until) AS until FROM parts p
               WHERE p."grant" = g.id AND p.kind = 'inline' AND p.absent_at IS NULL) b ON true
           CROSS JOIN LATERAL (
               SELECT CASE WHEN g.ended_at IS NOT NULL THEN b.until
                           WHEN g.method = 'attach' THEN greatest(g.deadline, b.until)
                           ELSE coalesce(k.until, g.deadline) END AS until) w
           WHERE v.id = $1 AND g.approved_at <= coalesce(v.lifted_at, 'infinity')
             AND (v.scope <> 'person' OR g.person = v.person)
             AND is_revoked(v, g.person,
                            g.target || ARRAY(SELECT w.target FROM parts w WHERE w."grant" = g.id), g.principal_arn)"#,
        id.uuid(),
        now,
        propagation_seconds
    )
    .fetch_one(conn)
    .await
}

/// One grant of a revocation, and how far its end has come.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// Its id.
    pub grant: GrantId,
    /// Its request.
    pub request: RequestId,
    /// Whose.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// The entitlement.
    pub entitlement: String,
    /// The account of its target.
    pub account: String,
    /// Where it stands.
    pub state: String,
    /// Whether AWS was ever told of it.
    pub was_sent: bool,
    /// Until when it was approved.
    pub deadline: DateTime<Utc>,
    /// When its end was asked for.
    pub asked_at: Option<DateTime<Utc>>,
    /// When its role was read back with a guard that does not list it; none where no role is
    /// opened.
    pub guard_confirmed_at: Option<DateTime<Utc>>,
    /// When what lets it in was read back as gone: statement or inline policy.
    pub admitting_confirmed_at: Option<DateTime<Utc>>,
    /// When AWS agreed to all of it.
    pub ended_at: Option<DateTime<Utc>>,
    /// The revision of the role's guard that was sent last.
    pub guard_revision: Option<i64>,
    /// The SHA-256 of the guard as it was sent and read back, in hexadecimal digits; none where
    /// what was sent last was not read back as it should be.
    pub guard_sha256: Option<String>,
    /// When the guard was last read as it should be.
    pub guard_read_at: Option<DateTime<Utc>>,
    /// What keeps it waiting for AWS.
    pub delayed_by: Option<String>,
    /// Whether an end cuts what was handed out for it.
    pub is_cut: bool,
    /// Until when keys may work that nothing cuts.
    pub keys_until: Option<DateTime<Utc>>,
    /// Whether it is an attached policy, behind which no guard stands.
    pub is_attached: bool,
    /// Until when an inline policy of it may let in that was not read back as gone, or is there
    /// again.
    pub inline_until: Option<DateTime<Utc>>,
    /// Whether Countersign assumed the role for it.
    pub is_fetched: bool,
    /// Until when the guard has to name it; none where that is over, or was never so.
    pub guard_until: Option<DateTime<Utc>>,
    /// The latest try whether its sessions are denied that has an answer.
    pub probe: Option<Json<Probed>>,
}

/// The grants of a revocation that were not over when it began, as they are at `now`, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn grants(
    conn: &mut PgConnection,
    id: RevocationId,
    now: DateTime<Utc>,
    before: Option<GrantId>,
    limit: i64,
) -> sqlx::Result<Vec<Revoked>> {
    sqlx::query_as!(
        Revoked,
        r#"SELECT g.id AS "grant", g.request, g.person, p.name,
                  r.terms->>'name' AS "entitlement!", t.account, g.state, g.opening_at IS NOT NULL AS "was_sent!",
                  g.deadline, g.closing_at AS asked_at,
                  (SELECT w.closed_at FROM parts w WHERE w."grant" = g.id AND w.kind IN ('statement', 'listed'))
                      AS guard_confirmed_at,
                  (SELECT w.closed_at FROM parts w WHERE w."grant" = g.id AND w.kind IN ('statement', 'inline'))
                      AS admitting_confirmed_at,
                  g.ended_at, CASE WHEN t.kind = 'role' AND g.early_end = 'guard' THEN t.revision END AS guard_revision,
                  CASE WHEN g.early_end = 'guard' AND t.guard_equal_at >= d.wrote_at AND d.unclear_at IS NULL
                       THEN encode(d.sha256, 'hex') END
                      AS guard_sha256, CASE WHEN g.early_end = 'guard' THEN t.guard_equal_at END AS guard_read_at,
                  (SELECT max(o.last_error) FROM parts w JOIN targets o ON o.id = w.target
                   WHERE w."grant" = g.id AND o.attempts > 0 AND (w.state <> 'closed'
                       OR w.kind = 'inline' AND w.absent_at IS NULL AND w.sent_until > $3)) AS delayed_by,
                  g.early_end = 'guard' AS "is_cut!",
                  (SELECT max(least(g.deadline, f.expires_at)) FROM fetches f WHERE g.early_end = 'none'
                   AND f."grant" = g.id AND f.outcome IS DISTINCT FROM 'failed') AS keys_until,
                  g.method = 'attach' AS "is_attached!",
                  (SELECT max(w.sent_until) FROM parts w WHERE w."grant" = g.id AND w.kind = 'inline'
                   AND w.absent_at IS NULL) AS inline_until,
                  g.method = 'sts_credentials' AND g.early_end = 'guard' AS "is_fetched!",
                  (SELECT n.guard_until FROM names n WHERE n."grant" = g.id AND n.target = t.id
                   AND n.name = g.grant_name AND n.guard_gone_at IS NULL) AS guard_until,
                  (SELECT jsonb_build_object('outcome', b.outcome, 'error', b.error, 'at', b.answered_at)
                   FROM probes b WHERE b."grant" = g.id AND b.outcome IS NOT NULL ORDER BY b.id DESC LIMIT 1)
                      AS "probe: Json<Probed>"
           FROM revocations v CROSS JOIN LATERAL (
               SELECT id FROM grants WHERE state IN ('scheduled', 'opening', 'active', 'closing')
               UNION ALL SELECT id FROM grants WHERE ended_at >= v.begun_at) still JOIN grants g ON g.id = still.id
           JOIN people p ON p.id = g.person JOIN requests r ON r.id = g.request JOIN targets t ON t.id = g.target
           LEFT JOIN documents d ON d.target = t.id AND d.key = 'guard'
           WHERE v.id = $1 AND g.approved_at <= coalesce(v.lifted_at, 'infinity') AND ($2::uuid IS NULL OR g.id < $2)
             AND (v.scope <> 'person' OR g.person = v.person)
             AND is_revoked(v, g.person,
                            g.target || ARRAY(SELECT w.target FROM parts w WHERE w."grant" = g.id), g.principal_arn)
           ORDER BY g.id DESC LIMIT $4"#,
        id.uuid(),
        before.map(GrantId::uuid),
        now,
        limit
    )
    .fetch_all(conn)
    .await
}
