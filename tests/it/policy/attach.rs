//! Which policies may be attached to people's own users: the catalog's rules, T5, T6 and T7 of
//! docs/carrier.md.

use countersign::policy::attach::{Refused, check, managing};
use countersign::policy::pattern::overlap;
use countersign::policy::session::Unfit;

fn policy(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

fn of_action(action: &str) -> String {
    policy(&format!(
        r#"{{"Effect":"Allow","Action":"{action}","Resource":"*"}}"#
    ))
}

fn of_condition(condition: &str) -> String {
    policy(&format!(
        r#"{{"Effect":"Allow","Action":"ec2:StartInstances","Resource":"*","Condition":{condition}}}"#
    ))
}

/// Why a policy is refused, in one word.
fn verdict(policy: &str) -> &'static str {
    match check(policy, false) {
        Ok(_) => "taken",
        Err(Refused::NotAPolicy(Unfit::NotAPolicy)) => "no policy",
        Err(Refused::NotAPolicy(_)) => "not whole",
        Err(Refused::Twice(_)) => "twice",
        Err(Refused::Key(_)) => "key",
        Err(Refused::Deny) => "deny",
        Err(Refused::NotAnAction(_)) => "no action",
        Err(Refused::Outlives { .. }) => "outlives",
        Err(Refused::Operator(_)) => "operator",
        Err(Refused::Dated(_)) => "dated",
        Err(Refused::SecondFactor(_)) => "second factor",
        Err(Refused::Pinned) => "pinned",
        Err(Refused::TooLong(_)) => "too long",
    }
}

