//! The sandbox with one role, and its knobs in the words of these tests.

use std::sync::Mutex;

use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::types::Credentials as Issued;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use chrono::{DateTime, Utc};
use countersign::aws::{Aws, Clouds, GUARD_NAME};
use countersign::sandbox::{Fault, Hold, Knobs, Sandbox, SeedAccount, SeedUser, When};

use super::catalog::user_arn;
pub use crate::sandbox::reached;
use crate::sandbox::{self, ALLOW_ALL, ROLE};

/// How many calls the sandbox drops from its log at once, the oldest, when that is full.
const DROPPED: usize = 1_000;

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
pub enum Knob {
    /// Refused with this code and status, nothing done.
    Refuse(&'static str, u16),
    /// The connection breaks without an answer; `true`: after the effect.
    Drop(bool),
    /// Never answered, nothing done.
    Silence,
    /// Done, and answered with what nobody can read.
    Garbled,
}

/// The key of a user of another account, who may do everything there.
pub const ELSEWHERE: &str = "AKIAELSEWHERE";
pub const ELSEWHERE_ARN: &str = "arn:aws:iam::444455556666:user/elsewhere";

/// One account with one role that may do everything.
#[derive(Debug)]
pub struct Cloud {
    sandbox: Sandbox,
    /// What everybody's clients share: to read the roots of TLS for each takes longer than its
    /// calls.
    http: SharedHttpClient,
    /// Calls that a test has seen already.
    seen: Mutex<usize>,
}

/// Somebody's keys.
#[derive(Debug, Clone)]
pub struct Keys {
    endpoint: String,
    http: SharedHttpClient,
    credentials: Credentials,
}

/// What somebody shows beside who they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The device's serial number, and its code.
    pub mfa: Option<(&'a str, &'a str)>,
    pub external_id: Option<&'a str>,
}

impl Cloud {
    pub async fn start(trust: &str, now: DateTime<Utc>) -> Self {
        let account = SeedAccount {
            users: vec![somebody("countersign"), somebody("admin")],
            ..sandbox::account(trust)
        };
        let elsewhere = SeedAccount {
            id: "444455556666".to_owned(),
            trust_quota: 4_096,
            users: vec![somebody("elsewhere")],
            roles: vec![],
        };
        Self::of(vec![account, elsewhere], now).await
    }

    /// With these accounts.
    pub async fn of(accounts: Vec<SeedAccount>, now: DateTime<Utc>) -> Self {
        let sandbox = Sandbox::start(sandbox::options(accounts));
        let sandbox = sandbox.await.unwrap();
        sandbox.knobs().set_clock(now);
        Self {
            sandbox,
            http: aws_smithy_http_client::Builder::new().build_http(),
            seen: Mutex::new(0),
        }
    }

    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub fn endpoint(&self) -> String {
        self.sandbox.url()
    }

    pub const fn knobs(&self) -> &Knobs {
        self.sandbox.knobs()
    }

    /// A user with an access key; returns the ARN.
    pub fn create_user(&self, name: &str) -> String {
        let arn = user_arn(name);
        self.knobs().create_user(&arn, &key(name), "secret");
        arn
    }

    pub fn delete_user(&self, name: &str) {
        self.knobs().delete_user(&user_arn(name));
    }

    pub fn trust(&self) -> String {
        self.knobs().trust(ROLE).unwrap()
    }

    /// Somebody else writes the trust policy.
    pub fn edit_trust(&self, edit: impl FnOnce(&str) -> String) {
        self.knobs().put_trust(ROLE, &edit(&self.trust())).unwrap();
    }

    pub fn guard(&self) -> Option<String> {
        self.knobs().role_policy(ROLE, GUARD_NAME)
    }

    /// Somebody else deletes it.
    pub fn delete_guard(&self) {
        self.knobs()
            .put_role_policy(ROLE, GUARD_NAME, None)
            .unwrap();
    }

    /// The next call of `action` meets this.
    pub fn once(&self, action: &str, knob: Knob) {
        self.nth(action, 1, knob);
    }

    /// The `nth` call of `action` from now (from 1) meets this.
    pub fn nth(&self, action: &str, nth: usize, knob: Knob) {
        let (when, fault) = knob.fault();
        self.knobs().fail(action, nth, when, fault);
    }

    /// Every call of `action` meets this, until the knobs are cleared.
    pub fn always(&self, action: &str, knob: Knob) {
        let (when, fault) = knob.fault();
        self.knobs().fail_always(action, when, fault);
    }

    /// Holds the next call of `action`, before or after its effect.
    pub fn hold(&self, action: &str, after: bool) -> Hold {
        let when = if after {
            When::AfterEffect
        } else {
            When::BeforeEffect
        };
        self.knobs().hold(action, 1, when)
    }

    /// What our service had done since the last time, in order.
    pub fn take_log(&self) -> Vec<String> {
        let calls = self.knobs().calls();
        let mut seen = self.seen.lock().unwrap();
        let dropped = if calls.len() < *seen { DROPPED } else { 0 };
        let new = calls[*seen - dropped..]
            .iter()
            .filter(|call| call.caller.ends_with(":user/countersign"));
        let log = new.map(|call| call.action.clone()).collect();
        *seen = calls.len();
        log
    }

    /// The document writes among them.
    pub fn take_writes(&self) -> Vec<String> {
        let mut log = self.take_log();
        log.retain(|call| is_write(call));
        log
    }

