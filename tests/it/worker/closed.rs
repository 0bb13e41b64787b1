//! A closed role, by credentials that are used: whoever comes by anything but a grant is refused.

use chrono::TimeDelta;
use countersign::aws::GUARD_NAME;

use super::minutes;
use crate::support::cloud::Keys;
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
