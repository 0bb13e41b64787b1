//! Names that could be taken for each other, and what stands in a file twice.

use std::collections::HashMap;

use super::file::File;
use super::wrong::Wrong;
use crate::domain::text::fold;

/// The names so far, each kind for itself.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(&'static str, String), String>);

impl Names {
    /// Takes a name that may be there once, whatever its case.
    ///
    /// # Errors
    /// When it has been there, or one that differs by case, width or white space alone.
    fn once(&mut self, kind: &'static str, name: &str) -> Result<(), String> {
        match self.0.insert((kind, fold(name)), name.to_owned()) {
            None => Ok(()),
            Some(before) if before == name => Err(format!("{kind} {name} is in this file twice")),
            Some(before) => Err(too_like(kind, &before, name)),
        }
    }

    /// Takes a name that may be there again, as long as it is the same letter for letter.
    ///
    /// # Errors
    /// When there has been one that differs by case, width or white space alone.
    pub(super) fn told_apart(&mut self, kind: &'static str, name: &str) -> Result<(), String> {
        let before = self.0.entry((kind, fold(name)));
        let before = before.or_insert_with(|| name.to_owned());
        if before == name {
            return Ok(());
        }
        Err(too_like(kind, before, name))
    }
}

fn too_like(kind: &str, before: &str, name: &str) -> String {
    format!("{kind} {name} differs from {before} by case, width or white space alone")
}

/// Notes what stands in the file twice, where the second would silently take the place of the
/// first, or as two that nobody can tell apart.
pub(super) fn tell_apart(file: &File, wrong: &mut Vec<Wrong>) {
    let mut names = Names::default();
    let mut note = |at: std::ops::Range<usize>, told: Result<(), String>| {
        wrong.extend(told.err().map(|what| Wrong { at, what }));
    };
    for account in &file.accounts {
        note(
            account.id.span(),
            names.once("account", account.id.get_ref()),
        );
        note(
            account.name.span(),
            names.told_apart("account name", account.name.get_ref()),
        );
    }
    for person in &file.people {
        let subject = format!("{} of {}", person.subject.get_ref(), person.issuer);
        note(person.subject.span(), names.once("the person", &subject));
        // Two people may have one name, letter for letter: such people exist.
        note(
            person.name.span(),
            names.told_apart("name", person.name.get_ref()),
        );
        for identity in &person.principals {
            let who = identity.get_ref().who();
            note(
                identity.span(),
                names.once("the AWS identity", &who.to_string()),
            );
            // A role has sessions of several people.
            if who.session.is_some() {
                note(identity.span(), names.told_apart("the role", who.arn));
            }
        }
    }
    for offer in &file.entitlements {
        note(
            offer.name.span(),
            names.once("entitlement", offer.name.get_ref()),
        );
        if let Some(role) = &offer.role {
            let told = names.told_apart("role_arn", &role.get_ref().arn);
            note(role.span(), told);
        }
    }
    let groups_of_people = file.people.iter().flat_map(|it| &it.groups);
    let groups_of_offers = file.entitlements.iter().flat_map(|it| &it.groups);
    // Membership is compared byte for byte: `SRE` and `sre` would be two groups to us, and one to
    // readers.
    for group in groups_of_people.chain(groups_of_offers) {
        note(group.span(), names.told_apart("group", group.get_ref()));
    }
}
