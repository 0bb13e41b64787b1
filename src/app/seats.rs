//! Counting a request: its votes, and who may sit where.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db;
use crate::db::decisions::{self, Decision};
use crate::db::recounts::Last;
use crate::db::seats::Around;
use crate::db::tx::Tx;
use crate::domain::audit::{Action, By, Taken};
use crate::domain::request::{Request, Tallied, Verdict};
use crate::domain::tally::{self, Case, Count, Refusal, Tally, Vote};
use crate::error::{CallerError, Error, VoteError};
use crate::ids::{PersonId, RequestId};

/// What the audit log calls whoever counts a request when nobody votes.
pub(super) const SWEEP: &str = "sweep";

/// The votes on a request, and everybody who may count on it.
#[derive(Debug)]
pub(super) struct Seats {
    /// Everything that was said, oldest first.
    pub decisions: Vec<Decision>,
    votes: Vec<Vote>,
    around: Around,
    /// How far it was before; nothing for a look.
    last: Last,
}

impl Seats {
    /// As they are now in the database, for a look. The caller's human is counted whatever else
    /// there is.
    pub async fn load(
        conn: &mut PgConnection,
        id: RequestId,
        caller: Option<PersonId>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let decisions = decisions::of_request(conn, id).await?;
        let named: Vec<PersonId> = decisions.iter().map(|it| it.human).chain(caller).collect();
        let around = db::seats::around(conn, id, &named, now).await?;
        let votes = decisions::approvals(&decisions).map(|it| approval(it.human));
        Ok(Self {
            votes: votes.collect(),
            decisions,
            around,
            last: Last::default(),
        })
    }

    /// The same for whoever has the request's lock, and stores what comes of the count.
    pub async fn lock(
        conn: &mut PgConnection,
        id: RequestId,
        caller: Option<PersonId>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let last = db::recounts::last(conn, id, now).await?;
        let seats = Self::load(conn, id, caller, now).await?;
        Ok(Self { last, ..seats })
    }

    /// Tells of each approval that counts in whose place it does; `pairs` are who sits and who is
    /// away, with the names of the latter.
    pub fn name(&mut self, pairs: &[(PersonId, PersonId)], names: &HashMap<PersonId, String>) {
        let counted = self.decisions.iter_mut().filter(|it| it.counts);
        for decision in counted.filter(|it| it.verdict == Verdict::Approve) {
            let pair = pairs.iter().find(|(sits, _)| *sits == decision.human);
            decision.stands_for =
                pair.and_then(|(_, away)| Some((*away, names.get(away)?.clone())));
        }
    }

    /// Counts one more approval.
    pub fn vote(&mut self, human: PersonId) {
        self.votes.push(approval(human));
    }

    /// Counts that human's approval no more.
    pub fn take_back(&mut self, human: PersonId) {
        self.votes.retain(|it| it.person != human);
        let own = self.decisions.iter_mut().filter(|it| it.human == human);
        own.for_each(|it| (it.stands, it.counts) = (false, false));
    }

    /// Whether that human's approval stands, also after the request has been approved.
    pub fn has_approved(&self, human: PersonId) -> bool {
        decisions::approvals(&self.decisions).any(|it| it.human == human)
    }

    /// The humans whose approval counts, and those who have asked.
    pub fn decided_or_asked(&self) -> Vec<Uuid> {
        let decided = self.votes.iter().map(|it| it.person);
        let all = decided.chain(self.around.askers.iter().copied());
        all.map(PersonId::uuid).collect()
    }

    /// How many humans' approvals count.
    pub const fn approvals(&self) -> usize {
        self.votes.len()
    }

    /// How far the request is.
    pub fn count<'a>(&'a self, request: &'a Request, now: DateTime<Utc>) -> Count<'a> {
        tally::tally(Case {
            stages: &request.terms.stages,
            opened: &self.around.opened,
            now,
            votes: &self.votes,
            people: &self.around.people,
            asked_by: &self.around.askers,
            delegation: takes_delegates(request),
        })
    }

    /// Whether an escalation has become due, or somebody stands in for another one or does no more,
    /// since it was counted last.
    pub fn has_moved(&self) -> bool {
        self.last.now.is_some_and(|it| it.due != self.last.due)
    }

