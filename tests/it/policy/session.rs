//! The policy of a session that is handed out: its three forms, and what it never is.

use countersign::domain::entitlement::{PolicyArns, Scope};
use countersign::policy::session::{SESSION_QUOTA, Unfit, duration, expiration, policy};

use super::*;

const ALLOWED: &str = r#"{"Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::two words/*"}]}"#;

fn arns(all: &[&str]) -> Scope {
    let all: Vec<String> = all.iter().map(|it| (*it).to_owned()).collect();
    Scope::PolicyArns(PolicyArns::try_from(all).unwrap())
}

fn down(text: &str) -> Scope {
    Scope::ScopeDown(text.to_owned())
}

#[test]
fn its_three_forms_to_the_character() {
    let whole = policy(&Scope::Role, at(3600)).unwrap();
    insta::assert_snapshot!("session_whole", whole);
    assert_eq!(whole.len(), 220);
    let scoped = policy(&down(ALLOWED), at(3600)).unwrap();
    insta::assert_snapshot!("session_scoped_down", scoped);
    let managed = policy(&arns(&["arn:aws:iam::aws:policy/ReadOnlyAccess"]), at(3600)).unwrap();
    insta::assert_snapshot!("session_managed", managed);
    assert_eq!(managed.len(), 173);
}

/// A Deny alone, with no managed policy beside it, would be a session that can do nothing.
#[test]
fn a_deny_alone_cannot_be_said() {
    assert!(PolicyArns::try_from(Vec::new()).is_err());
    assert!(serde_json::from_str::<Scope>(r#"{"policy_arns":[]}"#).is_err());
    let empty = r#"{"Version":"2012-10-17","Statement":[]}"#;
    assert_eq!(policy(&down(empty), at(0)), Err(Unfit::NotAPolicy));
}

#[test]
fn what_sts_would_not_take_or_would_take_otherwise_is_refused() {
    let version = ALLOWED.replace("2012-10-17", "2008-10-17");
    let principal = ALLOWED.replace("\"Action\"", "\"Principal\": \"*\", \"Action\"");
    let long = ALLOWED.replace("two words", &"x".repeat(SESSION_QUOTA));
    for (text, why) in [
        ("allow everything", Unfit::NotAPolicy),
        (r#"{"Version":"2012-10-17"}"#, Unfit::NotAPolicy),
        (&version, Unfit::NotAPolicy),
        (&principal, Unfit::NotItsOwn),
        (
            &ALLOWED.replace("\"Resource\"", "\"resource\""),
            Unfit::NotItsOwn,
        ),
        (&ALLOWED.replace("\"Allow\"", "\"allow\""), Unfit::NotItsOwn),
        (&long, Unfit::TooLong(2288)),
    ] {
        assert_eq!(policy(&down(text), at(0)), Err(why), "{text}");
    }
    let many = ["arn:aws:iam::aws:policy/ReadOnlyAccess"; 11];
    assert_eq!(policy(&arns(&many), at(0)), Err(Unfit::TooMany));
}

/// F7: STS gives no session shorter than 15 minutes; what is told is when it stops to work.
#[test]
fn f7_it_is_over_at_the_deadline_whatever_sts_says() {
    for (left, asked) in [(60, 900), (899, 900), (1800, 1800), (36_000, 3600)] {
        assert_eq!(duration(at(left), at(0)).num_seconds(), asked);
    }
    assert_eq!(expiration(at(900), at(180)), at(180));
    assert_eq!(expiration(at(3600), at(36_000)), at(3600));
}

#[test]
fn what_was_stored_of_older_terms_says_all_that_the_role_may() {
    let stored = |scope: &str| serde_json::from_str::<Scope>(scope).unwrap();
    assert_eq!(Scope::default(), Scope::Role);
    let scoped = down(ALLOWED);
    assert_eq!(stored(&serde_json::to_string(&scoped).unwrap()), scoped);
}
