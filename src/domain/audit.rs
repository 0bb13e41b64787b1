//! The words of the audit log.

mod action;
mod told;
pub mod verb;

use chrono::{DateTime, Utc};

use crate::ids::{MachineId, PersonId};
use verb::Verb;

pub use action::{Action, ActionName, NAMES, Taken};
pub use told::Told;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Someone who signed in, or whose token was used.
    Person {
        /// Their id.
        id: PersonId,
        /// Their name as it is now.
        name: String,
    },
    /// Somebody with access to the server's own command line.
    Machine {
        /// What it calls itself.
        name: String,
    },
    /// A program that asks on behalf of people.
    Workload {
        /// Its id.
        id: MachineId,
        /// Its name as it is now.
        name: String,
        /// For whom, once that is known.
        on_behalf_of: Option<PersonId>,
    },
    /// A part of Countersign.
    System {
        /// Which.
        part: &'static str,
    },
}

/// Through what it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The web portal.
    Portal,
    /// The REST API.
    Api,
    /// The command line of the server.
    Cli,
    /// Countersign itself.
    System,
}

impl Channel {
    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }
}

/// With what result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// The caller may not, or the state forbids it; the error code.
    Refused(&'static str),
    /// It was tried and did not work; the error code.
    Failure(&'static str),
}

/// One row of the audit log, before it has its id.
#[must_use = "an event that is not stored tells nobody"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub told: Told,
    /// Who.
    pub actor: Actor,
    /// TypeID of what it was done to, or its name where it has no row.
    pub subject: String,
    /// Through what.
    pub channel: Channel,
    /// With what result.
    pub outcome: Outcome,
}

/// Who acts and when: what every transition needs to tell of itself.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// Through what.
    pub channel: Channel,
    /// When (UTC).
    pub at: DateTime<Utc>,
}

impl By {
    /// A part of Countersign, acting by itself.
    #[must_use]
    pub const fn system(part: &'static str, at: DateTime<Utc>) -> Self {
        Self {
            actor: Actor::System { part },
            channel: Channel::System,
            at,
        }
    }

    /// The event of something that was done.
    pub fn did(&self, subject: impl ToString, action: Action) -> Event {
        self.event(subject, Told::Done(action), Outcome::Success)
    }

    /// The event of something that was tried and did not work, with the error code.
    pub fn failed(&self, subject: impl ToString, action: Action, code: &'static str) -> Event {
        self.event(subject, Told::Done(action), Outcome::Failure(code))
    }

    /// The event of something that was refused, with more to tell of it than its verb and the error
    /// code.
    pub fn barred(&self, subject: impl ToString, action: Action, code: &'static str) -> Event {
        self.event(subject, Told::Done(action), Outcome::Refused(code))
    }

    /// The event of a verb that was refused, with the error code; of so many with `count`.
    pub fn refused(
        &self,
        subject: impl ToString,
        verb: Verb,
        code: &'static str,
        count: Option<u32>,
    ) -> Event {
        let told = Told::Refused { verb, count };
        self.event(subject, told, Outcome::Refused(code))
    }

    fn event(&self, subject: impl ToString, told: Told, outcome: Outcome) -> Event {
        Event {
            at: self.at,
            told,
            actor: self.actor.clone(),
            subject: subject.to_string(),
            channel: self.channel,
            outcome,
        }
    }
}
