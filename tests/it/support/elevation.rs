//! A role of one method, alice, who asks for it, and bob, who approves.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::approve::approve;
use countersign::app::credentials::{Credentials, fetch};
use countersign::app::ctx::Ctx;
use countersign::app::end::end;
use countersign::app::submit::{NewRequest, submit};
use countersign::aws::Clouds;
use countersign::error::Error;
use countersign::ids::GrantId;
use countersign::policy::assumable;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::another;
use super::app::TestApp;
use super::catalog::{Entitlement, allowing};
use super::cloud::Keys;
use super::stage::Stage;

const US: &str = "arn:aws:iam::111122223333:user/countersign";

/// A statement that leaves it to the account who may assume the role.
pub const ROOT: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}"#;
const SERVICE: &str =
    r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;

/// A trust policy with these statements.
pub fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// A statement by which people come in by SAML.
pub const SAML: &str = r#"{"Sid":"Saml","Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/corp"},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}}"#;
/// One by which the users of the account come in, each under their own name.
pub const OWN_NAME: &str = r#"{"Sid":"OwnName","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}}"#;

pub struct Elevation {
    pub stage: Stage,
    pub app: TestApp,
    pub alice: Ctx,
    pub bob: Ctx,
}

/// An entitlement on which bob decides: for up to twelve hours that action.
pub fn attached(name: &str, action: &str) -> Entitlement {
    Entitlement {
        max_duration: "PT12H".to_owned(),
        approver_group: "leads".to_owned(),
        ..Entitlement::attaching(name, &allowing(action))
    }
}

/// Nothing cuts what is handed out for it.
pub fn uncut(entitlement: &mut Entitlement) {
    "sts_credentials".clone_into(&mut entitlement.method);
    "PT1H".clone_into(&mut entitlement.max_duration);
    let none = toml::Value::String("none".to_owned());
    entitlement.more.insert("early_end".to_owned(), none);
}

/// A row of `fetches`.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub outcome: Option<String>,
    pub access_key_id: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
}

impl Elevation {
    /// A role that Countersign assumes for people; alice is nobody in AWS.
    pub async fn new() -> Self {
        let statements = assumable::statements(US);
        let foreign = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
        Self::with_trust(&format!("{statements},{foreign}")).await
    }

    /// The same role with nothing that could cut its credentials early.
    pub async fn uncut() -> Self {
        let world = Self::new().await;
        world.app.change(|it| uncut(&mut it.entitlements[0])).await;
        world
    }

    pub async fn with_trust(statements: &str) -> Self {
        let world = Self::of("sts_credentials", statements).await;
        world.stage.rows.person("alice").await;
        world.with_people().await
    }

