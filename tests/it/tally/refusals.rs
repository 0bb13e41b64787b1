//! Who may not approve or deny, and why.

use countersign::domain::tally::Refusal;

use super::scene;

#[test]
fn who_is_no_approver_learns_nothing_more() {
    let asked = scene("A1>D@60", "alice:Z bob:A carol:Z -dan:A dora:D gus:Z").asked_by("alice");
    for stranger in ["alice", "carol", "dan", "gus", "zoe"] {
        let told = asked.may_vote(stranger);
        assert_eq!(told, Err(Refusal::NotApprover), "{stranger}");
        let told = asked.may_deny(stranger);
        assert_eq!(told, Err(Refusal::NotApprover), "{stranger}");
    }
    // Whoever is asked in time is an approver before.
    assert_eq!(asked.may_vote("dora"), Err(Refusal::NotNeeded));
    assert_eq!(asked.may_deny("dora"), Err(Refusal::NotNeeded));
    assert_eq!(asked.clone().at(60).may_vote("dora"), Ok(()));
    assert_eq!(asked.at(60).may_deny("dora"), Ok(()));
}

#[test]
fn nobody_votes_for_themselves_or_their_machine() {
    let asked = scene("A1", "alice:A bob:A carol:A").asked_by("alice bob");
    for asker in ["alice", "bob"] {
        assert_eq!(asked.may_vote(asker), Err(Refusal::SelfApproval));
        assert_eq!(asked.may_deny(asker), Err(Refusal::SelfApproval));
    }
    assert_eq!(asked.may_vote("carol"), Ok(()));
}

#[test]
fn a_vote_is_given_once_and_may_become_a_no() {
    let voted = scene("A2", "bob:A carol:A dan:A").votes("bob");
    assert_eq!(voted.may_vote("bob"), Err(Refusal::AlreadyDecided));
    assert_eq!(voted.may_deny("bob"), Ok(()));
    assert_eq!(voted.may_vote("carol"), Ok(()));
}

#[test]
fn who_is_not_needed_may_still_say_no() {
    let asked = scene("A1 B1", "bob:A,B carol:A kim:A").votes("carol");
    assert_eq!(asked.may_vote("kim"), Err(Refusal::NotNeeded));
    assert_eq!(asked.may_deny("kim"), Ok(()));
}

#[test]
fn a_later_stage_is_not_open_for_either() {
    let asked = scene("A1 then B1>D@60", "bob:A dan:B dora:D gus:Z").delegations("dan>gus");
    for early in ["dan", "gus", "dora"] {
        let told = asked.may_vote(early);
        assert_eq!(told, Err(Refusal::StageNotOpen), "{early}");
        let told = asked.may_deny(early);
        assert_eq!(told, Err(Refusal::StageNotOpen), "{early}");
    }
    let second = asked.votes("bob").opened(&[0, 0]);
    for asked in ["dan", "gus"] {
        assert_eq!(second.may_vote(asked), Ok(()), "{asked}");
    }
    // Stage one is closed, and what it has approved may still be denied.
    assert_eq!(second.may_deny("bob"), Ok(()));
}

#[test]
fn who_has_lent_a_voice_and_given_it_leaves_none_to_the_delegate() {
    let voted = scene("B2", "dan:B hal:B gus:Z").delegations("dan>gus");
    let voted = voted.votes("dan");
    assert_eq!(voted.may_vote("gus"), Err(Refusal::NotNeeded));
    assert_eq!(voted.may_deny("gus"), Err(Refusal::NotNeeded));
}

#[test]
fn nobody_is_needed_once_it_is_complete() {
    let complete = scene("A1", "bob:A carol:A").votes("bob");
    assert_eq!(complete.may_vote("carol"), Err(Refusal::NotNeeded));
    assert_eq!(complete.may_deny("carol"), Ok(()));
}
