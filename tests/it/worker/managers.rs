//! A second account, worked in through a manager role.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use countersign::aws::{AwsError, Clouds, apply, check};
use countersign::db::targets;
use countersign::domain::account::ManagerRole;
use countersign::sandbox::{Fault, When};

use super::minutes;
use crate::sandbox::{self, ALLOW_ALL, OTHER, identity, trusting, trusts};
use crate::support::cloud::{Knob, as_ourselves, is_write};
use crate::support::member::{MANAGER, Member, ROLE, US};

pub const SESSION: &str = "arn:aws:sts::444455556666:assumed-role/countersign-manager/countersign";

#[tokio::test]
async fn a_grant_opens_works_and_closes_where_our_own_key_has_no_rights() {
    let member = Member::new().await;
    let clouds = member.app.app.clouds();
    let own = as_ourselves(clouds, ROLE).await;
    assert_eq!(check(&own, ROLE, None).await, Err(AwsError::Denied));
    let before = member.stage.cloud.knobs().calls().len();

    let grant = member.open(30).await;
    let session = member.assume(grant).await.expect("it is open");
    assert!(session.work().await);
    member.end(grant).await;
    member.work().await;
    assert_eq!(member.stage.state(grant).await, "ended");
    assert!(!session.work().await, "the guard ends live sessions");
    assert!(member.assume(grant).await.is_none());

    let calls = member.stage.cloud.knobs().calls();
    let writes: Vec<&str> = calls[before..]
        .iter()
        .filter(|call| is_write(&call.action))
        .map(|call| call.caller.as_str())
        .collect();
    assert!(
        !writes.is_empty() && writes.iter().all(|caller| *caller == SESSION),
        "{writes:?}"
    );
    // One for the verbs and one for the worker, which share nothing in these tests.
    assert_eq!(member.assumed(), 2);
}

