//! Credentials that nothing can cut early, after a restore and before the eyes of `reconcile`.

use serde_json::json;

use super::Server;
use crate::sandbox::{self, ALLOW_ALL, ROLE};
use crate::support::catalog::Entitlement;
use crate::support::elevation::uncut;
use crate::support::world::{World, as_in_the_examples};
use countersign::policy::assumable;

const ADMIN: &str = "arn:aws:iam::111122223333:user/admin";

async fn world() -> World {
    let mut catalog = as_in_the_examples();
    catalog.entitlements = vec![Entitlement::named("prod-admin")];
    uncut(&mut catalog.entitlements[0]);
    let statements = assumable::statements(ADMIN);
    let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    World::of(sandbox::start(&trust).await, &catalog).await
}

/// Asks until AWS has shown the role in time: the first calls of a process take long.
async fn approved(world: &World, serve: &Server) -> String {
    for _ in 0..20 {
        let why = format!("test {}", crate::support::another());
        let ask = json!({"entitlement": "prod-admin", "duration": "PT1H", "justification": why});
        let (status, request) = serve.post(&world.alice, "/requests", &ask).await;
        if status == 201 {
            return world
                .approve(serve, request["id"].as_str().expect("an id"))
                .await;
        }
        assert_eq!(request["code"], "role_unseen", "{request}");
    }
    panic!("AWS never showed the role in time");
}

fn run(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.command(arguments).output().expect("it runs");
    let told = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8(told).expect("UTF-8"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_withholds_them_until_a_person_names_the_role() {
    let world = world().await;
    let serve = world.serve();
    let grant = approved(&world, &serve).await;
    serve.reaches(&world.alice, &grant, "active").await;
    serve.kill();
    let serve = Server::start(world.command(&["serve", "--restored"]));
    let path = format!("/grants/{grant}/credentials");
    let fetch = async || serve.post(&world.alice, &path, &json!({})).await;
    let (status, told) = fetch().await;
    assert_eq!((status, &told["code"]), (409, &json!("role_suspended")));
    // It may have ended in the time that is lost, and nothing in AWS tells.
    let (code, told) = run(&world, &["target", "resume", "--all"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("keys may be handed out on it"), "{told}");
    assert_eq!(fetch().await.0, 409);
    let (code, told) = run(&world, &["target", "resume", ROLE]);
    assert_eq!(code, Some(0), "{told}");
    let (status, told) = fetch().await;
    assert_eq!(status, 200, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_tells_what_follows_and_that_a_guard_denies_it() {
    let world = world().await;
    let serve = world.serve();
    let grant = approved(&world, &serve).await;
    serve.reaches(&world.alice, &grant, "active").await;
    let (status, _) = serve
        .post(
            &world.alice,
            &format!("/grants/{grant}/credentials"),
            &json!({}),
        )
        .await;
    assert_eq!(status, 200);
    let (code, told) = run(&world, &["reconcile", "--dry-run"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains(&grant), "nothing is due: {told}");
    let knobs = world.sandbox.knobs();
    knobs
        .put_role_policy(ROLE, "CountersignGuard", Some(ALLOW_ALL))
        .expect("a policy");
    let (code, told) = run(&world, &["reconcile", "--dry-run"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("diverges guarded"), "{told}");
    knobs
        .put_role_policy(ROLE, "CountersignGuard", None)
        .expect("gone");
    world.end(&serve, &grant).await;
    let closing = serve.get(&world.alice, &format!("/grants/{grant}")).await;
    assert_eq!(closing["state"], "closing", "{closing}");
    // STS counts from a moment before the answer.
    let text = |key: &str| closing[key].as_str().map(str::to_owned);
    let (until, deadline) = (text("cannot_be_cut_until"), text("deadline"));
    assert!(until.is_some() && until <= deadline, "{closing}");
    let (_, told) = run(&world, &["reconcile", "--dry-run"]);
    assert!(
        told.contains(&format!("{grant} waits for the keys")),
        "{told}"
    );
}
