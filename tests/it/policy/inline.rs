//! The inline policies of grants on users: their names, their texts, and what is read from them.

use countersign::domain::part::PartKind;
use countersign::policy::capacity::size;
use countersign::policy::inline::{ENDED, Reach, Wording, compare, grant_of, name, reach, text};

use super::normal::normalised;
use super::*;

const INSTALLATION: &str = "0a1b2c3d";

fn switch() -> Allows {
    Allows::Role {
        arn: ROLE_ARN.to_owned(),
    }
}

fn statements(texts: &[&str]) -> Allows {
    Allows::Statements(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn rendered(allows: &Allows, console: bool) -> String {
    let grant = grant(1, ALICE, 0, 3600);
    text(allows, &grant, console, grant.deadline).unwrap()
}

#[test]
fn the_policy_of_a_switch_is_this_text() {
    let expected = concat!(
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"Countersign01j0000000e008000000000001","Effect":"Allow","#,
        r#""Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/prod-admin","Condition":{"#,
        r#""StringEquals":{"sts:RoleSessionName":["grant_01j0000000e008000000000001","alice"]},"#,
        r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"}}}]}"#,
    );
    assert_eq!(rendered(&switch(), true), expected);
    assert_eq!(
        rendered(&switch(), false),
        expected.replace(",\"alice\"", "")
    );
    assert!((330..=350).contains(&size(expected)), "{}", size(expected));
}

/// To the character: what stands in AWS has to be known again by a later release.
#[test]
fn ended_is_this_text_and_shorter_than_whatever_allows_something() {
    let expected = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*","Condition":{"NumericLessThan":{"aws:EpochTime":"1"}}}]}"#;
    assert_eq!(ENDED, expected);
    assert_eq!(size(ENDED), 151);
    let smallest = statements(&[r#"{"Effect":"Allow","Action":"a:b","Resource":"*"}"#]);
    assert!(size(ENDED) < size(&rendered(&smallest, false)));
}

#[test]
fn each_statement_of_an_entitlement_gets_the_deadline_beside_its_own_conditions() {
    let date = r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"}"#;
    for (frozen, expected) in [
        (
            r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
            format!(r#"{{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{{{date}}}}}"#),
        ),
        (
            r#"{"Condition":{},"Effect":"Allow"}"#,
            format!(r#"{{"Effect":"Allow","Condition":{{{date}}}}}"#),
        ),
        (
            r#"{"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
            format!(r#"{{"Effect":"Allow","Condition":{{"Bool":{{"aws:SecureTransport":"true"}},{date}}}}}"#),
        ),
        (
            r#"{"Effect":"Allow","Condition":{"DateLessThan":{"aws:TokenIssueTime":"x"},"Bool":{"a":"b"}}}"#,
            r#"{"Effect":"Allow","Condition":{"Bool":{"a":"b"},"DateLessThan":{"aws:TokenIssueTime":"x","aws:CurrentTime":"2026-12-01T01:00:00Z"}}}"#.to_owned(),
        ),
    ] {
        let both = rendered(&statements(&[frozen, frozen]), true);
        let whole = format!(r#"{{"Version":"2012-10-17","Statement":[{expected},{expected}]}}"#);
        assert_eq!(both, whole);
        let last = reach(&both);
        assert_eq!(last, Reach::Until(at(3600)));
    }
}

/// Nothing is put without a deadline, whatever the row says.
#[test]
fn what_cannot_be_dated_is_not_rendered() {
    let grant = grant(1, ALICE, 0, 3600);
    for broken in [
        "",
        "[]",
        r#"{"Effect":"Allow","Condition":7}"#,
        r#"{"Effect":"Allow","Condition":{"DateLessThan":"x"}}"#,
        r#"{"Effect":"Allow","Condition":{"Bool":{"a":"b"}},"Condition":{}}"#,
    ] {
        let whole = r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#;
        let frozen = statements(&[whole, broken]);
        assert_eq!(
            text(&frozen, &grant, false, grant.deadline),
            None,
            "{broken}"
        );
    }
}

#[test]
fn a_name_is_ours_where_it_is_exactly_that_of_a_grant_of_this_installation() {
    let ours = name(INSTALLATION, grant_id(1));
    assert_eq!(
        ours,
        "Countersign-0a1b2c3d-grant_01j0000000e008000000000001"
    );
    assert_eq!(grant_of(&ours, INSTALLATION), Some(grant_id(1)));
    for other in [
        "Countersign-0a1b2c3e-grant_01j0000000e008000000000001",
        "Countersign-0a1b2c3d-grant_01J0000000E008000000000001",
        "Countersign-0a1b2c3d-grant_01j0000000e00800000000000",
        "Countersign-0a1b2c3d-grant_01j0000000e0080000000000011",
        "Countersign-0a1b2c3d-grant_81j0000000e008000000000001",
        "Countersign-0a1b2c3d-grant_01j0000000e00800000000000l",
        "Countersign-0a1b2c3dgrant_01j0000000e008000000000001",
        "Countersign-0a1b2c3d-req_01j0000000e008000000000001",
        "countersign-0a1b2c3d-grant_01j0000000e008000000000001",
        "CountersignGuard",
        "Countersign-",
    ] {
        assert_eq!(grant_of(other, INSTALLATION), None, "{other}");
    }
}

#[test]
fn a_policy_is_compared_by_what_it_means() {
    let own = Grant {
        marks: Marks {
            console_since: Some(at(0)),
            ..Marks::default()
        },
        ..grant(1, ALICE, 0, 3600)
    };
    let (first, second) = (
        r#"{"Effect":"Allow","Action":["ec2:*"],"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"x"}"#,
    );
    for allows in [switch(), statements(&[first, second])] {
        let current = rendered(&allows, true);
        let compared = |read: &str| compare(read, &allows, &own, true);
        assert_eq!(compared(&current), Wording::Current);
        assert_eq!(compared(&normalised(&current)), Wording::Current);
        let earlier = text(&allows, &own, false, at(1800)).unwrap();
        assert_eq!(compared(&normalised(&earlier)), Wording::Earlier);
        let later = text(&allows, &own, true, at(3601)).unwrap();
        assert_eq!(
            compared(&later),
            Wording::Altered,
            "a later date is a hand's"
        );
        assert_eq!(
            compared(&current.replace("DateLessThan", "DateNotEquals")),
            Wording::Altered
        );
        assert_eq!(
            compared(&current.replace("Allow", "Deny")),
            Wording::Altered
        );
        assert_eq!(compared(&normalised(ENDED)), Wording::Ended);
        assert_eq!(compared("no JSON"), Wording::Altered);
    }
    let pins = rendered(&switch(), true);
    let unpinned = pins.replace(
        r#""StringEquals":{"sts:RoleSessionName":["grant_01j0000000e008000000000001","alice"]},"#,
        "",
    );
    assert_ne!(pins, unpinned);
    assert_eq!(compare(&unpinned, &switch(), &own, true), Wording::Altered);
    // Without the console name it is as it was sent first; with one that it has no more it is not.
    assert_eq!(
        compare(&rendered(&switch(), false), &switch(), &own, true),
        Wording::Earlier
    );
    assert_eq!(compare(&pins, &switch(), &own, false), Wording::Altered);
}

/// What is stored is read back: a document by its word, what a grant allows by its JSON.
#[test]
fn documents_and_what_is_allowed_have_a_stored_form() {
    let inline = DocumentKey::Inline(grant_id(1));
    for (key, word) in [
        (DocumentKey::Trust, "trust"),
        (DocumentKey::Guard, "guard"),
        (inline, "inline:grant_01j0000000e008000000000001"),
    ] {
        assert_eq!(key.to_string(), word);
        assert_eq!(DocumentKey::parse(word), Some(key));
    }
    for other in [
        "",
        "inline",
        "inline:",
        "inline:req_01j0000000e008000000000001",
        "Trust",
    ] {
        assert_eq!(DocumentKey::parse(other), None, "{other}");
    }
    let stored = [
        (
            switch(),
            r#"{"role":{"arn":"arn:aws:iam::111122223333:role/prod-admin"}}"#,
        ),
        (statements(&["{}"]), r#"{"statements":["{}"]}"#),
    ];
    for (allows, json) in stored {
        assert_eq!(serde_json::to_string(&allows).unwrap(), json);
        assert_eq!(serde_json::from_str::<Allows>(json).unwrap(), allows);
    }
    let mut known = target();
    assert_eq!(known.sent(inline), &Sent::default());
    known.sent_mut(inline).sent_at = Some(at(7));
    assert_eq!(known.sent(inline).sent_at, Some(at(7)));
    assert_eq!(
        known.sent(DocumentKey::Inline(grant_id(2))),
        &Sent::default()
    );
    let all: Vec<DocumentKey> = known.documents().map(|(key, _)| key).collect();
    assert_eq!(all, [DocumentKey::Trust, DocumentKey::Guard, inline]);
}

/// A grant's target is what its first part is on: the role, or the user where no role is opened.
#[test]
fn each_method_has_its_parts_and_its_target() {
    for method in Method::ALL {
        assert_eq!(Method::parse(method.as_str()), Some(method));
        assert_eq!(method.part(), method.parts()[0]);
        assert_eq!(method.opens_role(), method.part() != PartKind::Inline);
    }
    let writes_to_a_user = |it: &Method| it.parts().contains(&PartKind::Inline);
    let on_users: Vec<Method> = Method::ALL.into_iter().filter(writes_to_a_user).collect();
    assert_eq!(on_users, [Method::Switch, Method::Attach]);
}

#[test]
fn what_is_read_says_until_when_it_allows_anything() {
    let current = rendered(&switch(), true);
    let two = format!(
        r#"{{"Statement":[{},{}]}}"#,
        r#"{"Effect":"Allow","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"}}}"#,
        r#"{"Effect":"Allow","Condition":{"DateLessThan":{"aws:CurrentTime":["2026-12-01T02:00:00Z"]}}}"#,
    );
    for (read, expected) in [
        (current.as_str(), Reach::Until(at(3600))),
        (two.as_str(), Reach::Until(at(7200))),
        (ENDED, Reach::Nothing),
        (r#"{"Statement":[]}"#, Reach::Nothing),
        (r#"{"Statement":{"Effect":"Allow"}}"#, Reach::Longest),
        (
            r#"{"Statement":{"Effect":"Deny","Effect":"Allow"}}"#,
            Reach::Longest,
        ),
        ("no JSON", Reach::Longest),
    ] {
        assert_eq!(reach(read), expected, "{read}");
    }
    for (from, to) in [
        ("2026-12-01T01:00:00Z", "2026-12-01T01:00:00.000Z"),
        (
            "\"2026-12-01T01:00:00Z\"",
            r#"["2026-12-01T01:00:00Z","2030-12-01T01:00:00Z"]"#,
        ),
        ("aws:CurrentTime", "aws:TokenIssueTime"),
        ("DateLessThan", "DateGreaterThan"),
    ] {
        assert_eq!(reach(&current.replace(from, to)), Reach::Longest, "{to}");
    }
}
