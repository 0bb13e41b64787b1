//! Real processes of a test's application: the AWS stand-in is in this process, the catalog and
//! tokens are made by the real commands.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::process::{Command, Stdio};

use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use chrono::DateTime;
use countersign::sandbox::Sandbox;
use serde_json::{Value, json};

use super::another;
use super::app::TestApp;
use super::catalog::{ACCOUNT, Catalog, role_arn};
use crate::process::Server;
use crate::sandbox::{self, ROLE};

/// The hand-written trust policy of the role, with white space and an order of keys that no
/// serialiser would choose.
pub const TRUST: &str = r#"{ "Statement" : [ { "Effect":"Allow", "Principal": {"Service": "ec2.amazonaws.com"},
  "Action": "sts:AssumeRole", "Sid": "Machines" } ], "Version":"2012-10-17" }"#;

pub struct World {
    app: TestApp,
    pub sandbox: Sandbox,
    pub alice: String,
    pub bob: String,
    /// The auditor.
    pub otto: String,
}

impl Deref for World {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl World {
    pub async fn new() -> Self {
        Self::of(sandbox::start(TRUST).await, &as_in_the_examples()).await
    }

    /// With that AWS and that catalog, in which alice, bob and otto are.
    pub async fn of(sandbox: Sandbox, catalog: &Catalog) -> Self {
        let app = TestApp::at(DateTime::UNIX_EPOCH).await.on_time();
        // The commands do its work.
        app.admin.close().await;
        let mut world = Self {
            app,
            sandbox,
            alice: String::new(),
            bob: String::new(),
            otto: String::new(),
        };
        world.apply(catalog);
        world.alice = world.token("alice");
        world.bob = world.token("bob");
        world.otto = world.token("otto");
        world
    }

    /// The program with the settings of this world: no lag, and a short lease so that a successor
    /// need not wait for long.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (id, secret) = sandbox::key("admin");
        let url = match arguments.first() {
            Some(&("serve" | "doctor" | "reconcile")) => &self.db.app_url,
            _ => &self.db.catalog_url,
        };
        let settings = BTreeMap::from([
            ("DATABASE__URL", url.as_str()),
            ("SERVER__LISTEN", "127.0.0.1:0"),
            ("AWS__OPERATION_TIMEOUT", "PT2S"),
            ("AWS__PROPAGATION_MARGIN", "PT0S"),
            ("AWS__UNANSWERED_MARGIN", "PT0S"),
            ("AWS__CLOCK_MARGIN", "PT1S"),
            ("WORKER__POLL", "PT0.2S"),
            ("WORKER__LEASE", "PT4S"),
            ("ROLES__AUDITOR", "auditors"),
        ]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env("RUST_LOG", "error");
        command.envs(
            settings
                .into_iter()
                .map(|(key, value)| (format!("COUNTERSIGN_{key}"), value)),
        );
        command.env("AWS_ENDPOINT_URL", self.sandbox.url());
        command
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret);
        command
    }

    pub fn output(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary starts");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub fn token(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.output(&["token", "create", "--person", &email, "--name", "test"])
            .trim()
            .to_owned()
    }

    pub fn serve(&self) -> Server {
        Server::start(self.command(&["serve"]))
    }

    /// A `serve` that works as the role of that session.
    pub fn serve_as(&self, session: &AssumeRoleOutput) -> Server {
        let keys = session.credentials().expect("credentials");
        let mut command = self.command(&["serve"]);
        command
            .env("AWS_ACCESS_KEY_ID", keys.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key())
            .env("AWS_SESSION_TOKEN", keys.session_token());
        Server::start(command)
    }

    /// The first calls of a process to AWS take long, and a verb's own look has two seconds: asks
    /// and withdraws until one was in time, or was refused for what AWS told.
    pub async fn warm_up(&self, serve: &Server) {
        let ask =
            json!({"entitlement": "prod-admin", "duration": "PT1H", "justification": "a try"});
        for _ in 0..20 {
            let (status, request) = serve.post(&self.alice, "/requests", &ask).await;
            if status == 409 {
                return;
            }
            let id = request["id"].as_str().expect("an id");
            let path = format!("/requests/{id}/withdraw");
            let (status, answer) = serve.post(&self.alice, &path, &json!({})).await;
            assert_eq!(status, 200, "{answer}");
            if request["target_checked"] == true {
                return;
            }
        }
        panic!("AWS never answered within a look");
    }

