//! What an entitlement may say that is attached to people's own users.

use countersign::app::catalog::check;
use countersign::app::find;
use countersign::domain::entitlement::Method;
use sqlx::Row as _;

use crate::support::app::TestApp;
use crate::support::catalog::{Catalog, Entitlement, allowing, role_arn};

fn text(it: &str) -> toml::Value {
    toml::Value::String(it.to_owned())
}

/// The company, where `prod-admin` is attached and allows that policy.
fn attaching(policy: &str) -> Catalog {
    let mut catalog = Catalog::company();
    *catalog.entitlement("prod-admin") = Entitlement::attaching("prod-admin", policy);
    catalog
}

/// The same with another value of a key, or without it.
fn with(key: &str, value: Option<&str>) -> String {
    let mut catalog = attaching(&allowing("s3:GetObject"));
    let entitlement = catalog.entitlement("prod-admin");
    match value {
        Some(value) => entitlement.more.insert(key.to_owned(), text(value)),
        None => entitlement.more.remove(key),
    };
    catalog.render()
}

/// A role's entitlement with a key that it may not have.
fn of_role(method: &str, key: &str, value: &str) -> String {
    let mut catalog = Catalog::company();
    let entitlement = catalog.entitlement("prod-admin");
    method.clone_into(&mut entitlement.method);
    entitlement.more.insert(key.to_owned(), text(value));
    catalog.render()
}

#[test]
fn what_cannot_be_attached_is_refused_with_its_place() {
    let policy = allowing("s3:GetObject");
    let deny = policy.replace("Allow", "Deny");
    let role = role_arn("prod-admin");
    for (catalog, told, place) in [
        (
            with("policy", None),
            "policy is missing",
            "[[entitlements]]",
        ),
        (
            with("account", None),
            "account is missing",
            "[[entitlements]]",
        ),
        (
            with("account", Some("prod")),
            "account must be 12 digits",
            "\"prod\"",
        ),
        (
            with("policy", Some("Allow s3:*")),
            "policy must be a policy",
            "\"Allow s3:*\"",
        ),
        (
            with("policy", Some(&allowing("iam:PassRole"))),
            "policy must not allow \"iam:PassRole\"",
            "iam:PassRole",
        ),
        (
            with("policy", Some(&allowing("*"))),
            "policy must not allow \"*\"",
            "Action",
        ),
        (
            with("policy", Some(&deny)),
            "policy must have Effect \"Allow\" alone",
            "Deny",
        ),
        (
            with("role_arn", Some(&role)),
            "role_arn does not go with method = \"attach\"",
            "prod-admin",
        ),
        (
            with("scope_down", Some(&policy)),
            "scope_down goes with method = \"sts_credentials\" alone",
            "GetObject",
        ),
        (
            of_role("trust_policy", "account", "111122223333"),
            "account goes with method = \"attach\" alone",
            "1111",
        ),
        (
            of_role("switch", "policy", &policy),
            "policy goes with method = \"attach\" alone",
            "GetObject",
        ),
        (
            of_role("sts_credentials", "policy", &policy),
            "policy goes with method = \"attach\" alone",
            "GetObject",
        ),
    ] {
        let wrong = check(&catalog, false).unwrap_err();
        let [one] = &wrong[..] else {
            panic!("{told}: {wrong:?}");
        };
        assert!(
            one.what.starts_with("entitlement prod-admin: "),
            "{}",
            one.what
        );
        assert!(one.what.contains(told), "{told}: {}", one.what);
        let at = &catalog[one.at.clone()];
        assert!(at.contains(place), "{told}: {at}");
    }
}

