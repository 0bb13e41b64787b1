//! How far a request's stages are, and who can bring it further.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::seats::Seats;
use super::Entry;
use crate::db;
use crate::domain::audit::{Action, Told};
use crate::domain::request::{Request, RequestState};
use crate::domain::stages::GroupSeats;
use crate::domain::tally::{StageState, StageTally, Tally};
use crate::error::Error;
use crate::ids::PersonId;

/// How many approvers are named.
const NAMED: usize = 20;

/// Who can still decide: those whose voice would bring the request further.
#[derive(Debug, Clone, Default)]
pub struct Approvers {
    /// By name; the first of them where there are many.
    pub named: Vec<String>,
    /// Whether there are more than are named.
    pub more: bool,
}

/// One stage of a request.
#[derive(Debug, Clone)]
pub struct StageView {
    /// Its number, from 1.
    pub stage: i16,
    /// Where it stands.
    pub state: StageState,
    /// How many seats it has.
    pub needed: i16,
    /// How many of them are taken.
    pub have: i16,
    /// Whose seats they are.
    pub groups: Vec<GroupSeats>,
    /// Who can take one now, by id; nobody unless the stage is open.
    pub can: Vec<PersonId>,
}

/// How far each stage is, and whether the people that there are could still approve the request.
pub(super) fn of(seats: &Seats, request: &Request, now: DateTime<Utc>) -> (Vec<StageView>, bool) {
    let count = seats.count(request, now);
    let (tallies, fillable) = match (request.state, count.tally()) {
        (RequestState::Pending, Tally::Open { fillable, .. }) => (count.stages(), *fillable),
        // What was decided is history, whatever groups people are in by now.
        _ => (history(request, seats.approvals()), true),
    };
    let stages = tallies.into_iter().zip(&request.terms.stages);
    let views = stages.map(|(tally, stage)| StageView {
        stage: tally.stage,
        state: tally.state,
        needed: tally.needed,
        have: tally.have,
        groups: stage.groups.clone(),
        can: tally.can,
    });
    (views.collect(), fillable)
}

/// Has the approvals tell in whose place they count: of what waits as they would sit now, of what
/// was approved as they sat then, which its `events` tell.
pub(super) async fn stand_ins(
    conn: &mut PgConnection,
    seats: &mut Seats,
    request: &Request,
    events: &[Entry],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let pairs = match request.state {
        RequestState::Pending => seats.count(request, now).stand_ins(),
        _ => then(events),
    };
    if pairs.is_empty() {
        return Ok(());
    }
    let away: Vec<_> = pairs.iter().map(|(_, away)| away.uuid()).collect();
    let names = db::people::names(conn, &away).await?;
    seats.name(&pairs, &names);
    Ok(())
}

/// Who sat in whose place when it was approved.
fn then(events: &[Entry]) -> Vec<(PersonId, PersonId)> {
    let seats = events.iter().filter_map(|it| match it.told() {
        Told::Done(Action::RequestApproved { seats, .. }) => Some(seats),
        _ => None,
    });
    let taken = seats.flatten();
    taken
        .filter_map(|it| Some((it.person, it.stands_for?)))
        .collect()
}

/// The stages of a request that waits for nobody any more: its approvals have filled them in their
/// order.
fn history(request: &Request, approvals: usize) -> Vec<StageTally> {
    let mut left = i16::try_from(approvals).unwrap_or(i16::MAX);
    let mut is_open = false;
    let stages = (1..).zip(&request.terms.stages);
    let stages = stages.map(|(number, stage)| {
        let needed = stage.seats();
        // An approval that was taken back before anything was open has ended the grant alone.
        let is_approved = matches!(request.state, RequestState::Approved(_));
        let have = if is_approved {
            needed
        } else {
            left.min(needed)
        };
        left = (left - have).max(0);
        let state = match (have == needed, is_open) {
            (true, _) => StageState::Closed,
            (false, false) => StageState::Open,
            (false, true) => StageState::Waiting,
        };
        is_open |= state == StageState::Open;
        StageTally {
            stage: number,
            state,
            needed,
            have,
            can: Vec::new(),
        }
    });
    stages.collect()
}

/// Who they are that can decide now.
pub(super) async fn named(
    conn: &mut PgConnection,
    seats: &Seats,
    request: &Request,
    now: DateTime<Utc>,
) -> Result<Approvers, Error> {
    let count = seats.count(request, now);
    let can = match (request.state, count.tally()) {
        (RequestState::Pending, Tally::Open { can, .. }) => can.as_slice(),
        _ => return Ok(Approvers::default()),
    };
    let mut named = if can.len() < db::seats::LOADED {
        let ids: Vec<_> = can.iter().map(|it| it.uuid()).collect();
        let names = db::people::names(conn, &ids).await?;
        let mut named: Vec<_> = names.into_values().collect();
        named.sort();
        named
    } else {
        // The tally does not know all of them.
        let groups = count.groups().into_iter().filter(|it| it.wanted);
        let groups: Vec<_> = groups.map(|it| it.group).collect();
        let limit = i64::try_from(NAMED + 1).unwrap_or(i64::MAX);
        db::people::in_groups(conn, &groups, &seats.decided_or_asked(), limit).await?
    };
    let more = named.len() > NAMED;
    named.truncate(NAMED);
    Ok(Approvers { named, more })
}
