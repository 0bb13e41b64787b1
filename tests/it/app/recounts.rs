//! Requests that are counted anew although nobody votes.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::delegations::{Wanted, delegate, end_delegation};
use countersign::app::disable::disable;
use countersign::app::find::{self, Page, RequestFilter, RequestView};
use countersign::app::recount::recount_due;
use countersign::app::withdraw_approval::withdraw_approval;
use countersign::ids::{DelegationId, RequestId};

use crate::support::app::{TestApp, code, have};
use crate::support::catalog::Entitlement;

/// One of owners, or after an hour of directors, and one of security.
const ESCALATING: &str = r#"[{ groups = [
    { group = "owners", escalate_to = "directors", escalate_after = "PT1H" }, { group = "security" } ] }]"#;
const A_THEN_B: &str = r#"[{ groups = [{ group = "a" }] }, { groups = [{ group = "b" }] }]"#;
const TWO_OF_B: &str = r#"[{ groups = [{ group = "b", needed = 2 }] }]"#;

/// alice asks for `it`, which is decided in these stages by these people: `bob:a,b carol:a`.
pub async fn company(stages: &str, people: &str) -> TestApp {
    TestApp::with(|catalog| {
        for (name, groups) in people.split(' ').map(|it| it.split_once(':').unwrap()) {
            catalog.regroup(name, &groups.split(',').collect::<Vec<_>>());
        }
        catalog
            .entitlements
            .push(Entitlement::decided_in("it", stages));
        // Whoever may stand in is in a group that approves something.
        catalog.entitlements.push(Entitlement::decided_in(
            "other",
            r#"[{ groups = [{ group = "z" }] }]"#,
        ));
    })
    .await
}

pub async fn regroup(company: &TestApp, name: &str, groups: &[&str]) {
    company
        .change(|catalog| catalog.regroup(name, groups))
        .await;
}

pub async fn vote(company: &TestApp, name: &str, id: RequestId) -> &'static str {
    code(approve(&company.ctx(name).await, id, None, None).await)
}

/// As somebody who sees everything.
pub async fn look(company: &TestApp, id: RequestId) -> RequestView {
    find::request(&company.ctx("otto").await, id).await.unwrap()
}

pub async fn state(company: &TestApp, id: RequestId) -> &'static str {
    look(company, id).await.request.state.as_str()
}

pub async fn sweep(company: &TestApp) -> usize {
    recount_due(&company.app).await.unwrap()
}

/// Who can bring it further.
pub fn named(seen: &RequestView) -> Vec<&str> {
    seen.approvers.named.iter().map(String::as_str).collect()
}

/// How many times that was told of the request.
pub async fn told(company: &TestApp, id: RequestId, action: &str) -> i64 {
    company.events(id, action, "success").await
}

/// Whether the request waits for them, in the list and by the number on every page.
pub async fn waits_for(company: &TestApp, name: &str, id: RequestId) -> bool {
    let ctx = company.ctx(name).await;
    let filter = RequestFilter {
        waiting: true,
        ..RequestFilter::default()
    };
    let page = Page {
        cursor: None,
        limit: 50,
    };
    let listed = find::requests(&ctx, &filter, page).await.unwrap();
    let is_listed = listed.items.iter().any(|it| it.request.id == id);
    let (count, _) = find::waiting(&ctx).await.unwrap();
    assert_eq!(count, i64::from(is_listed), "{name}'s badge");
    is_listed
}

/// From now on, for ten days.
pub async fn stand_in(company: &TestApp, from: &str, to: &str) -> DelegationId {
    let wanted = Wanted {
        to: company.ctx(to).await.person.id.to_string(),
        until: Some(company.start + TimeDelta::days(10)),
        ..Wanted::default()
    };
    let made = delegate(&company.ctx(from).await, wanted).await;
    made.unwrap_or_else(|error| panic!("{from} to {to}: {error:?}"))
}

