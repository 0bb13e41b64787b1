//! The history of one request, as sentences.

use chrono::{DateTime, Utc};

use super::show::{self, Icon, Tone};
use crate::app::find;
use crate::domain::audit::{Action, ActionName, Told};
use crate::domain::cause::Cause;
use crate::domain::fetch::Kind;

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

/// What was done; `is_written`: something is written in AWS for the grant, and read back.
#[must_use]
pub fn entries(events: &[find::Entry], is_written: bool) -> Vec<Entry> {
    // What was asked for is told by what came of it.
    let asked = [
        ActionName::CredentialsRequested.as_str(),
        ActionName::ProbeRequested.as_str(),
    ];
    let told = events
        .iter()
        .filter(|event| !asked.contains(&event.action.as_str()));
    told.map(|event| entry(event, is_written)).collect()
}

/// Whether Countersign has withdrawn the request, since its requester was disabled.
#[must_use]
pub fn has_left(events: &[find::Entry]) -> bool {
    let withdrawn = ActionName::RequestWithdrawn.as_str();
    let is_it = |event: &find::Entry| event.action == withdrawn && event.actor_kind == "system";
    events.iter().any(is_it)
}

fn entry(event: &find::Entry, is_written: bool) -> Entry {
    let told = event.told();
    let actor = &event.actor_name;
    let own = event.actor_kind == "system";
    let ((icon, tone), text) = match &told {
        Told::Done(Action::RequestWithdrawn {}) if own => {
            let text = "It was withdrawn: its requester's account was disabled";
            (look(&Action::RequestWithdrawn {}), text.to_owned())
        }
        Told::Done(action @ Action::RequestApproved { .. }) if own => {
            let text = "It has every approval: whoever voted may decide by now";
            (look(action), text.to_owned())
        }
        Told::Done(action) => {
            let own = unwritten(action).filter(|_| !is_written);
            let text = own.map_or_else(|| text(action, actor), ToOwned::to_owned);
            (look(action), text)
        }
        // What an older release wrote is at least named.
        Told::Refused { .. } | Told::Unknown { .. } => (PLAIN, named(actor, &event.action)),
    };
    Entry {
        at: event.at,
        icon,
        tone,
        text,
        quote: quote(told),
        through: if own {
            String::new()
        } else {
            event.channel.clone()
        },
    }
}

/// How a step is drawn of which there is nothing more to say.
const PLAIN: (Icon, Tone) = (Icon::Key, Tone::Quiet);

/// How a step is drawn.
const fn look(action: &Action) -> (Icon, Tone) {
    // By name, each of them: a new action must not slip into a rest.
    match action {
        Action::RequestSubmitted { .. }
        | Action::RequestQuestioned { .. }
        | Action::RequestAnswered { .. } => (Icon::Ask, Tone::Wait),
        Action::RequestApproved { .. } => (Icon::Check, Tone::Good),
        Action::RequestDenied { .. } => (Icon::Cross, Tone::Bad),
        Action::RequestWithdrawn {} | Action::ApprovalWithdrawn { .. } => (Icon::Back, Tone::Quiet),
        Action::StageOpened { .. }
        | Action::StageReopened { .. }
        | Action::RequestEscalated { .. } => (Icon::Clock, Tone::Wait),
        Action::RequestUnfillable {} => (Icon::Warning, Tone::Wait),
        Action::RequestExpired { .. } => (Icon::Hourglass, Tone::Quiet),
        Action::GrantOpening { .. } | Action::GrantClosing { .. } => (Icon::Busy, Tone::Move),
        Action::GrantOpened { .. } => (Icon::Open, Tone::Good),
        Action::GrantEnded { .. } => (Icon::Closed, Tone::Quiet),
        Action::GrantFailed { .. } => (Icon::Warning, Tone::Bad),
        Action::GrantDelayed { .. } | Action::GrantRestored { .. } => (Icon::Warning, Tone::Wait),
        Action::GrantBypassed { .. } => (Icon::Warning, Tone::Bad),
        Action::CredentialsIssued { .. } => (Icon::Key, Tone::Good),
        Action::CredentialsDiscarded { .. } | Action::CredentialsFailed { .. } => {
            (Icon::Key, Tone::Wait)
        }
        Action::GrantExtended { .. } => (Icon::Clock, Tone::Good),
        Action::GuardRemoved { .. } | Action::ProbeAnswered { .. } => (Icon::Shield, Tone::Quiet),
        Action::GuardRestored {}
        | Action::TargetChanged { .. }
        | Action::TargetAlarm { .. }
        | Action::HubRefused { .. }
        | Action::HubAdmitted { .. }
        | Action::RevocationBegun { .. }
        | Action::RevocationThrough {}
        | Action::RevocationLiftAsked {}
        | Action::RevocationLifted {}
        | Action::PersonDisabled { .. }
        | Action::PersonEnabled {}
        | Action::DelegationStarted { .. }
        | Action::DelegationEnded { .. }
        | Action::SessionStarted {}
        | Action::SessionRefused { .. }
        | Action::SessionEnded {}
        | Action::IdentityLinked { .. }
        | Action::IdentityRefused { .. }
        | Action::IdentityEnded { .. }
        | Action::TokenCreated { .. }
        | Action::TokenRevoked {}
        | Action::MachineCreated { .. }
        | Action::MachineGiven { .. }
        | Action::MachineEnded {}
        | Action::CatalogApplied { .. }
        | Action::CredentialsRequested { .. }
        | Action::ProbeRequested { .. } => PLAIN,
    }
}

