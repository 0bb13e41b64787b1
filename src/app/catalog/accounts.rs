//! What the accounts of a catalog file must agree on with everything else: the role that
//! Countersign works as is nobody's to ask for, and an account is of one partition of AWS.

use std::collections::BTreeMap;

use toml::Spanned;

use super::file::{Account, File, Identity, Offer};
use super::wrong::Wrong;
use crate::db;
use crate::domain::arn::Arn;

/// What does not fit in the file alone.
pub(super) fn in_file(file: &File) -> Vec<Wrong> {
    let mut wrong = managers_asked_for(file, &[]);
    wrong.extend(of_two_partitions(file, &[]));
    wrong
}

/// What does not go with the accounts on record.
pub(super) fn on_record(file: &File, accounts: &[db::accounts::Account]) -> Vec<Wrong> {
    let mut wrong = managers_asked_for(file, accounts);
    wrong.extend(targets_that_manage(file, accounts));
    wrong.extend(of_two_partitions(file, accounts));
    wrong
}

/// Entitlements whose role is the manager role of an account: whoever is let into it could do all
/// that Countersign can there.
fn managers_asked_for(file: &File, accounts: &[db::accounts::Account]) -> Vec<Wrong> {
    // What the file says of an account takes the place of what is on record.
    let is_in_file = |id: &str| file.accounts.iter().any(|it| it.id.get_ref() == id);
    let kept = accounts.iter().filter(|it| !is_in_file(&it.id));
    let kept = kept.filter_map(|account| Some(account.manager.as_ref()?.arn.as_str()));
    let named = managers(file).map(|(_, manager)| manager.get_ref().arn.as_str());
    let managers: Vec<&str> = kept.chain(named).collect();
    let mut wrong = Vec::new();
    for (offer, spanned) in roles(file) {
        let role = spanned.get_ref().arn.as_str();
        if let Some(manager) = managers.iter().find(|it| is_same_role(it, role)) {
            let name = offer.name.get_ref();
            let what = format!(
                "entitlement {name}: role_arn {role} is a manager_role, {manager}: Countersign works as that role, \
                 and lets nobody into it"
            );
            let at = spanned.span();
            wrong.push(Wrong { at, what });
        }
    }
    wrong
}

/// Manager roles that people may ask for by what is on record.
fn targets_that_manage(file: &File, accounts: &[db::accounts::Account]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (account, manager) in managers(file) {
        let arn = &manager.get_ref().arn;
        let mut targets = accounts.iter().flat_map(|it| &it.targets);
        if let Some(target) = targets.find(|it| is_same_role(it, arn)) {
            let id = account.id.get_ref();
            let what = format!(
                "account {id}: manager_role is on record as the role {target} of an entitlement: nobody is let into \
                 the role that Countersign works as"
            );
            let at = manager.span();
            wrong.push(Wrong { at, what });
        }
    }
    wrong
}

/// ARNs of another partition than others of their account. No grant spans partitions: AWS keeps
/// each for itself, so that one of the two is a mistake.
fn of_two_partitions(file: &File, accounts: &[db::accounts::Account]) -> Vec<Wrong> {
    // The first that is known of each account: what is on record, then its manager role, then a
    // role.
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for account in accounts {
        let manager = account.manager.iter().map(|it| &it.arn);
        let known = account.targets.iter().chain(manager);
        if let Some(arn) = known.chain(&account.principals).next() {
            first.insert(&account.id, arn);
        }
    }
    let managers = managers(file).map(|(_, manager)| ("manager_role", manager));
    let roles = roles(file).map(|(_, role)| ("role_arn", role));
    let identities = file.people.iter().flat_map(|it| &it.principals);
    let identities = identities.map(|identity| ("principals", identity));
    let mut wrong = Vec::new();
    for (key, spanned) in managers.chain(roles).chain(identities) {
        let Identity { arn, account, .. } = spanned.get_ref();
        let known = *first.entry(account).or_insert(arn);
        let (own, others) = (partition(arn), partition(known));
        if own != others {
            let what = format!(
                "{key}: {arn} is of the partition {own}, and account {account} of {others}, as {known} says: no \
                 grant spans partitions"
            );
            let at = spanned.span();
            wrong.push(Wrong { at, what });
        }
    }
    wrong
}

fn managers(file: &File) -> impl Iterator<Item = (&Account, &Spanned<Identity>)> {
    let accounts = file.accounts.iter();
    accounts.filter_map(|account| Some((account, account.manager.as_ref()?)))
}

fn roles(file: &File) -> impl Iterator<Item = (&Offer, &Spanned<Identity>)> {
    let offers = file.entitlements.iter();
    offers.filter_map(|offer| Some((offer, offer.role.as_ref()?)))
}

fn is_same_role(one: &str, other: &str) -> bool {
    let both = Arn::read(one).zip(Arn::read(other));
    both.is_some_and(|(one, other)| one.is_same_role(&other))
}

fn partition(arn: &str) -> &str {
    Arn::read(arn).map_or("", |arn| arn.partition)
}
