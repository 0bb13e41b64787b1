//! Attacks on linking: what is signed wrongly is sent nowhere, and what AWS names is not always
//! somebody's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use chrono::TimeDelta;
use countersign::sandbox::{Fault, When};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{DEVELOPERS, World, assert_refused, challenged, link, paste};
use crate::sandbox::ROLE;
use crate::support::catalog::{ACCOUNT, role_arn};
use crate::support::portal::Browser;
use crate::support::signer::Shell;

/// Attack 3: the elevated session itself, under its own name and under others, is nobody's own.
#[tokio::test]
async fn the_session_of_a_grant_is_nobodys_own() {
    let world = World::new().await;
    let alice = world.portal.browser("alice").await;
    let before = world.identities().await;
    let grant = "grant_01arz3ndektsv4rrffq69g5fav";
    for (role, session) in [(ROLE, grant), (ROLE, "alice"), (DEVELOPERS, "alice")] {
        let is_own = role == DEVELOPERS;
        let shell = world.session("alice", role, session).await;
        let answer = link(&alice, &shell).await;
        if is_own {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        } else {
            assert_refused(&answer, 422, "identity_not_own");
            assert_eq!(world.identities().await, before, "{role} {session}");
        }
    }
    let events = world.events("identity.refused").await;
    let refused = (
        "refused".to_owned(),
        Some("identity_not_own".to_owned()),
        json!({}),
    );
    assert_eq!(events, [refused.clone(), refused]);
}

