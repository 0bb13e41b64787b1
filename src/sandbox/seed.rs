//! What the sandbox starts with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::{AccessKey, Account, Doc, Mfa, Role, State, User};

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
    /// The one code that the user's MFA device shows, if there is a device (`arn:aws:iam::<account>:mfa/<name>`).
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
    /// The trust policy.
    pub trust: String,
    /// Inline policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
    /// Seconds, 3,600 to 43,200.
    #[serde(default = "one_hour")]
    pub max_session_duration: i64,
}

const fn trust_quota() -> usize {
    2_048
}

fn root_path() -> String {
    "/".to_owned()
}

const fn one_hour() -> i64 {
    3_600
}

impl Seed {
    /// The state that it describes. Documents are taken as they are; principals are bound once every user and role is there.
    pub(super) fn into_state(self) -> State {
        let mut state = State::default();
        let start = state.started_at();
        for seed in self.accounts {
            let mut account = Account::new(&seed.id, seed.trust_quota);
            for user in seed.users {
                let keys = user.access_key_id.zip(user.secret_access_key);
                let arn = format!("arn:aws:iam::{}:mfa/{}", seed.id, user.name);
                account.users.insert(
                    user.name.to_lowercase(),
                    User {
                        id: state.unique_id("AIDA"),
                        path: user.path,
                        created_at: start,
                        keys: keys
                            .map(|(id, secret)| AccessKey {
                                id,
                                secret,
                                created_at: start,
                            })
                            .into_iter()
                            .collect(),
                        policies: docs(user.policies, start),
                        mfa: user.mfa_code.map(|code| Mfa { serial: arn, code }),
                        name: user.name,
                    },
                );
            }
            for role in seed.roles {
                account.roles.insert(
                    role.name.to_lowercase(),
                    Role {
                        id: state.unique_id("AROA"),
                        path: role.path,
                        created_at: start,
                        description: String::new(),
                        max_session_duration: role.max_session_duration,
                        trust: Doc::new(role.trust, start),
                        policies: docs(role.policies, start),
                        tags: BTreeMap::new(),
                        name: role.name,
                    },
                );
            }
            state.accounts.insert(seed.id, account);
        }
        state.bind_all();
        state
    }
}

fn docs(
    policies: BTreeMap<String, String>,
    at: chrono::DateTime<chrono::Utc>,
) -> BTreeMap<String, Doc> {
    policies
        .into_iter()
        .map(|(name, text)| (name, Doc::new(text, at)))
        .collect()
}
