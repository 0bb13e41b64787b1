//! How far a request is: who fills which seat, who can still vote, and whether it can ever be
//! completed. Nothing else knows how many approvals are needed.
//!
//! One human has one vote in a request and fills one seat at most. Who sits where is a matching of
//! the votes to the seats of all stages up to the open one, and is made anew each time: whoever is
//! in two groups is never in the way of somebody who is in one of them.

mod groups;
mod matching;
mod people;
mod seats;
mod voices;

use chrono::{DateTime, Utc};

pub use self::groups::GroupTally;
use self::matching::Matching;
pub use self::people::{Delegation, Human, People};
use self::seats::{Seats, Set};
use self::voices::{Voice, voices};
use super::stages::{Stage, Stages};
use crate::ids::PersonId;

/// What somebody has said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No. It ends the request, and fills no seat.
    Deny,
}

/// A vote that stands: the last one of its human, unless they took it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// The human.
    pub person: PersonId,
    /// What they said.
    pub verdict: Verdict,
}

/// A request with everything that its tally depends on. People are humans throughout: accounts of
/// one human go by the id that counts for all of them.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Who has to approve.
    pub stages: &'a Stages,
    /// When each stage was opened first, in their order; `None`, or nothing at all, where it was
    /// not yet.
    pub opened: &'a [Option<DateTime<Utc>>],
    /// The time now, for escalations.
    pub now: DateTime<Utc>,
    /// The votes that stand; of several of one human the last one counts.
    pub votes: &'a [Vote],
    /// Everybody who may count.
    pub people: &'a People,
    /// Whom it is for, and who stands on their side: they sit nowhere.
    pub asked_by: &'a [PersonId],
    /// Whether delegations count for this entitlement.
    pub delegation: bool,
}

/// A place that one approver fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The number of its stage, from 1.
    pub stage: i16,
    /// Its group.
    pub group: String,
}

/// A seat with who fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seated {
    /// The seat.
    pub seat: Seat,
    /// Who has voted.
    pub person: PersonId,
    /// In whose place, where it is not by a group of their own.
    pub stood_in_for: Option<PersonId>,
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tally {
    /// Every seat is filled, each by another human.
    Complete {
        /// All seats, in the order of stages and groups.
        seats: Vec<Seated>,
    },
    /// More approvals are needed.
    Open {
        /// The number of the open stage, from 1.
        stage: i16,
        /// How many of its seats are filled.
        have: i16,
        /// How many it has.
        needed: i16,
        /// Who can vote now, by id.
        can: Vec<PersonId>,
        /// Whether some further votes of the people that there are now would complete it: without
        /// those whom an escalation would add later.
        fillable: bool,
    },
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageState {
    /// Its seats are filled.
    Closed,
    /// It waits for people.
    Open,
    /// One before it is open.
    Waiting,
}

impl StageState {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Waiting => "waiting",
        }
    }
}

/// How far one stage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTally {
    /// Its number, from 1.
    pub stage: i16,
    /// Where it stands.
    pub state: StageState,
    /// How many seats it has.
    pub needed: i16,
    /// How many of them are filled; none while it waits.
    pub have: i16,
    /// Who can vote now; nobody unless it is open.
    pub can: Vec<PersonId>,
}

/// Why somebody may not vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They stand on the side that has asked, and would be an approver otherwise.
    #[error("own request")]
    SelfApproval,
    /// They are no approver of it: in none of its groups, nor for anybody who is; or disabled.
    #[error("not an approver")]
    NotApprover,
    /// They have a vote that stands.
    #[error("already decided")]
    AlreadyDecided,
    /// A later stage may need them.
    #[error("their stage is not open")]
    StageNotOpen,
    /// Nothing that is still missing can come from them.
    #[error("not needed")]
    NotNeeded,
}

/// A request that has been counted.
#[derive(Debug)]
pub struct Count<'a> {
    case: Case<'a>,
    seats: Seats<'a>,
    voices: Vec<Voice>,
    tally: Tally,
}

