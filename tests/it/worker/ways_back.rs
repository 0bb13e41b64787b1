//! Failures that others have had: approvals that nobody remembers to undo, and leases that are
//! renewed at the last moment.

use std::collections::BTreeSet;

use countersign::app::approve::approve;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::submit::submit;
use countersign::ids::GrantId;

use super::minutes;
use crate::support::app::code;
use crate::support::cloud::Keys;
use crate::support::elevation::Elevation;

/// SSO Elevator left two of twenty. Each has its row, its deadline and a role that is due before
/// anything is open, and no process has to remember any of them: every minute another one works.
#[tokio::test]
async fn twenty_approvals_in_one_second_leave_twenty_ways_back() {
    let world = Elevation::new().await;
    let trust = world.stage.cloud.trust();
    let mut asked = Vec::new();
    for nth in 0..20 {
        let request = submit(&world.alice, Elevation::wish(30 + nth)).await;
        asked.push(request.unwrap().request().id);
    }
    let approvals = asked.iter().map(|id| approve(&world.bob, *id, None, None));
    let approved = futures_util::future::join_all(approvals).await;
    let approved = approved.into_iter();
    let grants: Vec<GrantId> = approved.map(|it| it.unwrap().grant.unwrap().id).collect();
    assert_eq!(BTreeSet::from_iter(&grants).len(), 20);
    world.stage.work().await;
    let mut keys = Vec::new();
    for grant in &grants {
        keys.push(world.keys(&world.fetch(*grant).await.unwrap()));
    }
    let mut now = 0;
    for (nth, grant) in grants.iter().enumerate() {
        let until = 30 + i64::try_from(nth).unwrap();
        world.stage.pass(minutes(until - now)).await;
        now = until;
        assert_eq!(world.stage.state(*grant).await, "ended", "{nth}");
        assert!(!keys[nth].work().await, "{nth}");
        for (other, key) in keys.iter().enumerate().skip(nth + 1).take(1) {
            assert_eq!(world.stage.state(grants[other]).await, "active", "{nth}");
            assert!(key.work().await, "{nth}");
        }
    }
    assert!(!grants.iter().any(|grant| world.stage.listed(*grant)));
    for _ in 0..4 {
        world.stage.pass(minutes(12 * 60)).await;
    }
    assert_eq!(world.stage.cloud.guard(), None);
    assert_eq!(world.stage.cloud.trust(), trust);
}

fn more() -> NewExtension {
    NewExtension {
        duration_seconds: 1_800,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    }
}

/// Her way in by that grant: a session of hers, what was handed out, or her own keys.
async fn way_in(world: &Elevation, method: &str, grant: GrantId) -> Option<Keys> {
    let own = world.stage.cloud.keys("alice");
    match method {
        "sts_credentials" => Some(world.keys(&world.fetch(grant).await.ok()?)),
        "attach" => Some(own),
        _ => own.assume(&grant.to_string()).await,
    }
}

async fn of_method(method: &str) -> Elevation {
    match method {
        "trust_policy" => Elevation::trusting().await,
        "switch" => Elevation::switching().await,
        "attach" => Elevation::attaching().await,
        _ => Elevation::new().await,
    }
}

/// CVE-2021-32923: a lease renewed in its last second never expired. Here it has a new deadline, in
/// AWS as well, at which it ends with nobody of ours there; and after the deadline there is nothing
/// to renew.
#[tokio::test]
async fn a_renewal_in_the_last_second_makes_nothing_endless() {
    for method in ["trust_policy", "switch", "attach", "sts_credentials"] {
        let world = of_method(method).await;
        let grant = world.open(60).await;
        world.advance(3_598);
        let asked = extend(&world.alice, grant, more()).await.unwrap().extension;
        world.advance(1);
        approve(&world.bob, asked.unwrap(), None, None)
            .await
            .unwrap();
        world.stage.work().await;
        world.advance(1);
        let way = way_in(&world, method, grant).await.unwrap();
        assert!(way.work().await, "{method}: renewed");
        let last = extend(&world.alice, grant, more()).await.unwrap().extension;
        // The service is killed: nothing of ours runs at the new deadline.
        world.advance(1_799);
        assert!(way.work().await, "{method}");
        world.advance(1);
        assert!(!way.work().await, "{method}: at the new deadline");
        let refused = approve(&world.bob, last.unwrap(), None, None).await;
        assert_eq!(code(refused), "wrong_state", "{method}: too late");
        assert_eq!(
            code(extend(&world.alice, grant, more()).await),
            "wrong_state"
        );
        world.stage.pass(minutes(1)).await;
        assert_eq!(world.stage.state(grant).await, "ended", "{method}");
        let again = way_in(&world, method, grant).await;
        let works = match &again {
            Some(keys) => keys.work().await,
            None => false,
        };
        assert!(!works, "{method}");
    }
}

/// The same where nobody of ours was there between the renewal and the old deadline: AWS held that,
/// and holds the new one once it is told.
#[tokio::test]
async fn a_renewal_that_comes_to_aws_after_the_deadline_ends_as_well() {
    for method in ["trust_policy", "switch", "attach"] {
        let world = of_method(method).await;
        let grant = world.open(60).await;
        let way = way_in(&world, method, grant).await.unwrap();
        world.advance(3_598);
        let asked = extend(&world.alice, grant, more()).await.unwrap().extension;
        world.advance(1);
        approve(&world.bob, asked.unwrap(), None, None)
            .await
            .unwrap();
        world.advance(60);
        assert!(!way.work().await, "{method}: the old deadline");
        world.stage.work().await;
        let way = way_in(&world, method, grant).await.unwrap();
        assert!(way.work().await, "{method}");
        world.advance(1_741);
        assert!(!way.work().await, "{method}: the new deadline");
        world.stage.pass(minutes(1)).await;
        assert_eq!(world.stage.state(grant).await, "ended", "{method}");
    }
}
