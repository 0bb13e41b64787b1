//! The rules once more, word by word and without care for time: every assignment of votes to seats,
//! and every set of further votes. The product is held against it.

use countersign::domain::stages::GroupSeats;
use countersign::domain::tally::{Refusal, Verdict};
use countersign::ids::PersonId;

use super::Scene;

/// A seat, with the number of its stage from 0.
struct Chair<'a> {
    stage: usize,
    of: &'a GroupSeats,
}

/// How far a request is: its open stage from 1, how many sit there, and how many are needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub stage: usize,
    pub have: usize,
    pub needed: usize,
}

pub(super) struct Literal<'a>(pub &'a Scene);

impl Literal<'_> {
    /// Each human once.
    pub fn humans(&self) -> Vec<PersonId> {
        let mut ids: Vec<PersonId> = self.0.accounts.iter().map(|it| it.id).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    fn chairs(&self) -> Vec<Chair<'_>> {
        let mut chairs = Vec::new();
        for (stage, it) in self.0.stages.iter().enumerate() {
            for of in &it.groups {
                chairs.extend((0..of.needed).map(|_| Chair { stage, of }));
            }
        }
        chairs
    }

    fn is_active(&self, p: PersonId) -> bool {
        self.0.accounts.iter().any(|it| it.id == p && it.is_active)
    }

    fn has_asked(&self, p: PersonId) -> bool {
        self.0.asked_by.contains(&p)
    }

    fn is_in(&self, p: PersonId, group: &str) -> bool {
        let mut accounts = self.0.accounts.iter();
        accounts.any(|it| it.id == p && it.is_active && it.groups.iter().any(|it| it == group))
    }

    /// In the group, or in the one that it escalates to: once that is due, or in any case.
    fn is_of(&self, p: PersonId, chair: &Chair<'_>, even_early: bool) -> bool {
        let opened = self.0.opened.get(chair.stage).copied().flatten();
        let escalated = chair.of.escalation.as_ref().is_some_and(|it| {
            let due = opened.is_some_and(|at| it.due_at(at) <= self.0.now);
            (due || even_early) && self.is_in(p, &it.to)
        });
        escalated || self.is_in(p, &chair.of.group)
    }

    /// Who has given p their voice: of several delegations of one human the last one counts.
    fn lenders(&self, p: PersonId) -> Vec<PersonId> {
        let all = &self.0.delegations;
        let is_last = |from| all.iter().rfind(|it| it.from == from).map(|it| it.to) == Some(p);
        let mut from: Vec<PersonId> = all.iter().map(|it| it.from).collect();
        from.retain(|it| self.0.delegation && *it != p && is_last(*it));
        from.retain(|it| self.is_active(*it) && !self.has_asked(*it));
        from
    }

    fn may_sit(&self, votes: &[PersonId], p: PersonId, chair: &Chair<'_>, early: bool) -> bool {
        let lends = |d: &PersonId| !votes.contains(d) && self.is_of(*d, chair, early);
        self.is_active(p)
            && !self.has_asked(p)
            && (self.is_of(p, chair, early) || self.lenders(p).iter().any(lends))
    }

    /// Everybody who has a vote, and those of them who have said yes.
    pub fn votes(&self) -> (Vec<PersonId>, Vec<PersonId>) {
        let all: Vec<PersonId> = self.0.votes.iter().map(|it| it.person).collect();
        let yes = |it: &&countersign::domain::tally::Vote| it.verdict == Verdict::Approve;
        let yes = self.0.votes.iter().filter(yes).map(|it| it.person);
        (all.clone(), yes.collect())
    }

    /// M(k), with these further votes.
    fn most(&self, more: &[PersonId], stages: usize) -> usize {
        let (mut all, mut yes) = self.votes();
        all.extend(more);
        yes.extend(more);
        let chairs = self.chairs();
        let may_sit = |p: &PersonId| {
            let chairs = chairs.iter().take_while(|it| it.stage < stages);
            let seats = chairs.map(|it| self.may_sit(&all, *p, it, false));
            seats.collect::<Vec<bool>>()
        };
        let may_sit: Vec<Vec<bool>> = yes.iter().map(may_sit).collect();
        assign(&may_sit, &mut vec![false; chairs.len()])
    }

    fn seats(&self, stages: usize) -> usize {
        let chairs = self.chairs();
        chairs.iter().filter(|it| it.stage < stages).count()
    }

    /// `None` where it is complete.
    pub fn reached(&self, more: &[PersonId]) -> Option<Reached> {
        let stages = self.0.stages.iter().count();
        let open = (1..=stages).find(|k| self.most(more, *k) < self.seats(*k))?;
        let before = self.seats(open - 1);
        Some(Reached {
            stage: open,
            have: self.most(more, open) - before,
            needed: self.seats(open) - before,
        })
    }

    fn without_vote(&self) -> Vec<PersonId> {
        let (all, _) = self.votes();
        let mut humans = self.humans();
        humans.retain(|it| self.is_active(*it) && !all.contains(it));
        humans
    }

    /// Whose vote would raise M of the open stage.
    pub fn can(&self) -> Vec<PersonId> {
        let Some(Reached { stage, .. }) = self.reached(&[]) else {
            return Vec::new();
        };
        let have = self.most(&[], stage);
        let mut people = self.without_vote();
        people.retain(|it| self.most(&[*it], stage) > have);
        people
    }

    /// Whether some set of further votes completes it.
    pub fn is_fillable(&self) -> bool {
        let people = self.without_vote();
        (0..1_u32 << people.len()).any(|set| {
            let chosen = (0..people.len()).filter(|at| set & (1 << at) != 0);
            let more: Vec<PersonId> = chosen.map(|at| people[at]).collect();
            self.reached(&more).is_none()
        })
    }

    /// Whether that person may sit on a seat of these stages now.
    pub fn sits(&self, p: PersonId, stages: usize) -> bool {
        let (all, _) = self.votes();
        let mut chairs = self.chairs().into_iter().filter(|it| it.stage < stages);
        chairs.any(|it| self.may_sit(&all, p, &it, false))
    }

    /// Whether that seat may be theirs, in whose place.
    pub fn seated(&self, seat: usize, p: PersonId, d: Option<PersonId>) -> bool {
        let (all, _) = self.votes();
        let chair = &self.chairs()[seat];
        let own = self.is_of(p, chair, false);
        self.may_sit(&all, p, chair, false)
            && match d {
                None => own,
                Some(d) => {
                    let lends = self.lenders(p).contains(&d) && !all.contains(&d);
                    !own && lends && self.is_of(d, chair, false)
                }
            }
    }

    /// Why somebody may not, who is not among those who may: an approver is whoever is in a group
    /// of the request or in one that it escalates to, or has the voice of somebody who is, whether
    /// or not they have given it themselves.
    pub fn refusal(&self, p: PersonId, open: usize) -> Refusal {
        let (all, _) = self.votes();
        let chairs = self.chairs();
        let early = |p| chairs.iter().any(|it| self.is_of(p, it, true));
        let is_approver = early(p) || self.lenders(p).into_iter().any(early);
        if !self.is_active(p) || !is_approver {
            return Refusal::NotApprover;
        }
        if self.has_asked(p) {
            return Refusal::SelfApproval;
        }
        let mut later = chairs.iter().filter(|it| it.stage >= open);
        if later.any(|it| self.may_sit(&all, p, it, true)) {
            return Refusal::StageNotOpen;
        }
        Refusal::NotNeeded
    }
}

/// The most people who can sit at once, each on a seat of their own: all ways are tried.
fn assign(people: &[Vec<bool>], taken: &mut Vec<bool>) -> usize {
    let Some((may_sit, others)) = people.split_first() else {
        return 0;
    };
    let mut best = 0;
    for (seat, _) in may_sit.iter().enumerate().filter(|(_, may)| **may) {
        // More than all of them cannot sit.
        if best < people.len() && !taken[seat] {
            taken[seat] = true;
            best = best.max(1 + assign(others, taken));
            taken[seat] = false;
        }
    }
    if best < people.len() {
        best = best.max(assign(others, taken));
    }
    best
}
