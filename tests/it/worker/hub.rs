//! Countersign's own identity is made anew: every manager role refuses it, for one cause (A2). And
//! an account that is gone for ever (A1).

use chrono::TimeDelta;
use countersign::app::find;
use countersign::ids::GrantId;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use super::revocations::admins;
use crate::sandbox::{ALLOW_ALL, trusting};
use crate::support::cloud::Knob;
use crate::support::member::{MANAGER, Member, US};
use crate::support::stage::FOREIGN;

/// A manager role of Countersign's own account.
const OWN: &str = "arn:aws:iam::111122223333:role/countersign-manager";

/// Two accounts with manager roles, and a worker that has no session of either.
async fn managed() -> Member {
    let mut member = Member::new().await;
    let knobs = member.stage.cloud.knobs();
    knobs.create_role(OWN, &trusting(US, "{}")).unwrap();
    knobs.put_role_policy(OWN, "all", Some(ALLOW_ALL)).unwrap();
    let change = |catalog: &mut crate::support::catalog::Catalog| {
        catalog.account("111122223333").manager_role = Some(OWN.to_owned());
    };
    member.app.change(change).await;
    member.worker = member.stage.worker().await;
    member
}

/// The manager roles name somebody who was deleted; or Countersign again.
fn refuse(member: &Member, managers: &[&str]) {
    for manager in managers {
        member
            .stage
            .cloud
            .knobs()
            .put_trust(manager, FOREIGN)
            .unwrap();
    }
}

async fn count(member: &Member, action: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM audit_events WHERE action = '{action}'");
    let row = member.stage.rows.pool.fetch_one(AssertSqlSafe(sql)).await;
    row.unwrap().get(0)
}

async fn delayed(member: &Member, grant: GrantId) -> String {
    let shown = find::grant(&member.alice, grant).await.unwrap();
    shown.delay.map_or("-".to_owned(), |delay| delay.error)
}

#[tokio::test]
async fn a2_a_hub_that_was_made_anew_is_told_once_and_not_of_each_grant() {
    let mut member = managed().await;
    let grants = [member.open(480).await, member.open(480).await];
    let (admin, _) = admins(&member.app).await;
    refuse(&member, &[MANAGER, OWN]);
    member.worker = member.stage.worker().await;
    for grant in grants {
        member.end(grant).await;
    }
    member.work().await;
    for _ in 0..3 {
        member.pass(minutes(61)).await;
    }
    assert_eq!(count(&member, "hub.refused").await, 1);
    assert_eq!(count(&member, "grant.delayed").await, 0);
    for grant in grants {
        assert_eq!(member.stage.state(grant).await, "closing");
        assert_eq!(
            delayed(&member, grant).await,
            "hub_refused",
            "its page says it"
        );
    }
    let troubles = find::troubles(&admin).await.unwrap();
    assert!(troubles.hub_refused.is_some());
    let hidden = find::troubles(&member.alice).await.unwrap();
    assert!(hidden.hub_refused.is_none(), "she does not see everything");

    member.lets_in(MANAGER, &member.external_id);
    member.pass(minutes(6)).await;
    for grant in grants {
        assert_eq!(member.stage.state(grant).await, "ended");
    }
    assert_eq!(count(&member, "hub.admitted").await, 1);
    let troubles = find::troubles(&admin).await.unwrap();
    assert!(troubles.hub_refused.is_none());
}

#[tokio::test]
async fn one_manager_role_that_refuses_is_a_matter_of_its_account() {
    let mut member = managed().await;
    let grant = member.open(480).await;
    refuse(&member, &[MANAGER]);
    member.worker = member.stage.worker().await;
    member.end(grant).await;
    member.work().await;
    for _ in 0..3 {
        member.pass(minutes(4)).await;
    }
    assert_eq!(count(&member, "hub.refused").await, 0);
    assert_eq!(member.delays(grant).await, 1);
    assert_eq!(delayed(&member, grant).await, "denied");
    let mut tried = member.calls("AssumeRole");
    tried.retain(|call| call.params.get("RoleArn").is_some_and(|arn| arn == OWN));
    assert!(
        tried.len() < 5,
        "the other one is not asked each time: {}",
        tried.len()
    );
}

/// Keys that STS does not know are another cause, and so is a single account.
#[tokio::test]
async fn a_hub_that_sts_does_not_know_is_not_one_that_was_made_anew() {
    let mut member = managed().await;
    let grant = member.open(480).await;
    refuse(&member, &[MANAGER, OWN]);
    let refuse = Knob::Refuse("InvalidClientTokenId", 403);
    member.stage.cloud.always("GetCallerIdentity", refuse);
    member.worker = member.stage.worker().await;
    member.end(grant).await;
    member.work().await;
    assert_eq!(count(&member, "hub.refused").await, 0);
    assert_eq!(delayed(&member, grant).await, "denied");
}

/// A1: nobody lets us into the account any more. The grant stays closing, and its page says since
/// when nothing of it can work.
#[tokio::test]
async fn a1_what_is_gone_for_ever_stays_closing_and_cannot_work_any_more() {
    let member = Member::new().await;
    let grant = member.open(60).await;
    refuse(&member, &[MANAGER]);
    member.stage.advance(minutes(56));
    member.end(grant).await;
    member.work().await;
    let shown = find::grant(&member.alice, grant).await.unwrap();
    let (request, deadline) = (shown.request.id, shown.grant.deadline);
    let dead = deadline + TimeDelta::seconds(5) + TimeDelta::hours(12);
    member
        .pass(dead - member.stage.now() - TimeDelta::seconds(1))
        .await;
    let page = find::request(&member.alice, request).await.unwrap();
    assert_eq!(page.dead_since, None, "a session may be left");
    member.pass(TimeDelta::seconds(1)).await;
    let page = find::request(&member.alice, request).await.unwrap();
    assert_eq!(page.dead_since, Some(dead));
    assert_eq!(
        member.stage.state(grant).await,
        "closing",
        "nobody has read it"
    );
}

/// A1: nothing takes an account out of the catalog while something is known of it.
#[tokio::test]
async fn a1_an_account_with_targets_stays_in_the_catalog() {
    let member = Member::new().await;
    member.open(60).await;
    let mut admin = member.app.db.superuser().await;
    let sql = "DELETE FROM accounts WHERE id = '444455556666'";
    let refused = admin.execute(sql).await.unwrap_err();
    let refused = refused.into_database_error().unwrap();
    assert!(refused.is_foreign_key_violation(), "{refused}");
}
