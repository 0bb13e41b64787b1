//! `countersign identity sign` and `identity end` as processes of their own.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use std::process::{Command, Output, Stdio};

use axum::http::StatusCode;
use countersign::ids::PrincipalId;
use serde_json::Value;

use super::refusals::refusal;
use crate::identities::{DEVELOPERS, World, challenged, paste};
use crate::sandbox;
use crate::support::world;

/// In an environment in which nothing else is set.
fn sign(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["identity", "sign"]).args(arguments);
    command.env_clear().stdin(Stdio::null());
    // No profile of whoever runs the tests, and no metadata service.
    command
        .env("AWS_CONFIG_FILE", "/nowhere")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("RUST_LOG", "error")
        .env("AWS_ENDPOINT_URL", world.aws.url());
    command
}

fn with_keys(mut command: Command, name: &str) -> Command {
    let (id, secret) = sandbox::key(name);
    command
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret);
    command
}

fn printed(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_prints_links_the_shells_own_user() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let (nonce, asked) = (challenged(&bob).await, world.asked());
    let mut command = with_keys(sign(&world, &[&nonce]), "bob");
    let output = command.output().unwrap();
    let signed = printed(&output);
    assert_eq!(signed["region"], "us-east-1");
    let authorization = signed["headers"]["authorization"].as_str().unwrap();
    assert!(
        authorization.contains("host;x-amz-date;x-countersign-challenge"),
        "{authorization}"
    );
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("give it to nobody"), "{warned}");
    let (_, secret) = sandbox::key("bob");
    assert!(!format!("{signed}{warned}").contains(&secret));
    assert_eq!(world.asked(), asked, "nothing is sent");
    let linked = paste(&bob, &signed).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_signs_for_the_region_that_is_named_and_with_the_keys_of_a_session() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let (_, sts) = sandbox::as_user(&world.aws, "bob");
    let call = sts.assume_role().role_arn(DEVELOPERS);
    let session = call.role_session_name("bob").send().await.unwrap();
    let keys = session.credentials().unwrap();
    let nonce = challenged(&bob).await;
    let mut command = sign(&world, &[&nonce, "--region", "eu-central-1"]);
    command
        .env("AWS_REGION", "us-west-2")
        .env("AWS_ACCESS_KEY_ID", keys.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key())
        .env("AWS_SESSION_TOKEN", keys.session_token());
    let signed = printed(&command.output().unwrap());
    assert_eq!(signed["region"], "eu-central-1");
    let linked = paste(&bob, &signed).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_in_one_line_why_it_signs_nothing() {
    let world = World::new().await;
    let nonce = "0".repeat(64);
    let said = refusal(sign(&world, &[&nonce]));
    assert!(said.contains("this shell has no AWS keys"), "{said}");
    let said = refusal(with_keys(sign(&world, &["$NONCE"]), "bob"));
    assert!(said.contains("copy the whole line"), "{said}");
    let said = refusal(with_keys(
        sign(&world, &[&nonce, "--region", "evil.example/"]),
        "bob",
    ));
    assert!(said.contains("--region"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_ended_once_and_told_with_its_arn() {
    let world = world::World::new().await;
    let id = sqlx::query_scalar("SELECT id FROM principals ORDER BY arn LIMIT 1");
    let id = PrincipalId::from_uuid(id.fetch_one(world.pool()).await.unwrap()).to_string();
    let end = || world.command(&["identity", "end", &id]);
    let output = end().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains(":user/"), "{said}");
    let said = refusal(end());
    assert!(said.contains("does not exist"), "{said}");
    let ended = "SELECT count(*) FROM principals WHERE ended_at IS NOT NULL";
    let ended: i64 = sqlx::query_scalar(ended)
        .fetch_one(world.pool())
        .await
        .unwrap();
    assert_eq!(ended, 1);
}
