//! What the sandbox starts with.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::doc::Doc;
use super::quota;
use super::state::{AccessKey, Account, Mfa, Policies, Role, State, User};

/// Seeded things are old, so that no data plane lags behind them.
const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// Accounts with their users and roles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The accounts.
    #[serde(default)]
    pub accounts: Vec<SeedAccount>,
}

/// One account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedAccount {
    /// 12 digits.
    pub id: String,
    /// `AssumeRolePolicySizeQuota`, characters; AWS's default is 2,048, its most 8,192.
    #[serde(default = "trust_quota")]
    pub trust_quota: usize,
    /// IAM users.
    #[serde(default)]
    pub users: Vec<SeedUser>,
    /// IAM roles.
    #[serde(default)]
    pub roles: Vec<SeedRole>,
}

/// One IAM user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedUser {
    /// Name.
    pub name: String,
    /// Path, `/` unless said otherwise.
    #[serde(default = "root_path")]
    pub path: String,
    /// Access key id, if the user has one.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Its secret.
    #[serde(default)]
    pub secret_access_key: Option<String>,
    /// Inline policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
    /// The one code that the user's MFA device shows, if there is a device
    /// (`arn:aws:iam::<account>:mfa/<name>`).
    #[serde(default)]
    pub mfa_code: Option<String>,
}

/// One IAM role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRole {
    /// Name.
    pub name: String,
    /// Path, `/` unless said otherwise.
    #[serde(default = "root_path")]
    pub path: String,
    /// The trust policy. It is taken as it is, however wrong; principals that do not exist name
    /// nobody.
    pub trust: String,
    /// Inline policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
    /// Seconds, 3,600 to 43,200.
    #[serde(default = "one_hour")]
    pub max_session_duration: i64,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

const fn trust_quota() -> usize {
    quota::TRUST
}

fn root_path() -> String {
    "/".to_owned()
}

const fn one_hour() -> i64 {
    3_600
}

impl Seed {
    /// The state that it describes. Documents are taken as they are; principals are bound once
    /// every user and role is there.
    pub(super) fn into_state(self) -> Result<State, String> {
        let mut state = State::default();
        let mut keys = BTreeSet::new();
        for seed in self.accounts {
            let id = seed.id.clone();
            let account = seed.into_account(&mut keys)?;
            if state.accounts.insert(id.clone(), account).is_some() {
                return Err(format!("account {id} is there twice"));
            }
        }
        state.bind_all();
        Ok(state)
    }
}

impl SeedAccount {
    fn into_account(self, keys: &mut BTreeSet<String>) -> Result<Account, String> {
        let id = self.id;
        if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("account {id:?} is not 12 digits"));
        }
        if !(1..=quota::TRUST_MOST).contains(&self.trust_quota) {
            let most = quota::TRUST_MOST;
            return Err(format!("account {id}: trust_quota is 1 to {most}"));
        }
        let mut account = Account::new(&id, self.trust_quota);
        for user in self.users {
            check("user", &user.name, &user.path)?;
            if let Some(key) = &user.access_key_id
                && !keys.insert(key.clone())
            {
                return Err(format!("access key {key} is there twice"));
            }
            let user = user.into_user(&id)?;
            let name = user.name.clone();
            if account.users.insert(name.to_lowercase(), user).is_some() {
                return Err(format!("user {name} is there twice"));
            }
        }
        for role in self.roles {
            check("role", &role.name, &role.path)?;
            let role = role.into_role()?;
            let name = role.name.clone();
            if account.roles.insert(name.to_lowercase(), role).is_some() {
                return Err(format!("role {name} is there twice"));
            }
        }
        Ok(account)
    }
}

fn check(kind: &str, name: &str, path: &str) -> Result<(), String> {
    let wrong = quota::name("name", name, 1..=64).and_then(|()| quota::path(path));
    wrong.map_err(|fault| format!("{kind} {name:?}: {}", fault.message))
}

impl SeedUser {
    fn into_user(self, account: &str) -> Result<User, String> {
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            let name = self.name;
            return Err(format!("user {name}: an access key has an id and a secret"));
        }
        let serial = format!("arn:aws:iam::{account}:mfa/{}", self.name);
        let key = self.access_key_id.zip(self.secret_access_key);
        let key = key.map(|(id, secret)| AccessKey {
            id,
            secret,
            created_at: START,
        });
        Ok(User {
            id: State::unique_id("AIDA"),
            name: self.name,
            path: self.path,
            created_at: START,
            keys: key.into_iter().collect(),
            policies: Policies::inline(docs(self.policies)),
            mfa: self.mfa_code.map(|code| Mfa { serial, code }),
        })
    }
}

impl SeedRole {
    fn into_role(self) -> Result<Role, String> {
        if !(3_600..=43_200).contains(&self.max_session_duration) {
            let name = self.name;
            return Err(format!(
                "role {name}: max_session_duration is 3600 to 43200"
            ));
        }
        Ok(Role {
            id: State::unique_id("AROA"),
            name: self.name,
            path: self.path,
            created_at: START,
            description: String::new(),
            max_session_duration: self.max_session_duration,
            trust: Doc::new(self.trust, START),
            policies: Policies::inline(docs(self.policies)),
            tags: self.tags,
        })
    }
}

fn docs(policies: BTreeMap<String, String>) -> BTreeMap<String, Doc> {
    policies
        .into_iter()
        .map(|(name, text)| (name, Doc::new(text, START)))
        .collect()
}
