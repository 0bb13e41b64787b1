//! A second account, which Countersign comes into through a manager role, and alice, who asks for a
//! role of it.

use std::time::Duration;

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::ctx::Ctx;
use countersign::app::end::end;
use countersign::app::submit::{NewRequest, submit};
use countersign::aws::{Clouds, GUARD_NAME};
use countersign::domain::request::Request;
use countersign::error::Error;
use countersign::ids::{GrantId, RequestId};
use countersign::sandbox::Call;
use countersign::worker::Worker;
use sqlx::{Executor as _, Row as _};

use super::another;
use super::app::TestApp;
use super::catalog::{Account, Catalog, Entitlement};
use super::cloud::Keys;
use super::elevation::{SAML, document};
use super::stage::{FOREIGN, Stage};
use crate::sandbox::{ALLOW_ALL, OTHER, trusting};

pub const MANAGER: &str = "arn:aws:iam::444455556666:role/team/countersign-manager";
pub const ROLE: &str = "arn:aws:iam::444455556666:role/staging-admin";
pub const US: &str = "arn:aws:iam::111122223333:user/countersign";
const ALICE: &str = "arn:aws:iam::444455556666:user/alice";
/// Her user in the account that Countersign is in.
pub const ALICE_AT_HOME: &str = "arn:aws:iam::111122223333:user/alice";

pub struct Member {
    pub stage: Stage,
    pub app: TestApp,
    pub alice: Ctx,
    pub bob: Ctx,
    /// What the manager role's trust policy asks for.
    pub external_id: String,
    /// One for the whole test: what it knows of the account it keeps.
    pub worker: Worker,
}

impl Member {
    pub async fn new() -> Self {
        Self::with("trust_policy", FOREIGN).await
    }

