//! The largest matching of people to seats, by augmenting paths (Kuhn's algorithm).

use super::seats::Set;
use crate::domain::stages::MOST_SEATS;

/// Who sits where.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Matching {
    /// For each seat who sits on it, and on which seats they may sit.
    sitting: [Option<(usize, Set)>; MOST_SEATS as usize],
}

impl Matching {
    /// A largest matching of people with these sets to the seats of `within`, each known by their
    /// place among `sets`.
    pub fn of(sets: impl Iterator<Item = Set>, within: Set) -> Self {
        let mut matching = Self::default();
        // Only whoever can be seated is tried, so that thousands cost no more than a look each.
        let mut raising = matching.raising(within);
        for (who, set) in sets.enumerate() {
            if set & raising != 0 {
                matching.seat(who, set, within);
                raising = matching.raising(within);
            }
            if raising == 0 {
                break;
            }
        }
        matching
    }

    /// Seats one more; whoever sits already goes on sitting, maybe elsewhere. `false` where there
    /// is no way, and where they sit already.
    pub fn seat(&mut self, who: usize, set: Set, within: Set) -> bool {
        let sits = |it: &Option<(usize, Set)>| it.is_some_and(|(other, _)| other == who);
        !self.sitting.iter().any(sits) && self.place(who, set, &mut (set_of_all() & !within))
    }

    fn place(&mut self, who: usize, set: Set, tried: &mut Set) -> bool {
        for seat in bits(set) {
            if *tried & (1 << seat) != 0 {
                continue;
            }
            *tried |= 1 << seat;
            let is_free = match self.sitting[seat] {
                None => true,
                Some((other, others)) => self.place(other, others, tried),
            };
            if is_free {
                self.sitting[seat] = Some((who, set));
                return true;
            }
        }
        false
    }

    /// The seats of `within` of which one more person needs one to be seated: the free ones, and
    /// those that somebody can leave for one of these.
    pub fn raising(&self, within: Set) -> Set {
        let mut raising = 0;
        loop {
            let before = raising;
            for seat in bits(within & !before) {
                let leaves = match self.sitting[seat] {
                    None => true,
                    Some((_, others)) => others & raising != 0,
                };
                raising |= if leaves { 1 << seat } else { 0 };
            }
            if raising == before {
                return raising;
            }
        }
    }

    /// Who sits on that seat.
    pub fn on(&self, seat: usize) -> Option<usize> {
        self.sitting[seat].map(|(who, _)| who)
    }

    /// How many sit.
    pub fn size(&self) -> u32 {
        self.set().count_ones()
    }

    /// The seats that are filled.
    pub fn set(&self) -> Set {
        let filled = |seat: &usize| self.sitting[*seat].is_some();
        let seats = (0..self.sitting.len()).filter(filled);
        seats.fold(0, |set, seat| set | 1 << seat)
    }
}

const fn set_of_all() -> Set {
    (1 << MOST_SEATS) - 1
}

fn bits(set: Set) -> impl Iterator<Item = usize> {
    (0..MOST_SEATS as usize).filter(move |seat| set & (1 << seat) != 0)
}
