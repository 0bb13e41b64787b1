//! Her user as a target of its own: what it tells the role's, and what keeps it from nothing.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::submit::submit;
use countersign::domain::fetch::Guarding;
use countersign::domain::target::Condition;
use sqlx::{AssertSqlSafe, Executor as _};

use super::minutes;
use super::switch::{listed, policy, policy_name};
use crate::support::catalog::{Catalog, user_arn};
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;
use crate::support::member::Member;

/// I1: somebody gives her policy a later date. Whatever she gets by it the guard has to outlast.
#[tokio::test]
async fn i1_the_guard_outlasts_a_date_that_a_hand_has_put() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let text = policy(&world, grant).await.unwrap();
    let later = text.replace("2026-01-05T10:00:00Z", "2026-01-05T14:00:00Z");
    assert_ne!(text, later);
    let name = policy_name(&world, grant).await;
    let knobs = world.stage.cloud.knobs();
    knobs
        .put_user_policy(&user_arn("alice"), &name, Some(&later))
        .unwrap();
    world.stage.pass(minutes(1)).await;
    let until: DateTime<Utc> = "2026-01-05T14:00:00Z".parse().unwrap();
    assert_eq!(listed(&world, grant).await, Some(until));
    assert_eq!(policy(&world, grant).await, Some(text), "written anew");
}

/// What is asked of the guard before anything else lets somebody in.
#[test]
fn the_guard_holds_as_long_as_nothing_speaks_against_it() {
    let at = |seconds| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds);
    let whole = Guarding {
        condition: Condition::Ok,
        listed_at: Some(at(0)),
        listed_until: Some(at(101)),
        equal_at: Some(at(10)),
        unclear_at: None,
        is_its_role: true,
        is_pinned: true,
        clocks_differ: false,
        is_held: false,
    };
    let holds = |guarding: &Guarding, now| {
        guarding.holds(at(now), TimeDelta::seconds(90), TimeDelta::seconds(600))
    };
    assert!(holds(&whole, 10) && holds(&whole, 100));
    assert!(!holds(&whole, 101), "nobody has looked");
    let against: [fn(&mut Guarding); 9] = [
        |it| it.listed_at = None,
        |it| it.listed_at = it.equal_at.map(|at| at + TimeDelta::seconds(1)),
        |it| it.equal_at = None,
        |it| it.listed_until = None,
        |it| it.listed_until = Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(20)),
        |it| it.unclear_at = Some(DateTime::UNIX_EPOCH),
        |it| it.is_its_role = false,
        |it| it.clocks_differ = true,
        |it| it.is_held = true,
    ];
    for (row, change) in against.into_iter().enumerate() {
        let mut guarding = whole.clone();
        change(&mut guarding);
        assert!(!holds(&guarding, 20), "{row}");
    }
    // A write without an answer may land, and a read lag behind it, for so long and no longer.
    let mut landed = whole;
    landed.unclear_at = Some(at(-591));
    landed.equal_at = Some(at(8));
    assert!(!holds(&landed, 8));
    assert!(holds(&landed, 9));
}

/// She asks again: the console's name is hers anew once no older session can pass for it.
#[tokio::test]
async fn a_second_grant_opens_as_soon_as_the_name_is_free() {
    let world = Elevation::switching().await;
    let first = world.open(60).await;
    world.end(first).await;
    world.stage.work().await;
    let second = world.approved(60).await;
    world.stage.work().await;
    world.stage.pass(TimeDelta::seconds(7)).await;
    assert_eq!(world.stage.state(second).await, "active");
    let alice = world.stage.cloud.keys("alice");
    assert!(alice.assume("alice").await.unwrap().work().await);
}

/// The role of her grants is handed out as well, and lets us in unpinned: that concerns who is
/// handed something, and nobody else.
#[tokio::test]
async fn a_role_that_is_not_pinned_is_switched_to_all_the_same() {
    let world = Elevation::switching().await;
    let handed = |catalog: &mut Catalog| {
        let mut other = catalog.entitlements[0].clone();
        "prod-keys".clone_into(&mut other.name);
        "sts_credentials".clone_into(&mut other.method);
        catalog.entitlements.push(other);
    };
    world.app.change(handed).await;
    // Unchecked, as while AWS is silent: the role lets us in unpinned.
    world.stage.cloud.once("GetRole", Knob::Drop(false));
    let wish = countersign::app::submit::NewRequest {
        entitlement: "prod-keys".to_owned(),
        ..Elevation::wish(60)
    };
    let keys = submit(&world.alice, wish).await.unwrap().request();
    let shown = countersign::app::approve::approve(&world.bob, keys.id, None, None).await;
    let keys = shown.unwrap().grant.unwrap().id;
    let switch = world.approved(60).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(keys).await, "failed");
    assert_eq!(world.stage.state(switch).await, "active");
}

