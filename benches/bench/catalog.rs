//! Who and what there is: people with their tokens and sessions, IAM users, roles, and an
//! entitlement to each.

use std::fmt::Write as _;

use countersign::sandbox::{Seed, SeedAccount, SeedRole, SeedUser};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{Outcome, Plan};

pub const ACCOUNT: &str = "111122223333";
/// Who asks, who approves: as many as there are clients at most, so that nobody waits for another's
/// rows.
pub const PEOPLE: usize = 32;
/// Roles of the lifecycles, of each side: each grant takes the next one, so that clients meet as
/// seldom as people do.
pub const ROLES: usize = 200;
pub const BURST_ROLES: usize = 10;
/// Two IAM users with the same rights, so that the log tells whose call it was.
pub const OURS: &str = "countersign";
pub const BARE: &str = "bare";

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Automation","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const MANAGER: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#;

/// A token and a session for everybody, as the program stores them: as hashes.
pub async fn sign_in(admin: &PgPool) -> Outcome<()> {
    let everybody: Vec<(String,)> = sqlx::query_as("SELECT subject FROM people")
        .fetch_all(admin)
        .await?;
    for (name,) in everybody {
        let made = "INSERT INTO api_tokens (id, token_hash, prefix, kind, person, name, scopes, created_at, expires_at)
             SELECT gen_random_uuid(), $2, 'csn_bench', 'person', id, 'bench', '{request:create,request:read,request:decide,audit:read}', now(), now() + interval '30 days' FROM people WHERE subject = $1";
        let hash = Sha256::digest(token(&name)).to_vec();
        sqlx::query(made)
            .bind(&name)
            .bind(hash)
            .execute(admin)
            .await?;
        let made = "INSERT INTO sessions (token_hash, person, created_at, last_seen_at, expires_at, id, user_agent, began_at)
             SELECT $2, id, now(), now(), now() + interval '12 hours', gen_random_uuid(), 'bench', now()
             FROM people WHERE subject = $1";
        let hash = Sha256::digest(session(&name)).to_vec();
        sqlx::query(made)
            .bind(&name)
            .bind(hash)
            .execute(admin)
            .await?;
    }
    Ok(())
}

pub fn token(name: &str) -> String {
    format!("csn_{}", hex::encode(Sha256::digest(name)))
}

pub fn session(name: &str) -> String {
    hex::encode(Sha256::digest(format!("session of {name}")))
}

pub fn requester(nth: usize) -> String {
    format!("requester-{nth:02}")
}

pub fn approver(nth: usize) -> String {
    format!("approver-{nth:02}")
}

pub fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

pub fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

pub fn role(kind: &str, nth: usize) -> String {
    format!("{kind}-{nth:03}")
}

/// Every role that there is.
pub fn roles(plan: &Plan) -> Vec<String> {
    let kinds = [
        ("role", ROLES),
        ("bare", ROLES),
        ("burst", BURST_ROLES),
        ("deadline", plan.roles),
        ("drain", plan.roles),
    ];
    let all = kinds
        .iter()
        .flat_map(|(kind, count)| (0..*count).map(|nth| role(kind, nth)));
    all.collect()
}

pub fn key(name: &str) -> (String, String) {
    (
        format!("AKIA{:0>16}", name.to_uppercase()),
        format!("secret-of-{name}"),
    )
}

pub fn aws(plan: &Plan) -> Seed {
    let manager = |name: &str| {
        let (id, secret) = key(name);
        SeedUser {
            name: name.to_owned(),
            path: "/".to_owned(),
            access_key_id: Some(id),
            secret_access_key: Some(secret),
            policies: [("manager".to_owned(), MANAGER.to_owned())].into(),
            ..SeedUser::default()
        }
    };
    let requesters = (0..PEOPLE).map(|nth| SeedUser {
        name: requester(nth),
        path: "/".to_owned(),
        ..SeedUser::default()
    });
    let roles = roles(plan).into_iter().map(|name| SeedRole {
        name,
        path: "/".to_owned(),
        trust: TRUST.to_owned(),
        policies: Default::default(),
        max_session_duration: 43_200,
        tags: Default::default(),
    });
    Seed {
        accounts: vec![SeedAccount {
            id: ACCOUNT.to_owned(),
            trust_quota: 8_192,
            users: [manager(OURS), manager(BARE)]
                .into_iter()
                .chain(requesters)
                .collect(),
            roles: roles.collect(),
        }],
    }
}

pub fn toml(plan: &Plan) -> String {
    let mut text = format!("[[accounts]]\nid = \"{ACCOUNT}\"\nname = \"Production\"\n");
    let mut person = |name: &str, group: &str, principal: bool| {
        let arns = if principal {
            format!("\"{}\"", user_arn(name))
        } else {
            String::new()
        };
        let _ = write!(
            text,
            "[[people]]\nissuer = \"bench\"\nsubject = \"{name}\"\nname = \"{name}\"\nemail = \"{name}@example.com\"\n\
             groups = [\"{group}\"]\nprincipals = [{arns}]\n"
        );
    };
    for nth in 0..PEOPLE {
        person(&requester(nth), "engineers", true);
        person(&approver(nth), "sre-leads", false);
    }
    person("auditor", "auditors", false);
    for name in roles(plan) {
        let arn = role_arn(&name);
        let _ = write!(
            text,
            "[[entitlements]]\nname = \"{name}\"\nrole_arn = \"{arn}\"\nmethod = \"trust_policy\"\nmin_duration = \"PT5S\"\n\
             max_duration = \"PT8H\"\nrequester_group = \"engineers\"\napprover_group = \"sre-leads\"\n"
        );
    }
    text
}
