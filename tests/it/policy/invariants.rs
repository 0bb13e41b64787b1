//! The invariants of GUARD §2 against random histories, and that each clause of the function is needed for them.

use countersign::policy::Clause;
use proptest::prelude::*;

use super::world::World;

const EVENTS: usize = 120;

fn run(seed: u64, without: Option<Clause>) -> Result<(), String> {
    let mut world = World::new(seed, without);
    world
        .live(EVENTS)
        .map_err(|v| format!("seed {seed}: {v}\n{}", world.log.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_history_breaks_an_invariant(seed: u64) {
        if let Err(violation) = run(seed, None) {
            return Err(TestCaseError::fail(violation));
        }
    }
}

/// A history within the first thousand that breaks an invariant without the clause.
fn breaks(clause: Clause, invariants: &[&str]) {
    let found = (0..1000).find_map(|seed| run(seed, Some(clause)).err());
    let violation = found.unwrap_or_else(|| panic!("nothing breaks without {clause:?}"));
    assert!(
        invariants.iter().any(|i| violation.contains(i)),
        "{violation}"
    );
}

#[test]
fn without_the_allowance_in_the_cut_a_session_comes_back() {
    breaks(Clause::CutAllowance, &["I-b"]);
}

#[test]
fn without_exclusive_console_names_a_session_outlives_its_approval() {
    breaks(Clause::ExclusiveConsoleName, &["I-a", "I-b"]);
}

#[test]
fn without_the_deny_until_settled_a_session_outlives_its_approval() {
    breaks(Clause::DeniedUntilSettled, &["I-a", "I-b"]);
}

#[test]
fn without_waiting_for_the_cut_a_session_comes_back() {
    breaks(Clause::WaitForCut, &["I-b"]);
}

#[test]
fn without_the_list_an_ended_session_goes_on() {
    breaks(Clause::List, &["I-a", "I-b", "I-c"]);
}

#[test]
fn without_the_guard_first_a_session_has_no_deadline() {
    breaks(Clause::GuardFirst, &["I-a", "I-b"]);
}

#[test]
fn without_remembering_the_longest_session_one_comes_back() {
    breaks(Clause::LongestSession, &["I-b"]);
}

#[test]
fn without_waiting_after_an_unanswered_guard_a_session_has_no_deadline() {
    breaks(Clause::GuardAnswered, &["I-a", "I-b"]);
}

#[test]
fn without_waiting_for_late_writes_a_session_comes_back() {
    breaks(Clause::AbsenceWaits, &["I-a", "I-b"]);
}
