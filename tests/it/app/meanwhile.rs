//! The catalog changes while AWS is asked about the role.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::app::submit::{Submitted, submit};
use countersign::domain::request::Request;
use countersign::error::Error;
use countersign::policy::assumable;
use countersign::sandbox::When;

use crate::sandbox::{self, reached};
use crate::support::app::{TestApp, ask};
use crate::support::catalog::{Catalog, Change, allowing, role_arn};

const PROTECTED: &str = "aws-service-role/x.amazonaws.com/AWSServiceRoleForX";
const STAGING: &str = "arn:aws:iam::444455556666:role/prod-admin";

/// alice asks for `prod-admin`; before AWS has answered, the catalog is another.
async fn meanwhile(change: impl FnOnce(&mut Catalog)) -> (TestApp, Result<Request, Error>) {
    meanwhile_done(async |company| company.change(change).await).await
}

/// The same with anything else that happens meanwhile.
async fn meanwhile_done(happens: impl AsyncFnOnce(&TestApp)) -> (TestApp, Result<Request, Error>) {
    let trust = r#"{"Version":"2012-10-17","Statement":[]}"#;
    meanwhile_on(TestApp::new().await, trust, happens).await
}

/// The same of that company, whose role has that trust policy.
async fn meanwhile_on(
    company: TestApp,
    trust: &str,
    happens: impl AsyncFnOnce(&TestApp),
) -> (TestApp, Result<Request, Error>) {
    let aws = sandbox::start(trust).await;
    let company = company.with_aws(&aws, Duration::from_secs(60)).await;
    let alice = company.ctx("alice").await;
    let held = aws.knobs().hold("GetRole", 1, When::AfterEffect);
    let asking = tokio::spawn(async move { submit(&alice, ask("prod-admin")).await });
    reached(&held).await;
    happens(&company).await;
    held.release();
    let asked = asking.await.unwrap();
    (company, asked.map(Submitted::request))
}

#[tokio::test]
async fn what_aws_said_of_the_role_holds_when_nothing_of_it_changed() {
    let (_company, asked) =
        meanwhile(|it| it.entitlement("prod-admin").max_duration = "PT7H".into()).await;
    let request = asked.unwrap();
    assert!(request.target_checked && request.role_id.is_some());
    assert_eq!(request.terms.max_duration_seconds, 7 * 3600);
}

#[tokio::test]
async fn what_aws_said_of_another_role_is_not_taken_over() {
    let (company, asked) =
        meanwhile(|it| it.entitlement("prod-admin").role_arn = role_arn("prod-other")).await;
    let request = asked.unwrap();
    let role = "arn:aws:iam::111122223333:role/prod-other";
    assert_eq!(request.terms.role_arn, Some(role.to_owned()));
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
    let changes: [(Change, &str); 4] = [
        (
            |it| it.entitlement("prod-admin").max_duration = "PT10M".into(),
            "duration_out_of_range",
        ),
        (|it| it.regroup("alice", &["approvers"]), "not_found"),
        (
            |it| it.entitlement("prod-admin").role_arn = role_arn(PROTECTED),
            "role_protected",
        ),
        // In another account than the identity that was picked.
        (
            |it| {
                it.account("444455556666").name = "Staging".into();
                it.entitlement("prod-admin").role_arn = STAGING.into();
            },
            "invalid_field",
        ),
    ];
    for (change, code) in changes {
        let (company, asked) = meanwhile(change).await;
        assert_eq!(asked.unwrap_err().told_code(), code);
        assert_eq!(company.count("requests").await, 0, "{code}");
        let refused = company.events("prod-admin", "request.submitted", "refused");
        assert_eq!(refused.await, 1, "{code}");
    }
}

#[tokio::test]
async fn a_role_that_is_suspended_by_now_is_refused() {
    let (company, asked) = meanwhile_done(async |company| {
        company
            .as_owner("UPDATE targets SET condition = 'contested'")
            .await;
    })
    .await;
    assert_eq!(asked.unwrap_err().told_code(), "role_suspended");
    assert_eq!(company.count("requests").await, 0);
}

#[tokio::test]
async fn what_was_read_of_a_role_is_not_told_of_another_or_of_other_sessions() {
    let read = |asked: Result<Request, Error>| asked.unwrap().outlives;
    let (_one, same) =
        meanwhile(|it| it.entitlement("prod-admin").max_duration = "PT7H".into()).await;
    assert!(read(same).is_some_and(|it| !it.is_empty()));
    let (_two, other) =
        meanwhile(|it| it.entitlement("prod-admin").role_arn = role_arn("prod-other")).await;
    assert_eq!(read(other), None, "nobody has looked at that one");

    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        assumable::statements("arn:aws:iam::111122223333:user/admin")
    );
    let allows = allowing("s3:*");
    let limited = |it: &mut Catalog, key: &str, value: toml::Value| {
        let entitlement = it.entitlement("prod-admin");
        entitlement.method = "sts_credentials".to_owned();
        entitlement.more = BTreeMap::from([(key.to_owned(), value)]);
    };
    for (arn, is_told) in [
        (None, true),
        (Some("arn:aws:iam::aws:policy/ReadOnlyAccess"), false),
    ] {
        let before = TestApp::with(|it| limited(it, "scope_down", allows.as_str().into())).await;
        let (_three, asked) = meanwhile_on(before, &trust, async |company| {
            let change = |it: &mut Catalog| match arn {
                Some(arn) => limited(it, "policy_arns", vec![arn].into()),
                None => it.entitlement("prod-admin").max_duration = "PT7H".into(),
            };
            company.change(change).await;
        })
        .await;
        let asked = asked.unwrap();
        assert!(asked.target_checked);
        assert_eq!(asked.outlives.is_some(), is_told, "{arn:?}");
    }
}
