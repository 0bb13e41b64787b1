//! Which roles of a catalog file are closed: their guards deny everybody who has no grant. That
//! belongs to the role, so that its entitlements must agree.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::fields::Fields;
use super::file::{File, Identity, Offer};
use super::wrong::Wrong;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::entitlement::Method;
use crate::error::Error;

/// Reads whether the role of an entitlement of that method is closed.
pub(super) fn closed(fields: &mut Fields<'_>, method: Option<Method>) -> Option<bool> {
    let flag = fields.flag("closed", "must be true, or be left out")?;
    if let (Some(at), Some(Method::Attach)) = (&flag, method) {
        let what = "does not go with method = \"attach\", which opens no role";
        fields.refuse(at.span(), "closed", what);
        return None;
    }
    Some(flag.is_some())
}

/// Entitlements of one role that do not agree, and those of a closed one that need a role without a
/// guard.
pub(super) fn in_file(file: &File) -> Vec<Wrong> {
    let mut first: BTreeMap<&str, &Offer> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (offer, role) in opening(file) {
        let before = *first.entry(&role.get_ref().arn).or_insert(offer);
        if before.closed != offer.closed {
            wrong.push(unlike(offer, role, before.name.get_ref()));
        } else if offer.closed && !offer.terms.early_end.cuts() {
            wrong.push(Wrong {
                at: role.span(),
                what: format!(
                    "entitlement {}: closed does not go with early_end = \"none\": the guard of a closed role \
                     always stands, and would deny what is handed out",
                    offer.name.get_ref(),
                ),
            });
        }
    }
    wrong
}

/// Entitlements that do not agree with others of their role on record.
pub(super) async fn on_record(tx: &mut Tx, file: &File) -> Result<Vec<Wrong>, Error> {
    let names = file.entitlements.iter().map(|it| it.name.get_ref().clone());
    let names: Vec<String> = names.collect();
    let mut wrong = Vec::new();
    for (offer, role) in opening(file) {
        let arn = &role.get_ref().arn;
        let other = db::closed::unlike(tx.conn(), arn, offer.closed, &names).await?;
        wrong.extend(other.map(|name| unlike(offer, role, &name)));
    }
    Ok(wrong)
}

fn opening(file: &File) -> impl Iterator<Item = (&Offer, &Spanned<Identity>)> {
    let offers = file.entitlements.iter();
    offers.filter_map(|offer| Some((offer, offer.role.as_ref()?)))
}

fn unlike(offer: &Offer, role: &Spanned<Identity>, other: &str) -> Wrong {
    let here = if offer.closed {
        "is closed here, and not"
    } else {
        "is not closed here, but"
    };
    Wrong {
        at: role.span(),
        what: format!(
            "entitlement {}: role_arn {} {here} in {other}: closed belongs to the role, and must be the same in each \
             of its entitlements",
            offer.name.get_ref(),
            role.get_ref().arn,
        ),
    }
}

/// The roles (ARNs) that the file closes.
pub(super) fn roles(file: &File) -> BTreeSet<String> {
    let closed = file.entitlements.iter().filter(|offer| offer.closed);
    closed
        .filter_map(|offer| offer.terms.role_arn.clone())
        .collect()
}
