//! Looks for those who ask: many who ask for the same make one call, and none is made on the
//! worker's account.

use std::time::Duration;

use countersign::aws::{self, Clouds};

use crate::support::cloud::{Knob, as_ourselves};
use crate::support::rows::ROLE;
use crate::support::stage::Stage;

#[tokio::test]
async fn many_who_ask_for_one_role_make_one_look() {
    let stage = Stage::new().await;
    let users = ["alice", "carol"].map(|name| stage.cloud.create_user(name));
    let endpoint = stage.cloud.endpoint();
    let clouds = Clouds::with(&endpoint, stage.key, "secret", Duration::from_secs(60)).await;
    let client = as_ourselves(&clouds, ROLE).await;
    let held = stage.cloud.hold("GetRole", false);
    let look = async |user: usize| aws::check(&client, ROLE, Some(&users[user])).await.unwrap();
    let released = async {
        held.reached().await;
        held.release();
    };
    // All have begun before the one call is answered.
    let (one, two, three, four, ()) = tokio::join!(look(0), look(0), look(1), look(1), released);
    assert_eq!((&one, &three), (&two, &four));
    assert_eq!(one.role_id, three.role_id);
    assert_ne!(one.principal_id, three.principal_id);
    let log = stage.cloud.take_log();
    let count = |action: &str| log.iter().filter(|it| *it == action).count();
    assert_eq!((count("GetRole"), count("GetUser")), (1, 2), "{log:?}");
    assert_eq!(count("GetAccountSummary"), 1, "{log:?}");
}

#[tokio::test]
async fn a_look_that_failed_is_not_believed() {
    let stage = Stage::new().await;
    let user = stage.cloud.create_user("alice");
    let endpoint = stage.cloud.endpoint();
    let clouds = Clouds::with(&endpoint, stage.key, "secret", Duration::from_secs(60)).await;
    let client = as_ourselves(&clouds, ROLE).await;
    stage
        .cloud
        .once("GetRole", Knob::Refuse("ServiceFailure", 500));
    aws::check(&client, ROLE, Some(&user)).await.unwrap_err();
    aws::check(&client, ROLE, Some(&user)).await.unwrap();
    stage.cloud.delete_user("alice");
}
