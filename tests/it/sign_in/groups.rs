//! In which groups somebody is: what the provider leaves out is not known, and is never none.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::http::StatusCode;
use countersign::config::GroupsFrom;
use serde_json::{Value, json};

use super::World;

/// What stands in the row of alice, and whether it is known.
async fn stored(world: &World) -> (Vec<String>, bool, bool) {
    let row = sqlx::query_as(
        "SELECT groups, groups_known, groups_at IS NOT NULL FROM people WHERE issuer = $1 AND subject = 'alice-1'",
    );
    let pool = &world.portal.db.pool;
    row.bind(&world.provider.issuer)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn groups_that_are_not_told_whole_are_unknown_and_nobody_is_signed_in() {
    let world = World::new().await;
    world.alice().await;
    let before = stored(&world).await;
    assert_eq!(before, (vec!["developers".to_owned()], true, true));
    let many: Vec<String> = (0..2001).map(|n| format!("group-{n}")).collect();
    let many = json!(many);
    type Change = Box<dyn Fn(&mut Value)>;
    let cases: [(&str, Change); 7] = [
        (
            "no claim",
            Box::new(|it| {
                it.as_object_mut().unwrap().remove("groups");
            }),
        ),
        ("a text", Box::new(|it| it["groups"] = json!("developers"))),
        (
            "something among them that is no text",
            Box::new(|it| it["groups"] = json!(["developers", 7])),
        ),
        ("null", Box::new(|it| it["groups"] = Value::Null)),
        ("too many", Box::new(move |it| it["groups"] = many.clone())),
        (
            "told elsewhere",
            Box::new(|it| it["_claim_names"] = json!({ "groups": "src1" })),
        ),
        (
            "Entra's hasgroups",
            Box::new(|it| it["hasgroups"] = json!(true)),
        ),
    ];
    for (name, change) in cases {
        let flow = world.start("/").await;
        let mut claims = world.claims(&flow);
        change(&mut claims);
        let answer = world.come_back(&flow, &claims).await;
        world.assert_refused(&answer, 403, "groups_unknown").await;
        assert_eq!(stored(&world).await, before, "{name}");
    }
    // An outage of the provider must not look like everybody's leaving.
    assert_eq!(world.portal.done("session.ended").await, 0);
}

#[tokio::test]
async fn no_groups_at_all_are_known_to_be_none_and_two_thousand_are_taken() {
    let world = World::new().await;
    for groups in [
        json!([]),
        json!((0..2000).map(|n| n.to_string()).collect::<Vec<_>>()),
    ] {
        let flow = world.start("/").await;
        let mut claims = world.claims(&flow);
        claims["groups"] = groups.clone();
        let answer = world.come_back(&flow, &claims).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let (stored, is_known, _) = stored(&world).await;
        assert_eq!(json!(stored), groups);
        assert!(is_known);
    }
}

#[tokio::test]
async fn a_group_that_was_left_counts_no_more_from_the_next_sign_in() {
    let world = World::new().await;
    let old = world.alice().await;
    let page = old.get("/entitlements/prod-admin").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["groups"] = json!([]);
    let answer = world.come_back(&flow, &claims).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let page = old.get("/entitlements/prod-admin").await;
    assert_ne!(page.status, StatusCode::OK, "in the other browser too");
}

#[tokio::test]
async fn groups_come_from_the_claim_that_is_configured() {
    let world = World::with(|config| config.oidc.groups_claim = "roles".to_owned()).await;
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["roles"] = json!(["auditors"]);
    world.come_back(&flow, &claims).await;
    assert_eq!(stored(&world).await.0, ["auditors"]);
}

#[tokio::test]
async fn where_the_catalog_says_the_groups_the_providers_are_not_looked_at() {
    let world = World::with(|config| config.oidc.groups_from = GroupsFrom::Catalog).await;
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["groups"] = json!("not even a list");
    let answer = world.come_back(&flow, &claims).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(stored(&world).await, (vec![], false, false));
}
