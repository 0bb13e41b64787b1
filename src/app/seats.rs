//! Counting a request: its votes, and who may sit where.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db;
use crate::db::decisions::{self, Decision};
use crate::db::seats::Around;
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Taken};
use crate::domain::request::{Request, Tallied};
use crate::domain::tally::{self, Case, Count, Refusal, Tally, Vote};
use crate::error::{CallerError, Error, VoteError};
use crate::ids::{PersonId, RequestId};

/// The votes on a request, and everybody who may count on it.
#[derive(Debug)]
pub(super) struct Seats {
    /// Everything that was said, oldest first.
    pub decisions: Vec<Decision>,
    votes: Vec<Vote>,
    around: Around,
}

impl Seats {
    /// As they are now in the database. The caller's human is counted whatever else there is.
    pub async fn load(
        conn: &mut PgConnection,
        id: RequestId,
        caller: Option<PersonId>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let decisions = decisions::of_request(conn, id).await?;
        let named = decisions.iter().map(|it| it.human).chain(caller);
        let around = db::seats::around(conn, id, &named.collect::<Vec<_>>(), now).await?;
        let votes = decisions::approvals(&decisions).map(|it| approval(it.human));
        Ok(Self {
            votes: votes.collect(),
            decisions,
            around,
        })
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
            delegation: request.terms.rules.delegation,
        })
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

/// Stores how far a request is after its votes have changed, with an event for each stage that
/// opens or asks again. The caller has the request's lock.
pub(super) async fn follow(
    tx: &mut Tx,
    request: &Request,
    before: &Tally,
    after: &Count<'_>,
) -> Result<(), Error> {
    let now = tx.now();
    db::seats::store(tx.conn(), request.id, after, now).await?;
    let (was, is) = (stage(before), stage(after.tally()));
    let told = match (was, is) {
        (Some(was), Some(is)) if was < is => Action::StageOpened { stage: is },
        (was, Some(is)) if was.is_none_or(|was| was > is) => Action::StageReopened { stage: is },
        _ => return Ok(()),
    };
    let event = tx.by.did(request.id, told);
    Ok(db::audit::append(tx.conn(), &event).await?)
}

/// The stage that is open.
const fn stage(tally: &Tally) -> Option<i16> {
    match tally {
        Tally::Open { stage, .. } => Some(*stage),
        Tally::Complete { .. } => None,
    }
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
