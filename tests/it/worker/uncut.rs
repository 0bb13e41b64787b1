//! Credentials that nothing can cut early (`early_end = none`): no part of AWS is written or looked
//! at, and the deny in the session's own policy is all that ends them.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::console_link::console_link;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::find;
use countersign::ids::GrantId;
use sqlx::{AssertSqlSafe, Executor as _};

use super::minutes;
use crate::support::app::code;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;

/// δ of the stage.
const MARGIN: TimeDelta = TimeDelta::seconds(5);

/// The state once nothing is left to do.
async fn state(world: &Elevation, grant: GrantId) -> String {
    world.stage.work().await;
    world.stage.state(grant).await
}

/// The worker's own calls to AWS.
async fn calls_of_work(world: &Elevation) -> Vec<String> {
    world.stage.cloud.take_log();
    world.stage.work().await;
    world.stage.cloud.take_log()
}

#[tokio::test]
async fn keys_work_until_the_deadline_with_the_service_killed() {
    let world = Elevation::uncut().await;
    let grant = world.approved(60).await;
    assert_eq!(world.refused(grant).await, "wrong_state", "not open yet");
    assert_eq!(
        calls_of_work(&world).await,
        [""; 0],
        "nothing of AWS is needed"
    );
    assert_eq!(world.stage.state(grant).await, "active");
    let given = world.fetch(grant).await.unwrap();
    assert_eq!(given.expires_at, world.stage.now() + minutes(60));
    let keys = world.keys(&given);
    assert!(keys.work().await);
    assert_eq!(world.stage.cloud.take_writes(), [""; 0]);
    assert_eq!(world.stage.cloud.guard(), None);
    // The service is killed: nothing of ours runs any more.
    world.advance(3_599);
    assert!(keys.work().await);
    world.advance(1);
    assert!(!keys.work().await, "AWS itself ends it");
    assert_eq!(world.refused(grant).await, "wrong_state");
    assert_eq!(state(&world, grant).await, "closing");
    world.stage.advance(MARGIN);
    assert_eq!(calls_of_work(&world).await, [""; 0]);
    assert_eq!(world.stage.state(grant).await, "ended");
    let told = world.stage.rows.told(grant).await;
    let told: Vec<_> = told.iter().filter(|it| it.starts_with("grant.")).collect();
    assert_eq!(
        told,
        [
            "grant.opening",
            "grant.opened",
            "grant.closing",
            "grant.ended"
        ]
    );
}

/// It opens at the start that was asked for, and a loop that sleeps wakes for it.
#[tokio::test]
async fn it_opens_at_its_start_and_not_before() {
    let world = Elevation::uncut().await;
    let grant = world.approved_at(10, 30).await;
    assert_eq!(state(&world, grant).await, "scheduled");
    world.advance(599);
    assert_eq!(state(&world, grant).await, "scheduled");
    world.advance(1);
    assert_eq!(state(&world, grant).await, "active");
    // Nobody fetched: at the deadline it is over at once.
    world.advance(1_800);
    assert_eq!(state(&world, grant).await, "ended");
}

/// STS gives no session shorter than fifteen minutes.
#[tokio::test]
async fn the_sessions_own_policy_ends_it_at_the_deadline() {
    let world = Elevation::uncut().await;
    let grant = world.open(5).await;
    let given = world.fetch(grant).await.unwrap();
    assert_eq!(given.expires_at, world.stage.now() + minutes(5));
    let keys = world.keys(&given);
    world.advance(299);
    assert!(keys.work().await);
    world.advance(1);
    assert!(!keys.work().await);
    world.stage.advance(MARGIN);
    assert_eq!(state(&world, grant).await, "ended", "not when STS says");
}

/// As any other: who has left the group that may ask gets nothing.
#[tokio::test]
async fn it_opens_for_nobody_who_may_not_ask_any_more() {
    let world = Elevation::uncut().await;
    let grant = world.approved_at(10, 30).await;
    world.stage.rows.leave("alice").await;
    world.stage.pass(minutes(10)).await;
    let row = world.stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("not_eligible"))
    );
}

