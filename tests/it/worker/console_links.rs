//! Links to the console, by the names of their sequences (docs/guard.md §5).

use std::sync::LazyLock;

use chrono::{SecondsFormat, TimeDelta};
use countersign::app::console_link::{ConsoleLink, console_link};
use countersign::app::ctx::Ctx;
use countersign::domain::fetch::{Fetch, Kind};
use countersign::error::Error;
use countersign::ids::{FetchId, GrantId};
use countersign::policy::assumable;
use countersign::sandbox::{Call, Rule};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::{Executor as _, Row as _};
use uuid::Uuid;

use super::minutes;
use crate::support::cloud::{Cloud, Knob};
use crate::support::console::{Console, parameter};
use crate::support::elevation::Elevation;
use crate::support::log::{self, LOG};
use crate::support::member::{MANAGER, Member};

const GET_TOKEN: &str = "GetSigninToken";

async fn link(ctx: &Ctx, grant: GrantId) -> ConsoleLink {
    console_link(ctx, grant).await.unwrap()
}

/// What somebody is told instead of a link: the code.
async fn refused(ctx: &Ctx, grant: GrantId) -> &'static str {
    let told = console_link(ctx, grant).await;
    told.map_or_else(|error: Error| error.told_code(), |_| "-")
}

async fn open<'a>(cloud: &'a Cloud, link: &ConsoleLink) -> Console<'a> {
    let opened = Console::open(cloud, link.url.expose_secret()).await;
    opened.expect("AWS takes the link")
}

fn calls(cloud: &Cloud, action: &str) -> Vec<Call> {
    let mut calls = cloud.knobs().calls();
    calls.retain(|call| call.action == action);
    calls
}

#[tokio::test]
async fn a_link_signs_in_to_a_console_that_works_until_the_deadline() {
    let world = Elevation::new().await;
    let grant = world.open(30).await;
    let now = world.stage.now();
    let made = link(&world.alice, grant).await;
    assert_eq!(made.expires_at, now + minutes(15));
    assert_eq!(made.session_until, now + minutes(30));
    let url = made.url.expose_secret();
    assert_eq!(
        parameter(url, "Destination"),
        "https://console.aws.amazon.com/"
    );
    assert_eq!(parameter(url, "Issuer"), world.app.config.public_url());
    let console = open(&world.stage.cloud, &made).await;
    assert!(console.works().await);
    // The service is killed: nothing of ours runs any more.
    world.advance(1_799);
    assert!(console.works().await);
    world.advance(1);
    assert!(console.keys().await.is_some(), "AWS's session is longer");
    assert!(!console.works().await, "AWS itself ends it");
    assert_eq!(refused(&world.alice, grant).await, "wrong_state");
}

/// F6: whether the session's own policy goes with the keys that the console makes is not known for
/// certain. Guard and policy each end it alone.
#[tokio::test]
async fn f6_the_guard_or_the_sessions_own_policy_ends_the_console_at_the_deadline() {
    for guard_alone in [true, false] {
        let world = Elevation::new().await;
        let grant = world.open(5).await;
        let made = link(&world.alice, grant).await;
        assert_eq!(made.expires_at, made.session_until);
        let console = open(&world.stage.cloud, &made).await;
        if guard_alone {
            let knobs = world.stage.cloud.knobs();
            knobs.without(Rule::ConsoleKeepsSessionPolicy);
        } else {
            world.stage.cloud.delete_guard();
        }
        world.advance(299);
        assert!(console.works().await, "{guard_alone}");
        world.advance(1);
        assert!(!console.works().await, "{guard_alone}");
    }
}

#[tokio::test]
async fn an_early_end_stops_the_console_and_whoever_signs_in_after_it() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let made = link(&world.alice, grant).await;
    let console = open(&world.stage.cloud, &made).await;
    assert!(console.works().await);
    world.end(grant).await;
    assert_eq!(refused(&world.alice, grant).await, "wrong_state");
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
    assert!(!console.works().await);
    let late = open(&world.stage.cloud, &made).await;
    assert!(!late.works().await);
    let knobs = world.stage.cloud.knobs();
    knobs.without(Rule::ConsoleKeepsSessionPolicy);
    assert!(!late.works().await, "it is the guard that ends it");
}

