//! Random histories of the worker against the real SQL, the real SDK and an AWS that answers over
//! HTTP, with hands and faults of every kind; judged by credentials alone. Each step of a history
//! throws dice of its own, so that what proptest leaves out while it shrinks changes nothing in the
//! rest.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::life::{Life, Violation};
use super::minutes;
use crate::policy::plane::Dice;

/// The same few histories each time. `PROPTEST_CASES=500 cargo test worker::histories` looks at so
/// many others.
fn config() -> ProptestConfig {
    let base = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return base;
    }
    ProptestConfig {
        cases: 3,
        rng_seed: RngSeed::Fixed(1),
        ..base
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_hand_and_no_fault_opens_what_is_over_or_closes_what_is_open(
        steps in prop::collection::vec(any::<u64>(), 6..24),
    ) {
        lived(&steps).map_err(TestCaseError::fail)?;
    }
}

/// What went wrong in a history, with everything that happened in it.
fn lived(steps: &[u64]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let went = Life::lived(async |life| through(life, steps).await);
    runtime.unwrap().block_on(went)
}

async fn through(life: &mut Life, steps: &[u64]) -> Result<(), Violation> {
    for step in steps {
        life.dice = Dice(*step);
        if life.dice.chance(30) {
            life.back_up().await;
        }
        match life.dice.between(0, 99) {
            0..24 => life.approve().await,
            24..38 => life.revoke_one().await,
            38..50 => life.hand_on_trust(),
            50..56 => life.hand_on_guard(),
            56..59 => life.other_installation(),
            59..62 => life.user_goes_or_comes(),
            62..65 => life.role_goes_or_comes(),
            65..80 => life.arm().await,
            80..84 => life.die().await?,
            84..88 => life.restore().await,
            88..90 => life.normalise(),
            90..93 => life.change_clock(),
            _ => life.resume().await,
        }
        // What befalls a write needs one to befall.
        if life.is_armed() && life.dice.chance(70) {
            match life.dice.chance(60) {
                true => life.approve().await,
                false => life.revoke_one().await,
            }
        }
        let (low, high) =
            *life
                .dice
                .one_of(&[(1, 5), (1, 5), (5, 20), (5, 20), (20, 60), (60, 600)]);
        let length = minutes(life.dice.between(low, high));
        life.pass_time(length).await?;
    }
    Ok(())
}
