//! What AWS tells of a role when somebody asks for it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::approve::approve;
use countersign::app::ctx::Ctx;
use countersign::app::submit::{NewRequest, submit};
use countersign::config::Config;

use crate::sandbox;
use crate::support::app::{TestApp, ask};
use crate::support::catalog::role_arn;
use crate::support::parts::FOLLOW;

const EMPTY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

/// alice at a company whose AWS is a sandbox where `prod-admin` has that trust policy; the sandbox
/// runs as long as it is held.
async fn alice(company: &TestApp, trust: &str) -> (Ctx, countersign::sandbox::Sandbox) {
    let aws = sandbox::start(trust).await;
    let app = company.clone().configured(|it| *it = Config::default());
    let app = app.with_aws(&aws, Duration::from_secs(10)).await;
    let ctx = app.ctx("alice").await;
    (ctx, aws)
}

#[tokio::test]
async fn a_role_that_is_there_is_on_the_request() {
    let company = TestApp::new().await;
    let (alice, _aws) = alice(&company, EMPTY).await;
    let asked = submit(&alice, ask("prod-admin")).await.unwrap();
    let request = asked.request();
    assert!(request.target_checked);
    assert!(request.role_id.unwrap().starts_with("AROA"));
    assert!(request.principal_unique_id.unwrap().starts_with("AIDA"));
}

#[tokio::test]
async fn a_role_that_cannot_be_opened_is_refused_with_nothing_stored() {
    let company = TestApp::new().await;
    let full = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111122223333:root"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"aws:PrincipalTag/x":"{}"}}}}}}]}}"#,
        "x".repeat(1_700)
    );
    let two = r#"{"Version":"2012-10-17","Statement":[],"Statement":[]}"#;
    for (name, trust, code) in [
        ("prod-root", EMPTY, "role_not_found"),
        ("prod-admin", full.as_str(), "trust_policy_full"),
        ("prod-admin", "not JSON", "trust_policy_unreadable"),
        ("prod-admin", two, "trust_policy_unreadable"),
    ] {
        let (alice, _aws) = alice(&company, trust).await;
        let error = submit(&alice, ask(name)).await.unwrap_err();
        assert_eq!(error.about().code, code, "{error:?}");
        assert_eq!(error.about().status, 409);
    }
    assert_eq!(company.count("requests").await, 0);
    assert_eq!(
        company
            .events("prod-admin", "request.submitted", "refused")
            .await,
        3
    );
}

#[tokio::test]
async fn a_protected_role_is_refused_even_when_aws_is_silent() {
    let protected = role_arn("aws-service-role/x.amazonaws.com/AWSServiceRoleForX");
    let company = TestApp::with(|it| it.entitlement("prod-admin").role_arn = protected).await;
    let error = submit(&company.ctx("alice").await, ask("prod-admin"))
        .await
        .unwrap_err();
    assert_eq!(error.about().code, "role_protected");
    assert_eq!(company.count("requests").await, 0);
}

/// An hour of `prod-admin` from then on.
fn from(starts_at: DateTime<Utc>) -> NewRequest {
    NewRequest {
        starts_at: Some(starts_at),
        duration_seconds: 3600,
        ..ask("prod-admin")
    }
}

/// What alice is told when she asks for so much.
async fn told(alice: &Ctx, new: NewRequest) -> &'static str {
    let asked = submit(alice, new).await;
    asked.map_or_else(|error| error.about().code, |_| "asked")
}

#[tokio::test]
async fn room_is_taken_by_grants_of_the_same_time_and_by_those_that_close() {
    let company = TestApp::new().await;
    let then = company.start + TimeDelta::days(10);
    let bob = company.ctx("bob").await;
    for _ in 0..6 {
        let asked = submit(&company.ctx("alice").await, from(then)).await;
        let request = asked.unwrap().request();
        approve(&bob, request.id, None, None).await.unwrap();
    }
    let (alice, _aws) = alice(&company, EMPTY).await;
    let hour = TimeDelta::hours(1);
    assert_eq!(told(&alice, ask("prod-admin")).await, "asked");
    assert_eq!(told(&alice, from(then + hour)).await, "asked");
    assert_eq!(told(&alice, from(then - hour)).await, "asked");
    let second = TimeDelta::seconds(1);
    assert_eq!(
        told(&alice, from(then + hour - second)).await,
        "trust_policy_full"
    );
    assert_eq!(
        told(&alice, from(then - hour + second)).await,
        "trust_policy_full"
    );
    for state in [
        "state = 'opening', opening_at = approved_at",
        "state = 'active', opened_at = approved_at",
        "state = 'closing', closing_at = approved_at, cause = 'released'",
    ] {
        let sql = format!("UPDATE grants SET {state}; {FOLLOW}");
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        done.execute(company.pool()).await.unwrap();
        assert_eq!(
            told(&alice, ask("prod-admin")).await,
            "trust_policy_full",
            "{state}"
        );
    }
}