#[tokio::test]
async fn an_escalation_that_is_due_lets_the_second_group_vote_and_is_told_once() {
    let company = company(ESCALATING, "bob:owners carol:security dave:directors").await;
    let id = company.ask("it").await.id;
    sweep(&company).await;
    assert_eq!(vote(&company, "dave", id).await, "not_needed");
    assert!(!waits_for(&company, "dave", id).await);
    assert_eq!(told(&company, id, "request.escalated").await, 0);

    company.later(TimeDelta::hours(1));
    let version = look(&company, id).await.request.version;
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(told(&company, id, "request.escalated").await, 1);
    assert!(waits_for(&company, "dave", id).await);
    let seen = look(&company, id).await;
    assert_eq!(seen.request.version, version + 1, "open pages look again");
    assert_eq!(named(&seen), ["Bob", "Carol", "Dave"]);
    // Nothing has changed since.
    assert_eq!(sweep(&company).await, 0);
    assert_eq!(vote(&company, "dave", id).await, "-");
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(state(&company, id).await, "approved");
    assert_eq!(told(&company, id, "request.escalated").await, 1);
    let by: String = sqlx::query_scalar(
        "SELECT actor_kind || ' ' || actor_name || ' ' || (details->>'group') FROM audit_events
         WHERE action = 'request.escalated'",
    )
    .fetch_one(company.pool())
    .await
    .unwrap();
    assert_eq!(by, "system sweep directors");
}

/// dave has voted as security, which he has left; carol has its seat. With the hour dave's vote is
/// the owners' one.
async fn nearly_complete() -> (TestApp, RequestId) {
    let people = "bob:owners carol:security dave:directors,security";
    let company = company(ESCALATING, people).await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "dave", id).await, "-");
    regroup(&company, "dave", &["directors"]).await;
    assert_eq!(vote(&company, "carol", id).await, "-");
    sweep(&company).await;
    assert_eq!(have(&look(&company, id).await), 1);
    company.later(TimeDelta::hours(1));
    (company, id)
}

#[tokio::test]
async fn an_escalation_completes_a_request_by_itself() {
    let (company, id) = nearly_complete().await;
    assert_eq!(state(&company, id).await, "pending");
    assert_eq!(sweep(&company).await, 1);
    let seen = look(&company, id).await;
    assert_eq!(seen.request.state.as_str(), "approved");
    assert!(seen.grant.is_some());
    let (by, seats): (String, i32) = sqlx::query_as(
        "SELECT actor_kind, jsonb_array_length(details->'seats') FROM audit_events
         WHERE action = 'request.approved' AND details->>'grant_id' IS NOT NULL",
    )
    .fetch_one(company.pool())
    .await
    .unwrap();
    assert_eq!((by.as_str(), seats), ("system", 2));
    assert_eq!(sweep(&company).await, 0);
}

#[tokio::test]
async fn a_request_whose_requester_may_not_ask_any_more_is_completed_by_nothing() {
    let (company, id) = nearly_complete().await;
    regroup(&company, "alice", &["approvers"]).await;
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(state(&company, id).await, "pending");
    assert_eq!(company.count("grants").await, 0);
    // It was counted and told of all the same, once; and it goes on once they may again.
    let version = look(&company, id).await.request.version;
    sweep(&company).await;
    assert_eq!(look(&company, id).await.request.version, version);
    regroup(&company, "alice", &["developers"]).await;
    sweep(&company).await;
    assert_eq!(state(&company, id).await, "approved");
}

#[tokio::test]
async fn whoever_leaves_a_group_after_voting_reopens_its_stage_at_the_sweep() {
    let company = company(A_THEN_B, "bob:a carol:a dave:b").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "bob", id).await, "-");
    assert_eq!(told(&company, id, "stage.opened").await, 1);
    assert!(!waits_for(&company, "carol", id).await);
    assert!(waits_for(&company, "dave", id).await);
    regroup(&company, "bob", &[]).await;

    assert_eq!(sweep(&company).await, 1);
    assert_eq!(told(&company, id, "stage.reopened").await, 1);
    assert!(waits_for(&company, "carol", id).await);
    assert!(!waits_for(&company, "dave", id).await);
    assert_eq!(have(&look(&company, id).await), 0);
    assert_eq!(sweep(&company).await, 0);
    assert_eq!(told(&company, id, "stage.reopened").await, 1);
}

