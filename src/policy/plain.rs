//! The closings by the plainest way: for a target whose look makes `plan` itself break down
//! (docs/guard.md, H10).

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::document::{Document, inert, sid};
use super::guard::Guard;
use super::lost::nothing;
use super::{Input, Observed, ObservedRole, Plan, Step, fingerprint};
use crate::domain::grant::{Grant, GrantState};

/// A plan that stands although planning broke down.
#[derive(Debug)]
pub struct BrokeDown {
    /// The closings alone; nothing counts as opened or ended by it.
    pub plan: Plan,
    /// What the panic said.
    pub message: String,
}

/// Plans with `plan`.
///
/// # Errors
/// When it panics: the closings, planned from the stored facts and from the bare texts. Whatever
/// stands in AWS, no closing waits for its mending.
pub fn or_plain(
    input: &Input<'_>,
    plan: impl FnOnce(&Input<'_>) -> Plan,
) -> Result<Plan, Box<BrokeDown>> {
    catch_unwind(AssertUnwindSafe(|| plan(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Box::new(BrokeDown {
            message: text.unwrap_or_default().to_owned(),
            plan: plain(input),
        })
    })
}

fn plain(input: &Input<'_>) -> Plan {
    let mut plan = nothing(input, input.target.condition);
    plan.missing_since = input.target.missing_since;
    if let Observed::Role(role) = input.observed {
        let guard = guard(input, role);
        let text = |revision| guard.render(&role.role_id, &role.arn, revision);
        let (known, next) = (
            input.target.revision,
            input.target.revision.saturating_add(1),
        );
        let wanted = fingerprint(&text(known));
        let stands = role.guard.as_deref().map(fingerprint) == Some(wanted);
        let sent = input.target.written_guard.as_ref();
        let sent = sent.filter(|w| w.hash == wanted);
        // What was sent and does not show may have been lost, or somebody has deleted it.
        let is_sent = sent.is_some_and(|w| stands || input.now < w.at + input.margins.propagation);
        // A guard that AWS refuses must not keep statements in.
        plan.step = if is_sent || input.guard_refused {
            without_closing(input, role).unwrap_or(Step::Rest)
        } else {
            Step::PutGuard {
                document: text(next),
                revision: next,
                opens: Vec::new(),
                restores: false,
            }
        };
    }
    plan
}

/// The grants that are open stay listed; every other name is denied altogether: of the grants at
/// hand, and whatever the guard as read names.
fn guard(input: &Input<'_>, role: &ObservedRole) -> Guard {
    let mut guard = Guard {
        installation: input.target.installation.clone(),
        ..Guard::default()
    };
    for grant in input.grants.iter().filter(|g| is_open(input, g)) {
        let console = grant.marks.console_since.and(grant.console_name.as_ref());
        for name in console.into_iter().chain([&grant.grant_name]) {
            let until = guard.until.entry(name.clone()).or_insert(grant.deadline);
            *until = grant.deadline.max(*until);
        }
    }
    let consoles = input.grants.iter().filter_map(|g| g.console_name.clone());
    let mut denied: BTreeSet<String> = consoles.collect();
    denied.extend(named(role));
    denied.retain(|name| !guard.until.contains_key(name) && !name.contains('*'));
    guard.denied = denied;
    guard
}

/// Every session name in the guard, found without reading it as JSON.
fn named(role: &ObservedRole) -> impl Iterator<Item = String> {
    let prefix = format!("\"{}:", role.role_id);
    let text = role.guard.as_deref().unwrap_or_default();
    let ends = text.split(&prefix).skip(1);
    let names: Vec<String> = ends
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    names.into_iter()
}

/// The trust policy without the statements of grants at hand that are not open. What no row knows
/// may be another installation's, and stays.
fn without_closing(input: &Input<'_>, role: &ObservedRole) -> Option<Step> {
    let document = Document::parse(&role.trust).ok()?;
    let open: BTreeMap<String, &Grant> = input
        .grants
        .iter()
        .filter(|g| is_open(input, g))
        .map(|g| (sid(g.id), g))
        .collect();
    let known: BTreeSet<String> = input.grants.iter().map(|g| sid(g.id)).collect();
    let ours = document.ours();
    let staying: BTreeMap<String, String> = ours
        .filter(|(sid, _)| open.contains_key(*sid) || !known.contains(*sid))
        .map(|(sid, statement)| (sid.to_owned(), statement.text.to_owned()))
        .collect();
    if document.ours().count() == staying.len() {
        return None;
    }
    let sends = staying.keys().filter_map(|sid| open.get(sid));
    Some(Step::PutTrust {
        sends: sends.map(|g| (g.id, g.deadline)).collect(),
        document: document.with(
            &staying,
            input.target.original_trust.as_deref(),
            &inert(&role.arn),
        ),
        opens: Vec::new(),
        restores: Vec::new(),
        replaces: role.trust.clone(),
    })
}

fn is_open(input: &Input<'_>, grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Active { .. }) && input.now < grant.deadline
}
