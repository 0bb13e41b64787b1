//! The rules in a catalog file, and as they are stored.

use countersign::app::catalog;
use countersign::domain::entitlement::Terms;
use countersign::domain::rules::{DecideVia, Presence, Rules, Via, Wait};
use serde_json::{Value, json};

use super::{company, ruled};
use crate::support::app::TestApp;
use crate::support::catalog::Catalog;

/// Everything that is wrong with these rules, and the place of it.
fn wrong(rules: &str) -> Vec<(String, String)> {
    let text = format!(
        r#"[[entitlements]]
name = "prod-admin"
method = "trust_policy"
role_arn = "arn:aws:iam::111122223333:role/prod-admin"
min_duration = "PT15M"
max_duration = "PT8H"
requester_group = "developers"
approver_group = "approvers"
rules = {rules}
"#
    );
    let wrong = catalog::check(&text, false).err().unwrap_or_default();
    let told = wrong.into_iter().map(|it| {
        let what = it.what.strip_prefix("entitlement prod-admin: ");
        (text[it.at].to_owned(), what.unwrap().to_owned())
    });
    told.collect()
}

#[test]
fn every_rule_that_does_not_fit_is_told_at_its_place() {
    let number = |key: &str, most: u32| format!("rules: {key} must be a number from 1 to {most}");
    let ways = "rules: decide_via must hold any of \"portal\", \"api\", \"slack\" and \"email\"";
    let presence = "rules: ticket must be \"none\", \"optional\" or \"required\"";
    let comment = "rules: approve_comment must be \"optional\" or \"required\"";
    let wait = |key: &str| format!("rules: {key} must be a duration such as PT4H (4 hours)");
    let length =
        |key: &str| format!("rules: {key} must be from PT1M (a minute) to PT8760H (a year)");
    let text = "must be a text in quotes";
    for (rules, place, told) in [
        ("7", "7", "rules must be a table in { }".to_owned()),
        ("{ justification_min = 0 }", "0", number("justification_min", 2000)),
        ("{ justification_min = 2001 }", "2001", number("justification_min", 2000)),
        ("{ justification_min = \"10\" }", "\"10\"", number("justification_min", 2000)),
        ("{ ticket = \"maybe\" }", "\"maybe\"", presence.to_owned()),
        ("{ ticket = true }", "true", format!("rules: ticket {text}")),
        ("{ approve_comment = \"none\" }", "\"none\"", comment.to_owned()),
        ("{ approve_comment = \"always\" }", "\"always\"", comment.to_owned()),
        ("{ decide_via = \"api\" }", "\"api\"", "rules: decide_via must be a list of texts in [ ]".to_owned()),
        ("{ decide_via = [\"api\", \"fax\"] }", "\"fax\"", ways.to_owned()),
        ("{ decide_via = [1] }", "1", format!("rules: decide_via {text}")),
        ("{ live = 0 }", "0", number("live", 1000)),
        ("{ live = 1001 }", "1001", number("live", 1000)),
        ("{ live_per_person = -1 }", "-1", number("live_per_person", 1000)),
        ("{ live_per_person = 1.5 }", "1.5", number("live_per_person", 1000)),
        ("{ remind_after = \"4 hours\" }", "\"4 hours\"", wait("remind_after")),
        ("{ remind_after = \"PT59S\" }", "\"PT59S\"", length("remind_after")),
        ("{ expire_after = \"PT0S\" }", "\"PT0S\"", length("expire_after")),
        ("{ expire_after = \"PT8760H1S\" }", "\"PT8760H1S\"", length("expire_after")),
        ("{ expire_after = 60 }", "60", format!("rules: expire_after {text}")),
        (
            "{ remind_after = \"PT4H\", expire_after = \"PT4H\" }",
            "\"PT4H\"",
            "rules: remind_after must be shorter than expire_after: nobody is reminded of what has lapsed".to_owned(),
        ),
        ("{ delegation = \"no\" }", "\"no\"", "rules: delegation must be true or false".to_owned()),
    ] {
        assert_eq!(wrong(rules), [(place.to_owned(), told)], "{rules}");
    }
    // They come with what checks tickets, and until then would promise it.
    for key in ["tracker", "ticket_must", "unchecked", "liv"] {
        let told = wrong(&format!("{{ {key} = \"x\" }}"));
        assert_eq!(told[0].0, key);
        let known = "is no key that is known here; there are approve_comment, decide_via, delegation, expire_after, \
                     justification_min, live, live_per_person, remind_after, ticket";
        assert_eq!(told[0].1, format!("rules: `{key}` {known}"));
    }
    let two = wrong("{ live = 0, ticket = \"maybe\" }");
    assert_eq!(two.len(), 2, "{two:?}");
    let fits = r#"{ justification_min = 2000, ticket = "none", approve_comment = "optional", decide_via = [],
        live_per_person = 1, live = 1000, remind_after = "PT1M", expire_after = "PT8760H", delegation = true }"#
        .replace('\n', " ");
    assert_eq!(wrong(&fits), []);
}

