//! Credentials of a role in an account that is worked in through a manager role.

use std::time::Duration;

use countersign::app::credentials::fetch;
use countersign::aws::Clouds;
use countersign::domain::fetch::MOST_TO_BEGIN;
use countersign::policy::assumable;
use secrecy::ExposeSecret as _;

use super::managers::SESSION;
use super::minutes;
use crate::support::cloud::Keys;
use crate::support::member::{MANAGER, Member, ROLE, US};

/// The trust policy of a role that lets us in as it has to.
fn lets_in(us: &str) -> String {
    let statements = assumable::statements(us);
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

#[tokio::test]
async fn credentials_are_handed_out_through_the_manager() {
    let trust = lets_in(MANAGER);
    let member = Member::with("sts_credentials", &trust).await;
    let grant = member.open(30).await;
    let given = fetch(&member.alice, grant).await.unwrap();
    let (secret, token) = (given.secret.expose_secret(), given.token.expose_secret());
    let keys = Keys::handed(&member.stage.cloud, &given.access_key_id, secret, token);
    assert!(keys.work().await);
    let mut calls = member.calls("AssumeRole");
    calls.retain(|call| call.params["RoleArn"] == ROLE);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].caller, SESSION);
    assert_eq!(calls[0].params["RoleSessionName"], grant.to_string());
    assert_eq!(
        calls[0].params["SourceIdentity"],
        member.alice.person.id.to_string()
    );
    member.end(grant).await;
    member.work().await;
    assert!(!keys.work().await, "an early end cuts them");
}

#[tokio::test]
async fn a_role_that_lets_in_the_hub_and_not_the_manager_is_told_whom_to_let_in() {
    let trust = lets_in(US);
    let member = Member::with("sts_credentials", &trust).await;
    let refused = member.ask(30).await.unwrap_err();
    assert_eq!(refused.told_code(), "role_not_assumable");
    let about = format!("{:?}", refused.about());
    assert!(about.contains(MANAGER), "{about}");
}

#[tokio::test]
async fn a_fetch_whose_manager_refuses_us_has_failed_and_is_not_waited_for() {
    let trust = lets_in(MANAGER);
    let member = Member::with("sts_credentials", &trust).await;
    let grant = member.open(120).await;
    member.pass(minutes(57)).await;
    member.lets_in(MANAGER, "somebody-elses");
    let refused = fetch(&member.alice, grant).await;
    assert_eq!(refused.map(drop).unwrap_err().told_code(), "aws_refused");
    assert_eq!(member.fetched().await, "failed denied");
}

/// F4: the process is stopped between its intent and its call, here while it waits for the
/// manager's session, for longer than that may take. It asks for no session of the role any more.
#[tokio::test]
async fn f4_a_process_that_wakes_long_after_its_intent_does_not_ask_sts() {
    let trust = lets_in(MANAGER);
    let member = Member::with("sts_credentials", &trust).await;
    let grant = member.open(60).await;
    // A process that has not been in the account yet, and is patient.
    let (stage, minute) = (&member.stage, Duration::from_secs(60));
    let clouds = Clouds::with(&stage.cloud.endpoint(), stage.key, "secret", minute).await;
    let app = member.app.clone().with_clouds(clouds);
    let alice = app.ctx("alice").await;
    let held = stage.cloud.hold("AssumeRole", false);
    let (answer, ()) = tokio::join!(fetch(&alice, grant), async {
        held.reached().await;
        tokio::time::sleep(MOST_TO_BEGIN.to_std().unwrap()).await;
        held.release();
    });
    assert_eq!(answer.map(drop).unwrap_err().told_code(), "aws_silent");
    assert_eq!(member.fetched().await, "failed too_late");
    let mut calls = member.calls("AssumeRole");
    calls.retain(|call| call.params["RoleArn"] == ROLE);
    assert_eq!(calls.len(), 0);
}
