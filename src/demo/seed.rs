//! What the demo has: two accounts, five people with their own AWS keys in one of them, and an
//! entitlement of each method.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::account::{ManagerRole, Needs};
use crate::domain::entitlement::Method;
use crate::policy::{assumable, rights};
use crate::sandbox::{Seed, SeedAccount, SeedRole, SeedUser};

/// The production account.
pub const ACCOUNT: &str = "111122223333";
/// The staging account, into which Countersign comes through a manager role.
const STAGING: &str = "444455556666";
/// The IAM user that Countersign itself works as.
const OURSELVES: &str = "countersign";

/// People as the catalog has them: name, first name for the IAM user and e-mail address, group.
pub const PEOPLE: [(&str, &str, &str); 5] = [
    ("Alice Archer", "alice", "engineers"),
    ("Bob Brandt", "bob", "sre-leads"),
    ("Carol Costa", "carol", "sre-leads"),
    ("Dave Diaz", "dave", "security-admins"),
    ("Erin Egede", "erin", "auditors"),
];

/// The role's trust policy as somebody wrote it by hand; it comes back like this, byte for byte.
const TRUST: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Automation",
      "Effect": "Allow",
      "Principal": { "Service": "ec2.amazonaws.com" },
      "Action": "sts:AssumeRole"
    }
  ]
}"#;

const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// What may be asked for: name, the role of which account it opens (none: a policy on the person's
/// own user), method, and what for.
pub const ENTITLEMENTS: [(&str, Option<&str>, Method, &str); 4] = [
    (
        "prod-admin",
        Some(ACCOUNT),
        Method::TrustPolicy,
        "Everything in the production account, for incidents and changes that automation cannot make.",
    ),
    (
        "prod-s3-write",
        None,
        Method::Attach,
        "Writing to the buckets of the production account, with your own keys.",
    ),
    (
        "staging-power",
        Some(STAGING),
        Method::StsCredentials,
        "Everything in the staging account, with credentials that are handed out.",
    ),
    (
        "staging-switch",
        Some(STAGING),
        Method::Switch,
        "Everything in the staging account, by switching from your own user.",
    ),
];

/// The role to which nobody comes but by a grant.
const CLOSED: &str = "staging-switch";

/// What `prod-s3-write` allows.
const WRITING: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"#,
    r#""Resource":"arn:aws:s3:::prod-*/*"}]}"#
);

/// ARN of the role of an entitlement.
#[must_use]
pub fn role_arn(account: &str, entitlement: &str) -> String {
    format!("arn:aws:iam::{account}:role/{entitlement}")
}

fn user_arn(user: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{user}")
}

/// As whom Countersign works in the staging account.
fn manager() -> ManagerRole {
    ManagerRole {
        arn: role_arn(STAGING, "countersign-manager"),
        external_id: None,
    }
}

/// What Countersign has to do in an account.
fn needs(account: &str) -> Needs {
    let of_account = ENTITLEMENTS.iter().filter(|it| it.1 == Some(account));
    Needs {
        roles: of_account
            .map(|(name, _, method, _)| (role_arn(account, name), *method))
            .collect(),
        users: if account == ACCOUNT {
            PEOPLE.iter().map(|(_, user, _)| user_arn(user)).collect()
        } else {
            Vec::new()
        },
        carries: account == ACCOUNT,
    }
}

/// What Countersign's own user may: what production needs, and to be the manager of staging.
fn own_policy() -> String {
    let (own, manager) = (user_arn(OURSELVES), manager().arn);
    let mut policy = rights::policy(&needs(ACCOUNT), &[&own]);
    if let Some(statements) = policy["Statement"].as_array_mut() {
        statements
            .push(json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": manager}));
    }
    policy.to_string()
}

/// The catalog, as `catalog apply` would read it.
pub fn catalog() -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "[[accounts]]\nid = \"{ACCOUNT}\"\nname = \"Production\"\n\n[[accounts]]\nid = \"{STAGING}\"\n\
         name = \"Staging\"\nmanager_role = \"{}\"\n",
        manager().arn
    );
    for (name, user, group) in PEOPLE {
        let _ = write!(
            text,
            "\n[[people]]\nissuer = \"demo\"\nsubject = \"{user}\"\nname = \"{name}\"\nemail = \
             \"{user}@example.com\"\ngroups = [\"{group}\"]\n\
             principals = [\"{}\"]\n",
            user_arn(user)
        );
    }
    for (name, account, method, description) in ENTITLEMENTS {
        let closed = if name == CLOSED {
            "\nclosed = true"
        } else {
            ""
        };
        let opens = match account {
            Some(account) => format!("role_arn = \"{}\"{closed}", role_arn(account, name)),
            None => format!("account = \"{ACCOUNT}\"\npolicy = '''{WRITING}'''"),
        };
        let method = method.as_str();
        let _ = write!(
            text,
            "\n[[entitlements]]\nname = \"{name}\"\ndescription = \"{description}\"\n{opens}\n\
             method = \"{method}\"\nmin_duration = \"PT5S\"\nmax_duration = \"PT8H\"\n\
             requester_group = \"engineers\"\napprover_group = \"sre-leads\"\nneeded = 1\n"
        );
    }
    text
}

