//! What an entitlement may say of the sessions that are handed out for it.

use countersign::app::catalog::check;
use countersign::app::find;
use countersign::domain::entitlement::{EarlyEnd, Method, Scope, Terms};

use crate::support::app::TestApp;
use crate::support::catalog::Catalog;
use crate::support::elevation::uncut;

const SCOPE: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#;
const ARN: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn text(it: &str) -> toml::Value {
    toml::Value::String(it.to_owned())
}

fn list(all: &[&str]) -> toml::Value {
    toml::Value::Array(all.iter().map(|it| text(it)).collect())
}

/// The company, where `prod-admin` has this method and these keys.
fn with(method: &str, keys: &[(&str, toml::Value)]) -> Catalog {
    let mut catalog = Catalog::company();
    let entitlement = catalog.entitlement("prod-admin");
    method.clone_into(&mut entitlement.method);
    for (key, value) in keys {
        entitlement.more.insert((*key).to_owned(), value.clone());
    }
    catalog
}

#[test]
fn what_sts_would_not_take_or_take_otherwise_is_refused_with_its_place() {
    let long = SCOPE.replace("sqs:*", &"x".repeat(2000));
    let not_json = "Allow sqs:*";
    let sts = "sts_credentials";
    for (method, keys, told) in [
        (
            "magic",
            vec![],
            "must be \"trust_policy\", \"switch\", \"attach\" or \"sts_credentials\"",
        ),
        (
            "trust_policy",
            vec![("scope_down", text(SCOPE))],
            "alone: no other session",
        ),
        (
            "trust_policy",
            vec![("policy_arns", list(&[ARN]))],
            "alone: no other session",
        ),
        (
            sts,
            vec![("scope_down", text(not_json))],
            "must be a policy",
        ),
        (sts, vec![("scope_down", text("{}"))], "must be a policy"),
        (
            sts,
            vec![("scope_down", text(&long))],
            "must be shorter: STS takes 2048 characters",
        ),
        (
            sts,
            vec![("scope_down", toml::Value::Integer(1))],
            "must be a text in quotes",
        ),
        (
            sts,
            vec![("scope_down", text(SCOPE)), ("policy_arns", list(&[ARN]))],
            "cannot stand beside policy_arns",
        ),
        (
            sts,
            vec![("policy_arns", list(&["ReadOnlyAccess"]))],
            "must be ARNs of managed policies",
        ),
        (
            sts,
            vec![("policy_arns", list(&[ARN; 11]))],
            "must have 10 ARNs at most",
        ),
        (
            "trust_policy",
            vec![("early_end", text("none"))],
            "early_end goes with method = \"sts_credentials\" alone",
        ),
        (
            "switch",
            vec![("early_end", text("guard"))],
            "early_end goes with method = \"sts_credentials\" alone",
        ),
        (
            "trust_policy",
            vec![("session_tags", toml::Value::Boolean(true))],
            "session_tags goes with method = \"sts_credentials\" alone",
        ),
        (
            sts,
            vec![("early_end", text("never"))],
            "early_end must be \"guard\" or \"none\"",
        ),
        (
            sts,
            vec![("session_tags", text("team"))],
            "session_tags must be true, or be left out",
        ),
        // The entitlement lasts for eight hours at most.
        (
            sts,
            vec![("early_end", text("none"))],
            "max_duration must be 1 hour (PT1H) or shorter",
        ),
    ] {
        let catalog = with(method, &keys).render();
        let wrong = check(&catalog, false).unwrap_err();
        let [one] = &wrong[..] else {
            panic!("{told}: {wrong:?}");
        };
        assert!(one.what.contains(told), "{told}: {}", one.what);
        assert!(one.what.contains("prod-admin"), "{}", one.what);
        assert!(!catalog[one.at.clone()].is_empty());
    }
}

/// Whatever else it says, a closed role has a guard that denies what is handed out without one.
#[test]
fn a_closed_role_has_nothing_that_cannot_be_cut() {
    let mut catalog = with("sts_credentials", &[]);
    uncut(&mut catalog.entitlements[0]);
    assert!(check(&catalog.render(), false).is_ok());
    let closed = toml::Value::Boolean(true);
    catalog.entitlements[0]
        .more
        .insert("closed".to_owned(), closed);
    let wrong = check(&catalog.render(), false).unwrap_err();
    let [one] = &wrong[..] else {
        panic!("{wrong:?}");
    };
    let told = "closed does not go with early_end = \"none\"";
    assert!(one.what.contains(told), "{}", one.what);
}

/// A request keeps what its entitlement said, and so does its grant.
#[tokio::test]
async fn what_an_early_end_cuts_is_kept_in_the_terms() {
    let company = TestApp::new().await;
    let mut catalog = with("sts_credentials", &[]);
    uncut(&mut catalog.entitlements[0]);
    let tags = toml::Value::Boolean(true);
    catalog.entitlements[0]
        .more
        .insert("session_tags".to_owned(), tags);
    for kept in [EarlyEnd::None, EarlyEnd::Guard] {
        let applied = company.apply(&catalog.render()).await.unwrap();
        assert!(
            applied
                .changes
                .contains(&"entitlement prod-admin".to_owned())
        );
        let alice = company.ctx("alice").await;
        let terms = find::entitlement(&alice, "prod-admin").await.unwrap().terms;
        assert_eq!(terms.early_end, kept);
        assert_eq!(terms.session_tags, kept == EarlyEnd::None);
        let stored = serde_json::to_value(&terms).unwrap();
        assert_eq!(stored.get("early_end").is_some(), kept == EarlyEnd::None);
        assert_eq!(serde_json::from_value::<Terms>(stored).unwrap(), terms);
        catalog = with("sts_credentials", &[]);
    }
}

#[tokio::test]
async fn what_fits_is_kept_and_needs_no_identity() {
    let company = TestApp::new().await;
    let arns = vec![ARN.to_owned()].try_into().unwrap();
    for (keys, scope) in [
        (vec![], Scope::Role),
        (vec![("policy_arns", list(&[]))], Scope::Role),
        (
            vec![("scope_down", text(SCOPE))],
            Scope::ScopeDown(SCOPE.to_owned()),
        ),
        (vec![("policy_arns", list(&[ARN]))], Scope::PolicyArns(arns)),
        (vec![], Scope::Role),
    ] {
        let mut catalog = with("sts_credentials", &keys);
        catalog.person("alice").principals.clear();
        let applied = company.apply(&catalog.render()).await.unwrap();
        let without = |it: &String| it.contains("prod-admin") && it.contains("`principals`");
        assert!(!applied.notes.iter().any(without), "{:?}", applied.notes);
        let alice = company.ctx("alice").await;
        let kept = find::entitlement(&alice, "prod-admin").await.unwrap();
        assert_eq!(
            (kept.terms.method, kept.terms.scope),
            (Method::StsCredentials, scope)
        );
    }
    // Said again, nothing changes.
    let again = company
        .apply(&with("sts_credentials", &[]).render())
        .await
        .unwrap();
    assert!(
        !again
            .changes
            .iter()
            .any(|it| it == "entitlement prod-admin"),
        "{again:?}"
    );
}
