//! Rows that another version wrote: they are read as they are, and one that cannot be read stands
//! in nobody's way.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::end::end;
use countersign::app::expire::expire_due;
use countersign::app::find::{self, Page, RequestFilter};
use countersign::db::grants;

use crate::support::app::TestApp;

fn first<C>() -> Page<C> {
    Page {
        cursor: None,
        limit: 50,
    }
}

async fn run(company: &TestApp, sql: &str) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
    done.execute(company.pool()).await.unwrap();
}

/// Another request like the one that there is, with these columns.
async fn another(company: &TestApp, columns: &str) {
    run(
        company,
        &format!(
            "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), {columns}))).* FROM requests r LIMIT 1"
        ),
    )
    .await;
}

#[tokio::test]
async fn what_would_be_refused_today_is_read_as_it_was_stored() {
    let company = TestApp::new().await;
    company.ask("prod-admin").await;
    another(
        &company,
        "'terms', r.terms || '{\"color\": 2}', 'ticket', ' ', 'justification', E'pay \\u202ebob'",
    )
    .await;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    let listed = find::requests(&alice, &RequestFilter::default(), first()).await;
    let listed = listed.unwrap().items;
    assert_eq!(listed.len(), 2);
    for it in listed {
        approve(&bob, it.request.id, None, None).await.unwrap();
    }
    run(
        &company,
        "UPDATE grants SET state = 'closing', opening_at = starts_at, closing_at = starts_at, cause = 'revoked', closing_reason = E'\\u202e'",
    )
    .await;
    let open = find::grants(&alice, true, first()).await.unwrap().items;
    assert_eq!(open.len(), 2);
    for it in open {
        let mut conn = company.pool().acquire().await.unwrap();
        assert!(
            grants::lock(&mut conn, it.grant.id)
                .await
                .unwrap()
                .is_some()
        );
        let late = end(&alice, it.grant.id, None).await.unwrap_err();
        assert_eq!(late.about().code, "wrong_state");
    }
}

#[tokio::test]
async fn the_sweep_goes_on_past_a_row_that_cannot_be_read() {
    let company = TestApp::new().await;
    let good = company.ask("prod-admin").await.id;
    another(
        &company,
        "'terms', r.terms - 'name', 'expires_at', r.submitted_at + interval '1 hour'",
    )
    .await;
    company.later(TimeDelta::hours(25));
    assert_eq!(expire_due(&company.app).await.unwrap(), 1);
    assert_eq!(company.events(good, "request.expired", "success").await, 1);
}

#[tokio::test]
async fn what_outlives_a_deadline_is_kept_as_it_was_and_may_be_of_a_later_release() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    for sql in [
        "UPDATE requests SET outlives = '[]'",
        "UPDATE requests SET outlives = NULL",
    ] {
        let refused = sqlx::raw_sql(sql).execute(company.pool()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("cannot be changed"), "{refused}");
    }
    let mut columns = "'outlives', '{}'::jsonb".to_owned();
    let inserted = format!(
        "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), {columns}))).* FROM requests r LIMIT 1"
    );
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(inserted));
    let refused = refused.execute(company.pool()).await.unwrap_err();
    assert!(refused.to_string().contains("outlives"), "{refused}");
    columns = "'outlives', '[{\"through\":\"telepathy\",\"since\":1}]'::jsonb".to_owned();
    another(&company, &columns).await;
    let alice = company.ctx("alice").await;
    let listed = find::requests(&alice, &RequestFilter::default(), first()).await;
    let listed = listed.unwrap().items;
    let later = listed.iter().find(|it| it.request.id != request.id);
    let outlives = later.unwrap().request.outlives.as_ref().unwrap();
    assert_eq!(outlives[0].through.as_str(), "unknown");
}
