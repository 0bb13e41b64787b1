//! The role that Countersign itself works as is nobody's to ask for.

use std::collections::BTreeSet;

use countersign::sandbox::{Fault, When};
use serde_json::json;

use crate::sandbox::{ALLOW_ALL, ROLE, trusts};
use crate::support::catalog::role_arn;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_countersign_works_as_is_refused_and_never_opened() {
    let world = World::new().await;
    let trust = trusts("arn:aws:iam::111122223333:user/admin");
    world.sandbox.knobs().put_trust(ROLE, &trust).expect("good");
    let session = world.assume("admin", "countersign").await.expect("trusted");
    let serve = world.serve_as(&session);
    world.warm_up(&serve).await;
    let refused = async || {
        let path = "/audit-events?subject=prod-admin&action=request.submitted";
        let events = serve.get(&world.otto, path).await;
        events["items"].as_array().expect("a list").clone()
    };
    let before = refused().await.len();

    let ask = json!({"entitlement": "prod-admin", "duration": "PT1H", "justification": "a test"});
    let (status, answer) = serve.post(&world.alice, "/requests", &ask).await;
    assert_eq!((status, &answer["code"]), (409, &json!("role_is_ours")));
    let stored = serve.get(&world.alice, "/requests?state=pending").await;
    assert_eq!(stored["items"], json!([]));
    let events = refused().await;
    assert_eq!(events.len(), before + 1);
    assert_eq!(events[0]["outcome"], "refused", "{events:?}");
    assert_eq!(events[0]["code"], "role_is_ours", "{events:?}");

    // Asked for while AWS was silent, it is looked at when it is opened. Another process: what this
    // one has seen it remembers for a while.
    let serve = world.serve_as(&session);
    let knobs = world.sandbox.knobs();
    knobs.fail_always("GetRole", When::BeforeEffect, Fault::NeverAnswer);
    let request = world.submit(&serve, "PT1H").await;
    knobs.clear();
    let unchecked = serve
        .get(&world.alice, &format!("/requests/{request}"))
        .await;
    assert_eq!(unchecked["target_checked"], false, "{unchecked}");
    let grant = world.approve(&serve, &request).await;
    let failed = serve.reaches(&world.alice, &grant, "failed").await;
    assert_eq!(failed["cause"], "could_not_open", "{failed}");
    assert_eq!((world.trust(), world.guard()), (trust, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_own_role_is_refused_where_a_manager_role_is_assumed_from_it() {
    let world = World::new().await;
    let knobs = world.sandbox.knobs();
    let trust = trusts("arn:aws:iam::111122223333:user/admin");
    knobs.put_trust(ROLE, &trust).expect("good");
    let manager = role_arn("countersign-manager");
    knobs.create_role(&manager, &trusts(ROLE)).expect("good");
    let policy = Some(ALLOW_ALL);
    knobs
        .put_role_policy(&manager, "all", policy)
        .expect("good");
    world.manage_as(&manager);
    let session = world.assume("admin", "hub").await.expect("trusted");
    let serve = world.serve_as(&session);
    world.warm_up(&serve).await;
    let ask = json!({"entitlement": "prod-admin", "duration": "PT1H", "justification": "a test"});
    let (status, answer) = serve.post(&world.alice, "/requests", &ask).await;
    assert_eq!((status, &answer["code"]), (409, &json!("role_is_ours")));
    let calls = knobs.calls();
    let looks = calls.iter().filter(|call| call.action == "GetRole");
    let callers: BTreeSet<&str> = looks.map(|call| call.caller.as_str()).collect();
    let as_manager = "arn:aws:sts::111122223333:assumed-role/countersign-manager/countersign";
    assert_eq!(callers, BTreeSet::from([as_manager]));
}
