//! What the demo has: an account, five people with their own AWS keys, a role and the entitlement
//! to it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sandbox::{Seed, SeedAccount, SeedRole, SeedUser};

/// The production account.
pub const ACCOUNT: &str = "111122223333";
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

/// What Countersign needs, and nothing more: the documents of the target roles, and to look.
const MANAGER: &str = r#"{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":["iam:GetRole","iam:UpdateAssumeRolePolicy","iam:GetRolePolicy",
   "iam:PutRolePolicy","iam:DeleteRolePolicy"],
  "Resource":"arn:aws:iam::111122223333:role/prod-*"},
 {"Effect":"Allow","Action":["iam:GetUser","iam:GetAccountSummary"],"Resource":"*"}]}"#;

/// The catalog, as `catalog apply` would read it.
pub fn catalog() -> String {
    use std::fmt::Write as _;
    let mut text = format!("[[accounts]]\nid = \"{ACCOUNT}\"\nname = \"Production\"\n");
    for (name, user, group) in PEOPLE {
        let _ = write!(
            text,
            "\n[[people]]\nissuer = \"demo\"\nsubject = \"{user}\"\nname = \"{name}\"\nemail = \
             \"{user}@example.com\"\ngroups = [\"{group}\"]\n\
             principals = [\"arn:aws:iam::{ACCOUNT}:user/{user}\"]\n"
        );
    }
    text + r#"
[[entitlements]]
name = "prod-admin"
description = "Everything in the production account, for incidents and changes that automation cannot make."
role_arn = "arn:aws:iam::111122223333:role/prod-admin"
method = "trust_policy"
min_duration = "PT5S"
max_duration = "PT8H"
requester_group = "engineers"
approver_group = "sre-leads"
needed = 1
"#
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
            BTreeMap::from([("manager".to_owned(), MANAGER.to_owned())])
        } else {
            BTreeMap::new()
        },
        mfa_code: None,
    });
    let role = SeedRole {
        name: "prod-admin".to_owned(),
        path: "/".to_owned(),
        trust: TRUST.to_owned(),
        policies: BTreeMap::from([("everything".to_owned(), EVERYTHING.to_owned())]),
        max_session_duration: 43_200,
        tags: BTreeMap::new(),
    };
    Seed {
        accounts: vec![SeedAccount {
            id: ACCOUNT.to_owned(),
            trust_quota: 2_048,
            users: users.collect(),
            roles: vec![role],
        }],
    }
}
