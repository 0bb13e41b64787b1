//! Credentials that are handed out, by the names of their sequences (docs/guard.md §5).

use chrono::{SecondsFormat, TimeDelta};
use countersign::web::commands::{Aws, Fetching};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use crate::support::cloud::{Keys, Knob};
use crate::support::elevation::Elevation;

#[tokio::test]
async fn she_is_nobody_in_aws_and_has_the_role_from_the_opening_to_the_deadline() {
    let world = Elevation::new().await;
    let grant = world.approved(60).await;
    assert_eq!(world.refused(grant).await, "wrong_state");
    world.stage.work().await;
    assert_eq!(world.stage.statements(), 0, "the trust policy is not ours");
    let given = world.fetch(grant).await.unwrap();
    assert_eq!(given.expires_at, world.stage.now() + minutes(60));
    let keys = world.keys(&given);
    assert!(keys.work().await);
    // The service is killed: nothing of ours runs any more.
    world.advance(3_599);
    assert!(keys.work().await);
    world.advance(1);
    assert!(!keys.work().await, "AWS itself ends it");
    assert_eq!(world.refused(grant).await, "wrong_state");
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
    let told = world.stage.rows.told(grant).await;
    let told: Vec<_> = told
        .iter()
        .filter_map(|it| it.strip_prefix("credentials."))
        .collect();
    assert_eq!(
        told,
        ["requested", "requested", "issued", "requested"],
        "refused twice"
    );
}

#[tokio::test]
async fn f7_five_minutes_are_five_minutes_though_sts_gives_fifteen() {
    let world = Elevation::new().await;
    let grant = world.open(5).await;
    let mut last = None;
    // An SDK asks anew at each of its calls while less than ten minutes are left.
    for _ in 0..50 {
        let given = world.fetch(grant).await.unwrap();
        assert_eq!(given.expires_at, world.stage.now() + minutes(5));
        last = Some(given);
    }
    let keys = world.keys(&last.unwrap());
    let rows = world.rows(grant).await;
    let by_sts = Some(world.stage.now() + minutes(15));
    assert!(rows.iter().all(|row| row.expires_at == by_sts));
    assert_eq!(rows.len(), 50);
    let mut more = 0;
    while world.refused(grant).await == "-" {
        more += 1;
        assert!(more < 100, "there is an end to it");
    }
    assert!(more >= 10, "60 at once");
    world.advance(299);
    assert!(keys.work().await);
    assert_eq!(world.refused(grant).await, "too_late");
    world.advance(1);
    assert!(!keys.work().await);
}

#[tokio::test]
async fn an_early_end_stops_the_live_session_by_the_guard() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    assert!(keys.work().await);
    world.end(grant).await;
    assert_eq!(
        world.refused(grant).await,
        "wrong_state",
        "before AWS knows of it"
    );
    world.stage.work().await;
    assert!(!keys.work().await);
    assert_eq!(world.stage.state(grant).await, "ended");
    assert!(!world.stage.listed(grant));
}

/// I1: the role's own trust policy never held a statement of ours. What was handed out is known
/// from the fetches alone.
#[tokio::test]
async fn i1_the_guard_stays_as_long_as_a_session_may_be_left() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    let fetched = world.stage.now();
    let sent = world.stage.grant(grant).await.sent_until;
    assert_eq!(sent, Some(fetched + world.stage.margins.unanswered));
    world.end(grant).await;
    world.stage.work().await;
    for hours in 1..=12 {
        world.stage.pass(TimeDelta::hours(1)).await;
        assert!(world.stage.cloud.guard().is_some(), "after {hours} h");
    }
    assert!(!keys.work().await);
    // Never fetched: nobody can have a session, and the guard need not stay.
    let other = world.open(60).await;
    assert_eq!(world.stage.grant(other).await.sent_until, None);
    world.end(other).await;
    for _ in 0..2 {
        world.stage.pass(TimeDelta::hours(1)).await;
    }
    assert!(world.stage.grant(other).await.guard_gone_at.is_some());
    world.stage.pass(TimeDelta::hours(13)).await;
    world.stage.pass(TimeDelta::hours(13)).await;
    assert!(world.stage.grant(grant).await.guard_gone_at.is_some());
}

