//! Who vouches for the session names of a role that people come as.

use countersign::policy::authority::check;

const DEVELOPERS: &str = "arn:aws:iam::111122223333:role/Developers";
const SSO: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Dev_0123456789abcdef";

const SAML: &str = r#"{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/corp"},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"]}"#;
const OWN: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}}"#;

fn told(role: &str, version: &str, statements: &[String]) -> String {
    let text = format!(r#"{{{version}"Statement":[{}]}}"#, statements.join(","));
    check(role, &text).map_or_else(|unvouched| unvouched.to_string(), |()| "vouched".to_owned())
}

fn of(statement: &str) -> String {
    told(
        DEVELOPERS,
        r#""Version":"2012-10-17","#,
        &[statement.to_owned()],
    )
}

/// Each by one change of what is taken, so that nothing but the change is refused.
#[test]
fn c6_a_name_that_its_caller_may_choose_says_nothing() {
    let user = OWN.replace(":root", ":user/team/alice");
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#;
    let more = OWN.replace(
        r#""Condition":{"#,
        r#""Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"#,
    );
    let none = SAML.replace(r#""sts:AssumeRoleWithSAML",""#, "\"");
    for taken in [
        SAML,
        OWN,
        &user,
        deny,
        &more,
        &none,
        &OWN.replace(r#""arn:aws:iam::111122223333:root""#, r#"["111122223333"]"#),
    ] {
        assert_eq!(of(taken), "vouched", "{taken}");
    }
    let pin = r#""StringEquals":{"sts:RoleSessionName":"${aws:username}"}"#;
    let account = "arn:aws:iam::111122223333:root";
    let saml = "arn:aws:iam::111122223333:saml-provider/corp";
    let rows: [(&str, &str, &str, &str); 22] = [
        (OWN, pin, "", "does not pin"),
        (OWN, "StringEquals", "StringEqualsIfExists", "does not pin"),
        (OWN, "StringEquals", "StringLike", "does not pin"),
        (
            OWN,
            "StringEquals",
            "ForAnyValue:StringEquals",
            "does not pin",
        ),
        (OWN, "StringEquals", "StringNotEquals", "does not pin"),
        (
            OWN,
            r#""${aws:username}""#,
            r#"["${aws:username}","bob"]"#,
            "does not pin",
        ),
        (OWN, r#""${aws:username}""#, "[]", "does not pin"),
        (OWN, "${aws:username}", "${aws:userid}", "does not pin"),
        (
            OWN,
            "sts:RoleSessionName",
            "sts:SourceIdentity",
            "does not pin",
        ),
        (
            OWN,
            r#"{"sts:RoleSessionName""#,
            r#"{"sts:RoleSessionName":"x","sts:RoleSessionName""#,
            "does not pin",
        ),
        (
            OWN,
            account,
            "arn:aws:iam::444455556666:root",
            "others than identities of the role's own account",
        ),
        (
            OWN,
            account,
            "arn:aws:iam::444455556666:user/alice",
            "others than identities of the role's own account",
        ),
        (
            OWN,
            account,
            "*",
            "others than identities of the role's own account",
        ),
        (
            OWN,
            r#"{"AWS":"arn:aws:iam::111122223333:root"}"#,
            "\"*\"",
            "others than identities of the role's own account",
        ),
        (
            OWN,
            r#""AWS":"#,
            r#""Service":"ec2.amazonaws.com","AWS":"#,
            "others than identities of the role's own account",
        ),
        (
            OWN,
            r#""Principal""#,
            r#""NotPrincipal""#,
            "others than identities of the role's own account",
        ),
        (OWN, r#""sts:AssumeRole""#, r#""sts:*""#, "by a pattern"),
        (
            OWN,
            r#""Action""#,
            r#""NotAction""#,
            "does not name its actions",
        ),
        (
            SAML,
            saml,
            "cognito-identity.amazonaws.com",
            "others than SAML providers",
        ),
        (
            SAML,
            saml,
            "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com",
            "others than SAML providers",
        ),
        (
            SAML,
            r#""Federated""#,
            r#""AWS""#,
            "others than SAML providers",
        ),
        (
            SAML,
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoleWithWebIdentity",
        ),
    ];
    for (taken, old, new, why) in rows {
        let changed = taken.replace(old, new);
        assert_ne!(changed, taken);
        let told = of(&changed);
        assert!(
            told.starts_with("statement 1 ") && told.contains(why),
            "{changed}: {told}"
        );
    }
}

/// One statement that lets in otherwise is enough, and is named.
#[test]
fn the_statement_is_named() {
    let sid = r#"{"Sid":"AnyName","#;
    let any = OWN
        .replace("{\"Effect\"", &format!("{sid}\"Effect\""))
        .replace("StringEquals", "StringLike");
    let version = r#""Version":"2012-10-17","#;
    let told_of = told(DEVELOPERS, version, &[SAML.to_owned(), any]);
    assert!(
        told_of.starts_with(r#"statement "AnyName" does not pin"#),
        "{told_of}"
    );
    let third = OWN.replace(":root", ":root2");
    let told_of = told(
        DEVELOPERS,
        version,
        &[SAML.to_owned(), OWN.to_owned(), third],
    );
    assert!(told_of.starts_with("statement 3 lets in"), "{told_of}");
    // A policy of 2008 has no variables: the name would be the text itself.
    for version in ["", r#""Version":"2008-10-17","#] {
        assert!(told(DEVELOPERS, version, &[OWN.to_owned()]).contains("2012-10-17"));
        assert_eq!(told(DEVELOPERS, version, &[SAML.to_owned()]), "vouched");
    }
    assert_eq!(
        check(DEVELOPERS, "{}").unwrap_err().statement,
        "its trust policy"
    );
}

/// Identity Center gives the sessions of its roles, whatever their trust policies say. A path that
/// only looks like its own is somebody's.
#[test]
fn identity_centers_roles_are_known_by_their_path() {
    let any = OWN.replace("StringEquals", "StringLike");
    let version = r#""Version":"2012-10-17","#;
    let by = |arn: &str| told(arn, version, std::slice::from_ref(&any)) == "vouched";
    assert!(by(SSO));
    for other in [
        "arn:aws:iam::111122223333:role/AWSReservedSSO_Dev_0123456789abcdef",
        "arn:aws:iam::111122223333:role/team/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev",
        "arn:aws:iam::111122223333:role/aws-reserved/other.amazonaws.com/AWSReservedSSO_Dev",
        "arn:aws:iam::111122223333:user/aws-reserved/sso.amazonaws.com/x",
    ] {
        assert!(!by(other), "{other}");
    }
}
