//! `countersign doctor` as it is typed: all well, then each fault by its line, and all well again
//! once it is mended.

mod clinic;
mod roles;

use std::process::Output;
use std::time::{Duration, Instant};

use aws_sdk_sts::types::Tag;
use chrono::TimeDelta;
use countersign::sandbox::{Fault, When};

use self::clinic::{ASSUMED, CARRIER, Clinic, HUB, MANAGER, THIRD_MANAGER, TRUSTED, Told, told};
use crate::sandbox::{ALLOW_ALL, OTHER, THIRD, key, trusts};
use crate::support::cloud::is_write;

/// A fault: what it is, how it comes about, and the one line that tells it.
type Row = (
    &'static str,
    fn(&Clinic),
    (&'static str, &'static str, &'static str),
);

fn all_well(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told(output), [], "{text}{said}");
    output.status.code() == Some(0)
}

/// The one line that is not `ok`.
fn one(name: &str, output: &Output) -> Told {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines = told(output);
    assert_eq!(lines.len(), 1, "{name}: {text}{said}");
    let line = lines.remove(0);
    assert!(!line.mends.is_empty(), "{name}: {text}");
    let code = i32::from(line.state == "missing");
    assert_eq!(output.status.code(), Some(code), "{name}: {said}");
    line
}

