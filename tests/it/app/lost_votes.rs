//! Votes of whoever is disabled are lost for good; back again, they have the voice that they have
//! not used.

use countersign::app::approve::approve;
use countersign::app::disable::disable;
use countersign::app::enable::enable;
use countersign::app::find::{self, Page, RequestFilter};

use super::leavers::{Alice, company, one};
use crate::support::app::{code, have};

#[tokio::test]
async fn votes_of_whoever_is_disabled_count_no_more() {
    let company = company().await;
    let had = Alice::new(&company).await;
    let alice = company.ctx("alice").await.person.id;
    let ada = company.ctx("ada").await;
    disable(&ada, alice, "Left").await.unwrap();
    let bob = company.ctx("bob").await;
    let first = approve(&bob, had.approved, None, None).await;
    assert_eq!(first.unwrap().request.state.as_str(), "pending");
    let counted = async || {
        let seen = find::request(&bob, had.approved).await.unwrap();
        let sql = "SELECT approvals(r)::text FROM requests r WHERE terms->>'name' = 'prod-root'";
        let stored = one(&company, sql).await;
        (have(&seen).to_string(), stored)
    };
    let one_voice = ("1".to_owned(), "1".to_owned());
    assert_eq!(counted().await, one_voice);
    // Enabled again she has not that voice, but one.
    enable(&ada, alice).await.unwrap();
    assert_eq!(counted().await, one_voice, "what is lost stays lost");
    let again = company.ctx("alice").await;
    let waits = async || {
        let page = Page {
            cursor: None,
            limit: 9,
        };
        let filter = RequestFilter {
            waiting: true,
            ..RequestFilter::default()
        };
        let waiting = find::requests(&again, &filter, page).await;
        waiting.unwrap().items.len()
    };
    assert_eq!(waits().await, 1);
    assert!(
        find::request(&again, had.approved)
            .await
            .unwrap()
            .may
            .approve
    );
    let last = approve(&again, had.approved, None, None).await;
    let shown = last.unwrap();
    assert_eq!(shown.request.state.as_str(), "approved");
    assert!(shown.grant.is_some());
    assert_eq!(waits().await, 0);
    // After that the votes are history, and the lost one was none of them.
    disable(&ada, bob.person.id, "Left").await.unwrap();
    let seen = find::request(&company.ctx("carol").await, had.approved).await;
    let counts = seen.unwrap().decisions;
    let counts: Vec<_> = counts
        .iter()
        .map(|it| (it.name.as_str(), it.counts))
        .collect();
    assert_eq!(counts, [("Alice", false), ("Bob", true), ("Alice", true)]);
}

/// Whoever votes once more does so once, and by one account alone.
#[tokio::test]
async fn a_vote_that_was_lost_is_cast_once_more_and_no_more_often() {
    let company = company().await;
    let had = Alice::new(&company).await;
    let (ada, alice) = (company.ctx("ada").await, company.ctx("alice").await);
    let id = alice.person.id;
    for _ in 0..3 {
        disable(&ada, id, "Left").await.unwrap();
        enable(&ada, id).await.unwrap();
        assert_eq!(code(approve(&alice, had.approved, None, None).await), "-");
        assert_eq!(
            code(approve(&alice, had.approved, None, None).await),
            "already_decided"
        );
    }
    // Not even as the application.
    let copy = "INSERT INTO decisions SELECT (jsonb_populate_record(d, '{\"times_disabled\": 9}')).* FROM decisions d
                JOIN requests r ON r.id = d.request WHERE r.state = 'pending' LIMIT 1";
    let copied = sqlx::raw_sql(copy).execute(company.pool()).await;
    let copied = copied.unwrap_err().into_database_error().unwrap();
    assert_eq!(copied.constraint(), Some("one_voice"));
    // The other account has the same one voice, also where this one's was lost.
    company
        .change(|it| {
            it.regroup("zoe", &["approvers"]);
            it.join("zoe", "alice");
        })
        .await;
    let zoe = company.ctx("zoe").await;
    assert_eq!(
        code(approve(&zoe, had.approved, None, None).await),
        "already_decided"
    );
    disable(&ada, id, "Left").await.unwrap();
    assert_eq!(code(approve(&zoe, had.approved, None, None).await), "-");
    enable(&ada, id).await.unwrap();
    assert_eq!(
        code(approve(&alice, had.approved, None, None).await),
        "already_decided"
    );
    let details = "SELECT details->>'approvals' FROM audit_events WHERE action = 'person.disabled' ORDER BY id DESC LIMIT 1";
    assert_eq!(one(&company, details).await, "1");
    disable(&ada, id, "Left").await.unwrap();
    assert_eq!(one(&company, details).await, "0", "it was lost before");
}
