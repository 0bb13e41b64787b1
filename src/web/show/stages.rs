//! Stages in words.

use super::{approvals, seconds};
use crate::domain::stages::{GroupSeats, Stages};
use crate::domain::tally::StageState;

/// Who has to approve: every stage, one after the other.
#[must_use]
pub fn stages(stages: &Stages) -> String {
    let stages = stages.iter().map(|it| groups(&it.groups));
    stages.collect::<Vec<_>>().join(", then ")
}

/// How many approvals from which groups.
#[must_use]
pub fn groups(groups: &[GroupSeats]) -> String {
    let groups = groups
        .iter()
        .map(|it| format!("{} from {}", approvals(&it.needed), it.group));
    groups.collect::<Vec<_>>().join(" and ")
}

/// Who else may sit there, and after how long.
#[must_use]
pub fn escalations(groups: &[GroupSeats]) -> Vec<String> {
    let later = groups.iter().filter_map(|it| {
        let later = it.escalation.as_ref()?;
        let after = seconds(&later.after_seconds);
        Some(format!(
            "after {after} people of {} as well, in place of {}",
            later.to, it.group
        ))
    });
    later.collect()
}

/// Whether others may decide as well in time.
#[must_use]
pub fn escalates(stages: &Stages) -> bool {
    let mut groups = stages.iter().flat_map(|it| &it.groups);
    groups.any(|it| it.escalation.is_some())
}

/// The groups that decide, each once.
#[must_use]
pub fn names(stages: &Stages) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in stages.groups() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" or ")
}

/// Where a stage stands.
#[must_use]
pub const fn stage(state: &StageState) -> &'static str {
    match state {
        StageState::Closed => "Approved",
        StageState::Open => "Open",
        StageState::Waiting => "Waits for the stage before",
    }
}
