//! AWS and the database that do not agree what time it is (docs/guard.md §4, *clocks differ*).

use chrono::{SubsecRound, TimeDelta};
use countersign::app::credentials::fetch;
use countersign::clock::Clock;
use countersign::ids::GrantId;

use super::minutes;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;
use crate::support::stage::{FOREIGN, Stage};

/// Both with their real clocks.
async fn stage() -> Stage {
    let mut stage = Stage::new().await;
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let now = Clock::Database.now(&mut conn).await.unwrap();
    stage.advance(now.trunc_subsecs(0) - stage.now());
    stage.clock = Clock::Database;
    stage.cloud.knobs().real_clock();
    stage
}

/// By the real time, since a user that is created after the request is not let in.
async fn approve(stage: &Stage, name: &str) -> GrantId {
    let arn = stage.cloud.create_user(name);
    let person = stage.rows.person(name).await;
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let now = Clock::Database.now(&mut conn).await.unwrap();
    let at = now.trunc_subsecs(0);
    stage
        .rows
        .approve(person, &arn, at, TimeDelta::minutes(60))
        .await
}

async fn open(stage: &Stage, name: &str) -> GrantId {
    let grant = approve(stage, name).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "active");
    grant
}

#[tokio::test]
async fn nothing_opens_while_the_clocks_differ_and_what_is_open_closes() {
    for ahead in [-60, 60] {
        let stage = stage().await;
        let open = open(&stage, "alice").await;
        stage.cloud.knobs().date_ahead(TimeDelta::seconds(ahead));
        stage.revoke(open).await;
        let new = approve(&stage, "carol").await;
        stage.work().await;
        assert_eq!(stage.state(open).await, "ended", "{ahead}");
        assert_eq!(stage.cloud.trust(), FOREIGN, "{ahead}");
        assert_eq!(stage.state(new).await, "opening", "{ahead}");
        let error = stage.rows.target("last_error").await;
        assert_eq!(error.as_deref(), Some("clock_skew"), "{ahead}");

        stage.cloud.knobs().date_ahead(TimeDelta::zero());
        let due = "UPDATE targets SET due_at = '2026-01-01'";
        stage.rows.run(due.to_owned()).await;
        stage.work().await;
        assert_eq!(stage.state(new).await, "active", "{ahead}");
    }
}

#[tokio::test]
async fn a_second_between_the_clocks_is_nothing() {
    let stage = stage().await;
    stage.cloud.knobs().date_ahead(TimeDelta::seconds(1));
    open(&stage, "alice").await;
}

/// That AWS has another time is known until a look says otherwise, whatever fails in between; and
/// what STS itself says of the time counts at once.
#[tokio::test]
async fn nothing_is_handed_out_from_a_look_that_found_another_time() {
    let mut world = Elevation::new().await;
    let grant = world.open(60).await;
    let moved = "ALTER TABLE grants DISABLE TRIGGER USER;
        UPDATE grants SET starts_at = date_trunc('second', now()), deadline = date_trunc('second', now()) + interval '1 hour';
        ALTER TABLE grants ENABLE TRIGGER USER";
    world.stage.rows.as_owner(moved).await;
    world.stage.clock = Clock::Database;
    let knobs = world.stage.cloud.knobs();
    knobs.real_clock();
    let alice = world.app.clone().on_time().ctx("alice").await;
    let told = async || match fetch(&alice, grant).await {
        Ok(_) => "-",
        Err(error) => error.told_code(),
    };
    let look = async || {
        let due = "UPDATE targets SET due_at = '2026-01-01'";
        world.stage.rows.run(due.to_owned()).await;
        world.stage.work().await;
        world.stage.rows.target("last_error").await
    };
    assert_eq!(look().await, None);
    assert_eq!(told().await, "-");

    knobs.date_ahead(TimeDelta::seconds(60));
    assert_eq!(look().await.as_deref(), Some("clock_skew"));
    let throttled = Knob::Refuse("Throttling", 400);
    world.stage.cloud.always("GetRole", throttled);
    knobs.date_ahead(TimeDelta::zero());
    assert_eq!(look().await.as_deref(), Some("throttled"));
    assert_eq!(told().await, "guard_unconfirmed");
    knobs.clear();
    assert_eq!(look().await, None);
    assert_eq!(told().await, "-");

    knobs.date_ahead(minutes(1));
    assert_eq!(told().await, "clock_skew", "by the answer of STS");
}