    /// A role that leaves it to her account who may assume it; alice has an IAM user that may do
    /// nothing.
    pub async fn switching() -> Self {
        let root = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}"#;
        Self::switching_with(root).await
    }

    pub async fn switching_with(statements: &str) -> Self {
        let world = Self::of("switch", statements).await;
        let arn = world.stage.cloud.create_user("alice");
        let has_user = |catalog: &mut super::catalog::Catalog| {
            catalog.person("alice").principals = vec![arn];
            catalog.regroup("alice", &["developers"]);
        };
        world.app.change(has_user).await;
        world.with_people().await
    }

    /// A role whose trust policy is opened for alice's IAM user, which may do nothing by itself.
    pub async fn trusting() -> Self {
        let service = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
        let world = Self::of("trust_policy", service).await;
        let arn = world.stage.cloud.create_user("alice");
        let has_user = |catalog: &mut super::catalog::Catalog| {
            catalog.person("alice").principals = vec![arn];
            catalog.regroup("alice", &["developers"]);
        };
        world.app.change(has_user).await;
        world.with_people().await
    }

    /// No role: alice's IAM user, which may do nothing by itself, is to be allowed to list users.
    pub async fn attaching() -> Self {
        let service = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
        let world = Self::of("trust_policy", service).await;
        let arn = world.stage.cloud.create_user("alice");
        let attached = |catalog: &mut super::catalog::Catalog| {
            catalog.person("alice").principals = vec![arn];
            catalog.regroup("alice", &["developers"]);
            catalog.entitlements = vec![attached("prod-admin", "iam:ListUsers")];
        };
        world.app.change(attached).await;
        world.with_people().await
    }

    /// alice comes as her session of that role, which is made with that trust policy, by that
    /// method: of an entitlement to assume `prod-admin`, or to list users.
    pub async fn coming_as(role: &str, trust: &str, method: &str) -> Self {
        let statements = match method {
            "switch" => ROOT,
            _ => SERVICE,
        };
        let opens = if method == "attach" {
            "trust_policy"
        } else {
            method
        };
        let world = Self::of(opens, statements).await;
        let knobs = world.stage.cloud.knobs();
        knobs.create_role(role, trust).unwrap();
        let comes = |catalog: &mut super::catalog::Catalog| {
            let alice = catalog.person("alice");
            alice.principals = vec![];
            alice.sessions = vec![(role.to_owned(), "alice".to_owned())];
            catalog.regroup("alice", &["developers"]);
            if method == "attach" {
                catalog.entitlements = vec![attached("prod-admin", "iam:ListUsers")];
            }
        };
        world.app.change(comes).await;
        world.with_people().await
    }

    async fn of(method: &str, statements: &str) -> Self {
        let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let stage = Stage::with_trust(&trust).await;
        let clouds =
            Clouds::with(&stage.cloud.endpoint(), stage.key, "secret", stage.timeout).await;
        let app = stage.rows.app.clone().with_clouds(clouds);
        let change = |catalog: &mut super::catalog::Catalog| {
            method.clone_into(&mut catalog.entitlements[0].method);
        };
        app.change(change).await;
        let bob = app.ctx("bob").await;
        Self {
            stage,
            app,
            alice: bob.clone(),
            bob,
        }
    }

    async fn with_people(mut self) -> Self {
        self.alice = self.app.ctx("alice").await;
        self
    }

    pub fn wish(minutes: i64) -> NewRequest {
        NewRequest {
            entitlement: "prod-admin".to_owned(),
            duration_seconds: minutes * 60,
            justification: format!("The database is on fire, alarm {}", another()),
            ..NewRequest::default()
        }
    }

    /// Asked and approved.
    pub async fn approved(&self, minutes: i64) -> GrantId {
        self.approved_for("prod-admin", minutes).await
    }

    /// The same, from so many minutes on.
    pub async fn approved_at(&self, start: i64, minutes: i64) -> GrantId {
        let wish = NewRequest {
            starts_at: Some(self.stage.now() + TimeDelta::minutes(start)),
            ..Self::wish(minutes)
        };
        let asked = submit(&self.alice, wish).await.unwrap();
        let shown = approve(&self.bob, asked.request().id, None, None)
            .await
            .unwrap();
        shown.grant.unwrap().id
    }

    /// The same of another entitlement.
    pub async fn approved_for(&self, entitlement: &str, minutes: i64) -> GrantId {
        let wish = NewRequest {
            entitlement: entitlement.to_owned(),
            ..Self::wish(minutes)
        };
        let asked = submit(&self.alice, wish).await.unwrap();
        let shown = approve(&self.bob, asked.request().id, None, None)
            .await
            .unwrap();
        shown.grant.unwrap().id
    }

    pub async fn open(&self, minutes: i64) -> GrantId {
        let grant = self.approved(minutes).await;
        self.stage.work().await;
        assert_eq!(self.stage.state(grant).await, "active");
        grant
    }

    pub async fn fetch(&self, grant: GrantId) -> Result<Credentials, Error> {
        fetch(&self.alice, grant).await
    }

    /// What alice is told instead of credentials: the code.
    pub async fn refused(&self, grant: GrantId) -> &'static str {
        match self.fetch(grant).await {
            Ok(_) => "-",
            Err(error) => error.told_code(),
        }
    }

    pub async fn end(&self, grant: GrantId) {
        end(&self.bob, grant, None).await.unwrap();
    }

    /// A client with what was handed out.
    pub fn keys(&self, given: &Credentials) -> Keys {
        let (secret, token) = (given.secret.expose_secret(), given.token.expose_secret());
        Keys::handed(&self.stage.cloud, &given.access_key_id, secret, token)
    }

    pub async fn rows(&self, grant: GrantId) -> Vec<Row> {
        let sql = format!(
            "SELECT outcome, access_key_id, expires_at, error FROM fetches WHERE \"grant\" = '{}' ORDER BY id",
            grant.uuid()
        );
        let rows = self
            .stage
            .rows
            .pool
            .fetch_all(sqlx::raw_sql(AssertSqlSafe(sql)));
        let read = |row: &sqlx::postgres::PgRow| Row {
            outcome: row.get("outcome"),
            access_key_id: row.get("access_key_id"),
            expires_at: row.get("expires_at"),
            error: row.get("error"),
        };
        rows.await.unwrap().iter().map(read).collect()
    }

    pub fn advance(&self, seconds: i64) {
        self.stage.advance(TimeDelta::seconds(seconds));
    }
}
