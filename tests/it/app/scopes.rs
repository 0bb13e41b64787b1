//! What an entitlement may say of the sessions that are handed out for it.

use countersign::app::catalog::check;
use countersign::app::find;
use countersign::domain::entitlement::{Method, Scope};

use crate::support::app::TestApp;
use crate::support::catalog::Catalog;

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
            sts,
            vec![("early_end", text("none"))],
            "is no key that is known here",
        ),
    ] {
        let catalog = with(method, &keys).render();
        let wrong = check(&catalog).unwrap_err();
        let [one] = &wrong[..] else {
            panic!("{told}: {wrong:?}");
        };
        assert!(one.what.contains(told), "{told}: {}", one.what);
        assert!(one.what.contains("prod-admin"), "{}", one.what);
        assert!(!catalog[one.at.clone()].is_empty());
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
