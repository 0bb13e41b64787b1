//! Tools that keep all inline policies of a user to themselves (docs/carrier.md, T10).

use axum::http::StatusCode;
use chrono::TimeDelta;
use countersign::app::submit::submit;
use countersign::app::withdraw::withdraw;
use countersign::ids::GrantId;

use super::minutes;
use super::switch::{policy, policy_name};
use crate::support::catalog::user_arn;
use crate::support::elevation::Elevation;

const TOLD: &str = "It may be taken away again.";

/// The tool runs.
async fn cleans_up(world: &Elevation, grant: GrantId) {
    let name = policy_name(world, grant).await;
    let knobs = world.stage.cloud.knobs();
    knobs
        .put_user_policy(&user_arn("alice"), &name, None)
        .unwrap();
}

/// Whether she is told before she asks, and bob before he decides.
async fn told(world: &Elevation) -> (bool, bool) {
    let portal = world.app.portal();
    let page = async |who: &str, path: &str| {
        let page = portal.browser(who).await.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.body.contains(TOLD)
    };
    let asked = submit(&world.alice, Elevation::wish(60)).await.unwrap();
    let asked = asked.request().id;
    let review = page("bob", &format!("/requests/{asked}")).await;
    withdraw(&world.alice, asked).await.unwrap();
    (page("alice", "/entitlements/prod-admin").await, review)
}

/// One more, with the console's name, which is hers again from δ on.
async fn opened(world: &Elevation) -> GrantId {
    let grant = world.approved(60).await;
    world.stage.work().await;
    world.stage.pass(TimeDelta::seconds(6)).await;
    assert_eq!(world.stage.state(grant).await, "active");
    grant
}

async fn undone(world: &Elevation, grant: GrantId, runs: usize) {
    for _ in 0..runs {
        cleans_up(world, grant).await;
        for _ in 0..3 {
            world.stage.pass(minutes(1)).await;
        }
    }
    let row = world.stage.grant(grant).await;
    assert_eq!(row.state, "ended");
    assert_eq!(row.cause.as_deref(), Some("reverted_by_owner"));
    assert_eq!(policy(world, grant).await, None, "it is not fought");
}

/// T10: each run ends what is attached; a switch is put back twice. After the first time that is
/// said where somebody asks for the next one, or decides on it, until one has stayed.
#[tokio::test]
async fn t10_what_takes_every_policy_away_is_named_after_the_first_time() {
    for (world, runs) in [
        (Elevation::attaching().await, 1),
        (Elevation::switching().await, 3),
    ] {
        assert_eq!(told(&world).await, (false, false));
        for _ in 0..2 {
            let grant = opened(&world).await;
            undone(&world, grant, runs).await;
            assert_eq!(told(&world).await, (true, true), "{runs}");
        }
        let grant = opened(&world).await;
        world.end(grant).await;
        world.stage.work().await;
        assert_eq!(told(&world).await, (false, false), "{runs}");
    }
}

/// T10: what ended it is said in words that are so of every method.
#[tokio::test]
async fn t10_the_page_of_the_grant_says_what_ended_it() {
    let world = Elevation::attaching().await;
    let grant = world.open(60).await;
    undone(&world, grant, 1).await;
    let shown = countersign::app::find::grant(&world.alice, grant).await;
    let path = format!("/requests/{}", shown.unwrap().grant.request);
    let portal = world.app.portal();
    let page = portal.browser("alice").await.get(&path).await.body;
    assert!(
        page.contains("Ended: somebody undid in AWS what was written for it."),
        "{page}"
    );
    assert!(!page.contains(TOLD), "nothing is asked for here");
}
