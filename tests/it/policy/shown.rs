//! Whether a person can show what a role's own trust policy asks for.

use countersign::domain::demands::ExternalId;
use countersign::domain::entitlement::{EarlyEnd, Scope, Terms};
use countersign::domain::person::Who;
use countersign::domain::rules::Rules;
use countersign::domain::stages::Stages;
use countersign::policy::document::Document;
use countersign::policy::shown::Shown;
use countersign::policy::switchable::{Unswitchable, check, denies};

use super::*;

const ID: &str = "vendor-7f3d2a8e";

fn terms(external_id: Option<&str>) -> Terms {
    Terms {
        name: "prod-admin".to_owned(),
        description: String::new(),
        account: "111122223333".to_owned(),
        account_name: "Production".to_owned(),
        role_arn: Some(ROLE_ARN.to_owned()),
        method: Method::Switch,
        statements: Vec::new(),
        scope: Scope::Role,
        early_end: EarlyEnd::Guard,
        session_tags: false,
        demands: Demands {
            mfa: false,
            external_id: external_id.and_then(ExternalId::parse),
        },
        min_duration_seconds: 5,
        max_duration_seconds: 3600,
        requester_group: "developers".to_owned(),
        stages: Stages::one("approvers", 1).unwrap(),
        rules: Rules::default(),
        version: 1,
    }
}

fn statement(effect: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Principal":{{"AWS":"arn:aws:iam::111122223333:root"}},"Action":"sts:*","Condition":{condition}}}"#
    )
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// Condition, whether it lets in whoever comes without an external ID, and with that one.
const ROWS: [(&str, bool, bool); 22] = [
    ("{}", true, true),
    (
        r#"{"StringEquals":{"sts:ExternalId":"vendor-7f3d2a8e"}}"#,
        false,
        true,
    ),
    (
        r#"{"StringEquals":{"STS:externalid":["x","vendor-7f3d2a8e"]}}"#,
        false,
        true,
    ),
    (
        r#"{"StringEquals":{"sts:ExternalId":"VENDOR-7f3d2a8e"}}"#,
        false,
        false,
    ),
    (
        r#"{"StringEqualsIfExists":{"sts:ExternalId":"x"}}"#,
        true,
        false,
    ),
    (
        r#"{"StringLike":{"sts:ExternalId":"vendor-*"}}"#,
        false,
        true,
    ),
    (
        r#"{"StringNotEquals":{"sts:ExternalId":"vendor-7f3d2a8e"}}"#,
        true,
        false,
    ),
    (r#"{"StringNotLike":{"sts:ExternalId":"*"}}"#, true, false),
    (r#"{"Null":{"sts:ExternalId":"true"}}"#, true, false),
    (r#"{"Null":{"sts:ExternalId":false}}"#, false, true),
    (
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
        true,
        true,
    ),
    (
        r#"{"Bool":{"aws:MultiFactorAuthPresent":true}}"#,
        true,
        true,
    ),
    (
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#,
        false,
        false,
    ),
    (
        r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#,
        false,
        false,
    ),
    // The console's name will do where no external ID is sent, or the grant's own.
    (
        r#"{"StringEquals":{"sts:RoleSessionName":"alice"}}"#,
        true,
        false,
    ),
    (
        r#"{"StringLike":{"sts:RoleSessionName":"grant_*"}}"#,
        true,
        true,
    ),
    (
        r#"{"StringEquals":{"sts:RoleSessionName":"deploy"}}"#,
        false,
        false,
    ),
    (
        r#"{"StringEquals":{"sts:RoleSessionName":"alice"},"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#,
        false,
        false,
    ),
    // What nobody knows before is left to AWS.
    (
        r#"{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}"#,
        true,
        true,
    ),
    (
        r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#,
        true,
        true,
    ),
    (
        r#"{"StringEqualsIgnoreCase":{"sts:ExternalId":"x"}}"#,
        true,
        true,
    ),
    (
        r#"{"ForAnyValue:StringEquals":{"sts:ExternalId":"x"}}"#,
        true,
        true,
    ),
];

#[test]
fn what_admits_an_account_has_to_take_what_she_shows() {
    let alice = Who {
        arn: PEOPLE[ALICE].0,
        session: None,
    };
    for (condition, without, with) in ROWS {
        let text = document(&statement("Allow", condition));
        let trust = Document::parse(&text).unwrap();
        for (external_id, admits) in [(None, without), (Some(ID), with)] {
            let shown = Shown::of(&terms(external_id), alice);
            let expected = if admits {
                Ok(())
            } else {
                Err(Unswitchable::AsksForMore)
            };
            let told = check(&trust, ROLE_ARN, alice, &shown);
            assert_eq!(told, expected, "{condition} {external_id:?}");
        }
    }
    let text = document(&statement("Allow", "{}").replace("111122223333", "444455556666"));
    let trust = Document::parse(&text).unwrap();
    let shown = Shown::of(&terms(None), alice);
    let told = check(&trust, ROLE_ARN, alice, &shown);
    assert_eq!(told, Err(Unswitchable::NotAdmitted));
}

/// For certain alone: whatever cannot be told beforehand keeps nobody from asking.
#[test]
fn a_deny_is_for_her_where_it_holds_for_every_name() {
    let alice = Who {
        arn: PEOPLE[ALICE].0,
        session: None,
    };
    let denied = |statement: &str, external_id| {
        let text = document(statement);
        let trust = Document::parse(&text).unwrap();
        denies(&trust, alice, &Shown::of(&terms(external_id), alice))
    };
    for (condition, without, with) in [
        ("{}", true, true),
        (
            r#"{"StringNotEquals":{"sts:ExternalId":"vendor-7f3d2a8e"}}"#,
            true,
            false,
        ),
        (r#"{"Null":{"sts:ExternalId":"true"}}"#, true, false),
        (
            r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#,
            false,
            false,
        ),
        // Under the grant's own name she gets in.
        (
            r#"{"StringEquals":{"sts:RoleSessionName":"alice"}}"#,
            false,
            false,
        ),
        (r#"{"StringLike":{"sts:RoleSessionName":"*"}}"#, true, true),
        (
            r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#,
            false,
            false,
        ),
    ] {
        let deny = statement("Deny", condition);
        assert_eq!(denied(&deny, None), without, "{condition}");
        assert_eq!(denied(&deny, Some(ID)), with, "{condition}");
        assert!(!denied(&statement("Allow", condition), None), "{condition}");
    }
    let deny = statement("Deny", "{}");
    for (from, to) in [
        (
            "\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:root\"}",
            "\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:user/bob\"}",
        ),
        ("\"Principal\"", "\"NotPrincipal\""),
        ("\"Action\":\"sts:*\"", "\"NotAction\":\"sts:TagSession\""),
        ("\"Action\":\"sts:*\"", "\"Action\":\"sts:TagSession\""),
    ] {
        assert!(!denied(&deny.replace(from, to), None), "{to}");
    }
    assert!(denied(
        &deny.replace("{\"AWS\":\"arn:aws:iam::111122223333:root\"}", "\"*\""),
        None
    ));
}
