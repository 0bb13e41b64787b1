//! Nobody stands on both sides of a request: whoever has, had or claims the identity that it lets
//! in decides nothing of it; and what was given up lets nobody in, whatever was asked with it.

use axum::http::StatusCode;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::identities;
use countersign::app::submit::submit;
use countersign::app::withdraw::withdraw;
use countersign::db::asks;
use countersign::ids::{PrincipalId, RequestId};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{World, assert_refused, link};
use crate::support::app::{ask, code};
use crate::support::wait::somebody_waits;

async fn asked(world: &World) -> RequestId {
    let alice = world.portal.ctx("alice").await;
    let asked = submit(&alice, ask("prod-admin")).await.unwrap();
    asked.request().id
}

/// Somebody asks with it while it is given up: they have seen that it is theirs, and have not
/// stored the request yet.
#[tokio::test]
async fn an_identity_that_is_being_asked_with_is_not_given_up_beside_that() {
    let world = World::with(|it| it.regroup("bob", &["developers", "approvers"])).await;
    let browser = world.portal.browser("bob").await;
    let linked = link(&browser, &world.shell("bob")).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let bob = world.portal.ctx("bob").await;
    let asked = submit(&bob, ask("prod-admin")).await.unwrap().request();
    withdraw(&bob, asked.id).await.unwrap();
    let mut asking = PgConnection::connect(&world.portal.db.app_url)
        .await
        .unwrap();
    let mut tx = asking.begin().await.unwrap();
    asks::lock(&mut tx, bob.person.human()).await.unwrap();
    let again = "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object(
                     'id', gen_random_uuid(), 'state', 'pending', 'closed_at', null))).* FROM requests r";
    let mut admin = world.portal.db.superuser().await;
    let (ctx, id) = (bob.clone(), asked.principal.unwrap());
    let given_up = tokio::spawn(async move { identities::unlink(&ctx, id).await });
    somebody_waits(&mut admin).await;
    tx.execute(again).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(code(given_up.await.unwrap()), "identity_in_use");
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
