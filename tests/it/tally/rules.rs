//! One rule of the tally after the other, where the examples leave something open.

use countersign::domain::tally::{StageState, Verdict, Vote};

use super::{Scene, id, scene};

/// What is told at each of these minutes.
fn told_at(scene: &Scene, minutes: &[i64]) -> Vec<String> {
    let told = minutes.iter().map(|it| scene.clone().at(*it).told());
    told.collect()
}

#[test]
fn an_escalation_opens_the_seats_at_its_time_and_not_before() {
    let escalating = scene("A1>D@60", "bob:A dora:D").opened(&[5]);
    assert_eq!(
        told_at(&escalating, &[64, 65]),
        [
            "stage 1, 0 of 1, can bob, fillable",
            "stage 1, 0 of 1, can bob dora, fillable",
        ]
    );
    let absent = scene("A1>D@60", "dora:D").opened(&[5]).votes("dora");
    assert_eq!(
        told_at(&absent, &[64, 65]),
        ["stage 1, 0 of 1, can –, not fillable", "complete: dora A1",]
    );
}

#[test]
fn an_escalation_waits_for_its_own_stage_to_open() {
    let second = scene("A1 then B1>D@60", "bob:A carol:B dora:D").votes("bob");
    assert_eq!(
        told_at(&second, &[61]),
        ["stage 2, 0 of 1, can carol, fillable"]
    );
    assert_eq!(
        told_at(&second.opened(&[0, 30]), &[89, 90]),
        [
            "stage 2, 0 of 1, can carol, fillable",
            "stage 2, 0 of 1, can carol dora, fillable",
        ]
    );
}

#[test]
fn a_delegation_carries_the_escalation_too() {
    let away = scene("A1>D@60", "bob:A dora:D gus:Z").delegations("dora>gus");
    assert_eq!(
        told_at(&away, &[59, 60]),
        [
            "stage 1, 0 of 1, can bob, fillable",
            "stage 1, 0 of 1, can bob dora gus, fillable",
        ]
    );
    assert_eq!(
        told_at(&away.votes("gus"), &[60]),
        ["complete: gus A1 for dora"]
    );
}

#[test]
fn a_delegate_fills_the_seat_of_who_is_away() {
    let away = scene("B1", "dan:B gus:Z").delegations("dan>gus");
    assert_eq!(away.told(), "stage 1, 0 of 1, can dan gus, fillable");
    assert_eq!(away.votes("gus").told(), "complete: gus B1 for dan");
    let of_both = scene("B1", "dan:B gus:B").delegations("dan>gus");
    assert_eq!(of_both.votes("gus").told(), "complete: gus B1");
}

#[test]
fn delegations_do_not_chain() {
    let chain = scene("B1", "dan:B gus:Z hal:Z").delegations("dan>gus gus>hal");
    assert_eq!(chain.told(), "stage 1, 0 of 1, can dan gus, fillable");
}

#[test]
fn an_entitlement_may_do_without_delegations() {
    let mut away = scene("B1", "dan:B gus:Z").delegations("dan>gus");
    away.delegation = false;
    assert_eq!(away.told(), "stage 1, 0 of 1, can dan, fillable");
    let voted = away.votes("gus");
    assert_eq!(voted.told(), "stage 1, 0 of 1, can dan, fillable");
}

#[test]
fn nobody_stands_in_for_who_is_disabled_and_no_disabled_person_for_anybody() {
    let disabled = scene("B1", "-dan:B gus:Z").delegations("dan>gus");
    assert_eq!(disabled.told(), "stage 1, 0 of 1, can –, not fillable");
    let disabled = scene("B1", "dan:B -gus:Z").delegations("dan>gus");
    assert_eq!(
        disabled.votes("gus").told(),
        "stage 1, 0 of 1, can dan, fillable"
    );
}

/// The vote that dan takes back from gus is the one that dan gives: nothing is gained by it.
#[test]
fn who_is_stood_in_for_adds_nothing_by_voting_too() {
    let voted = scene("B2", "dan:B hal:B gus:Z").delegations("dan>gus");
    let voted = voted.votes("gus");
    assert_eq!(voted.told(), "stage 1, 1 of 2, can hal, fillable");
    // Where another one lends the same seat, gus keeps it.
    let two = scene("B2", "dan:B hal:B gus:Z").delegations("dan>gus hal>gus");
    assert_eq!(
        two.votes("gus").told(),
        "stage 1, 1 of 2, can dan hal, fillable"
    );
}

/// One voice cannot be two by being given to two.
#[test]
fn a_human_has_one_delegate_the_last_one() {
    let two = scene("B2", "dan:B gus:Z hal:Z").delegations("dan>gus dan>hal");
    let told = two.votes("gus hal").told();
    assert_eq!(told, "stage 1, 1 of 2, can –, not fillable");
    let to_nobody = scene("B1", "dan:B gus:Z").delegations("dan>gus dan>zoe");
    assert_eq!(to_nobody.told(), "stage 1, 0 of 1, can dan, fillable");
}

#[test]
fn accounts_of_one_human_are_one_voice_with_the_groups_of_those_that_are_active() {
    let two = scene("A1 B1", "bob:A bob:B");
    assert_eq!(
        two.clone().votes("bob bob").told(),
        "stage 1, 1 of 2, can –, not fillable"
    );
    assert_eq!(two.told(), "stage 1, 0 of 2, can bob, not fillable");
    let left = scene("A1 B1", "bob:A -bob:B carol:A");
    assert_eq!(
        left.votes("bob").told(),
        "stage 1, 1 of 2, can –, not fillable"
    );
}

#[test]
fn a_vote_of_who_may_sit_nowhere_fills_no_seat() {
    let voted = scene("A1", "alice:A bob:Z carol:A").votes("alice bob zoe");
    assert_eq!(voted.told(), "stage 1, 0 of 1, can carol, fillable");
}

#[test]
fn a_no_stands_and_fills_no_seat() {
    let mut said_no = scene("B1", "dan:B gus:Z hal:B").delegations("dan>gus");
    // The last word counts.
    said_no.votes = [Verdict::Approve, Verdict::Deny]
        .map(|verdict| Vote {
            person: id("dan"),
            verdict,
        })
        .to_vec();
    assert_eq!(said_no.told(), "stage 1, 0 of 1, can hal, fillable");
    said_no.accounts.retain(|it| it.id != id("hal"));
    assert_eq!(said_no.told(), "stage 1, 0 of 1, can –, not fillable");
}

#[test]
fn a_stage_that_is_left_again_waits_with_all_after_it() {
    let back = scene("A1 then B1 then C1", "bob:A carol:B dan:C").votes("carol");
    let rows = back.count(|count| count.stages());
    let rows: Vec<_> = rows
        .into_iter()
        .map(|it| (it.stage, it.state.as_str(), it.have, it.needed, it.can))
        .collect();
    assert_eq!(
        rows,
        [
            (1, "open", 0, 1, vec![id("bob")]),
            (2, "waiting", 0, 1, vec![]),
            (3, "waiting", 0, 1, vec![]),
        ]
    );
    let complete = back.votes("carol dan bob");
    let rows = complete.count(|count| count.stages());
    let is_closed = |it: &countersign::domain::tally::StageTally| {
        it.state == StageState::Closed && it.have == 1 && it.can.is_empty()
    };
    assert!(rows.iter().all(is_closed), "{rows:?}");
}