/// I9: each has names of its own, and the end of one takes nothing from the other.
#[tokio::test]
async fn i9_two_methods_on_one_role_for_one_person_end_each_alone() {
    for sts_ends_first in [true, false] {
        let world = Elevation::new().await;
        let arn = world.stage.cloud.create_user("alice");
        let person = world.alice.person.id;
        let (now, hour) = (world.stage.now(), minutes(60));
        let own = world.stage.rows.approve(person, &arn, now, hour).await;
        let handed_out = world.open(60).await;
        assert_eq!(world.stage.state(own).await, "active");
        let keys = world.keys(&world.fetch(handed_out).await.unwrap());
        let hers = world
            .stage
            .cloud
            .keys("alice")
            .assume("alice")
            .await
            .unwrap();
        let (first, other) = if sts_ends_first {
            (handed_out, own)
        } else {
            (own, handed_out)
        };
        if sts_ends_first {
            world.end(first).await;
        } else {
            world.stage.revoke(first).await;
        }
        world.stage.work().await;
        assert_eq!(world.stage.state(first).await, "ended");
        assert_eq!(world.stage.state(other).await, "active");
        assert_eq!(keys.work().await, !sts_ends_first);
        assert_eq!(hers.work().await, sts_ends_first);
        assert_eq!(world.refused(own).await, "not_fetched");
    }
}

/// F2: what STS gives after an end is nobody's.
#[tokio::test]
async fn f2_an_end_between_the_intent_and_the_answer_discards_the_session() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let held = world.stage.cloud.hold("AssumeRole", true);
    let (code, ()) = tokio::join!(world.refused(grant), async {
        held.reached().await;
        world.end(grant).await;
        held.release();
    });
    assert_eq!(code, "wrong_state");
    let [row] = &world.rows(grant).await[..] else {
        panic!("one fetch");
    };
    assert_eq!(row.outcome.as_deref(), Some("discarded"));
    assert_eq!(row.error.as_deref(), Some("wrong_state"));
    assert!(row.access_key_id.is_some() && row.expires_at.is_some());
    let told = world.stage.rows.told(grant).await;
    let fetched: Vec<_> = told.iter().filter(|it| it.starts_with("cred")).collect();
    assert_eq!(fetched, ["credentials.requested", "credentials.discarded"]);
}

/// F3: before the guard lists it nothing is handed out; nor while a write of the guard is not
/// answered, which may be a deletion, or when nobody has looked for longer than L.
#[tokio::test]
async fn f3_nothing_is_handed_out_while_the_guard_is_not_known_to_stand() {
    let world = Elevation::new().await;
    let grant = world.open(600).await;
    // Another grant's guard is written, and there is no answer.
    let other = world.approved(60).await;
    world.stage.cloud.once("PutRolePolicy", Knob::Drop(false));
    world.stage.work().await;
    assert_eq!(world.refused(grant).await, "guard_unconfirmed");
    world.stage.pass(minutes(14)).await;
    assert_eq!(world.refused(grant).await, "guard_unconfirmed");
    world.stage.pass(minutes(2)).await;
    assert_eq!(world.refused(grant).await, "-");
    assert_eq!(world.refused(other).await, "-");
    // IAM is silent for a while: what was read within L counts.
    world.stage.advance(minutes(15));
    assert_eq!(world.refused(grant).await, "-");
    world.stage.advance(minutes(1));
    assert_eq!(world.refused(grant).await, "guard_unconfirmed");
    assert_eq!(world.rows(grant).await.len(), 2, "no intent, no call");
    // The refusal has made the role due.
    world.stage.work().await;
    assert_eq!(world.refused(grant).await, "-");
}

