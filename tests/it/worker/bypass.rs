//! People who could assume the role without their grant of switch (docs/carrier.md, I3).

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::find;
use countersign::app::submit::submit;
use countersign::domain::outlive::Through;
use countersign::ids::GrantId;
use countersign::policy::document::sid;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use super::switch::policy;
use crate::support::catalog::user_arn;
use crate::support::cloud::Knob;
use crate::support::elevation::{Elevation, ROOT};

/// Somebody gives alice a policy of her own.
fn stands(world: &Elevation, condition: &str) {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"{condition}}}}}"#
    );
    let knobs = world.stage.cloud.knobs();
    knobs
        .put_user_policy(&user_arn("alice"), "standing", Some(&text))
        .unwrap();
}

fn more() -> NewExtension {
    NewExtension {
        duration_seconds: 600,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    }
}

/// What was told of it: the policies that its events name.
async fn told(world: &Elevation, grant: GrantId) -> Vec<String> {
    let sql = format!(
        "SELECT details->>'policy' AS policy FROM audit_events WHERE action = 'grant.bypassed' AND subject = '{grant}'"
    );
    let rows = world.stage.rows.pool.fetch_all(AssertSqlSafe(sql));
    rows.await.unwrap().iter().map(|it| it.get(0)).collect()
}

#[tokio::test]
async fn i3_what_lets_her_in_meanwhile_is_told_once_and_she_goes_on() {
    let world = Elevation::switching().await;
    let grant = world.open(600).await;
    stands(&world, "");
    let session = world
        .stage
        .cloud
        .keys("alice")
        .assume(&grant.to_string())
        .await
        .unwrap();
    for _ in 0..3 {
        world.stage.pass(minutes(15)).await;
    }
    assert_eq!(told(&world, grant).await.len(), 0, "not before its hour");
    for _ in 0..12 {
        world.stage.pass(minutes(15)).await;
    }
    assert_eq!(told(&world, grant).await, ["user_alice_standing"]);
    assert_eq!(world.stage.state(grant).await, "active");
    assert!(session.work().await, "its end would end nothing");
    let shown = find::grant(&world.alice, grant).await.unwrap().grant;
    let bypassed = shown.marks.bypassed.clone().unwrap();
    assert_eq!(bypassed.by, "user_alice_standing");
    let error = extend(&world.alice, grant, more()).await.unwrap_err();
    assert_eq!(error.told_code(), "bypassed");
    assert!(error.about().detail.contains("user_alice_standing"));
    let page = find::request(&world.alice, shown.request).await.unwrap();
    assert!(!page.may.extend && page.may.end);
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

#[tokio::test]
async fn i3_what_lets_her_in_at_the_opening_opens_nothing() {
    let world = Elevation::switching().await;
    let grant = world.approved(60).await;
    stands(&world, "");
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "failed");
    let cause = world.stage.grant(grant).await.cause;
    assert_eq!(cause.as_deref(), Some("could_not_open"));
    assert_eq!(told(&world, grant).await, ["user_alice_standing"]);
    assert_eq!(policy(&world, grant).await, None);
    let writes = world.stage.cloud.take_writes();
    assert!(!writes.iter().any(|it| it == "PutUserPolicy"), "{writes:?}");
}

/// Who may not simulate keeps nobody out: the switch is pinned, guarded and closed without it.
#[tokio::test]
async fn an_opening_does_not_hang_on_the_right_to_simulate() {
    let world = Elevation::switching().await;
    let grant = world.approved(60).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    world.stage.cloud.always("SimulatePrincipalPolicy", refuse);
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
}

#[tokio::test]
async fn i3_a_role_that_names_her_meanwhile_is_told_with_the_next_look() {
    let world = Elevation::switching().await;
    let (open, soon) = (world.open(60).await, world.approved_at(30, 60).await);
    let more = extend(&world.alice, open, more()).await.unwrap().extension;
    let named = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"sts:AssumeRole"}}}}"#,
        user_arn("alice")
    );
    world.stage.cloud.edit_trust(|_| named);
    world.stage.pass(minutes(1)).await;
    assert_eq!(told(&world, open).await, ["the role's trust policy"]);
    let error = approve(&world.bob, more.unwrap(), None, None)
        .await
        .unwrap_err();
    assert_eq!(error.told_code(), "bypassed", "it was asked for before");
    world.stage.pass(minutes(29)).await;
    assert_eq!(world.stage.state(open).await, "active");
    assert_eq!(world.stage.state(soon).await, "failed");
    assert_eq!(told(&world, soon).await, ["the role's trust policy"]);
}

