//! The plan that changes nothing.

use super::condition::{safe_since, shown_revision};
use super::lost::identified;
use super::{GuardRead, Input, Observed, Plan, Step, fingerprint};
use crate::domain::target::Condition;

/// What every other plan is built from.
pub(super) fn nothing(input: &Input<'_>, condition: Condition) -> Plan {
    Plan {
        marks: Vec::new(),
        identified: identified(input),
        condition,
        missing_since: None,
        revision: known_revision(input, condition),
        safe_since: safe_since(input, condition),
        kept: input.target.kept.clone(),
        close: Vec::new(),
        opened: Vec::new(),
        closed: Vec::new(),
        guard_removed: Vec::new(),
        step: Step::Rest,
        due: None,
        guard_read: guard_read(input),
        waits: false,
        alarms: Vec::new(),
    }
}

fn guard_read(input: &Input<'_>) -> GuardRead {
    match input.observed {
        Observed::Role(role)
            if input
                .target
                .guard
                .is(&fingerprint(role.guard.as_deref().unwrap_or_default())) =>
        {
            GuardRead::AsSent
        }
        Observed::Role(_) | Observed::User(_) | Observed::Gone => GuardRead::Other,
    }
}

/// In safe mode the revision that AWS shows counts as known, so that a person may lift safe mode:
/// else the same guard would lead to it again.
fn known_revision(input: &Input<'_>, condition: Condition) -> i64 {
    let sent = input.target.revision;
    match condition {
        Condition::SafeMode => shown_revision(input).max(sent),
        _ => sent,
    }
}
