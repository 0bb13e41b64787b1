//! The page with the link to the console.

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;

use crate::support::cloud::Knob;
use crate::support::console::Console;
use crate::support::elevation::Elevation;

/// Where the page's link leads.
fn href(page: &str) -> String {
    let (_, rest) = page
        .split_once("<a class=\"button primary\" href=\"")
        .unwrap();
    let (href, rest) = rest.split_once('"').unwrap();
    assert!(rest.starts_with(" rel=\"noreferrer\">"), "{rest}");
    href.replace("&#38;", "&").replace("&amp;", "&")
}

#[tokio::test]
async fn the_button_of_an_open_grant_leads_to_a_page_with_a_link_that_signs_in() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let portal = world.app.portal();
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    let path = format!("/grants/{grant}/console-link");
    let form = format!("<form class=\"console\" method=\"post\" action=\"{path}\">");
    let place = alice.get(&format!("/grants/{grant}")).await;
    let request = place.place().split('#').next().unwrap().to_owned();
    assert!(alice.get(&request).await.body.contains(&form));
    assert!(!bob.get(&request).await.body.contains(&form), "not hers");

    let refused = bob.post(&path, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    let page = alice.post(&path, &[]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(page.header(CACHE_CONTROL), "no-store");
    let console = Console::open(&world.stage.cloud, &href(&page.body)).await;
    assert!(console.unwrap().works().await);

    // Shown once: whoever reloads the page gets to the grant.
    let again = alice.get(&path).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(again.place(), place.place());
    let shown = alice.get(&request).await.body;
    assert!(
        shown.contains("alice took a link to the console: ASIA"),
        "{shown}"
    );
    assert!(!shown.contains("SigninToken"));
}

#[tokio::test]
async fn why_there_is_no_link_is_told_on_the_page() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let portal = world.app.portal();
    let alice = portal.browser("alice").await;
    let path = format!("/grants/{grant}/console-link");
    world
        .stage
        .cloud
        .once("GetSigninToken", Knob::Refuse("AccessDenied", 403));
    let told = alice.post(&path, &[]).await;
    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert!(
        told.body.contains("makes no link to the console"),
        "{}",
        told.body
    );
    world.end(grant).await;
    let told = alice.post(&path, &[]).await;
    assert_eq!(told.status, StatusCode::CONFLICT);
    assert!(told.body.contains("This was not done"), "{}", told.body);
    assert!(told.body.contains("this grant is closing"), "{}", told.body);
}