#[test]
fn t5_t6_t7_what_may_be_attached_for_a_time() {
    let mut rows: Vec<(&str, String)> = Vec::new();
    // T5: what hands out access that outlives the grant, by whatever pattern can mean it.
    for action in [
        "*",
        "*:*",
        "s*:*",
        "?ts:AssumeRole",
        "sts:*",
        "sts:Assume*",
        "STS:assumerole",
        "sts:AssumeRoleWithSAML",
        "sts:GetSessionToken",
        "sts:Get*",
        "sts:GetFederationToken",
        "*:AssumeRole",
        "iam:*",
        "i*:*",
        "i*:PassRole",
        "iam:P?ssRole",
        "IAM:passrole",
        "iam:CreateAccessKey",
        "iam:G*",
        "iam:Generate*",
        "iam:?*",
        "iam:*Policy",
        "iam:Put*",
        "iam:SetDefaultPolicyVersion",
        "ia?:Upd*",
        "organizations:ListAccounts",
        "org*:List*",
        "sso:GetProfile",
        "sso-directory:ListUsers",
        "ss*:Get*",
        "signin:ListSessions",
        "account:GetContactInformation",
        "acc*:*",
        "iam:UploadSSHPublicKey",
        "sts:AFutureAction",
        "iam:AFutureAction",
    ] {
        rows.push(("outlives", of_action(action)));
    }
    for action in [
        "ec2:StartInstances",
        "ec2:*",
        "s3:Get*",
        "S3:PutBucketPolicy",
        "ssm:StartSession",
        "iam:Get*",
        "iam:GetUser",
        "iam:List*",
        "iam:SimulatePrincipalPolicy",
        "ia?:Get*",
        "sts:GetCallerIdentity",
        "sts:DecodeAuthorizationMessage",
        "sts:TagSession",
        "sqs:*",
        "access-analyzer:*",
        "iot:*",
        "sns:*",
    ] {
        rows.push(("taken", of_action(action)));
    }
    for action in [
        "",
        "ec2",
        "ec2:",
        ":StartInstances",
        "ec2:Start Instances",
        "ec2:${aws:username}",
        "ec2:a:b",
        "*Role",
    ] {
        rows.push(("no action", of_action(action)));
    }
    let whole = r#""Effect":"Allow","Action":"ec2:*","Resource":"*""#;
    rows.extend([
        ("taken", policy(&format!("{{{whole}}}"))),
        ("taken", policy(&format!(r#"{{"Sid":"Start",{whole}}},{{{whole}}}"#))),
        ("taken", format!(r#"{{"Id":"x","Version":"2012-10-17","Statement":{{{whole}}}}}"#)),
        ("deny", policy(r#"{"Effect":"Deny","Action":"ec2:*","Resource":"*"}"#)),
        ("deny", policy(&format!(r#"{{{whole}}},{{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#))),
        ("not whole", policy(r#"{"Effect":"allow","Action":"ec2:*","Resource":"*"}"#)),
        ("key", policy(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#)),
        ("key", policy(r#"{"Effect":"Allow","Action":"s3:*","NotResource":"x"}"#)),
        ("key", policy(r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*","Foo":1}"#)),
        ("key", format!(r#"{{"Version":"2012-10-17","Statement":[{{{whole}}}],"Extra":1}}"#)),
        ("not whole", policy(&format!(r#"{{{whole},"Principal":"*"}}"#))),
        ("not whole", policy(&format!(r#"{{{whole},"NotPrincipal":{{"AWS":"*"}}}}"#))),
        ("not whole", policy(r#"{"Effect":"Allow","Resource":"*"}"#)),
        ("not whole", policy(r#"{"Effect":"Allow","Action":"ec2:*"}"#)),
        ("not whole", policy(r#"{"Action":"ec2:*","Resource":"*"}"#)),
        ("not whole", policy(r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#)),
        ("not whole", policy(r#"{"Effect":"Allow","Action":7,"Resource":"*"}"#)),
        ("not whole", policy(r#"{"Effect":"Allow","Action":["ec2:*",["iam:*","s3:*"]],"Resource":"*"}"#)),
        ("outlives", policy(r#"{"Effect":"Allow","Action":["ec2:*",["iam:*"]],"Resource":"*"}"#)),
        ("outlives", policy(r#"{"Effect":"Allow","Action":["ec2:*","iam:*"],"Resource":"*"}"#)),
        ("no policy", policy("")),
        ("no policy", "[]".to_owned()),
        ("no policy", String::new()),
        ("no policy", format!(r#"{{"Statement":[{{{whole}}}]}}"#)),
        ("no policy", format!(r#"{{"Version":"2008-10-17","Statement":[{{{whole}}}]}}"#)),
        // T7: keys that stand twice, in whatever spelling.
        ("twice", policy(&format!(r#"{{{whole},"Effect":"Allow"}}"#))),
        ("twice", policy(&format!(r#"{{{whole},"action":"iam:*"}}"#))),
        ("twice", policy(&format!(r#"{{{whole},"Condition":{{}},"Condition":{{"Bool":{{"a":"b"}}}}}}"#))),
        ("twice", format!(r#"{{"Version":"2012-10-17","Statement":[{{{whole}}}],"Statement":[]}}"#)),
        ("twice", of_condition(r#"{"StringEquals":{"aws:SourceVpc":"a","AWS:sourcevpc":"b"}}"#)),
        ("twice", of_condition(r#"{"DateLessThan":{"aws:TokenIssueTime":"a"},"DateLessThan":{"aws:CurrentTime":"b"}}"#)),
        ("twice", of_condition(r#"{"Bool":{"a":"b"},"bool":{"a":"b"}}"#)),
    ]);
    // T7: the deadline is nobody's but ours.
    for operator in [
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThanIfExists",
        "ForAllValues:DateLessThan",
        "ForAnyValue:DateLessThan",
        "ForAnyValue:DateGreaterThanIfExists",
    ] {
        for key in ["aws:CurrentTime", "AWS:currenttime", "aws:currentTIME"] {
            rows.push((
                "dated",
                of_condition(&format!(
                    r#"{{"{operator}":{{"{key}":"2030-01-01T00:00:00Z"}}}}"#
                )),
            ));
        }
        rows.push((
            "taken",
            of_condition(&format!(
                r#"{{"{operator}":{{"aws:TokenIssueTime":"2030-01-01T00:00:00Z"}}}}"#
            )),
        ));
    }
    // A second block hides none.
    let second = r#"{"Bool":{"aws:SecureTransport":"true"},"DateLessThan":{"aws:TokenIssueTime":"x","AWS:currenttime":"y"}}"#;
    rows.push(("dated", of_condition(second)));
    for operator in [
        "datelessthan",
        "dateLessThan",
        "DATELESSTHAN",
        "StringMatches",
        "forallvalues:StringEquals",
        "ForAllValues:ForAnyValue:Bool",
        "BoolIfExistsIfExists",
    ] {
        rows.push((
            "operator",
            of_condition(&format!(r#"{{"{operator}":{{"aws:username":"x"}}}}"#)),
        ));
    }
    rows.extend([
        ("taken", of_condition("{}")),
        ("taken", of_condition(r#"{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8"]}}"#)),
        ("taken", of_condition(r#"{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a*"]},"Null":{"aws:TokenIssueTime":"true"}}"#)),
        ("no policy", of_condition(r#""x""#)),
        ("no policy", of_condition(r#"{"Bool":"x"}"#)),
        ("too long", of_action("ec2:StartInstances").replace("\"*\"", &format!("\"{}\"", "x".repeat(2_000)))),
    ]);
    for (expected, policy) in rows {
        assert_eq!(verdict(&policy), expected, "{policy}");
    }
}

/// T6: with these she may write herself into a resource's own policy, and stay.
#[test]
fn t6_approvers_are_shown_what_gives_others_access() {
    let frozen = |policy: &str| check(policy, false).unwrap();
    let shown = |action: &str| managing(&frozen(&of_action(action)));
    assert_eq!(shown("s3:GetObject"), [""; 0]);
    assert_eq!(shown("kms:Create*"), ["kms:CreateGrant"]);
    assert_eq!(shown("KMS:createGRANT"), ["kms:CreateGrant"]);
    assert_eq!(shown("?q?:AddPermission"), ["sqs:AddPermission"]);
    assert_eq!(shown("sns:Add*"), ["sns:AddPermission"]);
    for action in [
        "s3:PutBucketPolicy",
        "s3:PutBucketAcl",
        "s3:PutObjectAcl",
        "kms:CreateGrant",
        "kms:PutKeyPolicy",
        "lambda:AddPermission",
        "sns:AddPermission",
        "sqs:AddPermission",
        "secretsmanager:PutResourcePolicy",
        "ecr:SetRepositoryPolicy",
        "ram:CreateResourceShare",
    ] {
        assert_eq!(shown(action), [action]);
    }
    let two = r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Allow","Action":["ec2:Run*","ecr:Set*"],"Resource":"*"}"#;
    assert_eq!(
        managing(&frozen(&policy(two))),
        [
            "kms:CreateGrant",
            "ecr:SetRepositoryPolicy",
            "kms:PutKeyPolicy"
        ]
    );
}

#[test]
fn two_patterns_overlap_where_one_text_fits_both() {
    for (one, other, expected) in [
        ("", "", true),
        ("", "*", true),
        ("", "?", false),
        ("a", "a", true),
        ("a", "A", false),
        ("a*", "*b", true),
        ("a*b", "ac", false),
        ("a?c", "*bc", true),
        ("a?c", "?d?", true),
        ("a?c", "?d", false),
        ("*a*", "*b*", true),
        ("ab*", "a*c", true),
        ("ab*", "ac*", false),
        ("*?", "", false),
        ("x*y*z", "xyz", true),
        ("x*y*z", "xz", false),
    ] {
        assert_eq!(overlap(one, other), expected, "{one} {other}");
        assert_eq!(overlap(other, one), expected, "{other} {one}");
    }
    // Nobody keeps the program busy with stars.
    assert!(!overlap(
        &"*a".repeat(500),
        &format!("{}b", "a*".repeat(500))
    ));
}

/// What is taken is frozen statement by statement, minified and otherwise as it stands there.
#[test]
fn what_is_frozen_says_what_was_written() {
    let written = "{ \"Version\": \"2012-10-17\", \"Statement\": [\n { \"Resource\": [\"*\"], \"Action\" : \"ec2:*\", \"Effect\": \"Allow\" }, {\"Effect\":\"Allow\",\"Action\":\"s3:Get*\",\"Resource\":\"a b\"}]}";
    assert_eq!(
        check(written, false).unwrap(),
        [
            r#"{"Resource":["*"],"Action":"ec2:*","Effect":"Allow"}"#,
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"a b"}"#,
        ]
    );
}
