//! Where one is signed in: the page, and the ends of one session, of all, and of the one at hand.

use axum::http::StatusCode;
use countersign::ids::SessionId;

use super::World;
use crate::support::portal::Browser;

/// The ids of the sessions that a page can end.
fn ids(page: &str) -> Vec<String> {
    let places = page.split("action=\"/me/sessions/").skip(1);
    let ids = places.map(|it| it.split(['/', '"']).next().unwrap().to_owned());
    ids.filter(|it| it != "end-all").collect()
}

async fn is_signed_in(browser: &Browser<'_>) -> bool {
    browser.get("/requests").await.status == StatusCode::OK
}

#[tokio::test]
async fn one_sees_and_ends_ones_own_sessions_and_nobody_elses() {
    let world = World::new().await;
    let (here, there, elsewhere) = (
        world.alice().await,
        world.alice().await,
        world.alice().await,
    );
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["sub"] = serde_json::json!("bob-1");
    let bob = world.browser(&world.come_back(&flow, &claims).await);

    let page = here.get("/me/sessions").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(
        page.body.matches("Firefox of alice").count(),
        5,
        "three, two of them on buttons"
    );
    assert_eq!(page.body.matches("This browser").count(), 1);
    let others = ids(&page.body);
    assert_eq!(others.len(), 2);

    let own = ids(&bob.get("/me/sessions").await.body);
    assert!(
        own.is_empty(),
        "bob has the one alone, which he ends by signing out"
    );
    let stolen = bob
        .post(&format!("/me/sessions/{}/end", others[0]), &[])
        .await;
    assert_eq!(stolen.status, StatusCode::NOT_FOUND);
    let nothing = format!("/me/sessions/{}/end", SessionId::new());
    assert_eq!(here.post(&nothing, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        here.post("/me/sessions/x/end", &[]).await.status,
        StatusCode::BAD_REQUEST
    );
    assert!(is_signed_in(&there).await && is_signed_in(&elsewhere).await);

    let path = format!("/me/sessions/{}/end", others[0]);
    let ended = here.post(&path, &[]).await;
    assert_eq!(ended.place(), "/me/sessions");
    assert_ne!(is_signed_in(&there).await, is_signed_in(&elsewhere).await);
    assert_eq!(
        here.post(&path, &[]).await.status,
        StatusCode::NOT_FOUND,
        "a second click"
    );

    let all = here.post("/me/sessions/end-all", &[]).await;
    assert_eq!(all.place(), "/sign-in?signed_out=1");
    assert!(all.header("set-cookie").contains("Max-Age=0"));
    for gone in [&here, &there, &elsewhere] {
        assert!(!is_signed_in(gone).await);
    }
    assert!(is_signed_in(&bob).await);
    assert_eq!(world.portal.done("session.ended").await, 3);
}

#[tokio::test]
async fn who_has_signed_out_is_shown_where_to_sign_out_of_the_provider() {
    let world = World::new().await;
    let alice = world.alice().await;
    let out = alice.post("/sign-out", &[]).await;
    assert_eq!(out.place(), "/sign-in?signed_out=1");
    let page = world.portal.stranger().get(out.place()).await;
    let link = format!("href=\"{}/end\"", world.provider.issuer);
    assert!(page.body.contains(&link), "{}", page.body);
    let page = world.portal.stranger().get("/sign-in").await;
    assert!(!page.body.contains(&link), "nobody has signed out");
    assert!(
        page.body.contains("href=\"/sign-in/start?next=%2F\""),
        "{}",
        page.body
    );
}
