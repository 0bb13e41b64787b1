//! Random histories of a user's inline policies, and that each clause of the plan is needed for
//! them.

use countersign::policy::Clause;
use proptest::prelude::*;

use super::world::World;
use crate::policy::invariants::config;

const EVENTS: usize = 40;

fn run(seed: u64, without: Option<Clause>) -> Result<(), String> {
    let mut world = World::new(seed, without);
    let lived = world.live(EVENTS);
    lived.map_err(|violation| format!("seed {seed}: {violation}\n{}", world.log.join("\n")))
}

proptest! {
    #![proptest_config(config())]

    /// Nobody is let in after the deadline, nor after an early end beyond what is declared; what is
    /// said to have ended has; a closing never grows; and when faults stop, all comes to its end.
    #[test]
    fn no_history_of_a_user_breaks_an_invariant(seed: u64) {
        run(seed, None).map_err(TestCaseError::fail)?;
    }
}

/// A history within the first thousand that breaks the invariant without the clause, and nothing
/// with it.
fn breaks(clause: Clause, invariant: &str) {
    let is_broken = |seed: &u64| {
        let violation = run(*seed, Some(clause)).err();
        violation.is_some_and(|it| it.starts_with(&format!("seed {seed}: {invariant}")))
    };
    let seed = (0..1000).find(is_broken);
    let seed = seed.unwrap_or_else(|| panic!("nothing breaks without {clause:?}"));
    assert_eq!(
        run(seed, None),
        Ok(()),
        "it is the clause that makes the difference"
    );
}

#[test]
fn without_asking_for_the_list_a_switch_is_put_unguarded() {
    breaks(Clause::ListedFirst, "list:");
}

#[test]
fn without_the_text_of_the_end_a_restored_database_opens_again() {
    breaks(Clause::EndedStands, "trace:");
}

#[test]
fn without_putting_once_an_entitlement_is_put_back() {
    breaks(Clause::AttachedOnce, "once:");
}

#[test]
fn without_waiting_for_late_writes_what_is_said_to_have_ended_has_not() {
    breaks(Clause::AbsenceWaits, "ended:");
}
