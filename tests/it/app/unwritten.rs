//! What cannot be put on record is not done: the log refuses every event, and nothing else changes.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use std::time::Duration;

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::end::end;
use countersign::app::expire::expire_due;
use countersign::app::sign_in::Browser;
use countersign::app::submit::submit;
use countersign::app::withdraw::withdraw;
use countersign::app::{find, resume, sign_in, tokens};
use countersign::db::targets::LeaseError;
use countersign::error::Error;
use countersign::ids::GrantId;
use countersign::sandbox::Sandbox;
use secrecy::ExposeSecret;
use sqlx::AssertSqlSafe;

use crate::sandbox;
use crate::support::app::{TestApp, ask, wanted};

/// From now on the log takes no event of these actions; `%` for none at all.
async fn refuse(company: &TestApp, actions: &str) {
    let sql = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON audit_events FOR EACH ROW WHEN (NEW.action LIKE '{actions}') EXECUTE FUNCTION refuse()"
    );
    company.as_owner(&sql).await;
}

async fn take_again(company: &TestApp) {
    company.as_owner("DROP FUNCTION refuse CASCADE").await;
}

/// Every row of every table.
async fn rows(company: &TestApp) -> Vec<String> {
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(company.pool())
        .await
        .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let mut all = Vec::new();
    for table in tables {
        let sql = format!("SELECT '{table} ' || t::text FROM {table} t ORDER BY 1");
        let sql = sqlx::query_scalar(AssertSqlSafe(sql));
        all.extend(sql.fetch_all(company.pool()).await.unwrap());
    }
    all
}

/// A grant of alice's, scheduled.
async fn granted(company: &TestApp) -> GrantId {
    let request = company.ask("prod-admin").await.id;
    let carol = company.ctx("carol").await;
    approve(&carol, request, None, None).await.unwrap();
    let found = find::request(&carol, request).await.unwrap();
    found.grant.unwrap().id
}

#[tokio::test]
async fn no_verb_does_what_it_cannot_put_on_record() {
    let company = TestApp::new().await;
    let app = &company.app;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    let pending = company.ask("prod-admin").await.id;
    let halfway = company.ask("prod-root").await.id;
    let active = granted(&company).await;
    company.open_grants().await;
    let scheduled = granted(&company).await;
    let session = sign_in::start(app, bob.person.id, Browser::default())
        .await
        .unwrap();
    let day = TimeDelta::days(1);
    let token = tokens::create(
        &company.admin,
        "test",
        "bob@example.com",
        wanted("test", day),
    );
    let (token, _) = token.await.unwrap();
    let role = "arn:aws:iam::111122223333:role/contested";
    let contested = format!(
        "INSERT INTO targets (id, account, kind, arn, condition) VALUES (gen_random_uuid(), '111122223333', 'role', '{role}', 'contested')"
    );
    company.as_owner(&contested).await;
    let mut other = company.catalog();
    other.entitlement("prod-admin").max_duration = "PT7H".into();
    let no = || Some("No.".to_owned());

    refuse(&company, "%").await;
    let before = rows(&company).await;
    let answers: [(&str, Result<(), Error>); 13] = [
        ("submit", submit(&alice, ask("prod-admin")).await.map(drop)),
        (
            "approve",
            approve(&bob, pending, None, None).await.map(drop),
        ),
        (
            "one voice",
            approve(&bob, halfway, None, None).await.map(drop),
        ),
        ("deny", deny(&bob, pending, no()).await.map(drop)),
        ("withdraw", withdraw(&alice, pending).await.map(drop)),
        ("end", end(&alice, active, no()).await.map(drop)),
        ("end at once", end(&alice, scheduled, None).await.map(drop)),
        // A refusal is a step as well.
        (
            "refuse",
            approve(&alice, pending, None, None).await.map(drop),
        ),
        (
            "sign in",
            sign_in::start(app, bob.person.id, Browser::default())
                .await
                .map(drop),
        ),
        (
            "sign out",
            sign_in::end(app, &bob.person, session.expose_secret()).await,
        ),
        (
            "create a token",
            tokens::create(
                &company.admin,
                "test",
                "bob@example.com",
                wanted("more", day),
            )
            .await
            .map(drop),
        ),
        (
            "revoke a token",
            tokens::revoke(&company.admin, "test", token)
                .await
                .map(drop),
        ),
        (
            "resume",
            resume::resume(&company.admin, "test", role).await.map(drop),
        ),
    ];
    for (verb, answer) in answers {
        let error = answer.expect_err(verb);
        assert_eq!(error.about().code, "internal", "{verb}: {error:?}");
    }
    let applied = company.apply(&other.render()).await;
    assert!(applied.is_err(), "{applied:?}");
    company.later(TimeDelta::hours(25));
    assert_eq!(expire_due(app).await.unwrap(), 0);
    assert_eq!(rows(&company).await, before);

    // All of it can be done once the log takes events again.
    take_again(&company).await;
    assert_eq!(expire_due(app).await.unwrap(), 2);
    end(&alice, active, None).await.unwrap();
    assert_ne!(rows(&company).await, before);
}

fn writes(aws: &Sandbox) -> usize {
    let calls = aws.knobs().calls();
    let is_write = |action: &str| action.starts_with("Put") || action.starts_with("Update");
    calls.iter().filter(|it| is_write(&it.action)).count()
}

/// Every row but those that say whose work a target is, and when.
async fn steps(company: &TestApp) -> Vec<String> {
    let mut all = rows(company).await;
    all.retain(|row| !row.starts_with("targets "));
    all
}

#[tokio::test]
async fn the_worker_begins_nothing_in_aws_that_it_cannot_put_on_record() {
    let trust = sandbox::trusts("arn:aws:iam::111122223333:user/bob");
    let aws = sandbox::start(&trust).await;
    let patience = Duration::from_secs(30);
    let company = TestApp::new().await.with_aws(&aws, patience).await;
    let grant = granted(&company).await;
    let state = async || {
        let found = find::grant(&company.ctx("alice").await, grant).await;
        found.unwrap().grant.state.as_str()
    };
    let now_is = |minutes| {
        company.later(TimeDelta::minutes(minutes));
        let now = company.start + TimeDelta::minutes(minutes);
        aws.knobs().set_clock(now);
    };
    // Which event is refused, in which state the grant stays, when, and whether this is an intent,
    // which comes before any write. What was written before an outcome could not be told is found
    // by the next look.
    for (action, stays, minutes, is_intent) in [
        ("grant.opening", "scheduled", 0, true),
        ("grant.opened", "opening", 2, false),
        ("grant.closing", "active", 16, true),
        ("grant.ended", "closing", 18, false),
    ] {
        now_is(minutes);
        refuse(&company, action).await;
        let (before, written) = (steps(&company).await, writes(&aws));
        let failed = company.worker().step().await;
        assert!(matches!(failed, Err(LeaseError::Database(_))), "{failed:?}");
        assert_eq!(state().await, stays, "{action}");
        assert_eq!(steps(&company).await == before, is_intent, "{action}");
        assert_eq!(writes(&aws) == written, is_intent, "{action}");
        take_again(&company).await;
        if action == "grant.opened" {
            now_is(4);
            company.worker().run_until_idle().await.unwrap();
        }
    }
    now_is(20);
    company.worker().run_until_idle().await.unwrap();
    assert_eq!(state().await, "ended");
    assert_eq!(aws.knobs().trust(sandbox::ROLE).unwrap(), trust);
    for action in ["opening", "opened", "closing", "ended"] {
        let action = format!("grant.{action}");
        assert_eq!(company.events(grant, &action, "success").await, 1);
    }
}
