//! One role: whether each method that opens it can do so.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::closed;
use super::lines::{Section, quoted};
use super::place::{Place, Silent};
use super::trial;
use crate::aws::AwsError;
use crate::aws::survey::{self, SurveyedRole};
use crate::db::doctor::Known;
use crate::domain::account::Opened;
use crate::domain::arn::{Arn, Kind};
use crate::domain::demands::Demands;
use crate::domain::entitlement::Method;
use crate::domain::person::Who;
use crate::domain::target::Condition;
use crate::ids::GrantId;
use crate::policy::ObservedRole;
use crate::policy::capacity::{self, INLINE_QUOTA, Obstacle, Seat};
use crate::policy::document::Document;
use crate::policy::guard::Guard;
use crate::policy::shown::Shown;
use crate::policy::switchable;
use crate::policy::trust::Admitted;

/// What cannot be seen of it opens nothing.
const UNSEEN: &str = "nothing opens on this role";

/// Looks at a role, and adds what was found.
pub(super) async fn examine(
    place: &Place<'_>,
    known: &Known,
    sections: &mut Vec<Section>,
) -> Result<(), Silent> {
    let mut section = Section::new(format!("role {}", known.arn));
    let looked = look(place, known, &mut section).await;
    // Also what was found before it fell silent.
    if !section.lines.is_empty() {
        sections.push(section);
    }
    looked
}

async fn look(place: &Place<'_>, known: &Known, section: &mut Section) -> Result<(), Silent> {
    let arn = &known.arn;
    if capacity::is_protected(arn) {
        let told = "only AWS can change it (service-linked, or of IAM Identity Center): it is never opened";
        section.lacks(
            "protected",
            told,
            &["role_arn = …   # of its entitlements: another role"],
        );
        return Ok(());
    }
    check_condition(known, section);
    let role = match survey::role(&place.aws, arn).await {
        Ok(Some(role)) => role,
        Ok(None) => {
            gone(arn, section);
            return Ok(());
        }
        Err(failed) => return place.refused(section, failed, UNSEEN),
    };
    if role.ours {
        let told = "Countersign itself works as this role, which is never opened";
        section.lacks(
            "own role",
            told,
            &["role_arn = …   # of its entitlements: another role"],
        );
        return Ok(());
    }
    check_boundary(arn, &role, section);
    let methods = methods(place, arn);
    check_trust(place, known, &role, &methods, section);
    if opened(place, arn).any(|it| !it.early_end.cuts()) && role.guarded {
        let told = "a guard stands on it, which denies whatever it does not list: what has early_end = \"none\" \
                    cannot be asked for until it is gone";
        let mend = "early_end = \"guard\"   # or wait half a day after the last grant with a guard";
        section.warn("guard", told, &[mend]);
    }
    // Where nothing needs a guard, nothing is written.
    if methods.is_empty() || opened(place, arn).any(|it| it.early_end.cuts()) {
        check_room(place, arn, &role, section).await?;
        let mut writes = vec!["iam:PutRolePolicy", "iam:DeleteRolePolicy"];
        if methods.contains(&Method::TrustPolicy) {
            writes.push("iam:UpdateAssumeRolePolicy");
        }
        let otherwise = "nothing opens, and what is open ends at its deadline alone";
        place.check_rights(section, &writes, arn, otherwise).await?;
    }
    if methods.contains(&Method::StsCredentials) {
        trial::examine(place, arn, &role, section).await?;
    }
    Ok(())
}

fn methods(place: &Place<'_>, arn: &str) -> Vec<Method> {
    opened(place, arn).map(|it| it.method).collect()
}

fn opened<'a>(place: &'a Place<'_>, arn: &str) -> impl Iterator<Item = &'a Opened> {
    let roles = place.account.needs.roles.iter();
    roles.filter(move |it| it.arn == arn)
}

/// What only a person can lift, and what is a fault of ours. Everything else is looked at live.
pub(super) fn check_condition(known: &Known, section: &mut Section) {
    let resume = format!("countersign target resume {}", quoted(&known.arn));
    match known.condition {
        Condition::Contested => section.lacks(
            "contested",
            "somebody keeps undoing what Countersign writes: nothing opens until a person has seen why",
            &[resume],
        ),
        Condition::SafeMode => section.lacks(
            "safe_mode",
            "AWS has a newer guard, or another installation's: nothing opens until a person has seen why",
            &[resume],
        ),
        _ => {}
    }
    if known.is_rewound {
        section.lacks(
            "rewind",
            "AWS was seen here to be of a later time than the database: nowhere are keys handed out that nothing \
             could cut, until a person has seen why",
            &[format!("countersign target resume {}", quoted(&known.arn))],
        );
    }
    if known.last_error.as_deref() == Some(AwsError::Unplanned.code()) {
        section.lacks(
            "unplanned",
            "planning breaks down, a fault of Countersign's: nothing opens, and closings go on plainly",
            &["report it with the lines of the log that say `planning broke down`"],
        );
    }
}

fn gone(arn: &str, section: &mut Section) {
    let read = Arn::read(arn);
    let (path, name) = read.map_or(("/", ""), |it| (it.path, it.name));
    section.lacks(
        "exists",
        "AWS has no such role: nothing can be asked for on it",
        &[
            format!(
                "aws iam create-role --role-name {name} --path {} --assume-role-policy-document FILE",
                quoted(path)
            ),
            "role_arn = …   # or another role in its entitlements".to_owned(),
        ],
    );
}

fn check_boundary(arn: &str, role: &SurveyedRole, section: &mut Section) {
    let Some(boundary) = &role.boundary else {
        return;
    };
    let name = Arn::name_of(arn, Kind::Role).unwrap_or_default();
    section.warn(
        "boundary",
        format!("its permissions boundary {boundary} limits every grant on it"),
        &[format!(
            "aws iam delete-role-permissions-boundary --role-name {name}   # unless that is meant"
        )],
    );
}

