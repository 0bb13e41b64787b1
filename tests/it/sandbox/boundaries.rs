//! Permissions boundaries and attached managed policies, of users and roles.

use countersign::sandbox::Document;

use super::*;

const DENIED: &str = "AccessDenied";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const MINE: &str = "arn:aws:iam::111122223333:policy/team/mine";

/// Puts a boundary on a user or role of `start`.
async fn bound(sandbox: &Sandbox, user: &str, boundary: &str) -> String {
    let iam = as_user(sandbox, "admin").0;
    if user == "prod-admin" {
        let call = iam.put_role_permissions_boundary().role_name(user);
        return code(call.permissions_boundary(boundary).send().await);
    }
    let call = iam.put_user_permissions_boundary().user_name(user);
    code(call.permissions_boundary(boundary).send().await)
}

#[tokio::test]
async fn a_boundary_limits_what_policies_allow_and_allows_nothing_itself() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    assert_eq!(bound(&sandbox, "alice", ADMINISTRATOR).await, "ok");
    let alice = as_user(&sandbox, "alice").0;
    let refused = refusal(alice.list_users().send().await);
    assert!(
        refused.contains("no identity-based policy allows"),
        "{refused}"
    );
    sandbox
        .knobs()
        .put_user_policy(ALICE, "own", Some(ALLOW_ALL))
        .unwrap();
    assert_eq!(code(alice.list_users().send().await), "ok");
    assert_eq!(bound(&sandbox, "alice", READ_ONLY).await, "ok");
    assert_eq!(code(alice.list_users().send().await), "ok");
    let refused = refusal(alice.create_user().user_name("x").send().await);
    assert!(
        refused.contains("no permissions boundary allows"),
        "{refused}"
    );
    let shown = iam.get_user().user_name("alice").send().await.unwrap();
    let shown = shown
        .user()
        .unwrap()
        .permissions_boundary()
        .unwrap()
        .clone();
    assert_eq!(shown.permissions_boundary_arn(), Some(READ_ONLY));
    let delete = || {
        let call = iam.delete_user_permissions_boundary();
        call.user_name("alice").send()
    };
    assert_eq!(code(delete().await), "ok");
    assert_eq!(code(delete().await), "NoSuchEntity");
    assert_eq!(code(alice.create_user().user_name("x").send().await), "ok");
    let missing = bound(&sandbox, "alice", "arn:aws:iam::aws:policy/None").await;
    assert_eq!(missing, "NoSuchEntity");
}

#[tokio::test]
async fn a_boundary_limits_a_role_and_a_deny_in_it_is_a_deny() {
    let sandbox = start(&trusts(ALICE)).await;
    let session = session(&sandbox, "alice", "alice").await;
    assert_eq!(bound(&sandbox, "prod-admin", READ_ONLY).await, "ok");
    let (iam, _) = as_session(&sandbox, &session);
    assert_eq!(code(iam.list_users().send().await), "ok");
    assert_eq!(code(iam.create_user().user_name("x").send().await), DENIED);
    let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
    assert_eq!(bound(&sandbox, "prod-admin", deny).await, "ok");
    let refused = refusal(iam.list_users().send().await);
    assert!(
        refused.ends_with("with an explicit deny in a permissions boundary"),
        "{refused}"
    );
    let admin = as_user(&sandbox, "admin").0;
    let role = admin
        .get_role()
        .role_name("prod-admin")
        .send()
        .await
        .unwrap();
    let shown = role.role().unwrap().permissions_boundary().unwrap().clone();
    assert_eq!(shown.permissions_boundary_arn(), Some(deny));
    let create = admin
        .create_role()
        .role_name("new")
        .permissions_boundary(deny);
    let create = create.assume_role_policy_document(trusts(ALICE));
    let created = create.send().await.unwrap();
    let shown = created
        .role()
        .unwrap()
        .permissions_boundary()
        .unwrap()
        .clone();
    assert_eq!(shown.permissions_boundary_arn(), Some(deny));
}

