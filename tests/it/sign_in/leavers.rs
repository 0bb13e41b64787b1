//! Who may not sign in any more, and what that ends.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::http::StatusCode;
use countersign::app::{disable, enable};
use countersign::config::{Config, GroupsFrom};
use serde_json::{Value, json};

use super::World;

fn allowed(config: &mut Config) {
    config.oidc.allowed_groups = vec!["staff".to_owned(), "developers".to_owned()];
}

async fn with_groups(world: &World, groups: Value) -> crate::support::portal::Answer {
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["groups"] = groups;
    world.come_back(&flow, &claims).await
}

/// The status of the person who signs in as alice-1, and why they were disabled.
async fn standing(world: &World) -> (String, Option<String>) {
    let row = sqlx::query_as(
        "SELECT p.status, (SELECT a.details->>'reason' FROM audit_events a WHERE a.action = 'person.disabled'
                           ORDER BY a.id DESC LIMIT 1)
         FROM people p WHERE p.subject = 'alice-1'",
    );
    row.fetch_one(&world.portal.db.pool).await.unwrap()
}

#[tokio::test]
async fn who_is_known_to_be_in_none_of_the_groups_that_may_sign_in_is_disabled() {
    for groups in [json!([]), json!(["Developers", "developers "])] {
        let world = World::with(allowed).await;
        // Nobody of that name is here yet: nobody is disabled, and nobody is made.
        let people = world.portal.count("people").await;
        let answer = with_groups(&world, groups.clone()).await;
        world.assert_refused(&answer, 403, "not_allowed").await;
        assert_eq!(world.portal.count("people").await, people);
        assert_eq!(world.portal.done("person.disabled").await, 0);

        let elsewhere = world.alice().await;
        let answer = with_groups(&world, groups).await;
        world.assert_refused(&answer, 403, "not_allowed").await;
        let (status, reason) = standing(&world).await;
        assert_eq!(status, "disabled");
        assert!(reason.unwrap().contains("oidc.allowed_groups"));
        let page = elsewhere.get("/requests").await;
        assert_eq!(page.place(), "/sign-in?next=%2Frequests");
        assert_eq!(world.portal.done("person.disabled").await, 1);

        // Back in a group they are still disabled, and are told whom to ask.
        let answer = with_groups(&world, json!(["developers"])).await;
        world.assert_refused(&answer, 403, "disabled").await;
        assert!(answer.body.contains("admin"), "{}", answer.body);
        let answer = with_groups(&world, json!([])).await;
        world.assert_refused(&answer, 403, "not_allowed").await;
        assert_eq!(world.portal.done("person.disabled").await, 1);
    }
}

/// By the groups that the catalog says, where it says them; whatever the provider tells.
#[tokio::test]
async fn where_the_catalog_says_the_groups_those_are_asked_who_may_sign_in() {
    let world = World::with(|config| {
        allowed(config);
        config.oidc.groups_from = GroupsFrom::Catalog;
    })
    .await;
    let apply = async |groups: &str| {
        let issuer = &world.provider.issuer;
        let file = format!(
            "[[people]]\nissuer = '{issuer}'\nsubject = 'alice-1'\nname = 'Alice'\nemail = 'alice@example.org'\ngroups = {groups}\n"
        );
        world.portal.apply(&file).await.unwrap();
    };
    // Nobody has said anything of her: she stays out, and is nobody who has left.
    let answer = with_groups(&world, json!(["staff"])).await;
    world.assert_refused(&answer, 403, "not_allowed").await;
    assert_eq!(world.portal.done("person.disabled").await, 0);
    apply("['developers']").await;
    let answer = with_groups(&world, json!([])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let inside = world.browser(&answer);
    apply("['auditors']").await;
    let answer = with_groups(&world, json!(["staff"])).await;
    world.assert_refused(&answer, 403, "not_allowed").await;
    assert_eq!(standing(&world).await.0, "disabled");
    assert_eq!(inside.get("/requests").await.status, StatusCode::SEE_OTHER);
}

/// Attack 6: an outage of the provider, or too many groups for a token, looks like no groups.
#[tokio::test]
async fn a_provider_that_omits_groups_for_all_disables_nobody_and_ends_nothing() {
    let world = World::with(allowed).await;
    let elsewhere = world.alice().await;
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims.as_object_mut().unwrap().remove("groups");
    let answer = world.come_back(&flow, &claims).await;
    world.assert_refused(&answer, 403, "groups_unknown").await;
    assert_eq!(standing(&world).await, ("active".to_owned(), None));
    assert_eq!(elsewhere.get("/requests").await.status, StatusCode::OK);
    for action in ["person.disabled", "session.ended", "grant.closing"] {
        assert_eq!(world.portal.done(action).await, 0, "{action}");
    }
}

#[tokio::test]
async fn who_is_disabled_cannot_sign_in_and_who_is_enabled_begins_anew() {
    let world = World::new().await;
    let old = world.alice().await;
    let id = sqlx::query_scalar("SELECT id FROM people WHERE subject = 'alice-1'");
    let id: uuid::Uuid = id.fetch_one(&world.portal.db.pool).await.unwrap();
    let id = countersign::ids::PersonId::from_uuid(id).to_string();
    let admin = &world.portal.admin;
    let done = disable::by_command(admin, "test", &id, Some("Left."));
    done.await.unwrap();
    let before = world.portal.count("sessions").await;
    let answer = with_groups(&world, json!(["admins"])).await;
    world.assert_refused(&answer, 403, "disabled").await;
    assert_eq!(world.portal.count("sessions").await, before);
    // What the provider says of them is not taken over either.
    let groups = "SELECT array_to_string(groups, ',') FROM people WHERE subject = 'alice-1'";
    let groups: String = sqlx::query_scalar(groups)
        .fetch_one(&world.portal.db.pool)
        .await
        .unwrap();
    assert_eq!(groups, "developers");

    enable::by_command(admin, "test", &id).await.unwrap();
    assert_eq!(old.get("/requests").await.status, StatusCode::SEE_OTHER);
    let new = world.alice().await;
    assert_eq!(new.get("/requests").await.status, StatusCode::OK);
}
