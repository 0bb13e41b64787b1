//! What an entitlement of a catalog file asks of asking and deciding.

use toml::Spanned;

use super::fields::Fields;
use crate::domain::rules::{DecideVia, InvalidWait, Presence, Rules, Via, Wait};

/// The most grants that a limit may leave.
const MOST_LIVE: i16 = 1000;
/// The longest justification that there may be, in characters.
const LONGEST: i16 = 2000;

/// Reads `rules`, which may be left out.
pub(super) fn rules(fields: &mut Fields<'_>) -> Option<Rules> {
    let rules = fields.maybe_table("rules", table)?;
    Some(rules.map(Spanned::into_inner).unwrap_or_default())
}

fn table(mut fields: Fields<'_>) -> Option<Rules> {
    let justification_min = fields.number("justification_min", 1..=LONGEST, 1);
    let ticket = fields.maybe_text("ticket", ticket);
    let approve_comment = fields.maybe_text("approve_comment", approve_comment);
    let decide_via = decide_via(&mut fields);
    let live_per_person = most(&mut fields, "live_per_person");
    let live = most(&mut fields, "live");
    let remind_after = fields.maybe_text("remind_after", wait);
    let expire_after = fields.maybe_text("expire_after", wait);
    let delegation = fields.either("delegation", true);
    let waits = (
        remind_after.clone().flatten(),
        expire_after.clone().flatten(),
    );
    let is_in_order = in_order(&mut fields, waits);
    fields.done();
    is_in_order.then_some(())?;
    Some(Rules {
        justification_min: justification_min?,
        ticket: ticket?.map(Spanned::into_inner).unwrap_or_default(),
        approve_comment: approve_comment?
            .map(Spanned::into_inner)
            .unwrap_or_default(),
        decide_via: decide_via?,
        live_per_person: live_per_person?,
        live: live?,
        remind_after: remind_after?.map(Spanned::into_inner),
        expire_after: expire_after?.map(Spanned::into_inner),
        delegation: delegation?,
    })
}

/// Whether there is time between a reminder and the lapse, where both are said.
fn in_order(
    fields: &mut Fields<'_>,
    waits: (Option<Spanned<Wait>>, Option<Spanned<Wait>>),
) -> bool {
    let (Some(remind), Some(expire)) = waits else {
        return true;
    };
    let is_before = remind.get_ref() < expire.get_ref();
    if !is_before {
        let what = "must be shorter than expire_after: nobody is reminded of what has lapsed";
        fields.refuse(remind.span(), "remind_after", what);
    }
    is_before
}

fn most(fields: &mut Fields<'_>, key: &'static str) -> Option<Option<i16>> {
    if !fields.has(key) {
        // Asked for all the same, so that it is among the keys that are known.
        return fields.number(key, 1..=MOST_LIVE, 1).map(|_| None);
    }
    fields.number(key, 1..=MOST_LIVE, 1).map(Some)
}

fn decide_via(fields: &mut Fields<'_>) -> Option<DecideVia> {
    let is_there = fields.has("decide_via");
    let named = fields.list("decide_via", |word| {
        Via::parse(word).ok_or_else(|| {
            "must hold any of \"portal\", \"api\", \"slack\" and \"email\"".to_owned()
        })
    });
    let named = named?.into_iter().map(Spanned::into_inner);
    Some(if is_there {
        DecideVia::new(named)
    } else {
        DecideVia::default()
    })
}

fn ticket(text: &str) -> Result<Presence, String> {
    match text {
        "none" => Ok(Presence::None),
        "optional" => Ok(Presence::Optional),
        "required" => Ok(Presence::Required),
        _ => Err("must be \"none\", \"optional\" or \"required\"".to_owned()),
    }
}

fn approve_comment(text: &str) -> Result<Presence, String> {
    match ticket(text) {
        Ok(it @ (Presence::Optional | Presence::Required)) => Ok(it),
        _ => Err("must be \"optional\" or \"required\"".to_owned()),
    }
}

fn wait(text: &str) -> Result<Wait, String> {
    Wait::parse(text).map_err(|error| match error {
        InvalidWait::Duration(_) => "must be a duration such as PT4H (4 hours)".to_owned(),
        InvalidWait::Length => error.to_string(),
    })
}
