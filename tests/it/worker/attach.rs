//! Grants that are a policy on the person's own user and open no role, by the names of their
//! sequences.

use countersign::app::submit::{NewRequest, submit};
use countersign::ids::GrantId;
use countersign::policy::inline::ENDED;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use super::switch::{policy, policy_name};
use crate::support::catalog::{allowing, user_arn};
use crate::support::cloud::Knob;
use crate::support::elevation::{Elevation, attached};

/// A column of a row of the database.
async fn stored(world: &Elevation, sql: &str) -> Option<String> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let row = world.stage.rows.pool.fetch_one(sql).await.unwrap();
    row.get(0)
}

/// The alarms on record, in order.
pub async fn alarms(world: &Elevation) -> Vec<String> {
    let sql = "SELECT details->>'alarm' AS alarm FROM audit_events WHERE action = 'target.alarm' ORDER BY id";
    let rows = world.stage.rows.pool.fetch_all(sql).await.unwrap();
    rows.iter().map(|row| row.get("alarm")).collect()
}

/// Somebody puts a policy on her user, or deletes it.
pub fn put(world: &Elevation, name: &str, text: Option<&str>) {
    let knobs = world.stage.cloud.knobs();
    knobs
        .put_user_policy(&user_arn("alice"), name, text)
        .unwrap();
}

#[tokio::test]
async fn she_may_do_it_from_the_opening_to_the_deadline_with_the_service_killed() {
    let world = Elevation::attaching().await;
    let (alice, trust) = (world.stage.cloud.keys("alice"), world.stage.cloud.trust());
    let grant = world.approved(60).await;
    assert!(!alice.work().await);
    world.stage.cloud.take_writes();
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    assert_eq!(world.stage.cloud.take_writes(), ["PutUserPolicy"]);
    assert!(alice.work().await);
    let roles = || async { alice.iam().list_roles().send().await.is_ok() };
    assert!(!roles().await, "only what was approved");
    // The service is killed: nothing of ours runs any more.
    world.advance(3_599);
    assert!(alice.work().await);
    world.advance(1);
    assert!(!alice.work().await);
    // It comes back. AWS holds the date; by which clock, δ later nobody can doubt.
    world.stage.work().await;
    world.stage.pass(chrono::TimeDelta::seconds(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await, None, "nothing of ours is left");
    assert_eq!(world.stage.cloud.trust(), trust, "no role was touched");
    assert_eq!(world.stage.cloud.guard(), None, "and none has a guard");
    let told = world.stage.rows.told(grant).await;
    let all = [
        "grant.opening",
        "grant.opened",
        "grant.closing",
        "grant.ended",
    ];
    assert_eq!(told, all, "of no guard, since there was none");
    let left = "SELECT count(*)::text FROM names WHERE guard_gone_at IS NULL";
    assert_eq!(stored(&world, left).await.as_deref(), Some("0"));
    let due = "SELECT count(*)::text FROM targets WHERE due_at IS NOT NULL";
    assert_eq!(stored(&world, due).await.as_deref(), Some("0"));
}

/// The request, the grant, its part and its name are on her user's row, and the console's name is
/// nowhere: no session is begun.
#[tokio::test]
async fn all_of_it_is_on_her_own_user() {
    let world = Elevation::attaching().await;
    let grant = world.approved(60).await;
    let own = format!(
        "SELECT concat_ws(' ', t.kind, t.arn, t.due_at IS NOT NULL, p.kind, p.target_uid IS NOT NULL, r.target_checked, g.console_name,
                          r.terms->>'role_arn', r.console) FROM grants g JOIN targets t ON t.id = g.target
         JOIN (SELECT id, target, target_checked, terms, role_id AS console FROM requests) r ON r.id = g.request AND r.target = t.id
         JOIN parts p ON p.\"grant\" = g.id AND p.target = t.id
         JOIN names n ON n.\"grant\" = g.id AND n.target = t.id WHERE g.id = '{}'",
        grant.uuid()
    );
    let arn = user_arn("alice");
    let expected = format!("user {arn} t inline t t");
    assert_eq!(stored(&world, &own).await, Some(expected));
}

