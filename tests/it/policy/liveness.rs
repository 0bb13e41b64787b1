//! The judge of liveness: a grant that is approved and not over works, but for declared moments; a
//! closing comes to an end; and the service goes on looking as long as a guard of its should stand.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::cause::Cause;
use countersign::domain::grant::GrantState;
use countersign::domain::target::Condition;
use countersign::ids::GrantId;
use countersign::policy::{LONGEST_SESSION, Plan};

use super::evaluate::session_request;
use super::is_open;
use super::world::{Approved, MARGINS, Session, Violation, World};

/// How often the service looks while a grant is open or closing, and after that while a guard of it
/// should stand (docs/guard.md §3, step 14).
const OFTEN: TimeDelta = TimeDelta::seconds(60);
const SELDOM: TimeDelta = TimeDelta::minutes(5);
/// The skew from which on the service opens nothing.
const APART: TimeDelta = TimeDelta::seconds(2);

/// Nothing of ours can be left, so that what somebody writes is seen only when a grant brings the
/// service back.
const NOBODY_LOOKS: &str = "nobody looks";

/// The declared moments: how long after the last sign of each trouble a grant need not work yet,
/// and why.
fn allowance(trouble: &str) -> TimeDelta {
    let p = MARGINS.propagation;
    // Two looks, since the first read may lag behind, a write after each, and P until it is
    // everywhere.
    let looks = OFTEN * 2 + p * 3;
    match trouble {
        // Nothing is opened for L and P after it, and what it did may come to light only then.
        "a write has no answer" | "an unanswered write lands" => MARGINS.unclear() + looks,
        // What stands there is made good at the next look; a statement that was taken away goes
        // back after P.
        "a hand on the trust policy" | "a hand on the guard" | "another installation" => looks + p,
        // It is tried again at the next look.
        "AWS refuses" => looks,
        // Gone is gone only when it is read so twice, with P between.
        "AWS says that something is gone" | "a user is gone" | "the role is gone" => looks + p,
        // Nothing is opened meanwhile, and deadlines mean another moment.
        "clocks are apart" => looks + TimeDelta::minutes(5),
        // What AWS holds is another time's: a person has to look.
        "the database went back" | "the role is out of service" => looks,
        // From the end of it on everything is due at once.
        "the worker is gone" | "the worker is busy elsewhere" => looks,
        NOBODY_LOOKS => looks,
        other => panic!("no allowance for {other}"),
    }
}

/// What is still going on, or has been until just now.
fn excuse(world: &World) -> Option<(&'static str, DateTime<Utc>)> {
    let troubles = world.troubles.iter();
    let ends = troubles.filter(|(what, _)| **what != NOBODY_LOOKS);
    let ends = ends.map(|(what, end)| (*what, *end + allowance(what)));
    ends.filter(|(_, end)| world.now < *end)
        .max_by_key(|(_, end)| *end)
}

/// Until when a hand on the guard need not have been made good: the service looks seldom where
/// nothing is open. `None` where there was none.
pub fn watching(world: &World) -> Option<DateTime<Utc>> {
    let ends = world.troubles.iter();
    ends.map(|(what, end)| *end + allowance(what) + SELDOM)
        .max()
}

/// When the last of these was going on.
pub fn last(world: &World, troubles: &[&str]) -> Option<DateTime<Utc>> {
    let seen = troubles.iter().filter_map(|what| world.troubles.get(what));
    seen.max().copied()
}

/// Troubles that last are seen at each moment.
pub fn note(world: &mut World) {
    let now = world.now;
    let lasting = [
        ("clocks are apart", world.ahead.abs() > APART),
        ("the role is gone", world.role_gone),
        (NOBODY_LOOKS, world.due.is_none()),
        (
            "the role is out of service",
            world.target.condition != Condition::Ok,
        ),
    ];
    for (what, lasts) in lasting {
        if lasts {
            world.trouble(what, now);
        }
    }
}

/// Whether a grant has to be open now: within its time after what it takes to open, for its
/// principal on its role, and not ended.
fn must_work(world: &World, a: &Approved) -> bool {
    let time_to_open = allowance("the worker is gone");
    let own = world.row(a.id).filter(|g| is_open(g));
    let is_there = world
        .users
        .iter()
        .any(|user| user.as_deref() == Some(a.principal.as_str()));
    // AWS's clock decides when it is over.
    let over = world.now.max(world.aws_now()) + APART >= a.deadline;
    own.is_some()
        && is_there
        && a.role_id == world.role_id
        && !over
        && world.now >= a.starts + time_to_open
}

/// A grant that must work lets its principal in by the grant's name, and its sessions are not cut:
/// all over the data plane.
pub fn grants_work(world: &World) -> Result<(), Violation> {
    if !world.lively || excuse(world).is_some() {
        return Ok(());
    }
    let fault = |a: &Approved| {
        (fault(world, a)).map(|f| format!("liveness: {} {f} at {:?}", a.id, world.now))
    };
    let mut grants = world.approved.iter().filter(|a| must_work(world, a));
    grants.find_map(fault).map_or(Ok(()), Err)
}

