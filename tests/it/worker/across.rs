//! A switch from one account into a role of another, and what a silent account keeps open.

use super::minutes;
use crate::sandbox::OTHER;
use crate::support::elevation::Elevation;
use crate::support::member::Member;

const HOME: &str = "111122223333";

#[tokio::test]
async fn she_switches_into_a_role_of_another_account() {
    let world = Member::across().await;
    let grant = world.open(60).await;
    let session = world.assume(grant).await.unwrap();
    assert!(session.work().await);
    world.end(grant).await;
    world.work().await;
    assert!(!session.work().await);
    assert!(world.assume(grant).await.is_none());
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// I6: the role's account does not answer at the end. New sessions are stopped at once; the grant
/// is over when the guard is.
#[tokio::test]
async fn i6_a_silent_role_keeps_its_live_session_and_no_new_one() {
    let world = Member::across().await;
    let grant = world.open(60).await;
    let session = world.assume(grant).await.unwrap();
    let knobs = world.stage.cloud.knobs();
    knobs.silent(OTHER, true);
    world.end(grant).await;
    world.work().await;
    knobs.silent(OTHER, false);
    assert!(world.assume(grant).await.is_none());
    assert!(session.work().await, "nobody could write the guard");
    assert_eq!(world.stage.state(grant).await, "closing");
    world.pass(minutes(6)).await;
    assert!(!session.work().await);
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// The other way round: the guard alone ends everything.
#[tokio::test]
async fn i6_a_silent_user_is_no_way_in() {
    let world = Member::across().await;
    let grant = world.open(60).await;
    let session = world.assume(grant).await.unwrap();
    let knobs = world.stage.cloud.knobs();
    for action in [
        "ListUserPolicies",
        "GetUserPolicy",
        "GetUser",
        "PutUserPolicy",
    ] {
        let fault = countersign::sandbox::Fault::DropConnection;
        knobs.fail_always(action, countersign::sandbox::When::BeforeEffect, fault);
    }
    world.end(grant).await;
    world.work().await;
    assert!(!session.work().await);
    let again = world.assume(grant).await.unwrap();
    assert!(
        !again.work().await,
        "{HOME} still lets her in, and there is nothing to do"
    );
    assert_eq!(world.stage.state(grant).await, "closing");
    knobs.clear();
    world.pass(minutes(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// Killed in the middle of any write, before AWS has done it or after: the next worker goes on, and
/// nobody is in without the guard.
#[tokio::test]
async fn killed_at_each_write_it_goes_on() {
    for (action, ends) in [
        ("PutRolePolicy", false),
        ("PutUserPolicy", false),
        ("PutRolePolicy", true),
        ("PutUserPolicy", true),
    ] {
        for after in [false, true] {
            let world = Elevation::switching().await;
            let grant = world.approved(600).await;
            if ends {
                world.stage.work().await;
                world.end(grant).await;
            }
            let held = world.stage.cloud.hold(action, after);
            let worker = world.stage.worker().await;
            tokio::select! {
                _ = worker.run_until_idle() => panic!("{action} is held"),
                () = held.reached() => {}
            }
            held.release();
            let wanted = if ends { "ended" } else { "active" };
            for minute in 0..40 {
                world.stage.pass(minutes(1)).await;
                let session = world.stage.cloud.keys("alice").assume("alice").await;
                if let Some(session) = session {
                    let may = !ends && world.stage.listed(grant);
                    assert_eq!(session.work().await, may, "{action} {after} {minute}");
                }
                if world.stage.state(grant).await == wanted {
                    break;
                }
            }
            assert_eq!(world.stage.state(grant).await, wanted, "{action} {after}");
        }
    }
}
