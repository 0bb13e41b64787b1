//! Trying whether AWS denies the sessions of a grant that has ended.

use countersign::app::ctx::Ctx;
use countersign::app::find::{self, Page};
use countersign::app::probe::probe;
use countersign::app::revoke::{NewRevocation, carry_on, revoke};
use countersign::error::Error;
use countersign::ids::GrantId;
use countersign::sandbox::Call;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::sandbox::{ROLE, identity};
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;
use crate::support::wait;

const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/boundary";

/// A grant whose credentials were fetched, and which somebody has ended; and ada, who is an admin.
async fn ended() -> (Elevation, Ctx, GrantId) {
    let world = Elevation::new().await;
    let ada = admin(&world).await;
    let grant = world.open(60).await;
    world.fetch(grant).await.unwrap();
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
    (world, ada, grant)
}

async fn admin(world: &Elevation) -> Ctx {
    world
        .app
        .change(|catalog| {
            catalog.regroup("ada", &["admins"]);
            catalog.regroup("otto", &["auditors"]);
            catalog.person("mallory");
        })
        .await;
    world.app.ctx("ada").await
}

/// What a try tells: what was seen, or the code of why it was refused, and why nothing was learned.
async fn tried(ctx: &Ctx, grant: GrantId) -> (String, Option<String>) {
    match probe(ctx, grant).await {
        Ok(seen) => (seen.outcome, seen.error),
        Err(error) => (code(&error).to_owned(), None),
    }
}

fn code(error: &Error) -> &'static str {
    error.told_code()
}

fn denied() -> (String, Option<String>) {
    ("denied".to_owned(), None)
}

fn not_denied() -> (String, Option<String>) {
    ("not_denied".to_owned(), None)
}

fn not_asked(why: &str) -> (String, Option<String>) {
    ("not_asked".to_owned(), Some(why.to_owned()))
}

