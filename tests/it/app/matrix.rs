//! Who may do what, as a table.

use std::fmt::Write;

use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::end::end;
use countersign::app::find::{self, AuditFilter, Page, RequestFilter};
use countersign::app::withdraw::withdraw;
use countersign::error::Error;
use countersign::ids::RequestId;

use crate::support::app::TestApp;

const EVERYBODY: [&str; 5] = ["alice", "bob", "ada", "otto", "mallory"];

fn first<C>() -> Page<C> {
    Page {
        cursor: None,
        limit: 50,
    }
}

fn word<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.about().code,
    }
}

/// Requests of alice's that are over: denied by carol, withdrawn, and lapsed.
async fn closed(company: &TestApp) -> (RequestId, RequestId, RequestId) {
    let denied = company.ask("prod-admin").await.id;
    let why = Some("no".to_owned());
    deny(&company.ctx("carol").await, denied, why)
        .await
        .unwrap();
    let withdrawn = company.ask("prod-admin").await.id;
    withdraw(&company.ctx("alice").await, withdrawn)
        .await
        .unwrap();
    let lapsed = company.ask("prod-admin").await.id;
    let sql = format!(
        "UPDATE requests SET state = 'expired', version = 2, closed_at = expires_at WHERE id = '{}'",
        lapsed.uuid()
    );
    company.as_owner(&sql).await;
    (denied, withdrawn, lapsed)
}

#[tokio::test]
async fn who_may_do_what() {
    let company = TestApp::new().await;
    let mut table = String::new();
    for name in EVERYBODY {
        let ctx = company.ctx(name).await;
        let id = company.ask("prod-admin").await.id;
        let open = company.ask("prod-admin").await.id;
        approve(&company.ctx("carol").await, open, None, None)
            .await
            .unwrap();
        let alice = company.ctx("alice").await;
        let grant = find::request(&alice, open).await.unwrap().grant.unwrap().id;
        let (denied, withdrawn, lapsed) = closed(&company).await;
        let may = find::request(&ctx, id)
            .await
            .map(|it| it.may)
            .unwrap_or_default();
        let rows = [
            ("see the request", word(find::request(&ctx, id).await)),
            ("see the grant", word(find::grant(&ctx, grant).await)),
            ("see it denied", word(find::request(&ctx, denied).await)),
            (
                "see it withdrawn",
                word(find::request(&ctx, withdrawn).await),
            ),
            ("see it lapsed", word(find::request(&ctx, lapsed).await)),
            (
                "is offered to decide",
                match (may.approve, may.deny) {
                    (true, true) => "yes",
                    (false, true) => "to deny",
                    _ => "no",
                },
            ),
            (
                "is offered to withdraw",
                if may.withdraw { "yes" } else { "no" },
            ),
            ("approve", word(approve(&ctx, id, None, None).await)),
            (
                "deny",
                word(
                    deny(
                        &ctx,
                        company.ask("prod-admin").await.id,
                        Some("no".to_owned()),
                    )
                    .await,
                ),
            ),
            (
                "withdraw",
                word(withdraw(&ctx, company.ask("prod-admin").await.id).await),
            ),
            ("end", word(end(&ctx, grant, None).await)),
        ];
        for (what, answer) in rows {
            writeln!(table, "{name:8} {what:24} {answer}").unwrap();
        }
    }
    insta::assert_snapshot!("who_may_do_what", table);
}

#[tokio::test]
async fn lists_hold_what_may_be_seen() {
    let company = TestApp::new().await;
    for _ in 0..3 {
        let id = company.ask("prod-admin").await.id;
        approve(&company.ctx("bob").await, id, None, None)
            .await
            .unwrap();
    }
    company.ask("prod-root").await;
    for (name, requests, grants, waiting) in [
        ("alice", 4, 3, 0),
        ("bob", 4, 0, 1),
        ("carol", 4, 0, 1),
        ("ada", 4, 3, 0),
        ("otto", 4, 3, 0),
        ("mallory", 0, 0, 0),
    ] {
        let ctx = company.ctx(name).await;
        let all = find::requests(&ctx, &RequestFilter::default(), first())
            .await
            .unwrap();
        assert_eq!(all.items.len(), requests, "{name}");
        let open = find::grants(&ctx, false, first()).await.unwrap();
        assert_eq!(open.items.len(), grants, "{name}");
        let filter = RequestFilter {
            waiting: true,
            ..RequestFilter::default()
        };
        let mine = find::requests(&ctx, &filter, first()).await.unwrap();
        assert_eq!(mine.items.len(), waiting, "{name}");
        let events = find::audit_events(&ctx, AuditFilter::default(), first())
            .await
            .unwrap();
        let foreign = events
            .items
            .iter()
            .filter(|it| it.action == "catalog.applied")
            .count();
        assert_eq!(foreign > 0, ["ada", "otto"].contains(&name), "{name}");
        assert_eq!(
            events.items.is_empty(),
            ["carol", "mallory"].contains(&name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_filter_that_nothing_can_match_matches_nothing() {
    let company = TestApp::new().await;
    let filter = AuditFilter {
        subject: Some("a\0b".to_owned()),
        ..AuditFilter::default()
    };
    let found = find::audit_events(&company.ctx("ada").await, filter, first())
        .await
        .unwrap();
    assert!(found.items.is_empty());
}

#[tokio::test]
async fn pages_follow_each_other() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.insert(0, company.ask("prod-admin").await.id);
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = Page { limit: 2, cursor };
        let listed = find::requests(&alice, &RequestFilter::default(), page)
            .await
            .unwrap();
        seen.extend(listed.items.iter().map(|it| it.request.id));
        match listed.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, asked);
}
