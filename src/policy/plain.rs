//! The closings by the plainest way: for a target whose look makes `plan` itself break down
//! (docs/guard.md, H10).

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::document::{Document, inert, sid};
use super::guard::Guard;
use super::inline::{self, ENDED};
use super::nothing::nothing;
use super::{Input, Observed, ObservedRole, ObservedUser, Plan, Step, Write, fingerprint};
use crate::domain::grant::{Grant, GrantState};
use crate::domain::person::may_name_a_session;
use crate::domain::target::DocumentKey;

/// A plan that stands although planning broke down.
#[derive(Debug)]
pub struct BrokeDown {
    /// The closings alone; nothing counts as opened or ended by it.
    pub plan: Plan,
    /// What the panic said.
    pub message: String,
}

/// Plans with `function`, which is `plan` but for tests.
///
/// # Errors
/// When it panics: the closings, planned from the stored facts and from the bare texts. Whatever
/// stands in AWS, no closing waits for its mending.
pub fn or_plain(
    input: &Input<'_>,
    function: impl FnOnce(&Input<'_>) -> Plan,
) -> Result<Plan, Box<BrokeDown>> {
    catch_unwind(AssertUnwindSafe(|| function(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Box::new(BrokeDown {
            message: text.unwrap_or_default().to_owned(),
            plan: plain(input),
        })
    })
}

fn plain(input: &Input<'_>) -> Plan {
    let mut answer = nothing(input, input.target.condition);
    answer.missing_since = input.target.missing_since;
    match input.observed {
        Observed::Gone => {}
        Observed::Role(role) => answer.step = step(input, role),
        Observed::User(user) => answer.step = without_ended(input, user).unwrap_or(Step::Rest),
    }
    answer
}

/// The guard first, then the trust policy.
fn step(input: &Input<'_>, role: &ObservedRole) -> Step {
    let guard = guard(input, role);
    let sent = input.target.revision;
    let wanted = fingerprint(&guard.render(&role.role_id, &role.arn, sent));
    // A guard that AWS refuses must not keep statements in.
    if is_sent(input, role, wanted) || input.guard_refused {
        return without_closing(input, role).unwrap_or(Step::Rest);
    }
    let revision = sent.saturating_add(1);
    Step::from(Write {
        key: DocumentKey::Guard,
        text: Some(guard.render(&role.role_id, &role.arn, revision)),
        revision,
        opens: Vec::new(),
        guard_back: false,
        restores: Vec::new(),
        sends: Vec::new(),
        replaces: role.guard.clone(),
    })
}

/// Whether a guard is what we sent last and reads so. What was sent and does not show within P may
/// have been lost, or somebody has deleted it.
fn is_sent(input: &Input<'_>, role: &ObservedRole, wanted: [u8; 32]) -> bool {
    let Some(written) = &input.target.guard.written else {
        return false;
    };
    let shown = role.guard.as_deref().map(fingerprint);
    let stands = shown == Some(wanted);
    written.hash == wanted && (stands || !input.has_settled(Some(written.at)))
}

/// The grants that are open stay listed; every other name is denied altogether: of the grants at
/// hand, and whatever the guard as read names.
fn guard(input: &Input<'_>, role: &ObservedRole) -> Guard {
    let mut guard = Guard {
        closed: input.target.closed,
        installation: input.target.installation.clone(),
        ..Guard::default()
    };
    for grant in input.grants {
        if is_open(input, grant) {
            guard.deny_from(&grant.grant_name, grant.deadline);
            if let Some(console) = grant.usable_console_name() {
                guard.deny_from(console, grant.deadline);
            }
        }
    }
    for grant in input.grants {
        guard.denied.extend(grant.console_name.clone());
    }
    guard.denied.extend(named(role));
    let live = &guard.until;
    guard
        .denied
        .retain(|name| !live.contains_key(name) && may_name_a_session(name));
    guard
}

/// Every session name in the guard, found without reading it as JSON.
fn named(role: &ObservedRole) -> BTreeSet<String> {
    let prefix = format!("\"{}:", role.role_id);
    let text = role.guard.as_deref().unwrap_or_default();
    let mut names = BTreeSet::new();
    for rest in text.split(&prefix).skip(1) {
        if let Some((name, _)) = rest.split_once('"') {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The trust policy without the statements of grants at hand that are not open. What no row knows
/// may be another installation's, and stays.
fn without_closing(input: &Input<'_>, role: &ObservedRole) -> Option<Step> {
    let document = Document::parse(&role.trust).ok()?;
    let open = input.grants.iter().filter(|grant| is_open(input, grant));
    let open: BTreeMap<String, &Grant> = open.map(|grant| (sid(grant.id), grant)).collect();
    let mut staying = BTreeMap::new();
    for (sid, statement) in document.ours() {
        if open.contains_key(sid) || !input.has_grant_of(sid) {
            staying.insert(sid.to_owned(), statement.text.to_owned());
        }
    }
    if document.ours().count() == staying.len() {
        return None;
    }
    let mut sends = Vec::new();
    for grant in staying.keys().filter_map(|sid| open.get(sid)) {
        sends.push((grant.id, grant.deadline));
    }
    let original = input.target.trust.original.as_deref();
    Some(Step::from(Write {
        key: DocumentKey::Trust,
        text: Some(document.with(&staying, original, &inert(&role.arn))),
        revision: input.target.revision,
        opens: Vec::new(),
        guard_back: false,
        restores: Vec::new(),
        sends,
        replaces: Some(role.trust.clone()),
    }))
}

/// The end of the first policy whose grant is at hand and not open, and that is not ended yet. The
/// text of the end may stay, whatever the time is; what no row knows stays as well.
fn without_ended(input: &Input<'_>, user: &ObservedUser) -> Option<Step> {
    let ended = fingerprint(ENDED);
    for grant in input.grants {
        let name = inline::name(&input.target.installation, grant.id);
        let Some(text) = user.policies.get(&name) else {
            continue;
        };
        let key = DocumentKey::Inline(grant.id);
        let sent = input.target.sent(key);
        // A read may not show yet what was sent.
        let is_sent = sent.is(&ended) && !input.has_settled(sent.written_at());
        if is_open(input, grant) || fingerprint(text) == ended || is_sent {
            continue;
        }
        // What AWS does not take because of its size is deleted.
        let end = (!input.ended_refused).then(|| ENDED.to_owned());
        return Some(Step::from(Write {
            key,
            text: end,
            revision: input.target.revision,
            opens: Vec::new(),
            guard_back: false,
            restores: Vec::new(),
            sends: Vec::new(),
            replaces: Some(text.clone()),
        }));
    }
    None
}

fn is_open(input: &Input<'_>, grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Active { .. }) && input.now < grant.deadline
}
