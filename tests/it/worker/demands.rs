//! What a role asks for beside the name, tried with credentials: a second factor, an external ID
//! (H7 and H8 of docs/guard.md, I11 of docs/carrier.md).

use chrono::TimeDelta;
use countersign::app::submit::submit;
use countersign::ids::GrantId;
use countersign::sandbox::Rule;

use super::minutes;
use crate::sandbox::ROLE;
use crate::support::catalog::{Catalog, user_arn};
use crate::support::cloud::{Keys, Shown};
use crate::support::elevation::Elevation;

const CODE: &str = "123456";
const ID: &str = "vendor-7f3d2a8e";

/// alice has an MFA device; `prod-admin` asks for what `change` says.
async fn asking(mut world: Elevation, change: impl FnOnce(&mut Catalog)) -> Elevation {
    let knobs = world.stage.cloud.knobs();
    knobs.give_mfa(&user_arn("alice"), CODE).unwrap();
    world.app.change(change).await;
    world.alice = world.app.ctx("alice").await;
    world
}

fn with_mfa(catalog: &mut Catalog) {
    let asks = &mut catalog.entitlements[0].more;
    asks.insert("mfa".to_owned(), true.into());
}

fn with_id(catalog: &mut Catalog) {
    let asks = &mut catalog.entitlements[0].more;
    asks.insert("external_id".to_owned(), ID.into());
}

fn mfa(code: &str) -> Shown<'_> {
    Shown {
        mfa: Some(("arn:aws:iam::111122223333:mfa/alice", code)),
        ..Shown::default()
    }
}

fn id(external_id: &str) -> Shown<'_> {
    Shown {
        external_id: Some(external_id),
        ..Shown::default()
    }
}

async fn assume(world: &Elevation, session: &str, shown: Shown<'_>) -> Option<Keys> {
    let alice = world.stage.cloud.keys("alice");
    alice.assume_showing(ROLE, session, shown).await
}

async fn session_token(world: &Elevation) -> Keys {
    let alice = world.stage.cloud.keys("alice");
    let device = "arn:aws:iam::111122223333:mfa/alice";
    alice.session_token((device, CODE)).await
}

/// Nobody without a second factor, and nobody from the deadline on.
async fn needs_mfa(world: &Elevation, grant: GrantId) {
    let own = grant.to_string();
    for name in [own.as_str(), "alice"] {
        assert!(
            assume(world, name, Shown::default()).await.is_none(),
            "{name}"
        );
        assert!(assume(world, name, mfa("654321")).await.is_none(), "{name}");
        let session = assume(world, name, mfa(CODE)).await.unwrap();
        assert!(session.work().await, "{name}");
    }
    let from_a_session = session_token(world).await.assume(&own).await.unwrap();
    assert!(from_a_session.work().await);
    world.advance(3_600);
    assert!(!from_a_session.work().await);
    assert!(assume(world, &own, mfa(CODE)).await.is_none());
    world.stage.work().await;
    world.stage.pass(minutes(7)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

#[tokio::test]
async fn a_role_that_asks_for_mfa_is_opened_for_those_who_show_it() {
    let world = asking(Elevation::trusting().await, with_mfa).await;
    let grant = world.open(60).await;
    needs_mfa(&world, grant).await;
}

#[tokio::test]
async fn a_switch_into_it_likewise() {
    let world = asking(Elevation::switching().await, with_mfa).await;
    let grant = world.open(60).await;
    needs_mfa(&world, grant).await;
}

/// I11: where AWS does not show a person's own policies the code that AssumeRole was given, nobody
/// is in by it; a session that has the second factor lets in.
#[tokio::test]
async fn i11_a_code_that_her_own_policies_do_not_see_lets_nobody_in() {
    let world = asking(Elevation::switching().await, with_mfa).await;
    let knobs = world.stage.cloud.knobs();
    knobs.without(Rule::SecondFactorInOwnPolicies);
    let grant = world.open(60).await;
    let own = grant.to_string();
    assert!(assume(&world, &own, mfa(CODE)).await.is_none());
    let session = session_token(&world).await.assume(&own).await.unwrap();
    assert!(session.work().await);
}

/// The role's own trust policy may ask for the same.
#[tokio::test]
async fn a_switch_into_a_role_whose_account_asks_for_it_itself() {
    let root = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"StringEquals":{"sts:ExternalId":"vendor-7f3d2a8e"}}}"#;
    let both = |catalog: &mut Catalog| {
        with_mfa(catalog);
        with_id(catalog);
    };
    let world = asking(Elevation::switching_with(root).await, both).await;
    let own = world.open(60).await.to_string();
    let shown = Shown {
        external_id: Some(ID),
        ..mfa(CODE)
    };
    assert!(assume(&world, &own, mfa(CODE)).await.is_none());
    assert!(assume(&world, &own, id(ID)).await.is_none());
    assert!(assume(&world, &own, shown).await.unwrap().work().await);
}