/// Secrets of one person, kept between starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keys {
    /// Of their IAM user.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Their API token; empty until there is one.
    pub api_token: String,
}

/// Everybody's secrets, by user name; Countersign's own IAM user among them.
pub type AllKeys = BTreeMap<String, Keys>;

/// Reads the secrets of the last start, or makes new ones.
///
/// # Errors
/// When the file is there and cannot be read, or somebody is not in it.
pub fn keys(path: &Path) -> std::io::Result<AllKeys> {
    let mut users = PEOPLE.iter().map(|(_, user, _)| *user).chain([OURSELVES]);
    if path.exists() {
        let keys: AllKeys =
            serde_json::from_slice(&std::fs::read(path)?).map_err(std::io::Error::other)?;
        // New keys for one of them would not be those that the stand-in knows.
        return match users.find(|user| !keys.contains_key(*user)) {
            None => Ok(keys),
            Some(user) => Err(std::io::Error::other(format!(
                "it lacks the keys of {user}: put them back, or begin anew with --reset"
            ))),
        };
    }
    let new = |user: &str| Keys {
        access_key_id: format!("AKIA{:0>16}", user.to_uppercase()),
        secret_access_key: hex::encode(rand::random::<[u8; 20]>()),
        api_token: String::new(),
    };
    Ok(users.map(|user| (user.to_owned(), new(user))).collect())
}

/// The keys that Countersign itself works with.
#[must_use]
pub fn ours(keys: &AllKeys) -> Option<&Keys> {
    keys.get(OURSELVES)
}

/// The AWS of the demo.
#[must_use]
pub fn aws(keys: &AllKeys) -> Seed {
    let users = keys.iter().map(|(user, keys)| SeedUser {
        name: user.clone(),
        path: "/".to_owned(),
        access_key_id: Some(keys.access_key_id.clone()),
        secret_access_key: Some(keys.secret_access_key.clone()),
        policies: if user == OURSELVES {
            BTreeMap::from([("countersign".to_owned(), own_policy())])
        } else {
            BTreeMap::new()
        },
        mfa_code: None,
    });
    let manager = manager();
    let trusted_by_account = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole",
    }]});
    let power = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        assumable::statements(&manager.arn)
    );
    let own = user_arn(OURSELVES);
    let manages = rights::policy(&needs(STAGING), &[&manager.arn, &own]).to_string();
    let trust = rights::trust(&manager, &own).to_string();
    Seed {
        accounts: vec![
            account(
                ACCOUNT,
                users.collect(),
                vec![role("prod-admin", TRUST, EVERYTHING)],
            ),
            account(
                STAGING,
                Vec::new(),
                vec![
                    role("countersign-manager", &trust, &manages),
                    role("staging-power", &power, EVERYTHING),
                    role(
                        "staging-switch",
                        &trusted_by_account.to_string(),
                        EVERYTHING,
                    ),
                ],
            ),
        ],
    }
}

fn account(id: &str, users: Vec<SeedUser>, roles: Vec<SeedRole>) -> SeedAccount {
    SeedAccount {
        id: id.to_owned(),
        trust_quota: 2_048,
        users,
        roles,
    }
}

fn role(name: &str, trust: &str, policy: &str) -> SeedRole {
    SeedRole {
        name: name.to_owned(),
        path: "/".to_owned(),
        trust: trust.to_owned(),
        policies: BTreeMap::from([("may".to_owned(), policy.to_owned())]),
        max_session_duration: 43_200,
        tags: BTreeMap::new(),
    }
}
