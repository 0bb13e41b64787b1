//! One user of somebody's: whether they are there, and whether they can carry what is put on them.

use chrono::{DateTime, Utc};

use super::lines::Section;
use super::place::{Place, Silent};
use super::role::check_condition;
use crate::aws::check_user;
use crate::aws::survey;
use crate::db::doctor::Known;
use crate::domain::arn::{Arn, Kind};
use crate::domain::entitlement::Method;
use crate::policy::ObservedUser;
use crate::policy::capacity::Booking;

/// Looks at a user, and adds what was found. Users whom nothing is opened for are left alone: we
/// have no right to see them.
pub(super) async fn examine(
    place: &Place<'_>,
    known: &Known,
    sections: &mut Vec<Section>,
) -> Result<(), Silent> {
    let needs = &place.account.needs;
    let is_let_in = !needs
        .opened(|it| it.method == Method::TrustPolicy)
        .is_empty();
    if !needs.users.contains(&known.arn) || !(needs.carries || is_let_in) {
        return Ok(());
    }
    let mut section = Section::new(format!("user {}", known.arn));
    let looked = look(place, known, &mut section).await;
    if !section.lines.is_empty() {
        sections.push(section);
    }
    looked
}

async fn look(place: &Place<'_>, known: &Known, section: &mut Section) -> Result<(), Silent> {
    check_condition(known, section);
    let arn = &known.arn;
    let name = Arn::name_of(arn, Kind::User).unwrap_or_default();
    let user = match survey::user(&place.aws, arn).await {
        Ok(Some(user)) => user,
        Ok(None) => {
            let create = format!("aws iam create-user --user-name {name}");
            let told = "AWS has no such user: their person can be let into nothing as them";
            let other = "principals = …   # or the user that the person has, in the catalog";
            section.lacks("exists", told, &[create, other.to_owned()]);
            return Ok(());
        }
        Err(failed) => return place.refused(section, failed, "nobody is let in as this user"),
    };
    if !place.account.needs.carries {
        section.ok("exists", "it is there");
        return Ok(());
    }
    if let Some(boundary) = &user.boundary {
        section.warn(
            "boundary",
            format!("its permissions boundary {boundary} limits every policy that is put on it"),
            &[format!(
                "aws iam delete-user-permissions-boundary --user-name {name}   # unless that is meant"
            )],
        );
    }
    match Box::pin(check_user(&place.aws, arn)).await {
        Ok(Some(observed)) => check_room(place, name, &observed, section),
        // Gone since a moment ago.
        Ok(None) => return Ok(()),
        Err(error) => {
            Silent::or_not(error)?;
            let told = format!(
                "{} may not iam:ListUserPolicies or iam:GetUserPolicy: nothing is put on this user",
                place.us
            );
            section.lacks("rights", told, &[place.set_up()]);
            return Ok(());
        }
    }
    let writes = [
        "iam:PutUserPolicy",
        "iam:DeleteUserPolicy",
        "iam:SimulatePrincipalPolicy",
    ];
    let otherwise = "nothing is put on this user, or what is there ends at its deadline alone";
    place.check_rights(section, &writes, arn, otherwise).await
}

/// Whether the policy of one grant has room beside what is not ours.
fn check_room(place: &Place<'_>, name: &str, user: &ObservedUser, section: &mut Section) {
    let carried = place.catalog.carried.iter();
    let of_user = carried.filter(|it| {
        let account = it.account.as_ref();
        account.is_none_or(|it| *it == place.account.id)
    });
    let window = (DateTime::<Utc>::UNIX_EPOCH, DateTime::UNIX_EPOCH);
    let wanted = of_user.filter_map(|it| Booking::wanted(&it.allows, Some(name), it.mfa, window));
    let longest = wanted.map(|it| it.size).max().unwrap_or_default();
    let told = format!(
        "other inline policies take {} of {} characters",
        user.foreign, user.quota
    );
    if user.foreign + longest <= user.quota {
        section.ok("room", told);
        return;
    }
    section.lacks(
        "room",
        format!("{told}, and the longest that an entitlement puts there {longest}: it cannot be opened"),
        &[format!(
            "aws iam delete-user-policy --user-name {name} --policy-name NAME   # attach a managed policy instead"
        )],
    );
}