/// What nobody could satisfy is refused when it is asked for.
#[tokio::test]
async fn a_role_that_asks_for_what_she_cannot_show_is_refused_when_she_asks() {
    let named = |effect: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"AWS":"arn:aws:iam::111122223333:root"}},"Action":"sts:AssumeRole","Condition":{condition}}}"#
        )
    };
    let an_id = r#"{"StringEquals":{"sts:ExternalId":"vendor-7f3d2a8e"}}"#;
    let no_id = r#"{"StringNotEquals":{"sts:ExternalId":"vendor-7f3d2a8e"}}"#;
    let no_mfa = r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#;
    let asked = async |world: Elevation| {
        let asked = submit(&world.alice, Elevation::wish(60)).await;
        asked.map_or_else(|error| error.told_code(), |_| "-")
    };
    for (trust, with, code) in [
        (named("Allow", an_id), false, "role_asks_for_more"),
        (named("Allow", an_id), true, "-"),
        (named("Allow", no_mfa), false, "role_asks_for_more"),
    ] {
        let world = Elevation::switching_with(&trust).await;
        let change = if with { with_id } else { |_: &mut Catalog| {} };
        let world = asking(world, change).await;
        assert_eq!(asked(world).await, code, "{trust} {with}");
    }
    for (trust, with, code) in [
        (named("Deny", no_id), false, "role_asks_for_more"),
        (named("Deny", no_id), true, "-"),
        (named("Deny", no_mfa), false, "-"),
    ] {
        let world = Elevation::trusting().await;
        let all = format!(r#"{{"Version":"2012-10-17","Statement":[{trust}]}}"#);
        world.stage.cloud.knobs().put_trust(ROLE, &all).unwrap();
        let change = if with { with_id } else { |_: &mut Catalog| {} };
        let world = asking(world, change).await;
        assert_eq!(asked(world).await, code, "{trust} {with}");
    }
}

/// H8: the console cannot send one, so that its name is neither pinned nor taken from anybody.
#[tokio::test]
async fn h8_a_role_that_asks_for_an_external_id_is_opened_for_those_who_send_it() {
    let world = asking(Elevation::trusting().await, with_id).await;
    let grant = world.open(60).await;
    let own = grant.to_string();
    assert!(assume(&world, &own, Shown::default()).await.is_none());
    assert!(assume(&world, &own, id("vendor-7f3d2a8f")).await.is_none());
    assert!(assume(&world, "alice", id(ID)).await.is_none());
    let session = assume(&world, &own, id(ID)).await.unwrap();
    assert!(session.work().await);
    assert!(!world.stage.cloud.guard().unwrap().contains(":alice\""));
    world.end(grant).await;
    world.stage.work().await;
    assert!(!session.work().await);
    assert!(assume(&world, &own, id(ID)).await.is_none());
}

#[tokio::test]
async fn what_is_attached_with_mfa_is_no_good_to_long_term_keys() {
    let world = asking(Elevation::attaching().await, with_mfa).await;
    let grant = world.open(60).await;
    let session = session_token(&world).await;
    let alice = world.stage.cloud.keys("alice");
    assert!(!alice.work().await, "a long-term key never has MFA");
    assert!(session.work().await);
    world.advance(3_599);
    assert!(session.work().await);
    world.advance(1);
    assert!(!session.work().await);
    world.stage.work().await;
    world.stage.pass(minutes(7)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// What was approved is what is opened, whatever the catalog says by then. H7: the console's name
/// then goes to nobody who needs more than the session that has it has shown.
#[tokio::test]
async fn h7_a_session_that_began_without_mfa_does_not_go_on_under_a_grant_that_needs_it() {
    let world = asking(Elevation::trusting().await, |_| {}).await;
    let before = world.approved(60).await;
    let world = asking(world, with_mfa).await;
    world.stage.work().await;
    let console = assume(&world, "alice", Shown::default()).await.unwrap();
    let after = world.open(120).await;
    assert!(console.work().await);
    assert!(
        assume(&world, &before.to_string(), Shown::default())
            .await
            .is_some()
    );
    assert!(
        assume(&world, &after.to_string(), Shown::default())
            .await
            .is_none()
    );
    assert!(
        assume(&world, &after.to_string(), mfa(CODE))
            .await
            .is_some()
    );
    // The first one is over: the console's name is the second one's, for those who show it.
    world.advance(3_600);
    assert!(!console.work().await);
    world.stage.work().await;
    for _ in 0..3 {
        world.stage.pass(TimeDelta::seconds(10)).await;
    }
    assert!(!console.work().await, "it has not shown a second factor");
    assert!(assume(&world, "alice", Shown::default()).await.is_none());
    let later = assume(&world, "alice", mfa(CODE)).await.unwrap();
    assert!(later.work().await);
}
