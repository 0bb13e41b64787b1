//! Ending everything of a person, a role or user, an account, or everywhere; and the hold that
//! keeps it from opening again.

use chrono::{DateTime, Utc};

use super::audit::{Action, By};
use super::change::{Change, WrongState};
use super::text::Words;
use crate::ids::{PersonId, RevocationId, TargetId};

/// What a revocation ends and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What was opened for a person.
    Person(PersonId),
    /// What is opened on a role, or carried by a user.
    Role(TargetId),
    /// What is written to anything in an account, by its 12 digits.
    Account(String),
    /// Everything that this installation has opened.
    Everything,
}

impl Scope {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            // A CHECK lists these words: a new one needs a migration.
            Self::Person(_) => "person",
            Self::Role(_) => "role",
            Self::Account(_) => "account",
            Self::Everything => "everything",
        }
    }
}

/// Where the hold of a revocation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nothing of the scope opens.
    Held,
    /// Nothing does, and one of the two people who lift a hold on everything has said so.
    Lifting {
        /// Who.
        by: PersonId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It may be opened again, by new requests and by those that still wait.
    Lifted {
        /// Who asked for it, where two people were needed.
        asked: Option<(PersonId, DateTime<Utc>)>,
        /// Who.
        by: PersonId,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Hold {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Lifting { .. } => "lifting",
            Self::Lifted { .. } => "lifted",
        }
    }

    /// Whether nothing of the scope opens.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !matches!(self, Self::Lifted { .. })
    }
}

/// An admin's word that everything of a scope ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its id.
    pub id: RevocationId,
    /// What it ends and holds.
    pub scope: Scope,
    /// Why, in the admin's words.
    pub reason: Words,
    /// Who.
    pub begun_by: PersonId,
    /// From when it holds.
    pub begun_at: DateTime<Utc>,
    /// When nothing was left that could still be ended: it closes then, or is over.
    pub through_at: Option<DateTime<Utc>>,
    /// Where its hold stands.
    pub hold: Hold,
}

impl Revocation {
    /// A new one, of a scope that is `called` so: by TypeID, ARN or account.
    #[must_use = "a transition that is not stored did not happen"]
    pub fn begin(
        scope: Scope,
        called: Option<String>,
        reason: Words,
        person: PersonId,
        by: &By,
    ) -> Change<Self> {
        let id = RevocationId::new();
        let told = Action::RevocationBegun {
            scope: scope.as_str().to_owned(),
            of: called,
            reason: reason.to_string(),
        };
        let event = by.did(id, told);
        let value = Self {
            id,
            scope,
            reason,
            begun_by: person,
            begun_at: by.at,
            through_at: None,
            hold: Hold::Held,
        };
        Change { value, event }
    }

    /// Why its hold is not lifted yet.
    #[must_use]
    pub const fn is_ending(&self) -> WrongState {
        WrongState {
            verb: "lift",
            subject: "revocation",
            state: "still ending what is open",
        }
    }

    /// One person lifts its hold; of a hold on everything, the first asks and another one does.
    /// Whether it is another one, `authz::lift` has asked.
    ///
    /// # Errors
    /// When something of it may still be open, or it is lifted already.
    pub fn lift(mut self, person: PersonId, by: &By) -> Result<Change<Self>, WrongState> {
        // Lifted before that, it would leave open what no batch has come to.
        if self.through_at.is_none() {
            return Err(self.is_ending());
        }
        let at = by.at;
        let (hold, told) = match (self.hold, &self.scope) {
            (Hold::Lifted { .. }, _) => {
                return Err(WrongState {
                    verb: "lift",
                    subject: "hold",
                    state: self.hold.as_str(),
                });
            }
            (Hold::Held, Scope::Everything) => {
                let asked = Hold::Lifting { by: person, at };
                (asked, Action::RevocationLiftAsked {})
            }
            (Hold::Held, _) => (lifted(None, person, at), Action::RevocationLifted {}),
            (Hold::Lifting { by, at: since }, _) => {
                let asked = Some((by, since));
                (lifted(asked, person, at), Action::RevocationLifted {})
            }
        };
        self.hold = hold;
        let event = by.did(self.id, told);
        Ok(Change { value: self, event })
    }
}

const fn lifted(asked: Option<(PersonId, DateTime<Utc>)>, by: PersonId, at: DateTime<Utc>) -> Hold {
    Hold::Lifted { asked, by, at }
}
