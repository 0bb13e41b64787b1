//! What can outlive the deadline, as the API tells it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::{self, ALICE, ROLE, trusts};
use crate::support::api::ask;
use crate::support::app::TestApp;
use crate::support::catalog::{Entitlement, allowing};

/// What alice is told of her new request; whoever decides is told the same.
async fn told(company: &TestApp) -> Value {
    let service = company.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let asked = service.call(&alice, "POST", "/requests", &ask()).await.body;
    let path = format!("/requests/{}", asked["id"].as_str().unwrap());
    for path in [path.as_str(), "/requests?waiting=true"] {
        let shown = service.call(&bob, "GET", path, &Value::Null).await.body;
        let shown = shown.pointer("/items/0").unwrap_or(&shown);
        assert_eq!(shown["outlives"], asked["outlives"], "{path}");
    }
    asked["outlives"].clone()
}

#[tokio::test]
async fn each_statement_that_lets_access_outlive_the_deadline_is_told() {
    let aws = sandbox::start(&trusts("arn:aws:iam::111122223333:root")).await;
    let knobs = aws.knobs();
    knobs.put_role_policy(ROLE, "all", None).unwrap();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"},{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}"#;
    knobs.put_role_policy(ROLE, "own", Some(policy)).unwrap();
    let company = TestApp::new().await;
    let company = company.with_aws(&aws, Duration::from_secs(60)).await;
    let expected = json!([
        {
            "kind": "assuming_roles",
            "through": "other roles that are assumed from this one, such as sts:AssumeRole, under a condition",
            "statement": "statement 2 of inline policy own",
            "conditional": true,
        },
        {
            "kind": "trusted_account",
            "through": "others in the account whom the role lets in, such as arn:aws:iam::111122223333:root",
            "statement": "statement 1 of the trust policy",
            "conditional": false,
        },
    ]);
    assert_eq!(told(&company).await, expected);

    let aws = sandbox::start(&trusts(ALICE)).await;
    aws.knobs().put_role_policy(ROLE, "all", None).unwrap();
    let company = TestApp::new().await;
    let company = company.with_aws(&aws, Duration::from_secs(60)).await;
    assert_eq!(told(&company).await, json!([]), "somebody looked");
}

#[tokio::test]
async fn without_aws_it_is_told_that_nothing_could_be_read() {
    let company = TestApp::new().await;
    let told = told(&company).await;
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|it| it["kind"] == "unread"), "{told:?}");
}

#[tokio::test]
async fn what_is_attached_is_told_without_aws() {
    let attached = Entitlement::attaching("prod-admin", &allowing("kms:CreateGrant"));
    let company = TestApp::with(|it| *it.entitlement("prod-admin") = attached).await;
    let told = told(&company).await;
    assert_eq!(told[0]["kind"], "managing_permissions", "{told}");
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
}

#[tokio::test]
async fn a_request_of_before_anybody_looked_says_null() {
    let company = TestApp::new().await;
    company.ask("prod-admin").await;
    let sql = "ALTER TABLE requests DISABLE TRIGGER requests_go_on_telling; UPDATE requests SET outlives = NULL";
    company.as_owner(sql).await;
    let service = company.api().await;
    let alice = service.token("alice").await;
    let listed = service.call(&alice, "GET", "/requests", &Value::Null).await;
    assert_eq!(listed.body["items"][0]["outlives"], Value::Null);
}
