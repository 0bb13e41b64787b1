//! The condition operators, by the pure function that decides (IAM User Guide, "Condition
//! operators", "Policy evaluation logic").

use countersign::sandbox::context::Context;
use countersign::sandbox::evaluate::{Decision, Request, decide};
use countersign::sandbox::rules::Rules;

const ISSUED: &str = "2026-06-01T11:00:00Z";

fn context() -> Context {
    let mut context = Context::default();
    for (key, value) in [
        ("aws:CurrentTime", "2026-06-01T12:00:00Z"),
        ("aws:EpochTime", "1780315200"),
        ("aws:TokenIssueTime", ISSUED),
        ("aws:userid", "AROAX:alice"),
        (
            "aws:PrincipalArn",
            "arn:aws:iam::111122223333:role/team/prod-admin",
        ),
        ("aws:MultiFactorAuthPresent", "true"),
        ("aws:MultiFactorAuthAge", "300"),
        ("aws:SourceIp", "10.1.2.3"),
        ("aws:username", "alice"),
        ("x:marks", "*a?$"),
    ] {
        context.set(key, value);
    }
    context.set_all("aws:TagKeys", vec!["team".to_owned(), "cost".to_owned()]);
    context
}

fn holds_in(condition: &str, context: &Context) -> bool {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}]}}"#
    );
    let request = Request {
        action: "iam:ListUsers",
        resource: "*",
        context,
        rules: Rules::default(),
    };
    decide(&[policy], &request) == Decision::Allowed
}

fn check(rows: &[(&str, bool)]) {
    for (condition, expected) in rows {
        assert_eq!(holds_in(condition, &context()), *expected, "{condition}");
    }
}

#[test]
fn dates_are_compared_to_the_second() {
    check(&[
        (
            r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-01T12:00:01Z"}}"#,
            true,
        ),
        (
            r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}}"#,
            false,
        ),
        (
            r#"{"DateLessThanEquals":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}}"#,
            true,
        ),
        (
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}}"#,
            false,
        ),
        (
            r#"{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}}"#,
            true,
        ),
        (
            r#"{"DateEquals":{"aws:CurrentTime":"2026-06-01T14:00:00+02:00"}}"#,
            true,
        ),
        (
            r#"{"DateNotEquals":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}}"#,
            false,
        ),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-02"}}"#, true),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2026-07"}}"#, true),
        (r#"{"DateLessThan":{"aws:CurrentTime":"1780315201"}}"#, true),
        (r#"{"DateLessThan":{"aws:CurrentTime":1780315200}}"#, false),
        (
            r#"{"DateLessThan":{"aws:EpochTime":"2026-06-01T12:00:01Z"}}"#,
            true,
        ),
        (r#"{"NumericLessThan":{"aws:EpochTime":1780315201}}"#, true),
        // A list is OR: that is why a date is merged and not appended.
        (
            r#"{"DateLessThan":{"aws:CurrentTime":["2020-01-01","2099-01-01"]}}"#,
            true,
        ),
        // No variables in dates.
        (
            r#"{"DateEquals":{"aws:CurrentTime":"${aws:CurrentTime}"}}"#,
            false,
        ),
    ]);
}

