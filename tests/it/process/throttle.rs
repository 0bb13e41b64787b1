//! AWS allows an account so many calls a second: whoever asks a lot keeps no closing waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use super::Server;
use crate::support::world::World;
use crate::support::{another, wait};

/// Connections that ask in a loop.
const LOOPS: usize = 24;
/// Different roles that they ask for, each of which has to be looked at.
const ROLES: usize = 24;
/// Calls of IAM a second.
const RATE: u32 = 8;
/// What AWS may have answered from the revoke until it agrees. A closing takes about ten calls;
/// where looks take what they can get, 24 loops keep it from them for more than a minute.
const MOST: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_is_confirmed_while_many_ask_without_a_pause() {
    let world = World::new().await;
    let roles: Vec<_> = (0..ROLES).map(|it| format!("prod-{it}")).collect();
    world.offer(&roles);
    let mut command = world.command(&["serve"]);
    // Nothing but the pace of the calls holds the loops back.
    for limit in [
        "PERSON_PER_MINUTE",
        "ASKS_PER_HOUR",
        "PENDING_PER_PERSON",
        "PENDING_PER_ENTITLEMENT",
    ] {
        command.env(format!("COUNTERSIGN_LIMITS__{limit}"), "1000000");
    }
    let serve = Arc::new(Server::start(command));
    world.warm_up(&serve).await;
    let request = world.submit(&serve, "PT1H").await;
    let grant = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &grant, "active").await;

    let knobs = world.sandbox.knobs();
    knobs.calls_per_second(RATE);
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let loops: Vec<_> = (0..LOOPS)
        .map(|first| {
            let (serve, alice) = (Arc::clone(&serve), world.alice.clone());
            let (stop, asked, roles) = (Arc::clone(&stop), Arc::clone(&asked), roles.clone());
            tokio::spawn(async move {
                for role in roles.iter().cycle().skip(first * ROLES / LOOPS) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let why = format!("loop {}", another());
                    let ask =
                        json!({"entitlement": role, "duration": "PT1H", "justification": why});
                    let (status, answer) = serve.post(&alice, "/requests", &ask).await;
                    assert_eq!(status, 201, "{answer}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    wait::until_async("the loops are at work", async || {
        asked.load(Ordering::Relaxed) >= 5 * LOOPS
    })
    .await;

    let before = knobs.calls().len();
    world.end(&serve, &grant).await;
    serve.reaches(&world.alice, &grant, "ended").await;
    let answered = knobs.calls().len() - before;
    stop.store(true, Ordering::Relaxed);
    for asking in loops {
        asking.await.expect("each ask was taken");
    }
    assert_eq!(world.our_statements(), 0);
    assert!(
        answered < MOST,
        "{answered} calls of {RATE} a second, {} refused",
        knobs.throttled()
    );
}
