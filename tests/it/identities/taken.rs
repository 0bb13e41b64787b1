//! One identity is one person's: who has it first keeps it, and the admins are told.

use axum::http::StatusCode;
use serde_json::json;

use super::{DEVELOPERS, World, assert_refused, challenged, link, paste};
use countersign::app::identities;
use countersign::ids::PrincipalId;

/// bob has alice's keys, or has talked her into signing for his page.
#[tokio::test]
async fn what_is_somebody_elses_stays_theirs_and_the_admins_are_told() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    for _ in 0..2 {
        let signed = world.shell("alice").sign(&challenged(&bob).await);
        let answer = paste(&bob, &signed).await;
        assert_refused(&answer, 409, "identity_taken");
        assert!(
            !answer.body.contains("You have linked it"),
            "{}",
            answer.body
        );
    }
    let all = world.identities().await;
    assert_eq!(all, ["Alice arn:aws:iam::111122223333:user/alice catalog"]);
    let events = world.events("identity.refused").await;
    assert_eq!(events.len(), 2);
    let (outcome, code, details) = &events[0];
    assert_eq!(
        (outcome.as_str(), code.as_deref()),
        ("refused", Some("identity_taken"))
    );
    let alice = world.portal.ctx("alice").await.person.id.to_string();
    let arn = "arn:aws:iam::111122223333:user/alice";
    let told = json!({"arn": arn, "session": null, "source": "linked", "owner_id": alice});
    assert_eq!(details, &told);
    // Who runs it sees one note, and nobody else does.
    for (name, sees) in [("ada", 1), ("otto", 1), ("alice", 0), ("bob", 0)] {
        let home = world.portal.browser(name).await.get("/").await.body;
        let notes = home
            .matches("Two people are said to be one AWS identity")
            .count();
        assert_eq!(notes, sees, "{name}: {home}");
    }
    // What lets bob in is none of it: he may ask for nothing that takes an identity.
    let of_bob = world.portal.ctx("bob").await;
    assert_eq!(identities::own(&of_bob).await.unwrap().len(), 0);
}

/// An admin finds out whose it is, and says so on the command line.
#[tokio::test]
async fn an_admin_ends_the_one_or_the_other() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let ada = world.portal.browser("ada").await;
    assert_refused(
        &link(&bob, &world.shell("alice")).await,
        409,
        "identity_taken",
    );
    let is_told = async || {
        let home = ada.get("/").await.body;
        home.contains("Two people are said to be one AWS identity")
    };
    let id = async |conflict: &str| {
        let sql = format!(
            "SELECT id::text FROM principals WHERE conflict_with IS {conflict} AND ended_at IS NULL"
        );
        PrincipalId::from_uuid(world.one(&sql).await.parse().unwrap())
    };
    let end = async |id| identities::end(&world.portal.admin, "test", id).await;
    assert!(is_told().await);
    end(id("NOT NULL").await).await.unwrap();
    assert!(!is_told().await);
    assert_eq!(world.identities().await.len(), 1);
    // Said once more, it is told once more; and this time it was bob's.
    assert_refused(
        &link(&bob, &world.shell("alice")).await,
        409,
        "identity_taken",
    );
    assert!(is_told().await);
    let alices = id("NULL").await;
    end(alices).await.unwrap();
    let again = end(alices).await.unwrap_err();
    assert_eq!(again.about().code, "not_found");
    assert!(!is_told().await);
    assert_eq!(
        link(&bob, &world.shell("alice")).await.status,
        StatusCode::SEE_OTHER
    );
    let all = world.identities().await;
    assert_eq!(all, ["Bob arn:aws:iam::111122223333:user/alice linked"]);
    // A claim that has come true is no claim any more.
    assert!(!is_told().await);
    assert_eq!(world.events("identity.ended").await.len(), 2);
}

/// The catalog is no silent way either.
#[tokio::test]
async fn a_catalog_does_not_take_what_somebody_has_linked() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    assert_eq!(
        link(&bob, &world.shell("alice-2")).await.status,
        StatusCode::SEE_OTHER
    );
    let mut catalog = world.portal.catalog();
    let arn = "arn:aws:iam::111122223333:user/alice-2".to_owned();
    catalog.person("alice").principals.push(arn.clone());
    let refused = world.portal.apply(&catalog.render()).await.unwrap_err();
    assert!(
        refused.to_string().contains("belongs to bob@example.com"),
        "{refused}"
    );
    // For its own person it may name it, and it is the catalog's word from then on.
    catalog.person("alice").principals.pop();
    catalog.person("bob").principals.push(arn);
    world.portal.apply(&catalog.render()).await.unwrap();
    let all = world.identities().await;
    assert!(
        all.contains(&"Bob arn:aws:iam::111122223333:user/alice-2 catalog".to_owned()),
        "{all:?}"
    );
}

/// Sessions of one role are told apart by their names, whatever their case.
#[tokio::test]
async fn a_person_has_one_session_name_on_a_role() {
    let world = World::with(|it| {
        let bobs = (DEVELOPERS.to_owned(), "Alice".to_owned());
        it.person("bob").sessions.push(bobs);
    })
    .await;
    let alice = world.portal.browser("alice").await;
    let shell = world.session("alice", DEVELOPERS, "alice").await;
    assert_refused(&link(&alice, &shell).await, 409, "identity_taken");
    let bob = world.portal.browser("bob").await;
    let shell = world.session("bob", DEVELOPERS, "bob").await;
    let answer = link(&bob, &shell).await;
    assert_refused(&answer, 422, "identity_not_own");
    assert!(
        answer.body.contains("another session name"),
        "{}",
        answer.body
    );
}