#[test]
fn a_missing_key_fails_a_condition_unless_it_is_negated_or_says_if_exists() {
    check(&[
        (r#"{"StringEquals":{"sts:ExternalId":"x"}}"#, false),
        (r#"{"StringEqualsIfExists":{"sts:ExternalId":"x"}}"#, true),
        (r#"{"StringNotEquals":{"sts:ExternalId":"x"}}"#, true),
        (r#"{"StringNotLike":{"sts:ExternalId":"*"}}"#, true),
        (r#"{"DateLessThan":{"x:Time":"2099-01-01"}}"#, false),
        (
            r#"{"DateLessThanEqualsIfExists":{"x:Time":"2000-01-01"}}"#,
            true,
        ),
        (r#"{"BoolIfExists":{"x:Flag":"true"}}"#, true),
        (r#"{"Bool":{"x:Flag":"false"}}"#, false),
        (r#"{"Null":{"sts:ExternalId":"true"}}"#, true),
        (r#"{"Null":{"sts:ExternalId":"false"}}"#, false),
        (r#"{"Null":{"aws:userid":"true"}}"#, false),
        (r#"{"Null":{"aws:userid":false}}"#, true),
        (r#"{"ForAllValues:StringEquals":{"x:Keys":"a"}}"#, true),
        (r#"{"ForAnyValue:StringEquals":{"x:Keys":"a"}}"#, false),
        (r#"{"ForAnyValue:StringNotEquals":{"x:Keys":"a"}}"#, false),
    ]);
}

#[test]
fn the_guards_clauses_fire_when_a_service_sends_no_time() {
    let mut context = context();
    context.unset("aws:CurrentTime");
    context.unset("aws:TokenIssueTime");
    let with = r#"{"DateGreaterThanEqualsIfExists":{"aws:CurrentTime":"2099-01-01T00:00:00Z"}}"#;
    let without = r#"{"DateGreaterThanEquals":{"aws:CurrentTime":"2000-01-01T00:00:00Z"}}"#;
    let cut = r#"{"DateLessThanEqualsIfExists":{"aws:TokenIssueTime":"2000-01-01T00:00:00Z"}}"#;
    assert!(holds_in(with, &context));
    assert!(holds_in(cut, &context));
    assert!(!holds_in(without, &context));
}

#[test]
fn several_values_are_any_for_a_positive_operator_and_none_for_a_negated_one() {
    check(&[
        (
            r#"{"StringEquals":{"aws:userid":["AROAX:bob","AROAX:alice"]}}"#,
            true,
        ),
        (
            r#"{"StringNotEquals":{"aws:userid":["AROAX:bob","AROAX:alice"]}}"#,
            false,
        ),
        (
            r#"{"StringNotEquals":{"aws:userid":["AROAX:bob","AROAX:carol"]}}"#,
            true,
        ),
        (
            r#"{"StringNotLike":{"aws:userid":["AROAX:b*","AROAX:a*"]}}"#,
            false,
        ),
        // Operators and keys are AND.
        (
            r#"{"StringLike":{"aws:userid":"AROAX:*"},"StringNotEquals":{"aws:userid":"AROAX:alice"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"aws:userid":"AROAX:alice","aws:username":"bob"}}"#,
            false,
        ),
        (
            r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","x"]}}"#,
            true,
        ),
        (
            r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}"#,
            false,
        ),
        (
            r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}"#,
            true,
        ),
        (
            r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["nothing"]}}"#,
            false,
        ),
    ]);
}

#[test]
fn strings_booleans_numbers_arns_and_addresses() {
    check(&[
        (r#"{"StringEquals":{"AWS:UserId":"AROAX:alice"}}"#, true),
        (r#"{"StringEquals":{"aws:userid":"arox:alice"}}"#, false),
        (
            r#"{"StringEqualsIgnoreCase":{"aws:userid":"aroax:ALICE"}}"#,
            true,
        ),
        (
            r#"{"StringNotEqualsIgnoreCase":{"aws:userid":"aroax:ALICE"}}"#,
            false,
        ),
        (r#"{"StringLike":{"aws:userid":"AROA?:al*"}}"#, true),
        (r#"{"StringLike":{"aws:userid":"AROAX:al"}}"#, false),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#, true),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":true}}"#, true),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, false),
        (
            r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}"#,
            true,
        ),
        (
            r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":300}}"#,
            false,
        ),
        (
            r#"{"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":300}}"#,
            true,
        ),
        (
            r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}"#,
            true,
        ),
        (
            r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/team/prod-admin"}}"#,
            true,
        ),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:*:role/*"}}"#, false),
        (
            r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}"#,
            false,
        ),
        (r#"{"IpAddress":{"aws:SourceIp":"10.1.0.0/16"}}"#, true),
        (
            r#"{"IpAddress":{"aws:SourceIp":["10.2.0.0/16","10.1.2.3"]}}"#,
            true,
        ),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
        (r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, false),
        (r#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#, false),
        (
            r#"{"StringEquals":{"aws:userid":"AROAX:${aws:username}"}}"#,
            true,
        ),
        (
            r#"{"StringEquals":{"aws:userid":"AROAX:${x:nothing}"}}"#,
            false,
        ),
        // A star that is meant as one is no wildcard.
        (r#"{"StringLike":{"aws:userid":"AROAX:${*}"}}"#, false),
        (r#"{"StringLike":{"aws:userid":"AROAX:alic${?}"}}"#, false),
        (r#"{"StringLike":{"x:marks":"${*}a${?}*"}}"#, true),
        (r#"{"StringEquals":{"x:marks":"${*}a${?}${$}"}}"#, true),
        (r#"{"StringSomething":{"aws:userid":"AROAX:alice"}}"#, false),
        ("{}", true),
    ]);
}

#[test]
fn variables_stand_for_values_only_in_the_newer_version() {
    for (version, expected) in [
        (r#""Version":"2012-10-17","#, Decision::Allowed),
        (r#""Version":"2008-10-17","#, Decision::ImplicitlyDenied),
        ("", Decision::ImplicitlyDenied),
    ] {
        let policy = format!(
            r#"{{{version}"Statement":{{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::1:user/${{aws:username}}"}}}}"#
        );
        let context = context();
        let request = Request {
            action: "iam:GetUser",
            resource: "arn:aws:iam::1:user/alice",
            context: &context,
            rules: Rules::default(),
        };
        assert_eq!(decide(&[policy], &request), expected, "{version}");
    }
}

#[test]
fn actions_and_resources_match_by_pattern_and_deny_wins() {
    let context = Context::default();
    let role = "arn:aws:iam::1:role/prod-admin";
    let request = Request {
        action: "iam:DeleteRolePolicy",
        resource: role,
        context: &context,
        rules: Rules::default(),
    };
    let statement = |effect: &str, rest: &str| {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}",{rest}}}]}}"#)
    };
    let one = |effect: &str, rest: &str| decide(&[statement(effect, rest)], &request);
    let all = r#""Action":"*","Resource":"*""#;
    assert_eq!(one("Allow", all), Decision::Allowed);
    assert_eq!(
        one("Allow", r#""Action":"IAM:delete*","Resource":"*""#),
        Decision::Allowed
    );
    assert_eq!(
        one("Allow", r#""NotAction":"iam:*","Resource":"*""#),
        Decision::ImplicitlyDenied
    );
    assert_eq!(
        one("Allow", r#""NotAction":"s3:*","Resource":"*""#),
        Decision::Allowed
    );
    assert_eq!(
        one(
            "Allow",
            r#""Action":"*","Resource":"arn:aws:iam::1:role/x*""#
        ),
        Decision::ImplicitlyDenied
    );
    assert_eq!(
        one(
            "Allow",
            r#""Action":"*","NotResource":"arn:aws:iam::1:role/x*""#
        ),
        Decision::Allowed
    );
    let deny = statement(
        "Deny",
        r#""Action":"iam:Delete*","Resource":"arn:aws:iam::1:role/prod-admin""#,
    );
    assert_eq!(
        decide(&[statement("Allow", all), deny], &request),
        Decision::ExplicitlyDenied
    );
    assert_eq!(decide::<String>(&[], &request), Decision::ImplicitlyDenied);
    assert_eq!(decide(&["no policy"], &request), Decision::ImplicitlyDenied);
}
