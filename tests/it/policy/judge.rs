//! The invariants I-a to I-d of GUARD §2, judged on the world and not on what the product believes.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::grant::Grant;
use countersign::policy::{ObservedRole, Step, document::Document, guard};

use super::evaluate::{Policy, session_request};
use super::world::{MARGINS, Session, Violation, World};
use super::{PEOPLE, ROLE_ID, at};

/// I-b: a session never works outside its person's approved windows, nor again after a gap in them.
pub fn sessions(world: &World) -> Result<(), Violation> {
    let windows: Vec<_> = (0..PEOPLE.len())
        .map(|person| windows(world, person))
        .collect();
    let wrong = |s: &&Session| !covered(&windows[s.person], s.issued, world.now) && world.works(s);
    match world.sessions.iter().find(wrong) {
        None => Ok(()),
        Some(s) => Err(format!(
            "I-b: session {} of {}, issued at {}, works at {}",
            s.name,
            PEOPLE[s.person].0,
            (s.issued - at(0)).num_milliseconds(),
            (world.now - at(0)).num_milliseconds()
        )),
    }
}

type Window = (DateTime<Utc>, DateTime<Utc>);

/// When a person was approved, in order. An early end counts from its announcement and P.
fn windows(world: &World, person: usize) -> Vec<Window> {
    let window = |(g, announced): (&Grant, &Option<DateTime<Utc>>)| {
        let closed = announced.map_or(g.deadline, |at| at + MARGINS.propagation);
        (g.principal_arn == PEOPLE[person].0).then(|| (g.starts_at, g.deadline.min(closed)))
    };
    let grants = world.grants.iter().zip(&world.announced);
    let mut windows: Vec<_> = grants.filter_map(window).collect();
    windows.sort_unstable();
    windows
}

/// Whether the windows cover the whole time.
fn covered(windows: &[Window], from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
    let cover = |covered: DateTime<Utc>, (start, end): &Window| {
        if *start <= covered {
            covered.max(*end)
        } else {
            covered
        }
    };
    to < windows.iter().fold(from, cover)
}

/// I-a: every name that a trust statement admits is denied by the guard from its latest approved deadline on, whatever of the writes on their
/// way lands last and should nobody of us ever write again.
pub fn guarded(world: &World) -> Result<(), Violation> {
    let trusts = world.trust.versions.iter().chain(&world.trust.late);
    let pins: BTreeSet<_> = trusts
        .filter_map(|v| v.policy.as_ref())
        .flat_map(Policy::pins)
        .filter(|(_, _, until)| *until > world.now)
        .collect();
    for guard in world.guard.late.iter().chain([world.guard.current()]) {
        for (name, principal, _) in &pins {
            let has = |g: &&Grant| {
                g.grant_name == *name
                    || g.console_name.as_deref() == Some(name) && g.principal_arn == *principal
            };
            let latest = world.grants.iter().filter(has).map(|g| g.deadline).max();
            let deadline =
                latest.ok_or_else(|| format!("I-a: nobody approved {name} for {principal}"))?;
            let request = session_request(ROLE_ID, name, deadline, Some(world.now));
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

/// I-c: any older guard denies the grant names of the newer one, from their deadlines at the latest.
pub fn fails_closed(world: &World, newer: &str) -> Result<(), Violation> {
    let newer = Policy::parse(newer);
    for g in &world.grants {
        let request = |at| session_request(ROLE_ID, &g.grant_name, at, Some(world.now));
        let listed = !newer.denies(&request(g.deadline - TimeDelta::seconds(1)));
        let older = world.guard.versions.iter().filter(|v| v.text.is_some());
        if listed && older.into_iter().any(|v| !v.denies(&request(g.deadline))) {
            return Err(format!(
                "I-c: an older guard lets {} through at its deadline",
                g.id
            ));
        }
    }
    Ok(())
}

/// I-d: a closing write never grows (the digits of the guard's revision aside) and brings no statement that was not there. Where an older guard
/// came back, by a late write or a lagging read, names that it does not know must be denied: that one is no measure.
pub fn closing(role: &ObservedRole, step: &Step, latest_revision: i64) -> Result<(), Violation> {
    match step {
        Step::PutTrust {
            document, opens, ..
        } => {
            let parse = |text| Document::parse(text).map_err(|e| format!("I-d: {e}: {text}"));
            let (before, after) = (parse(&role.trust)?, parse(document)?);
            let had =
                |sid: &str, text: &str| before.ours().any(|(s, b)| s == sid && b.text == text);
            let subset = after.ours().all(|(sid, s)| had(sid, s.text));
            if document.len() > role.trust.len() || !opens.is_empty() || !subset {
                return Err(format!("I-d: {} became {document}", role.trust));
            }
        }
        Step::PutGuard {
            document, revision, ..
        } => {
            let Some(before) = &role.guard else {
                return Ok(());
            };
            let current = guard::read(before, ROLE_ID).revision == Some(latest_revision);
            if current && document.len() >= before.len() + revision.to_string().len() {
                return Err(format!("I-d: {before} became {document}"));
            }
        }
        Step::DeleteGuard | Step::Rest => {}
    }
    Ok(())
}
