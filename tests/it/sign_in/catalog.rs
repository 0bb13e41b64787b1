//! A catalog beside a provider that tells the groups.

use countersign::app::catalog::{CatalogError, check};
use countersign::config::GroupsFrom;

use super::World;

const ALICE: &str = "[[people]]\nissuer = 'ISSUER'\nsubject = 'alice-1'\nname = 'Alice Archer'\nemail = 'alice@example.com'\n";

#[tokio::test]
async fn groups_in_a_file_are_refused_where_the_provider_tells_them_and_those_told_stay() {
    let world = World::new().await;
    world.alice().await;
    let file = ALICE.replace("ISSUER", &world.provider.issuer);
    let with_groups = format!("{file}groups = ['admins']\n");
    let refused = world.portal.apply(&with_groups).await.unwrap_err();
    let CatalogError::Invalid(wrong) = refused else {
        panic!("{refused}");
    };
    assert!(
        wrong[0].what.contains("oidc.groups_from"),
        "{}",
        wrong[0].what
    );
    assert!(
        check(&with_groups, true).is_err(),
        "nor does it fit without a database"
    );
    assert!(check(&file, true).is_ok() && check(&with_groups, false).is_ok());
    world.portal.apply(&file).await.unwrap();
    let alice = world.alice().await;
    let page = alice.get("/entitlements/prod-admin").await;
    assert_eq!(
        page.status.as_u16(),
        200,
        "she is a developer still: {}",
        page.body
    );
}

#[tokio::test]
async fn where_the_catalog_tells_the_groups_a_sign_in_leaves_them() {
    let world = World::with(|config| config.oidc.groups_from = GroupsFrom::Catalog).await;
    let file = ALICE.replace("ISSUER", &world.provider.issuer);
    world
        .portal
        .apply(&format!("{file}groups = ['developers']\n"))
        .await
        .unwrap();
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["groups"] = serde_json::json!(["admins"]);
    let alice = world.browser(&world.come_back(&flow, &claims).await);
    assert_eq!(
        alice.get("/entitlements/prod-admin").await.status.as_u16(),
        200
    );
    let me = alice.get("/revocations").await;
    assert_eq!(me.status.as_u16(), 403, "no admin");
}
