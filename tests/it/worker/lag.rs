//! A grant from end to end while what AWS enforces lags behind what was written.

use chrono::TimeDelta;

use super::minutes;
use crate::support::stage::{FOREIGN, Stage};

#[tokio::test]
async fn a_grant_that_is_ended_early_gives_nothing_once_the_lag_is_over() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    stage.cloud.knobs().propagation_delay(minutes(2));
    let grant = stage.open("alice", 60).await;
    stage.pass(TimeDelta::seconds(119)).await;
    let alice = stage.cloud.keys("alice");
    assert!(alice.assume("alice").await.is_none(), "not yet");
    stage.pass(TimeDelta::seconds(1)).await;
    let mut sessions = vec![alice.assume("alice").await.expect("open")];
    assert!(sessions[0].work().await);
    stage.pass(minutes(10)).await;

    stage.revoke(grant).await;
    stage.work().await;
    assert_eq!(stage.cloud.trust(), FOREIGN);
    for name in ["alice".to_owned(), grant.to_string()] {
        let session = alice.assume(&name).await;
        let session = session.expect("AWS still has the old trust policy");
        assert!(session.work().await, "and the old guard");
        sessions.push(session);
        stage.pass(TimeDelta::seconds(55)).await;
    }
    stage.pass(TimeDelta::seconds(10)).await;
    assert_eq!(stage.state(grant).await, "ended");
    for _ in 0..15 {
        for name in ["alice".to_owned(), grant.to_string()] {
            assert!(alice.assume(&name).await.is_none(), "at {}", stage.now());
        }
        for session in &sessions {
            assert!(!session.work().await, "at {}", stage.now());
        }
        stage.pass(minutes(55)).await;
    }
    assert_eq!(stage.cloud.guard(), None, "nothing of it is left");
}
