//! What AWS asks of people by a catalog file: a second factor, an external ID. A role asks the same
//! of everybody (docs/guard.md, H7), so that its entitlements must agree.

use std::collections::BTreeMap;

use toml::Spanned;

use super::fields::Fields;
use super::file::{File, Identity, Offer};
use super::wrong::Wrong;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::demands::{Demands, ExternalId};
use crate::domain::entitlement::Method;
use crate::error::Error;

/// Reads what an entitlement of that method asks for.
pub(super) fn demands(fields: &mut Fields<'_>, method: Option<Method>) -> Option<Demands> {
    let mfa = fields.flag("mfa", "must be true, or be left out");
    let external_id = fields.maybe_text("external_id", external_id);
    let (mfa, external_id) = (mfa?, external_id?);
    if method == Some(Method::StsCredentials)
        && let Some(at) = &mfa
    {
        let what = "does not go with method = \"sts_credentials\": Countersign assumes the role itself, so that AWS \
                    never sees the person's second factor";
        fields.refuse(at.span(), "mfa", what);
        return None;
    }
    let why_none = match method {
        Some(Method::StsCredentials) => {
            "does not go with method = \"sts_credentials\": Countersign assumes the role itself, so that people have \
             nothing to send it with"
        }
        Some(Method::Attach) => {
            "does not go with method = \"attach\", which opens no role: it is sent when a role is assumed"
        }
        Some(Method::TrustPolicy | Method::Switch) | None => "",
    };
    if let Some(id) = &external_id
        && !why_none.is_empty()
    {
        fields.refuse(id.span(), "external_id", why_none);
        return None;
    }
    Some(Demands {
        mfa: mfa.is_some(),
        external_id: external_id.map(Spanned::into_inner),
    })
}

fn external_id(text: &str) -> Result<ExternalId, String> {
    ExternalId::parse(text).ok_or_else(|| {
        "must be 2 to 1224 letters, digits and any of _+=,.@:/-, as AWS takes it".to_owned()
    })
}

/// Entitlements of one role that do not agree.
pub(super) fn in_file(file: &File) -> Vec<Wrong> {
    let mut first: BTreeMap<&str, &Offer> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (offer, role) in asking(file) {
        let before = *first.entry(&role.get_ref().arn).or_insert(offer);
        let (name, asks) = (before.name.get_ref(), &before.terms.demands);
        wrong.extend(unlike(offer, role, name, asks));
    }
    wrong
}

/// What does not go with the entitlements and accounts on record.
pub(super) async fn on_record(
    tx: &mut Tx,
    file: &File,
    accounts: &[db::accounts::Account],
) -> Result<Vec<Wrong>, Error> {
    let names = file.entitlements.iter().map(|it| it.name.get_ref().clone());
    let names: Vec<String> = names.collect();
    let mut wrong = Vec::new();
    for (offer, role) in asking(file) {
        wrong.extend(ours(offer, role, accounts));
        let arn = &role.get_ref().arn;
        let other = db::demands::of_others(tx.conn(), arn, &names).await?;
        wrong.extend(other.and_then(|(name, asks)| unlike(offer, role, &name, &asks)));
    }
    Ok(wrong)
}

/// The entitlements whose roles ask something of people.
fn asking(file: &File) -> impl Iterator<Item = (&Offer, &Spanned<Identity>)> {
    let asked = file.entitlements.iter();
    let asked = asked.filter(|offer| offer.terms.method.is_asked());
    asked.filter_map(|offer| Some((offer, offer.role.as_ref()?)))
}

fn unlike(offer: &Offer, role: &Spanned<Identity>, other: &str, asks: &Demands) -> Option<Wrong> {
    let own = &offer.terms.demands;
    (own != asks).then(|| Wrong {
        at: role.span(),
        what: format!(
            "entitlement {}: role_arn {} asks for {} here, and for {} in {other}: mfa and external_id belong to the \
             role, and must be the same in each of its entitlements",
            offer.name.get_ref(),
            role.get_ref().arn,
            told(own),
            told(asks)
        ),
    })
}

/// An external ID with which Countersign itself comes into an account: whoever knows it could have
/// somebody else's manager role assumed.
fn ours(
    offer: &Offer,
    role: &Spanned<Identity>,
    accounts: &[db::accounts::Account],
) -> Option<Wrong> {
    let id = offer.terms.demands.external_id.as_ref()?;
    let is_its = |it: &&db::accounts::Account| {
        let manager = it.manager.as_ref();
        manager.and_then(|it| it.external_id.as_deref()) == Some(id.as_str())
    };
    let account = accounts.iter().find(is_its)?;
    Some(Wrong {
        at: role.span(),
        what: format!(
            "entitlement {}: external_id is the one with which Countersign comes into account {}: people need another",
            offer.name.get_ref(),
            account.id
        ),
    })
}

fn told(demands: &Demands) -> String {
    let id = demands.external_id.as_ref();
    let id = id.map(|id| format!("the external ID {id}"));
    match (demands.mfa, id) {
        (false, None) => "nothing".to_owned(),
        (true, None) => "MFA".to_owned(),
        (false, Some(id)) => id,
        (true, Some(id)) => format!("MFA and {id}"),
    }
}