/// The keys of before an extension end at the old deadline, and so does the grant that is ended.
#[tokio::test]
async fn an_end_stops_fetches_at_once_and_waits_for_the_last_keys_to_expire() {
    let world = Elevation::uncut().await;
    let grant = world.open(30).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    let more = NewExtension {
        duration_seconds: 1_800,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    };
    let asked = extend(&world.alice, grant, more.clone()).await.unwrap();
    approve(&world.bob, asked.extension.unwrap(), None, None)
        .await
        .unwrap();
    let shown = find::grant(&world.alice, grant).await.unwrap().grant;
    assert_eq!(shown.deadline, shown.starts_at + minutes(60));
    assert_eq!(shown.marks.keys_until, Some(shown.starts_at + minutes(30)));
    let longer = NewExtension {
        duration_seconds: 1,
        ..more
    };
    let longer = extend(&world.alice, grant, longer).await;
    assert_eq!(code(longer), "as_long_as_may_be", "an hour is the most");

    world.advance(600);
    world.end(grant).await;
    assert_eq!(world.refused(grant).await, "wrong_state");
    assert_eq!(state(&world, grant).await, "closing");
    assert!(keys.work().await, "nothing cuts them");
    world.advance(1_199);
    assert!(keys.work().await);
    assert_eq!(state(&world, grant).await, "closing");
    world.advance(1);
    assert!(!keys.work().await, "the old deadline is in them");
    world.stage.advance(MARGIN - TimeDelta::seconds(1));
    assert_eq!(
        state(&world, grant).await,
        "closing",
        "AWS's clock may be behind"
    );
    world.advance(1);
    assert_eq!(
        state(&world, grant).await,
        "ended",
        "long before the new deadline"
    );
}

/// Fetched anew after an extension, credentials last until the later deadline.
#[tokio::test]
async fn an_extension_is_a_fetch_away() {
    let world = Elevation::uncut().await;
    let grant = world.open(20).await;
    let more = NewExtension {
        duration_seconds: 600,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    };
    let asked = extend(&world.alice, grant, more).await.unwrap();
    approve(&world.bob, asked.extension.unwrap(), None, None)
        .await
        .unwrap();
    assert_eq!(state(&world, grant).await, "active");
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    world.advance(1_799);
    assert!(keys.work().await);
    world.advance(1);
    assert!(!keys.work().await);
}

/// What STS was asked for, and whether a session of it may be left.
#[tokio::test]
async fn what_was_never_fetched_ends_at_once_and_what_nobody_knows_at_the_deadline() {
    for (knob, left) in [
        (None, false),
        (Some(Knob::Refuse("AccessDenied", 403)), false),
        (Some(Knob::Drop(true)), true),
    ] {
        let world = Elevation::uncut().await;
        let grant = world.open(60).await;
        if let Some(knob) = knob {
            world.stage.cloud.once("AssumeRole", knob);
            assert_ne!(world.refused(grant).await, "-");
        }
        world.end(grant).await;
        let expected = if left { "closing" } else { "ended" };
        assert_eq!(state(&world, grant).await, expected, "{knob:?}");
        world.stage.advance(minutes(60));
        assert_eq!(state(&world, grant).await, expected, "{knob:?}");
        world.stage.advance(MARGIN);
        assert_eq!(state(&world, grant).await, "ended", "{knob:?}");
    }
}

/// F2 without a guard: the session that came too late is nobody's, and still it exists.
#[tokio::test]
async fn f2_an_end_between_intent_and_answer_discards_the_session() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    let held = world.stage.cloud.hold("AssumeRole", true);
    let (refused, ()) = tokio::join!(world.refused(grant), async {
        held.reached().await;
        world.end(grant).await;
        world.stage.work().await;
        assert_eq!(world.stage.state(grant).await, "closing");
        held.release();
    });
    assert_eq!(refused, "wrong_state");
    let [row] = &world.rows(grant).await[..] else {
        panic!("one fetch");
    };
    assert_eq!(row.outcome.as_deref(), Some("discarded"));
    assert_eq!(state(&world, grant).await, "closing");
}

#[tokio::test]
async fn f6_there_is_no_link_to_the_console() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    assert_eq!(code(console_link(&world.alice, grant).await), "no_console");
    assert!(world.rows(grant).await.is_empty());
    assert_eq!(world.refused(grant).await, "-");
}

