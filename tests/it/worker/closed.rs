//! A closed role, by credentials that are used: whoever comes by anything but a grant is refused.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::doctor::{examine, others_of_closed};
use countersign::app::extend::{NewExtension, extend};
use countersign::app::find;
use countersign::aws::GUARD_NAME;
use sqlx::{Executor as _, Row as _};

use super::minutes;
use crate::support::cloud::{Keys, Knob};
use crate::support::member::{Member, ROLE};

const ROOT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sts:AssumeRole"}]}"#;

/// A role that whoever may assume roles in its account may assume, and somebody who may.
async fn world() -> (Member, Keys) {
    let member = Member::with("switch", ROOT).await;
    let other = member.stage.cloud.keys("elsewhere");
    (member, other)
}

async fn close(member: &Member, closed: bool) {
    let change = |catalog: &mut crate::support::catalog::Catalog| {
        let more = &mut catalog.entitlement("staging-admin").more;
        more.retain(|key, _| key != "closed");
        more.extend(closed.then(|| ("closed".to_owned(), true.into())));
    };
    member.app.change(change).await;
}

#[tokio::test]
async fn i4_only_sessions_of_live_grants_work_before_during_and_after() {
    let (member, other) = world().await;
    let before = other.assume_role(ROLE, "zzz").await.expect("it may");
    assert!(before.work().await, "the role is open to the account");
    close(&member, true).await;
    member.work().await;
    assert!(!before.work().await, "with no grant at all");
    let anew = other.assume_role(ROLE, "zzz").await.expect("it may");
    assert!(!anew.work().await);

    let grant = member.open(60).await;
    let alice = member.stage.cloud.keys("alice");
    let own = member.assume(grant).await.expect("it is open");
    let console = alice.assume_role(ROLE, "alice").await.expect("it is open");
    assert!(own.work().await && console.work().await);
    for name in ["zzz", "bob", "grant_00000000000000000000000000"] {
        let session = other.assume_role(ROLE, name).await.expect("it may");
        assert!(!session.work().await, "{name}");
    }
    // Under her live name another one works: a right that he has, under her name (I4).
    let forged = other.assume_role(ROLE, "alice").await.expect("it may");
    assert!(forged.work().await);

    member.end(grant).await;
    member.work().await;
    assert_eq!(member.stage.state(grant).await, "ended");
    for session in [&own, &console, &forged, &before, &anew] {
        assert!(!session.work().await);
    }
    for _ in 0..4 {
        member.pass(TimeDelta::hours(13)).await;
        member.pass(minutes(6)).await;
    }
    let late = other.assume_role(ROLE, "zzz").await.expect("it may");
    assert!(!late.work().await, "nothing of the grant is left");
    let guard = member.stage.cloud.knobs().role_policy(ROLE, GUARD_NAME);
    assert!(guard.is_some());
}

#[tokio::test]
async fn a_guard_that_somebody_deletes_is_put_back_at_the_next_look_and_opened_when_asked() {
    let (member, other) = world().await;
    close(&member, true).await;
    member.work().await;
    let knobs = member.stage.cloud.knobs();
    knobs.put_role_policy(ROLE, GUARD_NAME, None).unwrap();
    let session = other.assume_role(ROLE, "zzz").await.expect("it may");
    assert!(session.work().await);
    member.pass(minutes(5)).await;
    assert!(!session.work().await, "within five minutes");

    close(&member, false).await;
    member.work().await;
    assert!(session.work().await, "whoever else may come, comes");
    for _ in 0..5 {
        member.pass(TimeDelta::hours(13)).await;
    }
    let guard = member.stage.cloud.knobs().role_policy(ROLE, GUARD_NAME);
    assert_eq!(guard, None);
}

/// Nobody lets us put the guard, and nobody has a grant: whoever the role lets in comes in. That is
/// told, and again each hour, until it stands.
#[tokio::test]
async fn a_guard_that_cannot_be_put_on_a_closed_role_is_told() {
    let (member, _) = world().await;
    let (admin, _) = super::revocations::admins(&member.app).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    member.stage.cloud.always("PutRolePolicy", refuse);
    close(&member, true).await;
    member.work().await;
    for _ in 0..3 {
        member.pass(minutes(6)).await;
    }
    let told = async || {
        let sql = "SELECT count(*) FROM audit_events WHERE action = 'target.alarm' \
            AND details = '{\"alarm\": \"unguarded\", \"of\": \"denied\"}'";
        let row = member.stage.rows.pool.fetch_one(sql).await.unwrap();
        row.get::<i64, _>(0)
    };
    assert_eq!(told().await, 1);
    let troubles = find::troubles(&admin).await.unwrap();
    let named: Vec<&str> = troubles
        .unguarded
        .iter()
        .map(|it| it.arn.as_str())
        .collect();
    assert_eq!(named, [ROLE]);
    member.pass(minutes(61)).await;
    assert_eq!(told().await, 2);
    member.stage.cloud.knobs().clear();
    member.pass(minutes(6)).await;
    assert!(
        member
            .stage
            .cloud
            .knobs()
            .role_policy(ROLE, GUARD_NAME)
            .is_some()
    );
    let troubles = find::troubles(&admin).await.unwrap();
    assert!(troubles.unguarded.is_empty());
}

/// A later date that cannot be written is no guard that is missing.
#[tokio::test]
async fn a_closed_role_whose_guard_stands_is_not_called_unguarded() {
    let (member, _) = world().await;
    let (admin, _) = super::revocations::admins(&member.app).await;
    close(&member, true).await;
    member.work().await;
    let grant = member.open(60).await;
    let refuse = Knob::Refuse("AccessDenied", 403);
    member.stage.cloud.always("PutRolePolicy", refuse);
    let more = NewExtension {
        duration_seconds: 1_800,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    };
    let asked = extend(&member.alice, grant, more).await.unwrap();
    let asked = asked.extension.unwrap();
    approve(&member.bob, asked, None, None).await.unwrap();
    member.pass(minutes(2)).await;
    let failed = "SELECT count(*) FROM targets WHERE closed AND last_error = 'denied'";
    let row = member.stage.rows.pool.fetch_one(failed).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
    assert_eq!(find::troubles(&admin).await.unwrap().unguarded, []);
    let told = "SELECT count(*) FROM audit_events WHERE action = 'target.alarm'";
    let row = member.stage.rows.pool.fetch_one(told).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 0);
}

/// Who is denied by it is told, as far as the trust policy names them: at the enrolment and by
/// `doctor`.
#[tokio::test]
async fn whom_else_a_closed_role_lets_in_is_told() {
    let (member, _) = world().await;
    let trust = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::444455556666:root","999900001111"]},"Action":"sts:AssumeRole"},
        {"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},
        {"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::444455556666:saml-provider/idp"},"Action":"sts:AssumeRoleWithSAML"},
        {"Effect":"Deny","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    member.stage.cloud.knobs().put_trust(ROLE, trust).unwrap();
    let named = "999900001111, arn:aws:iam::444455556666:saml-provider/idp, ec2.amazonaws.com:";
    let warned = async || {
        let sections = examine(&member.app.app).await.unwrap();
        let lines = sections.into_iter().flat_map(|it| it.lines);
        lines.filter(|it| it.check == "closed").collect::<Vec<_>>()
    };
    assert!(warned().await.is_empty(), "it is open to them");
    close(&member, true).await;
    let lines = warned().await;
    assert!(lines[0].told.contains(named), "{lines:?}");
    let told = others_of_closed(&member.app.app, ROLE).await.unwrap();
    assert!(told.unwrap().contains(named));
}
