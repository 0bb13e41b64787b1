//! The invariants of docs/guard.md §3 against random histories, and that each clause of the
//! function is needed for them.

use std::collections::BTreeSet;

use countersign::policy::Clause;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::run::Run;
use super::world::{MARGINS, World};
use super::*;

const EVENTS: usize = 120;
pub const ALL: &[usize] = &[ALICE, BOB, OTHER_ALICE];

fn run(seed: u64, people: &'static [usize], without: Option<Clause>) -> Result<(), String> {
    live(World::new(seed, people, without), seed)
}

fn live(mut world: World, seed: u64) -> Result<(), String> {
    let lived = world.live(EVENTS);
    lived.map_err(|v| format!("seed {seed}: {v}\n{}", world.log.join("\n")))
}

/// The same histories each time, so that a change is judged by itself. `PROPTEST_CASES=2000 cargo
/// test invariants` looks at so many others.
pub fn config() -> ProptestConfig {
    let base = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return base;
    }
    ProptestConfig {
        cases: 100,
        rng_seed: RngSeed::Fixed(1),
        ..base
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_history_breaks_an_invariant(seed: u64, alone: bool, refuses: bool, closed: bool) {
        let people = if alone { &[ALICE] } else { ALL };
        let mut world = World::new(seed, people, None);
        world.target.closed = closed;
        world.refuses = refuses;
        live(world, seed).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn i_e_removing_a_grant_from_what_is_known_never_adds_access(seed: u64, events in 5usize..60) {
        check_removals(seed, events).map_err(TestCaseError::fail)?;
    }
}

/// An unanswered guard write lands at the end of L, and what is read after that is older than it.
#[test]
fn i_a_a_write_that_lands_late_is_not_seen_at_once() {
    assert_eq!(run(4_589_030_939_191_938_125, ALL, None), Ok(()));
    assert_eq!(run(4_272_305_847_771_238_656, &[ALICE], None), Ok(()));
}

/// A name that was settled has to be denied again, beside others that stay settled.
#[test]
fn i_d_a_closing_that_takes_a_name_out_of_a_shared_cut_does_not_grow() {
    assert_eq!(run(15_161_043_094_859_536_962, ALL, None), Ok(()));
    let mut world = World::new(10_677_609_073_745_000_991, ALL, None);
    world.refuses = true;
    assert_eq!(live(world, 10_677_609_073_745_000_991), Ok(()));
}

#[test]
fn i_e_the_only_grant_there_was_is_removed() {
    assert_eq!(check_removals(11_926_107_904_658_510_528, 5), Ok(()));
}

/// The lost grant was about to get the console name, which another person's grant gets instead.
#[test]
fn i_e_a_console_name_goes_to_another_whom_it_was_approved_for() {
    let histories = [
        (1_324_494_869_940_581_721, 8),
        (8_695_061_756_975_923_523, 23),
        (7_012_610_556_671_564_765, 11),
        (721_482_511_170_630_991, 17),
        (7_235_043_435_331_486_640, 9),
        (4_114_107_207_695_309_469, 56),
        // A grant that was never open to the world does not account for the name of one that was,
        // and is lost.
        (13_311_663_420_604_784_862, 14),
        (10_448_158_756_279_678_645, 37),
    ];
    for (seed, events) in histories {
        assert_eq!(check_removals(seed, events), Ok(()));
    }
}

/// I-e for each grant that there is after that many events.
fn check_removals(seed: u64, events: usize) -> Result<(), String> {
    let mut world = World::new(seed, ALL, None);
    world.live(events)?;
    let known = Run {
        now: world.now,
        margins: MARGINS,
        target: world.target.clone(),
        role: world.seen(),
        grants: world.grants.clone(),
        due: None,
    };
    let apart = |index: &usize| !shares_its_name_with_the_past(&known, *index);
    (0..known.grants.len())
        .filter(apart)
        .try_for_each(|index| check_removal(&world, &known, index))
}

/// An ended grant whose console name another one has: what the guard says of the name rests on both
/// of their marks, and a row that is lost takes its part with it.
fn shares_its_name_with_the_past(known: &Run, index: usize) -> bool {
    let lost = &known.grants[index];
    let mut others = known.grants.iter().filter(|g| g.id != lost.id);
    !is_open(lost) && others.any(|g| g.console_name == lost.console_name)
}

/// Whether a person holds an approved grant with that name: a console name that nobody else holds
/// any more may go to whom it was approved for.
fn is_approved(known: &Run, person: usize, name: &str) -> bool {
    let holds = |g: &Grant| {
        g.principal_arn.as_deref() == Some(PEOPLE[person].0)
            && g.console_name.as_deref() == Some(name)
            && is_open(g)
            && known.now < g.deadline
    };
    known.grants.iter().any(holds)
}

/// Brings AWS to what is wanted with and without the grant, and compares who gets in and which of
/// the adversary's sessions work, now and later.
fn check_removal(world: &World, known: &Run, index: usize) -> Result<(), String> {
    let mut whole = known.clone();
    let mut less = known.clone();
    let lost = less.grants.remove(index);
    for run in [&mut whole, &mut less] {
        // AWS answers all and does not lag: nothing of the past is in the way of what is wanted.
        let target = &mut run.target;
        let written = target
            .guard
            .written
            .iter_mut()
            .chain(&mut target.trust.written);
        written.for_each(|w| w.at -= MARGINS.propagation);
        let _ = run.settle();
    }
    let names = known.grants.iter().map(|g| g.grant_name.clone());
    let names: Vec<_> = names
        .chain(PEOPLE.map(|(_, _, name)| name.to_owned()))
        .collect();
    let mut sessions: BTreeSet<(String, DateTime<Utc>)> = world
        .sessions
        .iter()
        .map(|s| (s.name.clone(), s.token))
        .collect();
    let moments = known.grants.iter().flat_map(|g| [g.starts_at, g.deadline]);
    let moments: BTreeSet<_> = moments
        .filter(|at| *at > known.now)
        .chain([known.now])
        .collect();
    for at in moments {
        (whole.now, less.now) = (at, at);
        for name in &names {
            for person in ALL.iter().filter(|person| less.admits(**person, name)) {
                if whole.admits(*person, name) {
                    sessions.insert((name.clone(), at));
                } else if !is_approved(&less, *person, name) {
                    return Err(format!(
                        "I-e: without {lost:?} {name} is let in: {}",
                        less.role.trust
                    ));
                }
            }
        }
        for (name, token) in &sessions {
            let issued = (*token - super::at(0)).num_seconds();
            if less.works(name, issued) && !whole.works(name, issued) {
                let guards = [&known.role.guard, &whole.role.guard, &less.role.guard];
                return Err(format!(
                    "I-e: without {lost:?} a session {name} of {token} works at {at}: {guards:?}"
                ));
            }
        }
    }
    Ok(())
}

/// A history within the first thousand that breaks an invariant without the clause, and not with
/// it.
fn breaks(clause: Clause, people: &'static [usize], invariants: &[&str]) {
    let found = (0..1000).find_map(|seed| {
        let violation = run(seed, people, Some(clause)).err()?;
        Some((seed, violation))
    });
    let (seed, violation) = found.unwrap_or_else(|| panic!("nothing breaks without {clause:?}"));
    assert!(
        invariants.iter().any(|i| violation.contains(i)),
        "{violation}"
    );
    assert_eq!(
        run(seed, people, None),
        Ok(()),
        "it is the clause that makes the difference"
    );
}

#[test]
fn without_exclusive_console_names_a_session_outlives_its_approval() {
    breaks(Clause::ExclusiveConsoleName, ALL, &["I-a", "I-b"]);
}

#[test]
fn without_the_deny_until_the_deadline_a_session_outlives_its_approval() {
    breaks(Clause::DeniedToTheEnd, ALL, &["I-a", "I-b"]);
}

#[test]
fn without_waiting_for_the_cut_a_session_comes_back() {
    breaks(Clause::WaitForCut, &[ALICE], &["I-b"]);
}

#[test]
fn without_the_list_an_ended_session_goes_on() {
    breaks(Clause::List, ALL, &["I-a", "I-b", "I-c"]);
}

#[test]
fn without_the_guard_first_a_session_has_no_deadline() {
    breaks(Clause::GuardFirst, ALL, &["I-a", "I-b"]);
}

#[test]
fn without_remembering_the_longest_session_one_comes_back() {
    breaks(Clause::LongestSession, ALL, &["I-b"]);
}

#[test]
fn without_waiting_after_an_unanswered_guard_a_session_has_no_deadline() {
    breaks(Clause::GuardAnswered, ALL, &["I-a", "I-b"]);
}

#[test]
fn without_waiting_for_late_writes_a_session_comes_back() {
    breaks(Clause::AbsenceWaits, &[ALICE], &["I-a", "I-b", "I-f"]);
}
