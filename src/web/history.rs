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
    let text = |name: &str| details[name].as_str().unwrap_or_default();
    let number = |name: &str| details[name].as_i64().unwrap_or_default();
    let why = || Cause::parse(text("cause")).map_or("", |cause| show::cause(&cause));
    match action {
        "request.submitted" => (
            Icon::Ask,
            Tone::Wait,
            format!(
                "{actor} asked for {}",
                show::length(number("duration_seconds"))
            ),
        ),
        "request.approved" => {
            let tally = format!(
                "{actor} approved ({} of {})",
                number("have"),
                number("needed")
            );
            (Icon::Check, Tone::Good, tally)
        }
        "request.denied" => (Icon::Cross, Tone::Bad, format!("{actor} denied it")),
        "request.withdrawn" => (Icon::Back, Tone::Quiet, format!("{actor} withdrew it")),
        "request.expired" => (
            Icon::Hourglass,
            Tone::Quiet,
            "Nobody decided in time".to_owned(),
        ),
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
        "grant.closing" if details["cause"] == "released" || details["cause"] == "revoked" => {
            (Icon::Busy, Tone::Move, format!("{actor} ended it"))
        }
        "grant.closing" => (Icon::Busy, Tone::Move, format!("Closing began: {}", why())),
        "grant.ended" if text("requested_at") == text("confirmed_at") => (
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
        other => (Icon::Key, Tone::Quiet, format!("{actor}: {other}")),
    }
}

/// What the person said with it.
fn quote(details: &Value) -> Option<String> {
    let said = details["comment"]
        .as_str()
        .or_else(|| details["reason"].as_str())?;
    Some(said.to_owned())
}
