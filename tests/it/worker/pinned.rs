//! Histories that stay as they are: each fails where one thing that the product remembers is taken
//! away from it, so that the random ones, which take the same steps before the same judge, are
//! known to see such a loss.

use chrono::TimeDelta;

use super::life::{Life, Violation};
use super::minutes;

const ALICE: usize = 0;
/// What the Sids of names begin with that nobody explains.
const KEPT: &str = "CountersignKept";

/// Whoever counts a name as closed once its statement is gone does not reckon with an editor that
/// is still open.
#[tokio::test]
async fn a_stale_save_after_an_early_end_lets_nobody_back_in() {
    let went = Life::lived(async |life| {
        let grant = life.approve_for(ALICE, minutes(120)).await.unwrap();
        life.pass_time(minutes(5)).await?;
        let stale = life.trust().unwrap();
        life.revoke(grant).await;
        life.pass_time(minutes(10)).await?;
        life.save_trust("a stale save", &stale);
        life.pass_time(minutes(1)).await
    });
    went.await.unwrap();
}

/// What safe mode has denied stands in a guard that a look which lags does not show. The worker
/// dies at once if it writes by that look, since the next one would show the guard that was missed.
#[tokio::test]
async fn a_look_that_lags_after_safe_mode_revives_no_session_of_a_lost_grant() {
    let went = Life::lived(async |life| {
        lost_grant(life).await?;
        life.pass_time(TimeDelta::seconds(90)).await?;
        life.lag();
        life.pass_time(TimeDelta::seconds(40)).await?;
        let guard = life.stage.cloud.guard().unwrap();
        assert!(guard.contains(KEPT), "nothing is missed: {guard}");
        life.resume().await;
        life.die_at("PutRolePolicy", true, minutes(3)).await?;
        life.pass_time(minutes(5)).await
    });
    went.await.unwrap();
}

/// Alice has a session of a grant that was revoked, and that the database does not know any more.
/// An older grant of hers would explain the name.
async fn lost_grant(life: &mut Life) -> Result<(), Violation> {
    life.approve_for(ALICE, minutes(10)).await.unwrap();
    life.pass_time(minutes(20)).await?;
    life.back_up().await;
    let lost = life.approve_for(ALICE, minutes(120)).await.unwrap();
    life.pass_time(minutes(10)).await?;
    life.revoke(lost).await;
    life.pass_time(minutes(10)).await?;
    life.restore_to(0).await;
    life.make_due().await;
    Ok(())
}
