//! What holds of every request, and that the tally is what the rules say word by word.

use std::collections::BTreeSet;

use countersign::domain::stages::{Escalation, GroupSeats, Stage, Stages};
use countersign::domain::tally::{
    Delegation, Human, Refusal, Seated, StageState, Tally, Verdict, Vote,
};
use countersign::ids::PersonId;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::literal::{Literal, Reached};
use super::{Scene, approval, id, minute};

const GROUPS: [&str; 4] = ["A", "B", "C", "D"];
const HUMANS: [&str; 7] = ["alice", "bob", "carol", "dan", "eve", "fay", "gus"];

/// The same requests each time; `PROPTEST_CASES=100000 cargo test tally::properties` looks at so
/// many others.
fn config() -> ProptestConfig {
    let base = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return base;
    }
    ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(1),
        ..base
    }
}

fn group() -> impl Strategy<Value = String> {
    (0..GROUPS.len()).prop_map(|it| GROUPS[it].to_owned())
}

fn groups(most: usize) -> impl Strategy<Value = Vec<String>> {
    let groups = prop::sample::subsequence(GROUPS.to_vec(), 0..=most);
    groups.prop_map(|it| it.into_iter().map(str::to_owned).collect())
}

fn human() -> impl Strategy<Value = PersonId> {
    (0..HUMANS.len()).prop_map(|it| id(HUMANS[it]))
}

fn stage() -> impl Strategy<Value = Stage> {
    let needed = prop_oneof![5 => Just(1_i16), 2 => Just(2), 1 => Just(3)];
    let escalation = prop::option::weighted(0.3, (group(), 1..180_i64));
    let seats = (needed, escalation);
    let seats = prop::collection::vec(seats, GROUPS.len());
    let named = prop::sample::subsequence(GROUPS.to_vec(), 1..=3).prop_shuffle();
    (named, seats).prop_map(|(named, seats)| {
        let groups = named.into_iter().zip(seats);
        let groups = groups.map(|(group, (needed, escalation))| GroupSeats {
            group: group.to_owned(),
            needed,
            escalation: escalation
                .filter(|(to, _)| to != group)
                .map(|(to, after)| Escalation::parse(&to, &format!("PT{after}M")).unwrap()),
        });
        Stage {
            groups: groups.collect(),
        }
    })
}

/// Up to five stages, of which those that go beyond ten seats are left out.
fn stages() -> impl Strategy<Value = Stages> {
    prop::collection::vec(stage(), 1..=5).prop_map(|mut stages| {
        while Stages::new(stages.clone()).is_err() {
            stages.pop();
        }
        Stages::new(stages).unwrap()
    })
}

/// One or two accounts of each human.
fn accounts() -> impl Strategy<Value = Vec<Human>> {
    let account = (0..HUMANS.len(), prop::bool::weighted(0.85), groups(3));
    let more = prop::collection::vec(account, 0..4);
    let first = prop::collection::vec((prop::bool::weighted(0.9), groups(3)), 2..=HUMANS.len());
    (first, more).prop_map(|(first, more)| {
        let humans = first.len();
        let first = first.into_iter().enumerate();
        let first = first.map(|(who, (is_active, groups))| (who, is_active, groups));
        let more = more.into_iter().filter(|(who, ..)| *who < humans);
        let account = |(who, is_active, groups): (usize, bool, Vec<String>)| Human {
            id: id(HUMANS[who]),
            is_active,
            groups,
        };
        first.chain(more).map(account).collect()
    })
}

fn votes() -> impl Strategy<Value = Vec<Vote>> {
    let voters = prop::sample::subsequence(HUMANS.to_vec(), 0..=5).prop_shuffle();
    let denies = prop::bool::weighted(0.04);
    (voters, prop::collection::vec(denies, 5)).prop_map(|(voters, denies)| {
        let votes = voters.into_iter().zip(denies).map(|(voter, denies)| Vote {
            person: id(voter),
            verdict: if denies {
                Verdict::Deny
            } else {
                Verdict::Approve
            },
        });
        votes.collect()
    })
}

fn scenes() -> impl Strategy<Value = Scene> {
    let delegation = (human(), human()).prop_map(|(from, to)| Delegation { from, to });
    let delegations = prop::collection::vec(delegation, 0..9);
    let opened = prop::collection::vec(prop::option::of(0..120_i64), 0..=5);
    let asked_by = prop_oneof![
        3 => Just(vec![id("alice")]),
        1 => Just(vec![id("alice"), id("bob")]),
        1 => Just(vec![id("zoe")]),
    ];
    let around = (asked_by, opened, 0..240_i64, prop::bool::weighted(0.9));
    (stages(), accounts(), delegations, votes(), around).prop_map(
        |(stages, accounts, delegations, votes, (asked_by, opened, now, delegation))| Scene {
            stages,
            accounts,
            delegations,
            votes,
            asked_by,
            opened: opened.into_iter().map(|it| it.map(minute)).collect(),
            now: minute(now),
            delegation,
        },
    )
}

/// How far a request is, so that more is greater.
fn progress(scene: &Scene) -> (i16, i16) {
    match scene.tally() {
        Tally::Complete { .. } => (i16::MAX, 0),
        Tally::Open { stage, have, .. } => (stage, have),
    }
}

fn is_fillable(scene: &Scene) -> bool {
    match scene.tally() {
        Tally::Complete { .. } => true,
        Tally::Open { fillable, .. } => fillable,
    }
}

fn can(scene: &Scene) -> Vec<PersonId> {
    match scene.tally() {
        Tally::Complete { .. } => Vec::new(),
        Tally::Open { can, .. } => can,
    }
}

fn with(scene: &Scene, person: PersonId) -> Scene {
    let mut scene = scene.clone();
    scene.votes.push(approval(person));
    scene
}

