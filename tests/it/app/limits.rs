//! What one person may fill: requests, asks, the log.

use std::num::NonZeroU32;

use chrono::TimeDelta;
use countersign::app::ctx::{App, Ctx};
use countersign::app::put_on_record;
use countersign::app::submit::{NewRequest, Submitted, submit};
use countersign::app::{approve, end, withdraw};
use countersign::config::Limits;
use countersign::domain::audit::Channel;
use futures_util::future::join_all;

use crate::support::app::{TestApp, ask};

fn at_most(most: u32) -> NonZeroU32 {
    NonZeroU32::new(most).unwrap()
}

/// alice, through a process of her own.
async fn alice(company: &TestApp, app: App) -> Ctx {
    Ctx {
        app,
        ..company.ctx("alice").await
    }
}

#[tokio::test]
async fn the_same_ask_twice_is_one_request_in_whichever_process() {
    let company = TestApp::new().await;
    let other = company.with_limits(Limits::default());
    let here = company.ctx("alice").await;
    let there = alice(&company, other).await;
    let new = ask("prod-admin");
    let clicks =
        (0..8).map(|click| submit(if click % 2 == 0 { &here } else { &there }, new.clone()));
    let mut ids = Vec::new();
    let mut made = 0;
    for asked in join_all(clicks).await {
        match asked.unwrap() {
            Submitted::New(shown) => {
                made += 1;
                ids.push(shown.request.id);
            }
            Submitted::Again(shown) => ids.push(shown.request.id),
        }
    }
    assert_eq!(made, 1);
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(company.count("requests").await, 1);
    assert_eq!(
        company.events(ids[0], "request.submitted", "success").await,
        1
    );
}

#[tokio::test]
async fn an_ask_that_differs_in_one_field_is_another() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    let first = ask("prod-admin");
    submit(&alice, first.clone()).await.unwrap();
    let others = [
        NewRequest {
            justification: "Another alarm".to_owned(),
            ..first.clone()
        },
        NewRequest {
            duration_seconds: 901,
            ..first.clone()
        },
        NewRequest {
            ticket: Some("OPS-1".to_owned()),
            ..first.clone()
        },
        NewRequest {
            starts_at: Some(company.start + TimeDelta::hours(1)),
            ..first.clone()
        },
    ];
    for other in others {
        assert!(matches!(
            submit(&alice, other).await.unwrap(),
            Submitted::New(_)
        ));
    }
    let other = NewRequest {
        entitlement: "prod-root".to_owned(),
        ..first
    };
    assert!(matches!(
        submit(&alice, other).await.unwrap(),
        Submitted::New(_)
    ));
    assert_eq!(company.count("requests").await, 6);
}

#[tokio::test]
async fn what_is_over_may_be_asked_for_again_and_so_may_what_was_asked_a_minute_ago() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    let new = ask("prod-admin");
    let again = async || match submit(&alice, new.clone()).await.unwrap() {
        Submitted::New(shown) => (true, shown.request.id),
        Submitted::Again(shown) => (false, shown.request.id),
    };
    let (_, withdrawn) = again().await;
    withdraw::withdraw(&alice, withdrawn).await.unwrap();
    let (is_new, approved) = again().await;
    assert!(is_new, "what was withdrawn is over");
    let bob = company.ctx("bob").await;
    approve::approve(&bob, approved, None, None).await.unwrap();
    assert_eq!(again().await, (false, approved), "its grant is to open");
    let found = countersign::app::find::request(&alice, approved)
        .await
        .unwrap();
    end::end(&alice, found.grant.unwrap().id, None)
        .await
        .unwrap();
    let (is_new, pending) = again().await;
    assert!(is_new, "the grant was ended");
    company.later(TimeDelta::seconds(59));
    assert_eq!(again().await, (false, pending));
    company.later(TimeDelta::seconds(61));
    assert!(again().await.0, "more than a minute ago");
}

