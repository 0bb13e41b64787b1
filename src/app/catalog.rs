//! Applying the catalog from a file: accounts, people and entitlements.

use std::collections::{BTreeMap, BTreeSet};

use super::ctx::App;
use crate::db;
use crate::db::accounts::NewAccount;
use crate::db::catalog::NewPerson;
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::demands::Demands;
use crate::domain::entitlement::Method;
use crate::error::Error;
use crate::ids::TargetId;
use crate::policy::{attach, feasible};

mod accounts;
mod alike;
mod closed;
mod demands;
mod fields;
mod file;
mod handed_out;
mod opens;
mod principals;
mod rules;
mod same;
mod stages;
mod wrong;

use alike::Names;
use file::{File, Identity, Somebody};
pub use wrong::Wrong;

/// What applying a file changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// A line for each thing that was added or changed.
    pub changes: Vec<String>,
    /// What the catalog still lacks, a line each.
    pub notes: Vec<String>,
    /// ARNs of the roles that the file closes.
    pub closed: BTreeSet<String>,
}

/// What a file that fits holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many accounts.
    pub accounts: usize,
    /// How many people.
    pub people: usize,
    /// How many entitlements.
    pub entitlements: usize,
    /// What it lacks, a line each: the database may have it from an earlier file.
    pub notes: Vec<String>,
}

/// Why a file was not applied; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Everything that does not fit, in the order of the text.
    #[error("the catalog does not fit: {}", .0.iter().map(|it| it.what.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Wrong>),
    /// The database.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Looks at a file without a database. `groups_told`: the provider says in which groups people are.
///
/// # Errors
/// Everything that does not fit.
pub fn check(text: &str, groups_told: bool) -> Result<Checked, Vec<Wrong>> {
    let file = file::read(text)?;
    let wrong = groups_of_others(&file, groups_told);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Checked {
        accounts: file.accounts.len(),
        people: file.people.len(),
        entitlements: file.entitlements.len(),
        notes: notes(&file),
    })
}

/// Brings the catalog to what the file says, in one transaction. What the file does not name stays
/// as it is.
///
/// # Errors
/// When the file cannot be read or does not fit; nothing is changed then.
pub async fn apply(app: &App, text: &str, machine: &str) -> Result<Applied, CatalogError> {
    let file = file::read(text).map_err(CatalogError::Invalid)?;
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    let groups_told = app.settings().groups_told;
    let applied = app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let mut wrong = unfitting(tx, &file).await?;
        wrong.extend(groups_of_others(&file, groups_told));
        if !wrong.is_empty() {
            // Nothing has been written yet.
            return Ok(Err(wrong));
        }
        let changes = put(tx, &file, groups_told).await?;
        let action = Action::CatalogApplied {
            accounts: file.accounts.len(),
            people: file.people.len(),
            entitlements: file.entitlements.len(),
        };
        let event = tx.by.did("catalog", action);
        db::audit::append(tx.conn(), &event).await?;
        let mut notes = external_ids(tx, &file).await?;
        notes.extend(managing(&file));
        let lacking = db::principals::without_identity(tx.conn()).await?;
        let lacking = lacking.iter();
        notes.extend(lacking.map(|it| needs_identity(&it.email, &it.entitlement, &it.account)));
        Ok(Ok(Applied {
            changes,
            notes,
            closed: closed::roles(&file),
        }))
    });
    applied.await?.map_err(CatalogError::Invalid)
}

/// Groups that a file says though the provider does: whose word counted last would count.
fn groups_of_others(file: &File, groups_told: bool) -> Vec<Wrong> {
    let people = file.people.iter().filter(|_| groups_told);
    let first = people.filter_map(|person| Some((person, person.groups.first()?)));
    first
        .map(|(person, group)| Wrong {
            at: group.span(),
            what: format!(
                "{}: the provider tells the groups (oidc.groups_from is \"claim\"): leave `groups` out, or \
                 set oidc.groups_from = \"catalog\"",
                person.email
            ),
        })
        .collect()
}

/// What does not go with the rows that are there: every role and identity needs its account, and
/// nothing may be there in another case or look like somebody else's.
async fn unfitting(tx: &mut Tx, file: &File) -> Result<Vec<Wrong>, Error> {
    let on_record = db::accounts::all(tx.conn()).await?;
    let mut wrong = without_account(file, &on_record);
    wrong.extend(accounts::on_record(file, &on_record));
    wrong.extend(principals::on_record(tx, file, &on_record).await?);
    wrong.extend(same::on_record(tx, file).await?);
    wrong.extend(names_of_others(tx, file).await?);
    wrong.extend(closed::on_record(tx, file).await?);
    wrong.extend(demands::on_record(tx, file, &on_record).await?);
    for offer in &file.entitlements {
        let Some(role) = &offer.role else {
            continue;
        };
        let arn = &role.get_ref().arn;
        if let Some(same) = db::catalog::same_role(tx.conn(), arn).await? {
            let name = offer.name.get_ref();
            let what = format!(
                "entitlement {name}: role_arn {arn} is on record as {same}: IAM does not tell names apart by case"
            );
            let at = role.span();
            wrong.push(Wrong { at, what });
        }
    }
    wrong.sort_by_key(|it| it.at.start);
    Ok(wrong)
}

