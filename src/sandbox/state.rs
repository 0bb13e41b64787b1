//! Everything that the sandbox knows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::arn::{is_account, session_role};
use super::doc::{Doc, Version};
use super::document;
use super::managed::of_aws;
use super::mode::Mode;

/// Accounts and issued sessions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<String, Account>,
    /// By access key id.
    pub(super) sessions: BTreeMap<String, Session>,
    /// By sign-in token.
    #[serde(default)]
    pub(super) signins: BTreeMap<String, Signin>,
    /// Browsers that are signed in to the console, by cookie.
    #[serde(default)]
    pub(super) browsers: BTreeMap<String, Session>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) trust_quota: usize,
    /// The organization that it is of, if any.
    #[serde(default)]
    pub(super) organization: Option<String>,
    /// By lower-case name: IAM's names are unique without regard to case.
    pub(super) users: BTreeMap<String, User>,
    /// Likewise.
    pub(super) roles: BTreeMap<String, Role>,
    /// Managed policies of the account's own, by ARN.
    #[serde(default)]
    pub(super) managed: BTreeMap<String, Managed>,
    /// By name.
    #[serde(default)]
    pub(super) buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) keys: Vec<AccessKey>,
    #[serde(flatten)]
    pub(super) policies: Policies,
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
    #[serde(flatten)]
    pub(super) policies: Policies,
    pub(super) tags: BTreeMap<String, String>,
}

/// The identity policies of a user or role, and what limits them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Policies {
    /// By name.
    #[serde(rename = "policies")]
    pub(super) inline: BTreeMap<String, Doc>,
    /// By the ARN of the managed policy, which is the text: attaching is a write like any other.
    #[serde(default)]
    pub(super) attached: BTreeMap<String, Doc>,
    /// The ARN of the managed policy that is the permissions boundary.
    #[serde(default)]
    pub(super) boundary: Doc,
}

/// A managed policy of an account's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Managed {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) doc: Doc,
}

/// A bucket with its policy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) policy: Doc,
    pub(super) objects: BTreeMap<String, String>,
}

/// What a sign-in token stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Signin {
    pub(super) made_at: DateTime<Utc>,
    /// Of the credentials that it was made with.
    pub(super) access_key: String,
    pub(super) session: Session,
    /// `SessionDuration`, where it was given.
    pub(super) seconds: Option<i64>,
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
    /// Managed policies that are session policies, by ARN.
    #[serde(default)]
    pub(super) managed: Vec<String>,
    /// The keys of the tags that go on through role chaining.
    #[serde(default)]
    pub(super) transitive: BTreeSet<String>,
    /// A session got it.
    #[serde(default)]
    pub(super) chained: bool,
    /// It was asked for with `DurationSeconds`.
    #[serde(default)]
    pub(super) timed: bool,
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

impl Account {
    pub(super) fn new(id: &str, trust_quota: usize) -> Self {
        Self {
            id: id.to_owned(),
            trust_quota,
            organization: None,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            managed: BTreeMap::new(),
            buckets: BTreeMap::new(),
        }
    }

    pub(super) fn user_arn(&self, user: &User) -> String {
        format!("arn:aws:iam::{}:user{}{}", self.id, user.path, user.name)
    }

    pub(super) fn role_arn(&self, role: &Role) -> String {
        format!("arn:aws:iam::{}:role{}{}", self.id, role.path, role.name)
    }
}

impl Account {
    /// What evaluation has of a managed policy, the account's own or AWS's.
    pub(super) fn managed_text(&self, arn: &str, mode: Mode) -> Option<String> {
        if let Some(text) = of_aws(arn) {
            return Some(text.to_owned());
        }
        let version = self.managed.get(arn)?.doc.data(mode.now, mode.delay)?;
        version.text.clone()
    }

    /// Whether there is such a managed policy for the account.
    pub(super) fn has_managed(&self, arn: &str) -> bool {
        let own = self.managed.get(arn);
        of_aws(arn).is_some() || own.is_some_and(|it| it.doc.control(false).is_some())
    }
}

impl Policies {
    /// What must be done before its owner can be deleted: `delete` or `detach` policies.
    pub(super) fn first(&self) -> Option<&'static str> {
        let there = |doc: &Doc| doc.control(false).is_some();
        if self.inline.values().any(there) {
            return Some("delete");
        }
        self.attached.values().any(there).then_some("detach")
    }

    pub(super) fn inline(inline: BTreeMap<String, Doc>) -> Self {
        Self {
            inline,
            ..Self::default()
        }
    }

    /// What evaluation has of them.
    pub(super) fn texts(&self, account: &Account, mode: Mode) -> Vec<String> {
        let data = |doc: &Doc| doc.data(mode.now, mode.delay)?.text.clone();
        let attached = self.attached.values().filter_map(data);
        let attached = attached.filter_map(|arn| account.managed_text(&arn, mode));
        let inline = self.inline.values().filter_map(data);
        inline.chain(attached).collect()
    }

    /// What evaluation has of the boundary; none where there is none.
    pub(super) fn boundary_text(&self, account: &Account, mode: Mode) -> Option<String> {
        let version = self.boundary.data(mode.now, mode.delay)?;
        let text = account.managed_text(version.text.as_deref()?, mode);
        Some(text.unwrap_or_default())
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

    /// The same, without those that do not exist: they name nobody.
    pub(super) fn bind_known(&self, text: &str) -> BTreeMap<String, String> {
        let names = document::named(text).into_iter();
        let known = names.filter_map(|it| self.id_behind(&it).map(|id| (it, id)));
        known.collect()
    }

    /// A bucket with its account: the names of all accounts are one list.
    pub(super) fn bucket(&self, name: &str) -> Option<(&str, &Bucket)> {
        let mut accounts = self.accounts.values();
        accounts.find_map(|it| Some((it.id.as_str(), it.buckets.get(name)?)))
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> Option<&mut Bucket> {
        let mut accounts = self.accounts.values_mut();
        accounts.find_map(|it| it.buckets.get_mut(name))
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
            for version in role.trust.versions_mut() {
                version.bound = before.bind_known(version.text.as_deref().unwrap_or_default());
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
