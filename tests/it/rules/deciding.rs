//! How a request is decided: with a comment, through what, and by whom in place of whom.

use countersign::app::approve::approve;
use countersign::app::ctx::Ctx;
use countersign::app::deny::deny;
use countersign::app::withdraw_approval::withdraw_approval;
use countersign::domain::audit::Channel;
use sqlx::AssertSqlSafe;

use super::company;
use crate::support::app::{TestApp, code};

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// That person, in the portal.
async fn in_portal(company: &TestApp, name: &str) -> Ctx {
    Ctx {
        channel: Channel::Portal,
        ..company.ctx(name).await
    }
}

#[tokio::test]
async fn an_approval_says_why_where_the_rules_ask_for_it() {
    let company = company("approve_comment = \"required\"").await;
    let bob = company.ctx("bob").await;
    let id = company.ask("prod-admin").await.id;
    for nothing in [None, said(" \n ")] {
        let refused = approve(&bob, id, nothing, None).await.unwrap_err();
        let about = refused.about();
        assert_eq!((about.status, about.code), (422, "comment_required"));
        assert!(about.detail.contains("why you approve it"), "{about:?}");
    }
    assert_eq!(company.count("decisions").await, 0);
    assert_eq!(company.events(id, "request.approved", "refused").await, 2);
    // Whoever may not decide it at all is told that, and what is closed that it is.
    let mallory = company.ctx("mallory").await;
    let stranger = approve(&mallory, id, None, None).await;
    assert_eq!(code(stranger), "not_found");
    approve(&bob, id, said("I watch it"), None).await.unwrap();
    let late = approve(&company.ctx("carol").await, id, None, None).await;
    assert_eq!(code(late), "wrong_state");
    let other = company.ask("prod-root").await.id;
    approve(&bob, other, None, None).await.unwrap();
}

#[tokio::test]
async fn a_request_is_decided_through_what_its_entitlement_says() {
    let company = company("decide_via = []").await;
    let bob = company.ctx("bob").await;
    let id = company.ask("prod-admin").await.id;
    let refused = approve(&bob, id, None, None).await.unwrap_err().about();
    assert_eq!((refused.status, refused.code), (403, "channel_not_allowed"));
    assert!(
        refused.detail.contains("through portal alone"),
        "{refused:?}"
    );
    let denied = deny(&bob, id, said("No")).await;
    assert_eq!(code(denied), "channel_not_allowed");
    assert_eq!(company.count("decisions").await, 0);
    for action in ["request.approved", "request.denied"] {
        assert_eq!(company.events(id, action, "refused").await, 1, "{action}");
    }
    // Who may not see it learns nothing of it.
    let stranger = approve(&company.ctx("mallory").await, id, None, None).await;
    assert_eq!(code(stranger), "not_found");
    let bob_there = in_portal(&company, "bob").await;
    approve(&bob_there, id, None, None).await.unwrap();
    // What takes access away again is taken through anything.
    withdraw_approval(&bob, id, None).await.unwrap();
    let no = company.ask("prod-admin").await.id;
    deny(&bob_there, no, said("No")).await.unwrap();
}

#[tokio::test]
async fn the_api_decides_unless_it_is_left_out() {
    for (ways, told) in [
        ("decide_via = [\"api\"]", "-"),
        ("decide_via = [\"slack\", \"email\"]", "channel_not_allowed"),
        ("", "-"),
    ] {
        let company = company(ways).await;
        let id = company.ask("prod-admin").await.id;
        let answer = approve(&company.ctx("bob").await, id, None, None).await;
        assert_eq!(code(answer), told, "{ways}");
        let carol = in_portal(&company, "carol").await;
        let id = company.ask("prod-admin").await.id;
        let answer = approve(&carol, id, None, None).await;
        assert_eq!(code(answer), "-", "{ways}");
    }
}

#[tokio::test]
async fn nobody_stands_in_where_the_rules_say_so() {
    for (rules, told) in [("delegation = false", "not_found"), ("", "-")] {
        let company = company(rules).await;
        let id = company.ask("prod-admin").await.id;
        let away = format!(
            "INSERT INTO delegations (id, from_person, to_person, starts_at, ends_at, made_at)
             SELECT gen_random_uuid(), f.id, t.id, at, at + interval '1 day', at
             FROM people f, people t, (SELECT to_timestamp({}) AS at) now WHERE f.name = 'Bob' AND t.name = 'Mallory'",
            company.start.timestamp() - 60
        );
        sqlx::raw_sql(AssertSqlSafe(away))
            .execute(company.pool())
            .await
            .unwrap();
        let mallory = company.ctx("mallory").await;
        let answer = approve(&mallory, id, None, None).await;
        assert_eq!(code(answer), told, "{rules}");
    }
}
