//! Pages whose facts lie behind many others.

use crate::support::app::TestApp;
use crate::support::portal::Portal;

async fn run(portal: &Portal, sql: String) {
    portal.db.as_owner(&sql).await;
}

#[tokio::test]
async fn refusals_do_not_push_the_history_off_its_page() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let id = page.trim_start_matches("/requests/");
    // Older than everything else by their ids, so that they come first.
    run(
        &portal,
        format!(
            "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, code)
             SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '2026-01-01T00:00:00Z', 'request.withdrawn', 'person', 'person', 'Bob', '{id}',
                    'api', 'refused', 'forbidden' FROM generate_series(1, 600) n"
        ),
    )
    .await;
    let alice = portal.browser("alice").await;
    let shown = alice.get(&page).await.body;
    assert!(shown.contains("Alice asked for 1 h"), "{shown}");
    assert!(!shown.contains("withdrew it"), "{shown}");
}

#[tokio::test]
async fn open_access_is_shown_behind_any_number_of_newer_requests() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let bob = portal.browser("bob").await;
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    run(
        &portal,
        "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('state', 'withdrawn',
             'id', 'ffffffff-0000-7000-8000-' || lpad(n::text, 12, '0')))).* FROM requests r, generate_series(1, 60) n"
            .to_owned(),
    )
    .await;
    let home = portal.browser("alice").await.get("/").await.body;
    assert!(home.contains("Your access<"), "{home}");
    assert!(home.contains(&format!("href=\"{page}\"")), "{home}");
}

#[tokio::test]
async fn of_many_approvers_some_are_named() {
    let app = TestApp::with(|catalog| {
        catalog.entitlement("prod-admin").approver_group = "sre-leads".into();
        catalog.regroup("bob", &["sre-leads"]);
        catalog.regroup("carol", &["sre-leads"]);
    });
    let portal = app.await.portal();
    let page = portal.asked().await;
    run(
        &portal,
        "INSERT INTO people SELECT gen_random_uuid(), 'demo', 'lead' || n, 'Lead ' || n, n || '@example.com', '{sre-leads}' FROM generate_series(101, 400) n".to_owned(),
    )
    .await;
    let shown = portal.browser("alice").await.get(&page).await.body;
    assert!(shown.contains("Lead 118, and others."), "{shown}");
    assert!(!shown.contains("Lead 119"), "{shown}");
}