#[tokio::test]
async fn an_early_end_stops_it_at_once() {
    let world = Elevation::attaching().await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(60).await;
    assert!(alice.work().await);
    world.end(grant).await;
    world.stage.work().await;
    assert!(!alice.work().await);
    assert_eq!(world.stage.state(grant).await, "ended");
    world.stage.pass(minutes(59)).await;
    let left = policy(&world, grant).await;
    assert_eq!(left.as_deref(), Some(ENDED), "until the deadline");
    world.stage.pass(minutes(2)).await;
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await, None);
}

/// What she may do without us is nobody's business here, and what others put there stays as it was
/// written.
#[tokio::test]
async fn her_standing_rights_stay_byte_for_byte() {
    let world = Elevation::attaching().await;
    let standing = allowing("iam:ListRoles").replace("{\"Eff", " {\n\t\"Eff");
    let others = "Countersign-ffffffff-grant_01k0000000000000000000000a";
    for name in ["standing", others] {
        put(&world, name, Some(&standing));
    }
    let untouched = |when: &str| {
        for name in ["standing", others] {
            let read = world
                .stage
                .cloud
                .knobs()
                .user_policy(&user_arn("alice"), name);
            assert_eq!(read.as_deref(), Some(standing.as_str()), "{name} {when}");
        }
    };
    let alice = world.stage.cloud.keys("alice");
    let may = || async { alice.iam().list_roles().send().await.is_ok() };
    let grant = world.open(60).await;
    untouched("while it is open");
    assert!(may().await);
    world.end(grant).await;
    world.stage.work().await;
    untouched("once it is ended");
    assert!(may().await && !alice.work().await);
    world.stage.pass(minutes(61)).await;
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await, None);
    untouched("when all of ours is gone");
}

#[tokio::test]
async fn two_grants_on_one_user_end_each_by_itself() {
    let world = Elevation::attaching().await;
    let more = |catalog: &mut crate::support::catalog::Catalog| {
        let roles = attached("prod-roles", "iam:ListRoles");
        catalog.entitlements.push(roles);
    };
    world.app.change(more).await;
    let alice = world.stage.cloud.keys("alice");
    let may = || async {
        let roles = alice.iam().list_roles().send().await.is_ok();
        (alice.work().await, roles)
    };
    let users = world.open(60).await;
    let roles = world.approved_for("prod-roles", 120).await;
    world.stage.work().await;
    assert_eq!(may().await, (true, true));
    world.end(users).await;
    world.stage.work().await;
    assert_eq!(may().await, (false, true));
    assert_eq!(world.stage.state(users).await, "ended");
    assert_eq!(world.stage.state(roles).await, "active");
    let again = world.open(90).await;
    assert_eq!(may().await, (true, true));
    world.stage.pass(minutes(91)).await;
    assert_eq!(may().await, (false, true));
    assert_eq!(world.stage.state(again).await, "ended");
    world.stage.pass(minutes(30)).await;
    assert_eq!(may().await, (false, false));
}

/// C8: a new hire has the deleted user's name.
#[tokio::test]
async fn c8_another_user_of_the_name_is_allowed_nothing() {
    let world = Elevation::attaching().await;
    let grant = world.open(60).await;
    let cloud = &world.stage.cloud;
    let text = policy(&world, grant).await.unwrap();
    cloud.delete_user("alice");
    cloud.create_user("alice");
    // Whoever made the user anew has saved the policies of the old one.
    put(&world, &policy_name(&world, grant).await, Some(&text));
    assert!(cloud.keys("alice").work().await);
    world.stage.pass(minutes(1)).await;
    assert!(!cloud.keys("alice").work().await);
    assert_eq!(policy(&world, grant).await, None);
    world.stage.pass(minutes(1)).await;
    let row = world.stage.grant(grant).await;
    assert_eq!(row.cause.as_deref(), Some("principal_gone"));
    assert_eq!(row.state, "ended");
}

