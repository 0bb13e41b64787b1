//! How it starts, what it refuses to start with, and what it knows after a restart.

use super::*;

const BOB: &str = "arn:aws:iam::111122223333:user/bob";

fn keeping(folder: &tempfile::TempDir) -> Options {
    Options {
        state_file: Some(folder.path().join("state.json")),
        ..options(vec![account(&trusts(ALICE))])
    }
}

#[tokio::test]
async fn a_restart_keeps_roles_users_policies_and_live_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let before = Sandbox::start(keeping(&folder)).await.unwrap();
    let session = session(&before, "alice", "alice").await;
    let (role_id, alice_id) = (
        before.knobs().unique_id(ROLE),
        before.knobs().unique_id(ALICE),
    );
    let iam = as_user(&before, "admin").0;
    let put = iam
        .put_role_policy()
        .role_name("prod-admin")
        .policy_name("p");
    put.policy_document(ALLOW_ALL).send().await.unwrap();
    let trust = iam.update_assume_role_policy().role_name("prod-admin");
    trust.policy_document(trusts(BOB)).send().await.unwrap();
    before.stop().await;

    // The seed is not read any more: it names alice.
    let after = Sandbox::start(keeping(&folder)).await.unwrap();
    assert!(works(&after, &session).await);
    assert_eq!(after.knobs().unique_id(ROLE), role_id);
    assert_eq!(after.knobs().unique_id(ALICE), alice_id);
    assert_eq!(after.knobs().trust(ROLE), Some(trusts(BOB)));
    assert_eq!(
        after.knobs().role_policy(ROLE, "p").as_deref(),
        Some(ALLOW_ALL)
    );
    assert_eq!(
        code(assume(&after, "bob", "bob").await),
        "ok",
        "bound as before"
    );
    assert_eq!(code(assume(&after, "alice", "alice").await), "AccessDenied");
    after.knobs().delete_user(BOB);
    after.stop().await;
    let last = Sandbox::start(keeping(&folder)).await.unwrap();
    assert!(
        last.knobs().trust(ROLE).unwrap().contains("\"AIDA"),
        "gone for good"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_state_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(keeping(&folder)).await.unwrap();
    session(&sandbox, "alice", "alice").await;
    let mode = std::fs::metadata(folder.path().join("state.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_write_that_cannot_be_kept_is_not_reported_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(keeping(&folder)).await.unwrap();
    drop(folder);
    let iam = as_user(&sandbox, "admin").0;
    let create = iam.create_user().user_name("carol").send().await;
    assert_eq!(code(create), "ServiceFailure");
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "ServiceFailure"
    );
    assert_eq!(code(iam.list_users().send().await), "ok");
}

#[tokio::test]
async fn a_call_that_was_held_takes_no_effect_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(keeping(&folder)).await.unwrap();
    let hold = sandbox.knobs().hold(
        "DeleteRolePolicy",
        1,
        countersign::sandbox::When::BeforeEffect,
    );
    let iam = as_user(&sandbox, "admin").0;
    let call = iam
        .delete_role_policy()
        .role_name("prod-admin")
        .policy_name("all");
    let call = tokio::spawn(call.send());
    reached(&hold).await;
    sandbox.stop().await;
    hold.release();
    assert_eq!(code(call.await.unwrap()), "no answer");
    let after = Sandbox::start(keeping(&folder)).await.unwrap();
    assert!(after.knobs().role_policy(ROLE, "all").is_some());
}

#[tokio::test]
async fn it_says_in_one_line_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let reason = async |options: Options| match Sandbox::start(options).await {
        Ok(sandbox) => sandbox.url(),
        Err(error) => error.to_string(),
    };
    let open = Options {
        addr: ([0, 0, 0, 0], 0).into(),
        ..keeping(&folder)
    };
    assert_eq!(
        reason(open).await,
        "the sandbox listens on loopback only, not on 0.0.0.0:0"
    );

    let first = Sandbox::start(options(Vec::new())).await.unwrap();
    let taken: std::net::SocketAddr = first.url().trim_start_matches("http://").parse().unwrap();
    let second = Options {
        addr: taken,
        ..options(Vec::new())
    };
    assert_eq!(
        reason(second).await,
        format!("the sandbox cannot listen on {taken}")
    );

    let path = folder.path().join("state.json");
    std::fs::write(&path, "{\"accounts\":").unwrap();
    let expected = format!("cannot read the sandbox's state {}", path.display());
    assert_eq!(reason(keeping(&folder)).await, expected);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"accounts\":",
        "left as it is"
    );

    let nowhere = Options {
        state_file: Some(folder.path().join("no/state.json")),
        ..keeping(&folder)
    };
    let expected = format!(
        "cannot write the sandbox's state {}",
        folder.path().join("no/state.json").display()
    );
    assert_eq!(reason(nowhere).await, expected);
}

