//! Random histories with hands and faults of every kind, judged by the invariants of docs/guard.md
//! §3 and for liveness. Each step of a history throws dice of its own, so that what proptest leaves
//! out while it shrinks changes nothing in the rest.

use proptest::prelude::*;

use super::faults::Faults;
use super::invariants::{ALL, config};
use super::world::World;
use super::*;

/// What went wrong in a history, with everything that happened in it.
fn live(mut world: World, steps: &[u64], faults: Faults, unanswered: i64) -> Result<(), String> {
    world.faults = faults;
    world.unanswered_percent = unanswered;
    let lived = world.live_through(steps);
    lived.map_err(|v| format!("{v}\n{}", world.log.join("\n")))
}

/// One kind alone, or any together.
fn faults() -> impl Strategy<Value = Faults> {
    prop_oneof![
        2 => (0u32..8).prop_map(|bit| Faults(1 << bit)),
        1 => any::<u8>().prop_map(Faults),
        1 => Just(Faults::NONE),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_hand_and_no_fault_breaks_an_invariant_or_a_live_grant(
        steps in prop::collection::vec(any::<u64>(), 1..120),
        faults in faults(),
        unanswered in prop::sample::select(vec![0i64, 0, 10, 30]),
        alone: bool,
        closed: bool,
    ) {
        let people = if alone { &[ALICE] } else { ALL };
        let mut world = World::new(1, people, None);
        world.target.closed = closed;
        live(world, &steps, faults, unanswered).map_err(TestCaseError::fail)?;
    }
}
