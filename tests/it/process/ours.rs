//! The role that Countersign itself works as is nobody's to ask for.

use countersign::sandbox::{Fault, When};
use serde_json::json;

use crate::sandbox::{ROLE, trusts};
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