/// A name of a grant is refused on any role.
#[tokio::test]
async fn a_session_with_the_name_of_a_grant_is_refused_on_every_role() {
    let world = World::new().await;
    let alice = world.portal.browser("alice").await;
    let anybody = role_arn("anybody");
    let shell = world.session("alice", &anybody, "grant_x").await;
    let answer = link(&alice, &shell).await;
    assert_refused(&answer, 422, "identity_not_own");
    assert!(
        answer.body.contains("a session of a grant"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn what_countersign_works_as_and_names_that_nobody_vouches_for_are_nobodys_own() {
    let world = World::new().await;
    let alice = world.portal.browser("alice").await;
    // As whom Countersign works in this world.
    let hub = link(&alice, &world.shell("admin")).await;
    assert_refused(&hub, 422, "identity_not_own");
    assert!(hub.body.contains("Countersign itself"), "{}", hub.body);
    let chosen = world.session("alice", &role_arn("anybody"), "alice").await;
    let unvouched = link(&alice, &chosen).await;
    assert_refused(&unvouched, 422, "identity_not_own");
    assert!(
        unvouched.body.contains("Nobody vouches"),
        "{}",
        unvouched.body
    );
    let other = link(&alice, &world.shell("elsewhere")).await;
    assert_refused(&other, 422, "identity_not_own");
    assert!(other.body.contains("444455556666"), "{}", other.body);
    let all = world.identities().await;
    assert_eq!(all, ["Alice arn:aws:iam::111122223333:user/alice catalog"]);
}

/// Attack 4: a colleague's call, one without the challenge, and one for another place.
#[tokio::test]
async fn a_call_that_is_not_signed_for_this_page_links_nothing_and_goes_nowhere() {
    let world = World::new().await;
    let (alice, bob) = (
        world.portal.browser("alice").await,
        world.portal.browser("bob").await,
    );
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap().to_string();
    let visits = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&visits);
    let listening = tokio::spawn(async move {
        while elsewhere.accept().await.is_ok() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let asked = world.asked();
    // bob's own, for his page.
    let colleagues = world.shell("bob").sign(&challenged(&bob).await);
    let answer = paste(&alice, &colleagues).await;
    assert_refused(&answer, 422, "challenge_invalid");
    for (name, code, change) in tricks(&address) {
        let challenge = challenged(&alice).await;
        let signed = change(world.shell("alice"), &challenge);
        let answer = paste(&alice, &signed).await;
        assert_refused(&answer, 422, code);
        assert!(!answer.body.contains("You have linked it"), "{name}");
    }
    assert_eq!(world.asked(), asked, "nothing was sent to AWS");
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nor to anybody else");
    listening.abort();
    // bob's works still: what alice did with it used nothing up.
    assert_eq!(paste(&bob, &colleagues).await.status, StatusCode::SEE_OTHER);
    // The first twenty of a kind in a minute, and what follows is counted.
    let refused = world.events("identity.refused").await;
    assert_eq!(refused.len(), 1 + 20);
}

/// Another way to sign.
type Change = fn(&mut Shell);
type Trick = Box<dyn Fn(Shell, &str) -> Value>;

/// Calls that are not as they have to be, by name; `address` is somebody else's.
fn tricks(address: &str) -> Vec<(&'static str, &'static str, Trick)> {
    let mut all: Vec<(&'static str, &'static str, Trick)> = Vec::new();
    let mut add = |name, change: Trick| all.push((name, "signed_call_invalid", change));
    let header = |name: &'static str, value: String| -> Trick {
        Box::new(move |shell, challenge| {
            let mut signed = shell.sign(challenge);
            signed["headers"][name] = json!(value);
            signed
        })
    };
    let signing = |names: &'static [&'static str]| -> Trick {
        Box::new(move |mut shell, challenge| {
            shell.signed = names.iter().map(|it| (*it).to_owned()).collect();
            shell.sign(challenge)
        })
    };
    let without = |name: &'static str| -> Trick {
        Box::new(move |shell, challenge| {
            let mut signed = shell.sign(challenge);
            signed["headers"].as_object_mut().unwrap().remove(name);
            signed
        })
    };
    let region = |region: String| -> Trick {
        Box::new(move |mut shell, challenge| {
            shell.region.clone_from(&region);
            shell.sign(challenge)
        })
    };
    add("no challenge is signed", signing(&["host", "x-amz-date"]));
    add(
        "no host is signed",
        signing(&["x-amz-date", "x-countersign-challenge"]),
    );
    add(
        "HOST",
        signing(&["HOST", "x-amz-date", "x-countersign-challenge"]),
    );
    add(
        "Host",
        signing(&["Host", "x-amz-date", "x-countersign-challenge"]),
    );
    add("no challenge at all", without("x-countersign-challenge"));
    add("no date", without("x-amz-date"));
    add("no signature", without("authorization"));
    add("another host", header("host", address.to_owned()));
    add("another host twice", header("Host", address.to_owned()));
    add(
        "a header of ours in capitals, twice",
        header("X-Amz-Date", "20260101T000000Z".to_owned()),
    );
    for name in [
        "x-forwarded-host",
        "transfer-encoding",
        "content-length",
        ":authority",
        "x-amz-target",
        "connection",
    ] {
        add(name, header(name, address.to_owned()));
    }
    add(
        "a line end",
        header("x-amz-security-token", format!("a\r\nhost: {address}")),
    );
    add(
        "another kind of body",
        header("content-type", "application/json".to_owned()),
    );
    for name in [
        format!("{address}/"),
        format!("us-east-1@{address}"),
        format!("{address}#"),
        format!("us-east-1.{address}"),
        "us-east-1.evil.example".to_owned(),
        "us-east-1/../..".to_owned(),
        "US-EAST-1".to_owned(),
        "us-iso-east-1".to_owned(),
        "локальный".to_owned(),
        String::new(),
    ] {
        add("a region that is none", region(name));
    }
    // Signed for one region and said to be of another, whose proxy would be asked.
    add(
        "another region",
        Box::new(|shell, challenge| {
            let mut signed = shell.sign(challenge);
            signed["region"] = json!("eu-west-1");
            signed
        }),
    );
    add(
        "another service",
        Box::new(|mut shell, challenge| {
            "iam".clone_into(&mut shell.service);
            shell.sign(challenge)
        }),
    );
    add(
        "more than headers and region",
        Box::new(|shell, challenge| {
            let mut signed = shell.sign(challenge);
            signed["url"] = json!("http://evil.example/");
            signed
        }),
    );
    add("no object", Box::new(|_, _| json!("countersign")));
    all
}

/// What reaches AWS is judged there.
#[tokio::test]
async fn aws_refuses_what_was_signed_with_other_keys_for_another_host_or_for_another_body() {
    let world = World::new().await;
    let alice = world.portal.browser("alice").await;
    let changes: [(&str, Change); 3] = [
        ("another host", |it| {
            "sts.amazonaws.com".clone_into(&mut it.host)
        }),
        ("the host in capitals", |it| {
            it.host = it.host.replace("127.0.0.1", "LOCALHOST")
        }),
        ("another call", |it| {
            it.body = it.body.replace("GetCallerIdentity", "GetSessionToken")
        }),
    ];
    for (name, change) in changes {
        let mut shell = world.shell("alice");
        change(&mut shell);
        let answer = link(&alice, &shell).await;
        assert_refused(&answer, 422, "signature_invalid");
        assert!(
            answer.body.contains("SignatureDoesNotMatch"),
            "{name}: {}",
            answer.body
        );
    }
    let nobodys = Shell::of("nobody", &world.aws.url());
    assert_refused(&link(&alice, &nobodys).await, 422, "signature_invalid");
    // A signature of one call, with the challenge of another.
    let (first, second) = (challenged(&alice).await, challenged(&alice).await);
    let mut signed = world.shell("alice").sign(&first);
    signed["headers"]["x-countersign-challenge"] = json!(second);
    assert_refused(&paste(&alice, &signed).await, 422, "signature_invalid");
    assert_eq!(world.identities().await.len(), 1);
}

#[tokio::test]
async fn a_challenge_works_once_and_for_five_minutes() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let refused = async |browser: &Browser<'_>, signed: &Value| {
        assert_refused(&paste(browser, signed).await, 422, "challenge_invalid");
    };
    let signed = world.shell("bob").sign(&challenged(&bob).await);
    assert_eq!(paste(&bob, &signed).await.status, StatusCode::SEE_OTHER);
    refused(&bob, &signed).await;
    // One that AWS has refused is used up as well.
    let mut wrong = world.shell("bob");
    "sts.amazonaws.com".clone_into(&mut wrong.host);
    let challenge = challenged(&bob).await;
    let answer = paste(&bob, &wrong.sign(&challenge)).await;
    assert_refused(&answer, 422, "signature_invalid");
    refused(&bob, &world.shell("bob").sign(&challenge)).await;
    let challenge = challenged(&bob).await;
    world.portal.later(TimeDelta::minutes(5));
    refused(&bob, &world.shell("bob").sign(&challenge)).await;
    refused(&bob, &world.shell("bob").sign(&"0".repeat(64))).await;
    let at_last = challenged(&bob).await;
    world
        .portal
        .later(TimeDelta::minutes(10) - TimeDelta::milliseconds(1));
    let signed = world.shell("bob").sign(&at_last);
    assert_eq!(paste(&bob, &signed).await.status, StatusCode::SEE_OTHER);
}

/// AWS is silent: nobody is told that they are somebody, nor that they are not.
#[tokio::test]
async fn a_silent_aws_links_nobody_and_is_told_as_that() {
    let world = World::new().await;
    let bob = world.portal.browser("bob").await;
    let silent = Fault::DropConnection;
    let knobs = world.aws.knobs();
    knobs.fail_always("GetCallerIdentity", When::BeforeEffect, silent);
    let answer = link(&bob, &world.shell("bob")).await;
    assert_refused(&answer, 503, "aws_silent");
    assert!(!answer.body.contains("You have linked it"));
    assert_eq!(world.portal.refusals().await, []);
}

#[tokio::test]
async fn a_manager_role_is_nobodys_own() {
    let manager = role_arn("manager");
    let world = World::with(|it| it.account(ACCOUNT).manager_role = Some(manager.clone())).await;
    let bob = world.portal.browser("bob").await;
    let shell = world.session("bob", &manager, "bob").await;
    let answer = link(&bob, &shell).await;
    assert_refused(&answer, 422, "identity_not_own");
    assert!(
        answer.body.contains("Countersign itself"),
        "{}",
        answer.body
    );
}