    /// More roles with an entitlement of the same name each.
    pub fn offer(&self, roles: &[String]) {
        let mut more = Catalog::default();
        for role in roles {
            let made = self.sandbox.knobs().create_role(&role_arn(role), TRUST);
            made.expect("another role");
            more.entitlement(role);
        }
        self.apply(&more);
    }

    /// The role that the account is worked in as.
    pub fn manage_as(&self, manager: &str) {
        let mut catalog = Catalog::default();
        let account = catalog.account(ACCOUNT);
        account.manager_role = Some(manager.to_owned());
        self.apply(&catalog);
    }

    pub fn apply(&self, catalog: &Catalog) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), catalog.render()).expect("writable");
        self.output(&["catalog", "apply", file.path().to_str().expect("UTF-8")]);
    }

    pub async fn submit(&self, serve: &Server, duration: &str) -> String {
        self.submit_for(serve, "prod-admin", duration).await
    }

    pub async fn submit_for(&self, serve: &Server, entitlement: &str, duration: &str) -> String {
        let ask = json!({"entitlement": entitlement, "duration": duration, "justification": format!("test {}", another())});
        let (status, request) = serve.post(&self.alice, "/requests", &ask).await;
        assert_eq!(status, 201, "{request}");
        request["id"].as_str().expect("an id").to_owned()
    }

    /// Approves as bob and gives the grant's id.
    pub async fn approve(&self, serve: &Server, request: &str) -> String {
        let (status, request) = serve
            .post(
                &self.bob,
                &format!("/requests/{request}/approve"),
                &json!({}),
            )
            .await;
        assert_eq!(status, 200, "{request}");
        request["grant_id"].as_str().expect("a grant").to_owned()
    }

    pub async fn end(&self, serve: &Server, grant: &str) {
        let (status, answer) = serve
            .post(&self.alice, &format!("/grants/{grant}/end"), &json!({}))
            .await;
        assert_eq!(status, 202, "{answer}");
    }

    pub async fn assume(&self, user: &str, session: &str) -> Result<AssumeRoleOutput, String> {
        let assumed = sandbox::assume(&self.sandbox, user, session).await;
        assumed.map_err(|error| sandbox::code::<(), _, _>(Err(error)))
    }

    /// AWS says no, and nothing else is the matter.
    pub async fn assert_refused(&self, user: &str, session: &str) {
        let answer = self.assume(user, session).await;
        let code = answer.map(drop).expect_err("refused");
        assert_eq!(code, "AccessDenied", "{user} as {session}");
    }

    /// Whether a session can be used; a call that fails for another reason than a refusal is a
    /// failure of the test.
    pub async fn works(&self, session: &AssumeRoleOutput) -> bool {
        let (iam, _) = sandbox::as_session(&self.sandbox, session);
        let code = sandbox::code(iam.list_users().send().await);
        assert!(code == "ok" || code == "AccessDenied", "{code}");
        code == "ok"
    }

    pub fn trust(&self) -> String {
        self.sandbox.knobs().trust(ROLE).expect("the role is there")
    }

    pub fn guard(&self) -> Option<String> {
        self.sandbox.knobs().role_policy(ROLE, "CountersignGuard")
    }

    /// How many statements of the trust policy are not the hand-written one.
    pub fn our_statements(&self) -> usize {
        let trust: Value = serde_json::from_str(&self.trust()).expect("JSON");
        let all = trust["Statement"].as_array().expect("a list");
        all.iter().filter(|it| it["Sid"] != "Machines").count()
    }

    /// The audit log holds the action on the subject exactly once, as a success.
    pub async fn assert_once(&self, serve: &Server, subject: &str, action: &str) {
        let events = serve
            .get(
                &self.otto,
                &format!("/audit-events?subject={subject}&action={action}"),
            )
            .await;
        let items = events["items"].as_array().expect("a list");
        assert_eq!(items.len(), 1, "{action}: {events}");
        assert_eq!(items[0]["outcome"], "success");
    }
}

/// The company, whose people sign in where those of the documentation's examples do.
pub fn as_in_the_examples() -> Catalog {
    let mut catalog = Catalog::company();
    for person in &mut catalog.people {
        person.issuer = "https://id.example.com".to_owned();
    }
    catalog
}
