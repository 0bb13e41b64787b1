//! The catalog changes while AWS is asked about the role.

use std::time::Duration;

use countersign::app::submit::{Submitted, submit};
use countersign::domain::request::Request;
use countersign::error::Error;
use countersign::sandbox::When;

use super::setup::{CATALOG, Company, ask};
use crate::sandbox::{self, reached};

/// alice asks for `prod-admin`; before AWS has answered, `from` in the catalog has become `to`.
async fn meanwhile(from: &str, to: &str) -> (Company, Result<Request, Error>) {
    let aws = sandbox::start(r#"{"Version":"2012-10-17","Statement":[]}"#).await;
    let patience = Duration::from_secs(60);
    let company = Company::new().await.with_aws(&aws, patience).await;
    let alice = company.ctx("alice").await;
    let held = aws.knobs().hold("GetRole", 1, When::AfterEffect);
    let asking = tokio::spawn(async move { submit(&alice, ask("prod-admin")).await });
    reached(&held).await;
    company.rewrite(from, to).await;
    held.release();
    let asked = asking.await.unwrap();
    (company, asked.map(Submitted::request))
}

#[tokio::test]
async fn what_aws_said_of_the_role_holds_when_nothing_of_it_changed() {
    let (_company, asked) = meanwhile("\"PT8H\"", "\"PT7H\"").await;
    let request = asked.unwrap();
    assert!(request.target_checked && request.role_id.is_some());
    assert_eq!(request.terms.max_duration_seconds, 7 * 3600);
}

#[tokio::test]
async fn what_aws_said_of_another_role_is_not_taken_over() {
    let (company, asked) = meanwhile(":role/prod-admin", ":role/prod-other").await;
    let request = asked.unwrap();
    let role = "arn:aws:iam::111122223333:role/prod-other";
    assert_eq!(request.terms.role_arn, role);
    assert!(!request.target_checked);
    assert_eq!((request.role_id, request.principal_unique_id), (None, None));
    let target: String = sqlx::query_scalar("SELECT arn FROM targets WHERE id = $1")
        .bind(request.target.uuid())
        .fetch_one(company.pool())
        .await
        .unwrap();
    assert_eq!(target, role);
}

#[tokio::test]
async fn what_the_catalog_forbids_by_now_is_refused() {
    // In another account than the identity that was picked.
    let (head, tail) = CATALOG.split_once("[[people]]").unwrap();
    let moved = format!(
        "{head}[[accounts]]\nid = \"444455556666\"\nname = \"Staging\"\n[[people]]{}",
        tail.replacen("111122223333:role/", "444455556666:role/", 1)
    );
    let protected = ":role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX";
    for (from, to, code) in [
        ("\"PT8H\"", "\"PT10M\"", "duration_out_of_range"),
        ("\"developers\", ", "", "not_found"),
        (":role/prod-admin", protected, "role_protected"),
        (CATALOG, &moved, "invalid_field"),
    ] {
        let (company, asked) = meanwhile(from, to).await;
        assert_eq!(asked.unwrap_err().told_code(), code);
        assert_eq!(company.count("requests").await, 0, "{code}");
        let refused = company.events("prod-admin", "request.submitted", "refused");
        assert_eq!(refused.await, 1, "{code}");
    }
}
