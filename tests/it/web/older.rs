//! Pages and lists over rows of the audit log that another release wrote.

use serde_json::{Value, json};

use crate::support::app::TestApp;

/// An action that is not known, and one that tells other things than it does now.
const ROWS: [(&str, &str); 2] = [
    ("request.questioned", r#"{"text": "Which queue?"}"#),
    ("request.approved", r#"{"voice": 1, "comment": "Go."}"#),
];

#[tokio::test]
async fn what_another_release_wrote_is_shown_by_the_actions_name() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await.id;
    for (action, details) in ROWS {
        let sql = format!(
            "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, details, concerns)
             SELECT gen_random_uuid(), submitted_at, '{action}', 'person', 'person_of_then', 'Bob of then', '{request}', 'api', 'success', '{details}', person
             FROM requests"
        );
        company.as_owner(&sql).await;
    }
    let portal = company.portal();
    let alice = portal.browser("alice").await;
    let history = alice.get(&format!("/requests/{request}")).await.body;
    let log = alice.get("/audit").await.body;
    let service = company.api().await;
    let token = service.token("alice").await;
    let path = format!("/audit-events?subject={request}");
    let listed = service.call(&token, "GET", &path, &Value::Null).await.body;
    for (action, details) in ROWS {
        let said = format!("Bob of then: {action}");
        assert!(history.contains(&said), "{said}: {history}");
        assert!(log.contains(action), "{action}: {log}");
        let details: Value = serde_json::from_str(details).unwrap();
        let is_told = |event: &Value| event["action"] == action && event["details"] == details;
        let items = listed["items"].as_array().unwrap();
        assert!(items.iter().any(is_told), "{action}: {listed}");
    }
    assert!(log.contains("Which queue?"), "{log}");
    assert_eq!(listed["next"], json!(null));
}
