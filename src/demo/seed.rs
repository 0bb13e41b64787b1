//! What the demo has: three accounts with the users and roles of its people, and an entitlement of
//! each method and of each thing that a role may ask for.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::people::{ACCOUNT, OF_IDENTITY_CENTER, OF_SAML, PEOPLE, Somebody};
use crate::config::Oidc;
use crate::domain::account::{ManagerRole, Needs, Opened};
use crate::domain::entitlement::{EarlyEnd, Method};
use crate::policy::{assumable, rights};
use crate::sandbox::{Seed, SeedAccount, SeedRole, SeedUser};

/// The staging account, into which Countersign comes through a manager role.
const STAGING: &str = "444455556666";
/// A vendor's account, likewise.
const VENDOR: &str = "777788889999";
/// The code that everybody's MFA device shows, always.
pub const MFA_CODE: &str = "123456";
/// The IAM user that Countersign itself works as.
const OURSELVES: &str = "countersign";
/// An IAM user that the catalog does not name: whoever links it has it.
pub const UNLINKED: &str = "unlinked";

/// How people come into the roles of Identity Center and of SAML.
const FEDERATED: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": { "Federated": "arn:aws:iam::111122223333:saml-provider/example-corp" },
      "Action": "sts:AssumeRoleWithSAML",
      "Condition": { "StringEquals": { "SAML:aud": "https://signin.aws.amazon.com/saml" } }
    }
  ]
}"#;

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

/// Something that may be asked for.
#[derive(Debug)]
pub struct Offer {
    /// Its name, and that of the role.
    pub name: &'static str,
    /// The account of the role that it opens; none: a policy on the person's own user.
    pub account: Option<&'static str>,
    /// How it is opened.
    pub method: Method,
    /// Who approves, as the catalog says it.
    approvers: &'static str,
    /// What else the catalog says of it.
    more: &'static str,
    /// What for.
    description: &'static str,
}

/// One approval of the leads.
const LEADS: &str = "approver_group = \"sre-leads\"\nneeded = 1\n";
/// One of the leads, then one of security.
const TWO_STAGES: &str = concat!(
    r#"stages = [{ groups = [{ group = "sre-leads" }] }, "#,
    r#"{ groups = [{ group = "security-admins" }] }]"#,
    "\n"
);

/// What may be asked for.
pub const ENTITLEMENTS: [Offer; 7] = [
    Offer {
        name: "prod-admin",
        account: Some(ACCOUNT),
        method: Method::TrustPolicy,
        approvers: LEADS,
        more: "",
        description: "Everything in the production account, for incidents and changes that automation cannot make.",
    },
    Offer {
        name: "prod-change",
        account: Some(ACCOUNT),
        method: Method::TrustPolicy,
        approvers: TWO_STAGES,
        more: "",
        description: "Planned changes in the production account: a lead approves, then security does.",
    },
    Offer {
        name: "prod-db",
        account: Some(ACCOUNT),
        method: Method::TrustPolicy,
        approvers: LEADS,
        more: "mfa = true\n",
        description: "The databases of the production account, with your MFA device.",
    },
    Offer {
        name: "prod-s3-write",
        account: None,
        method: Method::Attach,
        approvers: LEADS,
        more: "",
        description: "Writing to the buckets of the production account, with your own keys.",
    },
    Offer {
        name: "staging-power",
        account: Some(STAGING),
        method: Method::StsCredentials,
        approvers: LEADS,
        more: "",
        description: "Everything in the staging account, with credentials that are handed out.",
    },
    Offer {
        name: "staging-switch",
        account: Some(STAGING),
        method: Method::Switch,
        approvers: LEADS,
        // Nobody comes to the role but by a grant.
        more: "closed = true\n",
        description: "Everything in the staging account, by switching from your own identity.",
    },
    Offer {
        name: "vendor-support",
        account: Some(VENDOR),
        method: Method::TrustPolicy,
        approvers: LEADS,
        more: "external_id = \"example-corp-4711\"\n",
        description: "Support in a vendor's account, which asks for an external ID.",
    },
];

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

