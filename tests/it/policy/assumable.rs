//! Which roles Countersign may assume for people, by their trust policies.

use countersign::policy::assumable::{
    Lacking, check, statements, statements_with_tags, takes_tags,
};
use countersign::policy::document::Document;

const US: &str = "arn:aws:sts::111122223333:assumed-role/countersign-manager/i-0123456789";
const MANAGER: &str = "arn:aws:iam::111122223333:role/countersign-manager";

fn judge(statements: &str, us: &str) -> Result<(), Lacking> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    check(&Document::parse(&text).unwrap(), us)
}

/// Countersign's own two statements, changed.
fn changed(from: &str, to: &str) -> String {
    let own = statements(US);
    assert!(own.contains(from), "{from}");
    own.replace(from, to)
}

#[test]
fn the_statements_that_are_asked_for_are_what_is_taken() {
    insta::assert_snapshot!("assumable_statements", statements(US));
    assert_eq!(judge(&statements(US), US), Ok(()));
    let user = "arn:aws:iam::111122223333:user/countersign";
    assert_eq!(judge(&statements(user), user), Ok(()));
    assert_eq!(judge(&statements(user), US), Err(Lacking::Statement));
    for account in ["arn:aws:iam::111122223333:root", "111122223333", "*"] {
        assert_eq!(judge(&changed(MANAGER, account), US), Ok(()), "{account}");
    }
    // A role's path is not in the ARN of its sessions.
    let elsewhere = MANAGER.replace("role/", "role/ops/");
    assert_eq!(judge(&changed(MANAGER, &elsewhere), US), Ok(()));
}

#[test]
fn f10_who_lets_us_in_unpinned_is_refused() {
    let own = statements(US);
    for (principal, action) in [
        (MANAGER, "sts:AssumeRole"),
        (MANAGER, "sts:*"),
        (MANAGER, "STS:assume*"),
        ("arn:aws:iam::111122223333:root", "sts:AssumeRole"),
        ("111122223333", "sts:AssumeRole"),
        ("*", "*"),
    ] {
        let free = format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":["{principal}"]}},"Action":"{action}"}}"#
        );
        assert_eq!(judge(&free, US), Err(Lacking::Pins), "{free}");
        assert_eq!(
            judge(&format!("{own},{free}"), US),
            Err(Lacking::Pins),
            "{free}"
        );
    }
    for (from, to) in [
        (r#""sts:RoleSessionName":"grant_*","#, ""),
        (
            r#""sts:RoleSessionName":"grant_*""#,
            r#""sts:RoleSessionName":["grant_*","ops"]"#,
        ),
        (
            r#""sts:RoleSessionName":"grant_*""#,
            r#""sts:RoleSessionName":"*""#,
        ),
        (
            r#""StringLike":{"sts:RoleSessionName""#,
            r#""StringLikeIfExists":{"sts:RoleSessionName""#,
        ),
    ] {
        assert_eq!(judge(&changed(from, to), US), Err(Lacking::Pins), "{to}");
    }
}

#[test]
fn who_does_not_let_us_in_is_told_what_to_add() {
    let foreign = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sts:AssumeRole"}"#;
    assert_eq!(judge(foreign, US), Err(Lacking::Statement));
    let service = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
    assert_eq!(judge(service, US), Err(Lacking::Statement));
    let (from, to) = ("sts:SetSourceIdentity", "sts:TagSession");
    assert_eq!(judge(&changed(from, to), US), Err(Lacking::Statement));
    let one = changed("grant_*", "grant_0*");
    assert_eq!(
        judge(&one, US),
        Err(Lacking::Statement),
        "only some grants' names"
    );
}

/// The third statement lets us tag our sessions, and takes nothing away from the other two.
#[test]
fn whether_we_may_tag_our_sessions_is_asked_apart() {
    let with = statements_with_tags(US);
    assert!(with.starts_with(&statements(US)));
    assert_eq!(judge(&with, US), Ok(()));
    let takes = |statements: &str, us: &str| {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        takes_tags(&Document::parse(&text).unwrap(), us)
    };
    assert!(takes(&with, US));
    assert!(!takes(&statements(US), US));
    let denies = with.replace("\"Effect\":\"Allow\"", "\"Effect\":\"Deny\"");
    assert!(!takes(&denies, US));
    let other = "arn:aws:iam::444455556666:role/other";
    assert!(!takes(&with, other), "somebody else's");
}
