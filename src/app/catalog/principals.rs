//! The AWS identities of people in a catalog file: IAM users, and sessions of roles. A role that
//! people come as carries policies for them and is never opened, so that it is neither the role of
//! an entitlement nor one that Countersign works as (docs/carrier.md, I7).

use std::collections::BTreeSet;

use toml::Spanned;

use super::fields::Fields;
use super::file::{File, Identity, Somebody, identity};
use super::wrong::Wrong;
use crate::db;
use crate::db::principals::Owner;
use crate::db::tx::Tx;
use crate::domain::arn::{Arn, Kind};
use crate::domain::audit::Action;
use crate::domain::person::is_session_name;
use crate::error::Error;
use crate::ids::PersonId;
use crate::policy::authority::is_of_identity_center;
use crate::policy::capacity::is_protected;

/// An IAM user, as a text.
pub(super) fn user(text: &str) -> Result<Identity, String> {
    if Arn::read(text).is_some_and(|arn| arn.kind == Kind::Role) {
        return Err(format!(
            "must say as which session of a role the person comes: {{ role = \"{}\", session = \"…\" }}",
            text.escape_debug()
        ));
    }
    identity(text, Kind::User)
}

/// A person's sessions of a role, as a table.
pub(super) fn role_session(mut fields: Fields<'_>) -> Option<Identity> {
    let role = fields.text("role", role);
    let session = fields.text("session", session_name);
    fields.done();
    let role = role?.into_inner();
    Some(Identity {
        session: Some(session?.into_inner()),
        ..role
    })
}

fn role(text: &str) -> Result<Identity, String> {
    let role = identity(text, Kind::Role)?;
    if is_protected(text) && !is_of_identity_center(text) {
        return Err(
            "must be a role that people can have sessions of, not one of AWS's services".to_owned(),
        );
    }
    Ok(role)
}

fn session_name(text: &str) -> Result<String, String> {
    if is_session_name(text) {
        return Ok(text.to_owned());
    }
    Err(
        "must be 2 to 64 letters of a to z, digits and + = , . @ _ -, as STS takes them, and not begin with grant_"
            .to_owned(),
    )
}

/// What does not fit in the file alone.
pub(super) fn in_file(file: &File) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for person in &file.people {
        let mut roles = BTreeSet::new();
        for identity in roles_of(person) {
            if !roles.insert(&identity.get_ref().arn) {
                let what = format!(
                    "{}: principals: {} is there with two sessions: a person has one session name on a role",
                    person.email,
                    identity.get_ref().arn
                );
                let at = identity.span();
                wrong.push(Wrong { at, what });
            }
        }
    }
    let opened = file.entitlements.iter().filter_map(|it| it.role.as_ref());
    let managers = file.accounts.iter().filter_map(|it| it.manager.as_ref());
    let taken = Taken {
        opened: opened.map(|it| it.get_ref().arn.as_str()).collect(),
        managers: managers.map(|it| it.get_ref().arn.as_str()).collect(),
    };
    wrong.extend(taken.refused(file));
    wrong
}

/// What does not go with the rows on record.
pub(super) async fn on_record(
    tx: &mut Tx,
    file: &File,
    accounts: &[db::accounts::Account],
) -> Result<Vec<Wrong>, Error> {
    let opened = accounts.iter().flat_map(|it| &it.targets);
    let is_in_file = |id: &str| file.accounts.iter().any(|it| it.id.get_ref() == id);
    let managers = accounts.iter().filter(|it| !is_in_file(&it.id));
    let managers = managers.filter_map(|it| Some(it.manager.as_ref()?.arn.as_str()));
    let taken = Taken {
        opened: opened.map(String::as_str).collect(),
        managers: managers.collect(),
    };
    let mut wrong = taken.refused(file);
    wrong.extend(opened_or_managing(file, accounts));
    wrong.extend(of_others(tx, file).await?);
    Ok(wrong)
}

/// The roles that nobody comes as.
struct Taken<'a> {
    opened: Vec<&'a str>,
    managers: Vec<&'a str>,
}