    /// Whether whatever it is counted with has changed since.
    pub fn has_changed(&self) -> bool {
        let is_other = |last: i64| self.last.now.is_some_and(|it| it.people != last);
        self.has_moved() || self.last.people.is_some_and(is_other)
    }

    /// Leaves to the next count what is due now.
    pub const fn put_off(&mut self) {
        if let Some(with) = &mut self.last.now {
            with.due = self.last.due;
        }
    }

    /// Stores how far the request is, with an event for each stage that opens or asks again, for
    /// each escalation that is due, and where it cannot be completed any more. The caller has the
    /// request's lock.
    pub async fn follow(
        &self,
        tx: &mut Tx,
        request: &Request,
        after: &Count<'_>,
    ) -> Result<(), Error> {
        let (now, with) = (tx.now(), self.last.now);
        db::seats::store(tx.conn(), request.id, after, with, now).await?;
        let last = &self.last;
        let open = after.open_stage();
        let mut events = Vec::new();
        match (last.stage, open) {
            (Some(was), Some(stage)) if was < stage => {
                events.push(tx.by.did(request.id, Action::StageOpened { stage }));
            }
            (was, Some(stage)) if was.is_none_or(|was| was > stage) => {
                events.push(tx.by.did(request.id, Action::StageReopened { stage }));
            }
            _ => {}
        }
        // Whoever counts, nobody has done these.
        let by = By::system(SWEEP, now);
        for group in after.groups() {
            let named = (group.stage, group.group.clone());
            if group.is_escalated(open, now) && !last.escalated.contains(&named) {
                let (stage, group) = named;
                events.push(by.did(request.id, Action::RequestEscalated { stage, group }));
            }
        }
        if last.fillable && !after.is_fillable() {
            events.push(by.did(request.id, Action::RequestUnfillable {}));
        }
        if events.is_empty() {
            return Ok(());
        }
        Ok(db::audit::append_all(tx.conn(), &events).await?)
    }

    /// As much of what was asked for as every approval approves, seconds. One that does not count,
    /// since its human was disabled, shortens it all the same: nobody has taken that back.
    pub fn effective_seconds(&self, request: &Request) -> i32 {
        let standing = self.decisions.iter().filter(|it| it.stands);
        let approved = standing.filter_map(|it| it.duration_seconds);
        approved.fold(request.duration_seconds, i32::min)
    }

    /// The request with that.
    pub fn shortened(&self, request: Request) -> Request {
        // Read after the lock: what the row said with it may be what a vote has changed meanwhile.
        Request {
            effective_seconds: self.effective_seconds(&request),
            ..request
        }
    }
}

const fn approval(person: PersonId) -> Vote {
    Vote {
        person,
        verdict: tally::Verdict::Approve,
    }
}

/// Whether somebody may decide it for somebody else.
pub(super) const fn takes_delegates(request: &Request) -> bool {
    request.terms.rules.delegation
}

/// What the audit log tells of one more vote in the stage that was open `before`.
pub(super) fn tallied(before: &Tally, after: &Tally) -> Tallied {
    let (stage, have, needed) = match before {
        Tally::Open {
            stage,
            have,
            needed,
            ..
        } => (*stage, have + 1, *needed),
        // Nobody votes on what is complete; and what a sweep completes tells of its last stage.
        Tally::Complete { seats } => {
            let last = seats.last().map_or(1, |it| it.seat.stage);
            let of_last = seats.iter().filter(|it| it.seat.stage == last).count();
            let of_last = i16::try_from(of_last).unwrap_or(i16::MAX);
            (last, of_last, of_last)
        }
    };
    let seats = match after {
        Tally::Complete { seats } => seats.as_slice(),
        Tally::Open { .. } => &[],
    };
    let seats = seats.iter().map(|it| Taken {
        stage: it.seat.stage,
        group: it.seat.group.clone(),
        person: it.person,
        stands_for: it.stood_in_for,
    });
    Tallied {
        stage,
        have,
        needed,
        seats: seats.collect(),
    }
}

/// Why a voice is not taken.
pub(super) fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::SelfApproval => CallerError::SelfApproval.into(),
        // They have been told apart from strangers before.
        Refusal::NotApprover => CallerError::Forbidden.into(),
        Refusal::AlreadyDecided => VoteError::AlreadyDecided.into(),
        Refusal::StageNotOpen => VoteError::StageNotOpen.into(),
        Refusal::NotNeeded => VoteError::NotNeeded.into(),
    }
}
