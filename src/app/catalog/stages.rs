//! Who approves an entitlement of a catalog file: one group, or stages of several.

use toml::Spanned;

use super::fields::Fields;
use super::file::seen;
use crate::domain::stages::{Escalation, GroupSeats, InvalidEscalation, Stage, Stages};

/// Who approves, and every group that is named there.
pub(super) type Approvers = (Stages, Vec<Spanned<String>>);

/// Reads `stages`, or `approver_group` and `needed`, the short form of one stage.
pub(super) fn approvers(fields: &mut Fields<'_>) -> Option<Approvers> {
    if !fields.has("stages") {
        let group = fields.text("approver_group", seen);
        let needed = fields.number("needed", 1..=10, 1);
        let (group, needed) = (group?, needed?);
        // The number was looked at, so that nothing is left to be wrong.
        let stages = Stages::one(group.get_ref(), needed).ok()?;
        return Some((stages, vec![group]));
    }
    let at = fields.span("stages");
    let must = |_: &str| -> Result<Named, String> { Err("must be tables in { }".to_owned()) };
    let stages = fields.list_of_both("stages", must, stage);
    let short = "is the short form of one stage: leave it out, or `stages`";
    let is_alone = [
        fields.must_lack("approver_group", short),
        fields.must_lack("needed", short),
    ];
    let stages = stages?.into_iter().map(Spanned::into_inner);
    let (stages, named): (Vec<_>, Vec<_>) = stages.unzip();
    match Stages::new(stages) {
        Ok(stages) if is_alone == [true, true] => {
            Some((stages, named.into_iter().flatten().collect()))
        }
        Ok(_) => None,
        Err(error) => {
            fields.refuse(at, "stages", &error.to_string());
            None
        }
    }
}

type Named = (Stage, Vec<Spanned<String>>);

fn stage(mut fields: Fields<'_>) -> Option<Named> {
    let must = |_: &str| -> Result<_, String> { Err("must be tables in { }".to_owned()) };
    let groups = fields.list_of_both("groups", must, group);
    fields.done();
    let groups = groups?.into_iter().map(Spanned::into_inner);
    let (groups, named): (Vec<_>, Vec<_>) = groups.unzip();
    Some((Stage { groups }, named.into_iter().flatten().collect()))
}

fn group(mut fields: Fields<'_>) -> Option<(GroupSeats, Vec<Spanned<String>>)> {
    let group = fields.text("group", seen);
    let needed = fields.number("needed", 1..=10, 1);
    let to = fields.maybe_text("escalate_to", seen);
    let after = fields.maybe_text("escalate_after", |text| {
        let escalation = Escalation::parse("", text).map_err(|error| match error {
            InvalidEscalation::Duration(_) => "must be a duration such as PT1H (1 hour)".to_owned(),
            error => error.to_string(),
        });
        escalation.map(|it| it.after_seconds)
    });
    let (to, after) = (to?, after?);
    let escalation = match (&to, &after) {
        (Some(to), Some(after)) => Some(Escalation {
            to: to.get_ref().clone(),
            after_seconds: *after.get_ref(),
        }),
        (None, None) => None,
        (Some(one), None) => {
            fields.refuse(one.span(), "escalate_to", "goes with escalate_after");
            return None;
        }
        (None, Some(one)) => {
            fields.refuse(one.span(), "escalate_after", "goes with escalate_to");
            return None;
        }
    };
    fields.done();
    let group = group?;
    let seats = GroupSeats {
        group: group.get_ref().clone(),
        needed: needed?,
        escalation,
    };
    Some((seats, std::iter::once(group).chain(to).collect()))
}
