//! One user of somebody's, or a role that people come as: whether it is there, whether an authority
//! vouches for the names of its sessions, and whether it can carry what is put on it.

use chrono::{DateTime, Utc};

use super::lines::Section;
use super::place::{Place, Silent};
use super::role::check_condition;
use crate::aws::check_carrier;
use crate::aws::survey;
use crate::db::doctor::Known;
use crate::domain::arn::{Arn, Kind};
use crate::domain::entitlement::Method;
use crate::policy::ObservedUser;
use crate::policy::capacity::{Booking, is_protected};
use crate::policy::inline::Asks;

/// How IAM's commands call what is looked at.
struct Words<'a> {
    /// `user` or `role`.
    kind: &'static str,
    name: &'a str,
    writes: [&'static str; 3],
}

impl<'a> Words<'a> {
    fn of(arn: &'a str) -> Self {
        match Arn::name_of(arn, Kind::Role) {
            Some(name) => Self {
                kind: "role",
                name,
                writes: [
                    "iam:PutRolePolicy",
                    "iam:DeleteRolePolicy",
                    "iam:SimulatePrincipalPolicy",
                ],
            },
            None => Self {
                kind: "user",
                name: Arn::name_of(arn, Kind::User).unwrap_or_default(),
                writes: [
                    "iam:PutUserPolicy",
                    "iam:DeleteUserPolicy",
                    "iam:SimulatePrincipalPolicy",
                ],
            },
        }
    }
}

/// Looks at a user or role, and adds what was found. Those for whom nothing is opened are left
/// alone: we have no right to see them.
pub(super) async fn examine(
    place: &Place<'_>,
    known: &Known,
    sections: &mut Vec<Section>,
) -> Result<(), Silent> {
    let needs = &place.account.needs;
    let is_let_in = !needs
        .opened(|it| it.method == Method::TrustPolicy)
        .is_empty()
        || needs.leaves;
    let is_somebody = needs.identities().any(|who| who.arn == known.arn);
    if !is_somebody || !(needs.carries || is_let_in) {
        return Ok(());
    }
    let words = Words::of(&known.arn);
    let mut section = Section::new(format!("{} {}", words.kind, known.arn));
    let looked = look(place, known, &words, &mut section).await;
    if !section.lines.is_empty() {
        sections.push(section);
    }
    looked
}

async fn look(
    place: &Place<'_>,
    known: &Known,
    words: &Words<'_>,
    section: &mut Section,
) -> Result<(), Silent> {
    check_condition(known, section);
    let (arn, Words { kind, name, .. }) = (&known.arn, words);
    let carrier = match survey::carrier(&place.aws, arn).await {
        Ok(Some(carrier)) => carrier,
        Ok(None) => {
            let create = format!("aws iam create-{kind} --{kind}-name {name}");
            let told = format!("AWS has no such {kind}: nobody can be let into anything as it");
            let other = "principals = …   # or the identity that the person has, in the catalog";
            section.lacks("exists", told, &[create, other.to_owned()]);
            return Ok(());
        }
        Err(failed) => {
            let otherwise = format!("nobody is let in as this {kind}");
            return place.refused(section, failed, &otherwise);
        }
    };
    if let Some(by) = &carrier.unvouched {
        let told = format!(
            "{by}: others could have a session of the same name, so that nobody is let in as one"
        );
        let mend = format!(
            "aws iam update-assume-role-policy --role-name {name} --policy-document FILE   # by SAML, or with \
             \"StringEquals\": {{\"sts:RoleSessionName\": \"${{aws:username}}\"}}, alone"
        );
        section.lacks("session names", told, &[mend]);
    }
    // Only AWS puts something on a role of its own.
    if !place.account.needs.carries || is_protected(arn) {
        section.ok("exists", "it is there");
        return Ok(());
    }
    if let Some(boundary) = &carrier.boundary {
        section.warn(
            "boundary",
            format!("its permissions boundary {boundary} limits every policy that is put on it"),
            &[format!(
                "aws iam delete-{kind}-permissions-boundary --{kind}-name {name}   # unless that is meant"
            )],
        );
    }
    look_at_policies(place, arn, words, section).await
}

/// Whether policies can be put on it, and taken away.
async fn look_at_policies(
    place: &Place<'_>,
    arn: &str,
    words: &Words<'_>,
    section: &mut Section,
) -> Result<(), Silent> {
    let kind = words.kind;
    match Box::pin(check_carrier(&place.aws, arn)).await {
        Ok(Some(observed)) => check_room(place, words, &observed, section),
        // Gone since a moment ago.
        Ok(None) => return Ok(()),
        Err(error) => {
            Silent::or_not(error)?;
            let (us, of) = (&place.us, if kind == "role" { "Role" } else { "User" });
            let told = format!(
                "{us} may not iam:List{of}Policies or iam:Get{of}Policy: nothing is put on this {kind}"
            );
            section.lacks("rights", told, &[place.set_up()]);
            return Ok(());
        }
    }
    let otherwise =
        format!("nothing is put on this {kind}, or what is there ends at its deadline alone");
    place
        .check_rights(section, &words.writes, arn, &otherwise)
        .await
}

/// Whether the policy of one grant has room beside what is not ours.
fn check_room(
    place: &Place<'_>,
    words: &Words<'_>,
    observed: &ObservedUser,
    section: &mut Section,
) {
    let Words { kind, name, .. } = words;
    let carried = place.catalog.carried.iter();
    let of_account = carried.filter(|it| {
        let account = it.account.as_ref();
        account.is_none_or(|it| *it == place.account.id)
    });
    let identities = place.account.needs.identities();
    let longest = identities
        .filter(|who| who.arn == observed.arn)
        .max_by_key(|who| who.session.map(str::len));
    let console = longest.and_then(|who| who.console_name());
    let userid = longest.filter(|who| who.session.is_some());
    let userid = userid.map(|who| who.userid(&observed.user_id));
    let wanted = of_account.filter_map(|it| {
        let asks = Asks {
            mfa: it.mfa,
            userid: userid.as_deref(),
            until: DateTime::UNIX_EPOCH,
        };
        Booking::wanted(
            &it.allows,
            console.as_deref(),
            DateTime::<Utc>::UNIX_EPOCH,
            asks,
        )
    });
    let longest = wanted.map(|it| it.size).max().unwrap_or_default();
    let told = format!(
        "other inline policies take {} of {} characters",
        observed.foreign, observed.quota
    );
    if observed.foreign + longest <= observed.quota {
        section.ok("room", told);
        return;
    }
    section.lacks(
        "room",
        format!("{told}, and the longest that an entitlement puts there {longest}: it cannot be opened"),
        &[format!(
            "aws iam delete-{kind}-policy --{kind}-name {name} --policy-name NAME   # attach a managed policy instead"
        )],
    );
}
