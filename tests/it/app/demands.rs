//! What a catalog may say about MFA and external IDs: they belong to the role.

use countersign::app::catalog::check;
use countersign::app::find;
use countersign::domain::demands::Demands;
use countersign::domain::request::Request;
use sqlx::{AssertSqlSafe, Row as _};

use crate::support::app::TestApp;
use crate::support::catalog::{Catalog, Entitlement, allowing, role_arn};

const ID: &str = "vendor-7f3d2a8e";

/// The company, where an entitlement has one key more.
fn with(name: &str, key: &str, value: impl Into<toml::Value>) -> Catalog {
    let mut catalog = Catalog::company();
    let entitlement = catalog.entitlement(name);
    entitlement.more.insert(key.to_owned(), value.into());
    catalog
}

/// The same with that method.
fn of(method: &str, key: &str, value: impl Into<toml::Value>) -> Catalog {
    let mut catalog = with("prod-admin", key, value);
    method.clone_into(&mut catalog.entitlement("prod-admin").method);
    catalog
}

/// The same, where both entitlements open one role.
fn sharing(mut catalog: Catalog) -> Catalog {
    catalog.entitlement("prod-root").role_arn = role_arn("prod-admin");
    catalog
}

fn attaching(policy: &str, key: &str, value: impl Into<toml::Value>) -> Catalog {
    let mut catalog = Catalog::company();
    let entitlement = catalog.entitlement("prod-admin");
    *entitlement = Entitlement::attaching("prod-admin", policy);
    entitlement.more.insert(key.to_owned(), value.into());
    catalog
}

#[test]
fn what_nobody_could_be_asked_for_is_refused_with_its_place() {
    let conditioned = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}"#;
    for (catalog, told, place) in [
        (
            of("trust_policy", "mfa", false),
            "mfa must be true, or be left out",
            "false",
        ),
        (
            of("switch", "mfa", "yes"),
            "mfa must be true, or be left out",
            "yes",
        ),
        (
            of("sts_credentials", "mfa", true),
            "AWS never sees the person's second factor",
            "true",
        ),
        (
            of("sts_credentials", "external_id", ID),
            "people have nothing to send it with",
            ID,
        ),
        (
            attaching(&allowing("s3:GetObject"), "external_id", ID),
            "it is sent when a role is assumed",
            ID,
        ),
        (
            of("switch", "external_id", "x"),
            "external_id must be 2 to 1224",
            "\"x\"",
        ),
        (
            of("switch", "external_id", "x y"),
            "external_id must be 2 to 1224",
            "x y",
        ),
        (
            of("trust_policy", "external_id", "x".repeat(1_225)),
            "external_id must be 2 to 1224",
            "xxx",
        ),
        (
            attaching(conditioned, "mfa", true),
            "must have no condition on aws:MultiFactorAuthPresent",
            "Condition",
        ),
        (
            sharing(with("prod-root", "mfa", true)),
            "entitlement prod-root: role_arn arn:aws:iam::111122223333:role/prod-admin asks for MFA here, and for \
             nothing in prod-admin: mfa and external_id belong to the role",
            "prod-admin",
        ),
        (
            sharing(with("prod-admin", "external_id", ID)),
            "asks for nothing here, and for the external ID vendor-7f3d2a8e in prod-admin",
            "prod-admin",
        ),
    ] {
        let text = catalog.render();
        let wrong = check(&text, false).unwrap_err();
        let [one] = &wrong[..] else {
            panic!("{told}: {wrong:?}");
        };
        assert!(one.what.starts_with("entitlement prod-"), "{}", one.what);
        assert!(one.what.contains(told), "{told}: {}", one.what);
        let at = &text[one.at.clone()];
        assert!(at.contains(place), "{told}: {at}");
    }
}

/// Whoever is handed credentials is asked for nothing, so that such an entitlement may stand beside
/// one that asks.
#[test]
fn what_countersign_itself_assumes_agrees_with_everything() {
    let mut catalog = sharing(with("prod-root", "mfa", true));
    "sts_credentials".clone_into(&mut catalog.entitlement("prod-admin").method);
    check(&catalog.render(), false).unwrap();
}

async fn demands(company: &TestApp, name: &str) -> (Demands, i32) {
    let alice = company.ctx("alice").await;
    let terms = find::entitlement(&alice, name).await.unwrap().terms;
    (terms.demands, terms.version)
}