/// AWS was silent when it was asked for. Who has the name by now is not whom it was approved for.
#[tokio::test]
async fn c8_a_user_who_was_made_after_the_request_is_allowed_nothing() {
    let world = Elevation::attaching().await;
    let cloud = &world.stage.cloud;
    cloud.always("GetUser", Knob::Drop(false));
    let grant = world.approved(60).await;
    let unchecked = "SELECT target_checked::text FROM requests";
    assert_eq!(stored(&world, unchecked).await.as_deref(), Some("false"));
    cloud.knobs().clear();
    world.stage.advance(minutes(1));
    cloud.delete_user("alice");
    cloud.create_user("alice");
    world.stage.work().await;
    assert!(!cloud.keys("alice").work().await);
    assert_eq!(policy(&world, grant).await, None);
    let row = world.stage.grant(grant).await;
    assert_eq!(row.cause.as_deref(), Some("principal_gone"));
}

/// AWS was silent when it was asked for, and says at the opening whose the user is.
#[tokio::test]
async fn what_could_not_be_looked_at_opens_all_the_same() {
    let world = Elevation::attaching().await;
    let cloud = &world.stage.cloud;
    cloud.always("ListUserPolicies", Knob::Refuse("Throttling", 400));
    let grant = world.approved(60).await;
    cloud.knobs().clear();
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    assert!(cloud.keys("alice").work().await);
    let known = "SELECT principal_id FROM grants";
    let id = cloud.knobs().unique_id(&user_arn("alice"));
    assert_eq!(stored(&world, known).await, id);
}

#[tokio::test]
async fn only_her_user_of_the_entitlements_account_is_allowed_anything() {
    let world = Elevation::attaching().await;
    let elsewhere = "arn:aws:iam::444455556666:user/alice";
    let both = |catalog: &mut crate::support::catalog::Catalog| {
        catalog.account("444455556666").name = "elsewhere".to_owned();
        let principals = &mut catalog.person("alice").principals;
        principals.push(elsewhere.to_owned());
    };
    world.app.change(both).await;
    let wish = NewRequest {
        principal: Some(elsewhere.to_owned()),
        ..Elevation::wish(60)
    };
    let error = submit(&world.alice, wish).await.unwrap_err();
    let detail = error.about().detail;
    assert!(detail.contains("in account 111122223333"), "{detail}");
    // Nobody need name the one that there is.
    let asked = submit(&world.alice, Elevation::wish(60)).await.unwrap();
    let arn = asked.request().principal_arn;
    assert_eq!(arn, Some(user_arn("alice")));
}

#[tokio::test]
async fn a_user_who_is_not_there_is_told_at_the_request() {
    let world = Elevation::attaching().await;
    world.stage.cloud.delete_user("alice");
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "invalid_field");
    let detail = error.about().detail;
    assert!(detail.contains("is not there in AWS"), "{detail}");
}

/// T1: a write without an answer lands when the grant has long been ended.
#[tokio::test]
async fn t1_a_late_write_lets_in_until_the_next_look() {
    let world = Elevation::attaching().await;
    let grant = world.approved(600).await;
    let cloud = &world.stage.cloud;
    let alice = cloud.keys("alice");
    let late = cloud.knobs().land_late("PutUserPolicy", 1);
    world.stage.work().await;
    assert!(late.is_reached() && !alice.work().await);
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "closing", "it may land");
    late.land();
    assert!(alice.work().await, "the exposure that the page declares");
    world.stage.pass(minutes(1)).await;
    assert!(!alice.work().await);
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    for _ in 0..20 {
        world.stage.pass(minutes(1)).await;
        assert!(!alice.work().await);
    }
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// T2: somebody saves again what was on the screen before the end.
#[tokio::test]
async fn t2_a_stale_save_is_ended_at_the_next_look_and_told() {
    let world = Elevation::attaching().await;
    let grant = world.open(600).await;
    let alice = world.stage.cloud.keys("alice");
    let name = policy_name(&world, grant).await;
    let text = policy(&world, grant).await.unwrap();
    world.end(grant).await;
    world.stage.work().await;
    assert!(!alice.work().await);
    put(&world, &name, Some(&text));
    assert!(alice.work().await, "the exposure that the page declares");
    world.stage.pass(minutes(5)).await;
    assert!(!alice.work().await);
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    assert_eq!(alarms(&world).await, ["came_back"]);
}