impl Taken<'_> {
    fn refused(&self, file: &File) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        for person in &file.people {
            for identity in roles_of(person) {
                let arn = &identity.get_ref().arn;
                let is_it = |other: &&&str| is_same_role(other, arn);
                let why = if self.opened.iter().any(|it| is_it(&it)) {
                    "people can ask for, or could once: what is opened by a grant is nobody's own identity"
                } else if self.managers.iter().any(|it| is_it(&it)) {
                    "Countersign works as, by a manager_role"
                } else {
                    continue;
                };
                let what = format!("{}: principals: {arn} is a role that {why}", person.email);
                let at = identity.span();
                wrong.push(Wrong { at, what });
            }
        }
        wrong
    }
}

/// Roles of entitlements, and manager roles, that people come as by what is on record.
fn opened_or_managing(file: &File, accounts: &[db::accounts::Account]) -> Vec<Wrong> {
    let identities: Vec<&String> = accounts.iter().flat_map(|it| &it.principals).collect();
    let own = |arn: &str| identities.iter().find(|it| is_same_role(it, arn));
    let offers = file.entitlements.iter().filter_map(|offer| {
        let role = offer.role.as_ref()?;
        let whose = format!("entitlement {}: role_arn", offer.name.get_ref());
        Some((whose, role))
    });
    let managers = file.accounts.iter().filter_map(|account| {
        let role = account.manager.as_ref()?;
        Some((
            format!("account {}: manager_role", account.id.get_ref()),
            role,
        ))
    });
    let mut wrong = Vec::new();
    for (whose, role) in offers.chain(managers) {
        let arn = &role.get_ref().arn;
        if let Some(own) = own(arn) {
            let what = format!(
                "{whose} {arn} is on record as {own}, which people come as: what is somebody's own identity is \
                 nothing that a grant opens, nor anything that Countersign works as"
            );
            let at = role.span();
            wrong.push(Wrong { at, what });
        }
    }
    wrong
}

/// Identities that are on record as somebody else's, or in another case.
async fn of_others(tx: &mut Tx, file: &File) -> Result<Vec<Wrong>, Error> {
    let identities = file.people.iter().flat_map(|it| &it.principals);
    let arns: Vec<String> = identities.map(|it| it.get_ref().arn.clone()).collect();
    let owners = db::principals::owners(tx.conn(), &arns).await?;
    let mut wrong = Vec::new();
    for person in &file.people {
        for identity in &person.principals {
            if let Some(what) = owned(person, identity.get_ref(), &owners) {
                let at = identity.span();
                wrong.push(Wrong { at, what });
            }
        }
    }
    Ok(wrong)
}

fn owned(person: &Somebody, identity: &Identity, owners: &[Owner]) -> Option<String> {
    let (email, who) = (&person.email, identity.who());
    let arn = who.arn;
    let is_theirs =
        |it: &&Owner| (&it.issuer, &it.subject) == (&person.issuer, person.subject.get_ref());
    let same = owners.iter().filter(|it| it.arn.eq_ignore_ascii_case(arn));
    if let Some(Owner {
        arn: same,
        email: owner,
        ..
    }) = same.clone().find(|it| it.arn != arn)
    {
        return Some(format!(
            "{email}: principals: {arn} is on record as {same} of {owner}: one AWS identity is one person's, and IAM \
             does not tell names apart by case"
        ));
    }
    let session = |it: Option<&str>| it.unwrap_or_default().to_ascii_lowercase();
    // That of an account that is disabled gives way.
    let mut others = same.filter(|it| !is_theirs(it) && it.is_active);
    let owner = others.find(|it| session(it.session.as_deref()) == session(who.session))?;
    Some(format!(
        "{email}: principals: {who} belongs to {}: one AWS identity is one person's",
        owner.email
    ))
}

/// An identity of an account that is disabled ends, where the file says that it is somebody else's.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn give_way(tx: &mut Tx, to: PersonId, identity: &Identity) -> Result<(), Error> {
    let (now, who) = (tx.now(), identity.who());
    let given = db::principals::give_way(tx.conn(), to, who.arn, who.session, now).await?;
    if let Some(former) = given {
        let arn = who.arn.to_owned();
        let event = tx.by.did(former, Action::IdentityEnded { arn });
        db::audit::append(tx.conn(), &event).await?;
    }
    Ok(())
}

fn roles_of(person: &Somebody) -> impl Iterator<Item = &Spanned<Identity>> {
    let principals = person.principals.iter();
    principals.filter(|it| it.get_ref().session.is_some())
}

fn is_same_role(one: &str, other: &str) -> bool {
    let both = Arn::read(one).zip(Arn::read(other));
    both.is_some_and(|(one, other)| one.is_same_role(&other))
}