/// The link signs in for fifteen minutes, so that the guard outlasts a session which begins then.
#[tokio::test]
async fn a_session_of_a_link_may_begin_fifteen_minutes_later() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let now = world.stage.now();
    link(&world.alice, grant).await;
    let sent = world.stage.grant(grant).await.sent_until;
    let margins = world.stage.margins;
    assert_eq!(sent, Some(now + margins.unanswered + minutes(15)));
    world.fetch(grant).await.unwrap();
    let later = world.stage.grant(grant).await.sent_until;
    assert_eq!(later, sent, "keys that are fetched later shorten nothing");
    // Where no call is waited for: ten seconds each until it is made, for STS and for the link.
    let fetch = Fetch {
        id: FetchId::from_uuid(Uuid::nil()),
        grant,
        kind: Kind::Console,
        at: now,
    };
    let until = fetch.issues_until(TimeDelta::zero());
    assert_eq!(until, now + minutes(15) + TimeDelta::seconds(30));
}

/// F5: Countersign is a session itself in an account that it works in through a manager role. AWS
/// makes no link for what such a session has asked a duration for.
#[tokio::test]
async fn f5_a_link_of_a_chained_session_comes_about_without_durations() {
    let statements = assumable::statements(MANAGER);
    let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let member = Member::with("sts_credentials", &trust).await;
    let grant = member.open(30).await;
    let made = link(&member.alice, grant).await;
    let console = open(&member.stage.cloud, &made).await;
    assert!(console.works().await);
    let assumed = calls(&member.stage.cloud, "AssumeRole").pop().unwrap();
    assert_eq!(assumed.params["RoleSessionName"], grant.to_string());
    let person = member.alice.person.id.to_string();
    assert_eq!(assumed.params["SourceIdentity"], person);
    assert!(!assumed.params.contains_key("DurationSeconds"));
    let asked = calls(&member.stage.cloud, GET_TOKEN).pop().unwrap();
    assert!(!asked.params.contains_key("SessionDuration"));
    member.end(grant).await;
    member.work().await;
    assert!(!console.works().await);
}

#[tokio::test]
async fn no_other_method_has_links() {
    let world = Elevation::switching().await;
    let switch = world.open(60).await;
    assert_eq!(refused(&world.alice, switch).await, "not_fetched");
    let world = Elevation::new().await;
    let arn = world.stage.cloud.create_user("alice");
    let (now, hour) = (world.stage.now(), minutes(60));
    let person = world.alice.person.id;
    let own = world.stage.rows.approve(person, &arn, now, hour).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(own).await, "active");
    assert_eq!(refused(&world.alice, own).await, "not_fetched");
}

/// F3 and F6: no link without a guard.
#[tokio::test]
async fn f6_nothing_is_asked_while_the_guard_is_not_known_to_stand() {
    let world = Elevation::new().await;
    let grant = world.open(600).await;
    let before = calls(&world.stage.cloud, "AssumeRole").len();
    // Another grant's guard is written, and there is no answer.
    world.approved(60).await;
    world.stage.cloud.once("PutRolePolicy", Knob::Drop(false));
    world.stage.work().await;
    assert_eq!(refused(&world.alice, grant).await, "guard_unconfirmed");
    assert!(world.rows(grant).await.is_empty(), "no intent, no call");
    assert_eq!(calls(&world.stage.cloud, "AssumeRole").len(), before);
    world.stage.pass(minutes(16)).await;
    assert_eq!(refused(&world.alice, grant).await, "-");
}

/// F2: what AWS gives after an end is nobody's.
#[tokio::test]
async fn f2_an_end_while_the_link_is_made_discards_it() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let held = world.stage.cloud.hold(GET_TOKEN, true);
    let (code, ()) = tokio::join!(refused(&world.alice, grant), async {
        held.reached().await;
        world.end(grant).await;
        held.release();
    });
    assert_eq!(code, "wrong_state");
    let rows = world.rows(grant).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome.as_deref(), Some("discarded"));
    assert_eq!(rows[0].error.as_deref(), Some("wrong_state"));
}

