//! Which roles the catalog closes.

use countersign::app::catalog::{Applied, CatalogError};
use sqlx::Executor as _;

use crate::support::app::TestApp;
use crate::support::catalog::{Catalog, Entitlement, allowing, role_arn};

fn close(catalog: &mut Catalog, name: &str) {
    let more = &mut catalog.entitlement(name).more;
    more.insert("closed".to_owned(), true.into());
}

async fn apply(company: &TestApp, catalog: &Catalog) -> Result<Applied, Vec<String>> {
    match company.apply(&catalog.render()).await {
        Ok(applied) => Ok(applied),
        Err(CatalogError::Invalid(wrong)) => Err(wrong.into_iter().map(|it| it.what).collect()),
        Err(other) => panic!("{other}"),
    }
}

/// Two entitlements of one role.
fn twice(catalog: &mut Catalog) {
    catalog.entitlements.push(Entitlement {
        role_arn: role_arn("prod-admin"),
        ..Entitlement::named("prod-again")
    });
}

#[tokio::test]
async fn a_role_is_closed_or_opened_by_its_entitlement_and_its_guard_is_looked_at() {
    let company = TestApp::new().await;
    let due = "UPDATE targets SET due_at = NULL";
    company.pool().execute(due).await.unwrap();
    let is = async || {
        let sql = "SELECT closed, due_at IS NOT NULL FROM targets WHERE arn = $1";
        let row = sqlx::query_as::<_, (bool, bool)>(sql).bind(role_arn("prod-admin"));
        row.fetch_one(company.pool()).await.unwrap()
    };
    let mut catalog = company.catalog();
    let same = apply(&company, &catalog).await.unwrap();
    assert!(same.changes.is_empty(), "{:?}", same.changes);
    assert_eq!(is().await, (false, false));
    close(&mut catalog, "prod-admin");
    let told = apply(&company, &catalog).await.unwrap().changes;
    let role = role_arn("prod-admin");
    let closed =
        "which is closed: whoever has no grant is denied there, services and pipelines among them";
    assert_eq!(told, [format!("role {role}, {closed}")]);
    assert_eq!(is().await, (true, true));
    let told = apply(&company, &company.catalog()).await.unwrap().changes;
    assert_eq!(told, [format!("role {role}, which is not closed")]);
    assert_eq!(is().await, (false, true));
}

#[tokio::test]
async fn entitlements_of_one_role_must_agree_also_with_those_on_record() {
    let company = TestApp::new().await;
    let mut both = company.catalog();
    twice(&mut both);
    close(&mut both, "prod-again");
    let wrong = apply(&company, &both).await.unwrap_err();
    let role = role_arn("prod-admin");
    let own = "closed belongs to the role, and must be the same in each of its entitlements";
    assert_eq!(
        wrong,
        [format!(
            "entitlement prod-again: role_arn {role} is closed here, and not in prod-admin: {own}"
        )]
    );
    close(&mut both, "prod-admin");
    apply(&company, &both).await.unwrap();
    // The other one is not in the file, and would be opened without a word.
    let mut alone = both.clone();
    alone.entitlements.retain(|it| it.name == "prod-again");
    apply(&company, &alone).await.unwrap();
    alone.entitlement("prod-again").more.clear();
    let wrong = apply(&company, &alone).await.unwrap_err();
    assert_eq!(
        wrong,
        [format!(
            "entitlement prod-again: role_arn {role} is not closed here, but in prod-admin: {own}"
        )]
    );
}

#[tokio::test]
async fn only_roles_are_closed_and_only_by_true() {
    let company = TestApp::new().await;
    let mut catalog = company.catalog();
    let more = &mut catalog.entitlement("prod-admin").more;
    more.insert("closed".to_owned(), false.into());
    let wrong = apply(&company, &catalog).await.unwrap_err();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].ends_with("closed must be true, or be left out"));
    *catalog.entitlement("prod-admin") =
        Entitlement::attaching("prod-admin", &allowing("s3:GetObject"));
    close(&mut catalog, "prod-admin");
    let wrong = apply(&company, &catalog).await.unwrap_err();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("closed does not go with method = \"attach\""));
    let sql = "UPDATE targets SET closed = true WHERE kind = 'user'";
    let refused = company.pool().execute(sql).await;
    assert!(refused.is_err(), "a user has no guard");
}