/// What keeps guarded credentials from being handed out keeps these as well.
#[tokio::test]
async fn a_role_that_waits_for_a_person_or_is_not_the_same_hands_nothing_out() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    for (sql, told) in [
        ("condition = 'contested'", "role_suspended"),
        ("condition = 'safe_mode'", "role_suspended"),
    ] {
        world
            .stage
            .rows
            .as_owner(&format!("UPDATE targets SET {sql}"))
            .await;
        assert_eq!(world.refused(grant).await, told, "{sql}");
    }
    world
        .stage
        .rows
        .as_owner("UPDATE targets SET condition = 'ok'")
        .await;
    let trust = world.stage.cloud.trust();
    world.stage.cloud.knobs().delete_role(crate::sandbox::ROLE);
    world
        .stage
        .cloud
        .knobs()
        .create_role(crate::sandbox::ROLE, &trust)
        .unwrap();
    assert_eq!(world.refused(grant).await, "role_not_found", "another role");
    let rows = world.rows(grant).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome.as_deref(), Some("discarded"));
}

/// AWS's clock is known from the very answer that brought the session.
#[tokio::test]
async fn nothing_is_handed_out_while_the_clocks_differ() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    let app = world.app.clone().on_time();
    world.stage.cloud.knobs().real_clock();
    let now = "UPDATE grants SET starts_at = date_trunc('second', now()), deadline = date_trunc('second', now()) + interval '1 hour'";
    let moved = format!(
        "ALTER TABLE grants DISABLE TRIGGER USER; {now}; ALTER TABLE grants ENABLE TRIGGER USER"
    );
    world.stage.rows.as_owner(&moved).await;
    let alice = app.ctx("alice").await;
    let told = async || code(countersign::app::credentials::fetch(&alice, grant).await);
    world.stage.cloud.knobs().date_ahead(TimeDelta::seconds(30));
    assert_eq!(told().await, "clock_skew");
    world.stage.cloud.knobs().date_ahead(TimeDelta::zero());
    assert_eq!(told().await, "-");
    let outcomes: Vec<_> = world
        .rows(grant)
        .await
        .into_iter()
        .map(|it| it.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Some("discarded".to_owned()), Some("issued".to_owned())]
    );
}

/// Whoever may send SQL as the application cannot make it over, or anything else, than it is.
#[tokio::test]
async fn sql_cannot_give_it_parts_or_end_it_while_keys_work() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    let id = grant.uuid();
    world.fetch(grant).await.unwrap();
    let now = world.stage.now();
    let over = |at: &str| {
        format!(
            "UPDATE grants SET state = 'ended', cause = 'deadline', closing_at = '{now}', ended_at = {at} WHERE id = '{id}'"
        )
    };
    for (sql, constraint) in [
        (
            format!(
                "INSERT INTO parts (id, \"grant\", target, kind, state) SELECT gen_random_uuid(), id, target, 'listed', 'waiting' FROM grants WHERE id = '{id}'"
            ),
            "parts_of_grant",
        ),
        (
            format!(
                "INSERT INTO names (target, name, \"grant\", since) SELECT target, grant_name, id, '{now}' FROM grants WHERE id = '{id}'"
            ),
            "parts_of_grant",
        ),
        (over(&format!("'{now}'")), "parts_of_grant"),
        (
            over(&format!("'{now}'::timestamptz + interval '59 minutes'")),
            "parts_of_grant",
        ),
        (
            format!("UPDATE grants SET early_end = 'guard' WHERE id = '{id}'"),
            "",
        ),
        (
            format!(
                "INSERT INTO fetches (id, \"grant\", kind, at) VALUES (gen_random_uuid(), '{id}', 'console', '{now}')"
            ),
            "fetch_of_open_grant",
        ),
    ] {
        let done = world
            .stage
            .rows
            .pool
            .execute(sqlx::raw_sql(AssertSqlSafe(sql.clone())))
            .await;
        let refused = done.expect_err(&sql);
        let refused = refused.as_database_error().expect("Postgres refuses it");
        assert_eq!(refused.code().as_deref(), Some("23514"), "{sql}: {refused}");
        assert_eq!(
            refused.constraint().unwrap_or_default(),
            constraint,
            "{sql}"
        );
    }
    // Once they are over it may be.
    let at = format!("'{now}'::timestamptz + interval '60 minutes'");
    let done = world
        .stage
        .rows
        .pool
        .execute(sqlx::raw_sql(AssertSqlSafe(over(&at))))
        .await;
    assert!(done.is_ok(), "{done:?}");
}