#[tokio::test]
async fn the_manager_role_is_assumed_plainly() {
    let member = Member::new().await;
    member.open(30).await;
    let calls = member.calls("AssumeRole");
    let told = [
        ("RoleArn", MANAGER),
        ("RoleSessionName", "countersign"),
        ("DurationSeconds", "3600"),
        ("ExternalId", &member.external_id),
    ];
    let told = BTreeMap::from(told.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let mut params = calls[0].params.clone();
    params.retain(|key, _| !["Action", "Version"].contains(&key.as_str()));
    // Neither SourceIdentity nor tags: they would stick to what is handed out.
    assert_eq!(params, told);
}

#[tokio::test]
async fn another_external_id_is_denied_told_once_and_tried_again() {
    let member = Member::new().await;
    member.lets_in(MANAGER, "somebody-elses");
    let request = member.ask(30).await.unwrap();
    assert!(!request.target_checked, "it is looked at when it opens");
    let grant = member.approved(30).await;
    for _ in 0..3 {
        member.pass(TimeDelta::seconds(10)).await;
    }
    assert_eq!(member.stage.state(grant).await, "opening");
    let delayed = member.delays(grant).await;
    assert_eq!(delayed, 1);
    assert_eq!(member.last_error().await, "denied");
    member.lets_in(MANAGER, &member.external_id);
    member.pass(TimeDelta::seconds(30)).await;
    assert_eq!(member.stage.state(grant).await, "active");
}

#[tokio::test]
async fn a_session_is_used_for_almost_an_hour_and_renewed_before_it_ends() {
    let member = Member::new().await;
    let grant = member.open(300).await;
    let at_first = member.assumed();
    let quotas = member.calls("GetAccountSummary").len();
    member.pass(minutes(54)).await;
    assert_eq!(member.assumed(), at_first);
    member.pass(minutes(2)).await;
    assert_eq!(member.assumed(), at_first + 1);
    let asked = member.calls("GetAccountSummary").len();
    assert_eq!(asked, quotas, "what is known of the account stays");
    // The first one has ended by now.
    member.pass(minutes(10)).await;
    member.end(grant).await;
    member.work().await;
    assert_eq!(member.stage.state(grant).await, "ended");
    assert_eq!(member.delays(grant).await, 0);
}

#[tokio::test]
async fn a_session_that_aws_refuses_is_replaced_at_the_next_work() {
    let member = Member::new().await;
    let grant = member.open(300).await;
    let at_first = member.assumed();
    // What the console calls "revoke active sessions".
    member.stage.advance(TimeDelta::seconds(1));
    let now = member
        .stage
        .aws_now()
        .to_rfc3339_opts(SecondsFormat::Secs, true);
    let condition = format!(r#"{{"DateLessThan":{{"aws:TokenIssueTime":"{now}"}}}}"#);
    let revoke = identity("Deny", "*", &condition);
    let knobs = member.stage.cloud.knobs();
    knobs
        .put_role_policy(MANAGER, "AWSRevokeOlderSessions", Some(&revoke))
        .unwrap();
    member.end(grant).await;
    member.work().await;
    assert_eq!(member.stage.state(grant).await, "closing");
    member.pass(TimeDelta::seconds(10)).await;
    assert_eq!(member.stage.state(grant).await, "ended");
    assert_eq!(member.assumed(), at_first + 1);
}

#[tokio::test]
async fn another_manager_role_counts_without_a_restart() {
    let member = Member::new().await;
    let grant = member.open(300).await;
    let other = "arn:aws:iam::444455556666:role/countersign-manager-2";
    let knobs = member.stage.cloud.knobs();
    knobs.delete_role(MANAGER);
    knobs.create_role(other, &trusts(US)).unwrap();
    knobs
        .put_role_policy(other, "all", Some(ALLOW_ALL))
        .unwrap();
    member.manage_as(Some(other)).await;
    member.end(grant).await;
    member.work().await;
    assert_eq!(member.stage.state(grant).await, "ended");
    assert_eq!(member.delays(grant).await, 0);
    // Without one the account is worked in as ourselves, who are nobody there.
    member.manage_as(None).await;
    let grant = member.approved(30).await;
    member.work().await;
    assert_eq!(member.stage.state(grant).await, "opening");
    assert_eq!(member.delays(grant).await, 1);
}

#[tokio::test]
async fn an_account_that_is_silent_holds_nobody_longer_than_one_call_may_take() {
    let member = Member::new().await;
    let stage = &member.stage;
    let there = member.approved(60).await;
    let here = stage.approve("carol", 60).await;
    stage.cloud.knobs().silent(OTHER, true);
    let began = Instant::now();
    member.work().await;
    let took = began.elapsed();
    assert!(took >= stage.timeout, "{took:?}: it was asked");
    assert!(took < stage.timeout * 2, "{took:?}");
    assert_eq!(stage.state(there).await, "opening");
    assert_eq!(
        stage.state(here).await,
        "active",
        "the other account is as quick as ever"
    );
    assert_eq!(stage.rows.target("attempts").await.as_deref(), Some("0"));
    assert_eq!(member.delays(here).await, 0);
    stage.cloud.knobs().silent(OTHER, false);
    member.pass(TimeDelta::seconds(30)).await;
    assert_eq!(stage.state(there).await, "active");
}

#[tokio::test]
async fn all_who_wait_for_a_silent_account_wait_at_once() {
    let member = Member::new().await;
    let limit = Duration::from_millis(500);
    let clouds = Clouds::with(
        &member.stage.cloud.endpoint(),
        member.stage.key,
        "secret",
        limit,
    )
    .await;
    let manager = manager(&member);
    member.stage.cloud.knobs().silent(OTHER, true);
    let now = member.stage.now();
    let enter = async || clouds.of(OTHER, Some(&manager), now).await.map(drop);
    let began = Instant::now();
    let (one, two, three) = tokio::join!(enter(), enter(), enter());
    assert_eq!([one, two, three], [Err(AwsError::Unreachable); 3]);
    let took = began.elapsed();
    assert!(took < limit * 2, "{took:?}");
    // Our own account is not behind them.
    check(
        &as_ourselves(&clouds, sandbox::ROLE).await,
        sandbox::ROLE,
        None,
    )
    .await
    .unwrap();
    // A failure is not kept.
    member.stage.cloud.knobs().silent(OTHER, false);
    enter().await.unwrap();
}

fn manager(member: &Member) -> ManagerRole {
    ManagerRole {
        arn: MANAGER.to_owned(),
        external_id: Some(member.external_id.clone()),
    }
}

/// Writes the trust policy of the role as that manager.
async fn write(endpoint: &str, key: &str, manager: &ManagerRole) -> Result<(), AwsError> {
    let clouds = Clouds::with(endpoint, key, "secret", Duration::from_secs(4)).await;
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let aws = clouds.of(OTHER, Some(manager), now).await?;
    apply::put_trust(&aws, ROLE, r#"{"Version":"2012-10-17","Statement":[]}"#).await
}

#[tokio::test]
async fn a_write_without_credentials_was_not_sent() {
    let member = Member::new().await;
    let (cloud, manager) = (&member.stage.cloud, manager(&member));
    let endpoint = cloud.endpoint();
    let error = |status, code: &str| Fault::Error {
        status,
        code: code.to_owned(),
        message: code.to_owned(),
    };
    let denied = trusting(US, r#"{"StringEquals":{"sts:ExternalId":"x1"}}"#);
    cloud.knobs().put_trust(MANAGER, &denied).unwrap();
    assert_eq!(
        write(&endpoint, member.stage.key, &manager).await,
        Err(AwsError::Denied)
    );
    member.lets_in(MANAGER, &member.external_id);
    for (fault, expected) in [
        (error(400, "ValidationError"), AwsError::Denied),
        (error(403, "RegionDisabledException"), AwsError::Denied),
        (error(400, "Throttling"), AwsError::Throttled),
        // Whatever became of these, nobody need wait for a write that may land.
        (error(500, "InternalFailure"), AwsError::Unreachable),
        (Fault::DropConnection, AwsError::Unreachable),
        (Fault::NeverAnswer, AwsError::Unreachable),
    ] {
        let name = format!("{fault:?}");
        cloud
            .knobs()
            .fail_always("AssumeRole", When::BeforeEffect, fault);
        assert_eq!(
            write(&endpoint, member.stage.key, &manager).await,
            Err(expected),
            "{name}"
        );
        cloud.knobs().clear();
    }
    assert_eq!(member.calls("UpdateAssumeRolePolicy").len(), 0);
    // With them, it is as with any other write.
    cloud.once("UpdateAssumeRolePolicy", Knob::Drop(true));
    assert_eq!(
        write(&endpoint, member.stage.key, &manager).await,
        Err(AwsError::Unclear)
    );
    let nobody = write("http://nowhere.invalid", member.stage.key, &manager).await;
    assert_eq!(nobody, Err(AwsError::Unreachable));
}

#[tokio::test]
async fn the_manager_role_is_ours_and_trust_policies_know_us_by_it() {
    let member = Member::new().await;
    let now = member.stage.now();
    let aws = member
        .app
        .app
        .clouds()
        .of(OTHER, Some(&manager(&member)), now)
        .await
        .unwrap();
    let seen = check(&aws, MANAGER, None).await.unwrap();
    assert!(seen.ours);
    assert_eq!(
        seen.us, MANAGER,
        "with its path, which the session's ARN has not"
    );
    assert!(!check(&aws, ROLE, None).await.unwrap().ours);
    assert!(
        aws.is_ours(
            "arn:aws:iam::444455556666:role/Countersign-Manager",
            "AROAX"
        )
        .await
        .unwrap()
    );
    let here = as_ourselves(member.app.app.clouds(), sandbox::ROLE).await;
    let seen = check(&here, sandbox::ROLE, None).await.unwrap();
    assert_eq!((seen.us.as_str(), seen.trust_quota), (US, 2_048));
}

#[tokio::test]
async fn of_several_targets_that_are_claimed_at_once_each_has_its_own_accounts_manager() {
    let member = Member::new().await;
    member.approved(60).await;
    member.stage.approve("carol", 60).await;
    let mut conn = member.app.pool().acquire().await.unwrap();
    let (now, lease) = (Some(member.stage.now()), minutes(1));
    let claimed = targets::claim(&mut conn, now, lease, 10, false, &[])
        .await
        .unwrap();
    let mut taken = claimed.taken;
    taken.sort_by(|one, other| one.arn.cmp(&other.arn));
    let taken: Vec<_> = taken.into_iter().map(|it| (it.arn, it.manager)).collect();
    let here = (sandbox::ROLE.to_owned(), None);
    let there = (ROLE.to_owned(), Some(manager(&member)));
    assert_eq!(taken, [here, there]);
}
