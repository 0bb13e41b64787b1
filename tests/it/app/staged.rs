//! Requests of several stages, shortened and taken back, through the verbs.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::load::Seen;
use countersign::app::withdraw_approval::withdraw_approval;
use countersign::app::{disable, find};
use countersign::domain::grant::GrantState;
use countersign::domain::tally::StageState;
use countersign::ids::RequestId;

use crate::support::app::{TestApp, code};
use crate::support::catalog::{Catalog, Entitlement};

/// bob (A and B), carol (A), dave and erin (B); `prod-change` needs `first` of A, then `then` of B,
/// `prod-both` one of each at once.
pub fn stages(first: i64, then: i64) -> impl FnOnce(&mut Catalog) {
    move |catalog| {
        catalog.regroup("bob", &["A", "B"]);
        catalog.regroup("carol", &["A"]);
        catalog.regroup("dave", &["B"]);
        catalog.regroup("erin", &["B"]);
        let (a, b) = ([("A", first)], [("B", then)]);
        let change = Entitlement::staged("prod-change", &[&a, &b]);
        let both = Entitlement::staged("prod-both", &[&[("A", 1), ("B", 1)]]);
        catalog.entitlements.extend([change, both]);
    }
}

/// Of each stage where it stands, how many it has, and who can bring it further.
async fn told(company: &TestApp, id: RequestId) -> Vec<String> {
    let seen = find::request(&company.ctx("ada").await, id).await.unwrap();
    let each = seen.stages.iter().map(|it| {
        let mut can = seen.approvers.named.clone();
        can.retain(|_| it.state == StageState::Open);
        can.sort_unstable();
        let (state, have, needed) = (it.state.as_str(), it.have, it.needed);
        format!("{state} {have}/{needed} {}", can.join(" "))
            .trim()
            .to_owned()
    });
    each.collect()
}

async fn vote(company: &TestApp, name: &str, id: RequestId) -> &'static str {
    code(approve(&company.ctx(name).await, id, None, None).await)
}

async fn take_back(company: &TestApp, name: &str, id: RequestId) -> &'static str {
    code(withdraw_approval(&company.ctx(name).await, id, None).await)
}

#[tokio::test]
async fn a_second_stage_opens_once_the_first_has_its_people() {
    // Example 7: bob is in both groups, and is one human.
    let company = TestApp::with(|catalog| {
        stages(1, 1)(catalog);
        catalog.regroup("dave", &[]);
        catalog.regroup("erin", &[]);
    })
    .await;
    let id = company.ask("prod-change").await.id;
    assert_eq!(
        told(&company, id).await,
        ["open 0/1 Bob Carol", "waiting 0/1"]
    );
    assert_eq!(vote(&company, "bob", id).await, "-");
    assert_eq!(told(&company, id).await, ["closed 1/1", "open 0/1 Carol"]);
    assert_eq!(company.events(id, "stage.opened", "success").await, 1);
    assert_eq!(company.count("grants").await, 0);
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(told(&company, id).await, ["closed 1/1", "closed 1/1"]);
    assert_eq!(company.count("grants").await, 1);
}

#[tokio::test]
async fn whose_stage_is_not_open_decides_nothing_yet() {
    // Example 8.
    let company = TestApp::with(|catalog| {
        stages(1, 1)(catalog);
        catalog.regroup("bob", &["A"]);
    })
    .await;
    let id = company.ask("prod-change").await.id;
    let dave = company.ctx("dave").await;
    assert_eq!(vote(&company, "dave", id).await, "stage_not_open");
    let no = deny(&dave, id, Some("No.".to_owned())).await;
    assert_eq!(code(no), "stage_not_open");
    let may = find::request(&dave, id).await.unwrap().may;
    assert!(!may.approve && !may.deny && !may.ask, "{may:?}");
    assert_eq!(vote(&company, "bob", id).await, "-");
    assert_eq!(vote(&company, "carol", id).await, "not_needed");
    assert_eq!(vote(&company, "dave", id).await, "-");
    assert_eq!(company.count("grants").await, 1);
}

