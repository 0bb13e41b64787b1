WITH RECURSIVE
me AS (SELECT * FROM pg_roles WHERE rolname = session_user),
app AS (SELECT oid FROM pg_roles WHERE rolname = $1),
db AS (SELECT * FROM pg_database WHERE datname = current_database()),
events AS (SELECT c.oid, c.relowner, n.oid AS schema, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.oid = to_regclass('audit_events')),
held AS (
    SELECT m.member, m.roleid, m.admin_option FROM pg_auth_members m JOIN me ON me.oid = m.member
    UNION
    SELECT m.member, m.roleid, m.admin_option FROM pg_auth_members m JOIN held ON held.roleid = m.member),
whose AS (SELECT oid FROM me UNION SELECT oid FROM app),
rights AS (
    SELECT c.oid AS "table", acl.* FROM pg_class c JOIN events ON c.relnamespace = events.schema AND c.relowner = events.relowner,
           aclexplode(c.relacl) acl WHERE c.relkind IN ('r', 'p')
    UNION ALL
    SELECT a.attrelid, acl.* FROM pg_attribute a JOIN events ON a.attrelid = events.oid, aclexplode(a.attacl) acl)
SELECT what AS "what!", remedy AS "remedy!" FROM (
    SELECT 1 AS nth, format('has the attribute %s', it.name) AS what, format('ALTER ROLE %I NO%s', rolname, it.name) AS remedy
    FROM me, LATERAL (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
                             ('BYPASSRLS', rolbypassrls), ('REPLICATION', rolreplication)) it (name, has)
    WHERE it.has
    UNION ALL
    SELECT 2, format('is a member of %s%s', held.roleid::regrole, CASE WHEN held.member <> me.oid THEN format(' through %s', held.member::regrole) END),
           format('REVOKE %s FROM %s', held.roleid::regrole, held.member::regrole)
    FROM held, me, app WHERE NOT (held.roleid = app.oid AND held.member = me.oid)
      -- How the clouds mark who may sign in with an IAM token; they hold no right.
      AND held.roleid::regrole::text NOT IN ('rds_iam', 'cloudsqliamuser')
    UNION ALL
    SELECT 2, format('may make others members of %s', held.roleid::regrole),
           format('REVOKE ADMIN OPTION FOR %s FROM %s', held.roleid::regrole, held.member::regrole)
    FROM held, me, app WHERE held.roleid = app.oid AND held.member = me.oid AND held.admin_option
    UNION ALL
    (SELECT 3, format('%sowns %s', CASE WHEN s.refobjid <> me.oid THEN 'is in a group that ' END, pg_describe_object(s.classid, s.objid, s.objsubid)),
            CASE WHEN events.relowner = s.refobjid THEN format('CREATE ROLE countersign_serve LOGIN PASSWORD ''...'' IN ROLE %I', $1::text)
                 ELSE format('REASSIGN OWNED BY %s TO %s', s.refobjid::regrole, events.relowner::regrole) END
     FROM pg_shdepend s JOIN whose ON whose.oid = s.refobjid, me, db, events
     WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
       AND (s.dbid = db.oid OR (s.classid = 'pg_database'::regclass AND s.objid = db.oid))
     ORDER BY s.classid = 'pg_database'::regclass DESC, s.objid LIMIT 3)
    UNION ALL
    SELECT 4, format('may %s', it.what), format('REVOKE %s FROM PUBLIC, %I, %I', it.right, rolname, $1::text)
    FROM me, db, events, LATERAL (VALUES
        ('make temporary tables, which stand before others of their name', format('TEMPORARY ON DATABASE %I', datname),
         has_database_privilege(me.oid, db.oid, 'TEMPORARY')),
        ('make schemas', format('CREATE ON DATABASE %I', datname), has_database_privilege(me.oid, db.oid, 'CREATE')),
        (format('make things in the schema %I', nspname), format('CREATE ON SCHEMA %I', nspname),
         has_schema_privilege(me.oid, events.schema, 'CREATE')),
        ('switch triggers off', 'SET ON PARAMETER session_replication_role',
         has_parameter_privilege(me.oid, 'session_replication_role', 'SET'))) it (what, "right", has)
    WHERE it.has AND NOT rolsuper
    UNION ALL
    SELECT 5, format('has %s on %s%s', r.privilege_type, r."table"::regclass, CASE WHEN r.is_grantable THEN ' and may pass it on' END),
           format('REVOKE %s%s ON %s FROM %s', CASE WHEN r.is_grantable AND r.grantee = app.oid THEN 'GRANT OPTION FOR ' END, r.privilege_type, r."table"::regclass,
                  CASE WHEN r.grantee = 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END)
    FROM rights r, me, app, events
    WHERE (r.grantee IN (me.oid, 0) AND r.privilege_type <> 'SELECT')
       OR (r.grantee = app.oid AND (r.is_grantable OR r.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                                    OR (r."table" = events.oid AND r.privilege_type NOT IN ('SELECT', 'INSERT'))))
    UNION ALL
    SELECT 6, format('works as %I', current_user), format('ALTER ROLE %I RESET role', rolname) FROM me WHERE current_user <> session_user
    UNION ALL
    SELECT 6, 'works with its triggers switched off', format('ALTER ROLE %I RESET session_replication_role', rolname)
    FROM me WHERE current_setting('session_replication_role') <> 'origin'
) all_of_it (nth, what, remedy) ORDER BY nth LIMIT 8
