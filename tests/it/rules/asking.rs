//! What has to go with a request, and how long it waits.

use std::time::Duration;

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::ctx::Ctx;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::submit::{NewRequest, Submitted, submit};
use countersign::error::Error;
use countersign::sandbox::When;

use super::{company, ruled};
use crate::sandbox::{self, reached};
use crate::support::app::{TestApp, ask};

/// alice asks, in these words and with that ticket.
async fn asks(alice: &Ctx, why: &str, ticket: Option<&str>) -> Result<Submitted, Error> {
    let new = NewRequest {
        justification: why.to_owned(),
        ticket: ticket.map(ToOwned::to_owned),
        ..ask("prod-admin")
    };
    submit(alice, new).await
}

/// The fields that are told, each with what is wrong.
fn told<T>(answer: Result<T, Error>) -> Vec<(&'static str, String)> {
    let error = answer.err();
    let fields = error.iter().flat_map(Error::fields);
    fields.map(|it| (it.field, it.detail.clone())).collect()
}

#[tokio::test]
async fn a_justification_is_as_long_as_the_rules_ask() {
    let company = company("justification_min = 6").await;
    let alice = company.ctx("alice").await;
    let short = |has: usize| {
        let detail = format!("must have at least 6 characters, not {has}");
        vec![("justification", detail)]
    };
    assert_eq!(told(asks(&alice, "Stück", None).await), short(5));
    assert_eq!(told(asks(&alice, "  abc \r\n ", None).await), short(3));
    // What is empty is told as ever, once.
    let empty = vec![("justification", "must not be empty".to_owned())];
    assert_eq!(told(asks(&alice, " ", None).await), empty);
    asks(&alice, "Stücke", None).await.unwrap();
    assert_eq!(company.count("requests").await, 1);
    let refused = company.events("prod-admin", "request.submitted", "refused");
    assert_eq!(refused.await, 3);
}

#[tokio::test]
async fn a_ticket_goes_with_a_request_as_the_rules_say() {
    let missing = vec![(
        "ticket",
        "is missing: this entitlement needs a ticket's name or URL".to_owned(),
    )];
    let too_much = vec![(
        "ticket",
        "must be left out: no ticket goes with this entitlement".to_owned(),
    )];
    for (rule, with, without) in [
        ("required", vec![], missing),
        ("none", too_much, vec![]),
        ("optional", vec![], vec![]),
    ] {
        let company = company(&format!("ticket = \"{rule}\"")).await;
        let alice = company.ctx("alice").await;
        let asked = asks(&alice, "Orders are stuck", Some("OPS-1")).await;
        assert_eq!(told(asked), with, "{rule}");
        for nothing in [None, Some("  ")] {
            let asked = asks(&alice, "Orders are stuck", nothing).await;
            assert_eq!(told(asked), without, "{rule}");
        }
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let company = company("justification_min = 20, ticket = \"required\"").await;
    let alice = company.ctx("alice").await;
    let new = NewRequest {
        justification: "Short".to_owned(),
        duration_seconds: 1,
        ..ask("prod-admin")
    };
    let mut fields: Vec<_> = told(submit(&alice, new).await)
        .into_iter()
        .map(|it| it.0)
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["duration", "justification", "ticket"]);
}

#[tokio::test]
async fn an_extension_is_asked_for_as_its_grant_was() {
    let company = company("justification_min = 10, ticket = \"required\"").await;
    let alice = company.ctx("alice").await;
    let asked = asks(&alice, "Orders are stuck", Some("OPS-1")).await;
    let id = asked.unwrap().request().id;
    let shown = approve(&company.ctx("bob").await, id, None, None).await;
    let grant = shown.unwrap().grant.unwrap().id;
    company.open_grants().await;
    // What the catalog says by now is another's.
    company.change(|it| ruled(it, "live = 9")).await;
    let more = |why: &str, ticket: Option<&str>| NewExtension {
        duration_seconds: 600,
        justification: why.to_owned(),
        ticket: ticket.map(ToOwned::to_owned),
        ..NewExtension::default()
    };
    let wrong = told(extend(&alice, grant, more("It burns", None)).await);
    let fields: Vec<_> = wrong.iter().map(|it| it.0).collect();
    assert_eq!(fields, ["justification", "ticket"], "{wrong:?}");
    let fits = more("It still burns", Some("OPS-1"));
    extend(&alice, grant, fits).await.unwrap();
}

#[tokio::test]
async fn what_was_asked_while_the_rules_changed_is_held_to_the_new_ones() {
    let trust = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let aws = sandbox::start(trust).await;
    let company = TestApp::new().await;
    let company = company.with_aws(&aws, Duration::from_secs(60)).await;
    let alice = company.ctx("alice").await;
    let held = aws.knobs().hold("GetRole", 1, When::AfterEffect);
    let asking = tokio::spawn(async move { asks(&alice, "Orders are stuck", None).await });
    reached(&held).await;
    let rules = "justification_min = 20, ticket = \"required\"";
    company.change(|it| ruled(it, rules)).await;
    held.release();
    let wrong = told(asking.await.unwrap());
    let fields: Vec<_> = wrong.iter().map(|it| it.0).collect();
    assert_eq!(fields, ["justification", "ticket"], "{wrong:?}");
    assert_eq!(company.count("requests").await, 0);
}

#[tokio::test]
async fn a_request_lapses_when_its_entitlement_says() {
    let company = company("expire_after = \"PT2H\"").await;
    let asked = company.ask("prod-admin").await;
    assert_eq!(asked.expires_at, company.start + TimeDelta::hours(2));
    let other = company.ask("prod-root").await;
    let configured = TimeDelta::from_std(company.config.requests.expire_after).unwrap();
    assert!(configured > TimeDelta::hours(2));
    assert_eq!(other.expires_at, company.start + configured);
    let bob = company.ctx("bob").await;
    approve(&bob, asked.id, None, None).await.unwrap();
    company.open_grants().await;
    // Its extension as well, where the grant lasts longer.
    company
        .change(|it| ruled(it, "expire_after = \"PT1M\""))
        .await;
    let asked = company.ask("prod-admin").await;
    assert_eq!(asked.expires_at, company.start + TimeDelta::minutes(1));
    let grant = approve(&bob, asked.id, None, None).await.unwrap().grant;
    company.open_grants().await;
    let alice = company.ctx("alice").await;
    let more = NewExtension {
        duration_seconds: 600,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    };
    let view = extend(&alice, grant.unwrap().id, more).await.unwrap();
    let found = countersign::app::find::request(&alice, view.extension.unwrap()).await;
    let lapses = found.unwrap().request.expires_at;
    assert_eq!(lapses, company.start + TimeDelta::minutes(1));
}
