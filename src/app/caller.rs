//! By what somebody calls: a session, a token or a workload identity.

use crate::domain::audit::Actor;
use crate::domain::machine::Machine;
use crate::domain::scope::Scopes;
use crate::error::{CallerError, Error, StateError};
use crate::ids::{MachineId, PersonId};

/// What a caller has shown of themselves, and what it is good for.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What it may be used for.
    pub scopes: Scopes,
    /// The machine that calls on behalf of the person.
    pub machine: Option<Machine>,
    /// The person's groups were told too long ago, or never: they count as none.
    pub groups_unknown: bool,
}

impl Credential {
    /// A session of the portal, which is younger than any groups that count.
    pub const SESSION: Self = Self {
        scopes: Scopes::ALL,
        machine: None,
        groups_unknown: false,
    };

    /// What is told where the person was disabled meanwhile.
    pub(super) fn left(&self) -> Error {
        match &self.machine {
            // Who calls is the machine, whose token works: it is the person who may not ask.
            Some(_) => StateError::NotEligible.into(),
            None => CallerError::Unauthenticated.into(),
        }
    }
}

/// Who calls, as calls and refusals are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A person.
    Person(PersonId),
    /// A machine, on whosever behalf.
    Machine(MachineId),
}

impl Caller {
    /// The one that acts, where it is one that calls.
    #[must_use]
    pub const fn of(actor: &Actor) -> Option<Self> {
        match actor {
            Actor::Person { id, .. } => Some(Self::Person(*id)),
            Actor::Workload { id, .. } => Some(Self::Machine(*id)),
            Actor::Machine { .. } | Actor::System { .. } => None,
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::Machine(id) => id.fmt(f),
        }
    }
}
