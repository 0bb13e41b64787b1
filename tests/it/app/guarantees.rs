//! What plain SQL cannot do either: a grant past its approvals, a row that contradicts another.

use countersign::app::approve::approve;
use countersign::domain::request::Request;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::app::TestApp;

/// The constraint that refuses `sql`, or its whole error; nothing of it stays.
async fn refusal(company: &TestApp, sql: &str) -> String {
    // The owner, whom the rules bind as well: temporary tables are nothing for the application.
    let mut owner = owner(company).await;
    let mut tx = owner.begin().await.unwrap();
    // What is looked at when a transaction ends is looked at here.
    let all = format!("{sql}; SET CONSTRAINTS ALL IMMEDIATE");
    let Err(error) = run(&mut tx, &all).await else {
        panic!("taken: {sql}");
    };
    let refusal = error
        .as_database_error()
        .expect("a refusal of the database");
    refusal
        .constraint()
        .map_or_else(|| refusal.message().to_owned(), ToOwned::to_owned)
}

async fn owner(company: &TestApp) -> PgConnection {
    PgConnection::connect(&company.db.owner_url).await.unwrap()
}

async fn run(conn: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    done.execute(conn).await.map(drop)
}

/// A request like the one that alice made, but for one column.
fn another(request: &Request, column: &str, value: &str) -> String {
    format!(
        "CREATE UNLOGGED TABLE copy AS SELECT * FROM requests WHERE id = '{}';
         UPDATE copy SET id = gen_random_uuid(), {column} = {value};
         INSERT INTO requests SELECT * FROM copy",
        request.id.uuid()
    )
}

#[tokio::test]
async fn terms_have_stages_with_seats() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    for value in [
        "terms - 'stages'",
        "terms || '{\"stages\": []}'",
        "terms || '{\"stages\": [{\"groups\": []}]}'",
        "terms || '{\"stages\": [{\"groups\": [{\"group\": \"\", \"needed\": 1}]}]}'",
        "terms || '{\"stages\": [{\"groups\": [{\"group\": \"a\", \"needed\": 0}]}]}'",
        "terms || '{\"stages\": [{\"groups\": [{\"group\": \"a\", \"needed\": 11}]}]}'",
        "terms || '{\"stages\": [{\"groups\": [{\"group\": \"a\", \"needed\": 9}]}, {\"groups\": [{\"group\": \"b\", \"needed\": 2}]}]}'",
    ] {
        let sql = another(&request, "terms", value);
        assert_eq!(refusal(&company, &sql).await, "terms_stages", "{sql}");
    }
}

/// Inserts a grant for the request, as it was approved but for one column.
fn granted(request: &Request, column: &str, value: &str) -> String {
    format!(
        "CREATE UNLOGGED TABLE made AS
             SELECT person, target, terms->>'method' AS method, principal_arn, submitted_at AS starts_at, submitted_at + duration_seconds * interval '1 second' AS deadline
             FROM requests WHERE id = '{id}';
         UPDATE made SET {column} = {value};
         INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, state, starts_at, deadline, approved_at)
         SELECT gen_random_uuid(), '{id}', target, person, method, principal_arn, 'grant_00000000000000000000000000', 'scheduled', starts_at, deadline, starts_at
         FROM made",
        id = request.id.uuid()
    )
}

const BOB: &str = "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
    SELECT gen_random_uuid(), r.id, (SELECT count(*) + 1 FROM decisions d WHERE d.request = r.id), 1, p.id, 'approve', r.duration_seconds, 'api',
           r.submitted_at
    FROM requests r, people p WHERE p.name = 'Bob'";

#[tokio::test]
async fn one_person_is_one_voice() {
    let company = TestApp::new().await;
    let request = company.ask("prod-root").await;
    let grant = granted(&request, "target", "target");
    let closed = "UPDATE requests SET state = 'approved', closed_at = submitted_at";
    let sql = format!("{BOB}; {closed}; {grant}");
    assert_eq!(refusal(&company, &sql).await, "approvals_missing");
    let sql = format!("{BOB}; {BOB}");
    assert_eq!(refusal(&company, &sql).await, "one_voice");
}

#[tokio::test]
async fn a_grant_is_what_was_approved() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    let pending = format!("{BOB}; {}", granted(&request, "target", "target"));
    assert_eq!(refusal(&company, &pending).await, "not_as_approved");
    let approved =
        format!("{BOB}; UPDATE requests SET state = 'approved', closed_at = submitted_at");
    for (column, value) in [
        ("person", "(SELECT id FROM people WHERE name = 'Mallory')"),
        (
            "target",
            "(SELECT id FROM targets WHERE arn LIKE '%prod-root')",
        ),
        ("principal_arn", "'arn:aws:iam::111122223333:user/mallory'"),
        ("method", "'sts_credentials'"),
        ("deadline", "deadline + interval '1 second'"),
        ("starts_at", "starts_at - interval '1 second'"),
    ] {
        let sql = format!("{approved}; {}", granted(&request, column, value));
        assert_eq!(refusal(&company, &sql).await, "not_as_approved", "{column}");
    }
    let mut owner = owner(&company).await;
    let mut tx = owner.begin().await.unwrap();
    let as_it_is = format!("{approved}; {}", granted(&request, "target", "target"));
    run(&mut tx, &as_it_is).await.unwrap();
}