/// The trust policy, for what is written into it and for whom it leaves in.
fn check_trust(
    place: &Place<'_>,
    Known {
        arn,
        demands,
        closed,
        ..
    }: &Known,
    role: &SurveyedRole,
    methods: &[Method],
    section: &mut Section,
) {
    let document = match Document::parse(&role.trust) {
        Ok(document) => document,
        Err(why) => {
            let mend = edit(arn, "a JSON object with one `Statement`");
            section.lacks("trust policy", format!("{why}: nothing opens"), &[mend]);
            return;
        }
    };
    if *closed {
        closed::check(arn, &place.us, &document, section);
    }
    if methods.contains(&Method::TrustPolicy) {
        check_seats(place, arn, demands, role, section);
    }
    if methods.contains(&Method::Switch) {
        let mut identities = place.catalog.identities();
        if identities.any(|who| {
            let shown = Shown::with(demands, who);
            switchable::check(&document, arn, who, &shown).is_ok()
        }) {
            let told = "it leaves it to people's own accounts who may assume it";
            section.ok("trust policy", told);
        } else {
            let told = "it lets no account of the catalog's people decide: nobody can switch to it";
            let mend = edit(
                arn,
                "with a statement for `arn:aws:iam::<their account>:root`",
            );
            section.lacks("trust policy", told, &[mend]);
        }
    }
}

/// Whether a statement of one grant has room beside what is not ours.
fn check_seats(
    place: &Place<'_>,
    arn: &str,
    demands: &Demands,
    role: &SurveyedRole,
    section: &mut Section,
) {
    let made_up = format!("arn:aws:iam::{}:user/{}", place.account.id, "x".repeat(32));
    let made_up = Who {
        arn: &made_up,
        session: None,
    };
    let length = |who: &Who<'_>| who.arn.len() + who.session.map_or(0, |it| 60 + it.len());
    let identities = place.account.needs.identities();
    let longest = identities.max_by_key(length).unwrap_or(made_up);
    // Unique ids of roles have 21 characters (IAM User Guide, *IAM identifiers*).
    let userid = longest.session.map(|_| longest.userid(&"A".repeat(21)));
    let console_name = longest.console_name();
    let seat = Seat {
        principal: Admitted {
            arn: longest.arn,
            userid: userid.as_deref(),
        },
        console_name: console_name
            .as_deref()
            .filter(|_| demands.external_id.is_none()),
        demands,
    };
    let observed = ObservedRole {
        role_id: role.id.clone(),
        created_at: DateTime::UNIX_EPOCH,
        arn: arn.to_owned(),
        trust: role.trust.clone(),
        guard: None,
        trust_quota: place.trust_quota,
        principals: BTreeMap::new(),
    };
    match capacity::check(&observed, None, &[], seat) {
        Ok(room) => {
            let grants = (room.quota - room.used) / room.needed;
            let told = format!(
                "{} of {} characters are taken by others: {grants} grants fit at a time",
                room.used, room.quota
            );
            section.ok("trust policy", told);
        }
        Err(why) => {
            let mut mends = vec![edit(arn, what_to_write(&why))];
            if matches!(why, Obstacle::Full(_)) {
                mends.push(
                    "raise `Role trust policy length` of IAM in Service Quotas, to 8192 at most"
                        .to_owned(),
                );
            }
            section.lacks("trust policy", format!("{why}: nothing opens"), &mends);
        }
    }
}

const fn what_to_write(why: &Obstacle) -> &'static str {
    match why {
        Obstacle::BlockedByForeignPrincipal => {
            "without the principals that begin with AIDA or AROA"
        }
        _ => "a shorter one",
    }
}

fn edit(arn: &str, what: &str) -> String {
    let name = Arn::name_of(arn, Kind::Role).unwrap_or_default();
    format!(
        "aws iam update-assume-role-policy --role-name {name} --policy-document FILE   # {what}"
    )
}

/// Whether the guard has room beside the role's other inline policies.
async fn check_room(
    place: &Place<'_>,
    arn: &str,
    role: &SurveyedRole,
    section: &mut Section,
) -> Result<(), Silent> {
    let taken = match survey::inline_of_role(&place.aws, arn).await {
        Ok(taken) => taken,
        Err(failed) => {
            Silent::or_not(failed.error)?;
            let told = format!(
                "{} may not {}: whether the guard has room is not known",
                place.us, failed.action
            );
            section.warn("room", told, &[place.set_up()]);
            return Ok(());
        }
    };
    let least = least_guard(arn, &role.id);
    let told = format!("other inline policies take {taken} of {INLINE_QUOTA} characters");
    if taken + least <= INLINE_QUOTA {
        section.ok("room", told);
        return Ok(());
    }
    let name = Arn::name_of(arn, Kind::Role).unwrap_or_default();
    section.lacks(
        "room",
        format!("{told}, and the guard of one grant {least}: nothing opens"),
        &[format!(
            "aws iam delete-role-policy --role-name {name} --policy-name NAME   # attach a managed policy instead"
        )],
    );
    Ok(())
}

/// Characters of a guard for one grant with a console name.
fn least_guard(arn: &str, role_id: &str) -> usize {
    let names = [GrantId::new().to_string(), "x".repeat(32)];
    let guard = Guard {
        until: names.map(|name| (name, DateTime::UNIX_EPOCH)).into(),
        installation: "x".repeat(8),
        ..Guard::default()
    };
    capacity::size(&guard.render(role_id, arn, 1_000))
}
