//! Everything that the sandbox knows, and the two planes of each document.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::arn::{is_account, session_role};
use super::document;

/// How many versions of a document are kept for a data plane that lags.
const KEPT: usize = 32;

/// Accounts and issued sessions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<String, Account>,
    /// By access key id.
    pub(super) sessions: BTreeMap<String, Session>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) trust_quota: usize,
    /// By lower-case name: IAM's names are unique without regard to case.
    pub(super) users: BTreeMap<String, User>,
    /// Likewise.
    pub(super) roles: BTreeMap<String, Role>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) keys: Vec<AccessKey>,
    pub(super) policies: BTreeMap<String, Doc>,
    pub(super) mfa: Option<Mfa>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mfa {
    pub(super) serial: String,
    pub(super) code: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) description: String,
    pub(super) max_session_duration: i64,
    pub(super) trust: Doc,
    pub(super) policies: BTreeMap<String, Doc>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A session that STS issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) secret: String,
    pub(super) token: String,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) mfa: bool,
    pub(super) holder: Holder,
    /// The session policy.
    #[serde(default)]
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// Whose session it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Holder {
    User {
        account: String,
        id: String,
    },
    Role {
        account: String,
        id: String,
        session_name: String,
        source_identity: Option<String>,
    },
}

/// A document: the versions that were written, the last of which is the control plane's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Doc {
    versions: Vec<Version>,
    /// The data plane stands still at this version.
    #[serde(skip)]
    frozen: Option<Option<Version>>,
}

/// One version; no text once it was deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) at: DateTime<Utc>,
    pub(super) text: Option<String>,
    /// The unique ids that the principals' ARNs were bound to when it was written.
    pub(super) bound: BTreeMap<String, String>,
}

impl Doc {
    pub(super) fn new(text: String, at: DateTime<Utc>) -> Self {
        let mut doc = Self::default();
        doc.put(Some(text), BTreeMap::new(), at);
        doc
    }

    pub(super) fn put(
        &mut self,
        text: Option<String>,
        bound: BTreeMap<String, String>,
        at: DateTime<Utc>,
    ) {
        self.versions.push(Version { at, text, bound });
        let surplus = self.versions.len().saturating_sub(KEPT);
        let gone = self.versions.drain(..surplus).next_back();
        if let Some(gone) = gone {
            // The oldest that is kept stands for those before it.
            self.versions[0].at = gone.at;
        }
    }

    /// Whether nothing was ever written.
    pub(super) const fn is_new(&self) -> bool {
        self.versions.is_empty()
    }

    /// What a read shows: the last version, or, when reads are stale, the one before.
    pub(super) fn control(&self, stale: bool) -> Option<&Version> {
        let back = usize::from(stale && self.versions.len() > 1);
        self.versions
            .iter()
            .rev()
            .nth(back)
            .filter(|it| it.text.is_some())
    }

    /// What evaluation uses: the last version that is at least `delay` old; without a delay the
    /// last, wherever the clock was set to.
    pub(super) fn data(&self, now: DateTime<Utc>, delay: TimeDelta) -> Option<&Version> {
        let version = match &self.frozen {
            Some(frozen) => frozen.as_ref(),
            None if delay.is_zero() => self.versions.last(),
            None => self.versions.iter().rev().find(|it| it.at + delay <= now),
        };
        version.filter(|it| it.text.is_some())
    }

    pub(super) fn freeze(&mut self, now: DateTime<Utc>, delay: TimeDelta) {
        self.frozen = Some(self.data(now, delay).cloned());
    }

    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }
}

impl Account {
    pub(super) fn new(id: &str, trust_quota: usize) -> Self {
        Self {
            id: id.to_owned(),
            trust_quota,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }

    pub(super) fn user_arn(&self, user: &User) -> String {
        format!("arn:aws:iam::{}:user{}{}", self.id, user.path, user.name)
    }

    pub(super) fn role_arn(&self, role: &Role) -> String {
        format!("arn:aws:iam::{}:role{}{}", self.id, role.path, role.name)
    }
}

impl State {
    /// A new unique id: AWS's are the prefix and 17 characters.
    pub(super) fn unique_id(prefix: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let tail = (0..17).map(|_| char::from(ALPHABET[usize::from(rand::random::<u8>() % 32)]));
        format!("{prefix}{}", tail.collect::<String>())
    }

    /// The unique id behind an ARN of a user or role, or the id itself where it is one that lives.
    pub(super) fn id_of(&self, name: &str) -> Option<String> {
        self.accounts.values().find_map(|account| {
            let user = account
                .users
                .values()
                .find(|it| account.user_arn(it) == name || it.id == name);
            let role = account
                .roles
                .values()
                .find(|it| account.role_arn(it) == name || it.id == name);
            user.map(|it| it.id.clone())
                .or_else(|| role.map(|it| it.id.clone()))
        })
    }

    /// The same for a principal of a trust policy: a session is bound by its role.
    fn id_behind(&self, principal: &str) -> Option<String> {
        let role = session_role(principal);
        self.id_of(role.as_deref().unwrap_or(principal))
    }

    /// Binds every principal of a trust policy to its unique id; the first that does not exist is
    /// the error.
    pub(super) fn bind(&self, text: &str) -> Result<BTreeMap<String, String>, String> {
        let mut bound = BTreeMap::new();
        for name in document::named(text) {
            if name == "*" || is_account(&name) {
                continue;
            }
            let id = self.id_behind(&name).ok_or_else(|| name.clone())?;
            bound.insert(name, id);
        }
        Ok(bound)
    }

    /// Binds the principals of seeded trust policies; those that do not exist stay unbound and name
    /// nobody.
    pub(super) fn bind_all(&mut self) {
        let before = self.clone();
        for role in self
            .accounts
            .values_mut()
            .flat_map(|it| it.roles.values_mut())
        {
            for version in &mut role.trust.versions {
                let names = document::named(version.text.as_deref().unwrap_or_default());
                version.bound = names
                    .into_iter()
                    .filter_map(|it| before.id_behind(&it).map(|id| (it, id)))
                    .collect();
            }
        }
    }

    /// A trust policy as it is read: an ARN whose user or role is gone, or is another one by now,
    /// shows as the raw id; a raw id of somebody who is there shows as the ARN.
    pub(super) fn shown(&self, version: &Version) -> String {
        let text = version.text.as_deref().unwrap_or_default();
        let renamed = |(name, id): (&String, &String)| {
            let shown = if name == id {
                self.arn_of(id).unwrap_or_else(|| id.clone())
            } else if self.id_behind(name).as_ref() == Some(id) {
                name.clone()
            } else {
                id.clone()
            };
            (shown != *name).then(|| (name.clone(), shown))
        };
        let renamed: BTreeMap<_, _> = version.bound.iter().filter_map(renamed).collect();
        if renamed.is_empty() {
            return text.to_owned();
        }
        document::rename_principals(text, &renamed)
    }

    fn arn_of(&self, id: &str) -> Option<String> {
        self.accounts.values().find_map(|account| {
            let user = account.users.values().find(|it| it.id == id);
            let role = account.roles.values().find(|it| it.id == id);
            user.map(|it| account.user_arn(it))
                .or_else(|| role.map(|it| account.role_arn(it)))
        })
    }
}