/// The tables that a restore takes back to what they were.
const TABLES: [&str; 4] = ["grants", "parts", "names", "documents"];

async fn back_up(world: &Elevation) {
    for table in TABLES {
        let sql = format!("CREATE TABLE {table}_before AS TABLE {table}");
        world.stage.rows.run(sql).await;
    }
}

async fn restore(world: &Elevation) {
    let mut sql: Vec<String> = Vec::new();
    for table in TABLES {
        sql.push(format!("ALTER TABLE {table} DISABLE TRIGGER USER"));
    }
    for table in TABLES.iter().rev() {
        sql.push(format!("DELETE FROM {table}"));
    }
    for table in TABLES {
        sql.push(format!("INSERT INTO {table} SELECT * FROM {table}_before"));
    }
    let now = world.stage.now();
    sql.push(format!(
        "UPDATE targets SET due_at = '{now}' WHERE kind = 'user'"
    ));
    world.stage.rows.run(sql.join(";")).await;
    let enabled = TABLES.map(|table| format!("ALTER TABLE {table} ENABLE TRIGGER USER"));
    world.stage.rows.run(enabled.join(";")).await;
}

/// T3: it was revoked, and the database goes back to where it was about to open, or was open.
#[tokio::test]
async fn t3_a_revoked_grant_is_not_opened_again_by_a_restore() {
    for (was_open, state, cause) in [
        (false, "failed", "could_not_open"),
        (true, "ended", "reverted_by_owner"),
    ] {
        let world = Elevation::attaching().await;
        let alice = world.stage.cloud.keys("alice");
        let grant = world.approved(600).await;
        if was_open {
            world.stage.work().await;
        }
        back_up(&world).await;
        world.stage.work().await;
        assert!(alice.work().await);
        world.stage.pass(minutes(10)).await;
        world.end(grant).await;
        world.stage.work().await;
        assert!(!alice.work().await);
        world.stage.pass(minutes(10)).await;
        restore(&world).await;
        for minute in 0..30 {
            world.stage.pass(minutes(1)).await;
            assert!(!alice.work().await, "open {was_open}, minute {minute}");
        }
        let row = world.stage.grant(grant).await;
        assert_eq!(row.state, state);
        assert_eq!(row.cause.as_deref(), Some(cause));
        assert_eq!(alarms(&world).await, ["other_timeline"]);
        assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    }
}

/// T4: who takes it away is not fought.
#[tokio::test]
async fn t4_what_was_removed_is_never_put_back() {
    let world = Elevation::attaching().await;
    let grant = world.open(60).await;
    put(&world, &policy_name(&world, grant).await, None);
    world.stage.cloud.take_writes();
    for _ in 0..4 {
        world.stage.pass(minutes(1)).await;
        assert!(!world.stage.cloud.keys("alice").work().await);
    }
    let row = world.stage.grant(grant).await;
    assert_eq!(row.state, "ended");
    assert_eq!(row.cause.as_deref(), Some("reverted_by_owner"));
    let writes = world.stage.cloud.take_writes();
    assert!(!writes.contains(&"PutUserPolicy".to_owned()), "{writes:?}");
}

/// T8: all inline policies of a user have 2,048 characters together.
#[tokio::test]
async fn t8_a_user_without_room_is_told_at_the_request_and_again_at_the_opening() {
    let world = Elevation::attaching().await;
    let full = |characters: usize| {
        let frame = allowing("").len();
        allowing(&format!("s3:{}", "x".repeat(characters - frame - 3)))
    };
    put(&world, "standing", Some(&full(1_900)));
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "user_full");
    put(&world, "standing", None);
    let grant = world.approved(60).await;
    // Her own text has grown since.
    put(&world, "standing", Some(&full(1_900)));
    world.stage.work().await;
    assert_eq!(
        failure(&world, grant).await,
        ("failed".into(), "could_not_open".into())
    );
    // Two that overlap have to fit together.
    put(&world, "standing", Some(&full(1_750)));
    world.open(60).await;
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "user_full");
}

async fn failure(world: &Elevation, grant: GrantId) -> (String, String) {
    let row = world.stage.grant(grant).await;
    (row.state, row.cause.unwrap_or_default())
}
