//! Nobody stands on both sides of a request: whoever has, had or claims the identity that it lets
//! in decides nothing of it; and what was given up lets nobody in, whatever was asked with it.

use axum::http::StatusCode;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::identities;
use countersign::app::submit::submit;
use countersign::ids::{PrincipalId, RequestId};

use super::{World, assert_refused, link};
use crate::support::app::{ask, code};

async fn asked(world: &World) -> RequestId {
    let alice = world.portal.ctx("alice").await;
    let asked = submit(&alice, ask("prod-admin")).await.unwrap();
    asked.request().id
}

/// bob has alice's keys: what lets them in is as good as his own.
#[tokio::test]
async fn whoever_has_signed_as_the_identity_decides_nothing_of_it() {
    let world = World::new().await;
    let request = asked(&world).await;
    let (bob, dave) = (world.portal.ctx("bob").await, "dave");
    let browser = world.portal.browser("bob").await;
    let waits = async || browser.get("/waiting").await.body.contains("prod-admin");
    assert!(waits().await);
    let answer = link(&browser, &world.shell("alice")).await;
    assert_refused(&answer, 409, "identity_taken");
    assert!(!waits().await);
    assert_eq!(
        code(approve(&bob, request, None, None).await),
        "self_approval"
    );
    assert_eq!(
        code(deny(&bob, request, Some("No.".to_owned())).await),
        "self_approval"
    );
    // Also once the claim is over, and where it was his and is not any more.
    let id = world
        .one("SELECT id::text FROM principals WHERE conflict_with IS NOT NULL")
        .await;
    let id = PrincipalId::from_uuid(id.parse().unwrap());
    identities::end(&world.portal.admin, "test", id)
        .await
        .unwrap();
    assert_eq!(
        code(approve(&bob, request, None, None).await),
        "self_approval"
    );
    let dave = world.portal.ctx(dave).await;
    assert_eq!(code(approve(&dave, request, None, None).await), "-");
}

/// The admins have found that it is not alice's: what she asked with it waits for nobody any more.
#[tokio::test]
async fn an_identity_that_was_ended_lets_nobody_in_that_was_asked_for_before() {
    let world = World::new().await;
    let request = asked(&world).await;
    let id = world
        .one("SELECT id::text FROM principals WHERE arn LIKE '%:user/alice'")
        .await;
    let id = PrincipalId::from_uuid(id.parse().unwrap());
    identities::end(&world.portal.admin, "test", id)
        .await
        .unwrap();
    let dave = world.portal.ctx("dave").await;
    assert_eq!(
        code(approve(&dave, request, None, None).await),
        "not_eligible"
    );
    let page = world.portal.browser("alice").await;
    let page = page.get(&format!("/requests/{request}")).await;
    assert_eq!(page.status, StatusCode::OK);
}
