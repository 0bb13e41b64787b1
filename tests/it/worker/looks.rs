//! Looks for those who ask: many who ask for the same make one call, and none is made on the
//! worker's account.

use std::time::Duration;

use countersign::aws::{self, Clouds};
use countersign::policy::outlive::Permissions;

use crate::support::cloud::{Knob, as_ourselves};
use crate::support::rows::ROLE;
use crate::support::stage::{FOREIGN, Stage};

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
    assert_ne!(one.principal, three.principal);
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

/// An analysis of many policies waits for its own share of the calls alone.
#[tokio::test]
async fn what_a_look_needs_is_not_taken_by_analyses() {
    let stage = Stage::new().await;
    let knobs = stage.cloud.knobs();
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
    let roles = ["one", "two", "three", "four"].map(|name| format!("{ROLE}-{name}"));
    for role in &roles {
        knobs.create_role(role, FOREIGN).unwrap();
        for nth in 0..25 {
            let name = format!("p{nth}");
            knobs.put_role_policy(role, &name, Some(text)).unwrap();
        }
    }
    let looked_at: Vec<String> = (0..15).map(|nth| format!("{ROLE}-{nth}")).collect();
    for role in &looked_at {
        knobs.create_role(role, FOREIGN).unwrap();
    }
    let endpoint = stage.cloud.endpoint();
    let clouds = Clouds::with(&endpoint, stage.key, "secret", Duration::from_secs(60)).await;
    let client = as_ourselves(&clouds, ROLE).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    let analyses = roles.map(|role| {
        let client = client.clone();
        tokio::spawn(async move { aws::permissions(&client, &role, &[], until).await })
    });
    // What their share had saved up is gone.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = std::time::Instant::now();
    for role in &looked_at {
        aws::check(&client, role, None).await.unwrap();
    }
    // Out of one share with them these calls alone would take three quarters of a second.
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(650), "{took:?}");
    let late = async |analysis: tokio::task::JoinHandle<_>| {
        let known: std::sync::Arc<Permissions> = analysis.await.unwrap();
        known
            .policies
            .iter()
            .filter(|it| it.text == Err("late"))
            .count()
    };
    let mut waited = 0;
    for analysis in analyses {
        waited += late(analysis).await;
    }
    assert!(waited > 0, "there was more to read than their share");
}