#[tokio::test]
async fn a_seed_that_makes_no_sense_is_refused_by_name() {
    let seed = |change: &dyn Fn(&mut SeedAccount)| {
        let mut account = account(&trusts(ALICE));
        change(&mut account);
        options(vec![account])
    };
    for (options, expected) in [
        (
            seed(&|it| it.id = "1234".to_owned()),
            "account \"1234\" is not 12 digits",
        ),
        (
            seed(&|it| it.trust_quota = 9_000),
            "account 111122223333: trust_quota is 1 to 8192",
        ),
        (
            seed(&|it| it.users.push(user("ALICE", None))),
            "access key AKIAALICE is there twice",
        ),
        (
            seed(&|it| it.roles.push(role("Prod-Admin", "{}"))),
            "role Prod-Admin is there twice",
        ),
        (
            seed(&|it| it.roles[0].max_session_duration = 60),
            "role prod-admin: max_session_duration is 3600 to 43200",
        ),
        (
            seed(&|it| it.users[0].secret_access_key = None),
            "user alice: an access key has an id and a secret",
        ),
    ] {
        let error = Sandbox::start(options).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the seed is not right: {expected}")
        );
    }
    let twice = options(vec![
        account("{}"),
        SeedAccount {
            users: Vec::new(),
            ..account("{}")
        },
    ]);
    let error = Sandbox::start(twice).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the seed is not right: account 111122223333 is there twice"
    );
}

#[test]
fn a_seed_is_toml_or_json_and_unknown_keys_are_errors() {
    let text = r#"
        [[accounts]]
        id = "111122223333"
        [[accounts.users]]
        name = "alice"
        access_key_id = "AKIA1"
        secret_access_key = "s"
        mfa_code = "123456"
        [[accounts.roles]]
        name = "prod-admin"
        trust = "{}"
        tags = { team = "sre" }
        [accounts.roles.policies]
        all = "{}"
    "#;
    let seed: Seed = toml::from_str(text).unwrap();
    let (account, role) = (&seed.accounts[0], &seed.accounts[0].roles[0]);
    assert_eq!(
        (account.trust_quota, role.max_session_duration),
        (2_048, 3_600)
    );
    assert_eq!(
        (role.path.as_str(), role.tags["team"].as_str()),
        ("/", "sre")
    );
    let json = serde_json::to_string(&seed).unwrap();
    assert!(serde_json::from_str::<Seed>(&json).is_ok());
    let error = toml::from_str::<Seed>(&text.replace("mfa_code", "mfa_cod")).unwrap_err();
    assert!(error.message().contains("mfa_cod"), "{error}");
}

/// Takes these members out of a value, wherever they are.
fn forget(value: &mut serde_json::Value, members: &[&str]) {
    match value {
        serde_json::Value::Object(all) => {
            all.retain(|key, _| !members.contains(&key.as_str()));
            all.values_mut().for_each(|it| forget(it, members));
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(|it| forget(it, members)),
        _ => {}
    }
}

#[tokio::test]
async fn a_state_of_an_earlier_release_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let before = Sandbox::start(keeping(&folder)).await.unwrap();
    let session = session(&before, "alice", "alice").await;
    before.stop().await;
    let path = folder.path().join("state.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    let new = [
        "signins",
        "browsers",
        "managed",
        "buckets",
        "attached",
        "boundary",
        "transitive",
        "chained",
        "timed",
    ];
    forget(&mut state, &new);
    std::fs::write(&path, state.to_string()).unwrap();
    let after = Sandbox::start(keeping(&folder)).await.unwrap();
    assert!(works(&after, &session).await);
    assert!(after.knobs().role_policy(ROLE, "all").is_some());
}
