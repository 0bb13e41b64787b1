//! Linking, the way it is meant to go.

use axum::http::StatusCode;
use chrono::TimeDelta;

use super::{DEVELOPERS, World, challenge, challenged, link, paste};

#[tokio::test]
async fn a_person_links_the_user_whose_keys_they_have() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let page = bob.get("/me/identities").await;
    assert!(page.body.contains("None yet."), "{}", page.body);
    assert!(page.body.contains("--region us-east-1</code>"));
    let signed = world.shell("bob").sign(&challenge(&page));
    let linked = paste(&bob, &signed).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    assert_eq!(linked.place(), "/me/identities");
    let bobs = "Bob arn:aws:iam::111122223333:user/bob linked".to_owned();
    assert!(world.identities().await.contains(&bobs));
    let page = bob.get("/me/identities").await.body;
    assert!(page.contains("You have linked it"), "{page}");
    assert!(page.contains("user/<wbr>bob"), "{page}");
    let events = world.events("identity.linked").await;
    let (outcome, code, details) = &events[0];
    assert_eq!((outcome.as_str(), code), ("success", &None));
    assert_eq!(details["arn"], "arn:aws:iam::111122223333:user/bob");
    assert_eq!(details["source"], "linked");
    let id = "SELECT unique_id FROM principals WHERE source = 'linked'";
    assert!(world.one(id).await.starts_with("AIDA"));
    // In the worker's list, so that a policy can be put there.
    let target = "SELECT kind FROM targets WHERE arn LIKE '%user/bob'";
    assert_eq!(world.one(target).await, "user");
}

/// AWS leaves the path of a session's role out, and documents need it.
#[tokio::test]
async fn a_person_links_their_sessions_of_a_role_with_its_path() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let shell = world.session("bob", DEVELOPERS, "bob").await;
    let linked = link(&bob, &shell).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let own = format!("Bob {DEVELOPERS} bob linked");
    assert!(world.identities().await.contains(&own));
    let target = "SELECT kind FROM targets WHERE arn LIKE '%role/team/developers'";
    assert_eq!(world.one(target).await, "carrier");
    // Another person's sessions of the same role are another identity.
    let alice = world.portal.browser("alice").await;
    let shell = world.session("alice", DEVELOPERS, "alice").await;
    let linked = link(&alice, &shell).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
}

/// What the catalog names stays the catalog's, and is known to be shown.
#[tokio::test]
async fn an_identity_of_the_catalog_can_be_shown_and_stays_its() {
    let world = World::new().await;
    let alice = world.portal.browser("alice").await;
    for _ in 0..2 {
        let linked = link(&alice, &world.shell("alice")).await;
        assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    }
    let shown = "SELECT concat_ws(' ', source, verified_at IS NOT NULL, left(unique_id, 4)) FROM principals";
    assert_eq!(world.one(shown).await, "catalog t AIDA");
    let page = alice.get("/me/identities").await.body;
    assert!(page.contains("The catalog says so"), "{page}");
    assert!(!page.contains("Give up"), "{page}");
}

#[tokio::test]
async fn what_one_has_linked_can_be_given_up_and_linked_again() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    link(&bob, &world.shell("bob")).await;
    let page = bob.get("/me/identities").await.body;
    let (_, rest) = page.split_once("/me/identities/").unwrap();
    let id = rest.split('/').next().unwrap().to_owned();
    assert!(id.starts_with("identity_"), "{id}");
    let end = format!("/me/identities/{id}/end");
    // Nobody else's to give up.
    let alice = world.portal.browser("alice").await;
    assert_eq!(alice.post(&end, &[]).await.status, StatusCode::NOT_FOUND);
    let ended = bob.post(&end, &[]).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.body);
    assert_eq!(bob.post(&end, &[]).await.status, StatusCode::NOT_FOUND);
    let ended = world.events("identity.ended").await;
    let outcomes: Vec<&str> = ended.iter().map(|(outcome, ..)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["refused", "success", "refused"]);
    let of_bob = |all: Vec<String>| all.iter().any(|it| it.starts_with("Bob"));
    assert!(!of_bob(world.identities().await));
    // Free again.
    assert_eq!(
        link(&bob, &world.shell("bob")).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(of_bob(world.identities().await));
}

#[tokio::test]
async fn challenges_are_forgotten_when_they_are_over() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    challenged(&bob).await;
    let tidy = async || {
        let app = &world.portal.app;
        countersign::app::sign_in::tidy(app).await.unwrap();
        world.portal.count("challenges").await
    };
    assert_eq!(tidy().await, 1);
    world.portal.later(TimeDelta::minutes(5));
    assert_eq!(tidy().await, 0);
}