#[tokio::test]
async fn nobody_has_more_requests_waiting_than_they_may() {
    let company = TestApp::new().await;
    let limits = Limits {
        pending_per_person: at_most(5),
        pending_per_entitlement: at_most(3),
        ..Limits::default()
    };
    let here = alice(&company, company.with_limits(limits.clone())).await;
    let there = alice(&company, company.with_limits(limits)).await;
    let asked =
        (0..8).map(|it| submit(if it % 2 == 0 { &here } else { &there }, ask("prod-admin")));
    let answers = join_all(asked).await;
    let codes = |code: &str| {
        let of = |it: &&Result<_, countersign::error::Error>| {
            it.as_ref()
                .err()
                .is_some_and(|error| error.about().code == code)
        };
        answers.iter().filter(of).count()
    };
    assert_eq!(codes("limit_reached"), 5, "{answers:?}");
    assert_eq!(company.count("requests").await, 3);
    submit(&here, ask("prod-root")).await.unwrap();
    submit(&here, ask("prod-root")).await.unwrap();
    let full = submit(&here, ask("prod-root")).await.unwrap_err();
    assert_eq!(
        (full.about().code, full.about().status),
        ("limit_reached", 409)
    );
    assert!(
        full.about()
            .detail
            .contains("At most 5 of your requests may wait"),
        "{}",
        full.about().detail
    );
    let waiting = answers.into_iter().find_map(Result::ok).unwrap();
    withdraw::withdraw(&here, waiting.request().id)
        .await
        .unwrap();
    submit(&there, ask("prod-root")).await.unwrap();
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_ask_again() {
    let company = TestApp::new().await;
    let limits = Limits {
        asks_per_hour: at_most(2),
        ..Limits::default()
    };
    let alice = alice(&company, company.with_limits(limits)).await;
    // What is refused counts as well: it may have cost a look at AWS.
    submit(&alice, ask("no-such-thing")).await.unwrap_err();
    submit(&alice, ask("prod-admin")).await.unwrap();
    let events = company.count("audit_events").await;
    let refused = submit(&alice, ask("prod-admin")).await.unwrap_err();
    assert_eq!(
        (refused.about().code, refused.about().status),
        ("rate_limited", 429)
    );
    let wait = refused.retry_after().unwrap();
    assert!((1..=1_800).contains(&wait), "{wait}");
    assert_eq!(company.count("audit_events").await, events);
    let other = Ctx {
        app: alice.app.clone(),
        ..company.ctx("bob").await
    };
    let told = submit(&other, ask("prod-admin")).await.unwrap_err();
    assert_eq!(
        told.about().code,
        "not_found",
        "others have an hour of their own"
    );
}

#[tokio::test]
async fn refusals_after_the_first_few_are_one_event_with_their_number() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await.id;
    let alice = company.ctx("alice").await;
    let before = company.count("audit_events").await;
    for _ in 0..35 {
        let own = approve::approve(&alice, request, None, None).await;
        assert_eq!(own.unwrap_err().about().code, "self_approval");
    }
    assert_eq!(company.count("audit_events").await, before + 20);
    let mallory = company.ctx("mallory").await;
    approve::approve(&mallory, request, None, None)
        .await
        .unwrap_err();
    assert_eq!(
        company.count("audit_events").await,
        before + 21,
        "others are told as ever"
    );
    put_on_record::refusals(&company.app, false).await.unwrap();
    assert_eq!(
        company.count("audit_events").await,
        before + 21,
        "the minute is not over"
    );

    // The log takes nothing: they are counted on.
    company
        .as_owner("ALTER TABLE audit_events RENAME TO hidden")
        .await;
    put_on_record::refusals(&company.app, true)
        .await
        .unwrap_err();
    company
        .as_owner("ALTER TABLE hidden RENAME TO audit_events")
        .await;
    for _ in 0..2 {
        put_on_record::refusals(&company.app, true).await.unwrap();
        assert_eq!(
            company.count("audit_events").await,
            before + 22,
            "told once"
        );
    }
    let told: (String, String, String, String, serde_json::Value) = sqlx::query_as(
        "SELECT action, code, actor_name, channel, details FROM audit_events WHERE details ? 'count'",
    )
    .fetch_one(company.pool())
    .await
    .unwrap();
    let (action, code, actor, channel, details) = told;
    assert_eq!(
        (action.as_str(), code.as_str()),
        ("request.approved", "self_approval")
    );
    assert_eq!(
        (actor.as_str(), channel.as_str()),
        ("Alice", Channel::Api.as_str())
    );
    assert_eq!(details, serde_json::json!({"count": 15}));
}
