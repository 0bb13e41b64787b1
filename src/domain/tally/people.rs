//! The humans whose votes may count.

use crate::ids::PersonId;

/// A human, or one of their accounts: entries of one id are one human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Human {
    /// The id that counts for all of the human's accounts.
    pub id: PersonId,
    /// Whether the account is active. What is disabled adds no groups.
    pub is_active: bool,
    /// The groups that it is in. Those that a request does not name may be left out.
    pub groups: Vec<String>,
}

/// One human stands in for another while it is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delegation {
    /// Who is away.
    pub from: PersonId,
    /// Who votes in their place.
    pub to: PersonId,
}

/// Humans, each once, with who stands in for them.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// By id.
    humans: Vec<Human>,
    /// For each human the place of who stands in for them.
    delegates: Vec<Option<usize>>,
}

impl People {
    /// These humans with the delegations that are live. A human has one voice, and one other can
    /// have it: of several delegations from one human the last one counts.
    #[must_use]
    pub fn new(mut humans: Vec<Human>, delegations: &[Delegation]) -> Self {
        humans.sort_by_key(|it| it.id);
        for account in &mut humans {
            if !account.is_active {
                account.groups.clear();
            }
        }
        humans.dedup_by(|account, human| {
            let is_same = account.id == human.id;
            if is_same {
                human.is_active |= account.is_active;
                human.groups.append(&mut account.groups);
            }
            is_same
        });
        let mut people = Self {
            delegates: vec![None; humans.len()],
            humans,
        };
        for it in delegations {
            if let Some(from) = people.place(it.from) {
                people.delegates[from] = people.place(it.to);
            }
        }
        people
    }

    /// Each human with the place of who stands in for them, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Human, Option<usize>)> {
        self.humans.iter().zip(self.delegates.iter().copied())
    }

    /// The place of a human.
    pub(super) fn place(&self, id: PersonId) -> Option<usize> {
        self.humans.binary_search_by_key(&id, |it| it.id).ok()
    }
}