#[tokio::test]
async fn f3_a_role_that_waits_for_a_person_hands_nothing_out() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    for condition in ["contested", "safe_mode"] {
        let sql = format!("UPDATE targets SET condition = '{condition}'");
        world.stage.rows.as_owner(&sql).await;
        assert_eq!(world.refused(grant).await, "role_suspended", "{condition}");
    }
    world
        .stage
        .rows
        .as_owner("UPDATE targets SET condition = 'ok', unique_id = 'AROAANOTHERROLE00001'")
        .await;
    assert_eq!(
        world.refused(grant).await,
        "guard_unconfirmed",
        "another role"
    );
}

#[tokio::test]
async fn a_session_says_whose_it_is_and_may_do_no_more_than_the_entitlement_says() {
    let world = Elevation::new().await;
    let scope = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}"#;
    let change = |catalog: &mut crate::support::catalog::Catalog| {
        let more = &mut catalog.entitlements[0].more;
        more.insert(
            "scope_down".to_owned(),
            toml::Value::String(scope.to_owned()),
        );
    };
    world.app.change(change).await;
    let grant = world.open(60).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    assert!(!keys.work().await, "ListUsers is not in it");
    let admin = keys.iam().get_user().user_name("admin").send().await;
    assert!(admin.is_ok(), "{admin:?}");
    let calls = world.stage.cloud.knobs().calls();
    assert!(
        calls
            .iter()
            .any(|it| it.caller.ends_with(&format!("/{grant}")))
    );
}

#[tokio::test]
async fn only_its_person_fetches() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let told = async |ctx| match countersign::app::credentials::fetch(ctx, grant).await {
        Ok(_) => "-",
        Err(error) => error.told_code(),
    };
    assert_eq!(told(&world.bob).await, "forbidden");
    world.stage.rows.person("eve").await;
    assert_eq!(told(&world.app.ctx("eve").await).await, "not_found");
    assert!(world.rows(grant).await.is_empty());
}

/// The secret is nowhere: only the key's id is.
#[tokio::test]
async fn no_row_holds_a_secret() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let given = world.fetch(grant).await.unwrap();
    let rows = "SELECT (SELECT jsonb_agg(f)::text FROM fetches f) || (SELECT jsonb_agg(e)::text FROM audit_events e) AS all";
    let row = world.stage.rows.pool.fetch_one(rows).await.unwrap();
    let all: String = row.get("all");
    assert!(all.contains(&given.access_key_id));
    for secret in [&given.secret, &given.token] {
        assert!(!all.contains(secrecy::ExposeSecret::expose_secret(secret)));
    }
}

/// The answer is what `credential_process` takes, and nothing on the way keeps it.
#[tokio::test]
async fn the_api_answers_in_the_form_of_a_credential_process() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let service = world.app.api().await;
    let alice = service.token("alice").await;
    let path = format!("/grants/{grant}/credentials");
    let told = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.header("cache-control"), "no-store");
    let text = |key: &str| told.body[key].as_str().unwrap();
    let keys = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(text);
    assert!(
        Keys::handed(&world.stage.cloud, keys[0], keys[1], keys[2])
            .work()
            .await
    );
    let rest = json!({"Version": told.body["Version"], "Expiration": told.body["Expiration"]});
    let until = (world.stage.now() + minutes(60)).to_rfc3339_opts(SecondsFormat::Secs, true);
    assert_eq!(rest, json!({"Version": 1, "Expiration": until}));
    assert_eq!(told.body.as_object().unwrap().len(), 5);
    let shown = service
        .call(&alice, "GET", &format!("/grants/{grant}"), &Value::Null)
        .await;
    assert_eq!(shown.body["method"], "sts_credentials");
    assert_eq!(shown.body["principal_arn"], Value::Null);
    let bob = service.token("bob").await;
    let told = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!((told.status.as_u16(), told.code()), (403, "forbidden"));
    world
        .stage
        .cloud
        .once("AssumeRole", Knob::Refuse("AccessDenied", 403));
    let told = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!((told.status.as_u16(), told.code()), (502, "aws_refused"));
}

