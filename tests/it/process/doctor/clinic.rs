//! Three accounts that are set up as `aws-setup` says: Countersign's own, and two that it works in
//! through a manager role.

use std::process::Output;

use countersign::aws::GUARD_NAME;
use countersign::policy::assumable;
use countersign::sandbox::Knobs;
use serde_json::Value;

use crate::sandbox::{self, ACCOUNT, OTHER, THIRD, account_of, identity, key, trusts, user};
use crate::support::catalog::{Catalog, Entitlement, allowing};
use crate::support::elevation::{SAML, document, uncut};
use crate::support::world::{TRUST, World, as_in_the_examples};

/// Countersign's own user.
pub const HUB: &str = "arn:aws:iam::111122223333:user/countersign";
pub const MANAGER: &str = "arn:aws:iam::444455556666:role/team/countersign-manager";
pub const THIRD_MANAGER: &str = "arn:aws:iam::777788889999:role/countersign-manager";
/// Opened by sts_credentials and by switch.
pub const ASSUMED: &str = "arn:aws:iam::444455556666:role/staging-admin";
pub const SWITCHED: &str = "arn:aws:iam::444455556666:role/staging-switch";
/// Opened by trust_policy.
pub const TRUSTED: &str = "arn:aws:iam::777788889999:role/third-admin";
/// A role that she comes as.
pub const COMES_AS: &str = "arn:aws:iam::444455556666:role/Developers";
pub const CARRIER: &str = "arn:aws:iam::444455556666:user/alice";
pub const PERSON: &str = "arn:aws:iam::777788889999:user/alice";
const POLICY: &str = "arn:aws:iam::111122223333:policy/countersign";

pub struct Clinic {
    pub world: World,
}

/// A line that was told and is not `ok`: of what, how it came out, the check, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub of: String,
    pub state: String,
    pub check: String,
    pub mends: Vec<String>,
}

impl Clinic {
    pub async fn new() -> Self {
        let hub = user("countersign", None);
        let accounts = vec![
            account_of(ACCOUNT, vec![hub, user("alice", None)], vec![]),
            account_of(OTHER, vec![], vec![]),
            account_of(THIRD, vec![], vec![]),
        ];
        let sandbox = sandbox::start_all(accounts).await;
        let clinic = Self {
            world: World::of(sandbox, &catalog()).await,
        };
        let knobs = clinic.knobs();
        let prod = sandbox::ROLE;
        for (arn, trust) in [
            (prod, TRUST.to_owned()),
            (MANAGER, TRUST.to_owned()),
            (THIRD_MANAGER, TRUST.to_owned()),
        ] {
            knobs.create_role(arn, &trust).expect("another role");
        }
        clinic.mend();
        clinic
    }

    pub fn knobs(&self) -> &Knobs {
        self.world.sandbox.knobs()
    }

    /// Everything in AWS as it has to be, whatever was there.
    pub fn mend(&self) {
        let knobs = self.knobs();
        knobs.clear();
        knobs.clear_accounts();
        knobs.with_every_rule();
        knobs.packed_quota(455);
        knobs.date_ahead(chrono::TimeDelta::zero());
        for arn in [CARRIER, PERSON] {
            if knobs.unique_id(arn).is_none() {
                knobs.create_user(arn, &arn[13..], "secret");
            }
            knobs.put_boundary(arn, None);
            // What is not there cannot be deleted.
            let _ = knobs.put_user_policy(arn, "filler", None);
        }
        for (arn, trust) in roles() {
            if knobs.unique_id(arn).is_none() {
                knobs.create_role(arn, TRUST).expect("another role");
            }
            knobs.put_trust(arn, &trust).expect("a trust policy");
            knobs.put_boundary(arn, None);
            let _ = knobs.put_role_policy(arn, "filler", None);
            let _ = knobs.put_role_policy(arn, GUARD_NAME, None);
        }
        self.set_up();
    }

    /// What `aws-setup` prints, applied in every account.
    pub fn set_up(&self) {
        let knobs = self.knobs();
        if knobs.unique_id(HUB).is_none() {
            let (id, secret) = key("countersign");
            knobs.create_user(HUB, &id, &secret);
        }
        self.set_up_hub();
        for (account, manager) in [(OTHER, MANAGER), (THIRD, THIRD_MANAGER)] {
            let printed = self.printed(account);
            let role = &printed["Resources"]["CountersignManager"]["Properties"];
            if knobs.unique_id(manager).is_none() {
                knobs.create_role(manager, TRUST).expect("another role");
            }
            let trust = role["AssumeRolePolicyDocument"].to_string();
            knobs.put_trust(manager, &trust).expect("a trust policy");
            let policy = role["Policies"][0]["PolicyDocument"].to_string();
            self.allow(manager, &policy);
            knobs.put_boundary(manager, None);
            let _ = knobs.put_role_policy(manager, "deny", None);
        }
    }

    /// The rights of Countersign's own user.
    pub fn set_up_hub(&self) {
        let knobs = self.knobs();
        let own = self.printed(ACCOUNT);
        let own = &own["Resources"]["Countersign"]["Properties"]["PolicyDocument"];
        knobs
            .put_managed_policy(POLICY, Some(&own.to_string()))
            .expect("a policy");
        knobs.attach(HUB, POLICY, true);
        // What lets it into the managers is its own account's.
        let assume = identity("Allow", "sts:AssumeRole", "{}");
        knobs
            .put_user_policy(HUB, "assume", Some(&assume))
            .expect("a policy");
    }