#[tokio::test]
async fn a_vote_that_is_taken_back_reopens_its_stage_and_nobody_votes_twice() {
    // Example 9.
    let company = TestApp::with(stages(1, 2)).await;
    let id = company.ask("prod-change").await.id;
    for name in ["bob", "dave"] {
        assert_eq!(vote(&company, name, id).await, "-", "{name}");
    }
    assert_eq!(told(&company, id).await[1], "open 1/2 Carol Erin");
    assert_eq!(take_back(&company, "bob", id).await, "-");
    assert_eq!(
        told(&company, id).await,
        ["open 0/1 Bob Carol", "waiting 0/2"]
    );
    assert_eq!(company.events(id, "stage.reopened", "success").await, 1);
    assert_eq!(company.events(id, "approval.withdrawn", "success").await, 1);
    assert_eq!(vote(&company, "dave", id).await, "already_decided");
    assert_eq!(vote(&company, "erin", id).await, "stage_not_open");
    assert_eq!(vote(&company, "carol", id).await, "-");
    // Opened by bob's vote, and by carol's again.
    assert_eq!(company.events(id, "stage.opened", "success").await, 2);
    assert_eq!(
        told(&company, id).await,
        ["closed 1/1", "open 1/2 Bob Erin"]
    );
    assert_eq!(vote(&company, "erin", id).await, "-");
    assert_eq!(company.count("grants").await, 1);
}

#[tokio::test]
async fn who_adds_nothing_is_told_that_others_are_needed() {
    // Example 6: carol has the seat of A, and bob alone could have that of B.
    let company = TestApp::with(|catalog| {
        stages(1, 1)(catalog);
        catalog.regroup("dave", &[]);
        catalog.regroup("erin", &["A"]);
    })
    .await;
    let id = company.ask("prod-both").await.id;
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(told(&company, id).await, ["open 1/2 Bob"]);
    assert_eq!(vote(&company, "erin", id).await, "not_needed");
    assert_eq!(vote(&company, "bob", id).await, "-");
    assert_eq!(company.count("grants").await, 1);
}

/// Asks for an hour of what two of four approve.
async fn an_hour(company: &TestApp) -> RequestId {
    let new = countersign::app::submit::NewRequest {
        duration_seconds: 3600,
        ..crate::support::app::ask("prod-root")
    };
    let asked = countersign::app::submit::submit(&company.ctx("alice").await, new).await;
    asked.unwrap().request().id
}

#[tokio::test]
async fn who_shortens_it_shortens_it_for_everybody_after() {
    let company = TestApp::new().await;
    let id = an_hour(&company).await;
    let bob = company.ctx("bob").await;
    let shortened = approve(&bob, id, None, Some(1800)).await.unwrap().request;
    assert_eq!((shortened.effective_seconds, shortened.revision), (1800, 2));
    let carol = company.ctx("carol").await;
    let longer = approve(&carol, id, None, Some(3600)).await;
    assert_eq!(code(longer), "duration_out_of_range");
    let approved = approve(&carol, id, None, None).await.unwrap();
    let grant = approved.grant.unwrap();
    assert_eq!(grant.deadline - grant.starts_at, TimeDelta::minutes(30));
}

#[tokio::test]
async fn a_withdrawn_approval_leaves_what_the_next_one_had_seen() {
    let company = TestApp::with(|catalog| catalog.entitlement("prod-root").needed = 3).await;
    let id = an_hour(&company).await;
    let bob = company.ctx("bob").await;
    approve(&bob, id, None, Some(1800)).await.unwrap();
    assert_eq!(vote(&company, "carol", id).await, "-");
    let back = withdraw_approval(&bob, id, None).await.unwrap().request;
    assert_eq!((back.effective_seconds, back.revision), (1800, 2));
    assert_eq!(vote(&company, "dave", id).await, "-");
    let approved = approve(&company.ctx("erin").await, id, None, None).await;
    let grant = approved.unwrap().grant.unwrap();
    assert_eq!(grant.deadline - grant.starts_at, TimeDelta::minutes(30));
}

#[tokio::test]
async fn whoever_shortened_it_alone_gives_the_length_back_with_their_approval() {
    let company = TestApp::new().await;
    let id = an_hour(&company).await;
    let bob = company.ctx("bob").await;
    approve(&bob, id, None, Some(1800)).await.unwrap();
    let back = withdraw_approval(&bob, id, None).await.unwrap().request;
    assert_eq!((back.effective_seconds, back.revision), (3600, 3));
    assert_eq!(take_back(&company, "bob", id).await, "nothing_to_withdraw");
    assert_eq!(vote(&company, "bob", id).await, "-");
    let approved = approve(&company.ctx("carol").await, id, None, None).await;
    let grant = approved.unwrap().grant.unwrap();
    assert_eq!(grant.deadline - grant.starts_at, TimeDelta::hours(1));
}

