//! `countersign demo` as a process of its own: what it promises to whoever tries it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::ProvideErrorMetadata as _;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Server;
use super::children::{below, is_left};
use super::described::{assert_asks, assert_described};
use super::refusals::refusal;
use crate::support::{another, open_folder, wait};

pub const FREE: [&str; 4] = ["--port", "0", "--aws-port", "0"];

const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

/// The program on a data folder, in an environment whose own AWS and database the demo must not
/// touch.
pub fn demo(folder: &Path, arguments: &[&str]) -> Command {
    demo_by(Command::new(PROGRAM), folder, arguments)
}

/// The same, by a command that takes the program's arguments.
fn demo_by(mut command: Command, folder: &Path, arguments: &[&str]) -> Command {
    command.arg("demo").arg("--data-dir").arg(folder);
    command.args(arguments).stdin(Stdio::null()).env_clear();
    for name in ["PATH", "TMPDIR", "COUNTERSIGN_PG_BIN"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("RUST_LOG", "error")
        .env("COUNTERSIGN_CONFIG", "/nowhere.toml")
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:9/theirs")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ENDPOINT_URL_IAM", "http://127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", "AKIATHEIRS")
        .env("AWS_SECRET_ACCESS_KEY", "theirs")
        .env("AWS_SESSION_TOKEN", "theirs")
        .env("AWS_PROFILE", "theirs");
    command
}

/// The same, on free ports, where whoever runs the tests (`nohup`, a script in the background)
/// hands on that the signal is ignored.
pub fn hearing(signal: &str, folder: &Path) -> Command {
    let mut env = Command::new("env");
    env.args([&format!("--default-signal={signal}"), PROGRAM]);
    demo_by(env, folder, &FREE)
}

/// A running demo; killed when dropped.
pub struct Demo {
    pub server: Server,
    pub folder: PathBuf,
    /// What `demo.json` says.
    pub described: Value,
}