/// The lines that the page offers, in a shell and with the programs that they name.
#[tokio::test]
async fn what_is_to_be_pasted_hands_the_credentials_over() {
    let world = Elevation::new().await;
    let grant = world.open(60).await.to_string();
    let service = world.app.api().await;
    let token = service.token("alice").await;
    let fetching = Fetching {
        public_url: &service.url(),
        grant: &grant,
    };
    let aws = Aws {
        endpoint_url: None,
        region: "eu-west-1".to_owned(),
    };
    let run = async |line: &str| {
        let shell = tokio::process::Command::new("sh")
            .args(["-c", line])
            .env("COUNTERSIGN_TOKEN", &token)
            .output();
        String::from_utf8(shell.await.unwrap().stdout).unwrap()
    };
    let keys = "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN";
    let place = "$AWS_REGION $AWS_ENDPOINT_URL";
    let there = Aws {
        endpoint_url: Some("http://127.0.0.1:1".to_owned()),
        ..aws.clone()
    };
    let exports = fetching.exports(&there);
    let printed = run(&format!("{exports}; echo \"{keys} {place}\"")).await;
    let words: Vec<&str> = printed.split_whitespace().collect();
    let [id, secret, session, region, endpoint] = words[..] else {
        panic!("five words: {printed}");
    };
    assert_eq!((region, endpoint), ("eu-west-1", "http://127.0.0.1:1"));
    assert!(
        Keys::handed(&world.stage.cloud, id, secret, session)
            .work()
            .await
    );
    let profile = fetching.profile("prod-admin", &aws);
    let process = profile
        .lines()
        .find_map(|line| line.strip_prefix("credential_process = "));
    let told: Value = serde_json::from_str(&run(process.unwrap()).await).unwrap();
    assert_eq!(told["Version"], 1);
    assert!(told["SessionToken"].is_string());
}

/// Somebody deletes the guard, and nobody is there to put it back. STS has made the session longer.
#[tokio::test]
async fn the_sessions_own_policy_ends_it_at_the_deadline_without_a_guard() {
    let world = Elevation::new().await;
    let grant = world.open(5).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    world.stage.cloud.delete_guard();
    world.advance(299);
    assert!(keys.work().await);
    world.advance(1);
    assert!(!keys.work().await);
}

#[tokio::test]
async fn what_is_on_record_of_a_fetch_cannot_be_changed_by_sql() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    world.fetch(grant).await.unwrap();
    let insert = |outcome: &str, id: &str| {
        format!(
            "INSERT INTO fetches (id, \"grant\", kind, at, outcome) VALUES (gen_random_uuid(), '{id}', 'keys', now(), {outcome})"
        )
    };
    let id = grant.uuid().to_string();
    world.stage.rows.run(insert("NULL", &id)).await;
    let refused = [
        "UPDATE fetches SET at = at - interval '1 hour'".to_owned(),
        "UPDATE fetches SET outcome = 'failed', error = 'x', access_key_id = NULL, expires_at = NULL".to_owned(),
        "UPDATE fetches SET outcome = 'issued', answered_at = now() WHERE outcome IS NULL".to_owned(),
        "DELETE FROM fetches".to_owned(),
        "TRUNCATE fetches".to_owned(),
        "UPDATE grants SET method = 'trust_policy'".to_owned(),
        "UPDATE parts SET kind = 'statement'".to_owned(),
        insert("'failed'", &id),
    ];
    for sql in &refused {
        let done = world
            .stage
            .rows
            .owner
            .execute(AssertSqlSafe(sql.as_str()))
            .await;
        assert!(done.is_err(), "{sql}");
    }
    world.end(grant).await;
    let late = insert("NULL", &id);
    let done = world
        .stage
        .rows
        .owner
        .execute(AssertSqlSafe(late.as_str()))
        .await;
    let error = done.unwrap_err().into_database_error().unwrap();
    assert_eq!(error.constraint(), Some("fetch_of_open_grant"));
}
