//! How times, lengths and states look on a page: small pieces of HTML, each escaped by its own
//! template.

mod rules;
mod stages;

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, SecondsFormat, Utc};

use super::access::Access;
use crate::app::find::MOST_COUNTED;
use crate::domain::arn;
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::RequestState;

pub use rules::rules;
pub use stages::{escalates, escalations, groups, names, stage, stages};

/// A drawing of 16 by 16; never alone, a word always stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A clock: waits.
    Clock,
    /// A tick in a circle.
    Check,
    /// A cross in a circle.
    Cross,
    /// An arrow that turns back.
    Back,
    /// An hourglass.
    Hourglass,
    /// A calendar.
    Calendar,
    /// Rays: something is on its way.
    Busy,
    /// An open lock.
    Open,
    /// A closed lock.
    Closed,
    /// A triangle with an exclamation mark.
    Warning,
    /// A speech bubble: somebody asks.
    Ask,
    /// A shield.
    Shield,
    /// A key.
    Key,
}

/// The drawing itself.
#[derive(Template)]
#[template(path = "parts/icon.html")]
pub struct Drawing {
    icon: Icon,
}
// Its own template has escaped what is in it; without this it would be escaped twice. Only
// templates may say so of themselves.
impl HtmlSafe for Drawing {}

/// Draws `icon`.
#[must_use]
pub fn icon(icon: impl std::borrow::Borrow<Icon>) -> Drawing {
    Drawing {
        icon: *icon.borrow(),
    }
}

/// Which colour a state has; the word says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Somebody must do something.
    Wait,
    /// Something is on its way.
    Move,
    /// Open, or approved.
    Good,
    /// Refused, or failed.
    Bad,
    /// Over.
    Quiet,
}

impl Tone {
    /// The class in the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Move => "move",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// A state as icon, word and colour.
#[derive(Template)]
#[template(
    source = r#"<span class="badge {{ tone.class() }}">{{ self.drawing() }}{{ word }}</span>"#,
    ext = "html"
)]
pub struct Badge {
    /// Its colour.
    pub tone: Tone,
    /// Its drawing.
    pub icon: Icon,
    /// Its word.
    pub word: &'static str,
}
impl HtmlSafe for Badge {}

impl Badge {
    fn drawing(&self) -> Drawing {
        icon(self.icon)
    }
}

const fn badge(tone: Tone, icon: Icon, word: &'static str) -> Badge {
    Badge { tone, icon, word }
}

/// A request's state.
#[must_use]
pub const fn request(state: &RequestState) -> Badge {
    match state {
        RequestState::Pending => badge(Tone::Wait, Icon::Clock, "Pending"),
        RequestState::Approved(_) => badge(Tone::Good, Icon::Check, "Approved"),
        RequestState::Denied(_) => badge(Tone::Bad, Icon::Cross, "Denied"),
        RequestState::Withdrawn(_) => badge(Tone::Quiet, Icon::Back, "Withdrawn"),
        RequestState::Expired(_) => badge(Tone::Quiet, Icon::Hourglass, "Expired"),
    }
}

/// A grant's state at `now`: past its deadline AWS refuses it, whatever is on record yet.
#[must_use]
pub fn grant(grant: &Grant, now: &DateTime<Utc>) -> Badge {
    match Access::of(grant, now) {
        Some(Access::Scheduled) => badge(Tone::Move, Icon::Calendar, "Scheduled"),
        Some(Access::Opening) => badge(Tone::Move, Icon::Busy, "Opening"),
        Some(Access::Active) => badge(Tone::Good, Icon::Open, "Active"),
        Some(Access::Closing) => badge(Tone::Move, Icon::Busy, "Closing"),
        None if grant.back_until(*now).is_some() => badge(Tone::Bad, Icon::Warning, "Open again"),
        None if matches!(grant.state, GrantState::Failed { .. }) => {
            badge(Tone::Bad, Icon::Warning, "Failed")
        }
        None => badge(Tone::Quiet, Icon::Closed, "Ended"),
    }
}

/// Where a request stands as a whole: its grant's state once it has one.
#[must_use]
pub fn standing(state: &RequestState, granted: Option<&Grant>, now: &DateTime<Utc>) -> Badge {
    match granted {
        Some(it) => grant(it, now),
        None => request(state),
    }
}

/// Why a grant ended, as the end of a sentence.
#[must_use]
pub const fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Deadline => "its time was over",
        Cause::Released => "its requester ended it",
        Cause::Revoked => "an approver or admin ended it",
        Cause::CouldNotOpen => "AWS did not let it be opened",
        Cause::NotEligible => {
            "its requester or an approver has left the group that may ask or approve"
        }
        Cause::PrincipalGone => "the AWS identity that was let in was deleted",
        Cause::TargetGone => "the role was deleted",
        Cause::TargetReplaced => "another role has taken the role's name",
        Cause::RevertedByOwner => "somebody undid in AWS what was written for it",
        Cause::PersonDisabled => "its requester's account was disabled",
    }
}