#[tokio::test]
async fn a_change_of_groups_alone_approves_nothing() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:b").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "bob", id).await, "-");
    regroup(&company, "bob", &[]).await;
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(have(&look(&company, id).await), 1);
    regroup(&company, "bob", &["b"]).await;
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(sweep(&company).await, 0);
    assert_eq!(state(&company, id).await, "pending");
    // Whoever stands in for somebody else by now has brought nothing either, and yet it goes on.
    let bob = company.ctx("bob").await;
    withdraw_approval(&bob, id, None).await.unwrap();
    assert_eq!(vote(&company, "bob", id).await, "-");
    assert_eq!(state(&company, id).await, "approved");
}

#[tokio::test]
async fn disabling_a_voter_reopens_their_stage_at_once() {
    let company = company(A_THEN_B, "bob:a carol:a dave:b").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "bob", id).await, "-");
    let (ada, bob) = (company.ctx("ada").await, company.ctx("bob").await);
    disable(&ada, bob.person.id, "Left").await.unwrap();
    assert_eq!(told(&company, id, "stage.reopened").await, 1);
    assert!(waits_for(&company, "carol", id).await);
    assert!(!waits_for(&company, "dave", id).await);
    assert_eq!(sweep(&company).await, 0, "it is counted");
}

#[tokio::test]
async fn disabling_who_is_away_ends_it_and_the_votes_for_them_count_no_more() {
    let company = company(A_THEN_B, "bob:a carol:a dave:b erin:z").await;
    let made = stand_in(&company, "bob", "erin").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "erin", id).await, "-");
    let (ada, bob) = (company.ctx("ada").await, company.ctx("bob").await);
    disable(&ada, bob.person.id, "Left").await.unwrap();
    let ended = company.events(made, "delegation.ended", "success").await;
    assert_eq!(ended, 1);
    assert_eq!(told(&company, id, "stage.reopened").await, 1);
    assert_eq!(have(&look(&company, id).await), 0);
    let again = end_delegation(&company.ctx("erin").await, made).await;
    assert_eq!(code(again), "not_found");
}

#[tokio::test]
async fn what_cannot_be_approved_any_more_is_told_once() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:b").await;
    let id = company.ask("it").await.id;
    sweep(&company).await;
    regroup(&company, "bob", &[]).await;
    sweep(&company).await;
    assert_eq!(told(&company, id, "request.unfillable").await, 0);
    regroup(&company, "carol", &[]).await;
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(told(&company, id, "request.unfillable").await, 1);
    assert!(!look(&company, id).await.fillable);
    // It is counted again, and stays as it is.
    regroup(&company, "dave", &[]).await;
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(told(&company, id, "request.unfillable").await, 1);
}

#[tokio::test]
async fn each_request_is_counted_once_and_again_only_where_something_of_it_has_changed() {
    let company = company(A_THEN_B, "bob:a carol:a,b dave:b erin:approvers").await;
    let mut asked = vec![];
    for _ in 0..3 {
        asked.push(company.ask("it").await.id);
    }
    let other = company.ask("prod-admin").await.id;
    assert_eq!(sweep(&company).await, 4);
    assert_eq!(sweep(&company).await, 0);
    // Nobody has to load their page again for that.
    assert_eq!(look(&company, other).await.request.version, 1);
    // A vote is counted by whoever votes.
    assert_eq!(vote(&company, "bob", asked[0]).await, "-");
    assert_eq!(sweep(&company).await, 0);
    // Nobody of theirs.
    regroup(&company, "mallory", &["nothing"]).await;
    assert_eq!(sweep(&company).await, 0);
    regroup(&company, "erin", &[]).await;
    assert_eq!(sweep(&company).await, 1);
    regroup(&company, "dave", &[]).await;
    assert_eq!(sweep(&company).await, 3);
    withdraw_all(&company, &asked).await;
    regroup(&company, "carol", &[]).await;
    assert_eq!(sweep(&company).await, 0);
}

async fn withdraw_all(company: &TestApp, asked: &[RequestId]) {
    let alice = company.ctx("alice").await;
    for id in asked {
        countersign::app::withdraw::withdraw(&alice, *id)
            .await
            .unwrap();
    }
}
