//! Who asks as a session of a role, and cannot be let in: nobody vouches for the name, AWS is
//! silent, or the method does not go with what they are.

use chrono::TimeDelta;
use countersign::app::submit::submit;
use sqlx::{Executor as _, Row as _};

use super::principals::{DEVELOPERS, OF_IDENTITY_CENTER};
use crate::support::catalog::Catalog;
use crate::support::cloud::Knob;
use crate::support::elevation::{Elevation, SAML, document};

/// Everybody of the account, under any name.
const ANY_NAME: &str = r#"{"Sid":"AnyName","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}"#;

/// Asked and approved, and then the role's owner lets people choose the name.
#[tokio::test]
async fn c6_nothing_opens_while_nobody_vouches_for_her_name() {
    for method in ["trust_policy", "switch", "attach"] {
        let world = Elevation::coming_as(DEVELOPERS, &document(SAML), method).await;
        let knobs = world.stage.cloud.knobs();
        let alice = world.stage.cloud.session_of(DEVELOPERS, "alice");
        let grant = world.approved(60).await;
        knobs.put_trust(DEVELOPERS, &document(ANY_NAME)).unwrap();
        world.stage.work().await;
        assert_eq!(world.stage.state(grant).await, "opening", "{method}");
        let told = world.stage.rows.told(grant).await;
        assert!(
            told.contains(&"grant.delayed".to_owned()),
            "{method} {told:?}"
        );
        let sql = "SELECT count(*) AS it FROM targets WHERE last_error = 'unvouched'";
        let row = world.stage.rows.pool.fetch_one(sql).await.unwrap();
        assert_eq!(row.get::<i64, _>("it"), 1, "{method}");
        assert!(!alice.work().await, "{method}");
        assert!(alice.assume(&grant.to_string()).await.is_none(), "{method}");
        knobs.put_trust(DEVELOPERS, &document(SAML)).unwrap();
        world.stage.pass(TimeDelta::seconds(20)).await;
        assert_eq!(world.stage.state(grant).await, "active", "{method}");
    }
}

#[tokio::test]
async fn c6_whose_name_nobody_vouches_for_is_refused_when_she_asks() {
    for method in ["trust_policy", "switch", "attach"] {
        let trust = document(&format!("{SAML},{ANY_NAME}"));
        let world = Elevation::coming_as(DEVELOPERS, &trust, method).await;
        let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
        assert_eq!(error.told_code(), "session_name_unvouched", "{method}");
        let told = error.about().detail.into_owned();
        assert!(
            told.contains("\"AnyName\"") && told.contains(DEVELOPERS),
            "{told}"
        );
    }
}

/// Without the role's id nothing could be pinned. A user is let ask.
#[tokio::test]
async fn while_aws_is_silent_nobody_asks_as_a_role() {
    for method in ["trust_policy", "switch", "attach"] {
        let world = Elevation::coming_as(DEVELOPERS, &document(SAML), method).await;
        world.stage.cloud.always("GetRole", Knob::Drop(false));
        let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
        assert_eq!(error.told_code(), "identity_silent", "{method}");
    }
}

/// What can never be: said at once, with what can.
#[tokio::test]
async fn what_a_role_cannot_have_is_refused_when_she_asks() {
    for method in ["switch", "attach"] {
        let world = Elevation::coming_as(OF_IDENTITY_CENTER, &document(SAML), method).await;
        let told = refused(&world).await;
        assert!(
            told.contains("trust_policy and sts_credentials alone") && told.contains(method),
            "{told}"
        );
    }
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "trust_policy").await;
    let asks = |catalog: &mut Catalog| {
        let more = &mut catalog.entitlements[0].more;
        more.insert("mfa".to_owned(), true.into());
    };
    world.app.change(asks).await;
    let told = refused(&world).await;
    assert!(told.contains("second factor"), "{told}");
}

/// What is told of the field.
async fn refused(world: &Elevation) -> String {
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    let fields = error.fields().to_vec();
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].field, "principal");
    fields[0].detail.clone()
}