fn each_without_vote(scene: &Scene) -> Vec<PersonId> {
    let (voted, _) = Literal(scene).votes();
    let mut humans = Literal(scene).humans();
    humans.retain(|it| !voted.contains(it));
    humans
}

/// Each seat of the stages in their order, each filled by another human, and rightly.
fn check_seats(scene: &Scene, seats: &[Seated]) {
    let mut expected = Vec::new();
    for (number, stage) in (1..).zip(&scene.stages) {
        for it in &stage.groups {
            expected.extend((0..it.needed).map(|_| (number, it.group.clone())));
        }
    }
    let told = seats
        .iter()
        .map(|it| (it.seat.stage, it.seat.group.clone()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let (_, yes) = Literal(scene).votes();
    for (at, it) in seats.iter().enumerate() {
        assert!(yes.contains(&it.person), "{it:?} has not voted");
        let fits = Literal(scene).seated(at, it.person, it.stood_in_for);
        assert!(fits, "{it:?} does not fit");
    }
}

fn check_refusals(scene: &Scene, open: usize, can: &[PersonId]) {
    let literal = Literal(scene);
    let (voted, _) = literal.votes();
    let mut people = literal.humans();
    people.push(id("nobody"));
    for p in people {
        let refusal = literal.refusal(p, open);
        let vote = match refusal {
            Refusal::NotApprover | Refusal::SelfApproval => Err(refusal),
            _ if voted.contains(&p) => Err(Refusal::AlreadyDecided),
            _ if can.contains(&p) => Ok(()),
            _ => Err(refusal),
        };
        let deny = if literal.sits(p, open) {
            Ok(())
        } else {
            Err(refusal)
        };
        let told = scene.count(|count| (count.may_vote(p), count.may_deny(p)));
        assert_eq!(told, (vote, deny), "{}", super::name(p));
    }
}

fn check_rows(scene: &Scene, reached: Option<&Reached>) {
    let rows = scene.count(|count| count.stages());
    assert_eq!(rows.len(), scene.stages.iter().count());
    let open = reached.map_or(usize::MAX, |it| it.stage);
    for ((number, row), stage) in (1..).zip(rows).zip(&scene.stages) {
        assert_eq!(usize::try_from(row.stage), Ok(number));
        assert_eq!(row.needed, stage.seats());
        let told = (row.state, usize::try_from(row.have).unwrap(), row.can);
        let expected = match number.cmp(&open) {
            std::cmp::Ordering::Less => {
                let all = usize::try_from(stage.seats()).unwrap();
                (StageState::Closed, all, Vec::new())
            }
            std::cmp::Ordering::Equal => {
                let have = reached.map_or(0, |it| it.have);
                (StageState::Open, have, can(scene))
            }
            std::cmp::Ordering::Greater => (StageState::Waiting, 0, Vec::new()),
        };
        assert_eq!(told, expected);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_tally_is_what_the_rules_say_word_by_word(scene in scenes()) {
        let literal = Literal(&scene);
        let reached = literal.reached(&[]);
        match scene.tally() {
            Tally::Complete { seats } => {
                prop_assert_eq!(&reached, &None);
                check_seats(&scene, &seats);
            }
            Tally::Open { stage, have, needed, can, fillable } => {
                let number = |it: i16| usize::try_from(it).unwrap();
                let told = Reached {
                    stage: number(stage),
                    have: number(have),
                    needed: number(needed),
                };
                prop_assert_eq!(Some(told), reached);
                prop_assert_eq!(can, literal.can());
                prop_assert_eq!(fillable, literal.is_fillable());
            }
        }
    }

    #[test]
    fn stages_and_refusals_go_with_the_tally(scene in scenes()) {
        let reached = Literal(&scene).reached(&[]);
        check_rows(&scene, reached.as_ref());
        let stages = scene.stages.iter().count();
        let open = reached.map_or(stages, |it| it.stage);
        check_refusals(&scene, open, &can(&scene));
    }

    #[test]
    fn a_vote_never_lowers_what_was_reached(scene in scenes()) {
        for person in each_without_vote(&scene) {
            prop_assert!(progress(&with(&scene, person)) >= progress(&scene));
        }
    }

    #[test]
    fn who_is_waited_for_brings_it_on(scene in scenes()) {
        for person in can(&scene) {
            prop_assert!(progress(&with(&scene, person)) > progress(&scene));
        }
    }

    #[test]
    fn what_can_be_completed_waits_for_somebody(scene in scenes()) {
        let is_open = matches!(scene.tally(), Tally::Open { .. });
        prop_assert!(!is_open || !is_fillable(&scene) || !can(&scene).is_empty());
    }

    #[test]
    fn no_vote_of_those_who_can_hangs_it(scene in scenes()) {
        for person in can(&scene) {
            prop_assert!(!is_fillable(&scene) || is_fillable(&with(&scene, person)));
        }
    }

    /// In whatever order they come.
    #[test]
    fn it_is_completed_by_whoever_can(scene in scenes(), choices in prop::collection::vec(any::<prop::sample::Index>(), 10)) {
        let fillable = is_fillable(&scene);
        let mut scene = scene;
        for choice in choices {
            let can = can(&scene);
            if !can.is_empty() {
                let person = *choice.get(&can);
                scene = with(&scene, person);
            }
        }
        prop_assert_eq!(matches!(scene.tally(), Tally::Complete { .. }), fillable);
    }

    #[test]
    fn as_many_humans_as_seats_complete_it(scene in scenes()) {
        if let Tally::Complete { seats } = scene.tally() {
            let people: BTreeSet<PersonId> = seats.iter().map(|it| it.person).collect();
            prop_assert_eq!(people.len(), usize::try_from(scene.stages.seats()).unwrap());
        }
    }
}
