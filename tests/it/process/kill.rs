//! SIGKILL at every arrow of the loop: between any two of its AWS calls, before and after the
//! effect of each.

use countersign::sandbox::When;

use crate::sandbox::reached;
use crate::support::world::{TRUST, World};

/// The calls of one opening, in their order, by action and count from the approval.
const OPENING: [(&str, usize, When); 9] = [
    ("GetRole", 1, When::BeforeEffect),
    ("GetRolePolicy", 1, When::AfterEffect),
    ("PutRolePolicy", 1, When::BeforeEffect),
    ("PutRolePolicy", 1, When::AfterEffect),
    ("GetRolePolicy", 2, When::BeforeEffect),
    ("UpdateAssumeRolePolicy", 1, When::BeforeEffect),
    ("UpdateAssumeRolePolicy", 1, When::AfterEffect),
    ("GetRole", 2, When::BeforeEffect),
    ("GetRole", 2, When::AfterEffect),
];

/// The calls of one closing, counted from the end.
const CLOSING: [(&str, usize, When); 8] = [
    ("GetRole", 1, When::BeforeEffect),
    ("PutRolePolicy", 1, When::BeforeEffect),
    ("PutRolePolicy", 1, When::AfterEffect),
    ("GetRolePolicy", 2, When::BeforeEffect),
    ("UpdateAssumeRolePolicy", 1, When::BeforeEffect),
    ("UpdateAssumeRolePolicy", 1, When::AfterEffect),
    ("GetRole", 2, When::BeforeEffect),
    ("GetRole", 2, When::AfterEffect),
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_arrow_of_an_opening_the_next_start_opens_once_and_closes_without_a_trace() {
    for (action, nth, when) in OPENING {
        let world = World::new().await;
        let serve = world.serve();
        let request = world.submit(&serve, "PT1H").await;
        let hold = world.sandbox.knobs().hold(action, nth, when);
        let grant = world.approve(&serve, &request).await;
        reached(&hold).await;
        serve.kill();
        hold.release();

        let serve = world.serve();
        let arrow = format!("{action} {nth} {when:?}");
        serve.reaches(&world.alice, &grant, "active").await;
        assert_eq!(world.our_statements(), 1, "{arrow}");
        world
            .assume("alice", &grant)
            .await
            .unwrap_or_else(|e| panic!("{arrow}: {e}"));
        world.end(&serve, &grant).await;
        serve.reaches(&world.alice, &grant, "ended").await;
        assert_eq!(world.trust(), TRUST, "{arrow}");
        world.assert_once(&serve, &grant, "grant.opened").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_arrow_of_a_closing_the_next_start_finishes_it() {
    for (action, nth, when) in CLOSING {
        let world = World::new().await;
        let serve = world.serve();
        let request = world.submit(&serve, "PT1H").await;
        let grant = world.approve(&serve, &request).await;
        serve.reaches(&world.alice, &grant, "active").await;
        let session = world
            .assume("alice", &grant)
            .await
            .expect("the grant is open");
        let hold = world.sandbox.knobs().hold(action, nth, when);
        world.end(&serve, &grant).await;
        reached(&hold).await;
        serve.kill();
        hold.release();

        let serve = world.serve();
        let arrow = format!("{action} {nth} {when:?}");
        serve.reaches(&world.alice, &grant, "ended").await;
        assert_eq!(world.trust(), TRUST, "{arrow}");
        assert!(!world.works(&session).await, "{arrow}");
        world.assert_refused("alice", &grant).await;
        world.assert_once(&serve, &grant, "grant.ended").await;
    }
}
