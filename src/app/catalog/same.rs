//! `same_as` of people in a catalog file: two accounts of one human, who then asks and decides as
//! one. It names an account that is the same as no other, so that one step tells whose it is.

use std::collections::BTreeMap;

use toml::Spanned;

use super::fields::Fields;
use super::file::{File, Somebody};
use super::wrong::Wrong;
use crate::db;
use crate::db::same::At;
use crate::db::tx::Tx;
use crate::domain::text::check_name;
use crate::error::Error;

/// `same_as = { issuer = "…", subject = "…" }`
pub(super) fn account(mut fields: Fields<'_>) -> Option<At> {
    let seen = |text: &str| {
        check_name(text).map_err(|it| it.to_string())?;
        Ok(text.to_owned())
    };
    let issuer = fields.text("issuer", seen);
    let subject = fields.text("subject", seen);
    fields.done();
    Some(At {
        issuer: issuer?.into_inner(),
        subject: subject?.into_inner(),
    })
}

fn at(person: &Somebody) -> At {
    At {
        issuer: person.issuer.clone(),
        subject: person.subject.get_ref().clone(),
    }
}

/// Those of the file that are the same as another one.
fn joined(file: &File) -> impl Iterator<Item = (&Somebody, &Spanned<At>)> {
    let people = file.people.iter();
    people.filter_map(|person| Some((person, person.same_as.as_ref()?)))
}

/// What does not fit in the file alone.
pub(super) fn in_file(file: &File) -> Vec<Wrong> {
    let own: BTreeMap<At, Option<&At>> = file.people.iter().map(entry).collect();
    wrong(file, |it| own.get(it).copied())
}

/// What does not go with the rows on record: whom it names has to be there.
pub(super) async fn on_record(tx: &mut Tx, file: &File) -> Result<Vec<Wrong>, Error> {
    let on_record = db::same::all(tx.conn()).await?;
    let known = on_record.iter().map(|it| (&it.who, it.same_as.as_ref()));
    let mut all: BTreeMap<At, Option<&At>> =
        known.map(|(who, same_as)| (who.clone(), same_as)).collect();
    all.extend(file.people.iter().map(entry));
    let mut told = wrong(file, |it| all.get(it).copied());
    let unknown = joined(file).filter(|(_, it)| !all.contains_key(it.get_ref()));
    told.extend(unknown.map(|(person, it)| {
        let what = "names nobody who is on record or in this file";
        refused(person, it, what.to_owned())
    }));
    // Of others, who are not in the file: they would be two steps away.
    for (who, same_as) in &all {
        let Some(through) = same_as else { continue };
        let is_chain = all.get(*through).is_some_and(Option::is_some);
        let in_file = joined(file).find(|(person, _)| at(person) == **through);
        let is_own = file.people.iter().any(|person| at(person) == *who);
        if let (true, false, Some((person, it))) = (is_chain, is_own, in_file) {
            let what = format!(
                "makes a chain: {} of {} is the same as this account by what is on record",
                who.subject, who.issuer
            );
            told.push(refused(person, it, what));
        }
    }
    Ok(told)
}

fn entry(person: &Somebody) -> (At, Option<&At>) {
    (at(person), person.same_as.as_ref().map(Spanned::get_ref))
}

/// Accounts that are the same as themselves, or as one that is the same as another.
fn wrong<'a>(file: &File, known: impl Fn(&At) -> Option<Option<&'a At>>) -> Vec<Wrong> {
    let mut told = Vec::new();
    for (person, it) in joined(file) {
        if *it.get_ref() == at(person) {
            let what = "names the account itself: leave it out".to_owned();
            told.push(refused(person, it, what));
        } else if let Some(Some(further)) = known(it.get_ref()) {
            let what = format!(
                "names an account that is itself the same as {} of {}: name that one",
                further.subject, further.issuer
            );
            told.push(refused(person, it, what));
        }
    }
    told
}

fn refused(person: &Somebody, it: &Spanned<At>, what: String) -> Wrong {
    Wrong {
        at: it.span(),
        what: format!("{}: same_as {what}", person.email.escape_debug()),
    }
}

/// Stores who is the same as whom, once all of them are there; a line for each change. Whoever is
/// in the file without `same_as` is a person of their own.
pub(super) async fn put(tx: &mut Tx, file: &File, changes: &mut Vec<String>) -> Result<(), Error> {
    // All are parted first: what was another's second account may be the first one now.
    for person in &file.people {
        let same_as = person.same_as.as_ref().map(Spanned::get_ref);
        if db::same::part(tx.conn(), &at(person), same_as).await? && same_as.is_none() {
            changes.push(format!(
                "person {}, who is a person of their own again",
                person.email
            ));
        }
    }
    for (person, it) in joined(file) {
        let with = it.get_ref();
        if db::same::join(tx.conn(), &at(person), with).await? {
            changes.push(format!(
                "person {}, who is the same as {} of {}",
                person.email, with.subject, with.issuer
            ));
        }
    }
    Ok(())
}