#[tokio::test]
async fn a_role_that_asks_for_something_else_gives_each_of_its_entitlements_a_new_version() {
    let company = TestApp::new().await;
    let both = |catalog: &mut Catalog, more: &[(&str, toml::Value)]| {
        catalog.entitlement("prod-root").role_arn = role_arn("prod-admin");
        for name in ["prod-admin", "prod-root"] {
            let more = more
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()));
            catalog.entitlement(name).more = more.collect();
        }
    };
    company.change(|it| both(it, &[])).await;
    let before = [
        demands(&company, "prod-admin").await,
        demands(&company, "prod-root").await,
    ];
    assert_eq!(before[0].0, Demands::default());
    let asked = [("mfa", true.into()), ("external_id", ID.into())];
    company.change(|it| both(it, &asked)).await;
    company.change(|it| both(it, &asked)).await;
    for (name, (_, version)) in ["prod-admin", "prod-root"].into_iter().zip(&before) {
        let (now, new) = demands(&company, name).await;
        let id = now.external_id.as_ref().map(ToString::to_string);
        assert_eq!((now.mfa, id.as_deref()), (true, Some(ID)), "{name}");
        assert_eq!(new, version + 1, "{name}: the second time it is as it was");
    }
    company.change(|it| both(it, &[])).await;
    assert_eq!(demands(&company, "prod-root").await.0, Demands::default());
}

#[tokio::test]
async fn an_entitlement_that_the_file_leaves_out_must_agree_as_well() {
    let company = TestApp::new().await;
    let mut file = with("prod-second", "mfa", true);
    file.entitlement("prod-second").role_arn = role_arn("prod-admin");
    file.entitlements.retain(|it| it.name == "prod-second");
    let refused = company.apply(&file.render()).await.unwrap_err().to_string();
    assert!(
        refused.contains("asks for MFA here, and for nothing in prod-admin"),
        "{refused}"
    );
    assert_eq!(demands(&company, "prod-admin").await.0, Demands::default());
}

/// It is the requester's to know, and would be as good as the manager role's door.
#[tokio::test]
async fn the_external_id_of_our_own_is_nobodys_to_send() {
    let company = TestApp::new().await;
    let managed = |catalog: &mut Catalog| {
        let account = catalog.account("444455556666");
        "Partner".clone_into(&mut account.name);
        account.manager_role =
            Some("arn:aws:iam::444455556666:role/countersign-manager".to_owned());
        account.external_id = Some(true);
    };
    company.change(managed).await;
    let sql = "SELECT external_id FROM accounts WHERE external_id IS NOT NULL";
    let row = sqlx::query(sql).fetch_one(&company.db.pool).await.unwrap();
    let own: String = row.get("external_id");
    let file = with("prod-admin", "external_id", own);
    let refused = company.apply(&file.render()).await.unwrap_err().to_string();
    assert!(
        refused.contains("with which Countersign comes into account 444455556666"),
        "{refused}"
    );
}

/// What is approved later is what was asked for, whatever the catalog says by then; and no SQL
/// makes it something else.
#[tokio::test]
async fn a_grant_asks_for_what_was_approved() {
    let company = TestApp::new().await;
    let ask = |catalog: &mut Catalog| {
        let more = &mut catalog.entitlement("prod-admin").more;
        more.insert("mfa".to_owned(), true.into());
        more.insert("external_id".to_owned(), ID.into());
    };
    company.change(ask).await;
    let Request {
        id, console_name, ..
    } = company.ask("prod-admin").await;
    assert_eq!(console_name, None, "H8: the console sends no external ID");
    company
        .change(|it| it.entitlement("prod-admin").more.clear())
        .await;
    let bob = company.ctx("bob").await;
    let approved = countersign::app::approve::approve(&bob, id, None, None).await;
    let grant = approved.unwrap().grant.unwrap();
    let kept = (
        grant.demands.mfa,
        grant.demands.external_id.map(|it| it.to_string()),
    );
    assert_eq!(kept, (true, Some(ID.to_owned())));
    assert_eq!(grant.console_name, None);
    let owner = sqlx::PgPool::connect(&company.db.owner_url).await.unwrap();
    for (sql, told) in [
        ("UPDATE grants SET mfa = false", "cannot be changed"),
        ("UPDATE grants SET external_id = NULL", "cannot be changed"),
        (
            "UPDATE grants SET external_id = 'another'",
            "cannot be changed",
        ),
        (
            "UPDATE targets SET external_id = 'x' WHERE kind = 'role'",
            "external_id",
        ),
        (
            "UPDATE targets SET external_id = 'x y' WHERE kind = 'role'",
            "external_id",
        ),
        ("UPDATE targets SET mfa = true WHERE kind = 'user'", "asks"),
        ("UPDATE entitlements SET mfa = true", "mfa"),
    ] {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&owner).await;
        let refused = done.expect_err(sql).to_string();
        assert!(refused.contains(told), "{sql}: {refused}");
    }
}
