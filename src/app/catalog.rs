//! Applying the catalog from a file: accounts, people and entitlements.

use chrono::TimeDelta;
use serde::Deserialize;

use super::ctx::{App, Tx};
use crate::db;
use crate::db::catalog::NewPerson;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::duration;
use crate::domain::entitlement::{Method, Terms};
use crate::domain::text::is_hidden;
use crate::error::Error;

/// The longest session that AWS knows, and so the longest grant (seconds).
const LONGEST: i64 = 43_200;

/// A catalog file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(default)]
    people: Vec<Somebody>,
    #[serde(default)]
    entitlements: Vec<Offer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Somebody {
    issuer: String,
    subject: String,
    name: String,
    email: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    principals: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offer {
    name: String,
    #[serde(default)]
    description: String,
    role_arn: String,
    method: Method,
    min_duration: String,
    max_duration: String,
    requester_group: String,
    approver_group: String,
    #[serde(default = "one")]
    needed: i16,
}

const fn one() -> i16 {
    1
}

/// What applying a file changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// A line for each thing that was added or changed.
    pub changes: Vec<String>,
}

/// Why a file was not applied; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not TOML, or an unknown or missing key.
    #[error("the catalog cannot be read: {0}")]
    Syntax(String),
    /// A value that does not fit.
    #[error("the catalog does not fit: {0}")]
    Invalid(String),
    /// The database.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Brings the catalog to what the file says, in one transaction. What the file does not name stays as it is.
///
/// # Errors
/// When the file cannot be read or does not fit; nothing is changed then.
pub async fn apply(app: &App, text: &str, machine: &str) -> Result<Applied, CatalogError> {
    let file: File = toml::from_str(text)
        .map_err(|it| CatalogError::Syntax(it.to_string().trim().replace('\n', " ")))?;
    let offers: Vec<Terms> = file
        .entitlements
        .iter()
        .map(|it| terms(it).map_err(CatalogError::Invalid))
        .collect::<Result<_, _>>()?;
    check(&file).map_err(CatalogError::Invalid)?;
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    let applied = app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let mut changes = Vec::new();
        for account in &file.accounts {
            if db::catalog::put_account(tx.conn(), &account.id, &account.name).await? {
                changes.push(format!("account {} ({})", account.id, account.name));
            }
        }
        for person in &file.people {
            put_person(tx, person, &mut changes).await?;
        }
        for terms in &offers {
            let target =
                db::catalog::put_target(tx.conn(), &terms.account, &terms.role_arn).await?;
            if db::catalog::put_entitlement(tx.conn(), target, terms).await? {
                changes.push(format!("entitlement {}", terms.name));
            }
        }
        let action = Action::CatalogApplied {
            accounts: file.accounts.len(),
            people: file.people.len(),
            entitlements: offers.len(),
        };
        let event = tx.by.did("catalog", action);
        db::audit::append(tx.conn(), &event).await?;
        Ok(changes)
    });
    match applied.await {
        Ok(changes) => Ok(Applied { changes }),
        Err(Error::Internal(cause)) if is_without_account(cause.as_ref()) => {
            Err(CatalogError::Invalid(
                "a role or principal is in an account that is not in the catalog".to_owned(),
            ))
        }
        Err(error) => Err(CatalogError::Failed(error)),
    }
}

/// Whether a row refers to an account which neither the file nor the database has.
fn is_without_account(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .is_some_and(|it| it.is_foreign_key_violation())
}

async fn put_person(
    tx: &mut Tx,
    person: &Somebody,
    changes: &mut Vec<String>,
) -> Result<(), Error> {
    let Somebody {
        issuer,
        subject,
        name,
        email,
        groups,
        ..
    } = person;
    let new = NewPerson {
        issuer,
        subject,
        name,
        email,
        groups,
    };
    let (id, changed) = db::catalog::put_person(tx.conn(), &new).await?;
    if changed {
        changes.push(format!("person {email}"));
    }
    for arn in &person.principals {
        if let Some(other) = db::catalog::other_owner(tx.conn(), id, arn).await? {
            return Err(Error::field(
                "principals",
                format!("{arn} belongs to {other}: one AWS identity is one person's"),
            ));
        }
        let account = account_of(arn, "user").unwrap_or_default();
        if db::catalog::put_principal(tx.conn(), id, account, arn).await? {
            changes.push(format!("principal {arn} of {email}"));
        }
    }
    Ok(())
}