impl Demo {
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &FREE)
    }

    fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        Self::of(demo(folder, arguments), folder)
    }

    /// Waits until it says that it is ready.
    fn of(mut command: Command, folder: &Path) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut server = Server {
            child,
            url: String::new(),
        };
        let ready = BufReader::new(stdout)
            .lines()
            .any(|line| line.expect("UTF-8") == "Countersign's demo is ready.");
        assert!(ready, "it ended: {:?}", server.child.wait());
        let described = fs::read(folder.join("demo.json")).expect("demo.json");
        let described: Value = serde_json::from_slice(&described).expect("JSON");
        server.url = text(&described["portal_url"]).to_owned();
        Self {
            server,
            folder: folder.to_owned(),
            described,
        }
    }

    fn person(&self, name: &str) -> &Value {
        let email = format!("{name}@example.com");
        let people = self.described["people"].as_array().expect("a list");
        let found = people.iter().find(|it| it["email"] == email);
        found.unwrap_or_else(|| panic!("{name}: {}", self.described))
    }

    pub fn token(&self, name: &str) -> &str {
        text(&self.person(name)["api_token"])
    }

    /// alice asks for an hour; the request's id. A new process may need more for its first look at
    /// AWS than a verb has: she asks until one was in time.
    pub async fn submit(&self) -> String {
        self.submit_for("PT1H").await
    }

    async fn submit_for(&self, duration: &str) -> String {
        self.ask_for("prod-admin", duration).await
    }

    pub async fn ask_for(&self, entitlement: &str, duration: &str) -> String {
        self.ask_as("alice", entitlement, duration).await
    }

    /// The same of somebody else.
    pub async fn ask_as(&self, name: &str, entitlement: &str, duration: &str) -> String {
        for _ in 0..20 {
            let why = format!("test {}", another());
            let ask =
                json!({"entitlement": entitlement, "duration": duration, "justification": why});
            let own = self.token(name);
            let (status, request) = self.server.post(own, "/requests", &ask).await;
            assert_eq!(status, 201, "{request}");
            if request["target_checked"] == true {
                return text(&request["id"]).to_owned();
            }
        }
        panic!("AWS never answered within a look");
    }

    /// bob approves what alice asks for; the grant's id, once it is open.
    pub async fn approve(&self, request: &str) -> String {
        self.approve_of("alice", request).await
    }

    /// The same of somebody else.
    pub async fn approve_of(&self, name: &str, request: &str) -> String {
        let path = format!("/requests/{request}/approve");
        let voice = async |who| {
            let (status, request) = self.server.post(self.token(who), &path, &json!({})).await;
            assert_eq!(status, 200, "{request}");
            request
        };
        let mut request = voice("bob").await;
        // What has a second stage asks the security admins there.
        if request["stages"][1]["state"] == "open" {
            request = voice("dave").await;
        }
        let grant = text(&request["grant_id"]).to_owned();
        self.server
            .reaches(self.token(name), &grant, "active")
            .await;
        grant
    }

    /// A session of the entitlement's role by a person's own keys; AWS's code where it is refused.
    async fn assume(&self, name: &str, session: &str) -> Result<Credentials, String> {
        let role = text(&self.described["entitlements"][0]["role_arn"]);
        self.assume_showing(name, role, session, &Value::Null).await
    }

    /// The same of another role, for whoever shows what a grant of the API asks for.
    pub async fn assume_showing(
        &self,
        name: &str,
        role: &str,
        session: &str,
        asked: &Value,
    ) -> Result<Credentials, String> {
        let own = &self.person(name)["aws"];
        let of_device = |key: &str| {
            let is_asked = asked["mfa"] == true;
            is_asked.then(|| text(&own[key]).to_owned())
        };
        let (id, secret) = (&own["access_key_id"], &own["secret_access_key"]);
        let token = own["session_token"].as_str().map(str::to_owned);
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(text(&self.described["aws_endpoint_url"]))
            .credentials_provider(Credentials::new(
                text(id),
                text(secret),
                token,
                None,
                "demo",
            ));
        let answer = aws_sdk_sts::Client::from_conf(config.build())
            .assume_role()
            .role_arn(role)
            .role_session_name(session)
            .set_serial_number(of_device("mfa_serial"))
            .set_token_code(of_device("mfa_code"))
            .set_external_id(asked["external_id"].as_str().map(str::to_owned))
            .send()
            .await;
        let answer = answer.map_err(|it| it.code().unwrap_or("no answer").to_owned())?;
        let keys = answer.credentials.expect("credentials");
        let token = Some(keys.session_token);
        Ok(Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            token,
            None,
            "demo",
        ))
    }

    pub async fn works(&self, session: &Credentials) -> bool {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(text(&self.described["aws_endpoint_url"]))
            .credentials_provider(session.clone());
        let iam = aws_sdk_iam::Client::from_conf(config.build());
        iam.list_users().send().await.is_ok()
    }

    /// Ctrl-C (the whole process group is told) or a polite `kill`; how it ended.
    pub fn end(mut self, signal: &str) -> ExitStatus {
        let pid = self.server.child.id();
        let whom = if signal == "INT" {
            format!("-{pid}")
        } else {
            pid.to_string()
        };
        let told = Command::new("kill")
            .args(["-s", signal, "--", &whom])
            .status();
        assert!(told.expect("kill runs").success());
        self.server.ended()
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

/// A folder that does not exist yet, and what holds it.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let temporary = open_folder();
    let path = temporary.path().join("new/demo");
    (temporary, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_outlives_a_sigkill_and_ctrl_c_leaves_nothing_running() {
    let (_temporary, folder) = folder();
    let first = Demo::start(&folder);
    assert_described(&first);
    assert_asks(&first).await;
    let portal = reqwest::get(text(&first.described["portal_url"])).await;
    assert_eq!(portal.expect("the portal answers").status(), 200);
    let request = first.submit().await;
    let refused = first.assume("alice", "alice").await;
    assert_eq!(refused.expect_err("before"), "AccessDenied");
    let grant = first.approve(&request).await;
    let session = first.assume("alice", &grant).await.expect("open");
    assert!(first.works(&session).await);
    assert!(first.assume("bob", &grant).await.is_err());
    let (children, before) = (below(&first.server.child), first.described.clone());
    first.server.kill();
    wait::until("Postgres is gone", || !is_left(&children));

    let mut command = demo(&folder, &FREE);
    command.process_group(0);
    let second = Demo::of(command, &folder);
    for kept in ["people", "machines"] {
        assert_eq!(second.described[kept], before[kept]);
    }
    let path = format!("/requests/{request}");
    let found = second.server.get(second.token("alice"), &path).await;
    assert_eq!(text(&found["grant_id"]), grant);
    second
        .server
        .reaches(second.token("alice"), &grant, "active")
        .await;
    assert!(second.works(&session).await);
    let anew = second.assume("alice", &grant).await.expect("still open");
    assert!(second.works(&anew).await);

    let children = below(&second.server.child);
    let ended = second.end("INT");
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!is_left(&children), "it has waited for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_json_is_there_exactly_while_it_is_ready() {
    let (_temporary, folder) = folder();
    let demo = Demo::of(hearing("HUP", &folder), &folder);
    let children = below(&demo.server.child);
    let ended = demo.end("HUP");
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!is_left(&children));
    assert!(!folder.join("demo.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_begins_anew() {
    let (_temporary, folder) = folder();
    let old = Demo::start(&folder);
    let request = old.submit().await;
    let (token, keys) = (
        old.token("alice").to_owned(),
        old.person("alice")["aws"].clone(),
    );
    assert_eq!(old.end("TERM").code(), Some(0));

    let mut command = demo(&folder, &FREE);
    command.arg("--reset");
    let new = Demo::of(command, &folder);
    assert_described(&new);
    let mine = new.server.get(&token, "/people/me").await;
    assert_eq!(mine["code"], "unauthenticated", "{mine}");
    let path = format!("/requests/{request}");
    let gone = new.server.get(new.token("alice"), &path).await;
    assert_eq!(gone["code"], "not_found", "{gone}");
    assert_ne!(new.person("alice")["aws"], keys);
    new.approve(&new.submit().await).await;
}

/// The two terminals of the README.
#[tokio::test(flavor = "multi_thread")]
async fn aws_started_apart_refuses_at_the_deadline_with_countersign_killed() {
    let (_temporary, folder) = folder();
    let only_aws = demo(&folder, &["--only", "aws", "--aws-port", "0"]);
    let aws = Server::start(only_aws);
    let port = aws.url.rsplit(':').next().expect("a port");
    let port = &port.to_owned();
    let parts = ["--only", "countersign", "--port", "0", "--aws-port", port];
    let countersign = Demo::start_with(&folder, &parts);
    assert_described(&countersign);

    let request = countersign.submit_for("PT30S").await;
    let grant = countersign.approve(&request).await;
    let session = countersign.assume("alice", &grant).await.expect("open");
    let path = format!("/grants/{grant}");
    let told = countersign
        .server
        .get(countersign.token("alice"), &path)
        .await;
    let deadline: DateTime<Utc> = text(&told["deadline"]).parse().expect("a time");
    let children = below(&countersign.server.child);
    let described = countersign.described.clone();
    countersign.server.kill();
    wait::until("Postgres is gone", || !is_left(&children));
    let left = Demo {
        server: aws,
        folder: folder.clone(),
        described,
    };
    wait::until_async("AWS refuses the session", async || {
        !left.works(&session).await
    })
    .await;
    let answer = reqwest::get(text(&left.described["aws_endpoint_url"])).await;
    let answer = answer.expect("AWS is still there");
    let date = answer.headers()["date"].to_str().expect("text");
    let date = DateTime::parse_from_rfc2822(date).expect("a time");
    assert!(date >= deadline, "not before {deadline}: {date}");
    let again = left.assume("alice", &grant).await;
    assert_eq!(again.expect_err("refused"), "AccessDenied");

    // The rest can be started again, and cannot take the keys from the AWS that runs.
    let again = Demo::start_with(&folder, &parts);
    assert_eq!(again.described["people"], left.described["people"]);
    drop(again);
    let mut reset = demo(&folder, &parts);
    reset.arg("--reset");
    assert!(refusal(reset).contains("--reset"));
    assert_eq!(left.end("TERM").code(), Some(0));
    let said = refusal(demo(&folder, &parts));
    assert!(
        said.contains("demo --only aws") && said.contains(port),
        "{said}"
    );
}

/// Postgres refuses root, so that root goes another way. Run by root, this test gives up root;
/// where that is forbidden it fails.
#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_can_run_it() {
    let temporary = open_folder();
    let folder = temporary.path().join("demo");
    let mut command = demo(&folder, &FREE);
    if id(&["-u"]) == 0 {
        let (user, group) = (id(&["-u", "nobody"]), id(&["-g", "nobody"]));
        // The build's folder may be closed to others.
        let program = temporary.path().join("countersign");
        fs::copy(env!("CARGO_BIN_EXE_countersign"), &program).expect("room for the program");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&program, open).expect("it is ours");
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("it is ours");
        chown(&folder, Some(user), Some(group)).expect("root may give it away");
        let mut program = Command::new(program);
        program.args(command.get_args()).stdin(Stdio::null());
        program.env_clear().current_dir(temporary.path());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                program.env(name, value);
            }
        }
        program.uid(user).gid(group);
        command = program;
    }
    let demo = Demo::of(command, &folder);
    assert_described(&demo);
    let owner = fs::metadata(folder.join("demo.json"))
        .expect("it is there")
        .uid();
    assert_ne!(owner, 0, "it ran as root");
    let grant = demo.approve(&demo.submit().await).await;
    let session = demo.assume("alice", &grant).await.expect("open");
    assert!(demo.works(&session).await);
    let children = below(&demo.server.child);
    assert_eq!(demo.end("TERM").code(), Some(0));
    assert!(!is_left(&children));
}

fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id")
        .args(arguments)
        .output()
        .expect("id runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    said.trim().parse().expect("a number")
}