/// The hourly question has no answer yet. Her end is not kept waiting.
#[tokio::test]
async fn a_closing_does_not_wait_for_the_hourly_question() {
    let world = Elevation::switching().await;
    let grant = world.open(600).await;
    world.stage.advance(minutes(61));
    let hold = world.stage.cloud.hold("SimulatePrincipalPolicy", false);
    let worker = world.stage.worker().await;
    let asking = tokio::spawn(async move { worker.run_until_idle().await });
    hold.reached().await;
    world.end(grant).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
    hold.release();
    asking.await.unwrap().unwrap();
    assert_eq!(told(&world, grant).await.len(), 0);
}

/// A policy that lets her in from the office alone: nobody knows where she will be. Who approves is
/// told what it hangs on, and not of what has nothing to do with it.
#[tokio::test]
async fn what_hangs_on_where_she_is_is_shown_to_who_approves() {
    let world = Elevation::switching().await;
    stands(
        &world,
        r#","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
    );
    let asked = submit(&world.alice, Elevation::wish(60)).await.unwrap();
    let shown = find::request(&world.bob, asked.request().id).await.unwrap();
    let found = shown.request.outlives.unwrap();
    let own = found.iter().find(|it| it.through == Through::OwnPolicies);
    assert_eq!(own.unwrap().names, ["aws:SourceIp"]);
    let (told, words) = (own.unwrap().to_string(), "it hangs on aws:SourceIp");
    assert!(told.contains(words), "{told}");
}

/// Policies with a date are judged at the present time, which IAM does not know by itself.
#[tokio::test]
async fn a_policy_whose_time_is_over_lets_nobody_in() {
    let world = Elevation::switching().await;
    stands(
        &world,
        r#","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-01-05T08:59:59Z"}}"#,
    );
    let asked = submit(&world.alice, Elevation::wish(60)).await.unwrap();
    let found = asked.request().outlives.clone().unwrap();
    assert!(found.iter().all(|it| it.through != Through::OwnPolicies));
    stands(
        &world,
        r#","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-01-05T09:00:01Z"}}"#,
    );
    world.stage.advance(TimeDelta::zero());
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "role_open_already");
}

/// The other way round: the statement of a grant of trust_policy lets her in, and that is no way in
/// without us.
#[tokio::test]
async fn i9_a_switch_opens_beside_a_statement_of_her_own() {
    let world = Elevation::switching().await;
    let (person, arn) = (world.alice.person.id, user_arn("alice"));
    let (now, hour) = (world.stage.now(), minutes(60));
    let trusted = world.stage.rows.approve(person, &arn, now, hour).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(trusted).await, "active");
    let switched = world.open(60).await;
    let told = world
        .app
        .events(switched, "grant.bypassed", "success")
        .await;
    assert_eq!(told, 0);
}

/// A Sid like ours makes nothing ours: what pins no grant's name is never taken away, and lets her
/// in.
#[tokio::test]
async fn i3_a_statement_whose_sid_only_looks_like_ours_lets_her_in() {
    let like = format!(
        r#"{{"Sid":"{}","Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"sts:AssumeRole"}}"#,
        sid(GrantId::new()),
        user_arn("alice")
    );
    let world = Elevation::switching().await;
    let open = world.open(60).await;
    let first = format!(r#""Statement":[{like},"#);
    let cloud = &world.stage.cloud;
    cloud.edit_trust(|trust| trust.replacen(r#""Statement":["#, &first, 1));
    world.stage.pass(minutes(1)).await;
    assert_eq!(told(&world, open).await, ["the role's trust policy"]);
    assert!(cloud.trust().contains(&like), "it is not ours to take away");

    let world = Elevation::switching_with(&format!("{ROOT},{like}")).await;
    let error = submit(&world.alice, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(error.told_code(), "role_open_already");
}

/// What a hand has changed in the statement of another grant of hers is mended with the look that
/// sees it, and lets nobody in by itself.
#[tokio::test]
async fn i9_a_changed_statement_of_her_own_is_no_way_in_that_stays() {
    let world = Elevation::switching().await;
    let (person, arn) = (world.alice.person.id, user_arn("alice"));
    let (now, hour) = (world.stage.now(), minutes(60));
    world.stage.rows.approve(person, &arn, now, hour).await;
    let switched = world.open(60).await;
    world.stage.pass(minutes(1)).await;
    let cloud = &world.stage.cloud;
    let before = cloud.trust();
    let at = before.find(r#""StringEquals":"#).unwrap();
    let (kept, pins) = before.split_at(at);
    let (_, rest) = pins.split_once("},").unwrap();
    cloud.edit_trust(|_| format!("{kept}{rest}"));
    world.stage.pass(minutes(1)).await;
    assert_eq!(cloud.trust(), before, "it is written anew");
    assert_eq!(told(&world, switched).await.len(), 0);
}
