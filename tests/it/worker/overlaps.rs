//! Grants of several methods on one role at once: each ends alone (SECURITY: overlap).

use countersign::app::approve::approve;
use countersign::app::ctx::Ctx;
use countersign::app::submit::{NewRequest, submit};
use countersign::ids::GrantId;

use crate::support::catalog::Catalog;
use crate::support::cloud::Keys;
use crate::support::elevation::Elevation;

/// The same role by trust_policy as well, and carol, who may ask for both.
async fn with_carol(world: &Elevation) -> Ctx {
    let carol = world.stage.cloud.create_user("carol");
    let change = |catalog: &mut Catalog| {
        let mut trusted = catalog.entitlements[0].clone();
        "prod-trust".clone_into(&mut trusted.name);
        "trust_policy".clone_into(&mut trusted.method);
        catalog.entitlements.push(trusted);
        catalog.person("carol").principals = vec![carol];
        catalog.regroup("carol", &["developers"]);
        let alice = "arn:aws:iam::111122223333:user/alice".to_owned();
        catalog.person("alice").principals = vec![alice];
        catalog.regroup("alice", &["developers"]);
    };
    world.stage.cloud.create_user("alice");
    world.app.change(change).await;
    world.app.ctx("carol").await
}

async fn approved(world: &Elevation, who: &Ctx, entitlement: &str) -> GrantId {
    let wish = NewRequest {
        entitlement: entitlement.to_owned(),
        ..Elevation::wish(60)
    };
    let asked = submit(who, wish).await.unwrap().request();
    let shown = approve(&world.bob, asked.id, None, None).await.unwrap();
    shown.grant.unwrap().id
}

/// A grant, its session, and whether its person can begin another one.
struct Held {
    grant: GrantId,
    user: &'static str,
    session: Keys,
    /// By that method; else Countersign gives the session.
    assumes: bool,
}

async fn hold(world: &Elevation, who: &Ctx, user: &'static str, entitlement: &str) -> Held {
    let grant = approved(world, who, entitlement).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active", "{entitlement}");
    let fetched = countersign::app::credentials::fetch(who, grant).await;
    let (session, assumes) = match fetched {
        Ok(given) => (world.keys(&given), false),
        Err(_) => {
            let keys = world.stage.cloud.keys(user);
            (keys.assume(&grant.to_string()).await.unwrap(), true)
        }
    };
    Held {
        grant,
        user,
        session,
        assumes,
    }
}

/// I-10, TEAM#279: three overlapping grants of one person and two of another, by two methods on one
/// role. Whichever ends next, its own session dies with it, and every other one works on.
#[tokio::test]
async fn overlapping_grants_of_two_people_and_methods_end_each_alone() {
    for handed_out in [false, true] {
        for first in [0, 2, 4] {
            let world = if handed_out {
                Elevation::new().await
            } else {
                Elevation::switching().await
            };
            let carol = with_carol(&world).await;
            let alice = world.app.ctx("alice").await;
            let mut held = Vec::new();
            for (who, user, entitlement) in [
                (&alice, "alice", "prod-trust"),
                (&alice, "alice", "prod-admin"),
                (&carol, "carol", "prod-admin"),
                (&alice, "alice", "prod-trust"),
                (&carol, "carol", "prod-trust"),
            ] {
                held.push(hold(&world, who, user, entitlement).await);
            }
            held.rotate_left(first);
            while !held.is_empty() {
                let over = held.remove(0);
                world.end(over.grant).await;
                world.stage.work().await;
                let case = format!("{handed_out} {first}, {} left", held.len());
                assert_eq!(world.stage.state(over.grant).await, "ended", "{case}");
                assert!(!over.session.work().await, "{case}");
                let keys = world.stage.cloud.keys(over.user);
                let again = keys.assume(&over.grant.to_string()).await;
                assert!(again.is_none(), "{case}");
                for other in &held {
                    assert!(other.session.work().await, "{case}");
                    if other.assumes {
                        let keys = world.stage.cloud.keys(other.user);
                        let more = keys.assume(&other.grant.to_string()).await;
                        assert!(more.unwrap().work().await, "{case}");
                    }
                }
            }
            assert_eq!(world.stage.statements(), 0);
        }
    }
}