#[tokio::test]
async fn a_deadline_that_was_sent_stays_on_record() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    let sent = "UPDATE grants SET state = 'opening', opening_at = starts_at;
        UPDATE parts SET sent_until = (SELECT deadline FROM grants)";
    for unsent in ["NULL", "sent_until - interval '1 second'"] {
        let sql = format!("{sent}; UPDATE parts SET sent_until = {unsent}");
        let refused = refusal(&company, &sql).await;
        assert!(refused.contains("cannot be unsent"), "{refused}");
    }
}

#[tokio::test]
async fn what_was_written_has_its_time() {
    let company = TestApp::new().await;
    let (hash, time) = ("decode(repeat('00', 32), 'hex')", "'2026-01-01T00:00:00Z'");
    for (column, value, constraint) in [
        ("sha256", hash, "written"),
        ("wrote_at", time, "written"),
        ("original", "'{}'", "original"),
    ] {
        let sql = format!(
            "INSERT INTO documents (target, key, {column}) SELECT id, 'guard', {value} FROM targets LIMIT 1"
        );
        assert_eq!(refusal(&company, &sql).await, constraint, "{column}");
    }
}

#[tokio::test]
async fn an_aws_identity_belongs_to_one_person() {
    let company = TestApp::new().await;
    // IAM does not tell names apart by case, and nor do we.
    for (kind, name) in [("user", "NULL"), ("role", "'alice'")] {
        let sql = format!(
            "UPDATE principals SET arn = 'arn:aws:iam::111122223333:{kind}/alice', role_session_name = {name};
             INSERT INTO principals (id, person, account, arn, role_session_name)
             SELECT gen_random_uuid(), p.id, o.account, replace(o.arn, 'alice', 'Alice'), upper(o.role_session_name) FROM people p, principals o WHERE p.name = 'Mallory'"
        );
        assert_eq!(
            refusal(&company, &sql).await,
            "principals_identity",
            "{name}"
        );
    }
    let shapes = [
        ("role_session_name = 'alice'", "session_of_role"),
        (
            "arn = 'arn:aws:iam::111122223333:role/x'",
            "session_of_role",
        ),
        (
            "arn = 'arn:aws:iam::111122223333:role/x', role_session_name = 'grant_1'",
            "session_name",
        ),
        (
            "arn = 'arn:aws:iam::111122223333:role/x', role_session_name = 'a:b'",
            "session_name",
        ),
    ];
    for (change, constraint) in shapes {
        let sql = format!("UPDATE principals SET {change}");
        assert_eq!(refusal(&company, &sql).await, constraint, "{change}");
    }
}

#[tokio::test]
async fn what_others_wrote_is_kept() {
    let company = TestApp::new().await;
    let kept = "INSERT INTO foreign_documents (target, kind, sha256, document, seen_at)
        SELECT id, 'trust', decode(repeat('00', 32), 'hex'), '{}', '2026-01-01T00:00:00Z' FROM targets";
    for change in [
        "UPDATE foreign_documents SET document = ''",
        "DELETE FROM foreign_documents",
        "TRUNCATE foreign_documents",
    ] {
        let refused = run(
            &mut owner(&company).await,
            &format!("BEGIN; {kept}; {change}"),
        )
        .await;
        let told = refused.expect_err(change).to_string();
        assert!(told.contains("never changed or removed"), "{told}");
    }
}

/// SQL for the voice of somebody on the request.
fn voice(request: &Request, name: &str, at: &str) -> String {
    format!(
        "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
         SELECT gen_random_uuid(), r.id, (SELECT count(*) + 1 FROM decisions d WHERE d.request = r.id), 1, p.id, 'approve', r.duration_seconds, 'portal', {at} FROM requests r, people p WHERE r.id = '{}' AND p.name = '{name}'",
        request.id.uuid()
    )
}

