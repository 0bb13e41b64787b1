//! Each fault of a role, of a user or of a right by its one line, and all well again once it is
//! mended.

use countersign::aws::GUARD_NAME;
use countersign::policy::assumable;
use countersign::sandbox::Rule;

use super::clinic::{
    ASSUMED, CARRIER, COMES_AS, Clinic, MANAGER, PERSON, SWITCHED, THIRD_MANAGER, TRUSTED,
};
use super::{Row, check, put_trust};
use crate::sandbox::{ALLOW_ALL, THIRD, identity, trusts};
use crate::support::world::TRUST;

#[tokio::test(flavor = "multi_thread")]
async fn each_right_that_is_missing_is_named() {
    let clinic = Clinic::new().await;
    let role = TRUSTED;
    let rows: [Row; 12] = [
        (
            "the role is not seen",
            |it| it.without(THIRD_MANAGER, "Guards", "iam:GetRole"),
            (role, "missing", "rights"),
        ),
        (
            "the guard is not seen",
            |it| it.without(THIRD_MANAGER, "Guards", "iam:GetRolePolicy"),
            (role, "missing", "rights"),
        ),
        (
            "the guard cannot be put",
            |it| it.without(THIRD_MANAGER, "Guards", "iam:PutRolePolicy"),
            (role, "missing", "rights"),
        ),
        (
            "the guard cannot be deleted",
            |it| it.without(THIRD_MANAGER, "Guards", "iam:DeleteRolePolicy"),
            (role, "missing", "rights"),
        ),
        (
            "the trust policy cannot be written",
            |it| it.without(THIRD_MANAGER, "TrustPolicies", "iam:UpdateAssumeRolePolicy"),
            (role, "missing", "rights"),
        ),
        (
            "the user is not seen",
            |it| it.without(THIRD_MANAGER, "Users", "iam:GetUser"),
            (PERSON, "missing", "rights"),
        ),
        (
            "the carrier's policies are not seen",
            |it| it.without(MANAGER, "Carriers", "iam:ListUserPolicies"),
            (CARRIER, "missing", "rights"),
        ),
        (
            "nothing can be put on the carrier",
            |it| it.without(MANAGER, "Carriers", "iam:PutUserPolicy"),
            (CARRIER, "missing", "rights"),
        ),
        (
            "what the carrier may do is not told",
            |it| it.without(MANAGER, "Carriers", "iam:SimulatePrincipalPolicy"),
            (CARRIER, "missing", "rights"),
        ),
        (
            "the quota is not told",
            |it| it.without(THIRD_MANAGER, "Quota", "iam:GetAccountSummary"),
            (THIRD, "warning", "quota"),
        ),
        (
            "room is not told",
            |it| it.without(THIRD_MANAGER, "Analyses", "iam:ListRolePolicies"),
            (role, "warning", "room"),
        ),
        (
            "it may not ask for its rights",
            |it| it.without(THIRD_MANAGER, "OwnRights", "iam:SimulatePrincipalPolicy"),
            (THIRD, "warning", "own rights"),
        ),
    ];
    check(&clinic, &rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_role_or_user_from_being_opened_is_told() {
    let clinic = Clinic::new().await;
    let rows: [Row; 13] = [
        (
            "the role takes no tag",
            |it| {
                let without = assumable::statements(MANAGER);
                let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{without}]}}"#);
                put_trust(it, ASSUMED, &trust);
            },
            (ASSUMED, "missing", "session tags"),
        ),
        (
            "a guard stands where something is handed out without one",
            |it| {
                let guard = it
                    .knobs()
                    .put_role_policy(ASSUMED, GUARD_NAME, Some(ALLOW_ALL));
                guard.expect("a policy");
            },
            (ASSUMED, "warning", "guard"),
        ),
        (
            "the role is gone",
            |it| it.knobs().delete_role(TRUSTED),
            (TRUSTED, "missing", "exists"),
        ),
        (
            "the user is gone",
            |it| it.knobs().delete_user(PERSON),
            (PERSON, "missing", "exists"),
        ),
        (
            "a deleted user is in the trust policy",
            |it| {
                let ghost = "arn:aws:iam::777788889999:user/ghost";
                it.knobs().create_user(ghost, "AKIAGHOST", "secret");
                put_trust(it, TRUSTED, &trusts(ghost));
                it.knobs().delete_user(ghost);
            },
            (TRUSTED, "missing", "trust policy"),
        ),
        (
            "the trust policy is full",
            |it| {
                let long = format!(r#""Id":"{}","Version""#, "x".repeat(1_800));
                put_trust(it, TRUSTED, &TRUST.replace("\"Version\"", &long));
            },
            (TRUSTED, "missing", "trust policy"),
        ),
        (
            "the trust policy is no document",
            |it| {
                it.knobs().without(Rule::Documents);
                put_trust(it, TRUSTED, "{}");
            },
            (TRUSTED, "missing", "trust policy"),
        ),
        (
            "nobody's account may decide",
            |it| put_trust(it, SWITCHED, TRUST),
            (SWITCHED, "missing", "trust policy"),
        ),
        (
            "the guard has no room",
            |it| {
                let filler = filler(9_900);
                let put = it.knobs().put_role_policy(TRUSTED, "filler", Some(&filler));
                put.expect("room for that");
            },
            (TRUSTED, "missing", "room"),
        ),
        (
            "the user has no room",
            |it| {
                let filler = filler(1_900);
                let put = it.knobs().put_user_policy(CARRIER, "filler", Some(&filler));
                put.expect("room for that");
            },
            (CARRIER, "missing", "room"),
        ),
        (
            "the role has a boundary",
            |it| it.knobs().put_boundary(TRUSTED, Some(READ_ONLY)),
            (TRUSTED, "warning", "boundary"),
        ),
        (
            "the user has a boundary",
            |it| it.knobs().put_boundary(CARRIER, Some(READ_ONLY)),
            (CARRIER, "warning", "boundary"),
        ),
        (
            "it could give itself more",
            |it| it.allow(THIRD_MANAGER, ALLOW_ALL),
            (THIRD, "warning", "own rights"),
        ),
    ];
    check(&clinic, &rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_her_role_from_carrying_is_told() {
    let clinic = Clinic::new().await;
    let rows: [Row; 8] = [
        (
            "others may choose her name",
            |it| put_trust(it, COMES_AS, &trusts("arn:aws:iam::444455556666:root")),
            (COMES_AS, "missing", "session names"),
        ),
        (
            "the role is gone",
            |it| it.knobs().delete_role(COMES_AS),
            (COMES_AS, "missing", "exists"),
        ),
        (
            "the role is not seen",
            |it| it.without(MANAGER, "RolesOfPeople", "iam:GetRole"),
            (COMES_AS, "missing", "rights"),
        ),
        (
            "its policies are not listed",
            |it| it.without(MANAGER, "CarrierRoles", "iam:ListRolePolicies"),
            (COMES_AS, "missing", "rights"),
        ),
        (
            "nothing can be put on it",
            |it| it.without(MANAGER, "CarrierRoles", "iam:PutRolePolicy"),
            (COMES_AS, "missing", "rights"),
        ),
        (
            "what it may do is not told",
            |it| it.without(MANAGER, "CarrierRoles", "iam:SimulatePrincipalPolicy"),
            (COMES_AS, "missing", "rights"),
        ),
        (
            "it has no room",
            |it| {
                let filler = filler(9_900);
                let put = it
                    .knobs()
                    .put_role_policy(COMES_AS, "filler", Some(&filler));
                put.expect("room for that");
            },
            (COMES_AS, "missing", "room"),
        ),
        (
            "it has a boundary",
            |it| it.knobs().put_boundary(COMES_AS, Some(READ_ONLY)),
            (COMES_AS, "warning", "boundary"),
        ),
    ];
    check(&clinic, &rows);
}

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn filler(length: usize) -> String {
    let id = "x".repeat(length);
    ALLOW_ALL.replace("\"Version\"", &format!(r#""Id":"{id}","Version""#))
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_role_whose_credentials_are_handed_out_is_tried() {
    let clinic = Clinic::new().await;
    let rows: [Row; 7] = [
        (
            "it lets us in unpinned",
            |it| put_trust(it, ASSUMED, &trusts(MANAGER)),
            (ASSUMED, "missing", "lets us in"),
        ),
        (
            "it lets the whole account in",
            |it| put_trust(it, ASSUMED, &trusts("arn:aws:iam::444455556666:root")),
            (ASSUMED, "missing", "lets us in"),
        ),
        (
            "it does not let us in",
            |it| put_trust(it, ASSUMED, TRUST),
            (ASSUMED, "missing", "lets us in"),
        ),
        (
            "we may not assume it",
            |it| {
                let deny = identity("Deny", "sts:AssumeRole", "{}");
                let put = it.knobs().put_role_policy(MANAGER, "deny", Some(&deny));
                put.expect("a policy");
            },
            (ASSUMED, "missing", "lets us in"),
        ),
        (
            "we may not say for whom",
            |it| it.without(MANAGER, "People", "sts:SetSourceIdentity"),
            (ASSUMED, "missing", "session"),
        ),
        (
            "the policies are almost too many",
            |it| it.knobs().packed_quota(packed(it) * 100 / 95),
            (ASSUMED, "missing", "session policy"),
        ),
        (
            "the policies are too many",
            |it| it.knobs().packed_quota(packed(it) - 1),
            (ASSUMED, "missing", "session policy"),
        ),
    ];
    for row in rows {
        check(&clinic, &[row]);
    }
}

/// How much of the stand-in's 455 the trial's policy takes, from what it tells in percent.
fn packed(clinic: &Clinic) -> usize {
    let text = String::from_utf8(clinic.doctor(&[]).stdout).expect("UTF-8");
    let (_, rest) = text.split_once("its policies take ").expect("told");
    let (percent, _) = rest.split_once(' ').expect("a number");
    percent.parse::<usize>().expect("a number") * 455 / 100
}
