//! What an entitlement asks of asking and deciding, beside who decides.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::audit::Channel;
use super::duration::{self, InvalidDuration};

/// Whether something goes with a request or decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It may not.
    None,
    /// It may.
    #[default]
    Optional,
    /// It must.
    Required,
}

impl Presence {
    /// The word used in the catalog and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }

    const fn is_optional(&self) -> bool {
        matches!(self, Self::Optional)
    }
}

/// Through what a request may be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// The web portal.
    Portal,
    /// The REST API.
    Api,
    /// A button in Slack.
    Slack,
    /// A link in a mail.
    Email,
}

impl Via {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Portal, Self::Api, Self::Slack, Self::Email];

    /// The word used in the catalog and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Api => "api",
            Self::Slack => "slack",
            Self::Email => "email",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Every [`Via`] through which a request may be decided. The portal is always among them, since it
/// is there that people find what waits for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<&'static str>")]
pub struct DecideVia(BTreeSet<Via>);

impl DecideVia {
    /// These, and the portal.
    #[must_use]
    pub fn new(named: impl IntoIterator<Item = Via>) -> Self {
        Self(std::iter::once(Via::Portal).chain(named).collect())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Via> {
        self.0.iter().copied()
    }

    /// Whether they are all that there are.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.len() == Via::ALL.len()
    }

    /// Whether somebody who comes by that channel may decide.
    #[must_use]
    pub fn allows(&self, channel: Channel) -> bool {
        match channel {
            Channel::Portal => true,
            Channel::Api => self.0.contains(&Via::Api),
            // Neither has a person who decides.
            Channel::Cli | Channel::System => self.is_all(),
        }
    }
}

impl Default for DecideVia {
    fn default() -> Self {
        Self::new(Via::ALL)
    }
}

impl From<Vec<String>> for DecideVia {
    fn from(words: Vec<String>) -> Self {
        // A word of a later release names a way that does not lead here.
        Self::new(words.iter().filter_map(|it| Via::parse(it)))
    }
}

impl From<DecideVia> for Vec<&'static str> {
    fn from(it: DecideVia) -> Self {
        it.iter().map(Via::as_str).collect()
    }
}

/// Why a wait was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWait {
    /// It is no duration.
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    /// It is none that can be waited for.
    #[error("must be from PT1M (a minute) to PT8760H (a year)")]
    Length,
}

/// A time to wait, in seconds: from a minute to a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wait(i32);

impl Wait {
    const LEAST: i64 = 60;
    const LONGEST: i64 = 8760 * 3600;

    /// The wait of an ISO 8601 duration.
    ///
    /// # Errors
    /// When it is none, or shorter or longer than a wait may be.
    pub fn parse(text: &str) -> Result<Self, InvalidWait> {
        let seconds = duration::parse(text)?;
        let fits = (Self::LEAST..=Self::LONGEST).contains(&seconds);
        let seconds = i32::try_from(seconds).ok().filter(|_| fits);
        seconds.map(Self).ok_or(InvalidWait::Length)
    }

    /// Seconds.
    #[must_use]
    pub const fn seconds(self) -> i32 {
        self.0
    }
}

impl TryFrom<String> for Wait {
    type Error = InvalidWait;

    fn try_from(text: String) -> Result<Self, InvalidWait> {
        Self::parse(&text)
    }
}

impl From<Wait> for String {
    fn from(wait: Wait) -> Self {
        duration::print(wait.0)
    }
}

/// What an entitlement asks of asking and deciding; what is left out is as usual. Stored rules may
/// know more than we do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// The least length of a justification, in characters.
    #[serde(skip_serializing_if = "is_one")]
    pub justification_min: i16,
    /// Whether a ticket goes with a request.
    #[serde(skip_serializing_if = "Presence::is_optional")]
    pub ticket: Presence,
    /// Whether a comment goes with an approval; never [`Presence::None`].
    #[serde(skip_serializing_if = "Presence::is_optional")]
    pub approve_comment: Presence,
    /// Through what it may be decided.
    #[serde(skip_serializing_if = "DecideVia::is_all")]
    pub decide_via: DecideVia,
    /// How many grants that are not over one human may have of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_per_person: Option<i16>,
    /// How many grants that are not over there may be of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<i16>,
    /// After how long those who can decide are reminded; as configured where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_after: Option<Wait>,
    /// After how long a request lapses; as configured where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Wait>,
    /// Whether somebody may decide in place of who is away.
    #[serde(skip_serializing_if = "is_true")]
    pub delegation: bool,
}

impl Rules {
    /// Whether everything is as usual.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What a justification of so many characters lacks, if it does.
    #[must_use]
    pub fn too_short(&self, characters: usize) -> Option<String> {
        let least = usize::try_from(self.justification_min).unwrap_or_default();
        (characters < least)
            .then(|| format!("must have at least {least} characters, not {characters}"))
    }

    /// What is wrong with a ticket being there, or not, if anything is.
    #[must_use]
    pub const fn wrong_ticket(&self, is_there: bool) -> Option<&'static str> {
        match (self.ticket, is_there) {
            (Presence::None, true) => {
                Some("must be left out: no ticket goes with this entitlement")
            }
            (Presence::Required, false) => {
                Some("is missing: this entitlement needs a ticket's name or URL")
            }
            (Presence::None, false) | (Presence::Required, true) | (Presence::Optional, _) => None,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            justification_min: 1,
            ticket: Presence::default(),
            approve_comment: Presence::default(),
            decide_via: DecideVia::default(),
            live_per_person: None,
            live: None,
            remind_after: None,
            expire_after: None,
            delegation: true,
        }
    }
}

const fn is_one(it: &i16) -> bool {
    *it == 1
}

const fn is_true(it: &bool) -> bool {
    *it
}
