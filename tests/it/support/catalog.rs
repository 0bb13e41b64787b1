//! A catalog that a test builds and changes in Rust, and hands over as the text that is applied.

use std::collections::BTreeMap;

use serde::Serialize;

/// The account of everything that a test does not put elsewhere.
pub const ACCOUNT: &str = "111122223333";

/// What a test does to a catalog, for tables of such changes.
pub type Change = fn(&mut Catalog);

/// What a catalog file says; what it may leave out is left out where it is the default. A new table
/// is a field here and a struct below.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Catalog {
    pub accounts: Vec<Account>,
    pub people: Vec<Person>,
    pub entitlements: Vec<Entitlement>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Account {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Person {
    pub issuer: String,
    pub subject: String,
    pub name: String,
    pub email: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<SameAs>,
    /// Roles that they come as, with their session names: more of their principals.
    #[serde(skip)]
    pub sessions: Vec<(String, String)>,
}

/// Another account of the same human.
#[derive(Debug, Clone, Serialize)]
pub struct SameAs {
    pub issuer: String,
    pub subject: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Entitlement {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role_arn: String,
    pub method: String,
    pub min_duration: String,
    pub max_duration: String,
    pub requester_group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub approver_group: String,
    #[serde(skip_serializing_if = "is_one")]
    pub needed: i64,
    /// Keys that few entitlements have, or none.
    #[serde(flatten)]
    pub more: BTreeMap<String, toml::Value>,
}

impl Catalog {
    /// A small company. alice asks; bob, carol, dave and erin approve, and so does alice; ada is an
    /// admin, otto an auditor, mallory nobody.
    pub fn company() -> Self {
        let of = |subject, groups| Person {
            groups,
            ..Person::named(subject)
        };
        Self {
            accounts: vec![Account::default()],
            people: vec![
                Person {
                    principals: vec![user_arn("alice")],
                    ..of("alice", words(&["developers", "approvers"]))
                },
                of("bob", words(&["approvers"])),
                of("carol", words(&["approvers"])),
                of("dave", words(&["approvers"])),
                of("erin", words(&["approvers"])),
                of("ada", words(&["admins"])),
                of("otto", words(&["auditors"])),
                of("mallory", vec![]),
            ],
            entitlements: vec![
                Entitlement {
                    description: "Everything in production.".to_owned(),
                    ..Entitlement::named("prod-admin")
                },
                Entitlement {
                    description: "Needs two.".to_owned(),
                    max_duration: "PT1H".to_owned(),
                    needed: 2,
                    ..Entitlement::named("prod-root")
                },
            ],
        }
    }

    /// That account, which is added if need be.
    pub fn account(&mut self, id: &str) -> &mut Account {
        let new = || Account {
            id: id.to_owned(),
            ..Account::default()
        };
        found(&mut self.accounts, |it| it.id == id, new)
    }

    /// That person, who is added if need be.
    pub fn person(&mut self, subject: &str) -> &mut Person {
        let new = || Person::named(subject);
        found(&mut self.people, |it| it.subject == subject, new)
    }

    /// That entitlement, which is added if need be.
    pub fn entitlement(&mut self, name: &str) -> &mut Entitlement {
        let new = || Entitlement::named(name);
        found(&mut self.entitlements, |it| it.name == name, new)
    }

    /// Two accounts are one human's.
    pub fn join(&mut self, subject: &str, with: &str) {
        let issuer = self.person(with).issuer.clone();
        self.person(subject).same_as = Some(SameAs {
            issuer,
            subject: with.to_owned(),
        });
    }

    /// The person's groups are these.
    pub fn regroup(&mut self, subject: &str, groups: &[&str]) {
        self.person(subject).groups = words(groups);
    }

    /// As a file.
    pub fn render(&self) -> String {
        let mut file = toml::Value::try_from(self).unwrap();
        for (nth, person) in self.people.iter().enumerate() {
            let sessions = person.sessions.iter().map(|(role, session)| {
                let texts = [("role", role), ("session", session)];
                let texts = texts.map(|(key, text)| (key.to_owned(), text.as_str().into()));
                toml::Value::Table(texts.into_iter().collect())
            });
            let own = person.principals.iter().map(|arn| arn.as_str().into());
            let all: Vec<toml::Value> = own.chain(sessions).collect();
            if !all.is_empty() {
                let person = file["people"][nth].as_table_mut().unwrap();
                person.insert("principals".to_owned(), all.into());
            }
        }
        toml::to_string(&file).unwrap()
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            id: ACCOUNT.to_owned(),
            name: "Production".to_owned(),
            manager_role: None,
            external_id: None,
            owner: None,
        }
    }
}

impl Person {
    /// Somebody in no group, without an AWS identity.
    pub fn named(subject: &str) -> Self {
        let (first, rest) = subject.split_at(1);
        Self {
            issuer: "demo".to_owned(),
            subject: subject.to_owned(),
            name: format!("{}{rest}", first.to_uppercase()),
            email: format!("{subject}@example.com"),
            groups: vec![],
            principals: vec![],
            same_as: None,
            sessions: vec![],
        }
    }
}

impl Entitlement {
    /// The role of that name, for the developers.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            role_arn: role_arn(name),
            method: "trust_policy".to_owned(),
            min_duration: "PT5S".to_owned(),
            max_duration: "PT8H".to_owned(),
            requester_group: "developers".to_owned(),
            approver_group: "approvers".to_owned(),
            needed: 1,
            more: BTreeMap::new(),
        }
    }

    /// Approved in these stages, of so many of each of their groups.
    pub fn staged(name: &str, stages: &[&[(&str, i64)]]) -> Self {
        let group = |(group, needed): &(&str, i64)| {
            toml::Value::Table(toml::Table::from_iter([
                ("group".to_owned(), (*group).into()),
                ("needed".to_owned(), (*needed).into()),
            ]))
        };
        let stage = |groups: &&[(&str, i64)]| {
            let groups: Vec<_> = groups.iter().map(group).collect();
            toml::Value::Table(toml::Table::from_iter([(
                "groups".to_owned(),
                groups.into(),
            )]))
        };
        let stages: Vec<_> = stages.iter().map(stage).collect();
        Self {
            approver_group: String::new(),
            more: BTreeMap::from([("stages".to_owned(), stages.into())]),
            ..Self::named(name)
        }
    }

    /// The same, decided in these stages: TOML as in a file.
    pub fn decided_in(name: &str, stages: &str) -> Self {
        let more = toml::from_str(&format!("stages = {stages}")).unwrap();
        Self {
            approver_group: String::new(),
            more,
            ..Self::named(name)
        }
    }

    /// For the developers' own users, who are allowed what that policy says.
    pub fn attaching(name: &str, policy: &str) -> Self {
        let texts = [("account", ACCOUNT), ("policy", policy)];
        let texts = texts.map(|(key, text)| (key.to_owned(), toml::Value::String(text.to_owned())));
        Self {
            role_arn: String::new(),
            method: "attach".to_owned(),
            more: BTreeMap::from(texts),
            ..Self::named(name)
        }
    }
}

/// An identity policy that allows one action on everything.
pub fn allowing(action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#
    )
}

/// The IAM user of that path and name.
pub fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

/// The IAM role of that path and name.
pub fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

const fn is_one(number: &i64) -> bool {
    *number == 1
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

fn found<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let at = all.iter().position(is_it).unwrap_or_else(|| {
        all.push(new());
        all.len() - 1
    });
    &mut all[at]
}