const ALL: &str = r#"justification_min = 10, ticket = "required", approve_comment = "required", decide_via = ["api"],
    live_per_person = 2, live = 5, remind_after = "PT1H", expire_after = "PT8H", delegation = false"#;

async fn stored(company: &TestApp) -> Value {
    let sql = "SELECT rules FROM entitlements WHERE name = 'prod-admin'";
    let row = sqlx::query_scalar(sql).fetch_one(company.pool());
    row.await.unwrap()
}

#[tokio::test]
async fn rules_are_stored_in_the_words_of_the_file_and_what_is_usual_is_left_out() {
    let company = company(&ALL.replace('\n', " ")).await;
    let all = json!({
        "justification_min": 10, "ticket": "required", "approve_comment": "required",
        "decide_via": ["portal", "api"], "live_per_person": 2, "live": 5,
        "remind_after": "PT1H", "expire_after": "PT8H", "delegation": false,
    });
    assert_eq!(stored(&company).await, all);
    let same = company.apply(&company.catalog().render()).await.unwrap();
    assert_eq!(same.changes, Vec::<String>::new());
    let usual = r#"justification_min = 1, ticket = "optional", approve_comment = "optional",
        decide_via = ["email", "slack", "api"], delegation = true"#
        .replace('\n', " ");
    let mut catalog: Catalog = company.catalog();
    ruled(&mut catalog, &usual);
    let changed = company.apply(&catalog.render()).await.unwrap();
    assert_eq!(changed.changes, ["entitlement prod-admin"]);
    assert_eq!(stored(&company).await, json!({}));
}

#[tokio::test]
async fn a_request_keeps_the_rules_that_it_was_made_under() {
    let company = company("live = 5, expire_after = \"PT8H\"").await;
    let asked = company.ask("prod-admin").await;
    company
        .change(|it| ruled(it, "ticket = \"required\""))
        .await;
    let sql = "SELECT terms->'rules' FROM requests";
    let kept: Value = sqlx::query_scalar(sql)
        .fetch_one(company.pool())
        .await
        .unwrap();
    assert_eq!(kept, json!({"live": 5, "expire_after": "PT8H"}));
    let rules = Rules {
        live: Some(5),
        expire_after: Some(Wait::parse("PT8H").unwrap()),
        ..Rules::default()
    };
    assert_eq!(asked.terms.rules, rules);
    let other = company.ask("prod-root").await;
    assert!(other.terms.rules.is_usual());
    let terms = serde_json::to_value(&other.terms).unwrap();
    assert!(terms.get("rules").is_none(), "{terms}");
    let read: Terms = serde_json::from_value(terms).unwrap();
    assert_eq!(read, other.terms, "terms of before have none");
}

#[test]
fn what_a_later_release_has_stored_is_read() {
    let later = json!({"decide_via": ["teams", "slack"], "tracker": "jira", "ticket": "required"});
    let read: Rules = serde_json::from_value(later).unwrap();
    assert_eq!(read.ticket, Presence::Required);
    assert_eq!(read.decide_via, DecideVia::new([Via::Slack]));
    assert_eq!(read.justification_min, 1);
    assert!(read.delegation);
}
