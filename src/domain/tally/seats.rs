//! The seats of a request, and whom its groups let sit on which.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Seat;
use crate::domain::stages::{GroupSeats, Stages};

/// A set of seats, one bit for each: there are ten at most.
pub(super) type Set = u16;

/// The seats that the members of a group may have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    /// Now.
    pub now: Set,
    /// Once every escalation is due.
    pub later: Set,
}

/// Every seat, in the order of stages and groups.
#[derive(Debug)]
pub(super) struct Seats<'a> {
    /// The stage's number and the group of each seat.
    all: Vec<(i16, &'a str)>,
    /// What each group opens.
    groups: HashMap<&'a str, Open>,
    /// For each stage its own seats and those of all before it.
    through: Vec<Set>,
}

impl<'a> Seats<'a> {
    pub fn of(stages: &'a Stages, opened: &[Option<DateTime<Utc>>], now: DateTime<Utc>) -> Self {
        let mut seats = Self {
            all: Vec::new(),
            groups: HashMap::new(),
            through: Vec::new(),
        };
        let opened = opened.iter().copied().chain(std::iter::repeat(None));
        for ((number, stage), opened) in (1..).zip(stages).zip(opened) {
            for group in &stage.groups {
                seats.add(number, group, opened, now);
            }
            seats.through.push((1 << seats.all.len()) - 1);
        }
        seats
    }

    fn add(
        &mut self,
        stage: i16,
        seats: &'a GroupSeats,
        opened: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) {
        let mut set = 0;
        for _ in 0..seats.needed {
            set |= 1 << self.all.len();
            self.all.push((stage, &seats.group));
        }
        let open = self.groups.entry(&seats.group).or_default();
        open.now |= set;
        open.later |= set;
        if let Some(escalation) = &seats.escalation {
            let is_due = opened.is_some_and(|at| escalation.due_at(at) <= now);
            let open = self.groups.entry(&escalation.to).or_default();
            open.now |= if is_due { set } else { 0 };
            open.later |= set;
        }
    }

    /// What the members of all these groups may have.
    pub fn of_groups(&self, groups: &[String]) -> Open {
        let mut all = Open::default();
        for open in groups.iter().filter_map(|it| self.groups.get(it.as_str())) {
            all.now |= open.now;
            all.later |= open.later;
        }
        all
    }

    /// For each stage its own seats and those of all before it.
    pub fn through(&self) -> &[Set] {
        &self.through
    }

    /// All seats.
    pub fn whole(&self) -> Set {
        self.through.last().copied().unwrap_or_default()
    }

    /// Each seat with its place in sets.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Seat)> {
        self.all.iter().enumerate().map(|(at, (stage, group))| {
            let group = (*group).to_owned();
            let stage = *stage;
            (at, Seat { stage, group })
        })
    }
}
