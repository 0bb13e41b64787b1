//! What does not go with where a request or grant stands.

use super::About;
use super::vote::VoteError;
use crate::domain::change::WrongState;

/// A verb that comes too late, or for people who have changed since.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The verb does not go with the state.
    #[error(transparent)]
    Wrong(#[from] WrongState),
    /// A voice is not taken.
    #[error(transparent)]
    Vote(#[from] VoteError),
    /// Who asked may not ask for it any more.
    #[error("not eligible")]
    NotEligible,
    /// The person's groups were told too long ago, or are not known.
    #[error("groups stale")]
    GroupsStale,
    /// The grant's method hands nothing out.
    #[error("not fetched")]
    NotFetched,
    /// Too little of the grant's time is left.
    #[error("too late")]
    TooLate,
    /// The guard is not known to stand.
    #[error("unguarded")]
    Unguarded,
    /// The grant cannot be extended.
    #[error(transparent)]
    Unextendable(#[from] Unextendable),
    /// A revocation holds it.
    #[error("on hold")]
    OnHold,
    /// Nothing could cut the console.
    #[error("no console")]
    NoConsole,
    /// AWS was seen to be of a later time than the database.
    #[error("rewound")]
    Rewound,
    /// AWS has another time than the database.
    #[error("clocks differ")]
    ClocksDiffer,
    /// The end of the grant is not tried.
    #[error(transparent)]
    Unprobed(#[from] Unprobed),
}

impl StateError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Wrong(WrongState {
                verb,
                subject,
                state,
            }) => About::new(
                "wrong_state",
                409,
                "It is too late for this",
                format!("You cannot {verb} it: this {subject} is {state}."),
            ),
            Self::Vote(error) => error.about(),
            Self::NotEligible => About::new(
                "not_eligible",
                409,
                "The requester may not ask for this",
                "They are not in the group that may ask, or not any more, or they are disabled.",
            ),
            Self::GroupsStale => groups_stale(),
            Self::NotFetched => About::new(
                "not_fetched",
                409,
                "There are no credentials to fetch",
                "This grant lets your own AWS identity assume the role: do it with your own keys.",
            ),
            Self::TooLate => About::new(
                "too_late",
                409,
                "There is too little time left",
                "Less than a minute is left of this grant. Ask for another one.",
            ),
            Self::Unextendable(error) => error.about(),
            Self::OnHold => About::new(
                "on_hold",
                409,
                "An admin holds this",
                "An admin has ended everything of this person, role or account, or everything, and nothing \
                 of it is opened or handed out until an admin lifts that. Requests may wait until then.",
            ),
            Self::NoConsole => no_console(),
            Self::Rewound => rewound(),
            Self::ClocksDiffer => clocks_differ(),
            Self::Unprobed(error) => error.about(),
            Self::Unguarded => About::new(
                "guard_unconfirmed",
                409,
                "AWS has not confirmed the role's guard",
                "Credentials are handed out only while AWS is known to hold what ends them: the \
                 role's guard, and the pins under which the role lets Countersign in. It is being \
                 looked at: try again in a moment.",
            ),
        }
    }
}

fn groups_stale() -> About {
    About::new(
        "groups_stale",
        409,
        "It is too long ago that the groups were told",
        "Tokens and machines go by the groups that the sign-in provider told last, and not for ever. The person \
         whom the token speaks for, or on whose behalf it is asked, has to sign in to the portal once.",
    )
}

fn no_console() -> About {
    About::new(
        "no_console",
        409,
        "There is no link to the console",
        "Nothing of this grant can be cut early, and a console may go on under other keys than those that \
         it was opened with. Fetch credentials instead.",
    )
}

fn rewound() -> About {
    About::new(
        "rewind_seen",
        409,
        "The database may be behind AWS",
        "AWS was seen to be of a later time than the database. Credentials that nothing could cut are handed \
         out again once the people who run Countersign have looked: `countersign doctor` names where, and \
         `countersign target resume` takes it back.",
    )
}

fn clocks_differ() -> About {
    About::new(
        "clock_skew",
        409,
        "The clocks of AWS and of Countersign differ",
        "The session would not end when this grant does, and nothing could cut it. Nobody got it. Have the \
         people who run Countersign set the database's clock.",
    )
}

/// Why an open grant cannot be extended.
#[derive(Debug, thiserror::Error)]
pub enum Unextendable {
    /// An extension of it waits for a decision already.
    #[error("extension waits")]
    Waits,
    /// It lasts as long as its entitlement lets it.
    #[error("as long as may be")]
    Longest,
    /// Its person could do without it, by this.
    #[error("bypassed")]
    Bypassed(String),
}

impl Unextendable {
    fn about(&self) -> About {
        match self {
            Self::Waits => About::new(
                "extension_pending",
                409,
                "An extension waits already",
                "It has to be decided, withdrawn or lapse before another one can be asked for.",
            ),
            Self::Longest => About::new(
                "as_long_as_may_be",
                409,
                "This cannot be longer",
                "It lasts as long as its entitlement lets it, counted from its start. Ask for it anew \
                 instead: the two may overlap.",
            ),
            Self::Bypassed(policy) => About::new(
                "bypassed",
                409,
                "This is not extended: it is not all that lets its person in",
                format!(
                    "By {policy} they could do without this grant, so that its end ends nothing. Have that taken \
                     away, and ask anew."
                ),
            ),
        }
    }
}

/// Why nobody tries whether AWS denies the sessions of a grant.
#[derive(Debug, thiserror::Error)]
pub enum Unprobed {
    /// Countersign cannot assume the role of a grant of that method.
    #[error("not probed")]
    Method,
    /// A session that is made to try it might outlast the guard.
    #[error("guard ends")]
    GuardEnds,
}

impl Unprobed {
    fn about(&self) -> About {
        match self {
            Self::Method => About::new(
                "not_probed",
                409,
                "This cannot be tried",
                "Countersign tries sessions of roles that it assumes itself (sts_credentials). Of other grants \
                 the role's guard, as it was read back, is what there is to see.",
            ),
            Self::GuardEnds => About::new(
                "guard_ends",
                409,
                "This is not tried any more",
                "A session that is made to try it could outlast the role's guard: either nothing was ever handed \
                 out for this grant, or it ended so long ago that hardly a session of it can be left.",
            ),
        }
    }
}
