WITH clock AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
due AS (
    SELECT t.id FROM targets t, clock WHERE t.account <> ALL($6)
      AND t.due_at <= now AND (t.lease_expires_at IS NULL OR t.lease_expires_at <= now)
      AND (NOT $5 OR EXISTS (SELECT FROM grants g WHERE g.target = t.id
           AND (g.state = 'closing' OR (g.state IN ('opening', 'active') AND g.deadline <= now)))
           OR (t.kind <> 'role' AND EXISTS (
               SELECT FROM names n JOIN grants g ON g.id = n."grant"
               JOIN parts p ON p."grant" = n."grant" AND p.target = n.target
               WHERE n.target = t.id AND n.guard_gone_at IS NULL
               AND (g.state = 'closing' OR (g.state IN ('opening', 'active') AND g.deadline <= now)
                    OR (p.state = 'closed' AND p.absent_at IS NULL AND p.sent_until > now)))))
    ORDER BY t.due_at LIMIT $4 FOR NO KEY UPDATE OF t SKIP LOCKED),
taken AS (
    UPDATE targets SET lease_token = $3, lease_expires_at = now + make_interval(secs => $2),
                       due_at = now + make_interval(secs => $2)
    FROM clock WHERE id IN (SELECT id FROM due) RETURNING id, arn, account, kind)
SELECT now AS "now!", ARRAY(SELECT id FROM taken ORDER BY id) AS "ids!: Vec<TargetId>",
       ARRAY(SELECT arn FROM taken ORDER BY id) AS "arns!",
       ARRAY(SELECT kind <> 'role' FROM taken ORDER BY id) AS "carry!",
       ARRAY(SELECT a.manager_role_arn FROM taken t JOIN accounts a ON a.id = t.account ORDER BY t.id)
           AS "managers!: Vec<Option<String>>",
       ARRAY(SELECT a.external_id FROM taken t JOIN accounts a ON a.id = t.account ORDER BY t.id)
           AS "external_ids!: Vec<Option<String>>",
       (SELECT t.due_at FROM targets t, clock WHERE t.due_at > now ORDER BY t.due_at LIMIT 1) AS next_due,
       (SELECT since FROM hub_refusals WHERE over_at IS NULL) AS hub_refused
FROM clock
