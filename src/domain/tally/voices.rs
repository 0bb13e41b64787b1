//! Who may sit where: by groups of their own, or in the place of somebody who is away.

use super::Case;
use super::Verdict;
use super::seats::{Open, Seats, Set};
use crate::ids::PersonId;

/// One human, as far as this request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    /// Who it is.
    pub id: PersonId,
    /// Whether an account of theirs is active.
    pub is_active: bool,
    /// Whether they stand on the side that has asked.
    pub is_asker: bool,
    /// Their vote, where it stands.
    pub vote: Option<Verdict>,
    /// The place of who stands in for them.
    pub delegate: Option<usize>,
    /// What their own groups open.
    own: Open,
    /// What is open to them by others who are away and have no vote.
    lent: Open,
    /// The seats that two or more of these lend.
    lent_twice: Set,
    /// Whether somebody who has a vote would lend them a seat.
    has_voiceless: bool,
}

impl Voice {
    /// Whether they may sit anywhere at all.
    const fn counts(&self) -> bool {
        self.is_active && !self.is_asker
    }

    /// The seats on which they may sit now.
    pub const fn sits(&self) -> Set {
        if self.counts() {
            self.own.now | self.lent.now
        } else {
            0
        }
    }

    /// The same by their own groups alone.
    pub const fn sits_by_own(&self) -> Set {
        if self.counts() { self.own.now } else { 0 }
    }

    /// The seats on which they may sit once every escalation is due.
    pub const fn sits_later(&self) -> Set {
        if self.counts() {
            self.own.later | self.lent.later
        } else {
            0
        }
    }

    /// Whether the request's groups make them an approver, whatever stands against it.
    pub const fn is_named(&self) -> bool {
        self.own.later | self.lent.later != 0 || self.has_voiceless
    }

    /// What they could not sit on any more, were the vote of `from` given, who delegates to them.
    pub const fn loses(&self, from: &Self) -> Set {
        from.sits_by_own() & !self.lent_twice & !self.own.now
    }

    fn borrow(&mut self, from: &Self) {
        if from.vote.is_some() {
            self.has_voiceless |= from.own.later != 0;
            return;
        }
        self.lent_twice |= self.lent.now & from.own.now;
        self.lent.now |= from.own.now;
        self.lent.later |= from.own.later;
    }
}

/// Everybody, by their places in `People`.
pub(super) fn voices(case: &Case<'_>, seats: &Seats<'_>) -> Vec<Voice> {
    let mut voices: Vec<Voice> = case
        .people
        .iter()
        .map(|(human, delegate)| Voice {
            id: human.id,
            is_active: human.is_active,
            is_asker: case.asked_by.contains(&human.id),
            vote: None,
            delegate: delegate.filter(|_| case.delegation),
            own: seats.of_groups(&human.groups),
            lent: Open::default(),
            lent_twice: 0,
            has_voiceless: false,
        })
        .collect();
    for vote in case.votes {
        if let Some(place) = case.people.place(vote.person) {
            voices[place].vote = Some(vote.verdict);
        }
    }
    for from in 0..voices.len() {
        let lender = voices[from];
        if let Some(to) = lender.delegate.filter(|to| *to != from && lender.counts()) {
            voices[to].borrow(&lender);
        }
    }
    voices
}
