//! What roles and entitlements ask for beside the name, in the documents: a second factor and an
//! external ID (H7 and H8 of docs/guard.md).

use countersign::domain::demands::ExternalId;
use countersign::policy::attach::{Refused, check};
use countersign::policy::capacity::{Booking, Seat, size};
use countersign::policy::inline::{self, Asks};
use countersign::policy::trust::{self, Admitted};

use super::*;

const ID: &str = "vendor-7f3d2a8e-4c51-4b6f-9a2e-51c0ef";

fn demands(mfa: bool, external_id: Option<&str>) -> Demands {
    Demands {
        mfa,
        external_id: external_id.map(|id| ExternalId::parse(id).unwrap()),
    }
}

fn asking(demands: Demands) -> Grant {
    Grant {
        demands,
        ..grant(1, ALICE, 0, 3600)
    }
}

fn seat(demands: &Demands) -> usize {
    let seat = Seat {
        principal: Admitted {
            arn: PEOPLE[ALICE].0,
            userid: None,
        },
        console_name: Some("alice"),
        demands,
    };
    seat.size()
}

#[test]
fn a_statement_asks_for_it_in_these_words() {
    let both = asking(demands(true, Some(ID)));
    let expected = concat!(
        r#"{"Sid":"Countersign01j0000000e008000000000001","Effect":"Allow","#,
        r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"sts:AssumeRole","Condition":{"#,
        r#""StringEquals":{"sts:RoleSessionName":["grant_01j0000000e008000000000001"],"#,
        r#""sts:ExternalId":"vendor-7f3d2a8e-4c51-4b6f-9a2e-51c0ef"},"#,
        r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"},"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#,
    );
    assert_eq!(trust::of(&both, false, both.deadline), expected);
    let with_mfa = asking(demands(true, None));
    assert_eq!(
        trust::of(&with_mfa, false, both.deadline),
        expected.replace(&format!(r#","sts:ExternalId":"{ID}""#), "")
    );
    let with_id = asking(demands(false, Some(ID)));
    assert_eq!(
        trust::of(&with_id, false, both.deadline),
        expected.replace(r#","Bool":{"aws:MultiFactorAuthPresent":"true"}"#, "")
    );
}

/// The room that is asked for before anybody approves is what the statement will take.
#[test]
fn what_is_asked_for_is_counted_beforehand() {
    let nothing = seat(&Demands::default());
    let mfa = demands(true, None);
    assert_eq!(seat(&mfa), nothing + 45);
    let both = demands(true, Some(ID));
    assert_eq!(seat(&both), nothing + 45 + 20 + ID.len());
    let allows = Allows::Role {
        arn: ROLE_ARN.to_owned(),
    };
    let wanted = |mfa| {
        let asks = Asks {
            mfa,
            userid: None,
            until: at(3600),
        };
        let booked = Booking::wanted(&allows, Some("alice"), at(0), asks);
        booked.unwrap().size
    };
    assert_eq!(wanted(true), wanted(false) + 45);
    let stands = Booking::of(&allows, &asking(mfa)).unwrap();
    assert_eq!(stands.size, wanted(true));
    assert!((375..=395).contains(&stands.size), "{}", stands.size);
}

#[test]
fn the_policy_of_a_switch_asks_for_a_second_factor_and_leaves_the_id_to_the_role() {
    let allows = Allows::Role {
        arn: ROLE_ARN.to_owned(),
    };
    let text = |demands| inline::text(&allows, &asking(demands), false, at(3600)).unwrap();
    let without = text(Demands::default());
    let bool = r#","Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}"#;
    assert_eq!(text(demands(true, None)), without.replace("}}]}", bool));
    assert_eq!(text(demands(false, Some(ID))), without);
}

#[test]
fn each_statement_that_is_attached_asks_for_a_second_factor() {
    for (frozen, expected) in [
        (
            r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"},"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#,
        ),
        (
            r#"{"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":"true"},"Null":{"a":"true"}}}"#,
            r#"{"Effect":"Allow","Condition":{"Null":{"a":"true"},"DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"},"Bool":{"aws:SecureTransport":"true","aws:MultiFactorAuthPresent":"true"}}}"#,
        ),
    ] {
        let allows = Allows::Statements(vec![frozen.to_owned(), frozen.to_owned()]);
        let text = inline::text(&allows, &asking(demands(true, None)), false, at(3600));
        let whole = format!(r#"{{"Version":"2012-10-17","Statement":[{expected},{expected}]}}"#);
        assert_eq!(text.unwrap(), whole);
    }
}

/// One that contradicts ours, or says it twice, is nobody's to read.
#[test]
fn what_is_attached_with_a_second_factor_says_nothing_of_its_own_about_it() {
    let policy = |condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{condition}}}}}"#
        )
    };
    for condition in [
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
        r#"{"Bool":{"AWS:multifactorauthpresent":"false"}}"#,
        r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#,
        r#"{"Null":{"aws:MultiFactorAuthPresent":"true"}}"#,
    ] {
        let policy = policy(condition);
        let refused = check(&policy, true);
        assert!(matches!(refused, Err(Refused::SecondFactor(_))), "{policy}");
        assert!(check(&policy, false).is_ok(), "{policy}");
    }
    // 45 characters more for each statement.
    let long = policy(&format!(
        r#"{{"StringLike":{{"a:b":"{}"}}}}"#,
        "x".repeat(1_800)
    ));
    let spare = 2_048 - size(&inline_of(&long));
    let fitting = policy(&format!(
        r#"{{"StringLike":{{"a:b":"{}"}}}}"#,
        "x".repeat(1_800 + spare)
    ));
    assert!(check(&fitting, false).is_ok());
    assert!(matches!(
        check(&fitting, true),
        Err(Refused::TooLong(2_093))
    ));
}

/// What stands on a user of such a policy.
fn inline_of(policy: &str) -> String {
    let frozen = check(policy, false).unwrap();
    inline::text(
        &Allows::Statements(frozen),
        &grant(1, ALICE, 0, 3600),
        false,
        at(3600),
    )
    .unwrap()
}
