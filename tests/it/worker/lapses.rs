//! Extensions whose grants close before anybody has decided them.

use countersign::app::approve::approve;
use countersign::app::expire::expire_due;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::find;
use countersign::app::revoke::{NewRevocation, carry_on, revoke};
use countersign::ids::{GrantId, RequestId};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use super::revocations::admins;
use crate::support::elevation::Elevation;

/// Asked for, not decided.
async fn asked(world: &Elevation, grant: GrantId) -> RequestId {
    let more = NewExtension {
        duration_seconds: 600,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    };
    extend(&world.alice, grant, more)
        .await
        .unwrap()
        .extension
        .unwrap()
}

/// What is to extend a grant goes with it, whoever ends it: nobody is asked to decide it any more.
#[tokio::test]
async fn an_extension_lapses_with_its_grant_at_once() {
    for by in ["end", "revoke", "worker"] {
        let world = Elevation::switching().await;
        let grant = world.open(600).await;
        let asked = asked(&world, grant).await;
        match by {
            "end" => world.end(grant).await,
            "revoke" => {
                let new = NewRevocation {
                    person: Some(world.alice.person.id.to_string()),
                    reason: "They have left".to_owned(),
                    ..NewRevocation::default()
                };
                let admin = admins(&world.app).await.0;
                let begun = revoke(&admin, new).await.unwrap();
                carry_on(&world.app.app, begun.id).await.unwrap();
            }
            _ => {
                world.stage.cloud.delete_user("alice");
                world.stage.pass(minutes(1)).await;
                world.stage.pass(minutes(1)).await;
            }
        }
        let shown = find::request(&world.bob, asked).await.unwrap();
        assert_eq!(shown.request.state.as_str(), "expired", "{by}");
        assert!(!shown.may.deny, "{by}");
        let sql = format!(
            "SELECT details->>'closed_grant_id' FROM audit_events WHERE action = 'request.expired' AND subject = '{asked}'"
        );
        let told = world.stage.rows.pool.fetch_one(AssertSqlSafe(sql)).await;
        let told: String = told.unwrap().get(0);
        assert_eq!(told, grant.to_string(), "{by}");
    }
}

/// Somebody is just deciding it while its grant ends: the end does not wait for them, they are told
/// that it is over, and the next sweep takes it away.
#[tokio::test]
async fn an_extension_that_is_being_decided_lapses_with_the_next_sweep() {
    let world = Elevation::switching().await;
    let grant = world.open(600).await;
    let asked = asked(&world, grant).await;
    let mut deciding = world.stage.rows.pool.begin().await.unwrap();
    let lock = format!(
        "SELECT id FROM requests WHERE id = '{}' FOR UPDATE",
        asked.uuid()
    );
    deciding.execute(AssertSqlSafe(lock)).await.unwrap();
    world.end(grant).await;
    assert_ne!(world.stage.state(grant).await, "active");
    deciding.rollback().await.unwrap();
    let error = approve(&world.bob, asked, None, None).await.unwrap_err();
    assert_eq!(error.told_code(), "wrong_state");
    assert_eq!(expire_due(&world.app.app).await.unwrap(), 1);
    let shown = find::request(&world.bob, asked).await.unwrap();
    assert_eq!(shown.request.state.as_str(), "expired");
}
