//! What a role lets a person leave behind (docs/guard.md, C4): each kind found, and what clears it.

use countersign::domain::outlive::{Outlives, Through};
use countersign::policy::document::{Document, sid};
use countersign::policy::others::others;
use countersign::policy::outlive::{Permissions, Policy, of_role, of_statements, of_unguarded};

use super::{FOREIGN, ROLE_ARN};

const CLOSED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/carol"},"Action":"sts:AssumeRole"}]}"#;

fn policy(name: &str, statements: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        text: Ok(format!(
            r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#
        )),
    }
}

/// A statement with these members, as they stand in JSON.
fn statement(effect: &str, members: &str) -> String {
    format!(r#"{{"Effect":"{effect}",{members}}}"#)
}

fn allow(action: &str) -> String {
    statement("Allow", &format!(r#""Action":"{action}","Resource":"*""#))
}

fn deny(action: &str) -> String {
    statement("Deny", &format!(r#""Action":"{action}","Resource":"*""#))
}

/// A role with one policy of these statements.
fn role(statements: &str) -> Permissions {
    Permissions {
        trust: Policy {
            name: "the trust policy".to_owned(),
            text: Ok(CLOSED.to_owned()),
        },
        policies: vec![policy("inline policy all", statements)],
        boundary: None,
        inline_size: None,
        scope: vec![],
    }
}

fn kinds(found: &[Outlives]) -> Vec<Through> {
    let mut kinds: Vec<Through> = found.iter().map(|it| it.through).collect();
    kinds.dedup();
    kinds
}

fn found(known: &Permissions) -> Vec<Through> {
    kinds(&of_role(ROLE_ARN, known))
}

fn trusting(statement: &str) -> Vec<Outlives> {
    let mut known = role(&allow("s3:GetObject"));
    known.trust = policy("the trust policy", statement);
    of_role(ROLE_ARN, &known)
}

/// One action of each kind.
const EACH: [(&str, Through); 14] = [
    ("iam:CreateAccessKey", Through::WritingIam),
    ("IAM:putuserpolicy", Through::WritingIam),
    ("iam:MakeSomethingThatIsNew", Through::WritingIam),
    ("sts:AssumeRole", Through::AssumingRoles),
    ("sts:AssumeRoot", Through::AssumingRoles),
    ("iam:PassRole", Through::PassingRoles),
    ("iam:AcquireRole", Through::AcquiringRoles),
    ("iam:AcceptDelegationRequest", Through::AcceptingDelegation),
    ("sso:CreateAccountAssignment", Through::ManagingPeople),
    ("signin:CreateOAuth2Token", Through::SigningIn),
    ("sts:GetWebIdentityToken", Through::HoldingTokens),
    ("s3:PutBucketPolicy", Through::ManagingPermissions),
    ("kms:CreateGrant", Through::ManagingPermissions),
    ("lambda:UpdateFunctionCode", Through::RunningCode),
];

#[test]
fn each_kind_is_found_by_its_action_alone_and_told_with_its_statement() {
    for (action, kind) in EACH {
        let found = of_role(ROLE_ARN, &role(&allow(action)));
        assert_eq!(kinds(&found), [kind], "{action}");
        let [one] = found.as_slice() else {
            panic!("one of {action}: {found:?}");
        };
        assert_eq!(
            one.place().as_deref(),
            Some("statement 1 of inline policy all")
        );
        assert!(one.names[0].eq_ignore_ascii_case(action), "{one:?}");
        assert!(!one.conditional);
    }
    let named = r#""Sid":"Keys","Action":["s3:Get*","iam:*AccessKey"],"Resource":"*""#;
    let both = [allow("ec2:DescribeInstances"), statement("Allow", named)].join(",");
    let found = of_role(ROLE_ARN, &role(&both));
    let [one] = found.as_slice() else {
        panic!("one: {found:?}");
    };
    assert_eq!(
        one.place().as_deref(),
        Some("statement Keys of inline policy all")
    );
    assert_eq!(one.names, ["iam:CreateAccessKey", "iam:UpdateAccessKey"]);
}

#[test]
fn what_only_reads_is_not_found() {
    for action in [
        "s3:GetObject",
        "iam:Get*",
        "iam:List*",
        "iam:SimulatePrincipalPolicy",
        "iam:GenerateCredentialReport",
        "organizations:Describe*",
        "sso:List*",
        "sts:GetCallerIdentity",
        "kms:Decrypt",
    ] {
        assert_eq!(found(&role(&allow(action))), [], "{action}");
    }
}

#[test]
fn a_wildcard_and_what_is_not_excepted_are_every_kind() {
    let every: Vec<Through> = {
        let mut all: Vec<_> = EACH.iter().map(|(_, kind)| *kind).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    for members in [
        r#""Action":"*","Resource":"*""#,
        r#""NotAction":"s3:GetObject","Resource":"*""#,
        r#""NotAction":["iam:Get*","s3:GetObject"],"NotResource":"arn:aws:s3:::logs""#,
    ] {
        assert_eq!(
            found(&role(&statement("Allow", members))),
            every,
            "{members}"
        );
    }
    let but_iam = statement("Allow", r#""NotAction":["iam:*","sts:*"],"Resource":"*""#);
    let left = [
        Through::ManagingPeople,
        Through::SigningIn,
        Through::HoldingTokens,
        Through::ManagingPermissions,
        Through::RunningCode,
    ];
    assert_eq!(found(&role(&but_iam)), left);
}

#[test]
fn a_boundary_clears_what_it_does_not_allow_and_nothing_else() {
    for (action, kind) in EACH {
        let mut known = role(&allow(action));
        known.boundary = Some(policy("permissions boundary b", &allow("s3:Get*")));
        assert_eq!(found(&known), [], "{action}");
        // Somewhere, or under a condition, is not nowhere.
        let members = format!(
            r#""Action":"{action}","Resource":"arn:aws:x:::y","Condition":{{"Bool":{{"aws:SecureTransport":"true"}}}}"#
        );
        let allowing = statement("Allow", &members);
        known.boundary = Some(policy("permissions boundary b", &allowing));
        assert_eq!(found(&known), [kind], "{action}");
        // What it denies, it clears as any policy does.
        let denying = [allow("*"), deny(action)].join(",");
        known.boundary = Some(policy("permissions boundary b", &denying));
        assert_eq!(found(&known), [], "{action}");
        // Who is let in without any policy of the role is not kept out by its boundary.
        known.boundary = Some(policy("permissions boundary b", &allow("s3:Get*")));
        known.trust.text = Ok(FOREIGN.to_owned());
        assert_eq!(found(&known), [Through::TrustedService], "{action}");
    }
}

#[test]
fn what_sessions_are_limited_to_clears_what_none_of_it_allows() {
    let mut known = role(&allow("*"));
    known.scope = vec![
        policy("policy one", &allow("s3:Get*")),
        policy("policy two", &allow("iam:CreateUser")),
    ];
    assert_eq!(found(&known), [Through::WritingIam]);
    known.boundary = Some(policy("permissions boundary b", &allow("kms:*")));
    assert_eq!(found(&known), []);
}

#[test]
fn a_deny_clears_only_without_a_condition_and_on_every_resource() {
    for (action, kind) in EACH {
        let (service, _) = action.split_once(':').unwrap();
        let with = |members: &str| {
            let both = [allow("*"), statement("Deny", members)].join(",");
            of_role(ROLE_ARN, &role(&both))
        };
        let has = |members: &str| {
            with(members).iter().any(|it| {
                let mut names = it.names.iter();
                it.through == kind && names.any(|name| name.eq_ignore_ascii_case(action))
            })
        };
        let alone = |members: &str| {
            let both = [allow(action), statement("Deny", members)].join(",");
            found(&role(&both))
        };
        for clears in [
            format!(r#""Action":"{action}","Resource":"*""#),
            format!(r#""Action":["s3:GetObject","{service}:*"],"Resource":["*"]"#),
            r#""Action":"*","Resource":"*""#.to_owned(),
            r#""NotAction":"ec2:DescribeInstances","Resource":"*","Condition":{}"#.to_owned(),
        ] {
            assert!(!has(&clears), "{action}: {clears}");
            assert_eq!(alone(&clears), [], "{action}: {clears}");
        }
        for leaves in [
            format!(r#""Action":"{action}","Resource":"arn:aws:iam::111122223333:role/*""#),
            format!(r#""Action":"{action}","NotResource":"arn:aws:iam::111122223333:role/x""#),
            format!(
                r#""Action":"{action}","Resource":"*","Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"false"}}}}"#
            ),
            format!(r#""NotAction":"{action}","Resource":"*""#),
            r#""NotAction":"*:*","Resource":"*""#.to_owned(),
            // AWS promises no wildcard in a service's name.
            format!(r#""Action":"?{}","Resource":"*""#, &action[1..]),
        ] {
            assert_eq!(alone(&leaves), [kind], "{action}: {leaves}");
        }
    }
}

#[test]
fn a_condition_is_told_and_clears_nothing() {
    let members = r#""Action":"iam:CreateUser","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#;
    let found = of_role(ROLE_ARN, &role(&statement("Allow", members)));
    assert_eq!(kinds(&found), [Through::WritingIam]);
    assert!(found[0].conditional);
    assert!(found[0].to_string().ends_with(", under a condition"));
}

#[test]
fn what_the_shield_keeps_from_the_role_itself_counts_elsewhere_alone() {
    for (action, kind) in [
        ("iam:PutRolePolicy", Through::WritingIam),
        ("sts:AssumeRole", Through::AssumingRoles),
        ("iam:PassRole", Through::PassingRoles),
    ] {
        let on = |resources: &str| {
            let members = format!(r#""Action":"{action}","Resource":{resources}"#);
            found(&role(&statement("Allow", &members)))
        };
        let own = format!(r#""{ROLE_ARN}""#);
        assert_eq!(on(&own), [], "{action}");
        assert_eq!(on(&format!("[{own}]")), [], "{action}");
        let other = format!(r#"[{own},"arn:aws:iam::111122223333:role/other"]"#);
        assert_eq!(on(&other), [kind], "{action}");
        let like = format!(r#""{ROLE_ARN}*""#);
        assert_eq!(on(&like), [kind], "{action}");
    }
}

#[test]
fn whom_the_trust_policy_lets_in_without_us_is_told() {
    let to = |principal: &str| {
        let statement = format!(
            r#"{{"Sid":"Old","Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#
        );
        trusting(&statement)
    };
    let services = to(r#"{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"]}"#);
    assert_eq!(kinds(&services), [Through::TrustedService]);
    assert_eq!(
        services[0].names,
        ["ec2.amazonaws.com", "lambda.amazonaws.com"]
    );
    assert_eq!(
        services[0].place().as_deref(),
        Some("statement Old of the trust policy")
    );
    for own in [
        r#""*""#.to_owned(),
        r#"{"AWS":"*"}"#.to_owned(),
        r#"{"AWS":"arn:aws:iam::111122223333:root"}"#.to_owned(),
        r#"{"AWS":["arn:aws:iam::444455556666:root","111122223333"]}"#.to_owned(),
        format!(r#"{{"AWS":"{ROLE_ARN}"}}"#),
    ] {
        assert_eq!(kinds(&to(&own)), [Through::TrustedAccount], "{own}");
    }
    for other in [
        r#"{"AWS":"arn:aws:iam::444455556666:root"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/carol"}"#,
        r#"{"Federated":"arn:aws:iam::111122223333:saml-provider/idp"}"#,
    ] {
        assert_eq!(kinds(&to(other)), [], "{other}");
    }
    let excepting = r#"{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/carol"},"Action":"sts:AssumeRole"}"#;
    assert_eq!(kinds(&trusting(excepting)), [Through::TrustedAccount]);
    let denied = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#;
    assert_eq!(kinds(&trusting(denied)), []);
    let ours = r#"{"Sid":"Countersign01hzzzzzzzzzzzzzzzzzzzzzzz","Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:RoleSessionName":["grant_01hzzzzzzzzzzzzzzzzzzzzzzz"]}}}"#;
    assert_eq!(kinds(&trusting(ours)), [], "it has a deadline");
}

#[test]
fn what_could_not_be_read_is_told_and_clears_nothing() {
    let unread = |name: &str| Policy {
        name: name.to_owned(),
        text: Err("denied"),
    };
    let mut known = role(&allow("iam:CreateUser"));
    known.boundary = Some(unread("permissions boundary b"));
    assert_eq!(found(&known), [Through::Unread, Through::WritingIam]);
    known.boundary = Some(policy("permissions boundary b", &allow("s3:*")));
    known.policies.push(unread("the role's attached policies"));
    known.trust.text = Err("late");
    let all = of_role(ROLE_ARN, &known);
    assert_eq!(kinds(&all), [Through::Unread]);
    let told: Vec<_> = all
        .iter()
        .map(|it| format!("{} {it}", it.place().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "the role's attached policies could not be read: AWS does not let Countersign read it",
            "the trust policy could not be read: AWS did not answer in time",
        ]
    );
    // Nor does a limit whose one statement nobody understands.
    for broken in [
        r#"{"Effect":"Allow"}"#,
        r#"{"Effect":"Perhaps","Action":"s3:*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"s3:*","Action":"s3:*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":[1],"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"s3:*"}"#,
        "7",
    ] {
        let mut known = role(&allow("iam:CreateUser"));
        known.boundary = Some(policy("permissions boundary b", broken));
        assert_eq!(
            found(&known),
            [Through::Unread, Through::WritingIam],
            "{broken}"
        );
        let known = role(&[allow("iam:CreateUser"), broken.to_owned()].join(","));
        assert_eq!(found(&known), [Through::Unread], "{broken}");
    }
}

#[test]
fn a_list_that_nobody_reads_is_cut_and_says_so() {
    let many = vec![allow("iam:CreateUser"); 40].join(",");
    let both = [many, allow("sts:AssumeRole")].join(",");
    let all = of_role(ROLE_ARN, &role(&both));
    let kinds = kinds(&all);
    assert_eq!(
        kinds,
        [Through::WritingIam, Through::AssumingRoles, Through::More]
    );
    assert_eq!(all.len(), 8);
}

#[test]
fn what_is_attached_is_told_by_its_statements() {
    let found = of_statements(&[allow("s3:GetObject"), allow("s3:Put*Policy")]);
    assert_eq!(kinds(&found), [Through::ManagingPermissions]);
    assert_eq!(
        found[0].place().as_deref(),
        Some("statement 2 of what is attached")
    );
    let all = [
        "s3:PutBucketPolicy",
        "s3:PutAccessPointPolicy",
        "s3:PutMultiRegionAccessPointPolicy",
    ];
    assert_eq!(found[0].names, all);
    let found = of_statements(&[allow("s3:*")]);
    assert_eq!(found[0].names.len(), 10, "{found:?}");
    assert_eq!(of_statements(&[allow("s3:GetObject")]), []);
}

/// The guard's shield keeps a session from the role itself; where there is none, nothing does.
#[test]
fn without_a_guard_what_changes_the_role_itself_counts() {
    let own = |action: &str| {
        let members = format!(r#""Action":"{action}","Resource":"{ROLE_ARN}""#);
        role(&statement("Allow", &members))
    };
    for action in [
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "sts:AssumeRole",
        "iam:PassRole",
    ] {
        assert_eq!(found(&own(action)), [], "{action}");
        let unguarded = of_unguarded(ROLE_ARN, &own(action));
        assert_eq!(unguarded.len(), 1, "{action}: {unguarded:?}");
    }
    let elsewhere = role(&allow("iam:CreateAccessKey"));
    assert_eq!(
        of_unguarded(ROLE_ARN, &elsewhere),
        of_role(ROLE_ARN, &elsewhere)
    );
}

/// A Sid like that of a grant makes nothing a grant's: what pins another name is its author's, and
/// has no deadline.
#[test]
fn a_statement_whose_sid_only_looks_like_ours_is_told() {
    let own = super::grant_id(7);
    let named = |name: &str| {
        format!(
            r#"{{"Sid":"{}","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111122223333:root"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:RoleSessionName":["{name}"]}}}}}}"#,
            sid(own)
        )
    };
    assert_eq!(kinds(&trusting(&named("alice"))), [Through::TrustedAccount]);
    assert_eq!(kinds(&trusting(&named(&own.to_string()))), []);
    let others = |statement: &str| {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let named = statement.replace(":root", ":user/carol");
        let text = text.replace(statement, &named);
        others(&Document::parse(&text).unwrap(), ROLE_ARN, None)
    };
    assert_eq!(
        others(&named("alice")),
        ["arn:aws:iam::111122223333:user/carol"]
    );
    assert_eq!(others(&named(&own.to_string())), [""; 0]);
}
