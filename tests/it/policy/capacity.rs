//! What is answered at request time about room and about roles that cannot be used.

use countersign::policy::capacity::{
    Obstacle, Room, Seat, check, is_protected, is_same_role, size,
};
use countersign::policy::trust::{self, Admitted};

use super::*;

const SEAT: Seat<'_> = Seat {
    principal: Admitted {
        arn: PEOPLE[ALICE].0,
        userid: None,
    },
    console_name: Some("alice"),
    demands: &NO_DEMANDS,
};
const NO_DEMANDS: Demands = Demands {
    mfa: false,
    external_id: None,
};

#[test]
fn a_statement_takes_what_the_design_says() {
    let g = grant(1, ALICE, 0, 3600);
    let statement = trust::of(&g, true, g.deadline);
    assert_eq!(SEAT.size(), statement.len() + 1);
    assert!(
        (290..=320).contains(&statement.len()),
        "{}",
        statement.len()
    );
}

#[test]
fn white_space_between_tokens_does_not_count() {
    assert_eq!(
        size("{ \"a b\" :\n [ 1 , \"c\\\" d\" ] }"),
        size(r#"{"a b":[1,"c\" d"]}"#)
    );
    assert_eq!(size(r#"{"a b":[1,"c\" d"]}"#), 19);
}

#[test]
fn a_full_trust_policy_is_told_with_its_numbers_before_anybody_approves() {
    let mut full = role(FOREIGN, None);
    full.trust_quota = 2048;
    let mut others = Vec::new();
    let full = loop {
        match check(&full, None, &others, SEAT) {
            Ok(room) => assert!(room.fits()),
            Err(Obstacle::Full(room)) => break room,
            Err(other) => panic!("{other}"),
        }
        others.push(SEAT);
    };
    assert_eq!(others.len(), 6);
    assert!(full.used + full.needed > full.quota && full.used <= full.quota);
    assert_eq!((full.needed, full.quota), (SEAT.size(), 2048));
}

/// What is promised at request time holds when it is opened: the room that is said to fit does.
#[test]
fn what_fits_by_the_check_fits_in_the_document() {
    for quota in 400..2000 {
        let mut small = role(FOREIGN, None);
        small.trust_quota = quota;
        let fits = check(&small, None, &[SEAT, SEAT], SEAT).is_ok();
        let grants = [1, 2, 3].map(|nth| grant(nth, ALICE, 0, 3600));
        let statements = grants
            .iter()
            .map(|g| (g.grant_name.clone(), trust::of(g, true, g.deadline)));
        let document = countersign::policy::document::Document::parse(FOREIGN).unwrap();
        let text = document.with(&statements.collect(), None, "");
        assert!(!fits || size(&text) <= quota, "{quota}");
        assert!(
            fits || size(&text) + 3 > quota,
            "{quota}: and little room is given away"
        );
    }
}

#[test]
fn statements_of_ours_that_stand_there_are_counted_by_the_grants_alone() {
    let g = grant(1, BOB, 0, 3600);
    let opened = FOREIGN.replace("}]}", &format!("}},{}]}}", trust::of(&g, true, g.deadline)));
    let one = check(&role(FOREIGN, None), None, &[SEAT], SEAT);
    assert_eq!(check(&role(&opened, None), None, &[SEAT], SEAT), one);
    let inert = countersign::policy::document::inert(ROLE_ARN);
    let alone = format!(r#"{{"Version":"2012-10-17","Statement":[{inert}]}}"#);
    let room = check(&role(&alone, None), None, &[], SEAT).unwrap();
    let empty = r#"{"Version":"2012-10-17","Statement":[]}"#;
    assert_eq!(
        room,
        Room {
            used: size(empty) + 2,
            needed: SEAT.size(),
            quota: 8192
        }
    );
}

#[test]
fn roles_of_aws_and_our_own_and_unreadable_ones_are_refused() {
    let refused = |arn: &str, trust: &str| {
        let mut role = role(trust, None);
        role.arn = arn.to_owned();
        let own = "arn:aws:sts::111122223333:assumed-role/Countersign-Manager/worker";
        check(&role, Some(own), &[], SEAT).unwrap_err()
    };
    let sso = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123";
    assert_eq!(refused(sso, FOREIGN), Obstacle::Protected);
    assert_eq!(
        refused(
            "arn:aws:iam::111122223333:role/path/countersign-manager",
            FOREIGN
        ),
        Obstacle::Ours
    );
    assert!(matches!(refused(ROLE_ARN, "{}"), Obstacle::Unreadable(_)));
    let orphan = FOREIGN.replace(
        r#"{"Service":"ec2.amazonaws.com"}"#,
        r#"{"AWS":["arn:aws:iam::111122223333:root","AROAEXAMPLEGONE000001"]}"#,
    );
    assert_eq!(
        refused(ROLE_ARN, &orphan),
        Obstacle::BlockedByForeignPrincipal
    );
}

#[test]
fn protected_is_what_only_aws_may_change() {
    for (protected, arn) in [
        (
            true,
            "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        ),
        (
            true,
            "arn:aws-cn:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x_y",
        ),
        (
            false,
            "arn:aws:iam::111122223333:role/service-role/lambda-x",
        ),
        (false, "arn:aws:iam::111122223333:role/team/aws-reserved/x"),
        (false, ROLE_ARN),
    ] {
        assert_eq!(is_protected(arn), protected, "{arn}");
    }
}

#[test]
fn a_role_is_known_by_account_and_name_whatever_path_and_case() {
    let session = "arn:aws:sts::111122223333:assumed-role/prod-admin/someone";
    assert!(is_same_role(ROLE_ARN, session) && is_same_role(ROLE_ARN, ROLE_ARN));
    assert!(is_same_role(
        "arn:aws:iam::111122223333:role/a/b/PROD-admin",
        session
    ));
    assert!(!is_same_role(
        "arn:aws:iam::444455556666:role/prod-admin",
        session
    ));
    assert!(!is_same_role(
        "arn:aws:iam::111122223333:role/prod",
        session
    ));
    assert!(!is_same_role(
        ROLE_ARN,
        "arn:aws:iam::111122223333:user/prod-admin"
    ));
    assert!(!is_same_role(ROLE_ARN, "nonsense"));
}