async fn text(world: &Elevation, sql: &str) -> Vec<String> {
    let rows = world
        .app
        .pool()
        .fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
    let rows = rows.await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What was called since, as the stand-in has it.
fn calls(world: &Elevation, before: usize) -> Vec<Call> {
    world.stage.cloud.knobs().calls().split_off(before)
}

#[tokio::test]
async fn an_ended_grants_session_is_denied_and_nobody_gets_it() {
    let (world, ada, grant) = ended().await;
    let sent = "SELECT sent_until::text || ' ' || (SELECT guard_until::text FROM names) FROM parts";
    let marks = text(&world, sent).await;
    let before = world.stage.cloud.knobs().calls().len();
    assert_eq!(tried(&ada, grant).await, denied());
    let calls = calls(&world, before);
    let actions: Vec<_> = calls.iter().map(|call| call.action.as_str()).collect();
    assert_eq!(actions, ["AssumeRole", "GetRole"]);
    let asked = |name: &str| calls[0].params.get(name).unwrap().clone();
    assert_eq!(asked("RoleSessionName"), grant.to_string());
    assert_eq!(asked("SourceIdentity"), ada.person.id.to_string());
    assert_eq!(asked("DurationSeconds"), "900");
    let policy: Value = serde_json::from_str(&asked("Policy")).unwrap();
    let reads = json!([{"Effect": "Allow", "Action": "iam:GetRole", "Resource": ROLE}]);
    assert_eq!(policy["Statement"], reads);
    assert!(calls[1].caller.ends_with(&format!("/{grant}")));
    // It is one more session that was issued: the guard outlasts it as it is.
    assert_eq!(text(&world, sent).await, marks);
    let told =
        "SELECT action || ' ' || coalesce(details->>'outcome', '-') || ' ' || outcome || ' ' ||
                coalesce(left(details->>'access_key_id', 4), '-') FROM audit_events
         WHERE action LIKE 'probe.%' AND actor_name = 'Ada' AND concerns IS NOT NULL ORDER BY id";
    assert_eq!(
        text(&world, told).await,
        [
            "probe.requested - success -",
            "probe.answered denied success ASIA"
        ]
    );
    let stored = text(&world, "SELECT row_to_json(p)::text FROM probes p").await;
    let stored: Value = serde_json::from_str(&stored[0]).unwrap();
    assert_eq!(stored.as_object().unwrap().len(), 8, "{stored}");
    assert_eq!(stored["outcome"], "denied");
}

/// The page of the revocation has it with the guard that was read back.
#[tokio::test]
async fn a_revocation_tells_the_latest_try_beside_the_guard() {
    let (world, ada, _) = ended().await;
    let grant = world.open(60).await;
    world.fetch(grant).await.unwrap();
    let all = NewRevocation {
        everything: true,
        reason: "A laptop was stolen".to_owned(),
        ..NewRevocation::default()
    };
    let id = revoke(&ada, all).await.unwrap().id;
    carry_on(&ada.app, id).await.unwrap();
    let page = Page {
        cursor: None,
        limit: 50,
    };
    let revoked = async |ctx: &Ctx| find::revoked(ctx, id, page).await.unwrap().items.remove(0);
    assert!(!revoked(&ada).await.may_probe, "it is closing");
    world.stage.work().await;
    let shown = revoked(&ada).await;
    assert_eq!(shown.of.grant, grant);
    assert!(shown.may_probe && shown.of.probe.is_none(), "{shown:?}");
    assert!(shown.of.guard_sha256.is_some() && shown.of.guard_revision > Some(0));
    let otto = world.app.ctx("otto").await;
    assert!(!revoked(&otto).await.may_probe, "an auditor looks");
    world.stage.cloud.once("AssumeRole", Knob::Drop(false));
    assert_eq!(tried(&ada, grant).await, not_asked("unclear"));
    world.advance(60);
    assert_eq!(tried(&ada, grant).await, denied());
    let latest = revoked(&ada).await.of.probe.unwrap().0;
    assert_eq!((latest.outcome, latest.error), denied());
    assert_eq!(latest.at, world.stage.now());
}

/// The role is looked at then, and has its guard back.
#[tokio::test]
async fn without_the_guard_it_is_not_denied_and_the_role_is_looked_at() {
    let (world, ada, grant) = ended().await;
    world.stage.cloud.delete_guard();
    assert_eq!(tried(&ada, grant).await, not_denied());
    world.stage.work().await;
    assert!(world.stage.cloud.guard().is_some());
    assert_eq!(tried(&ada, grant).await, denied());
    // Nor is it denied where nothing allows it: that is no Deny.
    let knobs = world.stage.cloud.knobs();
    knobs.put_role_policy(ROLE, "all", None).unwrap();
    world.stage.cloud.delete_guard();
    assert_eq!(tried(&ada, grant).await, not_denied());
}

/// A Deny wins over what nothing allows; that of another kind of policy says nothing of the guard.
#[tokio::test]
async fn only_a_deny_of_the_roles_own_policies_counts() {
    let (world, ada, grant) = ended().await;
    let knobs = world.stage.cloud.knobs();
    knobs.put_role_policy(ROLE, "all", None).unwrap();
    assert_eq!(tried(&ada, grant).await, denied());
    world.stage.cloud.delete_guard();
    let boundary = identity("Deny", "iam:GetRole", "{}");
    knobs.put_managed_policy(BOUNDARY, Some(&boundary)).unwrap();
    knobs.put_boundary(ROLE, Some(BOUNDARY));
    assert_eq!(tried(&ada, grant).await, not_asked("other_deny"));
}

#[tokio::test]
async fn what_aws_refuses_or_leaves_unanswered_says_nothing() {
    let refused = Knob::Refuse("AccessDenied", 403);
    let cases = [
        ("AssumeRole", refused, "denied"),
        ("AssumeRole", Knob::Drop(true), "unclear"),
        ("GetRole", Knob::Drop(true), "unclear"),
        ("GetRole", Knob::Refuse("Throttling", 400), "throttled"),
        // Refused without a word of why.
        ("GetRole", refused, "unexplained"),
    ];
    for (action, knob, why) in cases {
        let (world, ada, grant) = ended().await;
        world.stage.cloud.once(action, knob);
        let seen = tried(&ada, grant).await;
        assert_eq!(seen, not_asked(why), "{action} {knob:?}");
        let failed = format!(
            "SELECT code FROM audit_events WHERE action = 'probe.answered' AND outcome = 'failure' AND subject = '{grant}'"
        );
        assert_eq!(text(&world, &failed).await, [why]);
    }
}

/// C8: the guard was on another role.
#[tokio::test]
async fn a_role_that_was_made_anew_is_not_asked() {
    let (world, ada, grant) = ended().await;
    let trust = world.stage.cloud.trust();
    let knobs = world.stage.cloud.knobs();
    knobs.delete_role(ROLE);
    knobs.create_role(ROLE, &trust).unwrap();
    let before = knobs.calls().len();
    assert_eq!(tried(&ada, grant).await, not_asked("another_role"));
    assert_eq!(calls(&world, before).len(), 1);
}

/// STS may make the session within L, and it lasts for fifteen minutes: only a guard that stands
/// for so long is tried.
#[tokio::test]
async fn no_session_is_made_that_could_outlast_the_guard() {
    let (world, ada, grant) = ended().await;
    // The guard stands for L, δ and twelve hours from the fetch.
    world.advance(12 * 3_600 - 15 * 60);
    assert_eq!(tried(&ada, grant).await, denied());
    world.advance(6);
    assert_eq!(tried(&ada, grant).await.0, "guard_ends");
    let refused = world.app.events(grant, "probe.requested", "refused").await;
    assert_eq!(refused, 1);
    // Nothing was ever handed out: the guard need not name it.
    let world = Elevation::new().await;
    let ada = admin(&world).await;
    let grant = world.open(60).await;
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(tried(&ada, grant).await.0, "guard_ends");
}

#[tokio::test]
async fn only_an_admin_tries_and_only_what_has_ended() {
    let (world, ada, grant) = ended().await;
    for (name, wanted) in [
        ("alice", "forbidden"),
        ("bob", "forbidden"),
        ("otto", "forbidden"),
        ("mallory", "not_found"),
    ] {
        let ctx = world.app.ctx(name).await;
        assert_eq!(tried(&ctx, grant).await.0, wanted, "{name}");
    }
    let open = world.open(60).await;
    assert_eq!(tried(&ada, open).await.0, "wrong_state");
    assert_eq!(world.app.count("probes").await, 0);
    let world = Elevation::trusting().await;
    let ada = admin(&world).await;
    let grant = world.open(60).await;
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(tried(&ada, grant).await.0, "not_probed");
}

/// Each makes a session.
#[tokio::test]
async fn it_is_tried_three_times_in_a_row_and_no_more() {
    let (world, ada, grant) = ended().await;
    for _ in 0..3 {
        assert_eq!(tried(&ada, grant).await, denied());
    }
    let error = probe(&ada, grant).await.unwrap_err();
    assert_eq!(error.about().status, 429);
    assert_eq!(world.app.count("probes").await, 3);
}

/// No transaction is open while AWS is asked, and a client that hangs up leaves an outcome.
#[tokio::test]
async fn aws_is_asked_between_two_transactions_and_the_outcome_is_stored() {
    let (world, ada, grant) = ended().await;
    let held = world.stage.cloud.hold("GetRole", true);
    tokio::select! {
        _ = probe(&ada, grant) => panic!("AWS is held"),
        () = held.reached() => {}
    }
    let outcome = async || {
        text(
            &world,
            "SELECT coalesce(outcome, '-') FROM probes ORDER BY id",
        )
        .await
    };
    assert_eq!(outcome().await, ["-"]);
    let open = "SELECT count(*)::text FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'";
    assert_eq!(text(&world, open).await, ["0"]);
    held.release();
    wait::until_async("the outcome is on record", async || {
        outcome().await == ["denied"]
    })
    .await;
}

#[tokio::test]
async fn sql_holds_the_floor() {
    let (world, ada, grant) = ended().await;
    probe(&ada, grant).await.unwrap();
    let open = world.open(60).await;
    let insert = |grant: GrantId, outcome: &str| {
        format!(
            "INSERT INTO probes (id, \"grant\", asked_by, at, outcome) VALUES (gen_random_uuid(), '{}', '{}', now(), {outcome})",
            grant.uuid(),
            ada.person.id.uuid()
        )
    };
    world.stage.rows.run(insert(grant, "NULL")).await;
    let refused = [
        insert(open, "NULL"),
        insert(grant, "'denied'"),
        "UPDATE probes SET at = at - interval '1 hour'".to_owned(),
        "UPDATE probes SET outcome = 'not_denied' WHERE outcome = 'denied'".to_owned(),
        "UPDATE probes SET outcome = 'denied', answered_at = now() WHERE outcome IS NULL"
            .to_owned(),
        "UPDATE probes SET outcome = 'not_asked', answered_at = now() WHERE outcome IS NULL"
            .to_owned(),
        "DELETE FROM probes".to_owned(),
        "TRUNCATE probes".to_owned(),
    ];
    for sql in refused {
        let done = world
            .stage
            .rows
            .owner
            .execute(AssertSqlSafe(sql.clone()))
            .await;
        assert!(done.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn over_http_an_admin_is_told_what_was_seen_and_nobody_else() {
    let (world, _, grant) = ended().await;
    let service = world.app.api().await;
    let path = format!("/grants/{grant}/probe");
    let ada = service.token("ada").await;
    let told = service.call(&ada, "POST", &path, &json!({})).await;
    assert_eq!(told.status.as_u16(), 200, "{}", told.body);
    let at = &told.body["at"];
    let wanted = json!({"outcome": "denied", "because": null, "at": at});
    assert_eq!(told.body, wanted);
    let bob = service.token("bob").await;
    let told = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!((told.status.as_u16(), told.code()), (403, "forbidden"));
}