fn without_account(file: &File, on_record: &[db::accounts::Account]) -> Vec<Wrong> {
    let in_file = file.accounts.iter().map(|it| it.id.get_ref());
    let accounts: BTreeSet<&String> = on_record.iter().map(|it| &it.id).chain(in_file).collect();
    let of_entitlements = file.entitlements.iter();
    let of_entitlements = of_entitlements.map(|it| (it.account.span(), it.account.get_ref()));
    let identities = file.people.iter().flat_map(|it| &it.principals);
    let of_identities = identities.map(|it| (it.span(), &it.get_ref().account));
    let named = of_entitlements.chain(of_identities);
    let lacking = named.filter(|(_, account)| !accounts.contains(account));
    let told = lacking.map(|(at, account)| Wrong {
        at,
        what: format!("account {account} is not in the catalog: add it with [[accounts]]"),
    });
    told.collect()
}

/// Names that look like one of somebody on record who is not in the file.
async fn names_of_others(tx: &mut Tx, file: &File) -> Result<Vec<Wrong>, Error> {
    let people = file.people.iter();
    let (issuers, subjects): (Vec<_>, Vec<_>) = people
        .map(|it| (it.issuer.clone(), it.subject.get_ref().clone()))
        .unzip();
    let mut names = Names::default();
    for name in db::catalog::names_of_others(tx.conn(), &issuers, &subjects).await? {
        // Two on record who look alike are no mistake of this file.
        let _ = names.told_apart("name", &name);
    }
    let unlike = file.people.iter().filter_map(|it| {
        let what = names.told_apart("name", it.name.get_ref()).err()?;
        let at = it.name.span();
        Some(Wrong { at, what })
    });
    Ok(unlike.collect())
}

/// Writes everything; a line for each change.
async fn put(tx: &mut Tx, file: &File, groups_told: bool) -> Result<Vec<String>, Error> {
    // Accounts first: people's identities and roles refer to them.
    let mut changes = Vec::new();
    for account in &file.accounts {
        let (id, name) = (account.id.get_ref(), account.name.get_ref());
        let external_id = account.external_id.then(new_external_id);
        let new = NewAccount {
            id,
            name,
            manager_role_arn: account.manager.as_ref().map(|it| it.get_ref().arn.as_str()),
            external_id: external_id.as_deref(),
            owner: account.owner.as_deref(),
        };
        if db::accounts::put(tx.conn(), &new).await? {
            changes.push(format!("account {id} ({name})"));
        }
    }
    for person in &file.people {
        put_person(tx, person, groups_told, &mut changes).await?;
    }
    same::put(tx, file, &mut changes).await?;
    let (mut targets, mut roles) = (Vec::new(), BTreeMap::new());
    for offer in &file.entitlements {
        let terms = &offer.terms;
        let target = match &terms.role_arn {
            Some(arn) => {
                Some(db::catalog::put_target(tx.conn(), &terms.account, "role", arn).await?)
            }
            None => None,
        };
        if let (Some(target), Some(arn)) = (target, &terms.role_arn) {
            let role = roles.entry(target).or_insert(Role {
                arn,
                closed: offer.closed,
                demands: None,
            });
            // Whoever assumes the role themselves is asked; Countersign is not.
            if terms.method.is_asked() {
                role.demands = Some(&terms.demands);
            }
        }
        targets.push(target);
    }
    let changed = put_roles(tx, &roles, &mut changes).await?;
    // Once all of them are known: each entitlement of a role that asks for something else now is a
    // new version.
    for (offer, target) in file.entitlements.iter().zip(targets) {
        let terms = &offer.terms;
        let anew = terms.method.is_asked() && target.is_some_and(|it| changed.contains(&it));
        if db::catalog::put_entitlement(tx.conn(), target, terms, anew).await? {
            changes.push(format!("entitlement {}", terms.name));
        }
    }
    Ok(changes)
}

/// What the file says of a role.
struct Role<'a> {
    arn: &'a str,
    closed: bool,
    /// What it asks for, where anybody assumes it themselves.
    demands: Option<&'a Demands>,
}

