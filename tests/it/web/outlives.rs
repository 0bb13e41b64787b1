//! What can outlive the deadline, as the request's page tells it to whoever approves.

use std::time::Duration;

use countersign::domain::entitlement::Method;
use countersign::domain::outlive::{Outlives, Through};
use countersign::policy::outlive;
use countersign::sandbox::{Fault, Sandbox, When};
use countersign::web::request::RequestPage;

use super::samples::review;
use crate::sandbox::{self, ROLE, trusts};
use crate::support::app::TestApp;
use crate::support::catalog::{Entitlement, allowing};

const CAROL: &str = "arn:aws:iam::111122223333:user/carol";
const HEADING: &str = "What can outlive the deadline";

/// A role that may do everything, as far as it could be read.
pub fn outliving() -> RequestPage {
    let way = |through, policy: &str, names: &[&str]| Outlives {
        through,
        policy: Some(policy.into()),
        statement: Some("1".into()),
        names: names.iter().map(|&it| it.into()).collect(),
        conditional: through == Through::PassingRoles,
        why: None,
    };
    let mut page = review();
    page.request.outlives = Some(vec![
        Outlives::unread(
            "policy arn:aws:iam::111122223333:policy/teams/platform/everything-else",
            "denied",
        ),
        way(
            Through::WritingIam,
            "policy arn:aws:iam::aws:policy/AdministratorAccess",
            &[
                "iam:CreateAccessKey",
                "iam:CreateUser",
                "iam:CreateRole",
                "iam:AttachRolePolicy",
            ],
        ),
        way(
            Through::PassingRoles,
            "inline policy deployments",
            &["iam:PassRole"],
        ),
        way(
            Through::TrustedService,
            "the trust policy",
            &["ec2.amazonaws.com"],
        ),
        Outlives::more(),
    ]);
    page
}

/// Something that is attached, in long statements.
pub fn attached() -> RequestPage {
    let mut page = review();
    let terms = &mut page.request.terms;
    terms.method = Method::Attach;
    terms.role_arn = None;
    terms.statements = vec![
        r#"{"Sid":"Redrive","Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:StartMessageMoveTask","sqs:SetQueueAttributes"],"Resource":["arn:aws:sqs:eu-central-1:111122223333:checkout","arn:aws:sqs:eu-central-1:111122223333:checkout-dlq"],"Condition":{"StringEquals":{"aws:RequestedRegion":"eu-central-1"}}}"#.into(),
    ];
    page.request.console_name = None;
    page.request.outlives = Some(outlive::of_statements(&page.request.terms.statements));
    page
}

/// A request of before anybody looked.
pub fn not_looked_at() -> RequestPage {
    let mut page = review();
    page.request.outlives = None;
    page
}

/// The page of a new request, as bob sees it.
async fn page(company: &TestApp) -> String {
    let portal = company.portal();
    let place = portal.asked().await;
    let page = portal.browser("bob").await.get(&place).await.body;
    assert!(page.contains(HEADING), "{page}");
    page
}

async fn with(aws: &Sandbox, policy: &str) -> TestApp {
    let knobs = aws.knobs();
    knobs.put_role_policy(ROLE, "all", None).unwrap();
    knobs.put_role_policy(ROLE, "own", Some(policy)).unwrap();
    let patience = Duration::from_secs(60);
    TestApp::new().await.with_aws(aws, patience).await
}

#[tokio::test]
async fn who_approves_reads_what_through_and_by_which_statement() {
    let aws = sandbox::start(&trusts(CAROL)).await;
    let company = with(&aws, &allowing("iam:CreateUser")).await;
    let shown = page(&company).await;
    for told in [
        "Access can outlive the deadline through:",
        "made or changed in IAM, such as iam:CreateUser.",
        "By statement 1 of inline policy own.",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert!(!shown.contains("Not everything could be read"), "{shown}");
}

#[tokio::test]
async fn a_role_that_leaves_nothing_behind_is_told_as_that_and_not_where_it_was_not_read() {
    let aws = sandbox::start(&trusts(CAROL)).await;
    let company = with(&aws, &allowing("s3:GetObject")).await;
    let shown = page(&company).await;
    assert!(
        shown.contains("Nothing was found in the role&#39;s policies")
            || shown.contains("Nothing was found in the role's policies"),
        "{shown}"
    );
    assert!(!shown.contains("Access can outlive"), "{shown}");

    let aws = sandbox::start(&trusts(CAROL)).await;
    let company = with(&aws, &allowing("s3:GetObject")).await;
    let refuses = Fault::Error {
        status: 403,
        code: "AccessDenied".to_owned(),
        message: "no".to_owned(),
    };
    let knobs = aws.knobs();
    knobs.fail_always("ListAttachedRolePolicies", When::BeforeEffect, refuses);
    let shown = page(&company).await;
    for told in [
        "Not everything could be read",
        "attached policies could not be read: AWS does not let Countersign read it.",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert!(!shown.contains("Nothing was found"), "{shown}");
}

#[tokio::test]
async fn what_is_attached_is_told_with_every_action_that_gives_others_access() {
    let attached = Entitlement::attaching("prod-admin", &allowing("s3:*BucketPolicy"));
    let company = TestApp::with(|it| *it.entitlement("prod-admin") = attached).await;
    let shown = page(&company).await;
    for told in [
        "resources whose own permissions are changed, such as s3:PutBucketPolicy.",
        "By statement 1 of what is attached.",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let attached = Entitlement::attaching("prod-admin", &allowing("s3:GetObject"));
    let company = TestApp::with(|it| *it.entitlement("prod-admin") = attached).await;
    let shown = page(&company).await;
    assert!(shown.contains("Nothing was found in what is attached."));
}

#[tokio::test]
async fn the_page_says_whether_others_come_to_the_role() {
    let company = TestApp::new().await;
    let open = "Whoever else may assume the role goes on doing so";
    let closed = "AWS refuses whoever has no grant of it, under any name";
    let shown = page(&company).await;
    assert!(shown.contains(open) && !shown.contains(closed), "{shown}");
    let company = TestApp::with(|it| {
        let more = &mut it.entitlement("prod-admin").more;
        more.insert("closed".to_owned(), true.into());
    })
    .await;
    let shown = page(&company).await;
    assert!(shown.contains(closed) && !shown.contains(open), "{shown}");
    let attached = Entitlement::attaching("prod-admin", &allowing("s3:GetObject"));
    let company = TestApp::with(|it| *it.entitlement("prod-admin") = attached).await;
    let shown = page(&company).await;
    assert!(!shown.contains(closed) && !shown.contains(open), "{shown}");
}
