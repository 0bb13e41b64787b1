//! Who comes into a role of another account by its trust policy: both accounts have to let them,
//! and theirs tells who they are.

use countersign::app::aws_setup::setup;
use countersign::app::submit::NewRequest;
use countersign::domain::demands::ExternalId;

use super::minutes;
use crate::support::catalog::{Account, Catalog};
use crate::support::cloud::{Knob, Shown};
use crate::support::member::{ALICE_AT_HOME, Member, ROLE, US};

const HOME: &str = "111122223333";
const ID: &str = "vendor-7f3d2a8e";

#[tokio::test]
async fn she_comes_from_another_account_from_the_opening_to_the_deadline() {
    let world = Member::visiting().await;
    assert!(world.ask(60).await.unwrap().target_checked);
    let grant = world.open(60).await;
    let session = world.assume(grant).await.unwrap();
    assert!(session.work().await);
    world.stage.advance(minutes(60));
    assert!(!session.work().await);
    assert!(world.assume(grant).await.is_none());
    world.pass(minutes(1)).await;
    world.pass(minutes(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// A vendor's role: it asks for an external ID, and the console cannot come in.
#[tokio::test]
async fn an_external_id_goes_along() {
    let world = Member::visiting().await;
    let asks = |catalog: &mut Catalog| {
        let more = &mut catalog.entitlement("staging-admin").more;
        more.insert("external_id".to_owned(), ID.into());
    };
    world.app.change(asks).await;
    let grant = world.open(60).await;
    let own = grant.to_string();
    let alice = world.stage.cloud.keys("alice");
    let with = |id| Shown {
        external_id: Some(id),
        ..Shown::default()
    };
    assert!(alice.assume_role(ROLE, &own).await.is_none());
    assert!(
        alice
            .assume_showing(ROLE, &own, with(&world.external_id))
            .await
            .is_none()
    );
    assert!(
        alice
            .assume_showing(ROLE, "alice", with(ID))
            .await
            .is_none()
    );
    let session = alice.assume_showing(ROLE, &own, with(ID)).await.unwrap();
    assert!(session.work().await);
    world.end(grant).await;
    world.work().await;
    assert!(!session.work().await);
    assert!(ExternalId::parse(&world.external_id).is_some());
}

/// What her own account has to give us for that, where nothing else is opened or carried there.
#[tokio::test]
async fn her_account_is_asked_for_no_more_than_to_look() {
    let world = Member::visiting().await;
    let rights = async || {
        let us = Some(US.to_owned());
        let setup = setup(&world.app.app, HOME, us).await.unwrap();
        setup.cloudformation()["Resources"]["Countersign"]["Properties"].to_string()
    };
    let retire = |catalog: &mut Catalog| {
        for entitlement in &mut catalog.entitlements {
            if entitlement.name != "staging-admin" {
                "nobody".clone_into(&mut entitlement.requester_group);
                "sts_credentials".clone_into(&mut entitlement.method);
            }
        }
    };
    world.app.change(retire).await;
    let told = rights().await;
    for action in ["iam:GetUser", "iam:SimulatePrincipalPolicy"] {
        assert!(told.contains(action), "{told}");
    }
    for action in ["iam:PutUserPolicy", "iam:UpdateAssumeRolePolicy"] {
        assert!(!told.contains(action), "{told}");
    }
    let others = |catalog: &mut Catalog| {
        "nobody".clone_into(&mut catalog.entitlement("staging-admin").requester_group);
    };
    world.app.change(others).await;
    assert!(!rights().await.contains("iam:GetUser"));
}

/// The trust policy alone would open nothing: a switch brings the other half along.
#[tokio::test]
async fn who_is_not_allowed_at_home_is_refused_when_she_asks() {
    let world = Member::visiting().await;
    world.allows_at_home(false);
    let error = world.ask(60).await.unwrap_err();
    assert_eq!(error.told_code(), "identity_not_allowed");
    let told = error.about().detail.into_owned();
    assert!(
        told.contains(ALICE_AT_HOME) && told.contains("switch"),
        "{told}"
    );
    // Nobody is kept from asking by what cannot be known.
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("SimulatePrincipalPolicy", refuse);
    assert!(world.ask(60).await.unwrap().target_checked);
}

#[tokio::test]
async fn whom_nobody_lets_us_see_is_refused_when_she_asks() {
    let world = Member::visiting().await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("GetUser", refuse);
    assert_eq!(world.ask(60).await.unwrap_err().told_code(), "user_unseen");
    world.stage.cloud.knobs().clear();
    // Of an account in which we are nobody, our own tells nothing.
    let elsewhere = "arn:aws:iam::777788889999:user/alice";
    let moved = |catalog: &mut Catalog| {
        catalog.accounts.push(Account {
            id: "777788889999".to_owned(),
            name: "Elsewhere".to_owned(),
            ..Account::default()
        });
        catalog
            .person("alice")
            .principals
            .push(elsewhere.to_owned());
    };
    world.app.change(moved).await;
    let ask = NewRequest {
        principal: Some(elsewhere.to_owned()),
        ..asking()
    };
    let refused = countersign::app::submit::submit(&world.alice, ask).await;
    assert_eq!(refused.unwrap_err().told_code(), "user_unseen");
    // Of two identities elsewhere one has to be named.
    let refused = countersign::app::submit::submit(&world.alice, asking()).await;
    assert_eq!(refused.unwrap_err().told_code(), "principal_ambiguous");
}

fn asking() -> NewRequest {
    NewRequest {
        entitlement: "staging-admin".to_owned(),
        duration_seconds: 3_600,
        justification: "The database is on fire".to_owned(),
        ..NewRequest::default()
    }
}

/// C8: whoever has her name by then is not whom anybody approved.
#[tokio::test]
async fn c8_a_user_who_was_made_anew_at_home_is_not_let_in() {
    let world = Member::visiting().await;
    let grant = world.approved(60).await;
    let knobs = world.stage.cloud.knobs();
    knobs.delete_user(ALICE_AT_HOME);
    knobs.create_user(ALICE_AT_HOME, "AKIAALICE", "secret");
    world.allows_at_home(true);
    world.work().await;
    assert!(world.assume(grant).await.is_none());
    for _ in 0..3 {
        world.pass(minutes(6)).await;
    }
    assert!(world.assume(grant).await.is_none());
    assert_eq!(world.stage.state(grant).await, "failed");
}

/// A home that does not answer opens nothing, ends nothing, and keeps no closing waiting.
#[tokio::test]
async fn a_silent_home_says_nothing() {
    let world = Member::visiting().await;
    let open = world.open(60).await;
    let session = world.assume(open).await.unwrap();
    let waiting = world.approved(60).await;
    world.stage.cloud.always("GetUser", Knob::Drop(false));
    world.pass(minutes(1)).await;
    assert_eq!(world.stage.state(open).await, "active");
    assert_eq!(world.stage.state(waiting).await, "opening");
    assert!(session.work().await);
    assert!(world.assume(waiting).await.is_none());
    world.end(open).await;
    world.work().await;
    assert!(!session.work().await);
    assert_eq!(world.stage.state(open).await, "ended");
    world.stage.cloud.knobs().clear();
    for _ in 0..3 {
        world.pass(minutes(6)).await;
    }
    assert_eq!(world.stage.state(waiting).await, "active");
}
