//! What people fill in, with a clear answer and nothing changed.

use std::time::Duration;

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::submit::{NewRequest, submit};

use crate::support::app::{TestApp, ask};

fn bad_inputs(company: &TestApp) -> Vec<(&'static str, NewRequest, &'static str, &'static str)> {
    let good = || ask("prod-admin");
    let said = |text: &str| NewRequest {
        justification: text.to_owned(),
        ..good()
    };
    let lasting = |seconds| NewRequest {
        duration_seconds: seconds,
        ..good()
    };
    let starting = |at| NewRequest {
        starts_at: Some(at),
        ..good()
    };
    vec![
        ("zero", lasting(0), "duration", "duration_out_of_range"),
        ("negative", lasting(-5), "duration", "duration_out_of_range"),
        (
            "too long",
            lasting(8 * 3600 + 1),
            "duration",
            "duration_out_of_range",
        ),
        (
            "overflowing",
            lasting(i64::MAX),
            "duration",
            "duration_out_of_range",
        ),
        (
            "wraps to 900",
            lasting((1 << 32) + 900),
            "duration",
            "duration_out_of_range",
        ),
        ("empty", said(" \t\n"), "justification", "invalid_field"),
        (
            "10,000 characters",
            said(&"x".repeat(10_000)),
            "justification",
            "invalid_field",
        ),
        ("control", said("a\u{7}b"), "justification", "invalid_field"),
        ("nul", said("a\0b"), "justification", "invalid_field"),
        (
            "bidirectional",
            said("a\u{202e}b"),
            "justification",
            "invalid_field",
        ),
        (
            "in the past",
            starting(company.start),
            "starts_at",
            "invalid_field",
        ),
        (
            "far ahead",
            starting(company.start + TimeDelta::days(31)),
            "starts_at",
            "invalid_field",
        ),
        (
            "another's identity",
            NewRequest {
                principal: Some("arn:aws:iam::111122223333:user/bob".to_owned()),
                ..good()
            },
            "principal",
            "invalid_field",
        ),
        (
            "long ticket",
            NewRequest {
                ticket: Some("t".repeat(201)),
                ..good()
            },
            "ticket",
            "invalid_field",
        ),
    ]
}

#[tokio::test]
async fn bad_input_is_refused_by_field_with_one_event() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    for (what, input, field, code) in bad_inputs(&company) {
        let before = company.count("audit_events").await;
        let error = submit(&alice, input).await.unwrap_err();
        // What is wrong with the text, not that Postgres cannot store it.
        let fields = error.fields();
        assert_eq!(fields.len(), 1, "{what}: {error:?}");
        assert_eq!(
            (fields[0].field, fields[0].code.as_str()),
            (field, code),
            "{what}"
        );
        assert_eq!(error.about().status, 422, "{what}");
        assert_eq!(company.count("audit_events").await, before + 1, "{what}");
    }
    assert_eq!(company.count("requests").await, 0);
}

#[tokio::test]
async fn every_wrong_field_is_told_at_once() {
    let company = TestApp::new().await;
    let input = NewRequest {
        duration_seconds: 0,
        justification: String::new(),
        ..ask("prod-admin")
    };
    let error = submit(&company.ctx("alice").await, input)
        .await
        .unwrap_err();
    let mut fields: Vec<_> = error.fields().iter().map(|it| it.field).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["duration", "justification"]);
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_not_there() {
    let company = TestApp::new().await;
    for (who, name) in [
        ("alice", "no-such-thing"),
        ("alice", ""),
        ("alice", "a\0b"),
        ("mallory", "prod-admin"),
        ("bob", "prod-admin"),
        ("otto", "prod-admin"),
    ] {
        let before = company.count("audit_events").await;
        let error = submit(&company.ctx(who).await, ask(name))
            .await
            .unwrap_err();
        assert_eq!(error.about().code, "not_found", "{who} {name:?} {error:?}");
        assert_eq!(
            company.count("audit_events").await,
            before + 1,
            "{who} {name:?}"
        );
    }
    assert_eq!(company.count("requests").await, 0);
}

#[tokio::test]
async fn text_that_is_nothing_is_none() {
    let company = TestApp::new().await;
    let input = NewRequest {
        ticket: Some(" ".to_owned()),
        ..ask("prod-admin")
    };
    let asked = submit(&company.ctx("alice").await, input).await.unwrap();
    let request = asked.request();
    assert_eq!(request.ticket, None);
    approve(
        &company.ctx("bob").await,
        request.id,
        Some(" \n".to_owned()),
        None,
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_silent_aws_leaves_the_request_unchecked() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    assert!(!request.target_checked);
    assert_eq!((request.role_id, request.principal_unique_id), (None, None));
    assert_eq!(request.expires_at, company.start + TimeDelta::hours(24));
}

/// Whoever waits two minutes for AWS has nothing of a grant of two minutes (docs/guard.md, H5).
#[tokio::test]
async fn a_duration_that_aws_would_need_to_take_the_change_over_is_refused_at_once() {
    let company = TestApp::new().await;
    let company = company.configured(|it| it.aws.propagation_margin = Duration::from_mins(2));
    let alice = company.ctx("alice").await;
    let lasting = |seconds| NewRequest {
        duration_seconds: seconds,
        ..ask("prod-admin")
    };
    let refused = submit(&alice, lasting(120)).await.unwrap_err();
    assert!(
        refused
            .about()
            .detail
            .contains("from 2 minutes 1 second to 8 hours"),
        "{}",
        refused.about().detail
    );
    assert_eq!(company.count("requests").await, 0);
    submit(&alice, lasting(121)).await.unwrap();
}
