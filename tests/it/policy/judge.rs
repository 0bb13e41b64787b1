//! The invariants I-a to I-d of docs/guard.md §3, judged on the world and not on what the product
//! believes.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::target::DocumentKey;
use countersign::policy::{LONGEST_SESSION, ObservedRole, Step, document::Document, guard};

use super::evaluate::{Policy, session_request};
use super::faults::Faults;
use super::world::{Approved, MARGINS, Session, Violation, World};
use super::{at, liveness, normal, put};

/// I-b: a session never works outside its person's approved windows, nor again after a gap in them.
/// A hand on the trust policy lets nobody in whom the guard does not deny; a hand on the guard is
/// made good at the next look (C11, C12).
pub fn sessions(world: &World) -> Result<(), Violation> {
    let wrong = |s: &&Session| !covered(world, s) && world.works(s) && !excuses_session(world, s);
    match world.sessions.iter().find(wrong) {
        None => Ok(()),
        Some(s) => Err(format!(
            "I-b: session {} of {}, issued at {} with token {}, works at {}",
            s.name,
            s.principal,
            seconds(s.issued),
            seconds(s.token),
            seconds(world.now)
        )),
    }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    (time - at(0)).as_seconds_f64()
}

/// A closed role lets nobody in whom no grant names: no guard of ours leaves a session of another
/// name alone, and none is taken away. A hand may do both.
pub fn closed(world: &World) -> Result<(), Violation> {
    if !world.target.closed || world.faults != Faults::NONE || world.latest_revision == 0 {
        return Ok(());
    }
    let other = session_request(&world.role_id, "zzz", world.aws_now(), None);
    let ours = world.guard.versions.iter().filter(|it| it.revision() > 0);
    let leaves = ours.filter(|guard| !guard.denies(&other)).count();
    if leaves > 0 || world.guard.current().revision() == 0 {
        return Err(format!("closed: open at {}", seconds(world.now)));
    }
    Ok(())
}

/// Whether the windows of the session's owner cover the whole time since it was issued. By AWS's
/// clock, which may have been ahead then: only that one is told apart by a cut.
fn covered(world: &World, session: &Session) -> bool {
    let own = |a: &&Approved| a.principal == session.principal && a.role_id == session.role_id;
    let mut windows: Vec<_> = world
        .approved
        .iter()
        .filter(own)
        .map(|a| window(world, a))
        .collect();
    windows.sort_unstable();
    let cover = |covered: DateTime<Utc>, (start, end): &(DateTime<Utc>, DateTime<Utc>)| {
        if *start <= covered {
            covered.max(*end)
        } else {
            covered
        }
    };
    let ahead = session.token - TimeDelta::seconds(2);
    let issued = session.issued.max(ahead.min(world.now));
    world.now < windows.iter().fold(issued, cover)
}

/// When somebody was approved. An early end counts from its announcement and P; a deadline means
/// AWS's clock, which may be behind.
fn window(world: &World, a: &Approved) -> (DateTime<Utc>, DateTime<Utc>) {
    let deadline = a.deadline + world.behind;
    let closed = a.announced.map_or(deadline, |at| at + MARGINS.propagation);
    (a.starts, deadline.min(closed))
}

/// Whether what somebody else has just written into the guard, or deleted, need not have been made
/// good yet.
pub fn excuses_hands(world: &World) -> bool {
    liveness::watching(world).is_some_and(|until| world.now < until)
}

/// Whether the service could not deny a session yet, or not know that it is to be denied.
fn excuses_session(world: &World, session: &Session) -> bool {
    // Beyond its deadline, by a date that somebody moved: the service has not seen it, or has only
    // just seen it.
    let was_seen = |(text, since)| world.seen.get(text).is_some_and(|at| at >= since);
    let beyond = session.beyond.as_ref().map(|(text, since)| (text, since));
    if beyond.is_some_and(|trust| !was_seen(trust) || excuses_hands(world)) {
        return true;
    }
    let mut own = world
        .approved
        .iter()
        .filter(|a| a.principal == session.principal && a.has(&session.name));
    // By a statement that somebody, or a late write, put on another role of the name: there is no
    // guard of ours before it is seen.
    let mut before = own.clone().filter(|a| a.starts <= session.issued);
    let stray = before.all(|a| a.role_id != session.role_id);
    // By a grant that a restore made forgotten: with the guard gone too, nobody knows of it any
    // more.
    let hand = liveness::last(world, &["a hand on the guard", "another installation"]);
    // Or that somebody moved its date: that is known from the rows alone.
    let moved = session.beyond.is_some();
    let forgotten = own.any(|a| a.forgotten && (moved || hand.is_some_and(|at| at >= a.starts)));
    // AWS was behind, so that it came in after its deadline by the database's clock: of its twelve
    // hours it may have so much left when the guard forgets it.
    let dies = session.issued + LONGEST_SESSION;
    let late = world.behind > MARGINS.clock && world.now + world.behind >= dies;
    stray && excuses_hands(world) || forgotten || late
}

