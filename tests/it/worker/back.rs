//! What was taken away and is there again, or was changed by a hand, while AWS does not let us
//! write (docs/carrier.md, T2): it is not said to be over.

use chrono::{DateTime, Utc};
use countersign::app::find;
use countersign::db::targets::claim;
use countersign::ids::GrantId;
use countersign::policy::inline::ENDED;

use super::attach::{alarms, put};
use super::minutes;
use super::revocations::{admins, all, everything, seen};
use super::switch::{policy, policy_name};
use crate::support::catalog::user_arn;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;

/// AWS does not let us write to users.
fn refuse(world: &Elevation) {
    for call in ["PutUserPolicy", "DeleteUserPolicy"] {
        let denied = Knob::Refuse("AccessDenied", 403);
        world.stage.cloud.always(call, denied);
    }
}

/// Alice's page of the grant's request.
async fn page(world: &Elevation, grant: GrantId) -> String {
    let portal = world.app.portal();
    let alice = portal.browser("alice").await;
    let to = alice.get(&format!("/grants/{grant}")).await;
    let place = to.place().split('#').next().unwrap_or_default();
    let page = alice.get(place).await;
    assert_eq!(page.status, 200, "{place}: {}", page.body);
    page.body
}

async fn delays(world: &Elevation, grant: GrantId) -> usize {
    let told = world.stage.rows.told(grant).await;
    told.iter().filter(|it| *it == "grant.delayed").count()
}

/// Whether the user is among the targets that closings alone are worked on.
async fn is_a_closing(world: &Elevation) -> bool {
    let mut conn = world.stage.rows.pool.acquire().await.unwrap();
    let now = Some(world.stage.now() + minutes(6));
    let claimed = claim(&mut conn, now, minutes(1), 10, true, &[])
        .await
        .unwrap();
    claimed.taken.iter().any(|it| it.arn == user_arn("alice"))
}

#[tokio::test]
async fn t2_what_aws_does_not_let_be_ended_again_is_told_and_is_not_settled() {
    let world = Elevation::attaching().await;
    let (ada, _) = admins(&world.app).await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(600).await;
    let deadline = world.stage.now() + minutes(600);
    let name = policy_name(&world, grant).await;
    let text = policy(&world, grant).await.unwrap();
    let revocation = all(&ada, everything()).await;
    world.stage.work().await;
    world.stage.pass(minutes(1)).await;
    let (view, _) = seen(&ada, revocation).await;
    assert!(view.is_proven());
    assert_eq!(view.sum.works_until, None);
    assert!(!is_a_closing(&world).await);

    refuse(&world);
    put(&world, &name, Some(&text));
    world.stage.pass(minutes(10)).await;
    assert!(alice.work().await, "nobody lets us take it away");
    assert_eq!(world.stage.state(grant).await, "ended");
    let (view, grants) = seen(&ada, revocation).await;
    assert!(!view.is_proven());
    assert_eq!(view.sum.works_until, Some(deadline));
    assert_eq!(grants[0].works_until, Some(deadline));
    assert_eq!(grants[0].settled_at, None);
    assert_eq!(grants[0].of.delayed_by.as_deref(), Some("denied"));
    assert_eq!(delays(&world, grant).await, 1);
    assert_eq!(alarms(&world).await, ["came_back"]);
    let shown = find::grant(&world.alice, grant).await.unwrap();
    assert_eq!(shown.delay.unwrap().error, "denied");
    let found = find::request(&world.alice, shown.request.id).await.unwrap();
    assert_eq!(found.settled_at, None);
    assert_eq!(found.delay.unwrap().error, "denied");
    let text_of_page = page(&world, grant).await;
    for words in [
        "It is there again",
        "Open again",
        "deletes the policy that begins with",
    ] {
        assert!(text_of_page.contains(words), "{words}: {text_of_page}");
    }
    assert!(is_a_closing(&world).await);
    for _ in 0..12 {
        world.stage.pass(minutes(6)).await;
    }
    assert_eq!(delays(&world, grant).await, 2, "each hour");

    world.stage.cloud.knobs().clear();
    world.stage.pass(minutes(6)).await;
    world.stage.pass(minutes(1)).await;
    assert!(!alice.work().await);
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    let (view, grants) = seen(&ada, revocation).await;
    assert!(view.is_proven());
    assert_eq!(grants[0].works_until, None);
    assert!(!page(&world, grant).await.contains("It is there again"));
    assert!(!is_a_closing(&world).await);
}

/// At the deadline of the row AWS refuses nothing by itself: a hand has moved the date.
#[tokio::test]
async fn i8_a_date_that_a_hand_has_moved_is_told_while_it_cannot_be_taken_away() {
    let world = Elevation::attaching().await;
    let (ada, _) = admins(&world.app).await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(60).await;
    let name = policy_name(&world, grant).await;
    let text = policy(&world, grant).await.unwrap();
    let later: DateTime<Utc> = "2026-01-05T14:00:00Z".parse().unwrap();
    refuse(&world);
    let moved = text.replace("2026-01-05T10:00:00Z", "2026-01-05T14:00:00Z");
    put(&world, &name, Some(&moved));
    let revocation = all(&ada, everything()).await;
    world.stage.work().await;
    world.stage.pass(minutes(90)).await;
    assert!(alice.work().await && world.stage.state(grant).await == "closing");
    let (view, grants) = seen(&ada, revocation).await;
    assert_eq!(view.sum.works_until, Some(later));
    assert_eq!(grants[0].works_until, Some(later));
    let text_of_page = page(&world, grant).await;
    for words in [
        "at the latest until",
        "14:00:00",
        "deletes the policy that begins with",
    ] {
        assert!(text_of_page.contains(words), "{words}: {text_of_page}");
    }
    assert!(!text_of_page.contains("since then AWS refuses it by itself"));
}

/// Nothing is there again of a user who is not.
#[tokio::test]
async fn what_ends_with_its_user_is_settled() {
    let world = Elevation::attaching().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.open(600).await;
    world.stage.cloud.delete_user("alice");
    let revocation = all(&ada, everything()).await;
    for _ in 0..3 {
        world.stage.pass(minutes(1)).await;
    }
    assert_eq!(world.stage.state(grant).await, "ended");
    assert!(seen(&ada, revocation).await.0.is_proven());
    assert!(!page(&world, grant).await.contains("It is there again"));
}
