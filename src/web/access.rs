//! What a grant that is not over means for its person at this moment, and what keeps it waiting.
//! Only an open one is drawn as open.

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::find::Delay;
use crate::domain::grant::{Grant, GrantState};

/// How long AWS may take to confirm an end before the page says that it takes long.
const PATIENCE: TimeDelta = TimeDelta::seconds(15);

/// What its person has of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing yet: its start has not come.
    Scheduled,
    /// Nothing that they can count on: AWS is being asked.
    Opening,
    /// Access, until the deadline.
    Active,
    /// Perhaps still access: until AWS agrees, at the latest until the deadline.
    Closing,
}

impl Access {
    /// What they have at `now`; nothing once the grant is over. At the deadline AWS refuses by
    /// itself, so that what is past it counts as closing before the worker has said so.
    #[must_use]
    pub fn of(grant: &Grant, now: &DateTime<Utc>) -> Option<Self> {
        match grant.state {
            GrantState::Scheduled => Some(Self::Scheduled),
            GrantState::Opening { .. } | GrantState::Active { .. } if grant.deadline <= *now => {
                Some(Self::Closing)
            }
            GrantState::Opening { .. } => Some(Self::Opening),
            GrantState::Active { .. } => Some(Self::Active),
            GrantState::Closing(_) => Some(Self::Closing),
            GrantState::Ended { .. } | GrantState::Failed { .. } => None,
        }
    }

    /// The word for it, in a count.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Opening => "opening",
            Self::Active => "active",
            Self::Closing => "closing",
        }
    }
}

/// Since when a closing has been waiting for AWS, where that is longer than usual.
#[must_use]
pub fn waits_since(grant: &Grant, now: &DateTime<Utc>) -> Option<DateTime<Utc>> {
    match &grant.state {
        // Where nothing cuts it, AWS is not waited for.
        GrantState::Closing(closing)
            if grant.early_end.cuts() && *now - closing.since > PATIENCE =>
        {
            Some(closing.since)
        }
        _ => None,
    }
}

/// Until when what was attached may work, where somebody has put it back although it is over.
#[must_use]
pub fn back_until(grant: &Grant, now: &DateTime<Utc>) -> Option<DateTime<Utc>> {
    grant.back_until(*now)
}

/// Who refuses, in a few words.
#[must_use]
pub fn refusal(delay: &Delay) -> String {
    let fixed = match delay.error.as_str() {
        "denied" => "AWS refuses Countersign the calls that it needs",
        "hub_refused" => "Every manager role refuses Countersign's own identity",
        "protected" => "AWS lets nobody but itself change the role",
        "full" => "The role's policies in AWS have no room left",
        "throttled" => "AWS takes no more calls for the moment",
        "unreachable" => "Countersign cannot reach AWS",
        "unclear" => "AWS gives no clear answer",
        "malformed" => "AWS does not take what Countersign sends",
        "clock_skew" => "The clocks of AWS and of the database differ",
        "unvouched" => {
            "Others could have a session of the same name on the role that the person comes as"
        }
        "gone" => "AWS does not find the role",
        "unplanned" => "Countersign cannot plan on what AWS shows: a fault of its own",
        "safe_mode" => "Nothing opens here: the database may be behind AWS",
        "contested" => "Nothing opens here: somebody keeps undoing what Countersign writes",
        // A code of another release is at least named.
        other => return format!("AWS does not do as it is asked ({other})"),
    };
    fixed.to_owned()
}

/// What to do about it.
#[must_use]
pub fn advice(delay: &Delay) -> &'static str {
    match delay.error.as_str() {
        "denied" => {
            "Have the account's administrators give Countersign's role its IAM permissions back; an SCP or a \
             permissions boundary can take them as well."
        }
        "hub_refused" => {
            "Have the people who run Countersign type `countersign doctor`, which names the cause: where its own role \
             was made anew, the trust policies of all manager roles name the old one."
        }
        "safe_mode" | "contested" => {
            "It opens by itself once the people who run Countersign have looked and resumed it \
             (`countersign target resume`)."
        }
        "throttled" | "unclear" => {
            "Countersign goes on asking by itself; this mostly passes within minutes."
        }
        "unplanned" => {
            "The end itself is being written all the same. Have the people who run Countersign look into its log \
             and report it."
        }
        "unreachable" => {
            "Have the people who run Countersign look at its network and at AWS's health."
        }
        "full" => {
            "Have the role's owner remove policies that nobody needs, or have the quota raised."
        }
        "unvouched" => {
            "Have that role's owner let people in by SAML alone, or under their own user names; `countersign doctor` \
             names the statement."
        }
        "clock_skew" => "Have the people who run Countersign set the database's clock.",
        _ => "Have the role's owner and the people who run Countersign look at the role.",
    }
}