    /// A session of a role as an authority gives it, for twelve hours.
    pub fn session_of(&self, role: &str, name: &str) -> Keys {
        let given = self.knobs().session_of(role, name, 43_200).unwrap();
        Keys::handed(
            self,
            &given.access_key_id,
            &given.secret_access_key,
            &given.session_token,
        )
    }

    /// The long-term keys of a user.
    pub fn keys(&self, user: &str) -> Keys {
        let credentials = Credentials::new(key(user), "secret", None, None, "test");
        Keys {
            endpoint: self.endpoint(),
            http: self.http.clone(),
            credentials,
        }
    }
}

impl Knob {
    pub fn fault(self) -> (When, Fault) {
        match self {
            Self::Refuse(code, status) => {
                let (code, message) = (code.to_owned(), code.to_owned());
                (
                    When::BeforeEffect,
                    Fault::Error {
                        status,
                        code,
                        message,
                    },
                )
            }
            Self::Drop(true) => (When::AfterEffect, Fault::DropConnection),
            Self::Drop(false) => (When::BeforeEffect, Fault::DropConnection),
            Self::Silence => (When::BeforeEffect, Fault::NeverAnswer),
            Self::Garbled => (When::AfterEffect, Fault::Garbled),
        }
    }
}

impl Keys {
    pub fn iam(&self) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .http_client(self.http.clone())
            .credentials_provider(self.credentials.clone());
        aws_sdk_iam::Client::from_conf(config.build())
    }

    /// A session of the role, for as long as AWS gives; `None` when it refuses.
    pub async fn assume(&self, session: &str) -> Option<Self> {
        self.assume_role(ROLE, session).await
    }

    /// The same of another role.
    pub async fn assume_role(&self, role: &str, session: &str) -> Option<Self> {
        self.assume_showing(role, session, Shown::default()).await
    }

    pub fn sts(&self) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .http_client(self.http.clone())
            .credentials_provider(self.credentials.clone());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// A session of the person's own, with a second factor.
    pub async fn session_token(&self, (serial, code): (&str, &str)) -> Self {
        let call = self.sts().get_session_token().serial_number(serial);
        let answer = call.token_code(code).send().await.unwrap();
        self.with(answer.credentials().unwrap())
    }

    /// A session of a role, for whoever shows that.
    pub async fn assume_showing(
        &self,
        role: &str,
        session: &str,
        shown: Shown<'_>,
    ) -> Option<Self> {
        let chained = self.credentials.session_token().is_some();
        let seconds = if chained || role != ROLE {
            3_600
        } else {
            43_200
        };
        self.assume_for(role, session, shown, seconds).await
    }

    /// The same for so many seconds.
    pub async fn assume_for(
        &self,
        role: &str,
        session: &str,
        shown: Shown<'_>,
        seconds: i32,
    ) -> Option<Self> {
        let call = self.sts().assume_role();
        let call = call.role_arn(role).role_session_name(session);
        let (serial, code) = shown.mfa.unzip();
        let call = call
            .set_external_id(shown.external_id.map(str::to_owned))
            .set_serial_number(serial.map(str::to_owned))
            .set_token_code(code.map(str::to_owned));
        match call.duration_seconds(seconds).send().await {
            Ok(answer) => Some(self.with(answer.credentials().unwrap())),
            Err(error) => {
                let code = error.into_service_error();
                assert_eq!(
                    aws_sdk_sts::error::ProvideErrorMetadata::code(&code),
                    Some("AccessDenied"),
                    "{code:?}"
                );
                None
            }
        }
    }

    fn with(&self, issued: &Issued) -> Self {
        let token = Some(issued.session_token().to_owned());
        let (id, secret) = (issued.access_key_id(), issued.secret_access_key());
        Self {
            endpoint: self.endpoint.clone(),
            http: self.http.clone(),
            credentials: Credentials::new(id, secret, token, None, "test"),
        }
    }

    /// Keys that somebody was handed.
    pub fn handed(cloud: &Cloud, id: &str, secret: &str, token: &str) -> Self {
        let token = Some(token.to_owned());
        Self {
            endpoint: cloud.endpoint(),
            http: cloud.http.clone(),
            credentials: Credentials::new(id, secret, token, None, "test"),
        }
    }

    /// Whether a session can be used: an ordinary call with its keys.
    pub async fn work(&self) -> bool {
        self.iam().list_users().send().await.is_ok()
    }
}

/// The account of a role, as whom these credentials are.
pub async fn as_ourselves(clouds: &Clouds, arn: &str) -> Aws {
    // Our own credentials never grow old.
    let entered = clouds.of_arn(arn, None, DateTime::UNIX_EPOCH).await;
    entered.unwrap()
}

/// Whether a call changes a document.
pub fn is_write(call: &str) -> bool {
    [
        "UpdateAssumeRolePolicy",
        "PutUserPolicy",
        "DeleteUserPolicy",
        "PutRolePolicy",
        "DeleteRolePolicy",
    ]
    .contains(&call)
}

/// A user who may do everything.
pub fn somebody(name: &str) -> SeedUser {
    SeedUser {
        access_key_id: Some(key(name)),
        secret_access_key: Some("secret".to_owned()),
        mfa_code: None,
        ..sandbox::user(name, Some(ALLOW_ALL))
    }
}

fn key(user: &str) -> String {
    format!("AKIA{}", user.to_uppercase())
}
