//! Rules in words.

use super::seconds;
use crate::domain::rules::{Presence, Rules, Via};

/// What holds of asking and deciding beside who decides, a sentence each; none where everything is
/// as usual.
#[must_use]
pub fn rules(rules: &Rules) -> Vec<String> {
    let mut told = Vec::new();
    if rules.justification_min > 1 {
        let least = rules.justification_min;
        told.push(format!(
            "The justification has at least {least} characters."
        ));
    }
    match rules.ticket {
        Presence::Required => told.push("It needs a ticket.".to_owned()),
        Presence::None => told.push("No ticket goes with it.".to_owned()),
        Presence::Optional => {}
    }
    if rules.approve_comment == Presence::Required {
        told.push("Whoever approves says why.".to_owned());
    }
    if !rules.decide_via.is_all() {
        let ways: Vec<&str> = rules.decide_via.iter().map(way).collect();
        told.push(format!("It is decided {} alone.", ways.join(" or ")));
    }
    if let Some(most) = rules.live_per_person {
        told.push(format!(
            "One person may have {} of it at a time.",
            grants(most)
        ));
    }
    if let Some(most) = rules.live {
        told.push(format!("There may be {} of it at a time.", grants(most)));
    }
    if let Some(wait) = rules.expire_after {
        let after = seconds(&wait.seconds());
        told.push(format!("It lapses after {after} if nobody decides."));
    }
    if !rules.delegation {
        told.push("Nobody stands in for an approver who is away.".to_owned());
    }
    told
}

fn grants(most: i16) -> String {
    let grants = if most == 1 { "grant" } else { "grants" };
    format!("{most} {grants}")
}

const fn way(via: Via) -> &'static str {
    match via {
        Via::Portal => "in the portal",
        Via::Api => "through the API",
        Via::Slack => "in Slack",
        Via::Email => "by a link in a mail",
    }
}
