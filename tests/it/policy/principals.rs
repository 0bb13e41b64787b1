//! The documents for sessions of a role, and which methods can let them in.

use countersign::domain::person::Who;
use countersign::policy::capacity::{Booking, Seat, check_user, size};
use countersign::policy::document::Document;
use countersign::policy::feasible::{methods, obstacle};
use countersign::policy::inline::{self, Asks};
use countersign::policy::shown::Shown;
use countersign::policy::switchable::{Unswitchable, check};
use countersign::policy::trust::{self, Admitted, Wording};
use countersign::policy::{Input, Observed, ObservedUser, plan};

use super::*;

const DEVELOPERS: &str = "arn:aws:iam::111122223333:role/Developers";
const DEVELOPERS_ID: &str = "AROADEVELOPERS0000001";
const SSO: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Dev_0123456789abcdef";

/// A grant for a session of `Developers`.
fn of_session(nth: u128, session: &str) -> Grant {
    Grant {
        principal_arn: Some(DEVELOPERS.to_owned()),
        principal_session: Some(session.to_owned()),
        principal_id: Some(format!("{DEVELOPERS_ID}:{session}")),
        console_name: Some(session.to_owned()),
        ..grant(nth, ALICE, 0, 3600)
    }
}

fn switch() -> Allows {
    Allows::Role {
        arn: ROLE_ARN.to_owned(),
    }
}