/// What a step says of a grant for which nothing is written, where that is something else.
const fn unwritten(action: &Action) -> Option<&'static str> {
    match action {
        Action::GrantOpening { .. } => Some("Opening began; there is nothing to write in AWS"),
        Action::GrantOpened { .. } => Some("Open: credentials can be fetched"),
        // One that ended before it was open never closed.
        Action::GrantEnded { .. } => Some("Over: nothing that was handed out can work any more"),
        _ => None,
    }
}

/// What a step says.
fn text(action: &Action, actor: &str) -> String {
    match action {
        Action::RequestSubmitted {
            duration_seconds,
            extends,
            ..
        } => asked(actor, *duration_seconds, extends.is_some()),
        Action::RequestApproved {
            stage,
            have,
            needed,
            duration_seconds,
            ..
        } => approved(actor, (*stage, *have, *needed), *duration_seconds),
        Action::ApprovalWithdrawn { .. } => format!("{actor} took their approval back"),
        Action::RequestQuestioned { .. } => format!("{actor} asked"),
        Action::RequestAnswered { .. } => format!("{actor} answered"),
        Action::StageOpened { stage } => format!("Stage {stage} is open"),
        Action::StageReopened { stage } => format!("Stage {stage} is open again"),
        Action::RequestEscalated { stage, group } => {
            format!("Stage {stage} has waited: {group} decides as well from now on")
        }
        Action::RequestDenied { .. } => format!("{actor} denied it"),
        Action::RequestWithdrawn {} => format!("{actor} withdrew it"),
        Action::GrantClosing { cause, .. } => closing(*cause, actor),
        // Ended at once: nothing was ever sent that AWS could have confirmed.
        Action::GrantEnded {
            requested_at,
            confirmed_at,
            ..
        } if requested_at == confirmed_at => format!("{actor} ended it before it was open"),
        Action::GrantFailed { cause, .. } => failed(cause),
        Action::CredentialsIssued {
            kind,
            access_key_id,
            ..
        } => format!("{actor} {}: {access_key_id}", taken(*kind)),
        Action::GrantExtended { deadline, .. } => extended(deadline),
        Action::ProbeAnswered { outcome, .. } => probed(outcome, actor),
        Action::GrantDelayed { error, .. } => format!("AWS keeps it waiting: {error}"),
        Action::GrantBypassed { policy, .. } => bypassed(policy),
        Action::CredentialsRequested { .. } => format!("{actor} asked for credentials"),
        // What is new is at least named; how it is drawn is asked of each (`look`).
        _ => plain(action).map_or_else(|| named(actor, action.name().as_str()), str::to_owned),
    }
}

/// What a step says, whoever did it.
const fn plain(action: &Action) -> Option<&'static str> {
    Some(match action {
        Action::RequestUnfillable {} => {
            "With the people that there are it cannot be approved any more"
        }
        Action::RequestExpired { closed: None } => "Nobody decided in time",
        Action::RequestExpired { closed: Some(_) } => "It lapsed: what it was to extend was ended",
        Action::GrantOpening { .. } => "Opening began; this was on record before AWS was asked",
        Action::GrantOpened { .. } => "AWS confirmed that it is open",
        Action::GrantEnded { .. } => "AWS confirmed that it is closed",
        Action::GrantRestored { .. } => "Somebody undid it in AWS; it was put back",
        Action::CredentialsDiscarded { .. } => "AWS gave credentials, and nobody got them",
        Action::CredentialsFailed { .. } => "AWS gave no credentials",
        Action::GuardRemoved { .. } => "No session of it can be left; the guard forgets it",
        _ => return None,
    })
}

fn asked(actor: &str, seconds: i32, is_extension: bool) -> String {
    let more = if is_extension { " more" } else { "" };
    format!("{actor} asked for {}{more}", show::seconds(&seconds))
}

fn approved(actor: &str, (stage, have, needed): (i16, i16, i16), seconds: Option<i32>) -> String {
    let stage = if stage > 1 {
        format!(" in stage {stage}")
    } else {
        String::new()
    };
    let at_most = seconds.map_or(String::new(), |seconds| {
        format!(", for {} at most", show::seconds(&seconds))
    });
    format!("{actor} approved ({have} of {needed}{stage}){at_most}")
}

fn bypassed(policy: &str) -> String {
    format!("Something else lets its person in as well: {policy}")
}

fn failed(cause: &Cause) -> String {
    format!("It was not opened: {}", show::cause(cause))
}

fn probed(outcome: &str, actor: &str) -> String {
    let seen = match outcome {
        "denied" => "AWS denied its session",
        "not_denied" => "AWS did not deny its session",
        _ => "nothing was learned",
    };
    format!("{actor} tried whether it is denied: {seen}")
}

const fn taken(kind: Kind) -> &'static str {
    match kind {
        Kind::Keys => "fetched credentials",
        Kind::Console => "took a link to the console",
    }
}

fn extended(deadline: &DateTime<Utc>) -> String {
    let until = deadline.format("%-d %b %Y, %H:%M:%S UTC");
    format!("Extended: the deadline is {until} now")
}

fn closing(cause: Cause, actor: &str) -> String {
    match cause {
        Cause::Released | Cause::Revoked => format!("{actor} ended it"),
        other => format!("Closing began: {}", show::cause(&other)),
    }
}

fn named(actor: &str, action: &str) -> String {
    format!("{actor}: {action}")
}

/// What the person said with it.
fn quote(told: Told) -> Option<String> {
    let Told::Done(action) = told else {
        return None;
    };
    match action {
        Action::RequestApproved { comment, .. } | Action::ApprovalWithdrawn { comment } => comment,
        Action::RequestDenied { comment } => Some(comment),
        Action::RequestQuestioned { question } => Some(question),
        Action::RequestAnswered { answer } => Some(answer),
        Action::GrantClosing { reason, .. } => reason,
        _ => None,
    }
}
