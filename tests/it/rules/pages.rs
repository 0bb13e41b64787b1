//! The rules in plain words, and in the API.

use serde_json::{Value, json};

use super::company;
use crate::support::app::TestApp;

const RULES: &str = r#"justification_min = 20, ticket = "required", approve_comment = "required", decide_via = ["api"],
    live_per_person = 1, live = 5, remind_after = "PT1H", expire_after = "PT8H", delegation = false"#;

#[tokio::test]
async fn whoever_asks_is_told_the_rules_before() {
    let portal = company(&RULES.replace('\n', " ")).await.portal();
    let alice = portal.browser("alice").await;
    let page = alice.get("/entitlements/prod-admin").await.body;
    for told in [
        "<dt>Rules</dt>",
        "The justification has at least 20 characters.",
        "It needs a ticket.",
        "Whoever approves says why.",
        "It is decided in the portal or through the API alone.",
        "One person may have 1 grant of it at a time.",
        "There may be 5 grants of it at a time.",
        "It lapses after 8 h if nobody decides.",
        "Nobody stands in for an approver who is away.",
        "Your approver decides by this. At least 20 characters.",
        "<label for=\"ticket\">Ticket</label>",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // Nothing reminds anybody yet.
    assert!(!page.contains("remind"), "{page}");
    let wrong = [("duration", "3600s"), ("justification", "Short")];
    let answer = alice.post("/entitlements/prod-admin", &wrong).await;
    assert_eq!(answer.status, 422);
    for told in [
        "Justification must have at least 20 characters, not 5",
        "Ticket is missing: this entitlement needs",
    ] {
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    let usual = alice.get("/entitlements/prod-root").await.body;
    assert!(!usual.contains("<dt>Rules</dt>"), "{usual}");
    assert!(usual.contains("Ticket <span class=\"optional\">optional"));
    assert!(!usual.contains("characters."), "{usual}");
}

#[tokio::test]
async fn no_ticket_is_asked_for_where_none_goes_with_it() {
    let portal = company("ticket = \"none\"").await.portal();
    let alice = portal.browser("alice").await;
    let page = alice.get("/entitlements/prod-admin").await.body;
    assert!(!page.contains("name=\"ticket\""), "{page}");
    assert!(page.contains("No ticket goes with it."), "{page}");
}

#[tokio::test]
async fn who_approves_is_told_that_a_comment_is_needed() {
    let portal = company("approve_comment = \"required\"").await.portal();
    let place = portal.asked().await;
    let bob = portal.browser("bob").await;
    let page = bob.get(&place).await.body;
    assert!(page.contains("needed: say why"), "{page}");
    let decide = format!("{place}/decide");
    let answer = bob.post(&decide, &[("choice", "approve")]).await;
    assert_eq!(answer.status, 422);
    let told = "Comment is needed for an approval";
    assert!(answer.body.contains(told), "{}", answer.body);
    let said = [("choice", "approve"), ("comment", "I watch it")];
    assert_eq!(bob.post(&decide, &said).await.status, 303);
}

#[tokio::test]
async fn the_portal_tells_of_what_one_has_before_and_after_one_asks() {
    let portal = TestApp::new().await.portal();
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    let page = alice.get("/entitlements/prod-admin").await.body;
    assert!(!page.contains(" this already"), "{page}");
    let first = portal.asked().await;
    let page = alice.get("/entitlements/prod-admin").await.body;
    assert!(
        page.contains("You have asked for this already</strong>, and it waits"),
        "{page}"
    );
    assert!(
        page.contains(&format!("<a href=\"{first}\">The request</a>")),
        "{page}"
    );
    let answer = bob
        .post(&format!("{first}/decide"), &[("choice", "approve")])
        .await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = alice.get("/entitlements/prod-admin").await.body;
    assert!(
        page.contains("You have this already</strong>, until "),
        "{page}"
    );
    assert!(page.contains("2027-01-15T09:00:00Z"), "{page}");
    // Asking stays allowed, and both sides are told.
    let second = portal.asked().await;
    let page = alice.get(&second).await.body;
    assert!(
        page.contains("You have this already</strong>, until "),
        "{page}"
    );
    let page = bob.get(&second).await.body;
    assert!(
        page.contains("Alice has this already</strong>, until "),
        "{page}"
    );
    assert!(!page.contains(&format!("<a href=\"{first}\">")), "{page}");
    let page = bob.get(&first).await.body;
    assert!(!page.contains(" this already"), "{page}");
}

#[tokio::test]
async fn the_api_tells_stages_and_rules() {
    let company = company(&RULES.replace('\n', " ")).await;
    company
        .change(|it| {
            let prod_root = it.entitlement("prod-root");
            prod_root.approver_group = String::new();
            prod_root.needed = 1;
            let stages: toml::Table = toml::from_str(
                r#"stages = [ { groups = [ { group = "approvers", needed = 2 } ] },
                    { groups = [ { group = "admins", escalate_to = "auditors", escalate_after = "PT1H" } ] } ]"#,
            )
            .unwrap();
            let stages = stages["stages"].clone();
            prod_root.more.insert("stages".to_owned(), stages);
        })
        .await;
    let service = company.api().await;
    let alice = service.token("alice").await;
    let told = service
        .call(&alice, "GET", "/entitlements", &Value::Null)
        .await;
    let items = &told.body["items"];
    let seats = |group: &str, needed: i64| json!({"group": group, "needed": needed, "escalate_to": null, "escalate_after": null});
    assert_eq!(
        items[0]["stages"],
        json!([{"groups": [seats("approvers", 1)]}])
    );
    assert_eq!(
        items[0]["rules"],
        json!({
            "justification_min": 20, "ticket": "required", "approve_comment": "required",
            "decide_via": ["portal", "api"], "live_per_person": 1, "live": 5, "remind_after": "PT1H",
            "expire_after": "PT8H", "delegation": false,
        })
    );
    let later = json!({"group": "admins", "needed": 1, "escalate_to": "auditors", "escalate_after": "PT1H"});
    assert_eq!(
        items[1]["stages"],
        json!([{"groups": [seats("approvers", 2)]}, {"groups": [later]}])
    );
    assert_eq!(
        items[1]["rules"],
        json!({
            "justification_min": 1, "ticket": "optional", "approve_comment": "optional",
            "decide_via": ["portal", "api", "slack", "email"], "live_per_person": null, "live": null,
            "remind_after": null, "expire_after": null, "delegation": true,
        })
    );
}