/// What the database would refuse, in words, and names that could pass for others.
fn check(file: &File) -> Result<(), String> {
    for account in &file.accounts {
        visible(&format!("account {}", account.id), "name", &account.name)?;
        if account.id.len() != 12 || !account.id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("account id {:?} is not 12 digits", account.id));
        }
        if account.name.trim().is_empty() {
            return Err(format!("account {} has no name", account.id));
        }
    }
    for person in &file.people {
        for (field, text) in [
            ("issuer", &person.issuer),
            ("subject", &person.subject),
            ("name", &person.name),
            ("email", &person.email),
        ]
        .into_iter()
        .chain(person.groups.iter().map(|it| ("groups", it)))
        .chain(person.principals.iter().map(|it| ("principals", it)))
        {
            visible(&person.email, field, text)?;
        }
        if person.subject.is_empty() || person.issuer.is_empty() {
            return Err(format!("{} needs an issuer and a subject", person.email));
        }
        if let Some(arn) = person
            .principals
            .iter()
            .find(|arn| account_of(arn, "user").is_none())
        {
            return Err(format!("{arn} is not the ARN of an IAM user"));
        }
    }
    Ok(())
}

/// Refuses a name with a character that is not seen.
fn visible(whose: &str, field: &str, name: &str) -> Result<(), String> {
    match name.chars().find(|c| c.is_control() || is_hidden(*c)) {
        Some(c) => Err(format!(
            "{}: {field} must not contain control or invisible characters (U+{:04X})",
            whose.escape_debug(),
            u32::from(c)
        )),
        None => Ok(()),
    }
}

fn terms(offer: &Offer) -> Result<Terms, String> {
    let Offer {
        name,
        role_arn,
        requester_group,
        approver_group,
        needed,
        ..
    } = offer;
    let refuse = |what: &str| Err(format!("entitlement {name}: {what}"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 63 || name.starts_with('-') || !name.chars().all(plain) {
        return refuse("its name must be 1 to 63 small letters, digits and hyphens");
    }
    let whose = format!("entitlement {name}");
    for (field, text) in [
        ("role_arn", role_arn),
        ("requester_group", requester_group),
        ("approver_group", approver_group),
    ] {
        visible(&whose, field, text)?;
    }
    if offer.description.chars().any(is_hidden) {
        return refuse("description must not contain control or invisible characters");
    }
    let Some(account) = account_of(role_arn, "role") else {
        return refuse("role_arn is not the ARN of an IAM role");
    };
    let bounds = [&offer.min_duration, &offer.max_duration].map(|it| duration::parse(it));
    let [Ok(least), Ok(most)] = bounds else {
        return refuse("min_duration and max_duration must be ISO 8601 durations such as PT15M");
    };
    if least < 1 || most > LONGEST || least > most {
        return refuse(
            "min_duration must be at least PT1S and at most max_duration, which is at most PT12H",
        );
    }
    if requester_group.is_empty() || approver_group.is_empty() {
        return refuse("it needs a requester_group and an approver_group");
    }
    if !(1..=10).contains(needed) {
        return refuse("needed must be from 1 to 10");
    }
    let fit = |it: i64| i32::try_from(it).unwrap_or(i32::MAX);
    Ok(Terms {
        name: name.clone(),
        description: offer.description.clone(),
        account: account.to_owned(),
        account_name: String::new(),
        role_arn: role_arn.clone(),
        method: offer.method,
        min_duration_seconds: fit(least),
        max_duration_seconds: fit(most),
        requester_group: requester_group.clone(),
        approver_group: approver_group.clone(),
        needed: *needed,
        version: 1,
    })
}

/// The account in an ARN of an IAM user or role.
fn account_of<'a>(arn: &'a str, kind: &str) -> Option<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, service, region) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (account, name) = (
        parts.next()?,
        parts.next()?.strip_prefix(kind)?.strip_prefix('/')?,
    );
    let fits = scheme == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && !name.is_empty();
    (fits && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(account)
}

/// The life of a token as it is typed: ISO 8601, in hours, minutes and seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<TimeDelta> {
    TimeDelta::try_seconds(duration::parse(text).ok()?)
}
