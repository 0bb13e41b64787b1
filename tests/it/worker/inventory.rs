//! What stands in an account although no row tells of it, looked for once a day (T9).

use chrono::TimeDelta;
use countersign::app::orphans::look_through_next;
use countersign::ids::GrantId;
use countersign::policy::guard::Guard;
use countersign::policy::inline::{self, ENDED};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::principals::DEVELOPERS;
use crate::sandbox::ROLE;
use crate::support::catalog::user_arn;
use crate::support::cloud::Knob;
use crate::support::elevation::{Elevation, SAML, document};

const STRAY: &str = "arn:aws:iam::111122223333:role/nobody-s";

/// Looks through what is due; tells how many accounts those were.
async fn look(world: &Elevation) -> usize {
    let mut looked = 0;
    while look_through_next(&world.app.app).await.unwrap() {
        looked += 1;
    }
    looked
}

async fn alarms(world: &Elevation, alarm: &str) -> Vec<String> {
    let sql = format!(
        "SELECT details->>'of' AS it FROM audit_events WHERE action = 'target.alarm' \
         AND details->>'alarm' = '{alarm}' ORDER BY id"
    );
    let rows = world.stage.rows.pool.fetch_all(AssertSqlSafe(sql)).await;
    rows.unwrap().iter().map(|row| row.get("it")).collect()
}

async fn installation(world: &Elevation) -> String {
    let row = world
        .stage
        .rows
        .pool
        .fetch_one("SELECT id FROM installation");
    row.await.unwrap().get("id")
}

#[tokio::test]
async fn t9_what_no_grant_accounts_for_is_told_and_on_known_users_taken_away() {
    let world = Elevation::switching().await;
    world.stage.work().await;
    let (cloud, ours) = (&world.stage.cloud, installation(&world).await);
    let knobs = cloud.knobs();
    let lost = inline::name(&ours, GrantId::new());
    // On alice, whom the catalog has and nobody looks at, and on somebody else.
    let mallory = cloud.create_user("mallory");
    for user in [&user_arn("alice"), &mallory] {
        knobs.put_user_policy(user, &lost, Some(ENDED)).unwrap();
    }
    // A role that the catalog does not have, with a guard of ours and a statement of some grant.
    let (id, suffix) = (GrantId::new().to_string(), "Countersign");
    let sid = id.replace("grant_", suffix);
    let statement = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Sid":"{sid}","Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{mallory}"}},"Condition":{{"StringEquals":{{"sts:RoleSessionName":["{id}"]}},"DateLessThan":{{"aws:CurrentTime":"2026-01-06T09:00:00Z"}}}}}}}}"#
    );
    knobs.create_role(STRAY, &statement).unwrap();
    let guard = |installation: &str| Guard {
        denied: ["alice".to_owned()].into(),
        installation: installation.to_owned(),
        ..Guard::default()
    };
    let text = guard(&ours).render("AROAEXAMPLEROLE000001", STRAY, 3);
    knobs
        .put_role_policy(STRAY, "CountersignGuard", Some(&text))
        .unwrap();
    // Of another installation it is none of ours to tell of.
    let other = "arn:aws:iam::111122223333:role/others";
    let text = guard("zzzzzzzz").render("AROAEXAMPLEROLE000001", other, 3);
    knobs
        .create_role(other, crate::support::stage::FOREIGN)
        .unwrap();
    knobs
        .put_role_policy(other, "CountersignGuard", Some(&text))
        .unwrap();

    assert!(look(&world).await > 0);
    let mut told = alarms(&world, "orphan").await;
    told.sort();
    let mut expected = vec![lost.clone(), "CountersignGuard".to_owned(), sid];
    expected.sort();
    assert_eq!(told, expected);
    assert!(
        knobs.user_policy(&mallory, &lost).is_some(),
        "told, not taken away"
    );
    world.stage.work().await;
    assert_eq!(knobs.user_policy(&user_arn("alice"), &lost), None);
    assert_eq!(alarms(&world, "unaccounted").await, [lost]);
}

/// What stands on a role that people come as is the loop's own, as on a user; on a role that is
/// opened nobody looks for it.
#[tokio::test]
async fn policies_are_known_on_a_role_that_people_come_as_and_on_no_role_that_is_opened() {
    let world = Elevation::coming_as(DEVELOPERS, &document(SAML), "switch").await;
    let (knobs, ours) = (world.stage.cloud.knobs(), installation(&world).await);
    let grant = world.approved(60).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    let own = inline::name(&ours, grant);
    assert!(knobs.role_policy(DEVELOPERS, &own).is_some());
    let [left, nobodys] = [(); 2].map(|()| inline::name(&ours, GrantId::new()));
    for (role, name) in [(DEVELOPERS, &left), (ROLE, &nobodys)] {
        knobs.put_role_policy(role, name, Some(ENDED)).unwrap();
    }
    // Nor does anybody look for a guard on a role that people come as.
    let guard = Guard {
        denied: ["alice".to_owned()].into(),
        installation: ours.clone(),
        ..Guard::default()
    };
    let text = guard.render("AROAEXAMPLEROLE000001", DEVELOPERS, 3);
    knobs
        .put_role_policy(DEVELOPERS, "CountersignGuard", Some(&text))
        .unwrap();

    assert!(look(&world).await > 0);
    let mut told = alarms(&world, "orphan").await;
    told.sort();
    let mut expected = vec![nobodys, "CountersignGuard".to_owned()];
    expected.sort();
    assert_eq!(told, expected);
    // What is left there of no grant the loop takes away, and the grant goes on.
    world.stage.pass(TimeDelta::minutes(1)).await;
    assert_eq!(knobs.role_policy(DEVELOPERS, &left), None);
    assert!(knobs.role_policy(DEVELOPERS, &own).is_some());
    assert_eq!(world.stage.state(grant).await, "active");
}

#[tokio::test]
async fn an_account_is_looked_through_once_a_day_and_earlier_where_it_was_silent() {
    let world = Elevation::switching().await;
    let action = "GetAccountAuthorizationDetails";
    let silent = Knob::Refuse("Throttling", 400);
    world.stage.cloud.once(action, silent);
    let accounts = look(&world).await;
    assert_eq!(look(&world).await, 0);
    world.stage.advance(TimeDelta::minutes(61));
    assert_eq!(look(&world).await, 1, "the one that was silent");
    world.stage.advance(TimeDelta::hours(22));
    assert_eq!(look(&world).await, 0);
    world.stage.advance(TimeDelta::hours(3));
    assert_eq!(look(&world).await, accounts);
}
