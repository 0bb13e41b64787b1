//! What could outlive a deadline, as it is read where somebody asks (docs/guard.md, C4).

use std::time::Instant;

use countersign::aws::GUARD_NAME;
use countersign::domain::outlive::{Outlives, Through};
use countersign::policy::assumable;

use crate::support::cloud::Knob;
use crate::support::member::{MANAGER, Member, ROLE};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const KEYS: &str = "arn:aws:iam::444455556666:policy/team/keys";
const BOUND: &str = "arn:aws:iam::444455556666:policy/bound";

fn allow(actions: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{actions},"Resource":"*"}}}}"#
    )
}

/// A role that may make keys, by an attached policy, and read.
async fn world() -> Member {
    let member = Member::new().await;
    let knobs = member.stage.cloud.knobs();
    let reads = allow(r#""s3:GetObject""#);
    knobs.put_role_policy(ROLE, "all", Some(&reads)).unwrap();
    let keys = allow(r#""iam:CreateAccessKey""#);
    knobs.put_managed_policy(KEYS, Some(&keys)).unwrap();
    knobs.attach(ROLE, KEYS, true);
    member
}

/// What is on record of a new request.
async fn asked(member: &Member) -> Vec<Outlives> {
    let request = member.ask(60).await.unwrap();
    assert!(request.target_checked);
    let stored = stored(member, request.id).await;
    assert_eq!(request.outlives, Some(stored.clone()), "as it was told");
    stored
}

async fn stored(member: &Member, id: countersign::ids::RequestId) -> Vec<Outlives> {
    let bob = countersign::app::find::counted(&member.bob, id)
        .await
        .unwrap();
    bob.request.outlives.expect("somebody looked")
}

/// Each with where it stands.
fn told(found: &[Outlives]) -> Vec<String> {
    let each = found.iter().map(|it| {
        format!(
            "{}: {}",
            it.through.as_str(),
            it.place().unwrap_or_default()
        )
    });
    each.collect()
}

/// The role's trust policy lets in a service.
const TRUST: &str = "trusted_service: statement Cafe of the trust policy";

#[tokio::test]
async fn every_policy_of_the_role_is_read_and_its_boundary_clears_what_it_covers() {
    let member = world().await;
    let attached = format!("writing_iam: statement 1 of policy {KEYS}");
    assert_eq!(told(&asked(&member).await), [attached.as_str(), TRUST]);

    let other = world().await;
    let knobs = other.stage.cloud.knobs();
    let assumes = allow(r#"["sts:AssumeRole","kms:CreateGrant"]"#);
    knobs.put_role_policy(ROLE, "more", Some(&assumes)).unwrap();
    let bound = allow(r#"["s3:*","kms:*"]"#);
    knobs.put_managed_policy(BOUND, Some(&bound)).unwrap();
    knobs.put_boundary(ROLE, Some(BOUND));
    let grants = "managing_permissions: statement 1 of inline policy more";
    assert_eq!(told(&asked(&other).await), [grants, TRUST]);
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nobody_from_asking_and_is_told() {
    for (action, lacking) in [
        ("ListRolePolicies", "the role's inline policies"),
        ("GetRolePolicy", "inline policy all"),
        ("ListAttachedRolePolicies", "the role's attached policies"),
        ("GetPolicy", &format!("policy {KEYS}")),
        ("GetPolicyVersion", &format!("policy {KEYS}")),
    ] {
        let member = world().await;
        member
            .stage
            .cloud
            .always(action, Knob::Refuse("AccessDenied", 403));
        let found = asked(&member).await;
        let [unread, rest @ ..] = found.as_slice() else {
            panic!("{action}: nothing");
        };
        let denied = Outlives::unread(lacking, "denied");
        assert_eq!(unread, &denied, "{action}");
        assert!(rest.iter().all(|it| it.through != Through::Unread));
        let hides_keys = action.contains("Attached") || action.starts_with("GetPolicy");
        assert_eq!(rest.len(), if hides_keys { 1 } else { 2 }, "{action}");
    }
}

#[tokio::test]
async fn a_boundary_that_cannot_be_read_clears_nothing() {
    let member = world().await;
    let knobs = member.stage.cloud.knobs();
    knobs
        .put_managed_policy(BOUND, Some(&allow(r#""s3:*""#)))
        .unwrap();
    knobs.put_boundary(ROLE, Some(BOUND));
    // The attached policy is read, or the boundary; which of them is first nobody says.
    member
        .stage
        .cloud
        .always("GetPolicyVersion", Knob::Refuse("AccessDenied", 403));
    let found = told(&asked(&member).await);
    let bound = format!("unread: permissions boundary {BOUND}");
    assert!(found.contains(&bound), "{found:?}");
}

#[tokio::test]
async fn a_silent_read_is_not_waited_for() {
    let member = world().await;
    member.stage.cloud.always("GetPolicyVersion", Knob::Silence);
    let begun = Instant::now();
    let found = asked(&member).await;
    assert!(begun.elapsed().as_millis() < 2_500, "{:?}", begun.elapsed());
    let late = Outlives::unread(&format!("policy {KEYS}"), "late");
    assert_eq!(found[0], late);
    assert_eq!(told(&found[1..]), [TRUST], "the rest was read");
}

#[tokio::test]
async fn a_silent_account_is_told_as_one_that_nobody_could_read() {
    let member = world().await;
    member.stage.cloud.always("AssumeRole", Knob::Silence);
    let request = member.ask(60).await.unwrap();
    assert!(!request.target_checked);
    let found = request.outlives.unwrap();
    assert!(
        found.iter().all(|it| it.through == Through::Unread) && found.len() == 3,
        "{found:?}"
    );
}

#[tokio::test]
async fn the_guard_is_not_read_and_whoever_asks_at_once_makes_no_second_read() {
    let member = world().await;
    let knobs = member.stage.cloud.knobs();
    let inert = allow(r#""s3:GetObject""#);
    knobs
        .put_role_policy(ROLE, GUARD_NAME, Some(&inert))
        .unwrap();
    let (one, two) = tokio::join!(member.ask(31), member.ask(32));
    assert_eq!(one.unwrap().outlives, two.unwrap().outlives);
    let read: Vec<_> = member
        .calls("GetRolePolicy")
        .iter()
        .map(|call| call.params["PolicyName"].clone())
        .collect();
    assert_eq!(read, ["all"]);
    let count = |action: &str| member.calls(action).len();
    let counts = (count("ListRolePolicies"), count("GetPolicyVersion"));
    assert_eq!((counts, count("GetRole")), ((1, 1), 1));
}

#[tokio::test]
async fn more_policies_than_are_read_are_told_of() {
    let member = world().await;
    let knobs = member.stage.cloud.knobs();
    let reads = allow(r#""s3:GetObject""#);
    for nth in 0..26 {
        let name = format!("p{nth}");
        knobs.put_role_policy(ROLE, &name, Some(&reads)).unwrap();
    }
    let found = asked(&member).await;
    let too_many = Outlives::unread("the role's inline policies", "too_many");
    assert!(found.contains(&too_many), "{found:?}");
    assert_eq!(member.calls("GetRolePolicy").len(), 25);
}

#[tokio::test]
async fn what_sessions_are_limited_to_clears_what_it_does_not_allow() {
    let pinned = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        assumable::statements(MANAGER)
    );
    let arns = toml::Value::Array(vec![READ_ONLY.into()]);
    for (limit, expected) in [
        (
            None,
            vec![format!("writing_iam: statement 1 of policy {KEYS}")],
        ),
        (Some(("scope_down", allow(r#""s3:*""#).into())), vec![]),
        (Some(("policy_arns", arns)), vec![]),
    ] {
        let member = Member::with("sts_credentials", &pinned).await;
        member
            .app
            .change(|catalog| {
                let entitlement = catalog.entitlement("staging-admin");
                entitlement
                    .more
                    .extend(limit.map(|(key, value)| (key.to_owned(), value)));
            })
            .await;
        let knobs = member.stage.cloud.knobs();
        knobs.put_role_policy(ROLE, "all", None).unwrap();
        let keys = allow(r#""iam:CreateAccessKey""#);
        knobs.put_managed_policy(KEYS, Some(&keys)).unwrap();
        knobs.attach(ROLE, KEYS, true);
        assert_eq!(told(&asked(&member).await), expected);
    }
}
