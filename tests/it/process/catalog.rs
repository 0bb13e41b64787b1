//! `countersign catalog`: what somebody who writes their first file is told, and the example that
//! they begin with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign::sandbox::{Options, Sandbox, Seed};
use serde_json::json;

use super::Server;
use crate::support::world::World;

const WRONG: &str = r#"[[accounts]]
id = "11112222333"
nme = "Production"

[[people]]
issuer = "https://id.example.com"
subject = "alice"
name = "Al\u202eice"
email = "alice@example.com"
principals = ["arn:aws:iam::111122223333:user/alice", "alice"]

[[entitlements]]
name = "prod-admin"
role_arn = "arn:aws:iam::111122223333:role/prod-admin"
method = "magic"
min_duration = "8 hours"
max_duration = "PT8H"
requester_group = "engineers"
approver_group = 7
needed = 0
"#;

const TOLD: &str = r#"countersign: FILE has 9 mistakes, and nothing of it is applied:

FILE:1:1: account 11112222333: name is missing
  |
1 | [[accounts]]
  | ^^^^^^^^^^^^

FILE:2:6: account 11112222333: id must be 12 digits
  |
2 | id = "11112222333"
  |      ^^^^^^^^^^^^^

FILE:3:1: account 11112222333: `nme` is no key that is known here; there are external_id, id, manager_role, name, owner
  |
3 | nme = "Production"
  | ^^^

FILE:8:8: alice@example.com: name must not contain control or invisible characters (U+202E at character 3)
  |
8 | name = "Al�ice"
  |        ^^^^^^^^

FILE:10:55: alice@example.com: principals must be the ARN of an IAM user such as arn:aws:iam::111122223333:user/name
   |
10 | principals = ["arn:aws:iam::111122223333:user/alice", "alice"]
   |                                                       ^^^^^^^

FILE:15:10: entitlement prod-admin: method must be "trust_policy", "switch", "attach" or "sts_credentials"
   |
15 | method = "magic"
   |          ^^^^^^^

FILE:16:16: entitlement prod-admin: min_duration must be a duration such as PT15M (15 minutes) or PT8H (8 hours)
   |
16 | min_duration = "8 hours"
   |                ^^^^^^^^^

FILE:19:18: entitlement prod-admin: approver_group must be a text in quotes
   |
19 | approver_group = 7
   |                  ^

FILE:20:10: entitlement prod-admin: needed must be a number from 1 to 10
   |
20 | needed = 0
   |          ^
"#;

fn check(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["catalog", "check"]).arg(file).env_clear();
    command.output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8([&out[..], &err[..]].concat()).expect("UTF-8")
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/examples")
        .join(name)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("writable");
    file
}

