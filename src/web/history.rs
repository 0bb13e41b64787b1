//! The history of one request, as sentences.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::show::{self, Icon, Tone};
use crate::app::find;
use crate::domain::cause::Cause;

/// One step.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// Its drawing.
    pub icon: Icon,
    /// Its colour.
    pub tone: Tone,
    /// What happened.
    pub text: String,
    /// In the person's own words.
    pub quote: Option<String>,
    /// Through which channel; empty for Countersign itself.
    pub through: String,
}

/// What was done.
#[must_use]
pub fn entries(events: &[find::Entry]) -> Vec<Entry> {
    events.iter().map(entry).collect()
}

fn entry(event: &find::Entry) -> Entry {
    let (icon, tone, text) = told(&event.action, &event.actor_name, &event.details);
    let own = event.actor_kind == "system";
    Entry {
        at: event.at,
        icon,
        tone,
        text,
        quote: quote(&event.details),
        through: if own {
            String::new()
        } else {
            event.channel.clone()
        },
    }
}

/// What a step looks like and says: the audit log's action, who did it, and its details as the log
/// keeps them.
fn told(action: &str, actor: &str, details: &Value) -> (Icon, Tone, String) {
    of_request(action, actor, details)
        .or_else(|| of_grant(action, actor, details))
        .unwrap_or_else(|| (Icon::Key, Tone::Quiet, format!("{actor}: {action}")))
}

/// The steps up to a decision.
fn of_request(action: &str, actor: &str, details: &Value) -> Option<(Icon, Tone, String)> {
    let number = |name: &str| details[name].as_i64().unwrap_or_default();
    Some(match action {
        "request.submitted" => {
            let length = show::length(number("duration_seconds"));
            (Icon::Ask, Tone::Wait, format!("{actor} asked for {length}"))
        }
        "request.approved" => {
            let (have, needed) = (number("have"), number("needed"));
            let tally = format!("{actor} approved ({have} of {needed})");
            (Icon::Check, Tone::Good, tally)
        }
        "request.denied" => (Icon::Cross, Tone::Bad, format!("{actor} denied it")),
        "request.withdrawn" => (Icon::Back, Tone::Quiet, format!("{actor} withdrew it")),
        "request.expired" => {
            let text = "Nobody decided in time".to_owned();
            (Icon::Hourglass, Tone::Quiet, text)
        }
        _ => return None,
    })
}

/// The steps from the first write in AWS to the last trace of it.
fn of_grant(action: &str, actor: &str, details: &Value) -> Option<(Icon, Tone, String)> {
    let text = |name: &str| details[name].as_str().unwrap_or_default();
    let why = || Cause::parse(text("cause")).map_or("", |cause| show::cause(&cause));
    let by_a_person = ["released", "revoked"].contains(&text("cause"));
    let never_opened = text("requested_at") == text("confirmed_at");
    let (icon, tone, said) = match action {
        "grant.opening" => (
            Icon::Busy,
            Tone::Move,
            "Opening began; this was on record before AWS was asked".to_owned(),
        ),
        "grant.opened" => (
            Icon::Open,
            Tone::Good,
            "AWS confirmed that it is open".to_owned(),
        ),
        "grant.closing" if by_a_person => (Icon::Busy, Tone::Move, format!("{actor} ended it")),
        "grant.closing" => (Icon::Busy, Tone::Move, format!("Closing began: {}", why())),
        "grant.ended" if never_opened => (
            Icon::Closed,
            Tone::Quiet,
            format!("{actor} ended it before it was open"),
        ),
        "grant.ended" => (
            Icon::Closed,
            Tone::Quiet,
            "AWS confirmed that it is closed".to_owned(),
        ),
        "grant.failed" => (
            Icon::Warning,
            Tone::Bad,
            format!("It was not opened: {}", why()),
        ),
        "grant.delayed" => (
            Icon::Warning,
            Tone::Wait,
            format!("AWS keeps it waiting: {}", text("error")),
        ),
        "grant.restored" => (
            Icon::Warning,
            Tone::Wait,
            "Somebody took it out of the trust policy; it was put back".to_owned(),
        ),
        "guard.removed" => (
            Icon::Shield,
            Tone::Quiet,
            "No session of it can be left; the guard forgets it".to_owned(),
        ),
        _ => return None,
    };
    Some((icon, tone, said))
}

/// What the person said with it.
fn quote(details: &Value) -> Option<String> {
    let said = details["comment"]
        .as_str()
        .or_else(|| details["reason"].as_str())?;
    Some(said.to_owned())
}