/// An ARN that breaks after its slashes and colons.
#[derive(Template)]
#[template(
    source = r#"<span class="mono">{% for part in parts %}{{ part }}<wbr>{% endfor %}</span>"#,
    ext = "html"
)]
pub struct Arn {
    parts: Vec<String>,
}
impl HtmlSafe for Arn {}

/// Shows `arn`.
#[must_use]
pub fn arn(arn: &str) -> Arn {
    Arn {
        parts: arn
            .split_inclusive([':', '/'])
            .map(ToOwned::to_owned)
            .collect(),
    }
}

/// A moment: UTC to the second, for people and for machines.
#[derive(Template)]
#[template(
    source = r#"<time datetime="{{ iso }}">{{ text }} UTC</time>"#,
    ext = "html"
)]
pub struct Time {
    iso: String,
    text: String,
}
impl HtmlSafe for Time {}

/// Shows `at`.
#[must_use]
pub fn time(at: &DateTime<Utc>) -> Time {
    Time {
        iso: iso(at),
        text: at.format("%-d %b %Y, %H:%M:%S").to_string(),
    }
}

/// RFC 3339, whole seconds, `Z`.
#[must_use]
pub fn iso(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A length that shrinks; the script counts it down. What is left of open access also stands in the
/// page's title.
#[derive(Template)]
#[template(
    source = r#"<time class="countdown" datetime="{{ iso }}" data-countdown="{{ of }}">{{ text }}</time>"#,
    ext = "html"
)]
pub struct Countdown {
    of: &'static str,
    iso: String,
    text: String,
}
impl HtmlSafe for Countdown {}

fn countdown(of: &'static str, at: &DateTime<Utc>, now: &DateTime<Utc>) -> Countdown {
    Countdown {
        of,
        iso: iso(at),
        text: length((*at - *now).num_seconds()),
    }
}

/// What is left from `now` until `deadline` of what is open.
#[must_use]
pub fn left(deadline: &DateTime<Utc>, now: &DateTime<Utc>) -> Countdown {
    countdown("left", deadline, now)
}

/// How long it is from `now` until `start`.
#[must_use]
pub fn until(start: &DateTime<Utc>, now: &DateTime<Utc>) -> Countdown {
    countdown("until", start, now)
}

/// How much of `from`–`until` is left, for a progress element: seconds left and seconds altogether.
#[must_use]
pub fn share(from: &DateTime<Utc>, until: &DateTime<Utc>, now: &DateTime<Utc>) -> (i64, i64) {
    let whole = (*until - *from).num_seconds().max(1);
    ((*until - *now).num_seconds().clamp(0, whole), whole)
}

/// A length of time in words: `1 h 30 min`, `45 s`. Nothing below zero.
#[must_use]
pub fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let words: Vec<String> = parts
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n != 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    if words.is_empty() {
        "0 s".to_owned()
    } else {
        words.join(" ")
    }
}

/// A number that was counted no further than [`MOST_COUNTED`] and one.
#[must_use]
pub fn counted(n: &i64) -> String {
    if *n > MOST_COUNTED {
        format!("{MOST_COUNTED}+")
    } else {
        n.to_string()
    }
}

/// The same in words that are read aloud, or stand in a sentence.
#[must_use]
pub fn counted_words(n: &i64) -> String {
    if *n > MOST_COUNTED {
        format!("more than {MOST_COUNTED}")
    } else {
        n.to_string()
    }
}

/// How many approvals are needed, in words.
#[must_use]
pub fn approvals(needed: &i16) -> String {
    match needed {
        1 => "one approval".to_owned(),
        more => format!("{more} approvals"),
    }
}

/// `length` of whole seconds as the domain keeps them.
#[must_use]
pub fn seconds(seconds: &i32) -> String {
    length(i64::from(*seconds))
}

/// How long ago `at` was.
#[must_use]
pub fn ago(at: &DateTime<Utc>, now: &DateTime<Utc>) -> String {
    match (*now - *at).num_seconds() {
        ..60 => "just now".to_owned(),
        gone @ 60..3600 => format!("{} min ago", gone / 60),
        gone @ 3600..86_400 => format!("{} h ago", gone / 3600),
        gone => format!("{} d ago", gone / 86_400),
    }
}

/// The first letters of the first and the last word of a name.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let first = words.next().and_then(|word| word.chars().next());
    let last = words.next_back().and_then(|word| word.chars().next());
    first
        .into_iter()
        .chain(last)
        .flat_map(char::to_uppercase)
        .collect()
}

/// The last part of an ARN: what people call the role or user.
#[must_use]
pub fn short_arn(arn: &str) -> &str {
    arn::Arn::read(arn).map_or(arn, |it| it.name)
}
