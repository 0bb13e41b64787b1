//! Trying, from a revocation's page, whether AWS denies what has ended.

use axum::http::StatusCode;
use countersign::app::revoke::carry_on;

use crate::support::elevation::Elevation;

#[tokio::test]
async fn an_admin_tries_from_the_page_and_reads_there_what_was_seen() {
    let world = Elevation::new().await;
    world
        .app
        .change(|catalog| {
            catalog.regroup("ada", &["admins"]);
            catalog.regroup("otto", &["auditors"]);
        })
        .await;
    let grant = world.open(60).await;
    world.fetch(grant).await.unwrap();
    let portal = world.app.portal();
    let (ada, otto) = (portal.browser("ada").await, portal.browser("otto").await);
    let form = [("everything", "everything"), ("reason", "Now")];
    let place = ada.post("/revocations", &form).await.place().to_owned();
    let id = place.trim_start_matches("/revocations/").parse().unwrap();
    carry_on(&portal.app, id).await.unwrap();
    let path = format!("{place}/probe");
    let tried = [("grant", &*grant.to_string())];
    let early = ada.post(&path, &tried).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert!(early.body.contains("This was not done"), "{}", early.body);
    assert!(early.body.contains("this grant is closing"));
    world.stage.work().await;
    let button =
        format!("action=\"{path}\"><input type=\"hidden\" name=\"grant\" value=\"{grant}\">");
    assert!(ada.get(&place).await.body.contains(&button));
    assert!(!otto.get(&place).await.body.contains(&button));
    let refused = otto.post(&path, &tried).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    for (guard, word) in [
        (true, "AWS denies its session"),
        (false, "AWS does not deny its session"),
    ] {
        if !guard {
            world.stage.cloud.delete_guard();
        }
        let done = ada.post(&path, &tried).await;
        assert_eq!(
            (done.status, done.place()),
            (StatusCode::SEE_OTHER, &*place)
        );
        let page = otto.get(&place).await.body;
        assert!(page.contains(word), "{word}: {page}");
    }
    // The grant's own history tells it as well.
    let page = ada.get(&format!("/grants/{grant}")).await;
    let request = page.place().split('#').next().unwrap().to_owned();
    let page = ada.get(&request).await.body;
    assert!(
        page.contains("Ada tried whether it is denied: AWS denied its session"),
        "{page}"
    );
}
