//! A long past: requests of everybody with their decisions, grants that are over, and an audit log
//! of any length.

use sqlx::AssertSqlSafe;

use crate::Outcome;
use crate::world::Db;

/// All but the last twenty requests are closed; two in three were granted, and their grants are
/// over.
const REQUESTS: &str = "
    SET session_replication_role = replica;
    INSERT INTO requests (id, version, person, principal, principal_arn, entitlement, target, terms, justification, duration_seconds,
                          target_checked, state, submitted_at, expires_at, closed_at)
      SELECT ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 2, p.id, i.id, i.arn, e.id, e.target,
             jsonb_build_object('account', '111122223333', 'account_name', 'Production', 'role_arn', t.arn, 'name', e.name, 'min_duration_seconds', 5,
                 'max_duration_seconds', 28800, 'requester_group', 'engineers',
                 'stages', jsonb_build_array(jsonb_build_object('groups', jsonb_build_array(jsonb_build_object('group', 'sre-leads', 'needed', 1)))), 'method', 'trust_policy',
                 'description', '', 'version', 1),
             'Request ' || n, 3600, true,
             CASE WHEN n > REQUESTS - 20 THEN 'pending' WHEN n % 97 = 0 THEN 'withdrawn' WHEN n % 10 = 0 THEN 'denied' WHEN n % 11 = 0 THEN 'expired'
                  ELSE 'approved' END,
             now() - interval '90 days', CASE WHEN n > REQUESTS - 20 THEN now() + interval '1 day' ELSE now() - interval '89 days' END,
             CASE WHEN n <= REQUESTS - 20 THEN now() - interval '89 days' END
      FROM generate_series(1, REQUESTS) n
      JOIN people p ON p.subject = 'requester-' || lpad((n % 32)::text, 2, '0') JOIN principals i ON i.person = p.id
      JOIN entitlements e ON e.name = 'role-' || lpad((n % 200)::text, 3, '0') JOIN targets t ON t.id = e.target;
    INSERT INTO request_stages (request, stage, opened_at) SELECT id, 1, submitted_at FROM requests r
      WHERE NOT EXISTS (SELECT FROM request_stages s WHERE s.request = r.id);
    INSERT INTO approver_groups (request, stage, \"group\", needed, escalation, wanted, state)
      SELECT id, 1, 'sre-leads', 1, false, state = 'pending', state FROM requests r
      WHERE NOT EXISTS (SELECT FROM approver_groups g WHERE g.request = r.id);
    INSERT INTO decisions (id, request, seq, revision, person, verdict, comment, duration_seconds, channel, at)
      SELECT gen_random_uuid(), r.id, 1, 1, a.id, CASE r.state WHEN 'approved' THEN 'approve' ELSE 'deny' END, 'Said.',
             CASE r.state WHEN 'approved' THEN r.duration_seconds END, 'portal', r.closed_at
      FROM requests r JOIN people a ON a.subject = 'approver-' || right('0' || (get_byte(uuid_send(r.id), 15) % 32), 2) WHERE r.state IN ('approved', 'denied');
    INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, state, starts_at, deadline, approved_at, opening_at, opened_at,
                        closing_at, cause, ended_at)
      SELECT overlay(r.id::text PLACING '019' FROM 1 FOR 3)::uuid, r.id, r.target, r.person, 'trust_policy', r.principal_arn, 'grant_0' || lpad((row_number() OVER ())::text, 25, '0'),
             'ended', date_trunc('second', r.closed_at), date_trunc('second', r.closed_at) + interval '1 hour', r.closed_at, r.closed_at, r.closed_at,
             r.closed_at, 'deadline', r.closed_at
      FROM requests r WHERE r.state = 'approved';
    INSERT INTO parts (id, \"grant\", target, kind, state, sent_until, opened_at, closed_at)
      SELECT gen_random_uuid(), id, target, 'statement', 'closed', deadline, opened_at, ended_at FROM grants g
      WHERE NOT EXISTS (SELECT FROM parts p WHERE p.\"grant\" = g.id);
    INSERT INTO names (target, name, \"grant\", since, guard_until, guard_gone_at)
      SELECT target, grant_name, id, approved_at, ended_at, ended_at FROM grants WHERE state = 'ended' ON CONFLICT DO NOTHING";

/// Five events for each request in turn, and from the beginning again as long as it takes: a
/// request then has more of them than it would, which makes its history no shorter. Actors are
/// people in the one half and the worker in the other.
const EVENTS: &str = "
    SET session_replication_role = replica;
    INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, concerns)
      SELECT ('018f' || lpad(to_hex(n / 65536), 4, '0') || '-' || lpad(to_hex(n % 65536), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
             now() - interval '90 days' + n * (interval '89 days' / EVENTS),
             (ARRAY['request.submitted', 'request.approved', 'grant.opening', 'grant.opened', 'grant.ended'])[n % 5 + 1],
             CASE WHEN n % 5 < 2 THEN 'person' ELSE 'system' END, CASE WHEN n % 5 < 2 THEN 'person_' || n / 5 % 32 ELSE 'worker' END, 'Somebody',
             'req_' || n / 5 % REQUESTS, 'api', 'success', p.people[n / 5 % 32 + 1]
      FROM generate_series(1, EVENTS) n, (SELECT array_agg(id ORDER BY subject) FROM people WHERE subject LIKE 'requester-%') p (people)";

pub async fn write(db: &Db, requests: i64, events: i64) -> Outcome<()> {
    let fill = |sql: &str| {
        sql.replace("REQUESTS", &requests.to_string())
            .replace("EVENTS", &events.to_string())
    };
    let mut conn = db.admin.acquire().await?;
    sqlx::raw_sql(AssertSqlSafe(fill(REQUESTS)))
        .execute(&mut *conn)
        .await?;
    // Made at the end they take a fraction of the time.
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE tablename = 'audit_events' AND indexname <> 'audit_events_pkey'",
    )
    .fetch_all(&mut *conn)
    .await?;
    let drops = indexes.iter().map(|(name, _)| format!("DROP INDEX {name}"));
    let makes = indexes.iter().map(|(_, definition)| definition.clone());
    let all = drops.chain([fill(EVENTS)]).chain(makes);
    // Visible to all and in no need of a vacuum in the middle of what is measured.
    let done = all.chain(["VACUUM (ANALYZE)".to_owned()]);
    for sql in done {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *conn)
            .await?;
    }
    conn.close().await?;
    Ok(())
}