/// A session that was issued is on record, also where no link came about.
#[tokio::test]
async fn what_the_consoles_sign_in_refuses_or_leaves_unanswered_is_on_record() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let failures = [
        (Knob::Refuse("InvalidRequest", 400), "aws_refused"),
        (Knob::Refuse("AccessDenied", 403), "aws_refused"),
        (Knob::Refuse("TooManyRequests", 429), "aws_silent"),
        (Knob::Refuse("ServiceUnavailable", 503), "aws_silent"),
        (Knob::Refuse("MovedPermanently", 301), "aws_silent"),
        (Knob::Drop(true), "aws_silent"),
    ];
    for (knob, code) in failures {
        world.stage.cloud.once(GET_TOKEN, knob);
        assert_eq!(refused(&world.alice, grant).await, code, "{knob:?}");
        let row = world.rows(grant).await.pop().unwrap();
        assert_eq!(row.outcome.as_deref(), Some("discarded"), "{knob:?}");
        assert_eq!(row.error.as_deref(), Some(code));
        assert!(row.access_key_id.is_some() && row.expires_at.is_some());
    }
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.once("AssumeRole", refuse);
    assert_eq!(refused(&world.alice, grant).await, "aws_refused");
    let row = world.rows(grant).await.pop().unwrap();
    assert_eq!(row.outcome.as_deref(), Some("failed"));
    assert_eq!(refused(&world.alice, grant).await, "-", "asked once each");
    assert_eq!(world.rows(grant).await.len(), 8);
    // Those that were carried out: the one whose connection broke, and the last.
    assert_eq!(calls(&world.stage.cloud, GET_TOKEN).len(), 2);
}

/// The secrets are nowhere: neither in a row nor in the log, which tells of the failure.
#[tokio::test]
async fn no_row_and_no_line_of_the_log_holds_a_link() {
    LazyLock::force(&LOG);
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    world.stage.cloud.once(GET_TOKEN, Knob::Drop(true));
    assert_eq!(refused(&world.alice, grant).await, "aws_silent");
    let made = link(&world.alice, grant).await;
    assert!(log::has_line(&["AWS call failed", "getSigninToken"]));
    let rows = "SELECT (SELECT jsonb_agg(f)::text FROM fetches f) || (SELECT jsonb_agg(e)::text FROM audit_events e) AS all";
    let row = world.stage.rows.pool.fetch_one(rows).await.unwrap();
    let all: String = row.get("all");
    assert!(all.contains("\"kind\": \"console\""), "{all}");
    let token = parameter(made.url.expose_secret(), "SigninToken");
    for text in [all, log::text()] {
        for secret in [&token, "SigninToken=", "sessionToken", "sessionKey"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn the_api_gives_a_link_to_the_grants_person_alone() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    world.stage.rows.person("eve").await;
    let service = world.app.api().await;
    let path = format!("/grants/{grant}/console-link");
    for (name, status, code) in [("bob", 403, "forbidden"), ("eve", 404, "not_found")] {
        let token = service.token(name).await;
        let told = service.call(&token, "POST", &path, &json!({})).await;
        assert_eq!((told.status.as_u16(), told.code()), (status, code));
    }
    assert!(world.rows(grant).await.is_empty());
    let alice = service.token("alice").await;
    let told = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.header("cache-control"), "no-store");
    let until = world.stage.now() + minutes(15);
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    let url = told.body["url"].as_str().unwrap();
    assert_eq!(told.body, json!({"url": url, "expires_at": until}));
    let console = Console::open(&world.stage.cloud, url).await.unwrap();
    assert!(console.works().await);
    let events = format!("/audit-events?subject={grant}");
    let told = service.call(&alice, "GET", &events, &Value::Null).await;
    let all = told.body["items"].as_array().unwrap();
    let kinds = |action: &str| {
        let mut of_action = all.iter().filter(|event| event["action"] == action);
        of_action
            .all(|event| event["details"]["kind"] == "console" || event["outcome"] == "refused")
    };
    assert!(kinds("credentials.requested") && kinds("credentials.issued"));
    world
        .stage
        .cloud
        .once(GET_TOKEN, Knob::Refuse("AccessDenied", 403));
    let told = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!((told.status.as_u16(), told.code()), (502, "aws_refused"));
}