fn apply(world: &World, file: &Path) -> Output {
    let file = file.to_str().expect("UTF-8");
    let mut command = world.command(&["catalog", "apply", file]);
    command.output().expect("the binary starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_shown_at_once_with_its_line_and_no_database() {
    let file = file(&WRONG.replace("\\u202e", "\u{202e}"));
    let checked = check(file.path());
    let told = TOLD.replace("FILE", &file.path().display().to_string());
    assert_eq!(said(&checked), told);
    assert_eq!(checked.status.code(), Some(1));
    let world = World::new().await;
    assert_eq!(said(&apply(&world, file.path())), told);
}

#[test]
fn what_is_not_toml_is_told_by_line_and_without_the_parsers_names() {
    let file = file("[[accounts]]\nid = \"111122223333\"\nname = Production\n");
    let said = said(&check(file.path()));
    assert!(said.contains(":3:"), "{said}");
    assert!(said.contains("3 | name = Production\n"), "{said}");
    for word in ["serde", "struct", "variant", "TOML parse error"] {
        assert!(!said.contains(word), "{said}");
    }
}

/// What stands behind it is read otherwise than it was meant.
#[test]
fn one_missing_bracket_is_one_mistake() {
    let whole = std::fs::read_to_string(example("catalog.toml")).expect("readable");
    let at = whole.find(']').expect("a table");
    let file = file(&format!("{}{}", &whole[..at], &whole[at + 1..]));
    let said = said(&check(file.path()));
    assert_eq!(said.matches("this is not TOML").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_database_knows_is_shown_with_its_line_too() {
    let world = World::new().await;
    let file = file(
        r#"[[people]]
issuer = "https://id.example.com"
subject = "mallory"
name = "Mallory"
email = "mallory@example.com"
principals = ["arn:aws:iam::111122223333:user/alice", "arn:aws:iam::444455556666:user/mallory"]
"#,
    );
    let checked = check(file.path());
    assert!(checked.status.success(), "{}", said(&checked));
    let applied = apply(&world, file.path());
    let said = said(&applied);
    assert_eq!(applied.status.code(), Some(1), "{said}");
    for told in [
        ":6:15: mallory@example.com: principals: arn:aws:iam::111122223333:user/alice belongs to alice@example.com",
        ":6:55: account 444455556666 is not in the catalog",
    ] {
        assert!(said.contains(told), "{said}");
    }
}

/// The example with its last entitlement, which stands there as a comment.
fn with_attached() -> String {
    let whole = std::fs::read_to_string(example("catalog.toml")).expect("readable");
    let at = whole.rfind("#[[entitlements]]").expect("it is there");
    let attached = whole[at..].lines().map(|line| &line[1..]);
    let attached: Vec<&str> = attached.collect();
    format!("{}{}\n", &whole[..at], attached.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_taken_from_the_example_and_told_of() {
    let world = World::new().await;
    let text = with_attached();
    let taken = file(&text);
    let checked = check(taken.path());
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(!said(&checked).contains("note"), "{}", said(&checked));
    let applied = said(&apply(&world, taken.path()));
    assert!(applied.contains("entitlement prod-logs"), "{applied}");

    let strong = file(&text.replace("logs:FilterLogEvents", "logs:PutResourcePolicy"));
    let note = "note: prod-logs can mean logs:PutResourcePolicy: with such actions a person can give access that \
                stays after the deadline";
    for output in [check(strong.path()), apply(&world, strong.path())] {
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains(note), "{}", said(&output));
    }

    // The second account is the entitlement's alone.
    let (before, after) = text.rsplit_once("account = \"111122223333\"").expect("its");
    let lost = file(&format!("{before}account = \"444455556666\"{after}"));
    let line = 1 + before.matches('\n').count();
    let refused = said(&apply(&world, lost.path()));
    let told = format!(":{line}:11: account 444455556666 is not in the catalog");
    assert!(refused.contains(&told), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_external_id_of_an_account_is_printed_each_time() {
    let world = World::new().await;
    let file = file(
        r#"[[accounts]]
id = "444455556666"
name = "Partner"
manager_role = "arn:aws:iam::444455556666:role/countersign-manager"
external_id = true
"#,
    );
    let checked = said(&check(file.path()));
    assert!(!checked.contains("note"), "it is not made yet: {checked}");
    let printed = || {
        let said = said(&apply(&world, file.path()));
        let notes = said
            .lines()
            .filter(|line| line.starts_with("note: account 444455556666 (Partner): "));
        let notes: Vec<&str> = notes.collect();
        assert!(
            notes.len() == 1 && notes[0].contains(" external ID countersign-"),
            "{said}"
        );
        notes[0].to_owned()
    };
    assert_eq!(printed(), printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_without_an_aws_identity_is_named_before_and_when_they_ask() {
    let world = World::new().await;
    let text = std::fs::read_to_string(example("catalog.toml")).expect("readable");
    let zoe = text
        .replace("\"alice\"", "\"zoe\"")
        .replace("alice@", "zoe@");
    let (before, after) = zoe.split_once("principals = [").expect("it is there");
    let (_, after) = after.split_once('\n').expect("a line");
    let file = file(&format!("{before}{after}"));
    for output in [check(file.path()), apply(&world, file.path())] {
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        let note = "note: zoe@example.com can ask for prod-admin only once `principals` names an IAM user of theirs in account 111122223333";
        assert!(said.contains(note), "{said}");
        assert!(!said.contains("alice@"), "{said}");
    }
    let serve = world.serve();
    let zoe = world.token("zoe");
    let ask = json!({"entitlement": "prod-admin", "duration": "PT1M", "justification": "a try"});
    let (status, refused) = serve.post(&zoe, "/requests", &ask).await;
    let said = refused.to_string();
    assert_eq!(status, 422, "{said}");
    for words in [
        "`principals`",
        "account 111122223333",
        "from 15 minutes to 8 hours",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_documentation_work_together() {
    let world = World::new().await;
    let checked = check(&example("catalog.toml"));
    let said_of_it = said(&checked);
    assert!(
        checked.status.success() && !said_of_it.contains("note"),
        "{said_of_it}"
    );
    let applied = apply(&world, &example("catalog.toml"));
    assert!(applied.status.success(), "{}", said(&applied));

    let seed = std::fs::read_to_string(example("sandbox.toml")).expect("readable");
    let seed: Seed = toml::from_str(&seed).expect("a seed");
    let ours = seed.accounts[0].users[0].clone();
    let sandbox = Sandbox::start(Options {
        addr: ([127, 0, 0, 1], 0).into(),
        seed,
        state_file: None,
        allow_non_loopback: false,
    })
    .await
    .expect("it starts");
    let mut command = world.command(&["serve"]);
    command
        .env("AWS_ENDPOINT_URL", sandbox.url())
        .env("AWS_ACCESS_KEY_ID", ours.access_key_id.expect("a key"))
        .env(
            "AWS_SECRET_ACCESS_KEY",
            ours.secret_access_key.expect("a secret"),
        );
    let serve = Server::start(command);
    let request = world.submit(&serve, "PT15M").await;
    let grant = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &grant, "active").await;
    sandbox.stop().await;
}