    /// With a role that leaves it to another account, alice's own, who may assume it.
    pub async fn across() -> Self {
        let root = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}"#;
        Self::of("switch", root, ALICE_AT_HOME).await
    }

    /// With a role whose trust policy is opened for her user of another account, whose own policies
    /// let her assume it.
    pub async fn visiting() -> Self {
        let member = Self::of("trust_policy", FOREIGN, ALICE_AT_HOME).await;
        member.allows_at_home(true);
        member
    }

    /// With a role whose trust policy is opened for her session of a role of another account.
    pub async fn coming_as(role: &str) -> Self {
        Self::of("trust_policy", FOREIGN, role).await
    }

    /// Her own account lets her assume the role, or no more.
    pub fn allows_at_home(&self, does: bool) {
        let allow = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE}"}}}}"#
        );
        let knobs = self.stage.cloud.knobs();
        let text = does.then_some(allow.as_str());
        knobs.put_user_policy(ALICE_AT_HOME, "own", text).unwrap();
    }

    /// With a role of that trust policy, which is opened by that method.
    pub async fn with(method: &str, trust: &str) -> Self {
        Self::of(method, trust, ALICE).await
    }

    /// The same for her as a session of that role.
    pub async fn with_role(method: &str, trust: &str, role: &str) -> Self {
        Self::of(method, trust, role).await
    }

    async fn of(method: &str, trust: &str, alice: &str) -> Self {
        let mut stage = Stage::new().await;
        stage.timeout = Duration::from_secs(3);
        let clouds =
            Clouds::with(&stage.cloud.endpoint(), stage.key, "secret", stage.timeout).await;
        let app = stage.rows.app.clone().with_clouds(clouds);
        app.change(|catalog| add(catalog, method, alice)).await;
        let knobs = stage.cloud.knobs();
        if alice.contains(":role/") {
            knobs.create_role(alice, &document(SAML)).unwrap();
        } else {
            knobs.create_user(alice, "AKIAALICE", "secret");
        }
        for (role, trust) in [(MANAGER, FOREIGN), (ROLE, trust)] {
            knobs.create_role(role, trust).unwrap();
            knobs.put_role_policy(role, "all", Some(ALLOW_ALL)).unwrap();
        }
        let sql = "SELECT external_id AS it FROM accounts WHERE external_id IS NOT NULL";
        let member = Self {
            alice: app.ctx("alice").await,
            bob: app.ctx("bob").await,
            worker: stage.worker().await,
            external_id: text(&app, sql).await,
            stage,
            app,
        };
        member.lets_in(MANAGER, &member.external_id);
        member
    }

    /// The manager role lets Countersign in with that external ID.
    pub fn lets_in(&self, manager: &str, external_id: &str) {
        let condition = format!(
            r#"{{"StringEquals":{{"sts:ExternalId":"{external_id}","sts:RoleSessionName":"countersign"}}}}"#
        );
        let trust = trusting(US, &condition);
        self.stage.cloud.knobs().put_trust(manager, &trust).unwrap();
    }

    pub async fn ask(&self, minutes: i64) -> Result<Request, Error> {
        let ask = NewRequest {
            entitlement: "staging-admin".to_owned(),
            duration_seconds: minutes * 60,
            justification: format!("The database is on fire, alarm {}", another()),
            ..NewRequest::default()
        };
        Ok(submit(&self.alice, ask).await?.request())
    }

    pub async fn approve(&self, request: RequestId) -> GrantId {
        let shown = approve(&self.bob, request, None, None).await.unwrap();
        shown.grant.unwrap().id
    }

    /// Asked and approved.
    pub async fn approved(&self, minutes: i64) -> GrantId {
        let request = self.ask(minutes).await.unwrap();
        self.approve(request.id).await
    }

    /// Whether anything is still looked for in AWS.
    pub async fn is_left(&self) -> bool {
        let sql = "SELECT count(*)::text AS it FROM names WHERE guard_gone_at IS NULL";
        let guard = self.stage.cloud.knobs().role_policy(ROLE, GUARD_NAME);
        text(&self.app, sql).await != "0" || guard.is_some()
    }

    pub async fn open(&self, minutes: i64) -> GrantId {
        let grant = self.approved(minutes).await;
        self.work().await;
        assert_eq!(self.stage.state(grant).await, "active");
        grant
    }

    pub async fn end(&self, grant: GrantId) {
        end(&self.bob, grant, None).await.unwrap();
    }

    pub async fn work(&self) {
        self.worker.run_until_idle().await.unwrap();
    }

    /// Moves both clocks and works.
    pub async fn pass(&self, by: TimeDelta) {
        self.stage.advance(by);
        self.work().await;
    }

    /// How often it was told that AWS keeps a grant waiting.
    pub async fn delays(&self, grant: GrantId) -> usize {
        let mut told = self.stage.rows.told(grant).await;
        told.retain(|action| action == "grant.delayed");
        told.len()
    }

    /// The last failure on record of the role.
    pub async fn last_error(&self) -> String {
        let sql =
            "SELECT last_error AS it FROM targets WHERE account = '444455556666' AND kind = 'role'";
        text(&self.app, sql).await
    }

    /// What became of the one fetch.
    pub async fn fetched(&self) -> String {
        text(
            &self.app,
            "SELECT outcome || ' ' || error AS it FROM fetches",
        )
        .await
    }

    /// A session of the role with alice's own keys.
    pub async fn assume(&self, grant: GrantId) -> Option<Keys> {
        let keys = self.stage.cloud.keys("alice");
        keys.assume_role(ROLE, &grant.to_string()).await
    }

    /// What Countersign and its sessions have called, of one action.
    pub fn calls(&self, action: &str) -> Vec<Call> {
        let mut calls = self.stage.cloud.knobs().calls();
        let is_ours = |arn: &str| arn == US || arn.ends_with("/countersign");
        calls.retain(|call| call.action == action && is_ours(&call.caller));
        calls
    }

    /// How often the manager role was asked for.
    pub fn assumed(&self) -> usize {
        let mut calls = self.calls("AssumeRole");
        calls.retain(|call| call.caller == US);
        calls.len()
    }

    /// The manager role that the catalog names from now on.
    pub async fn manage_as(&self, manager: Option<&str>) {
        let change = |catalog: &mut Catalog| {
            let account = catalog.account(OTHER);
            account.manager_role = manager.map(str::to_owned);
            account.external_id = None;
        };
        self.app.change(change).await;
    }
}

/// The `it` of the one row that the SQL finds.
async fn text(app: &TestApp, sql: &'static str) -> String {
    app.pool().fetch_one(sql).await.unwrap().get("it")
}

fn add(catalog: &mut Catalog, method: &str, user: &str) {
    catalog.accounts.push(Account {
        id: OTHER.to_owned(),
        name: "Staging".to_owned(),
        manager_role: Some(MANAGER.to_owned()),
        external_id: Some(true),
        owner: Some("Platform team".to_owned()),
    });
    let alice = catalog.person("alice");
    alice.groups = vec!["developers".to_owned()];
    if user.contains(":role/") {
        alice.principals = vec![];
        alice.sessions = vec![(user.to_owned(), "alice".to_owned())];
    } else {
        alice.principals = vec![user.to_owned()];
    }
    catalog.entitlements.push(Entitlement {
        role_arn: ROLE.to_owned(),
        method: method.to_owned(),
        approver_group: "leads".to_owned(),
        ..Entitlement::named("staging-admin")
    });
}