#[tokio::test]
async fn a_trust_policy_that_names_the_user_is_not_limited_by_the_boundary() {
    let root = trusts("arn:aws:iam::111122223333:root");
    for (trust, boundary, expected) in [
        (trusts(ALICE), READ_ONLY, "ok"),
        (trusts("*"), READ_ONLY, "ok"),
        (root.clone(), READ_ONLY, DENIED),
        (root, ADMINISTRATOR, "ok"),
        // An explicit Deny wins there as well.
        (trusts(ALICE), "arn:aws:iam::aws:policy/AWSDenyAll", DENIED),
    ] {
        let mut account = account(&trust);
        account.users[0] = user("alice", Some(ALLOW_ALL));
        let sandbox = start_with(account).await;
        assert_eq!(bound(&sandbox, "alice", boundary).await, "ok");
        let got = code(assume(&sandbox, "alice", "alice").await);
        assert_eq!(got, expected, "{trust} {boundary}");
    }
}

#[tokio::test]
async fn a_trust_policy_that_names_the_role_is_limited_and_one_that_names_the_session_is_not() {
    let hub = "arn:aws:iam::111122223333:role/hub";
    let live = "arn:aws:sts::111122223333:assumed-role/hub/one";
    for (named, expected) in [(hub, DENIED), (live, "ok")] {
        let mut account = account(&trusts(named));
        account.roles.push(role("hub", &trusts(ALICE)));
        let sandbox = start_with(account).await;
        let iam = as_user(&sandbox, "admin").0;
        let call = iam.put_role_permissions_boundary().role_name("hub");
        let call = call.permissions_boundary(READ_ONLY);
        assert_eq!(code(call.send().await), "ok");
        let call = as_user(&sandbox, "alice").1.assume_role().role_arn(hub);
        let one = call.role_session_name("one").send().await.unwrap();
        let call = as_session(&sandbox, &one).1.assume_role().role_arn(ROLE);
        let got = code(call.role_session_name("two").send().await);
        assert_eq!(got, expected, "{named}");
    }
}

#[tokio::test]
async fn a_managed_policy_works_while_it_is_attached() {
    let sandbox = start(&trusts(ALICE)).await;
    let (knobs, iam) = (sandbox.knobs(), as_user(&sandbox, "admin").0);
    let list = identity("Allow", "iam:ListUsers", "{}");
    let attach = || {
        let call = iam.attach_user_policy().user_name("alice");
        call.policy_arn(MINE).send()
    };
    let detach = || {
        let call = iam.detach_user_policy().user_name("alice");
        call.policy_arn(MINE).send()
    };
    assert_eq!(code(attach().await), "NoSuchEntity");
    knobs.put_managed_policy(MINE, Some(&list)).unwrap();
    let alice = as_user(&sandbox, "alice").0;
    let may = async || code(alice.list_users().send().await);
    assert_eq!(
        (code(attach().await), may().await),
        ("ok".to_owned(), "ok".to_owned())
    );
    assert_eq!(code(attach().await), "ok", "twice is once");
    let listed = iam.list_attached_user_policies().user_name("alice");
    let listed = listed.send().await.unwrap();
    let listed = &listed.attached_policies()[0];
    assert_eq!(
        (listed.policy_name(), listed.policy_arn()),
        (Some("mine"), Some(MINE))
    );
    assert_eq!(
        code(iam.delete_user().user_name("alice").send().await),
        "DeleteConflict"
    );
    let document = Document::Attachment(ALICE.to_owned(), MINE.to_owned());
    knobs.freeze(&document);
    assert_eq!(code(detach().await), "ok");
    assert_eq!(may().await, "ok", "the data plane lags here too");
    knobs.thaw(&document);
    assert_eq!(may().await, DENIED);
    assert_eq!(code(detach().await), "NoSuchEntity");
    // Another text is another permission, without being attached anew.
    assert_eq!(code(attach().await), "ok");
    let document = Document::Managed(MINE.to_owned());
    knobs.freeze(&document);
    let other = identity("Allow", "iam:ListRoles", "{}");
    knobs.put_managed_policy(MINE, Some(&other)).unwrap();
    assert_eq!(may().await, "ok");
    knobs.thaw(&document);
    assert_eq!(may().await, DENIED);
    let read = iam.get_policy_version().policy_arn(MINE).version_id("v1");
    let read = read.send().await.unwrap();
    let read = read
        .policy_version()
        .unwrap()
        .document()
        .unwrap()
        .to_owned();
    assert_eq!(decoded(&read), other);
    let policy = iam.get_policy().policy_arn(MINE).send().await.unwrap();
    let policy = policy.policy().unwrap().clone();
    assert_eq!(
        (policy.path(), policy.default_version_id()),
        (Some("/team/"), Some("v1"))
    );
}