#[tokio::test]
async fn the_approval_of_somebody_who_left_goes_on_shortening_it() {
    let company = TestApp::new().await;
    let id = an_hour(&company).await;
    let bob = company.ctx("bob").await;
    approve(&bob, id, None, Some(1800)).await.unwrap();
    let left = disable::by_command(&company.admin, "test", "bob@example.com", None);
    left.await.unwrap();
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(company.count("grants").await, 0);
    let approved = approve(&company.ctx("dave").await, id, None, None).await;
    let grant = approved.unwrap().grant.unwrap();
    assert_eq!(grant.deadline - grant.starts_at, TimeDelta::minutes(30));
}

#[tokio::test]
async fn nobody_approves_longer_or_shorter_than_they_may() {
    let company = TestApp::new().await;
    let id = an_hour(&company).await;
    let bob = company.ctx("bob").await;
    for (seconds, told) in [
        (4, "duration_out_of_range"),
        (3601, "duration_out_of_range"),
        (-60, "duration_out_of_range"),
        (i64::MAX, "duration_out_of_range"),
        (5, "-"),
    ] {
        let answer = approve(&bob, id, None, Some(seconds)).await;
        assert_eq!(code(answer), told, "{seconds}");
    }
}

#[tokio::test]
async fn an_approval_is_taken_back_until_something_is_open() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    let bob = company.ctx("bob").await;
    assert_eq!(take_back(&company, "bob", id).await, "nothing_to_withdraw");
    approve(&bob, id, None, None).await.unwrap();
    let seen = find::request(&bob, id).await.unwrap();
    assert!(seen.may.withdraw_approval);
    let ended = withdraw_approval(&bob, id, Some("Not today.".to_owned())).await;
    let ended = ended.unwrap();
    assert_eq!(ended.request.state.as_str(), "approved");
    match ended.grant.unwrap().state {
        GrantState::Ended { cause, by, .. } => {
            assert_eq!((cause.as_str(), by), ("revoked", Some(bob.person.id)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(take_back(&company, "bob", id).await, "nothing_to_withdraw");
    // As it was decided: what became of the grant is another matter.
    assert_eq!(told(&company, id).await, ["closed 1/1"]);

    let open = company.ask("prod-admin").await.id;
    approve(&bob, open, None, None).await.unwrap();
    company.open_grants().await;
    assert_eq!(
        take_back(&company, "carol", open).await,
        "nothing_to_withdraw"
    );
    let late = withdraw_approval(&bob, open, None).await.unwrap_err();
    assert_eq!(late.about().code, "wrong_state");
    assert!(late.about().detail.contains("active"), "{late:?}");
    assert!(
        !find::request(&bob, open)
            .await
            .unwrap()
            .may
            .withdraw_approval
    );
    let refused = company.events(open, "approval.withdrawn", "refused").await;
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn who_has_approved_may_still_deny() {
    let company = TestApp::with(stages(1, 1)).await;
    let id = company.ask("prod-change").await.id;
    let carol = company.ctx("carol").await;
    approve(&carol, id, None, None).await.unwrap();
    let may = find::request(&carol, id).await.unwrap().may;
    assert!(may.deny && may.withdraw_approval && !may.approve, "{may:?}");
    let no = Some("I was too fast.".to_owned());
    let denied = deny(&carol, id, no).await.unwrap();
    assert_eq!(denied.request.state.as_str(), "denied");
    assert_eq!(vote(&company, "dave", id).await, "wrong_state");
    assert_eq!(
        take_back(&company, "carol", id).await,
        "nothing_to_withdraw"
    );
    assert_eq!(company.count("grants").await, 0);
}

#[tokio::test]
async fn what_changed_since_somebody_looked_is_not_decided() {
    let company = TestApp::new().await;
    let id = an_hour(&company).await;
    let (bob, carol) = (company.ctx("bob").await, company.ctx("carol").await);
    let seen = |revision| Seen {
        id,
        revision: Some(revision),
    };
    approve(&bob, seen(1), None, Some(1800)).await.unwrap();
    assert_eq!(code(approve(&carol, seen(1), None, None).await), "changed");
    let no = || Some("No.".to_owned());
    assert_eq!(code(deny(&carol, seen(1), no()).await), "changed");
    assert_eq!(company.count("decisions").await, 1);
    assert_eq!(company.events(id, "request.approved", "refused").await, 1);
    assert_eq!(company.events(id, "request.denied", "refused").await, 1);
    // A vote alone changes nothing of what is judged.
    assert_eq!(code(approve(&carol, seen(2), None, None).await), "-");
}
