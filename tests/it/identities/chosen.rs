//! Several identities of one person: they choose, and what they have given up lets them in no more.

use axum::http::StatusCode;
use countersign::app::submit::{NewRequest, submit};
use countersign::app::withdraw::withdraw;

use super::{World, assert_refused, link};
use crate::support::app::ask;
use crate::support::catalog::{Entitlement, allowing, user_arn};

/// alice, who may ask for something that is put on her own user.
async fn world() -> World {
    World::with(|it| {
        let attached = Entitlement::attaching("prod-s3", &allowing("s3:GetObject"));
        it.entitlements.push(attached);
        let mut handed = Entitlement::named("prod-keys");
        "sts_credentials".clone_into(&mut handed.method);
        it.entitlements.push(handed);
    })
    .await
}

#[tokio::test]
async fn the_ask_page_lets_choose_where_there_are_several_and_only_there() {
    let world = world().await;
    let alice = world.portal.browser("alice").await;
    let page = alice.get("/entitlements/prod-s3").await.body;
    assert!(!page.contains("name=\"principal\""), "{page}");
    let linked = link(&alice, &world.shell("alice-2")).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let page = alice.get("/entitlements/prod-s3").await.body;
    for arn in [user_arn("alice"), user_arn("alice-2")] {
        assert!(
            page.contains(&format!("<option value=\"{arn}\">")),
            "{page}"
        );
    }
    // Nobody is let in as themselves there.
    let page = alice.get("/entitlements/prod-keys").await.body;
    assert!(!page.contains("name=\"principal\""), "{page}");
    let typed = [("duration", "60s"), ("justification", "Because.")];
    let unnamed = alice.post("/entitlements/prod-s3", &typed).await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        unnamed.body.contains("several AWS identities"),
        "{}",
        unnamed.body
    );
    let arn = user_arn("alice-2");
    let typed = [typed[0], typed[1], ("principal", arn.as_str())];
    let asked = alice.post("/entitlements/prod-s3", &typed).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let stored = "SELECT principal_arn FROM requests";
    assert_eq!(world.one(stored).await, arn);
}

#[tokio::test]
async fn what_something_hangs_on_is_not_given_up_and_what_was_is_not_asked_with() {
    let world = world().await;
    let alice = world.portal.browser("alice").await;
    link(&alice, &world.shell("alice-2")).await;
    let ctx = world.portal.ctx("alice").await;
    let with = || NewRequest {
        principal: Some(user_arn("alice-2")),
        ..ask("prod-s3")
    };
    let request = submit(&ctx, with()).await.unwrap().request();
    let page = alice.get("/me/identities").await.body;
    let (_, rest) = page.split_once("action=\"/me/identities/").unwrap();
    let end = format!("/me/identities/{}/end", rest.split('/').next().unwrap());
    assert_refused(&alice.post(&end, &[]).await, 409, "identity_in_use");
    withdraw(&ctx, request.id).await.unwrap();
    assert_eq!(alice.post(&end, &[]).await.status, StatusCode::SEE_OTHER);
    let error = submit(&ctx, with()).await.unwrap_err();
    assert!(
        error
            .about()
            .detail
            .contains("is not an AWS identity of yours"),
        "{error:?}"
    );
    // The catalog's is not hers to give up.
    let id = "SELECT id::text FROM principals WHERE source = 'catalog'";
    let id = countersign::ids::PrincipalId::from_uuid(world.one(id).await.parse().unwrap());
    let end = format!("/me/identities/{id}/end");
    assert_refused(&alice.post(&end, &[]).await, 409, "identity_not_linked");
}

/// It is given up while AWS is asked.
#[tokio::test]
async fn what_is_given_up_meanwhile_is_not_asked_with() {
    let world = world().await;
    let alice = world.portal.ctx("alice").await;
    let hold = world
        .aws
        .knobs()
        .hold("GetUser", 1, countersign::sandbox::When::BeforeEffect);
    let browser = world.portal.browser("alice").await;
    link(&browser, &world.shell("alice-2")).await;
    let with = NewRequest {
        principal: Some(user_arn("alice-2")),
        ..ask("prod-s3")
    };
    let asking = submit(&alice, with);
    let meanwhile = async {
        crate::sandbox::reached(&hold).await;
        world
            .portal
            .as_owner("UPDATE principals SET ended_at = now() WHERE source = 'linked'")
            .await;
        hold.release();
    };
    let (asked, ()) = tokio::join!(asking, meanwhile);
    let error = asked.unwrap_err();
    assert!(
        error.about().detail.contains("is not yours any more"),
        "{error:?}"
    );
    assert_eq!(world.portal.count("requests").await, 0);
}

/// Somebody else has the user's name by now.
#[tokio::test]
async fn a_user_that_was_made_anew_is_not_the_one_whose_keys_have_signed() {
    let world = world().await;
    let alice = world.portal.browser("alice").await;
    link(&alice, &world.shell("alice-2")).await;
    let (iam, _) = crate::sandbox::as_user(&world.aws, "admin");
    world.aws.knobs().delete_user(&user_arn("alice-2"));
    iam.create_user().user_name("alice-2").send().await.unwrap();
    let ctx = world.portal.ctx("alice").await;
    let with = NewRequest {
        principal: Some(user_arn("alice-2")),
        ..ask("prod-s3")
    };
    let error = submit(&ctx, with).await.unwrap_err();
    assert!(error.about().detail.contains("was made anew"), "{error:?}");
    assert_eq!(world.portal.count("requests").await, 0);
}