#[tokio::test]
async fn a_vote_counts_from_the_group_that_is_asked_and_while_it_is_asked() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    for name in ["Mallory", "Otto", "Ada"] {
        let sql = voice(&request, name, "r.submitted_at");
        assert_eq!(refusal(&company, &sql).await, "vote_from_outside", "{name}");
    }
    let late = voice(&request, "Bob", "r.expires_at");
    assert_eq!(refusal(&company, &late).await, "vote_too_late");
    for state in ["approved", "denied", "withdrawn", "expired"] {
        let sql = format!(
            "UPDATE requests SET state = '{state}', closed_at = submitted_at; {}",
            voice(&request, "Bob", "r.submitted_at")
        );
        assert_eq!(refusal(&company, &sql).await, "vote_too_late", "{state}");
    }
    // With the application's own rights.
    let mut tx = company.pool().begin().await.unwrap();
    run(&mut tx, &voice(&request, "Bob", "r.submitted_at"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_console_name_is_the_identitys_own() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    let approved =
        format!("{BOB}; UPDATE requests SET state = 'approved', closed_at = submitted_at");
    let named = |name: &str| {
        let grant = granted(&request, "target", "target");
        let grant = grant.replace("grant_name, state", "grant_name, console_name, state");
        let grant = grant.replace("'scheduled'", &format!("'{name}', 'scheduled'"));
        format!("{approved}; {grant}")
    };
    for name in ["mallory", "Alice", "user/alice", "bob"] {
        let refused = refusal(&company, &named(name)).await;
        let constraints = ["console_name_of_another", "grants_console_name_check"];
        assert!(constraints.contains(&refused.as_str()), "{name}: {refused}");
    }
    let mut owner = owner(&company).await;
    let mut tx = owner.begin().await.unwrap();
    run(&mut tx, &named("alice")).await.unwrap();
}

#[tokio::test]
async fn a_session_name_on_a_role_is_one_principals() {
    let company = TestApp::new().await;
    for _ in 0..2 {
        let id = company.ask("prod-admin").await.id;
        approve(&company.ctx("bob").await, id, None, None)
            .await
            .unwrap();
    }
    let taken = |principal: &str, role: &str| {
        format!(
            r#"INSERT INTO names (target, name, "grant", principal_id, target_uid, since)
               SELECT target, console_name, id, CASE row_number() OVER (ORDER BY id) WHEN 1 THEN 'AIDAALICE' ELSE '{principal}' END,
                      CASE row_number() OVER (ORDER BY id) WHEN 1 THEN 'AROAPROD' ELSE '{role}' END, approved_at FROM grants"#
        )
    };
    let refused = refusal(&company, &taken("AIDAANOTHER", "AROAPROD")).await;
    assert_eq!(refused, "name_of_another");
    let mut owner = owner(&company).await;
    for (principal, role) in [("AIDAALICE", "AROAPROD"), ("AIDAANOTHER", "AROANEW")] {
        let mut tx = owner.begin().await.unwrap();
        run(&mut tx, &taken(principal, role)).await.unwrap();
    }
}

#[tokio::test]
async fn a_grant_is_what_its_parts_are() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    for alone in [
        "UPDATE grants SET state = 'active', opening_at = approved_at, opened_at = approved_at",
        "UPDATE grants SET state = 'ended', closing_at = approved_at, cause = 'released', ended_at = approved_at",
        "ALTER TABLE parts DISABLE TRIGGER parts_keep; DELETE FROM parts; UPDATE grants SET state = state",
        "ALTER TABLE names DISABLE TRIGGER names_keep; DELETE FROM names; UPDATE grants SET state = state",
    ] {
        assert_eq!(refusal(&company, alone).await, "parts_of_grant", "{alone}");
    }
}

#[tokio::test]
async fn a_part_is_not_closed_behind_its_grants_back() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    company.open_grants().await;
    let closed = "UPDATE parts SET state = 'closed', closed_at = opened_at";
    assert_eq!(refusal(&company, closed).await, "parts_of_grant");
}

#[tokio::test]
async fn a_name_that_was_given_stays_as_it_was_given() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    let named = r#"INSERT INTO names (target, name, "grant", principal_id, target_uid, since)
        SELECT target, console_name, id, 'AIDAALICE', 'AROAPROD', approved_at FROM grants"#;
    for set in [
        "name = 'nobody' WHERE principal_id IS NULL",
        "principal_id = 'AIDAANOTHER' WHERE principal_id IS NOT NULL",
        "target_uid = NULL WHERE principal_id IS NOT NULL",
        "since = since + interval '1 hour'",
    ] {
        let sql = format!("{named}; UPDATE names SET {set}");
        let refused = refusal(&company, &sql).await;
        assert!(
            refused.contains("stays as it was given"),
            "{set}: {refused}"
        );
    }
    let over = "UPDATE grants SET state = 'ended', closing_at = approved_at, cause = 'released', ended_at = approved_at;
        UPDATE parts SET state = 'closed', closed_at = (SELECT approved_at FROM grants);
        UPDATE names SET guard_gone_at = since";
    let sql = format!("{over}; UPDATE names SET guard_gone_at = NULL");
    let refused = refusal(&company, &sql).await;
    assert!(refused.contains("not taken up again"), "{refused}");
}

#[tokio::test]
async fn a_grant_is_not_forgotten_before_its_end() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    company.open_grants().await;
    let forgotten = "UPDATE names SET guard_gone_at = since";
    assert_eq!(refusal(&company, forgotten).await, "guard_gone");
    let closing = "UPDATE grants SET state = 'closing', closing_at = starts_at, cause = 'released'";
    let sql = format!("{closing}; {forgotten}");
    assert_eq!(refusal(&company, &sql).await, "guard_gone");
}