/// Stores what roles ask for, and whether they are closed; gives those that ask for something else
/// now. The guard of a role that is closed, or is not any more, is put or taken away whether or not
/// anybody has a grant.
async fn put_roles(
    tx: &mut Tx,
    roles: &BTreeMap<TargetId, Role<'_>>,
    changes: &mut Vec<String>,
) -> Result<BTreeSet<TargetId>, Error> {
    let mut changed = BTreeSet::new();
    // By id, as everybody locks several targets: two orders would deadlock.
    for (target, role) in roles {
        if let Some(demands) = role.demands
            && db::demands::put(tx.conn(), *target, demands).await?
        {
            changed.insert(*target);
        }
        if !db::closed::put(tx.conn(), *target, role.closed).await? {
            continue;
        }
        let now = tx.now();
        tx.make_due(*target, now).await?;
        let arn = role.arn;
        changes.push(if role.closed {
            format!(
                "role {arn}, which is closed: whoever has no grant is denied there, services and pipelines \
                 among them"
            )
        } else {
            format!("role {arn}, which is not closed")
        });
    }
    Ok(changed)
}

/// 128 random bits, which nobody else has: with an ID that others could choose, they could have us
/// work in an account as if it were theirs (the *confused deputy* of AWS's documentation).
fn new_external_id() -> String {
    format!("countersign-{}", hex::encode(rand::random::<[u8; 16]>()))
}

/// The external IDs of accounts of the file, for those who write the trust policies.
async fn external_ids(tx: &mut Tx, file: &File) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    for account in file.accounts.iter().filter(|it| it.external_id) {
        let (id, name) = (account.id.get_ref(), account.name.get_ref());
        let manager = db::accounts::manager(tx.conn(), id).await?;
        let Some((arn, external_id)) = manager.and_then(|it| Some((it.arn, it.external_id?)))
        else {
            continue;
        };
        let asked = account.owner.as_ref();
        let asked = asked.map_or(String::new(), |owner| format!("; tell {owner}"));
        told.push(format!(
            "account {id} ({name}): the trust policy of {arn} has to ask for the external ID {external_id} \
             (sts:ExternalId); it is no secret{asked}"
        ));
    }
    Ok(told)
}

async fn put_person(
    tx: &mut Tx,
    person: &Somebody,
    groups_told: bool,
    changes: &mut Vec<String>,
) -> Result<(), Error> {
    let Somebody {
        issuer,
        subject,
        name,
        email,
        groups,
        principals,
        same_as: _,
    } = person;
    let groups: Vec<String> = groups.iter().map(|it| it.get_ref().clone()).collect();
    let new = NewPerson {
        issuer,
        subject: subject.get_ref(),
        name: name.get_ref(),
        email,
        groups: (!groups_told).then_some(&groups),
    };
    let (id, changed) = db::catalog::put_person(tx.conn(), &new).await?;
    if changed {
        changes.push(format!("person {email}"));
    }
    for identity in principals {
        let Identity {
            arn,
            account,
            session,
        } = identity.get_ref();
        // It may carry inline policies of its grants.
        let kind = session.as_ref().map_or("user", |_| "carrier");
        db::catalog::put_target(tx.conn(), account, kind, arn).await?;
        let session = session.as_deref();
        principals::give_way(tx, id, identity.get_ref()).await?;
        if db::principals::put(tx.conn(), id, account, arn, session).await? {
            let who = identity.get_ref().who();
            changes.push(format!("principal {who} of {email}"));
        }
    }
    Ok(())
}

/// The entitlements with which people can write permissions for others.
fn managing(file: &File) -> Vec<String> {
    let mut notes = Vec::new();
    for offer in &file.entitlements {
        let actions = attach::managing(&offer.terms.statements);
        if !actions.is_empty() {
            notes.push(format!(
                "{} can mean {}: with such actions a person can give access that stays after the deadline",
                offer.terms.name,
                actions.join(", ")
            ));
        }
    }
    notes
}

/// What the file alone lacks.
fn notes(file: &File) -> Vec<String> {
    let mut notes = managing(file);
    let has_account = |id: &str| file.accounts.iter().any(|it| it.id.get_ref() == id);
    for offer in &file.entitlements {
        let terms = &offer.terms;
        if !has_account(&terms.account) {
            notes.push(format!(
                "account {} of {} is not in this file: `catalog apply` refuses it unless an earlier file brought \
                 the account",
                terms.account, terms.name
            ));
        }
        if !terms.method.needs_identity() {
            continue;
        }
        let may_ask = |it: &&Somebody| {
            let mut groups = it.groups.iter();
            groups.any(|it| *it.get_ref() == terms.requester_group)
        };
        for person in file.people.iter().filter(may_ask) {
            let mut identities = person.principals.iter();
            let fits = |it: &toml::Spanned<Identity>| {
                let (who, mfa) = (it.get_ref().who(), terms.demands.mfa);
                // An identity of any account may come into a role.
                let is_there =
                    terms.method != Method::Attach || it.get_ref().account == terms.account;
                is_there && feasible::obstacle(who, terms.method, mfa).is_none()
            };
            if !identities.any(fits) {
                notes.push(needs_identity(&person.email, &terms.name, &terms.account));
            }
        }
    }
    notes
}

fn needs_identity(email: &str, entitlement: &str, account: &str) -> String {
    format!(
        "{email} can ask for {entitlement} only once `principals` names an IAM user of theirs in account {account}, \
         or a role that goes with it"
    )
}
