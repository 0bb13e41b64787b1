//! Extensions: a later deadline by a request of its own (docs/guard.md, H6).

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::submit::{Submitted, submit};
use countersign::app::{find, withdraw};
use countersign::ids::{GrantId, RequestId};
use countersign::policy::inline::ENDED;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use super::switch::policy;
use crate::sandbox::{ALLOW_ALL, ROLE};
use crate::support::app::code;
use crate::support::cloud::Knob;
use crate::support::elevation::Elevation;

fn more(count: i64) -> NewExtension {
    NewExtension {
        duration_seconds: count * 60,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    }
}

/// Asked for, not decided.
async fn asked(world: &Elevation, grant: GrantId, count: i64) -> RequestId {
    let view = extend(&world.alice, grant, more(count)).await.unwrap();
    view.extension.unwrap()
}

/// Asked for and approved.
pub async fn extended(world: &Elevation, grant: GrantId, count: i64) {
    let asked = asked(world, grant, count).await;
    approve(&world.bob, asked, None, None).await.unwrap();
}

#[tokio::test]
async fn a_switch_goes_on_without_a_gap_and_ends_at_the_later_deadline() {
    let world = Elevation::switching().await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(60).await;
    let (own, console) = (grant.to_string(), "alice");
    let session = alice.assume(&own).await.unwrap();
    world.advance(3_000);
    let asked = asked(&world, grant, 60).await;
    world.stage.work().await;
    let shown = find::grant(&world.alice, grant).await.unwrap();
    assert_eq!(
        shown.grant.deadline,
        shown.grant.starts_at + minutes(60),
        "the old one stands"
    );
    assert_eq!(shown.extension, Some(asked));
    world.stage.cloud.take_writes();
    approve(&world.bob, asked, None, None).await.unwrap();
    world.stage.work().await;
    let writes = world.stage.cloud.take_writes();
    assert_eq!(
        writes,
        ["PutRolePolicy", "PutUserPolicy"],
        "the guard first"
    );
    let shown = find::grant(&world.alice, grant).await.unwrap();
    assert_eq!(shown.grant.deadline, shown.grant.starts_at + minutes(120));
    assert_eq!(
        (shown.grant.state.as_str(), shown.extension),
        ("active", None)
    );
    // The session that was there, and new ones, up to the new deadline: with the service killed.
    world.advance(4_199);
    assert!(session.work().await, "no gap");
    assert!(alice.assume(&own).await.is_some() && alice.assume(console).await.is_some());
    world.advance(1);
    assert!(!session.work().await);
    assert!(alice.assume(&own).await.is_none());
    world.stage.work().await;
    world.stage.pass(TimeDelta::seconds(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
    world.stage.pass(minutes(6)).await;
    assert_eq!(policy(&world, grant).await, None);
}

#[tokio::test]
async fn an_attached_policy_lasts_as_long() {
    let world = Elevation::attaching().await;
    let grant = world.open(30).await;
    let alice = world.stage.cloud.keys("alice");
    extended(&world, grant, 30).await;
    world.stage.work().await;
    world.advance(3_599);
    assert!(alice.work().await);
    world.advance(1);
    assert!(!alice.work().await);
}

#[tokio::test]
async fn credentials_last_as_long() {
    let world = Elevation::new().await;
    let grant = world.open(30).await;
    let old = world.keys(&world.fetch(grant).await.unwrap());
    extended(&world, grant, 30).await;
    // The guard of the earlier deadline lets nobody have the later one.
    let before = world.fetch(grant).await.unwrap();
    assert_eq!(before.expires_at, world.stage.now() + minutes(30));
    world.stage.work().await;
    let given = world.fetch(grant).await.unwrap();
    assert_eq!(given.expires_at, world.stage.now() + minutes(60));
    let keys = world.keys(&given);
    world.advance(1_800);
    assert!(!old.work().await && keys.work().await);
    world.advance(1_800);
    assert!(!keys.work().await);
}

/// F8: keys that were handed out end at their old deadline, also where STS has made them longer and
/// the guard lets them go on; others are fetched, so that there is no gap.
#[tokio::test]
async fn f8_keys_of_before_an_extension_end_at_the_old_deadline() {
    let world = Elevation::new().await;
    // STS makes no session shorter than 15 minutes.
    let grant = world.open(5).await;
    let old = world.keys(&world.fetch(grant).await.unwrap());
    extended(&world, grant, 25).await;
    world.stage.work().await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    world.advance(299);
    assert!(old.work().await && keys.work().await);
    world.advance(1);
    assert!(!old.work().await && keys.work().await);
}

#[tokio::test]
async fn a_statement_is_moved_after_the_guard() {
    let mut world = Elevation::switching().await;
    world
        .app
        .change(|catalog| catalog.entitlements[0].method = "trust_policy".to_owned())
        .await;
    world.alice = world.app.ctx("alice").await;
    let grant = world.open(60).await;
    let alice = world.stage.cloud.keys("alice");
    let session = alice.assume(&grant.to_string()).await.unwrap();
    world.stage.cloud.take_writes();
    extended(&world, grant, 60).await;
    world.stage.work().await;
    let writes = world.stage.cloud.take_writes();
    assert_eq!(writes, ["PutRolePolicy", "UpdateAssumeRolePolicy"]);
    world.advance(7_199);
    assert!(session.work().await);
    assert!(alice.assume(&grant.to_string()).await.is_some());
    world.advance(1);
    assert!(!session.work().await);
}

/// What cannot be written changes nothing: the old deadline holds in AWS.
#[tokio::test]
async fn while_aws_refuses_the_old_deadline_holds() {
    let world = Elevation::switching().await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(60).await;
    let session = alice.assume(&grant.to_string()).await.unwrap();
    world
        .stage
        .cloud
        .always("PutRolePolicy", Knob::Refuse("AccessDenied", 403));
    extended(&world, grant, 60).await;
    world.stage.work().await;
    let text = policy(&world, grant).await.unwrap();
    assert!(
        text.contains("2026-01-05T10:00:00Z"),
        "not before the guard: {text}"
    );
    world.advance(3_600);
    assert!(!session.work().await, "the guard still says so");
    assert!(alice.assume(&grant.to_string()).await.is_none());
}

#[tokio::test]
async fn an_end_after_an_extension_ends_all_of_it() {
    let world = Elevation::switching().await;
    let alice = world.stage.cloud.keys("alice");
    let grant = world.open(60).await;
    extended(&world, grant, 60).await;
    world.stage.work().await;
    let session = alice.assume(&grant.to_string()).await.unwrap();
    world.end(grant).await;
    world.stage.work().await;
    assert!(!session.work().await);
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    // Until the later deadline somebody could put the policy back.
    world.stage.pass(minutes(90)).await;
    assert_eq!(policy(&world, grant).await.as_deref(), Some(ENDED));
    world.stage.pass(minutes(40)).await;
    assert_eq!(policy(&world, grant).await, None);
}

#[tokio::test]
async fn what_is_asked_for_too_late_or_twice_or_for_too_long_is_refused() {
    let world = Elevation::switching().await;
    let scheduled = world.approved(60).await;
    assert_eq!(
        code(extend(&world.alice, scheduled, more(60)).await),
        "wrong_state"
    );
    world.stage.work().await;
    let grant = scheduled;
    assert_eq!(code(extend(&world.bob, grant, more(60)).await), "forbidden");
    // The entitlement's twelve hours count from the start.
    assert_eq!(
        code(extend(&world.alice, grant, more(11 * 60 + 1)).await),
        "duration_out_of_range"
    );
    assert_eq!(
        code(extend(&world.alice, grant, more(0)).await),
        "duration_out_of_range"
    );
    let blank = NewExtension {
        justification: " ".to_owned(),
        ..more(60)
    };
    assert_eq!(
        code(extend(&world.alice, grant, blank).await),
        "invalid_field"
    );
    let first = asked(&world, grant, 60).await;
    assert_eq!(
        code(extend(&world.alice, grant, more(60)).await),
        "extension_pending"
    );
    withdraw::withdraw(&world.alice, first).await.unwrap();
    let second = asked(&world, grant, 60).await;
    deny(&world.bob, second, Some("No".to_owned()))
        .await
        .unwrap();
    let third = asked(&world, grant, 11 * 60).await;
    assert_eq!(
        code(approve(&world.alice, third, None, None).await),
        "self_approval"
    );
    approve(&world.bob, third, None, None).await.unwrap();
    assert_eq!(
        code(extend(&world.alice, grant, more(1)).await),
        "as_long_as_may_be"
    );
    world.end(grant).await;
    assert_eq!(
        code(extend(&world.alice, grant, more(1)).await),
        "wrong_state"
    );
}

#[tokio::test]
async fn what_is_approved_after_the_end_or_the_deadline_moves_nothing() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let waiting = asked(&world, grant, 60).await;
    world.end(grant).await;
    assert_eq!(
        code(approve(&world.bob, waiting, None, None).await),
        "wrong_state"
    );
    world.stage.work().await;
    let grant = world.approved(60).await;
    world.stage.work().await;
    // The console name is hers again from δ on.
    world.stage.pass(TimeDelta::seconds(6)).await;
    let waiting = asked(&world, grant, 60).await;
    world.advance(3_600);
    assert_eq!(
        code(approve(&world.bob, waiting, None, None).await),
        "wrong_state",
        "it has lapsed"
    );
    world.stage.work().await;
    world.stage.pass(TimeDelta::seconds(6)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// An inline policy of so many characters.
fn foreign(characters: usize) -> String {
    let frame = |resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::{resource}"}}]}}"#
        )
    };
    frame(&"x".repeat(characters - frame("").len()))
}

/// One that has no room after all keeps nobody else's end waiting, and AWS the old deadline.
#[tokio::test]
async fn an_extension_without_room_keeps_no_end_waiting() {
    let world = Elevation::new().await;
    let first = world.open(60).await;
    let second = world.open(60).await;
    let third = world.open(60).await;
    let keys = world.keys(&world.fetch(second).await.unwrap());
    extended(&world, first, 30).await;
    let guard = world.stage.cloud.guard().unwrap().len();
    let text = foreign(10_240 - guard - ALLOW_ALL.len() - 20);
    let knobs = world.stage.cloud.knobs();
    knobs.put_role_policy(ROLE, "foreign", Some(&text)).unwrap();
    world.stage.work().await;
    assert!(
        world
            .stage
            .cloud
            .guard()
            .unwrap()
            .contains("2026-01-05T10:00:00Z")
    );
    assert!(keys.work().await);
    let given = world.fetch(second).await.unwrap();
    assert_eq!(given.expires_at, world.stage.now() + minutes(60));
    world.end(second).await;
    world.stage.work().await;
    assert!(!keys.work().await, "it was ended");
    assert_eq!(world.stage.state(second).await, "ended");
    // The next one is refused when it is asked for; what was seen a moment ago counts for as long.
    tokio::time::sleep(std::time::Duration::from_millis(3_100)).await;
    let guard = world.stage.cloud.guard().unwrap().len();
    let knobs = world.stage.cloud.knobs();
    knobs.put_role_policy(ROLE, "foreign", None).unwrap();
    let text = foreign(10_240 - guard - ALLOW_ALL.len() - 20);
    knobs.put_role_policy(ROLE, "foreign", Some(&text)).unwrap();
    assert_eq!(
        code(extend(&world.alice, third, more(47)).await),
        "guard_full"
    );
}

#[tokio::test]
async fn an_ask_in_the_words_of_an_extension_is_one_of_its_own() {
    let world = Elevation::new().await;
    let grant = world.open(60).await;
    let wish = Elevation::wish(60);
    let more = NewExtension {
        duration_seconds: wish.duration_seconds,
        justification: wish.justification.clone(),
        ..NewExtension::default()
    };
    extend(&world.alice, grant, more).await.unwrap();
    let asked = submit(&world.alice, wish).await.unwrap();
    assert!(matches!(asked, Submitted::New(_)));
    assert_eq!(asked.request().extends, None);
}

#[tokio::test]
async fn sql_moves_no_deadline_without_its_approvals() {
    let world = Elevation::switching().await;
    let grant = world.open(60).await;
    let waiting = asked(&world, grant, 60).await;
    let (grant, waiting) = (grant.uuid(), waiting.uuid());
    let later =
        format!("UPDATE grants SET deadline = deadline + interval '1 hour' WHERE id = '{grant}'");
    let approved = format!(
        "UPDATE requests SET state = 'approved', closed_at = '2026-01-05T09:01:00Z', version = 2 WHERE id = '{waiting}'"
    );
    let app = world.app.pool();
    let tried = async |statements: &[&str]| {
        let mut tx = app.begin().await.unwrap();
        let mut done = Ok(());
        for sql in statements {
            let sql = sqlx::raw_sql(AssertSqlSafe((*sql).to_owned()));
            done = done.and(tx.execute(sql).await.map(drop));
            if let Err(error) = &done {
                eprintln!("{sql}: {error}", sql = statements.join("; "));
                break;
            }
        }
        tx.rollback().await.unwrap();
        done.is_ok()
    };
    assert!(!tried(&[&later]).await);
    assert!(!tried(&[&approved, &later]).await, "nobody has approved it");
    let bob = world.bob.person.id.uuid();
    let voice = format!(
        "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
             SELECT gen_random_uuid(), id, 1, 1, '{bob}', 'approve', duration_seconds, 'api', '2026-01-05T09:01:00Z' FROM requests WHERE id = '{waiting}'"
    );
    let longer = later.replace("1 hour", "61 minutes");
    assert!(
        !tried(&[&voice, &approved, &longer]).await,
        "by what was asked for"
    );
    assert!(!tried(&[&voice, &later]).await, "it is not approved");
    assert!(tried(&[&voice, &approved, &later]).await);
    assert!(!tried(&[&voice, &approved, &later, &later]).await, "once");
    // An approval of an earlier transaction moves nothing more.
    approve(&world.bob, RequestId::from_uuid(waiting), None, None)
        .await
        .unwrap();
    assert!(!tried(&[&later]).await);
    let row = app.fetch_one(sqlx::raw_sql(AssertSqlSafe(format!(
        "SELECT (deadline - starts_at)::text AS it FROM grants WHERE id = '{grant}'"
    ))));
    assert_eq!(row.await.unwrap().get::<String, _>("it"), "02:00:00");
    // It moves in the transaction of its approval, or not at all.
    let next = asked(&world, GrantId::from_uuid(grant), 60).await.uuid();
    for sql in [&voice, &approved] {
        let sql = sql.replace(&waiting.to_string(), &next.to_string());
        let done = app.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
        done.await.unwrap();
    }
    assert!(!tried(&[&later]).await);
    // Neither is an extension a way to something else, nor to a grant of its own.
    let other = format!(
        "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'state', 'pending',
             'closed_at', NULL, 'person', '{bob}'))).* FROM requests r WHERE id = '{waiting}'"
    );
    assert!(!tried(&[&other]).await);
}
