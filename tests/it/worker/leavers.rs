//! Grants of people who leave, on the wire.

use chrono::TimeDelta;
use countersign::app::disable;
use countersign::sandbox::When;

use super::minutes;
use crate::support::catalog::ACCOUNT;
use crate::support::cloud::reached;
use crate::support::stage::{FOREIGN, Stage};

async fn disabled(stage: &Stage, name: &str) {
    let email = format!("{name}@example.com");
    let done = disable::by_command(&stage.rows.app.admin, "test", &email, Some("Left"));
    done.await.unwrap();
}

/// The verb waits for nothing of AWS: a worker is in the middle of a call that never ends while it
/// is done.
#[tokio::test]
async fn a_leaver_is_disabled_while_aws_hangs_and_closed_when_it_is_back() {
    let stage = Stage::new().await;
    let open = stage.open("alice", 60).await;
    let carol = stage.approve("carol", 60).await;
    let held = stage
        .cloud
        .knobs()
        .hold("PutRolePolicy", 1, When::BeforeEffect);
    let worker = stage.worker().await;
    let working = tokio::spawn(async move { worker.run_until_idle().await });
    reached(&held).await;

    disabled(&stage, "alice").await;
    assert_eq!(stage.state(open).await, "closing");
    let cause = stage.grant(open).await.cause;
    assert_eq!(cause.as_deref(), Some("person_disabled"));
    assert!(stage.listed(open), "AWS knows nothing of it yet");

    held.release();
    working.await.unwrap().unwrap();
    stage.pass(TimeDelta::zero()).await;
    assert_eq!(stage.state(open).await, "ended");
    assert_eq!(stage.state(carol).await, "active");
    assert!(!stage.listed(open) && stage.listed(carol));
    assert_eq!(stage.statements(), 1);
}

#[tokio::test]
async fn an_account_that_is_silent_for_long_closes_a_leavers_grant_in_the_end() {
    let mut stage = Stage::new().await;
    let open = stage.open("alice", 60).await;
    let usual = stage.timeout;
    stage.timeout = std::time::Duration::from_millis(300);
    stage.cloud.knobs().silent(ACCOUNT, true);
    disabled(&stage, "alice").await;
    stage.work().await;
    assert_eq!(stage.state(open).await, "closing");
    stage.cloud.knobs().silent(ACCOUNT, false);
    stage.timeout = usual;
    // Past the back-off, and before the deadline.
    stage.pass(minutes(20)).await;
    assert_eq!(stage.state(open).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
    let told = stage.rows.told(open).await;
    let ends = told.iter().filter(|it| *it == "grant.closing").count();
    assert_eq!(ends, 1, "{told:?}");
}

/// What is approved and not open yet: the requester has to be active, and the approvers have to be
/// as many humans as were needed. One of them who has left since stays one.
#[tokio::test]
async fn what_is_not_open_yet_is_judged_by_humans() {
    let stage = Stage::new().await;
    let two = async |name: &str| {
        let arn = stage.cloud.create_user(name);
        let person = stage.rows.person(name).await;
        let (rows, hour) = (&stage.rows, minutes(60));
        let by = ["bob", "olga"];
        rows.approve_by(&by, 2, person, &arn, stage.now(), hour)
            .await
    };
    let joined = two("alice").await;
    let same = "UPDATE people SET same_as = (SELECT id FROM people WHERE name = 'bob') WHERE name = 'olga'";
    stage.rows.as_owner(same).await;
    stage.work().await;
    let row = stage.grant(joined).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("not_eligible"))
    );
    stage
        .rows
        .as_owner("UPDATE people SET same_as = NULL")
        .await;

    // Two alone are of humans; one of them turns out to be who comes as that user.
    let claimed = two("erin").await;
    let claim = "INSERT INTO principals (id, person, account, arn, source, verified_at, conflict_with)
        SELECT gen_random_uuid(), p.id, o.account, o.arn, 'template', now(), o.id FROM principals o, people p
        WHERE o.arn LIKE '%:user/erin' AND p.name = 'bob'";
    stage.rows.as_owner(claim).await;
    let given_up = two("fay").await;
    stage
        .rows
        .as_owner("UPDATE principals SET ended_at = now() WHERE arn LIKE '%:user/fay'")
        .await;
    stage.work().await;
    for grant in [claimed, given_up] {
        let cause = stage.grant(grant).await.cause;
        assert_eq!(cause.as_deref(), Some("not_eligible"));
    }

    let left = two("carol").await;
    disabled(&stage, "olga").await;
    stage.work().await;
    assert_eq!(stage.state(left).await, "active");

    // A row that nobody has ended, as after a restore.
    let gone = stage.approve("dora", 60).await;
    let disabled = "UPDATE people SET status = 'disabled', disabled_at = now() WHERE name = 'dora'";
    stage.rows.as_owner(disabled).await;
    stage.work().await;
    assert_eq!(
        stage.grant(gone).await.cause.as_deref(),
        Some("not_eligible")
    );
}