/// ARN of an IAM user of production.
pub fn user_arn(user: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{user}")
}

/// As whom Countersign works in an account that is not production.
fn manager(account: &str) -> ManagerRole {
    ManagerRole {
        arn: role_arn(account, "countersign-manager"),
        external_id: None,
    }
}

/// What Countersign has to do in an account.
fn needs(account: &str) -> Needs {
    let here = if account == ACCOUNT { &PEOPLE[..] } else { &[] };
    let of_account = ENTITLEMENTS.iter().filter(|it| it.account == Some(account));
    Needs {
        roles: of_account
            .map(|it| Opened {
                arn: role_arn(account, it.name),
                method: it.method,
                early_end: EarlyEnd::Guard,
                session_tags: false,
            })
            .collect(),
        users: here
            .iter()
            .filter(|it| it.role_arn().is_none())
            .map(Somebody::arn)
            .chain((account == ACCOUNT).then(|| user_arn(UNLINKED)))
            .collect(),
        sessions: here
            .iter()
            .filter_map(|it| Some((it.role_arn()?, it.email())))
            .collect(),
        carries: account == ACCOUNT,
        leaves: account == ACCOUNT,
    }
}

/// What Countersign's own user may: what production needs, and to be the manager of the others.
fn own_policy() -> String {
    let own = user_arn(OURSELVES);
    let managers = [STAGING, VENDOR].map(|account| manager(account).arn);
    let mut policy = rights::policy(&needs(ACCOUNT), &[&own]);
    if let Some(statements) = policy["Statement"].as_array_mut() {
        statements
            .push(json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": managers}));
    }
    policy.to_string()
}

/// What people's own users and roles may: to come into the vendor's role, once that lets them in.
fn visiting() -> String {
    let role = role_arn(VENDOR, "vendor-support");
    let statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// Somebody in the catalog; the provider `tells_groups`, or the catalog does.
fn entry(person: &Somebody, issuer: &str, tells_groups: bool) -> String {
    let Somebody {
        name, user, group, ..
    } = person;
    let groups = if tells_groups {
        String::new()
    } else {
        format!("groups = [\"{group}\"]\n")
    };
    let email = person.email();
    let principal = match person.role_arn() {
        None => format!("\"{}\"", person.arn()),
        Some(role) => format!("{{ role = \"{role}\", session = \"{email}\" }}"),
    };
    format!(
        "\n[[people]]\nissuer = \"{issuer}\"\nsubject = \"{user}\"\nname = \"{name}\"\nemail = \"{email}\"\n\
         {groups}principals = [{principal}]\n"
    )
}

/// The catalog, as `catalog apply` would read it. Where people sign in through a provider, they are
/// its subjects of those names, and it may be what tells their groups.
pub fn catalog(oidc: &Oidc) -> String {
    use std::fmt::Write as _;
    let mut text = format!("[[accounts]]\nid = \"{ACCOUNT}\"\nname = \"Production\"\n");
    for (id, name, more) in [
        (STAGING, "Staging", ""),
        (VENDOR, "Vendor", "owner = \"The vendor's support team\"\n"),
    ] {
        let manager = manager(id).arn;
        let _ = write!(
            text,
            "\n[[accounts]]\nid = \"{id}\"\nname = \"{name}\"\nmanager_role = \"{manager}\"\n{more}"
        );
    }
    let issuer = oidc.issuer.as_deref().unwrap_or("demo");
    for person in &PEOPLE {
        text.push_str(&entry(person, issuer, oidc.tells_groups()));
    }
    for offer in ENTITLEMENTS {
        let Offer {
            name,
            account,
            method,
            approvers,
            more,
            description,
        } = offer;
        let opens = match account {
            Some(account) => format!("role_arn = \"{}\"", role_arn(account, name)),
            None => format!("account = \"{ACCOUNT}\"\npolicy = '''{WRITING}'''"),
        };
        let method = method.as_str();
        let _ = write!(
            text,
            "\n[[entitlements]]\nname = \"{name}\"\ndescription = \"{description}\"\n{opens}\n\
             method = \"{method}\"\n{more}min_duration = \"PT5S\"\nmax_duration = \"PT8H\"\n\
             requester_group = \"engineers\"\n{approvers}"
        );
    }
    text
}

/// Secrets of one person, kept between starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keys {
    /// Of their IAM user, or of their session.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What else a session has; none until the stand-in has given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Their API token; empty until there is one.
    pub api_token: String,
}

/// What the keys of a session have beside those of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Its token.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Everybody's secrets, by what they are called; Countersign's own IAM user among them.
pub type AllKeys = BTreeMap<String, Keys>;

/// Reads the secrets of the last start, or makes new ones.
///
/// # Errors
/// When the file is there and cannot be read, or somebody is not in it.
pub fn keys(path: &Path) -> std::io::Result<AllKeys> {
    let users = PEOPLE.iter().map(|it| it.user);
    let mut users = users.chain([OURSELVES, UNLINKED]);
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
        session: None,
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
    let comes_as_role = |name: &str| {
        PEOPLE
            .iter()
            .any(|it| it.user == name && it.role_arn().is_some())
    };
    let users = keys.iter().filter(|(name, _)| !comes_as_role(name));
    let users = users.map(|(name, keys)| user(name, keys));
    let own = user_arn(OURSELVES);
    let trusted_by_account = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole",
    }]});
    let power = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        assumable::statements(&manager(STAGING).arn)
    );
    let managing = |account| {
        let manager = manager(account);
        let manages = rights::policy(&needs(account), &[&manager.arn, &own]).to_string();
        let trust = rights::trust(&manager, &own).to_string();
        role("countersign-manager", &trust, &manages)
    };
    Seed {
        accounts: vec![
            account(
                ACCOUNT,
                users.collect(),
                vec![
                    role("prod-admin", TRUST, EVERYTHING),
                    role("prod-change", TRUST, EVERYTHING),
                    role("prod-db", TRUST, EVERYTHING),
                    role(OF_IDENTITY_CENTER, FEDERATED, &visiting()),
                    role(OF_SAML, FEDERATED, &visiting()),
                ],
            ),
            account(
                STAGING,
                Vec::new(),
                vec![
                    managing(STAGING),
                    role("staging-power", &power, EVERYTHING),
                    role(
                        "staging-switch",
                        &trusted_by_account.to_string(),
                        EVERYTHING,
                    ),
                ],
            ),
            account(
                VENDOR,
                Vec::new(),
                vec![managing(VENDOR), role("vendor-support", TRUST, EVERYTHING)],
            ),
        ],
    }
}

fn user(name: &str, keys: &Keys) -> SeedUser {
    let is_ours = name == OURSELVES;
    let policy = if is_ours {
        ("countersign".to_owned(), own_policy())
    } else {
        ("visiting".to_owned(), visiting())
    };
    SeedUser {
        name: name.to_owned(),
        path: "/".to_owned(),
        access_key_id: Some(keys.access_key_id.clone()),
        secret_access_key: Some(keys.secret_access_key.clone()),
        policies: BTreeMap::from([policy]),
        mfa_code: (!is_ours).then(|| MFA_CODE.to_owned()),
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

/// A role of that name, which may have its path before it.
fn role(name: &str, trust: &str, policy: &str) -> SeedRole {
    let (path, name) = name.rsplit_once('/').map_or_else(
        || ("/".to_owned(), name),
        |(path, name)| (format!("/{path}/"), name),
    );
    SeedRole {
        name: name.to_owned(),
        path,
        trust: trust.to_owned(),
        policies: BTreeMap::from([("may".to_owned(), policy.to_owned())]),
        max_session_duration: 43_200,
        tags: BTreeMap::new(),
    }
}
