//! What AWS tells of a role that somebody asks for, as the API and the portal pass it on.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::domain::target::Condition;
use countersign::error::{Error, RoleError, StateError};
use countersign::sandbox::Sandbox;
use countersign::web::ask::{Ask, AskForm};
use countersign::web::page::{self, Here};
use serde_json::{Value, json};

use super::{facts, samples};
use crate::sandbox::{self, trusting, trusts};
use crate::support::api::{Answer, ask};
use crate::support::app::TestApp;
use crate::support::catalog::role_arn;

const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const TYPED: [(&str, &str); 4] = [
    ("duration", "other"),
    ("other", "14m"),
    ("justification", "A \"reason\" & more"),
    ("ticket", "INC-7"),
];

/// A role as AWS shows it when somebody asks for it.
struct Case {
    name: &'static str,
    /// Path and name of what `prod-admin` of the catalog opens.
    role: &'static str,
    trust: String,
    prepare: fn(&Sandbox),
    code: &'static str,
    /// A piece of the sentence that people read.
    says: &'static str,
}

fn case(name: &'static str, code: &'static str, says: &'static str) -> Case {
    Case {
        name,
        role: "prod-admin",
        trust: trusts(BOB),
        prepare: |_| {},
        code,
        says,
    }
}

fn cases() -> Vec<Case> {
    let gone = |name| case(name, "role_not_found", "AWS does not know the role");
    let protected = |name| case(name, "role_protected", "trust policy cannot be opened");
    let unreadable = |name| case(name, "trust_policy_unreadable", "Have its owner repair it.");
    let long = format!(
        r#"{{"StringEquals":{{"aws:PrincipalTag/x":"{}"}}}}"#,
        "x".repeat(1_700)
    );
    vec![
        Case {
            prepare: |aws| aws.knobs().delete_role(sandbox::ROLE),
            ..gone("deleted")
        },
        Case {
            role: "team/prod-admin",
            ..gone("of another path")
        },
        Case {
            role: "aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
            ..protected("service-linked")
        },
        Case {
            role: "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
            ..protected("of Identity Center")
        },
        Case {
            trust: trusting(BOB, &long),
            ..case("full", "trust_policy_full", "It has 2048 characters")
        },
        Case {
            trust: "not JSON".to_owned(),
            ..unreadable("not JSON")
        },
        Case {
            trust: r#"{"Version":"2012-10-17","Statement":[],"Statement":[]}"#.to_owned(),
            ..unreadable("two lists of statements")
        },
        Case {
            prepare: |aws| aws.knobs().delete_user(BOB),
            ..unreadable("a deleted user in it")
        },
    ]
}

fn assert_kept(name: &str, page: &str) {
    for kept in [
        "value=\"other\" checked",
        "value=\"14m\"",
        "A &#34;reason&#34; &#38; more</textarea>",
        "value=\"INC-7\"",
    ] {
        assert!(page.contains(kept), "{name}: {kept} is gone: {page}");
    }
}

fn assert_room(answer: &Answer) {
    let number = |field: &str| answer.body[field].as_u64().unwrap();
    let (used, quota, needed) = (number("used"), number("quota"), number("needed"));
    assert_eq!(quota, 2_048);
    assert!(
        used > 1_700 && (200..400).contains(&needed),
        "{}",
        answer.body
    );
    assert!(used + needed > quota, "{}", answer.body);
    for number in [used, needed] {
        let told = answer.body["detail"].as_str().unwrap();
        assert!(told.contains(&number.to_string()), "{told}");
    }
}

#[tokio::test]
async fn a_role_that_cannot_be_opened_is_refused_alike_by_api_and_portal_with_nothing_stored() {
    for case in cases() {
        let name = case.name;
        let aws = sandbox::start(&case.trust).await;
        let role = role_arn(case.role);
        let company = TestApp::with(|it| it.entitlement("prod-admin").role_arn = role).await;
        let company = company.with_aws(&aws, Duration::from_secs(60)).await;
        (case.prepare)(&aws);
        let portal = company.portal();
        let service = company.api().await;

        let token = service.token("alice").await;
        let told = service.call(&token, "POST", "/requests", &ask()).await;
        assert_eq!(told.status, 409, "{name}: {}", told.body);
        assert_eq!(told.code(), case.code, "{name}: {}", told.body);
        assert_eq!(told.header("content-type"), "application/problem+json");
        let detail = told.body["detail"].as_str().unwrap();
        assert!(detail.contains(case.says), "{name}: {detail}");
        if case.code == "trust_policy_full" {
            assert_room(&told);
        } else {
            assert_eq!(told.body["quota"], Value::Null, "{name}");
        }

        let alice = portal.browser("alice").await;
        let shown = alice.post("/entitlements/prod-admin", &TYPED).await;
        assert_eq!(shown.status, StatusCode::CONFLICT, "{name}: {}", shown.body);
        assert!(shown.body.contains(case.says), "{name}: {}", shown.body);
        assert!(shown.body.contains("<title>Error: "), "{name}");
        assert_kept(name, &shown.body);

        assert_eq!(service.count("requests").await, 0, "{name}");
        let code = || ("request.submitted".to_owned(), case.code.to_owned());
        assert_eq!(portal.refusals().await, [code(), code()], "{name}");
    }
}

/// How our own role and a suspended one come about is tested elsewhere; on the form they look like
/// the others.
#[test]
fn whatever_is_wrong_with_a_role_is_told_on_the_form() {
    for error in [
        Error::from(RoleError::Ours),
        RoleError::Suspended(Condition::Contested).into(),
        RoleError::Suspended(Condition::SafeMode).into(),
        StateError::NotEligible.into(),
    ] {
        let about = error.about();
        assert_eq!(about.status, 409);
        assert!(page::mends(&error), "{error}");
        let typed = AskForm {
            duration: "other".into(),
            other: "14m".into(),
            justification: TYPED[2].1.into(),
            ticket: "INC-7".into(),
            ..AskForm::default()
        };
        let frame = samples::frame(Here::Home, "Alice", 0);
        let errors = page::errors(&error);
        let shown = samples::html(&Ask::new(frame, facts::entitlement(), typed, errors));
        assert!(shown.contains(&*about.detail), "{error}: {shown}");
        assert_kept(about.code, &shown);
    }
}

#[tokio::test]
async fn when_aws_does_not_answer_the_request_is_taken_and_marked_as_unchecked() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let service = company.api().await;
    let token = service.token("alice").await;
    let told = service.call(&token, "POST", "/requests", &ask()).await;
    assert_eq!(told.status, 201, "{}", told.body);
    assert_eq!(told.body["target_checked"], json!(false));
    let alice = portal.browser("alice").await;
    let asked = alice.post("/entitlements/prod-admin", &TYPED).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let page = alice.get(asked.place()).await.body;
    assert!(page.contains("the role was not checked"), "{page}");
    let unchecked = "requests WHERE NOT target_checked AND role_id IS NULL";
    assert_eq!(service.count(unchecked).await, 2);
}