/// I-a: every name that a trust statement admits is denied by the guard from its latest approved
/// deadline on, whatever of the writes on their way lands last and should nobody of us ever write
/// again.
pub fn guarded(world: &World) -> Result<(), Violation> {
    if world.role_gone {
        return Ok(());
    }
    let trusts = world.trust.versions.iter().chain(&world.trust.late);
    let pins: BTreeSet<_> = trusts
        .filter_map(|v| v.policy.as_ref())
        .flat_map(Policy::pins)
        .filter(|(name, _, until)| {
            *until > world.aws_now() && !world.names_of_others.contains(*name)
        })
        .collect();
    let excused = excuses_hands(world);
    let current = Some(world.guard.current()).filter(|g| !(g.by_hand && excused));
    let late = world.guard.late.iter().filter(|v| !v.by_hand);
    for guard in late.chain(current) {
        for &(name, principal, until) in &pins {
            let has =
                |a: &&Approved| a.has(name) && (a.arn == principal || a.principal == principal);
            let approved = || world.approved.iter().filter(has);
            let latest = approved().map(|a| a.deadline).max();
            // A stale save names by its ARN whoever has that now; once that user is deleted too,
            // AWS shows an id that nobody ever approved.
            let Some(deadline) = latest else {
                match world.trust.versions.iter().any(|v| v.by_hand) && excused {
                    true => continue,
                    false => return Err(format!("I-a: nobody approved {name} for {principal}")),
                }
            };
            // A date that somebody moved, or a statement that came to another role, is seen at the
            // next look.
            let here = |a: &Approved| a.role_id == world.role_id;
            let moved = !approved().any(|a| here(a) && a.deadline == until);
            let forgotten = approved().any(|a| a.forgotten) && world.guard.current().by_hand;
            if moved && excused || forgotten {
                continue;
            }
            let deadline = deadline.max(world.aws_now());
            let token = Some(world.aws_now());
            let request = session_request(&world.role_id, name, deadline, token);
            if !guard.denies(&request) {
                return Err(format!(
                    "I-a: {name} is not denied from {deadline} by {:?}",
                    guard.text
                ));
            }
        }
    }
    Ok(())
}

/// `ended` is said when nothing of a grant is left: no write of ours brings its statement back
/// afterwards.
pub fn ended_is_so(world: &World) -> Result<(), Violation> {
    // Its documents went with it.
    if world.role_gone {
        return Ok(());
    }
    let current = world.trust.current();
    let pins = current.policy.iter().flat_map(Policy::pins);
    let mut open = pins.filter(|(.., until)| *until > world.aws_now() && !current.by_hand);
    let is_over = |(name, ..): &(&str, &str, DateTime<Utc>)| {
        let mut ended = world.approved.iter().filter(|a| a.announced.is_some());
        ended.any(|a| a.grant_name == *name && a.role_id == world.role_id && !a.forgotten)
    };
    match open.find(is_over) {
        None => Ok(()),
        Some((name, ..)) => Err(format!("I-f: {name} has ended, and its statement is back")),
    }
}

/// I-c: any older guard of ours denies the grant names of the newer one, from their deadlines at
/// the latest.
pub fn fails_closed(world: &World, newer: &str) -> Result<(), Violation> {
    let newer = Policy::parse(newer);
    for a in &world.approved {
        let request = |at| session_request(&world.role_id, &a.grant_name, at, Some(world.now));
        let listed = !newer.denies(&request(a.deadline - TimeDelta::seconds(1)));
        // One that was made for a role of before, and landed late, says nothing of this role:
        // nothing opens while it may (H4).
        let own = format!("{}:", world.role_id);
        let ours = |v: &&super::plane::Version| {
            v.text.as_deref().is_some_and(|text| text.contains(&own)) && !v.by_hand
        };
        let mut older = world.guard.versions.iter().filter(ours);
        if listed && older.any(|v| !v.denies(&request(a.deadline))) {
            return Err(format!(
                "I-c: an older guard lets {} through at its deadline",
                a.id
            ));
        }
    }
    Ok(())
}

/// I-d: a closing write never grows (the digits of the guard's revision aside) and brings no
/// statement that was not there. Where an older guard came back, by a late write, a lagging read or
/// a hand, names that it does not know must be denied: that one is no measure. Nor is one that
/// keeps names with the time when they were found, as safe mode does.
pub fn closing(world: &World, role: &ObservedRole, step: &Step) -> Result<(), Violation> {
    // Where AWS shows documents otherwise than they were written, their meaning is what is
    // measured.
    let size = |text: &str| match world.faults.normalises() {
        true => normal::normalised(text).len(),
        false => text.len(),
    };
    let Some(write) = step.write() else {
        return Ok(());
    };
    match (write.key, write.text.as_deref()) {
        (DocumentKey::Trust, Some(document)) => {
            let parse = |text| Document::parse(text).map_err(|e| format!("I-d: {e}: {text}"));
            let (before, after) = (parse(&role.trust)?, parse(document)?);
            let had =
                |sid: &str, text: &str| before.ours().any(|(s, b)| s == sid && b.text == text);
            let subset = after.ours().all(|(sid, s)| had(sid, s.text));
            if size(document) > size(&role.trust) || !write.opens.is_empty() || !subset {
                return Err(format!("I-d: {} became {document}", role.trust));
            }
        }
        (DocumentKey::Guard, Some(document)) => {
            let Some(before) = &role.guard else {
                return Ok(());
            };
            let read = guard::read(before, &role.role_id).revision;
            let keeps = |text: &str| text.contains("CountersignKept");
            let ours = !world.guard.current().by_hand && !keeps(before) && !keeps(document);
            let current = ours && read == Some(world.latest_revision);
            if current && size(document) >= size(before) + write.revision.to_string().len() {
                return Err(format!("I-d: {before} became {document}"));
            }
        }
        // On a role there is none; of a user carrier/world.rs judges.
        (DocumentKey::Inline(_), Some(_)) | (_, None) => {}
    }
    Ok(())
}

/// What the service writes holds every statement of others that it read, and no other one.
pub fn foreign_stays(role: &ObservedRole, step: &Step) -> Result<(), Violation> {
    let Some((_, document)) = put(step, DocumentKey::Trust) else {
        return Ok(());
    };
    let (before, after) = (normal::foreign(&role.trust), normal::foreign(document));
    if before == after {
        return Ok(());
    }
    Err(format!(
        "foreign statements: {} became {document}",
        role.trust
    ))
}