/// Nothing could ever be put on her user, nor taken away: that is said at once.
#[tokio::test]
async fn a_user_whose_account_is_closed_to_us_is_refused_when_asked() {
    let world = Elevation::switching().await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("ListUserPolicies", refuse);
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "user_closed");
    world.stage.cloud.knobs().clear();
    // The right to simulate is no condition, and a silent AWS none either.
    world.stage.cloud.always("SimulatePrincipalPolicy", refuse);
    let asked = submit(&world.alice, Elevation::wish(60)).await.unwrap();
    assert!(asked.request().target_checked);
    world.stage.cloud.knobs().clear();
    world
        .stage
        .cloud
        .always("ListUserPolicies", Knob::Drop(false));
    let asked = submit(&world.alice, Elevation::wish(61)).await.unwrap();
    assert!(!asked.request().target_checked);
}

/// Its account does not answer; the role is judged all the same.
#[tokio::test]
async fn a_role_that_needs_nothing_of_ours_is_refused_though_the_user_is_silent() {
    let world = Member::with("switch", &crate::sandbox::trusting("*", "{}")).await;
    let drop = countersign::sandbox::Fault::DropConnection;
    let before = countersign::sandbox::When::BeforeEffect;
    world
        .stage
        .cloud
        .knobs()
        .fail_always("ListUserPolicies", before, drop);
    let error = world.ask(60).await.unwrap_err();
    assert_eq!(error.told_code(), "role_open_already");
}

/// A right is missing to take away what is left of an old grant. That keeps no new one waiting, and
/// is told.
#[tokio::test]
async fn what_cannot_be_taken_away_keeps_nothing_else_from_opening() {
    let world = Elevation::switching().await;
    let first = world.open(5).await;
    world.end(first).await;
    world.stage.work().await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("DeleteUserPolicy", refuse);
    for _ in 0..10 {
        world.stage.pass(minutes(6)).await;
    }
    assert!(
        world.app.count("targets WHERE attempts > 8").await > 0,
        "as often as an opening is tried"
    );
    assert!(policy(&world, first).await.is_some());
    let second = world.open(60).await;
    let alice = world.stage.cloud.keys("alice");
    assert!(alice.assume(&second.to_string()).await.is_some());
    world.end(second).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(second).await, "ended");
    world.stage.cloud.knobs().clear();
    world.stage.pass(minutes(70)).await;
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, first).await, None);
}

/// The same of a statement: what hangs on the trust policy is given up, a switch opens.
#[tokio::test]
async fn a_statement_that_cannot_be_taken_away_keeps_no_switch_from_opening() {
    let world = Elevation::switching().await;
    let stage = &world.stage;
    let first = stage.open("carol", 600).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    stage.cloud.always("UpdateAssumeRolePolicy", refuse);
    stage.revoke(first).await;
    for _ in 0..10 {
        stage.pass(minutes(6)).await;
    }
    assert!(
        world.app.count("targets WHERE attempts > 8").await > 0,
        "as often as an opening is tried"
    );
    assert_eq!(stage.state(first).await, "closing");
    let trusted = stage.approve("chuck", 60).await;
    world.open(60).await;
    assert_eq!(stage.state(trusted).await, "failed");
}

/// A policy on somebody else's user, or one more than was approved, is nothing that SQL can bring
/// about.
#[tokio::test]
async fn postgres_itself_holds_the_parts_to_the_method_and_the_user() {
    let world = Elevation::switching().await;
    let grant = world.approved(60).await.uuid();
    let has_user = |catalog: &mut Catalog| catalog.person("bob").principals = vec![user_arn("bob")];
    world.app.change(has_user).await;
    let bobs = format!("(SELECT id FROM targets WHERE arn = '{}')", user_arn("bob"));
    let (person, arn) = (world.alice.person.id, user_arn("alice"));
    let hour = minutes(60);
    let trusted = world
        .stage
        .rows
        .approve(person, &arn, world.stage.now(), hour)
        .await;
    let more = format!(
        "INSERT INTO parts (id, \"grant\", target, kind, state, allows)
         SELECT gen_random_uuid(), '{}', id, 'inline', 'waiting', '{{}}' FROM targets WHERE arn = '{arn}'",
        trusted.uuid()
    );
    let elsewhere = format!(
        "ALTER TABLE parts DISABLE TRIGGER parts_freeze;
         UPDATE parts SET target = {bobs} WHERE \"grant\" = '{grant}' AND kind = 'inline'"
    );
    for sql in [more, elsewhere] {
        let done = world
            .stage
            .rows
            .owner
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)));
        let error = done.await.unwrap_err();
        let refused = error.as_database_error().unwrap();
        assert_eq!(refused.constraint(), Some("part_of_method"), "{refused}");
    }
}
