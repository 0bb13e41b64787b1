//! The company of a simulation: three accounts, each worked in through a manager role, three people
//! with IAM users in the first one, and a role in each account that two methods open.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use countersign::policy::assumable;
use countersign::sandbox::{Knobs, SeedAccount};

use super::world::Role;
use crate::policy::PRODUCTION;
use crate::sandbox::{self, ACCOUNT, ALLOW_ALL, OTHER, THIRD, trusts};
use crate::support::app::TestApp;
use crate::support::catalog::{Account, Catalog, Entitlement, allowing, user_arn};
use crate::support::cloud::{Cloud, somebody};
use crate::support::stage::{FOREIGN, Stage};

/// The accounts; the last one goes silent.
pub const ACCOUNTS: [&str; 3] = [ACCOUNT, OTHER, THIRD];
/// A role of each account.
pub const ROLES: [&str; 3] = [
    sandbox::ROLE,
    "arn:aws:iam::444455556666:role/staging-admin",
    "arn:aws:iam::777788889999:role/audit-admin",
];
/// How long a trust policy may be at first (characters).
pub const QUOTA: u16 = 4_096;
const US: &str = "arn:aws:iam::111122223333:user/countersign";
pub const NAMES: [&str; 3] = ["alice", "carol", "dora"];
/// What each role may be opened by: two methods each, all pairs of them. With `switch` the role
/// lets in whom the people's account lets, and with `sts_credentials` Countersign, pinned.
const OPENS: [(usize, &str); 6] = [
    (0, "trust_policy"),
    (0, "switch"),
    (1, "switch"),
    (1, "sts_credentials"),
    (2, "trust_policy"),
    (2, "sts_credentials"),
];

/// Everything as it is before anything happens.
pub async fn founded() -> (Stage, TestApp, Vec<Role>) {
    let cloud = Cloud::of(accounts(), Stage::start()).await;
    let mut stage = Stage::with_cloud(cloud).await;
    stage.margins = PRODUCTION;
    // Long enough for a machine that has much to do: nothing here waits for either.
    stage.timeout = std::time::Duration::from_secs(30);
    stage.lease = std::time::Duration::from_secs(90);
    let knobs = stage.cloud.knobs();
    let roles: Vec<Role> = (0..ROLES.len()).map(role).collect();
    for role in &roles {
        knobs.put_trust(role.arn, &role.foreign).unwrap();
        let manager = manager(role.account);
        knobs.put_trust(&manager, &trusts(US)).unwrap();
    }
    for name in NAMES {
        stage.cloud.create_user(name);
        lets_visit(knobs, &user_arn(name));
    }
    let app = stage.rows.app.clone().configured(|config| {
        config.aws.propagation_margin = PRODUCTION.propagation.to_std().unwrap();
    });
    app.change(offers).await;
    // Nobody's user or role is as young as the first request.
    stage.advance(TimeDelta::hours(1));
    (stage, app, roles)
}

/// The role through which an account is worked in.
pub fn manager(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/countersign-manager")
}

/// What a user may do without us: assume the role that lets visitors in by its trust policy.
pub fn visits() -> String {
    let role = ROLES[2];
    format!(
        "{{\n \"Version\":\"2012-10-17\",\"Statement\":{{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Resource\":\"{role}\"}}}}"
    )
}

/// Somebody else's policy on a user.
pub fn lets_visit(knobs: &Knobs, user: &str) {
    knobs.put_user_policy(user, "own", Some(&visits())).unwrap();
}

fn accounts() -> Vec<SeedAccount> {
    let account = |nth: usize| {
        let name = ROLES[nth].rsplit('/').next().unwrap();
        let mut users = vec![somebody("admin")];
        users.extend((nth == 0).then(|| somebody("countersign")));
        users.extend((nth == 1).then(|| somebody("elsewhere")));
        SeedAccount {
            id: ACCOUNTS[nth].to_owned(),
            trust_quota: QUOTA.into(),
            users,
            roles: vec![
                sandbox::role(name, FOREIGN),
                sandbox::role("countersign-manager", FOREIGN),
            ],
        }
    };
    // Access keys are one account's.
    let mut all: Vec<SeedAccount> = (0..3).map(account).collect();
    all[1].users.retain(|user| user.name != "admin");
    all[2].users.retain(|user| user.name != "admin");
    all
}

/// A role with a trust policy that no serialiser would write, which lets in Countersign, or whom
/// the people's account lets.
fn role(nth: usize) -> Role {
    let is_opened = |by| OPENS.contains(&(nth, by));
    let mut more = Vec::new();
    if is_opened("sts_credentials") {
        more.push(assumable::statements(&manager(ACCOUNTS[nth])));
    }
    if is_opened("switch") {
        more.push(format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"sts:AssumeRole"}}"#
        ));
    }
    let (head, tail) = FOREIGN.split_at(FOREIGN.rfind(']').unwrap());
    Role {
        arn: ROLES[nth],
        account: ACCOUNTS[nth],
        foreign: format!("{head},\n {} {tail}", more.join(",\n\t")),
        is_edited: false,
        longest: 43_200,
        trusts: Vec::new(),
        guards: Vec::new(),
        moved: BTreeSet::new(),
        guard_by_hand: None,
    }
}

fn offers(catalog: &mut Catalog) {
    catalog.accounts = (0..3)
        .map(|nth| Account {
            id: ACCOUNTS[nth].to_owned(),
            name: format!("Account {nth}"),
            manager_role: Some(manager(ACCOUNTS[nth])),
            ..Account::default()
        })
        .collect();
    for name in NAMES {
        catalog.regroup(name, &["developers"]);
        catalog.person(name).principals = vec![user_arn(name)];
    }
    catalog.regroup("ada", &["admins"]);
    let mut all: Vec<Entitlement> = OPENS
        .map(|(nth, method)| Entitlement {
            role_arn: ROLES[nth].to_owned(),
            method: method.to_owned(),
            ..Entitlement::named(&called(method, nth))
        })
        .into();
    all.push(Entitlement::attaching("attach", &allowing("iam:ListRoles")));
    for entitlement in &mut all {
        entitlement.min_duration = "PT5M".to_owned();
        entitlement.max_duration = "PT12H".to_owned();
        entitlement.approver_group = "leads".to_owned();
    }
    catalog.entitlements = all;
}

/// The entitlement that opens a role in that way.
fn called(method: &str, nth: usize) -> String {
    format!("{}-{nth}", method.replace('_', "-"))
}

/// Everything that may be asked for: the entitlement's name, and the role, if it opens one.
pub fn entitlements() -> Vec<(String, Option<usize>)> {
    let roles = OPENS.map(|(nth, method)| (called(method, nth), Some(nth)));
    let mut all: Vec<_> = roles.into();
    all.push(("attach".to_owned(), None));
    all
}

/// What a user or role may do, for those that are created again.
pub const RIGHTS: &str = ALLOW_ALL;