#[tokio::test]
async fn what_fits_is_kept_statement_by_statement() {
    let company = TestApp::new().await;
    let loose = "{\"Version\": \"2012-10-17\",\n \"Statement\": [\n  {\"Effect\": \"Allow\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::a b/*\"},\n  {\"Effect\": \"Allow\", \"Action\": \"iam:List*\", \"Resource\": \"*\"}]}";
    company.apply(&attaching(loose).render()).await.unwrap();
    let alice = company.ctx("alice").await;
    let kept = find::entitlement(&alice, "prod-admin").await.unwrap();
    let terms = &kept.terms;
    assert_eq!((terms.method, kept.target), (Method::Attach, None));
    assert_eq!(
        (terms.role_arn.as_deref(), terms.account.as_str()),
        (None, "111122223333")
    );
    let statements = [
        r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a b/*"}"#,
        r#"{"Effect":"Allow","Action":"iam:List*","Resource":"*"}"#,
    ];
    assert_eq!(terms.statements, statements);
    // White space is no change; another action is one.
    for (policy, version) in [
        (loose.replace('\n', "\n\n"), terms.version),
        (loose.replace("GetObject", "PutObject"), terms.version + 1),
    ] {
        company.apply(&attaching(&policy).render()).await.unwrap();
        let now = find::entitlement(&alice, "prod-admin").await.unwrap();
        assert_eq!(now.terms.version, version, "{policy}");
    }
    // It may become one of a role again.
    company.apply(&Catalog::company().render()).await.unwrap();
    let now = find::entitlement(&alice, "prod-admin").await.unwrap();
    assert!(now.target.is_some() && now.terms.statements.is_empty());
    assert_eq!(now.terms.role_arn, Some(role_arn("prod-admin")));
}

#[tokio::test]
async fn actions_with_which_access_could_stay_are_noted() {
    let company = TestApp::new().await;
    let catalog = attaching(&allowing("s3:*BucketPolicy")).render();
    let note = "prod-admin can mean s3:DeleteBucketPolicy, s3:PutBucketPolicy";
    let note = note.replace("s3:DeleteBucketPolicy, ", "");
    let is_told = |notes: &[String]| notes.iter().any(|it| it.starts_with(&note));
    let notes = check(&catalog, false).unwrap().notes;
    assert!(is_told(&notes), "{notes:?}");
    let notes = company.apply(&catalog).await.unwrap().notes;
    assert!(is_told(&notes), "{notes:?}");
    let harmless = attaching(&allowing("s3:GetObject")).render();
    let notes = check(&harmless, false).unwrap().notes;
    assert!(!notes.iter().any(|it| it.contains("can mean")), "{notes:?}");
}

#[tokio::test]
async fn who_has_no_user_in_its_account_is_named() {
    let company = TestApp::new().await;
    let mut catalog = attaching(&allowing("s3:GetObject"));
    catalog.person("alice").principals.clear();
    company.db.as_owner("DELETE FROM principals").await;
    let applied = company.apply(&catalog.render()).await.unwrap();
    let is_alice = |it: &String| it.starts_with("alice@") && it.contains("prod-admin");
    assert!(applied.notes.iter().any(is_alice), "{:?}", applied.notes);
}

/// What is approved later is what was asked for, whatever the catalog says by then.
#[tokio::test]
async fn a_request_keeps_its_statements() {
    let company = TestApp::new().await;
    let apply = async |action| {
        let catalog = attaching(&allowing(action)).render();
        company.apply(&catalog).await.unwrap();
    };
    apply("s3:GetObject").await;
    let asked = company.ask("prod-admin").await;
    apply("s3:*").await;
    let bob = company.ctx("bob").await;
    let approved = countersign::app::approve::approve(&bob, asked.id, None, None).await;
    let grant = approved.unwrap().grant.unwrap();
    let row = sqlx::query("SELECT allows->>'statements' AS it FROM parts WHERE \"grant\" = $1");
    let row = row.bind(grant.id.uuid()).fetch_one(&company.db.pool).await;
    let allows: String = row.unwrap().get("it");
    assert!(
        allows.contains("s3:GetObject") && !allows.contains("s3:*"),
        "{allows}"
    );
}

/// Postgres itself keeps apart what opens a role and what does not.
#[tokio::test]
async fn the_database_takes_no_half_of_one() {
    let company = TestApp::new().await;
    let catalog = attaching(&allowing("s3:GetObject")).render();
    company.apply(&catalog).await.unwrap();
    for (change, constraint) in [
        ("target = (SELECT id FROM targets LIMIT 1)", "opens"),
        ("statements = NULL", "opens"),
        ("method = 'switch'", "opens"),
        ("statements = '[]'", "statements"),
        ("statements = '\"*\"'", "statements"),
        ("account = NULL", "account"),
    ] {
        let sql = format!("UPDATE entitlements SET {change} WHERE name = 'prod-admin'");
        let owner = sqlx::PgPool::connect(&company.db.owner_url).await.unwrap();
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&owner)
            .await;
        let refused = done.unwrap_err().to_string();
        assert!(refused.contains(constraint), "{change}: {refused}");
    }
}
