//! The groups of a request as lists ask for them: whose members would bring it further.

use chrono::{DateTime, Utc};

use super::matching::Matching;
use super::seats::Set;
use super::{Count, Seat, Tally, Verdict, stood_in_for};
use crate::ids::PersonId;

/// A group that a request names, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTally {
    /// The number of its stage, from 1.
    pub stage: i16,
    /// The group.
    pub group: String,
    /// Whether it is one that the stage escalates to.
    pub escalation: bool,
    /// From when it decides, where it is one; `None` while its stage was never open.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether one more vote of a member would fill one more seat.
    pub wanted: bool,
}

impl GroupTally {
    /// Whether it is one to escalate to that decides by now, in the stage that is open.
    #[must_use]
    pub fn is_escalated(&self, open: Option<i16>, now: DateTime<Utc>) -> bool {
        Some(self.stage) == open && self.due_at.is_some_and(|at| at <= now)
    }
}

impl Count<'_> {
    /// Every group that it names, each once in a stage as itself and once as one to escalate to.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupTally> {
        let raising = self.raising();
        let open = match &self.tally {
            Tally::Open { stage, .. } => *stage,
            Tally::Complete { .. } => i16::MAX,
        };
        let opened = self.case.opened.iter().copied();
        let opened = opened.chain(std::iter::repeat(None));
        let mut groups = Vec::new();
        for ((stage, it), opened) in (1..).zip(self.case.stages).zip(opened) {
            // What is open and never was opens now.
            let opened = opened.or((stage <= open).then_some(self.case.now));
            for seats in &it.groups {
                let is_raising = |seat: &Seat| seat.stage == stage && seat.group == seats.group;
                let wanted = raising.iter().any(is_raising);
                groups.push(GroupTally {
                    stage,
                    group: seats.group.clone(),
                    escalation: false,
                    due_at: None,
                    wanted,
                });
                let Some(escalation) = &seats.escalation else {
                    continue;
                };
                let due_at = opened.map(|at| escalation.due_at(at));
                let is_due = due_at.is_some_and(|at| at <= self.case.now);
                add(
                    &mut groups,
                    GroupTally {
                        stage,
                        group: escalation.to.clone(),
                        escalation: true,
                        due_at,
                        wanted: wanted && is_due,
                    },
                );
            }
        }
        groups
    }

    /// The seats of which one more vote needs one to fill one more.
    fn raising(&self) -> Vec<Seat> {
        if matches!(self.tally, Tally::Complete { .. }) {
            return Vec::new();
        }
        let through = self.through();
        let raising = self.matched(through).raising(through);
        let raising = self.seats.iter().filter(|(at, _)| raising & (1 << at) != 0);
        raising.map(|(_, seat)| seat).collect()
    }
}

impl Count<'_> {
    /// Who sits in whose place, as the votes are matched now, by the one who sits.
    #[must_use]
    pub fn stand_ins(&self) -> Vec<(PersonId, PersonId)> {
        let matching = self.matched(self.through());
        let seated = self.seats.iter().filter_map(|(at, _)| {
            let who = matching.on(at)?;
            let away = stood_in_for(&self.voices, who, at)?;
            Some((self.voices[who].id, away))
        });
        seated.collect()
    }

    /// The votes on these seats.
    fn matched(&self, through: Set) -> Matching {
        let sets = self.voices.iter().map(|voice| {
            if voice.vote == Some(Verdict::Approve) {
                voice.sits()
            } else {
                0
            }
        });
        Matching::of(sets, through)
    }
}

/// Several groups of a stage may escalate to the same one, which decides from the first time on.
fn add(groups: &mut Vec<GroupTally>, more: GroupTally) {
    let is_same =
        |it: &&mut GroupTally| it.escalation && it.stage == more.stage && it.group == more.group;
    match groups.iter_mut().find(is_same) {
        Some(same) => {
            same.wanted |= more.wanted;
            same.due_at = same.due_at.min(more.due_at);
        }
        None => groups.push(more),
    }
}
