//! `serve`, `catalog apply` and `token create` that cannot do it say why in one line, and change
//! nothing.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Server;
use super::refusals::refusal;
use crate::support::world::World;
use crate::support::{cluster, wait};

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_in_one_line_why_it_does_not_start() {
    let world = World::new().await;
    let serve = |name: &str, value: &str| {
        let mut command = world.command(&["serve"]);
        command.env(name, value);
        refusal(command)
    };
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("an address").to_string();
    let said = serve("COUNTERSIGN_SERVER__LISTEN", &address);
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert!(said.contains("server.listen"), "{said}");

    let said = serve("COUNTERSIGN_DATABASE__URL", &world.db.owner_url);
    assert!(said.contains("countersign_owner"), "{said}");
    assert!(
        said.contains("CREATE ROLE countersign_serve LOGIN"),
        "{said}"
    );
    assert!(said.contains("IN ROLE countersign_app"), "{said}");

    let bare = format!("{}_bare", world.db.name);
    let mut admin = PgConnection::connect(&cluster().url("postgres", "postgres"))
        .await
        .expect("the tests' Postgres");
    let create = AssertSqlSafe(format!("CREATE DATABASE {bare} OWNER countersign_owner"));
    let created = sqlx::raw_sql(create).execute(&mut admin).await;
    created.expect("a database");
    let url = cluster().url("countersign_serve", &bare);
    let said = serve("COUNTERSIGN_DATABASE__URL", &url);
    assert!(said.contains("countersign migrate"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_or_a_token_that_cannot_be_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("catalog.toml");
    let file = file.to_str().expect("UTF-8");
    let apply = || world.command(&["catalog", "apply", file]);
    let before = counts(&world).await;
    let said = refusal(apply());
    assert!(
        said.contains(file) && said.contains("No such file"),
        "{said}"
    );
    let good = "accounts = [{ id = \"444455556666\", name = \"Staging\" }]\n";
    for (bad, word) in [
        ("acounts = []", "acounts"),
        ("people = [{ name = \"Zoe\" }]", "issuer"),
        ("accounts = [{ id = \"12\", name = \"x\" }]", "12 digits"),
        ("accounts = [", "catalog"),
    ] {
        std::fs::write(file, format!("{good}{bad}")).expect("writable");
        if bad.starts_with("accounts") {
            std::fs::write(file, bad).expect("writable");
        }
        let output = apply().output().expect("the binary starts");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(word), "{word}: {said}");
    }
    let token = |person: &str, life: &str| -> Command {
        world.command(&[
            "token",
            "create",
            "--person",
            person,
            "--name",
            "test",
            "--expires-in",
            life,
        ])
    };
    for (person, life, word) in [
        ("zoe@example.com", "PT1H", "person is not known"),
        ("alice@example.com", "PT9999H", "90 days"),
        ("alice@example.com", "an hour", "ISO 8601"),
        ("alice@example.com", "PT0S", "PT"),
    ] {
        let said = refusal(token(person, life));
        assert!(said.contains(word), "{person} {life}: {said}");
    }
    assert_eq!(counts(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_asks_nothing_of_the_machine_that_it_runs_on() {
    let world = World::new().await;
    let metadata = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let metadata = metadata.expect("a free port");
    let url = format!("http://{}", metadata.local_addr().expect("an address"));
    let asked = Arc::new(AtomicBool::new(false));
    tokio::spawn({
        let asked = Arc::clone(&asked);
        async move {
            while metadata.accept().await.is_ok() {
                asked.store(true, Ordering::Relaxed);
            }
        }
    });
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = world.command(&["token", "create", "--name", "x"]);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    let output = command
        .args(["--person", "alice@example.com"])
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        .output();
    assert!(output.expect("the binary starts").status.success());
    assert!(!asked.load(Ordering::Relaxed), "no region from IMDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_listed_with_what_became_of_them_and_never_told() {
    let world = World::new().await;
    let run = |arguments: &[&str]| -> Output {
        let output = world.command(arguments).output();
        output.expect("the binary starts")
    };
    let serve = world.serve();
    serve.get(&world.alice, "/people/me").await;
    let listed = || String::from_utf8(run(&["token", "list"]).stdout).expect("UTF-8");
    let list = listed();
    let headings = "token name of created last used expires revoked scopes";
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lines: Vec<_> = list.lines().map(words).collect();
    assert_eq!(lines[0].join(" "), headings, "{list}");
    assert_eq!(lines.len(), 4, "{list}");
    let of = |email: &str| {
        let mut lines = lines.iter();
        lines
            .find(|line| line.contains(&email.to_owned()))
            .expect("a line")
            .clone()
    };
    let (alice, bob) = (of("alice@example.com"), of("bob@example.com"));
    assert_eq!(alice[1], "test");
    // Created, last used and expires have a date and a time each, where there are any.
    assert_eq!((alice.len(), bob.len()), (11, 10), "{list}");
    assert_eq!((&*bob[5], &*bob[8]), ("-", "-"), "{list}");
    let usual = "request:create,request:read,request:decide,audit:read";
    assert_eq!(alice[10], usual, "{list}");
    for token in [&world.alice, &world.bob] {
        assert!(!list.contains(&token[4..]), "a token: {list}");
    }
    assert!(run(&["token", "revoke", &bob[0]]).status.success());
    let list = listed();
    let bob = list.lines().find(|line| line.contains("bob@")).map(words);
    assert_eq!(bob.expect("a line").len(), 11, "{list}");
}

/// As a member of the catalog's role, beside a `serve` that closes what was open.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_listed_disabled_and_enabled() {
    let world = World::new().await;
    let serve = world.serve();
    world.warm_up(&serve).await;
    let request = world.submit(&serve, "PT1H").await;
    let grant = world.approve(&serve, &request).await;
    let path = format!("/grants/{grant}");
    let state = async || serve.get(&world.bob, &path).await["state"].clone();
    wait::until_async("it is open", async || state().await == "active").await;
    let line = |email: &str| {
        let list = world.output(&["people", "list"]);
        let line = list.lines().find(|line| line.contains(email));
        let words = line.unwrap_or_default().split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let alice = line("alice@example.com");
    assert_eq!(alice[3..], ["active", "-", "0", "1", "0", "1"]);
    let id = &alice[0];
    let reason = "Left the company";
    world.output(&["people", "disable", id, "--reason", reason]);
    let alice = line("alice@example.com");
    assert_eq!(alice[3], "disabled");
    assert_eq!(alice[alice.len() - 4..], ["0", "0", "0", "0"]);
    let ask = serde_json::json!({});
    let (status, _) = serve.post(&world.alice, "/requests", &ask).await;
    assert_eq!(status, 401);
    wait::until_async("it has ended", async || state().await == "ended").await;
    let said = refusal(world.command(&["people", "disable", id]));
    assert!(said.contains("this person is disabled"), "{said}");
    let token = ["token", "create", "--name", "x", "--person", id];
    let said = refusal(world.command(&token));
    assert!(said.contains("was disabled"), "{said}");
    world.output(&["people", "enable", "alice@example.com"]);
    assert_eq!(line("alice@example.com")[3], "active");
    let said = refusal(world.command(&["people", "enable", "nobody@example.com"]));
    assert!(said.contains("is not known"), "{said}");
}

/// No credentials in the environment, in files, or of a machine: what a newcomer has.
#[tokio::test(flavor = "multi_thread")]
async fn serve_without_aws_credentials_starts_and_says_so() {
    let world = World::new().await;
    let home = tempfile::tempdir().expect("a temporary folder");
    let log = home.path().join("log");
    // Takes connections, never answers.
    let metadata = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", metadata.local_addr().expect("an address"));
    let start = |name: &str| {
        let mut command = world.command(&["serve"]);
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
        ] {
            command.env_remove(name);
        }
        let file = std::fs::File::create(home.path().join(name)).expect("writable");
        command
            .env("HOME", home.path())
            .env("RUST_LOG", "countersign=warn")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)
            .stderr(file);
        command
    };
    let serve = Server::start(start("log"));
    let me = serve.get(&world.alice, "/people/me").await;
    assert_eq!(
        me["email"], "alice@example.com",
        "it serves all the same: {me}"
    );
    let warned = |log: &std::path::Path| {
        let log = std::fs::read_to_string(log).expect("readable");
        log.contains("there are no AWS credentials") && log.contains("AWS_ACCESS_KEY_ID")
    };
    wait::until("it warns", || warned(&log));
    drop(serve);

    let log = home.path().join("disabled");
    let mut command = start("disabled");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let serve = Server::start(command);
    wait::until("it warns", || warned(&log));
    // Nothing was sent that could land: it is a refusal, and nothing that is waited for.
    let request = world.submit(&serve, "PT15M").await;
    let grant = world.approve(&serve, &request).await;
    let told = format!(
        "SELECT min(code) FROM audit_events WHERE subject = '{grant}' AND action = 'grant.delayed'"
    );
    wait::until_async("it is told", async || {
        let told = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(told.clone()));
        let told = told.fetch_one(&world.db.pool).await.expect("an answer");
        told.inspect(|code| assert_eq!(code, "denied")).is_some()
    })
    .await;
    drop(serve);
}

async fn counts(world: &World) -> Vec<i64> {
    let mut all = Vec::new();
    for table in ["accounts", "people", "entitlements", "api_tokens"] {
        let count = format!("SELECT count(*) FROM {table}");
        let count = sqlx::query_scalar(AssertSqlSafe(count));
        all.push(count.fetch_one(&world.db.pool).await.expect("a number"));
    }
    all
}