    /// The one policy of a role.
    pub fn allow(&self, role: &str, policy: &str) {
        let put = self
            .knobs()
            .put_role_policy(role, "countersign", Some(policy));
        put.expect("a policy");
    }

    /// A manager's policy without an action.
    pub fn without(&self, manager: &str, sid: &str, action: &str) {
        let policy = self.knobs().role_policy(manager, "countersign");
        let mut policy: Value = serde_json::from_str(&policy.expect("there")).expect("JSON");
        let statements = policy["Statement"].as_array_mut().expect("a list");
        let of_sid = statements.iter_mut().filter(|it| it["Sid"] == sid);
        let mut found = false;
        for statement in of_sid {
            let actions = match &mut statement["Action"] {
                Value::Array(actions) => actions.as_mut_slice(),
                one => std::slice::from_mut(one),
            };
            for lacking in actions.iter_mut().filter(|it| *it == action) {
                *lacking = Value::from("iam:GetServiceLinkedRoleDeletionStatus");
                found = true;
            }
        }
        assert!(found, "{sid} has no {action}");
        self.allow(manager, &policy.to_string());
    }

    fn printed(&self, account: &str) -> Value {
        let arguments = ["aws-setup", "--account", account, "--hub", HUB];
        serde_json::from_str(&self.world.output(&arguments)).expect("JSON")
    }

    /// `doctor`, as Countersign's own user.
    pub fn doctor(&self, env: &[(&str, &str)]) -> Output {
        let (id, secret) = key("countersign");
        let mut command = self.world.command(&["doctor"]);
        command
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("RUST_LOG", "off")
            .envs(env.iter().copied());
        command.output().expect("it runs")
    }

    /// SQL, as the database's owner.
    pub async fn sql(&self, sql: &'static str) {
        let owner = sqlx::PgPool::connect(&self.world.db.owner_url).await;
        let owner = owner.expect("the tests' Postgres");
        let done = sqlx::raw_sql(sql).execute(&owner).await;
        done.expect("good SQL");
        owner.close().await;
    }
}

/// The roles that may be asked for, each with the trust policy that its method needs, and the one
/// that she comes as.
fn roles() -> [(&'static str, String); 5] {
    let assumed = assumable::statements_with_tags(MANAGER);
    [
        (sandbox::ROLE, TRUST.to_owned()),
        (
            ASSUMED,
            format!(r#"{{"Version":"2012-10-17","Statement":[{assumed}]}}"#),
        ),
        (SWITCHED, trusts("arn:aws:iam::444455556666:root")),
        (TRUSTED, TRUST.to_owned()),
        (COMES_AS, document(SAML)),
    ]
}

fn catalog() -> Catalog {
    let mut catalog = as_in_the_examples();
    for (id, manager) in [(OTHER, MANAGER), (THIRD, THIRD_MANAGER)] {
        let account = catalog.account(id);
        account.manager_role = Some(manager.to_owned());
        account.external_id = Some(true);
    }
    catalog.entitlements.retain(|it| it.name == "prod-admin");
    let alice = catalog.person("alice");
    alice
        .principals
        .extend([CARRIER, PERSON].map(str::to_owned));
    alice.sessions = vec![(COMES_AS.to_owned(), "alice".to_owned())];
    let more = [
        ("staging-admin", ASSUMED, "sts_credentials"),
        ("staging-switch", SWITCHED, "switch"),
        ("third-admin", TRUSTED, "trust_policy"),
    ];
    for (name, arn, method) in more {
        let entitlement = catalog.entitlement(name);
        arn.clone_into(&mut entitlement.role_arn);
        method.clone_into(&mut entitlement.method);
    }
    let scope = toml::Value::String(allowing("s3:GetObject"));
    let more = &mut catalog.entitlement("staging-admin").more;
    more.insert("scope_down".to_owned(), scope);
    more.insert("session_tags".to_owned(), toml::Value::Boolean(true));
    let reports = catalog.entitlement("staging-reports");
    ASSUMED.clone_into(&mut reports.role_arn);
    uncut(reports);
    let mut attach = Entitlement::attaching("staging-s3", &allowing("s3:GetObject"));
    attach
        .more
        .insert("account".to_owned(), toml::Value::String(OTHER.to_owned()));
    catalog.entitlements.push(attach);
    catalog
}

/// What was told that is not `ok`.
pub fn told(output: &Output) -> Vec<Told> {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let mut all: Vec<Told> = Vec::new();
    let (mut of, mut is_ok) = (String::new(), true);
    for line in text.lines() {
        if let Some(mend) = line.strip_prefix("           mend: ") {
            assert!(!is_ok, "what is well needs no mend: {text}");
            all.last_mut()
                .expect("a line before")
                .mends
                .push(mend.to_owned());
        } else if let Some(line) = line.strip_prefix("  ") {
            let (state, rest) = line.split_once(' ').expect("a word");
            let (check, _) = rest.trim_start().split_once(": ").expect("a check");
            is_ok = state == "ok";
            if !is_ok {
                all.push(Told {
                    of: of.clone(),
                    state: state.to_owned(),
                    check: check.to_owned(),
                    mends: vec![],
                });
            }
        } else {
            of = line.to_owned();
        }
    }
    all
}