#[tokio::test]
async fn a_role_has_ten_managed_policies_at_most_and_aws_own_roles_none_of_ours() {
    let mut account = account(&trusts(ALICE));
    account.roles.push(SeedRole {
        path: "/aws-reserved/sso.amazonaws.com/".to_owned(),
        ..role("AWSReservedSSO_Admin", &trusts(ALICE))
    });
    let sandbox = start_with(account).await;
    let iam = as_user(&sandbox, "admin").0;
    let attach = async |role: &str, n: usize| {
        let arn = format!("arn:aws:iam::111122223333:policy/p{n}");
        let text = Some(ALLOW_ALL);
        sandbox.knobs().put_managed_policy(&arn, text).unwrap();
        let call = iam.attach_role_policy().role_name(role);
        refusal(call.policy_arn(arn).send().await)
    };
    for n in 0..10 {
        assert_eq!(attach("prod-admin", n).await, "ok");
    }
    let full = "LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10";
    assert_eq!(attach("prod-admin", 10).await, full);
    let reserved = attach("AWSReservedSSO_Admin", 1).await;
    assert!(reserved.starts_with("UnmodifiableEntity"), "{reserved}");
}

#[tokio::test]
async fn who_changes_policies_can_be_confined_to_what_has_a_boundary_and_to_one_policy() {
    let condition = format!(r#"{{"ArnEquals":{{"iam:PermissionsBoundary":"{READ_ONLY}"}}}}"#);
    let mut account = account(&trusts(ALICE));
    account.users[0] = user("alice", Some(&identity("Allow", "iam:*", &condition)));
    let attach = format!(r#"{{"ArnEquals":{{"iam:PolicyARN":"{READ_ONLY}"}}}}"#);
    account
        .users
        .push(user("dora", Some(&identity("Allow", "iam:*", &attach))));
    let sandbox = start_with(account).await;
    let put = async || {
        let (iam, _) = as_user(&sandbox, "alice");
        let role = iam.put_role_policy().role_name("prod-admin");
        let role = role.policy_name("p").policy_document(ALLOW_ALL);
        let user = iam.put_user_policy().user_name("bob").policy_name("p");
        let user = user.policy_document(ALLOW_ALL);
        (code(role.send().await), code(user.send().await))
    };
    let (ok, no) = ("ok".to_owned(), DENIED.to_owned());
    assert_eq!(put().await, (no.clone(), no.clone()));
    assert_eq!(bound(&sandbox, "prod-admin", READ_ONLY).await, "ok");
    assert_eq!(put().await, (ok.clone(), no));
    assert_eq!(bound(&sandbox, "bob", READ_ONLY).await, "ok");
    assert_eq!(put().await, (ok.clone(), ok));
    let iam = as_user(&sandbox, "alice").0;
    let own = iam.put_user_permissions_boundary().user_name("alice");
    let other = own.clone().permissions_boundary(ADMINISTRATOR).send().await;
    assert_eq!(code(other), DENIED);
    assert_eq!(code(own.permissions_boundary(READ_ONLY).send().await), "ok");
    let dora = as_user(&sandbox, "dora").0;
    for (arn, expected) in [(READ_ONLY, "ok"), (ADMINISTRATOR, DENIED)] {
        let call = dora.attach_user_policy().user_name("bob").policy_arn(arn);
        assert_eq!(code(call.send().await), expected, "{arn}");
    }
}

#[tokio::test]
async fn another_hand_attaches_and_bounds() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let alice = as_user(&sandbox, "alice").0;
    let may = async || code(alice.list_users().send().await);
    knobs.attach(ALICE, READ_ONLY, true);
    assert_eq!(may().await, "ok");
    knobs.put_boundary(ALICE, Some("arn:aws:iam::aws:policy/AWSDenyAll"));
    assert_eq!(may().await, DENIED);
    let document = Document::Boundary(ALICE.to_owned());
    knobs.freeze(&document);
    knobs.put_boundary(ALICE, None);
    assert_eq!(may().await, DENIED, "the data plane lags here too");
    knobs.thaw(&document);
    assert_eq!(may().await, "ok");
    knobs.attach(ALICE, READ_ONLY, false);
    assert_eq!(may().await, DENIED);
}