fn fault(world: &World, a: &Approved) -> Option<String> {
    let now = world.aws_now();
    let denied = |name: &str, token| {
        let request = session_request(&world.role_id, name, now, Some(token));
        world.guard.versions.iter().any(|g| g.denies(&request))
    };
    let mut trusts = world.trust.versions.iter();
    let admits = |name: &str| {
        let trust = world.trust.current().policy.as_ref();
        trust.is_some_and(|t| t.admits(&a.arn, name, now))
    };
    let lets_in = |v: &super::plane::Version| {
        let trust = v.policy.as_ref();
        trust.is_some_and(|t| t.admits(&a.arn, &a.grant_name, now))
    };
    if !trusts.all(lets_in) {
        return Some("does not let its principal in".to_owned());
    }
    if denied(&a.grant_name, now) {
        return Some("is denied by the guard".to_owned());
    }
    let console = a.console_name.as_deref().filter(|name| admits(name))?;
    let since = world.row(a.id)?.marks.console_since?;
    // A name that safe mode has denied stays so, whoever has it; and one that a hand wrote there.
    let out = last(world, &["the role is out of service"]).is_some_and(|at| at >= since);
    let mut guards = world.guard.versions.iter().filter_map(|v| v.text.as_ref());
    if out || guards.any(|text| text.contains("CountersignKept")) {
        return None;
    }
    // The skew of the hosts that stamp tokens, and their whole seconds.
    let since = since + MARGINS.clock + APART;
    let cut = |s: &&Session| {
        s.name == console
            && s.principal == a.principal
            && s.role_id == a.role_id
            && s.issued > since
            && denied(console, s.token)
    };
    let mut own = world.sessions.iter();
    own.find(cut)
        .map(|s| format!("has its console session of {} cut", s.token))
}

/// What was to be closed is ended in the end: nothing waits for ever.
pub fn closings_end(world: &World) -> Result<(), Violation> {
    let limit = allowance("a write has no answer");
    let late =
        |since: DateTime<Utc>| world.lively && excuse(world).is_none() && world.now > since + limit;
    let closing = |g: &&countersign::domain::grant::Grant| match &g.state {
        GrantState::Closing(closing) => late(closing.since),
        _ => false,
    };
    match world.grants.iter().find(closing) {
        None => Ok(()),
        Some(g) => Err(format!("liveness: {} is still closing", g.id)),
    }
}

/// An end that the service decides upon has a reason in the world.
pub fn ends_rightly(world: &World, id: GrantId, cause: Cause) -> Result<(), Violation> {
    // unwrap: nothing is granted that was not approved
    let a = world.approved.iter().find(|a| a.id == id).unwrap();
    // One that is approved while nobody has seen it yet goes with the others.
    let unseen = a.starts - SELDOM - MARGINS.propagation;
    let away = last(
        world,
        &["the worker is gone", "the worker is busy elsewhere"],
    );
    let nobody_looked = away.is_some_and(|until| until >= a.starts);
    let since =
        |troubles: &[&str]| last(world, troubles).is_some_and(|at| at >= unseen || nobody_looked);
    let is_right = match cause {
        Cause::PrincipalGone => !world
            .users
            .iter()
            .any(|user| user.as_deref() == Some(a.principal.as_str())),
        Cause::TargetGone | Cause::TargetReplaced => world.role_gone || a.role_id != world.role_id,
        Cause::RevertedByOwner => since(&[
            "a hand on the trust policy",
            "a hand on the guard",
            "another installation",
            "the database went back",
        ]),
        // In safe mode nobody can tell whether it was open before the restore.
        Cause::CouldNotOpen => since(&["AWS refuses", "the role is out of service"]),
        Cause::Deadline
        | Cause::Released
        | Cause::Revoked
        | Cause::NotEligible
        | Cause::PersonDisabled => true,
    };
    if is_right || !world.lively {
        return Ok(());
    }
    Err(format!("liveness: {id} ends without reason as {cause:?}"))
}

/// The service comes back by itself: every minute while a grant is open or closing, and every five
/// minutes for as long as a session may be left that only the guard keeps from working
/// (docs/guard.md, C12).
pub fn looks_again(world: &World, plan: &Plan) -> Result<(), Violation> {
    if world.role_gone || !world.lively {
        return Ok(());
    }
    let begun = |g: &countersign::domain::grant::Grant| {
        is_open(g) || matches!(g.state, GrantState::Closing(_)) && !plan.closed.contains(&g.id)
    };
    let here = |g: &&countersign::domain::grant::Grant| {
        g.role_id.as_deref() == Some(world.role_id.as_str())
    };
    let last = |g: &countersign::domain::grant::Grant| g.marks.sent_until;
    let outlives = |at: DateTime<Utc>| world.now < at + LONGEST_SESSION;
    let mut rows = world.grants.iter().filter(here);
    let within = if rows.clone().any(begun) {
        OFTEN.max(MARGINS.missing())
    } else if rows.any(|g| last(g).is_some_and(outlives)) {
        SELDOM
    } else {
        return Ok(());
    };
    if plan.due.is_some_and(|due| due <= world.now + within) {
        return Ok(());
    }
    Err(format!(
        "watching: the next look is at {:?}, not within {within}",
        plan.due
    ))
}
