//! Who and what there is in three accounts: one that Countersign is in, and two that it comes into
//! through a manager role each.

use std::fmt::Write as _;

use countersign::policy::assumable;
use countersign::sandbox::{Seed, SeedAccount, SeedRole, SeedUser};

use crate::Plan;
use crate::catalog::{ACCOUNT, OURS, PEOPLE, approver, key, requester, user_arn};

/// The first is Countersign's own, the last is the one that falls silent.
pub const ACCOUNTS: [&str; 3] = [ACCOUNT, "222233334444", "333344445555"];
pub const MUTE: &str = ACCOUNTS[2];
/// Roles of each method that whole lifecycles take in turn.
pub const LIFECYCLES: usize = 10;

const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*","sts:*"],"Resource":"*"}]}"#;
const READS_LOGS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:GetLogEvents","Resource":"*"}}"#;

/// How much there is of what ends together.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Roles whose grants are credentials, in turn in each account.
    pub roles: usize,
    /// Grants of each.
    pub of_role: usize,
    /// Users that carry policies, in turn in each account.
    pub users: usize,
    /// Grants of each.
    pub of_user: usize,
    /// Grants that are ended early: the first half in calm, the second in the burst.
    pub early: usize,
    /// Grants that end while their account is silent.
    pub mute: usize,
}

impl Size {
    pub fn of(plan: &Plan) -> Self {
        if plan.quick {
            return Self {
                roles: 6,
                of_role: 2,
                users: 12,
                of_user: 2,
                early: 8,
                mute: 6,
            };
        }
        // 125 roles and 2,000 users of 10,000.
        Self {
            roles: (plan.grants / 80).max(1),
            of_role: 32,
            users: plan.grants / 5,
            of_user: 3,
            early: 200,
            mute: 40,
        }
    }
}

pub fn carrier(nth: usize) -> String {
    format!("carrier-{nth:04}")
}

/// A role, by the name of its entitlement.
#[derive(Clone)]
struct Place {
    name: String,
    account: &'static str,
    method: &'static str,
}

fn roles(size: &Size) -> Vec<Place> {
    let of = |kind: &str, count: usize, method, account: fn(usize) -> &'static str| {
        let all = (0..count).map(|nth| Place {
            name: format!("{kind}-{nth:03}"),
            account: account(nth),
            method,
        });
        all.collect::<Vec<_>>()
    };
    let home: fn(usize) -> &'static str = |_| ACCOUNT;
    [
        of("trust", LIFECYCLES, "trust_policy", home),
        of("switch", LIFECYCLES, "switch", home),
        of("sts", LIFECYCLES, "sts_credentials", home),
        of("calm", PEOPLE, "trust_policy", home),
        of("early", size.early, "sts_credentials", home),
        of("many", size.roles, "sts_credentials", |nth| {
            ACCOUNTS[nth % 3]
        }),
        of("mute", size.mute, "sts_credentials", |_| MUTE),
    ]
    .concat()
}

fn manager(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/countersign-manager")
}

fn arn_of_user(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:user/{name}")
}

fn trust(place: &Place) -> String {
    let statements = match place.method {
        "sts_credentials" if place.account == ACCOUNT => assumable::statements(&user_arn(OURS)),
        "sts_credentials" => assumable::statements(&manager(place.account)),
        "switch" => format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"sts:AssumeRole"}}"#
        ),
        _ => r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#.to_owned(),
    };
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn role(name: &str, trust: String, policy: Option<&str>) -> SeedRole {
    SeedRole {
        name: name.to_owned(),
        path: "/".to_owned(),
        trust,
        policies: policy
            .map(|it| ("all".to_owned(), it.to_owned()))
            .into_iter()
            .collect(),
        max_session_duration: 43_200,
        tags: Default::default(),
    }
}

pub fn aws(size: &Size) -> Seed {
    let user = |name: String| SeedUser {
        name,
        path: "/".to_owned(),
        ..SeedUser::default()
    };
    let (id, secret) = key(OURS);
    let ours = SeedUser {
        access_key_id: Some(id),
        secret_access_key: Some(secret),
        policies: [("all".to_owned(), ALL.to_owned())].into(),
        ..user(OURS.to_owned())
    };
    let accounts = ACCOUNTS.iter().enumerate().map(|(at, account)| {
        let carriers = (0..size.users).filter(|nth| nth % 3 == at).map(carrier);
        let mut users: Vec<_> = carriers.map(user).collect();
        let here = roles(size).into_iter().filter(|it| it.account == *account);
        let mut roles: Vec<_> = here.map(|it| role(&it.name, trust(&it), None)).collect();
        if *account == ACCOUNT {
            users.push(ours.clone());
            users.extend((0..PEOPLE).map(|nth| user(requester(nth))));
        } else {
            let us = user_arn(OURS);
            let lets_in = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{us}"}},"Action":"sts:AssumeRole"}}]}}"#
            );
            roles.push(role("countersign-manager", lets_in, Some(ALL)));
        }
        SeedAccount {
            id: (*account).to_owned(),
            trust_quota: 8_192,
            users,
            roles,
        }
    });
    Seed {
        accounts: accounts.collect(),
    }
}

pub fn toml(size: &Size) -> String {
    let mut text = String::new();
    for account in ACCOUNTS {
        let _ = writeln!(
            text,
            "[[accounts]]\nid = \"{account}\"\nname = \"{account}\""
        );
        if account != ACCOUNT {
            let _ = writeln!(text, "manager_role = \"{}\"", manager(account));
        }
    }
    let mut person = |name: &str, group: &str, arn: Option<String>| {
        let arns = arn.map_or_else(String::new, |it| format!("\"{it}\""));
        let _ = writeln!(
            text,
            "[[people]]\nissuer = \"bench\"\nsubject = \"{name}\"\nname = \"{name}\"\nemail = \"{name}@example.com\"\n\
             groups = [\"{group}\"]\nprincipals = [{arns}]"
        );
    };
    for nth in 0..PEOPLE {
        person(
            &requester(nth),
            "engineers",
            Some(user_arn(&requester(nth))),
        );
        person(&approver(nth), "sre-leads", None);
    }
    for nth in 0..size.users {
        let arn = arn_of_user(ACCOUNTS[nth % 3], &carrier(nth));
        person(&carrier(nth), "engineers", Some(arn));
    }
    let mut entitlement = |name: &str, rest: String| {
        let _ = writeln!(
            text,
            "[[entitlements]]\nname = \"{name}\"\n{rest}\nmin_duration = \"PT1S\"\nmax_duration = \"PT8H\"\n\
             requester_group = \"engineers\"\napprover_group = \"sre-leads\""
        );
    };
    for Place {
        name,
        account,
        method,
    } in roles(size)
    {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        entitlement(
            &name,
            format!("role_arn = \"{arn}\"\nmethod = \"{method}\""),
        );
    }
    for account in ACCOUNTS {
        let rest = format!("account = \"{account}\"\nmethod = \"attach\"\npolicy = '{READS_LOGS}'");
        entitlement(&attaching(account), rest);
    }
    text
}

/// The entitlement that allows something to users of an account.
pub fn attaching(account: &str) -> String {
    format!("attach-{account}")
}
