//! Questions to the requester, and the answers, through the verbs.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::ask_question::{answer, ask};
use countersign::app::expire::expire_due;
use countersign::app::find;
use countersign::app::withdraw::withdraw;

use crate::support::app::{TestApp, code};

#[tokio::test]
async fn one_question_waits_at_a_time_and_stops_nothing() {
    let company = TestApp::new().await;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    let carol = company.ctx("carol").await;
    let request = company.ask("prod-root").await;
    let id = request.id;
    assert_eq!(code(answer(&alice, id, "Which one?").await), "no_question");
    let asked = ask(&bob, id, "Which queue?").await.unwrap().request;
    assert_eq!((asked.version, asked.revision), (2, 2));
    assert_eq!(code(ask(&carol, id, "And why?").await), "question_open");
    assert!(find::request(&alice, id).await.unwrap().may.answer);
    assert!(!find::request(&carol, id).await.unwrap().may.ask);
    // It stops no vote, and whoever has voted asks nothing more.
    approve(&carol, id, None, None).await.unwrap();
    let answered = answer(&alice, id, "checkout-dlq").await.unwrap().request;
    assert_eq!((answered.version, answered.revision), (4, 3));
    assert_eq!(code(answer(&alice, id, "Or another").await), "no_question");
    assert_eq!(code(ask(&carol, id, "And why?").await), "already_decided");
    ask(&bob, id, "And why?").await.unwrap();
    let seen = find::request(&bob, id).await.unwrap();
    let texts: Vec<_> = seen
        .questions
        .iter()
        .map(|it| (&*it.name, &*it.text, it.answer.as_ref().map(|it| &*it.0)))
        .collect();
    let told = [
        ("Bob", "Which queue?", Some("checkout-dlq")),
        ("Bob", "And why?", None),
    ];
    assert_eq!(texts, told);
    assert_eq!(company.events(id, "request.questioned", "success").await, 2);
    assert_eq!(company.events(id, "request.answered", "success").await, 1);
    // Nor the last vote.
    let approved = approve(&bob, id, None, None).await.unwrap();
    assert!(approved.grant.is_some());
    assert_eq!(code(answer(&alice, id, "Because.").await), "wrong_state");
}

#[tokio::test]
async fn who_could_not_approve_asks_nothing_and_the_requester_alone_answers() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    for (name, asks, answers) in [
        ("alice", "self_approval", "no_question"),
        ("ada", "forbidden", "forbidden"),
        ("otto", "forbidden", "forbidden"),
        ("mallory", "not_found", "not_found"),
        ("bob", "-", "forbidden"),
    ] {
        let ctx = company.ctx(name).await;
        assert_eq!(code(answer(&ctx, id, "Well.").await), answers, "{name}");
        assert_eq!(code(ask(&ctx, id, "Which?").await), asks, "{name}");
    }
    let alice = company.ctx("alice").await;
    for text in ["", " \n", "\u{202e}x", &"x".repeat(2001)] {
        assert_eq!(code(answer(&alice, id, text).await), "invalid_field");
    }
    assert_eq!(company.count("questions").await, 1);
    withdraw(&alice, id).await.unwrap();
    assert_eq!(code(answer(&alice, id, "Well.").await), "wrong_state");
    let carol = company.ctx("carol").await;
    assert_eq!(code(ask(&carol, id, "Which?").await), "wrong_state");
}

#[tokio::test]
async fn a_request_with_an_open_question_lapses_in_its_time() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    ask(&company.ctx("bob").await, request.id, "Which?")
        .await
        .unwrap();
    company.later(request.expires_at - company.start + TimeDelta::seconds(1));
    assert_eq!(expire_due(&company.app).await.unwrap(), 1);
}