fn check(clinic: &Clinic, rows: &[Row]) {
    for (name, fault, (of, state, check)) in rows {
        fault(clinic);
        let line = one(name, &clinic.doctor(&[]));
        assert!(line.of.contains(of), "{name}: {line:?}");
        assert_eq!((&*line.state, &*line.check), (*state, *check), "{name}");
        clinic.mend();
        assert!(all_well(&clinic.doctor(&[])), "{name} is mended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_that_is_well_is_told_so_and_nothing_is_changed() {
    let clinic = Clinic::new().await;
    let before = clinic.knobs().calls().len();
    let output = clinic.doctor(&[]);
    assert!(all_well(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for section in [
        "database",
        "Countersign",
        "account 444455556666 (Production)",
        TRUSTED,
        ASSUMED,
        CARRIER,
    ] {
        assert!(text.contains(section), "{section}: {text}");
    }
    let calls = clinic.knobs().calls();
    let calls = &calls[before..];
    assert!(!calls.iter().any(|call| is_write(&call.action)));
    let trials: Vec<_> = calls
        .iter()
        .filter(|call| call.params.get("RoleArn").is_some_and(|it| it == ASSUMED))
        .collect();
    let [trial] = trials[..] else {
        panic!("one trial of the one role that is assumed: {trials:?}");
    };
    let sent = |name: &str| trial.params.get(name).map_or("", String::as_str);
    assert!(sent("RoleSessionName").starts_with("grant_"));
    assert!(sent("SourceIdentity").starts_with("person_"));
    assert_eq!(sent("DurationSeconds"), "900");
    let deny = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEqualsIfExists":{"aws:CurrentTime":"1970-01-01T00:00:00Z"}}}"#;
    assert!(sent("Policy").contains(deny) && sent("Policy").contains("s3:GetObject"));
}

fn put_trust(clinic: &Clinic, role: &str, trust: &str) {
    clinic.knobs().put_trust(role, trust).expect("taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_countersign_is_and_whether_accounts_let_it_in() {
    let clinic = Clinic::new().await;
    let line = one(
        "a wrong key",
        &clinic.doctor(&[("AWS_SECRET_ACCESS_KEY", "wrong")]),
    );
    assert_eq!((&*line.of, &*line.check), ("Countersign", "identity"));
    let line = one(
        "STS is silent",
        &clinic.doctor(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]),
    );
    assert_eq!((&*line.of, &*line.check), ("Countersign", "identity"));
    let rows: [Row; 3] = [
        (
            "another external ID",
            |it| {
                let trust = it.knobs().trust(THIRD_MANAGER).expect("there");
                put_trust(
                    it,
                    THIRD_MANAGER,
                    &trust.replace("countersign-", "another-"),
                );
            },
            (THIRD, "missing", "manager role"),
        ),
        (
            "the manager role is gone",
            |it| it.knobs().delete_role(THIRD_MANAGER),
            (THIRD, "missing", "manager role"),
        ),
        (
            "the hub was made anew",
            |it| {
                let (id, secret) = key("countersign");
                it.knobs().delete_user(HUB);
                it.knobs().create_user(HUB, &id, &secret);
                it.set_up_hub();
            },
            ("Countersign", "missing", "manager roles"),
        ),
    ];
    check(&clinic, &rows);
    clinic.sql("UPDATE accounts SET manager_role_arn = NULL, external_id = NULL WHERE id = '777788889999'").await;
    let line = one("no manager role", &clinic.doctor(&[]));
    assert!(
        line.of.contains(THIRD) && line.check == "manager role",
        "{line:?}"
    );
    assert!(line.mends[0].contains("manager_role = \"arn:aws:iam::777788889999:role/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_source_identity_or_tags_of_our_own_are_told_once() {
    let clinic = Clinic::new().await;
    let knobs = clinic.knobs();
    let ci = "arn:aws:iam::111122223333:role/ci";
    let trust = trusts(HUB).replace(
        "\"sts:AssumeRole\"",
        r#"["sts:AssumeRole","sts:SetSourceIdentity","sts:TagSession"]"#,
    );
    knobs.create_role(ci, &trust).expect("another role");
    knobs
        .put_role_policy(ci, "all", Some(ALLOW_ALL))
        .expect("a policy");
    for manager in [MANAGER, THIRD_MANAGER] {
        let trust = knobs.trust(manager).expect("there");
        put_trust(&clinic, manager, &trust.replace(HUB, ci));
    }
    let (_, sts) = crate::sandbox::as_user(&clinic.world.sandbox, "countersign");
    let plain = || sts.assume_role().role_arn(ci).role_session_name("ci");
    let tag = Tag::builder().key("job").value("7").build();
    let tag = tag.expect("a key and a value");
    for (call, told_of) in [
        (plain(), None),
        (plain().source_identity("ci-job"), Some("session")),
        (
            plain().tags(tag).transitive_tag_keys("job"),
            Some("session"),
        ),
    ] {
        let session = call.send().await.expect("trusted");
        let keys = session.credentials().expect("credentials");
        let output = clinic.doctor(&[
            ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
            ("AWS_SESSION_TOKEN", keys.session_token()),
        ]);
        let mut lines = told(&output);
        // A role that may do everything could give itself more.
        lines.retain(|it| it.check != "own rights");
        let checks: Vec<&str> = lines.iter().map(|it| it.check.as_str()).collect();
        assert_eq!(checks, Vec::from_iter(told_of), "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_does_not_answer_costs_one_time_limit_and_is_told() {
    let clinic = Clinic::new().await;
    let slow = [
        ("COUNTERSIGN_AWS__OPERATION_TIMEOUT", "PT4S"),
        ("COUNTERSIGN_WORKER__LEASE", "PT8S"),
    ];
    let asked = || {
        let begun = Instant::now();
        let lines = told(&clinic.doctor(&slow));
        let took = begun.elapsed();
        // One limit, and not two.
        assert!(took < Duration::from_secs(7), "{took:?}");
        lines
    };
    for account in [OTHER, THIRD] {
        clinic.knobs().silent(account, true);
    }
    let lines = asked();
    let checks: Vec<&str> = lines.iter().map(|it| it.check.as_str()).collect();
    assert_eq!(checks, ["answers", "answers"], "{lines:?}");
    clinic.mend();
    // In the midst of it.
    let (when, fault) = (When::BeforeEffect, Fault::NeverAnswer);
    clinic.knobs().fail_in(OTHER, "GetRole", 0, when, fault);
    let lines = asked();
    let [line] = &lines[..] else {
        panic!("one line: {lines:?}");
    };
    assert!(
        line.of.contains(OTHER) && line.check == "answers",
        "{line:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_knows_is_told_and_its_mend_is_a_command() {
    let clinic = Clinic::new().await;
    for (condition, sql) in [
        (
            "contested",
            "UPDATE targets SET condition = 'contested' WHERE arn LIKE '%third-admin'",
        ),
        (
            "safe_mode",
            "UPDATE targets SET condition = 'safe_mode' WHERE arn LIKE '%third-admin'",
        ),
        (
            "rewind",
            "UPDATE targets SET rewound_at = now() WHERE arn LIKE '%third-admin'",
        ),
    ] {
        clinic.sql(sql).await;
        let line = one(condition, &clinic.doctor(&[]));
        assert_eq!(line.check, condition);
        // As it is told.
        let arguments: Vec<&str> = line.mends[0].split(' ').skip(1).collect();
        clinic.world.output(&arguments);
        assert!(all_well(&clinic.doctor(&[])));
    }
    clinic
        .sql("UPDATE targets SET last_error = 'unplanned' WHERE arn LIKE '%third-admin'")
        .await;
    assert_eq!(one("unplanned", &clinic.doctor(&[])).check, "unplanned");
    clinic.sql("UPDATE targets SET last_error = NULL").await;
    clinic.sql("UPDATE targets SET arn = 'arn:aws:iam::777788889999:role/aws-service-role/x' WHERE arn LIKE '%third-admin'").await;
    assert_eq!(one("protected", &clinic.doctor(&[])).check, "protected");
    clinic.sql("UPDATE targets SET arn = 'arn:aws:iam::777788889999:role/third-admin' WHERE arn LIKE '%/x'").await;

    clinic.knobs().date_ahead(TimeDelta::seconds(10));
    let lines = told(&clinic.doctor(&[]));
    assert!(
        lines.len() == 3 && lines.iter().all(|it| it.check == "clocks"),
        "{lines:?}"
    );
    clinic.mend();
    assert!(all_well(&clinic.doctor(&[])));

    let nowhere = "postgres://u@%2Fnowhere/d";
    for url in [nowhere, &clinic.world.db.owner_url] {
        let line = one(url, &clinic.doctor(&[("COUNTERSIGN_DATABASE__URL", url)]));
        assert_eq!((&*line.of, &*line.check), ("database", "schema"), "{url}");
    }
    clinic
        .sql("DELETE FROM _sqlx_migrations WHERE version = 10")
        .await;
    let line = one("a migration is missing", &clinic.doctor(&[]));
    assert!(line.mends[0].starts_with("countersign migrate"), "{line:?}");
}