#[test]
fn a_statement_pins_the_one_session() {
    let expected = concat!(
        r#"{"Sid":"Countersign01j0000000e008000000000001","Effect":"Allow","#,
        r#""Principal":{"AWS":"arn:aws:iam::111122223333:role/Developers"},"Action":"sts:AssumeRole","Condition":{"#,
        r#""StringEquals":{"sts:RoleSessionName":["alice","grant_01j0000000e008000000000001"],"#,
        r#""aws:userid":"AROADEVELOPERS0000001:alice"},"#,
        r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"}}}"#,
    );
    let own = of_session(1, "alice");
    assert_eq!(trust::of(&own, true, own.deadline), expected);
    assert_eq!(trust::compare(expected, &own, true), Wording::Current);
    // Without the pin, or with another session, it is somebody's.
    for other in [
        expected.replace(r#","aws:userid":"AROADEVELOPERS0000001:alice""#, ""),
        expected.replace("0001:alice", "0001:bob"),
    ] {
        assert_ne!(other, expected);
        assert_eq!(trust::compare(&other, &own, true), Wording::Altered);
    }
    // What the database never holds lets nobody in.
    let without = Grant {
        principal_id: None,
        ..own
    };
    assert!(trust::of(&without, true, without.deadline).contains(r#""aws:userid":"""#));
}

#[test]
fn a_switch_and_what_is_attached_pin_it_as_well() {
    let expected = concat!(
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"Countersign01j0000000e008000000000001","Effect":"Allow","#,
        r#""Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/prod-admin","Condition":{"#,
        r#""StringEquals":{"sts:RoleSessionName":["grant_01j0000000e008000000000001","alice"],"#,
        r#""aws:userid":"AROADEVELOPERS0000001:alice"},"#,
        r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"}}}]}"#,
    );
    let own = of_session(1, "alice");
    assert_eq!(
        inline::text(&switch(), &own, true, own.deadline).unwrap(),
        expected
    );
    assert!((380..=435).contains(&size(expected)), "{}", size(expected));
    let frozen = [
        r#"{"Effect":"Allow","Action":"a:b","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"a:c","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#,
    ];
    let attach = |texts: &[&str]| {
        let texts = texts.iter().map(|it| (*it).to_owned()).collect();
        inline::text(&Allows::Statements(texts), &own, true, own.deadline)
    };
    let expected = concat!(
        r#"{"Version":"2012-10-17","Statement":["#,
        r#"{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"#,
        r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"},"#,
        r#""StringEquals":{"aws:userid":"AROADEVELOPERS0000001:alice"}}},"#,
        r#"{"Effect":"Allow","Action":"a:c","Resource":"*","Condition":{"#,
        r#""DateLessThan":{"aws:CurrentTime":"2026-12-01T01:00:00Z"},"#,
        r#""StringEquals":{"aws:RequestedRegion":"eu-west-1","aws:userid":"AROADEVELOPERS0000001:alice"}}}]}"#,
    );
    assert_eq!(attach(&frozen).as_deref(), Some(expected));
    // Of two keys one would be lost: nothing is put then.
    for key in ["aws:userid", "AWS:UserId"] {
        let twice = format!(
            r#"{{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{{"StringEquals":{{"{key}":"x"}}}}}}"#
        );
        assert_eq!(attach(&[&twice]), None, "{key}");
    }
}

/// The room that is asked for beforehand is what the documents will take.
#[test]
fn its_room_is_counted_with_the_pin() {
    let own = of_session(1, "alice");
    let seat = Seat {
        principal: Admitted {
            arn: DEVELOPERS,
            userid: own.principal_id.as_deref(),
        },
        console_name: Some("alice"),
        demands: &own.demands,
    };
    assert_eq!(seat.size(), 1 + trust::of(&own, true, own.deadline).len());
    let unknown = format!("{}:alice", "A".repeat(21));
    let asks = Asks {
        mfa: false,
        userid: Some(&unknown),
        until: own.deadline,
    };
    let wanted = Booking::wanted(&switch(), Some("alice"), own.starts_at, asks).unwrap();
    assert_eq!(wanted, Booking::of(&switch(), &own).unwrap());
    // A role has 10,240 characters, a user 2,048.
    let others = [wanted; 23];
    let mut role = carrier();
    assert!(check_user(&role, "0a1b2c3d", &others, wanted).is_ok());
    role.quota = 2048;
    assert!(check_user(&role, "0a1b2c3d", &others, wanted).is_err());
}

fn carrier() -> ObservedUser {
    ObservedUser {
        user_id: DEVELOPERS_ID.to_owned(),
        arn: DEVELOPERS.to_owned(),
        created_at: at(-1_000_000),
        policies: BTreeMap::new(),
        foreign: 0,
        quota: 10_240,
        unvouched: None,
    }
}

/// METHODS' table, cell by cell.
#[test]
fn who_may_have_what() {
    let user = "arn:aws:iam::111122223333:user/alice";
    let linked = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    let rows = [
        (user, None, [true, true, true, true]),
        (SSO, Some("alice"), [true, false, false, true]),
        (DEVELOPERS, Some("alice"), [true, true, true, true]),
        (linked, Some("alice"), [false, false, false, true]),
    ];
    for (arn, session, may) in rows {
        let who = Who { arn, session };
        for (method, may) in Method::ALL.into_iter().zip(may) {
            assert_eq!(methods(who).contains(&method), may, "{arn} {method:?}");
            let told = obstacle(who, method, false);
            assert_eq!(told.is_none(), may, "{arn} {method:?}");
            if let Some(told) = told {
                for fit in methods(who) {
                    assert!(told.contains(fit.as_str()), "{told}");
                }
            }
            // A role's session has no second factor.
            let with_mfa = obstacle(who, method, true).is_none();
            assert_eq!(with_mfa, may && session.is_none(), "{arn} {method:?}");
        }
    }
}

/// A stray statement of another session of the role is not that of the one who has the name now.
#[test]
fn a_stray_of_another_session_of_the_role_is_denied() {
    let own = of_session(1, "alice");
    let stray = |userid: &str| {
        let lost = Grant {
            principal_id: Some(userid.to_owned()),
            ..of_session(9, "alice")
        };
        let statement = trust::of(&lost, true, at(1800));
        let trust = FOREIGN.replace("[{", &format!("[{statement},{{"));
        let mut seen = role(&trust, None);
        let identity = identity(DEVELOPERS_ID);
        seen.principals = [(DEVELOPERS.to_owned(), Some(identity))].into();
        let observed = Observed::Role(seen);
        let mut target = target();
        target.trust = Sent::default();
        let mut holding = own.clone();
        holding.marks.console_since = Some(at(0));
        let planned = plan(&Input {
            target: &target,
            grants: &[holding],
            allows: NOTHING,
            listed: NOBODY,
            observed: &observed,
            now: at(10),
            margins: PRODUCTION,
            closings_only: false,
            one_at_a_time: false,
            clocks_differ: false,
            guard_refused: false,
            ended_refused: false,
            refused: &BTreeSet::new(),
        });
        planned.kept.contains_key("alice")
    };
    assert!(!stray(&format!("{DEVELOPERS_ID}:alice")), "her own");
    assert!(stray(&format!("{DEVELOPERS_ID}:bob")));
}

/// A switch is for what her own account decides: a role that names her role, or her very session,
/// needs nothing of ours. What asks for a second factor keeps a role's sessions out.
#[test]
fn what_a_switch_finds_in_a_trust_policy() {
    let who = Who {
        arn: "arn:aws:iam::111122223333:role/team/Developers",
        session: Some("alice"),
    };
    let session = |name: &str| format!("arn:aws:sts::111122223333:assumed-role/{name}");
    let told = |named: &str, condition: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{named}"}},"Action":"sts:AssumeRole","Condition":{condition}}}]}}"#
        );
        let trust = Document::parse(&text).unwrap();
        check(
            &trust,
            ROLE_ARN,
            who,
            &Shown::with(&Demands::default(), who),
        )
    };
    let root = "arn:aws:iam::111122223333:root";
    assert_eq!(told(root, "{}"), Ok(()));
    let needs_nothing = Err(Unswitchable::NeedsNothing);
    assert_eq!(told(who.arn, "{}"), needs_nothing);
    assert_eq!(told(&session("Developers/alice"), "{}"), needs_nothing);
    for others in ["Developers/bob", "Operators/alice"] {
        let told = told(&session(others), "{}");
        assert_eq!(told, Err(Unswitchable::NotAdmitted), "{others}");
    }
    let mfa =
        |operator: &str| format!(r#"{{"{operator}":{{"aws:MultiFactorAuthPresent":"true"}}}}"#);
    assert_eq!(told(root, &mfa("Bool")), Err(Unswitchable::AsksForMore));
    // Whether a role's session has the key at all is not known.
    assert_eq!(told(root, &mfa("BoolIfExists")), Ok(()));
}
