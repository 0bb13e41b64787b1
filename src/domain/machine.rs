//! Programs that ask on behalf of people.

use super::person::Person;
use super::scope::Scopes;
use crate::ids::{MachineId, PersonId};

/// A program that asks on behalf of people, reads what it asked for, and never decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// What people call it.
    pub name: String,
    /// Who answers for it.
    pub owner: PersonId,
    /// What it may do: the scopes that it has, and of these only those of the token in use.
    pub scopes: Scopes,
    /// The names of the entitlements that it may ask for.
    pub entitlements: Vec<String>,
}

impl Machine {
    /// Whether it may ask for the entitlement of that name.
    #[must_use]
    pub fn may_ask_for(&self, entitlement: &str) -> bool {
        self.entitlements.iter().any(|it| it == entitlement)
    }
}

/// Who has sent a request: its person, or a machine on their behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedBy {
    /// The person whom it is for, by that name.
    Person(String),
    /// A machine.
    Machine(Asked),
}

/// The machine that has asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: MachineId,
    /// What people call it.
    pub name: String,
    /// Whose it was then.
    pub owner_then: PersonId,
    /// Whose it is.
    pub owner: PersonId,
}

impl RequestedBy {
    /// The machine, where it was one.
    #[must_use]
    pub const fn machine(&self) -> Option<&Asked> {
        match self {
            Self::Machine(asked) => Some(asked),
            Self::Person(_) => None,
        }
    }

    /// Whether that person has asked by way of a machine: it was theirs, or is, by whichever
    /// account.
    #[must_use]
    pub fn is_through(&self, person: &Person) -> bool {
        let asked = self.machine();
        asked.is_some_and(|it| person.is(it.owner) || person.is(it.owner_then))
    }
}