/// Counts a request.
#[must_use]
pub fn tally(case: Case<'_>) -> Count<'_> {
    let seats = Seats::of(case.stages, case.opened, case.now);
    let voices = voices(&case, &seats);
    let tally = count(&seats, &voices);
    Count {
        case,
        seats,
        voices,
        tally,
    }
}

fn count(seats: &Seats<'_>, voices: &[Voice]) -> Tally {
    let approves = |who: &usize| voices[*who].vote == Some(Verdict::Approve);
    let voters: Vec<usize> = (0..voices.len()).filter(approves).collect();
    let mut matching = Matching::default();
    let mut before = 0;
    for (stage, through) in (1..).zip(seats.through().iter().copied()) {
        for who in &voters {
            matching.seat(*who, voices[*who].sits(), through);
        }
        if matching.size() < through.count_ones() {
            return Tally::Open {
                stage,
                have: number(matching.size() - before),
                needed: number(through.count_ones() - before),
                can: can(voices, &voters, &matching, through),
                fillable: is_fillable(seats, voices),
            };
        }
        before = through.count_ones();
    }
    let seats = seats.iter().filter_map(|(at, seat)| {
        let who = matching.on(at)?;
        Some(Seated {
            seat,
            person: voices[who].id,
            stood_in_for: stood_in_for(voices, who, at),
        })
    });
    Tally::Complete {
        seats: seats.collect(),
    }
}

/// Whoever has no vote, and whose vote would seat one more on `through`.
fn can(voices: &[Voice], voters: &[usize], matching: &Matching, through: Set) -> Vec<PersonId> {
    let raising = matching.raising(through);
    let is_needed = |voice: &&Voice| match taken_back(voices, voters, voice) {
        _ if voice.vote.is_some() => false,
        None => voice.sits() & raising != 0,
        Some(lost) => recount(voices, voters, voice, lost, through) > matching.size(),
    };
    let can = voices.iter().filter(is_needed);
    can.map(|it| it.id).collect()
}

/// Who has voted in the place of `voice`, and what they could not sit on any more after the vote of
/// `voice` itself; `None` where they lose nothing.
fn taken_back(voices: &[Voice], voters: &[usize], voice: &Voice) -> Option<(usize, Set)> {
    let delegate = voice.delegate.filter(|it| voters.contains(it))?;
    let lost = voices[delegate].loses(voice);
    (lost != 0).then_some((delegate, lost))
}

/// How many would sit after the vote of `voice`.
fn recount(
    voices: &[Voice],
    voters: &[usize],
    voice: &Voice,
    (delegate, lost): (usize, Set),
    through: Set,
) -> u32 {
    let sets = voters.iter().map(|it| {
        let lost = if *it == delegate { lost } else { 0 };
        voices[*it].sits() & !lost
    });
    let with_one_more = sets.chain([voice.sits()]);
    Matching::of(with_one_more, through).size()
}

/// Whether the people that there are could fill every seat. Delegations change nothing about it:
/// whoever lends a seat could sit there instead, and lends it to one human alone.
fn is_fillable(seats: &Seats<'_>, voices: &[Voice]) -> bool {
    let may_be_yes = voices.iter().filter(|it| it.vote != Some(Verdict::Deny));
    let sets = may_be_yes.map(Voice::sits_by_own);
    Matching::of(sets, seats.whole()).set() == seats.whole()
}

/// Whose seat it is, where it is not one of their own groups.
fn stood_in_for(voices: &[Voice], who: usize, seat: usize) -> Option<PersonId> {
    let is_of = |set: Set| set & (1 << seat) != 0;
    if is_of(voices[who].sits_by_own()) {
        return None;
    }
    let lends =
        |it: &&Voice| it.delegate == Some(who) && it.vote.is_none() && is_of(it.sits_by_own());
    voices.iter().find(lends).map(|it| it.id)
}

/// There are ten seats at most.
fn number(seats: u32) -> i16 {
    i16::try_from(seats).unwrap_or(i16::MAX)
}

impl Count<'_> {
    /// How far it is.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The number of the open stage; `None` where every seat is filled.
    #[must_use]
    pub const fn open_stage(&self) -> Option<i16> {
        match &self.tally {
            Tally::Open { stage, .. } => Some(*stage),
            Tally::Complete { .. } => None,
        }
    }

    /// Whether it is complete, or the people that there are could complete it.
    #[must_use]
    pub const fn is_fillable(&self) -> bool {
        match &self.tally {
            Tally::Open { fillable, .. } => *fillable,
            Tally::Complete { .. } => true,
        }
    }

    /// How far each stage is.
    #[must_use]
    pub fn stages(&self) -> Vec<StageTally> {
        let row = |(number, it): (i16, &Stage)| match &self.tally {
            Tally::Open {
                stage, have, can, ..
            } if number == *stage => StageTally {
                stage: number,
                state: StageState::Open,
                needed: it.seats(),
                have: *have,
                can: can.clone(),
            },
            Tally::Open { stage, .. } if number > *stage => StageTally {
                stage: number,
                state: StageState::Waiting,
                needed: it.seats(),
                have: 0,
                can: Vec::new(),
            },
            _ => StageTally {
                stage: number,
                state: StageState::Closed,
                needed: it.seats(),
                have: it.seats(),
                can: Vec::new(),
            },
        };
        (1..).zip(self.case.stages).map(row).collect()
    }

    /// Whether that human may approve now.
    ///
    /// # Errors
    /// Why not. To whoever may not see the request, that is for the caller to hide.
    pub fn may_vote(&self, person: PersonId) -> Result<(), Refusal> {
        let voice = self.approver(person)?;
        if voice.vote.is_some() {
            return Err(Refusal::AlreadyDecided);
        }
        match &self.tally {
            Tally::Open { can, .. } if can.binary_search(&person).is_ok() => Ok(()),
            _ => Err(self.not_now(voice)),
        }
    }

    /// Whether that human may deny now: whoever may sit in a stage that is open or closed, also
    /// after they have approved.
    ///
    /// # Errors
    /// Why not; never `AlreadyDecided`.
    pub fn may_deny(&self, person: PersonId) -> Result<(), Refusal> {
        let voice = self.approver(person)?;
        if voice.sits() & self.through() != 0 {
            return Ok(());
        }
        Err(self.not_now(voice))
    }

    /// Whoever is in a group of the request, or stands in for somebody who is.
    fn approver(&self, person: PersonId) -> Result<&Voice, Refusal> {
        let place = self.case.people.place(person);
        let voice = place.map(|it| &self.voices[it]);
        match voice.filter(|it| it.is_active && it.is_named()) {
            None => Err(Refusal::NotApprover),
            Some(voice) if voice.is_asker => Err(Refusal::SelfApproval),
            Some(voice) => Ok(voice),
        }
    }

    fn not_now(&self, voice: &Voice) -> Refusal {
        if voice.sits_later() & !self.through() != 0 {
            Refusal::StageNotOpen
        } else {
            Refusal::NotNeeded
        }
    }

    /// The seats of the stages that are open or closed.
    fn through(&self) -> Set {
        let Tally::Open { stage, .. } = &self.tally else {
            return self.seats.whole();
        };
        let mut through = (1..).zip(self.seats.through());
        let open = through.find(|(number, _): &(i16, &Set)| number == stage);
        open.map_or_else(|| self.seats.whole(), |(_, set)| *set)
    }
}
