//! Asking for an entitlement.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::{Ctx, Tx};
use crate::aws::{AwsError, Check};
use crate::db;
use crate::domain::duration;
use crate::domain::entitlement::{Entitlement, Terms};
use crate::domain::person::{Principal, console_name};
use crate::domain::request::{Ask, Request};
use crate::domain::text::{Ticket, Words, is_hidden};
use crate::error::{Error, FieldError};
use crate::policy::ObservedRole;
use crate::policy::capacity::{self, Seat, Unusable};

/// How long AWS has to say what it knows of the role.
const LOOK: Duration = Duration::from_secs(2);
/// How far ahead a start may be.
const AHEAD: TimeDelta = TimeDelta::days(30);

/// What a caller sends, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct NewRequest {
    /// Name of the entitlement.
    pub entitlement: String,
    /// ARN of the AWS identity to be let in; needed where the caller has several in the role's account.
    pub principal: Option<String>,
    /// How long, seconds.
    pub duration_seconds: i64,
    /// Why.
    pub justification: String,
    /// From when; at once after approval where there is none.
    pub starts_at: Option<DateTime<Utc>>,
    /// A ticket's name or URL.
    pub ticket: Option<String>,
}

/// Everything that was sent, checked field by field.
struct Checked {
    entitlement: Entitlement,
    principal: Principal,
    justification: Words,
    duration_seconds: i32,
    ticket: Option<Ticket>,
}

/// What AWS told of the role; nothing when it was silent.
#[derive(Default)]
struct Seen {
    role_id: Option<String>,
    principal_id: Option<String>,
    checked: bool,
}

/// Makes a request. The role is looked at in AWS first, with no transaction open; what cannot be opened is refused with nothing stored.
///
/// # Errors
/// Fields that do not fit, an entitlement that the caller may not ask for, a role that cannot be opened.
pub async fn submit(ctx: &Ctx, new: NewRequest) -> Result<Request, Error> {
    let name = new.entitlement.clone();
    let refused = |error| ctx.refused("request.submitted", subject(&name), error);
    let prepared = match prepare(ctx, &new).await {
        Err(error) if error.is_refusal() => return Err(refused(error).await),
        other => other?,
    };
    let (checked, seen) = prepared;
    let expire_after = ctx.app.settings().expire_after;
    ctx.verb("request.submitted", subject(&name), async |tx: &mut Tx| {
        // The catalog may have changed while AWS was asked.
        let person = db::people::get(tx.conn(), ctx.person.id)
            .await?
            .ok_or(Error::NotFound)?;
        let now_in_catalog = db::catalog::entitlement(tx.conn(), &new.entitlement).await?;
        let entitlement = now_in_catalog
            .filter(|it| person.is_in(&it.terms.requester_group))
            .ok_or(Error::NotFound)?;
        if entitlement != checked.entitlement {
            recheck(&checked, &entitlement.terms, ctx.app.settings().propagation)?;
        }
        // What AWS told of another role says nothing of this one.
        let seen = if entitlement.target == checked.entitlement.target {
            seen
        } else {
            Seen::default()
        };
        let ask = Ask {
            principal: checked.principal,
            principal_unique_id: seen.principal_id,
            role_id: seen.role_id,
            justification: checked.justification,
            duration_seconds: checked.duration_seconds,
            starts_at: new.starts_at,
            ticket: checked.ticket,
            target_checked: seen.checked,
            entitlement,
        };
        let change = ask.submit(ctx.person.id, expire_after, &tx.by);
        Ok(db::requests::insert(tx.conn(), change).await?)
    })
    .await
}

/// An entitlement's name as a subject of the audit log: what was sent, cut and made plain.
#[must_use]
pub fn subject(name: &str) -> String {
    let is_seen = |c: &char| !c.is_control() && !is_hidden(*c);
    let plain: String = name.chars().filter(is_seen).take(63).collect();
    if plain.is_empty() {
        "-".to_owned()
    } else {
        plain
    }
}

async fn prepare(ctx: &Ctx, new: &NewRequest) -> Result<(Checked, Seen), Error> {
    let (checked, others) = ctx
        .app
        .read(async |conn, now| {
            let entitlement = db::catalog::entitlement(conn, &new.entitlement).await?;
            let entitlement = entitlement
                .filter(|it| ctx.person.is_in(&it.terms.requester_group))
                .ok_or(Error::NotFound)?;
            let principals = db::people::principals(conn, ctx.person.id).await?;
            let condition = db::targets::condition(conn, entitlement.target).await?;
            if condition.needs_a_person() {
                return Err(Error::RoleSuspended(condition));
            }
            let propagation = ctx.app.settings().propagation;
            let checked = check(new, entitlement, principals, propagation, now)?;
            let from = new.starts_at.unwrap_or(now);
            let until = from + TimeDelta::seconds(i64::from(checked.duration_seconds));
            let target = checked.entitlement.target;
            let others = db::grants::seated(conn, target, (from, until)).await?;
            Ok((checked, others))
        })
        .await?;
    let terms = &checked.entitlement.terms;
    if capacity::is_protected(&terms.role_arn) {
        return Err(Error::RoleProtected);
    }
    let look = crate::aws::check(ctx.app.aws(), &terms.role_arn, &checked.principal.arn);
    let seen = match tokio::time::timeout(LOOK, look).await {
        Ok(Ok(role)) => usable(role, &checked.principal, &others)?,
        Ok(Err(AwsError::Gone)) => return Err(Error::RoleNotFound),
        Ok(Err(error)) => {
            tracing::warn!(role.arn = terms.role_arn, %error, "the role could not be looked at; it is looked at again when it is opened");
            Seen::default()
        }
        Err(_) => Seen::default(),
    };
    Ok((checked, seen))
}

/// Every field at once, so that nobody has to try again for each.
fn check(
    new: &NewRequest,
    entitlement: Entitlement,
    principals: Vec<Principal>,
    propagation: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Checked, Error> {
    let mut wrong = Vec::new();
    let mut invalid = |field, detail: String| {
        wrong.push(FieldError {
            field,
            code: "invalid_field",
            detail,
        })
    };
    let justification = Words::parse(&new.justification)
        .map_err(|it| invalid("justification", it.to_string()))
        .ok();
    let ticket = new
        .ticket
        .as_deref()
        .filter(|it| !it.trim().is_empty())
        .map(Ticket::parse)
        .transpose()
        .map_err(|it| invalid("ticket", it.to_string()))
        .ok()
        .flatten();
    if let Some(start) = new.starts_at {
        if start <= now {
            invalid(
                "starts_at",
                "must be in the future; leave it out to start at once".to_owned(),
            );
        } else if start > now + AHEAD {
            invalid("starts_at", "must be within the next 30 days".to_owned());
        }
    }
    let duration_seconds = check_duration(&entitlement.terms, new.duration_seconds, propagation)
        .map_err(|it| wrong.push(it))
        .ok();
    let principal = pick(
        principals,
        &entitlement.terms.account,
        new.principal.as_deref(),
    )
    .map_err(|it| wrong.push(it))
    .ok();
    match (justification, duration_seconds, principal) {
        (Some(justification), Some(duration_seconds), Some(principal)) if wrong.is_empty() => {
            Ok(Checked {
                entitlement,
                principal,
                justification,
                duration_seconds,
                ticket,
            })
        }
        _ => Err(Error::InvalidFields(wrong)),
    }
}

/// What was checked against the terms as they were, against those that have taken their place.
fn recheck(checked: &Checked, terms: &Terms, propagation: TimeDelta) -> Result<(), Error> {
    if capacity::is_protected(&terms.role_arn) {
        return Err(Error::RoleProtected);
    }
    if checked.principal.account != terms.account {
        return Err(Error::field("principal", "is not in the role's account"));
    }
    check_duration(terms, checked.duration_seconds.into(), propagation)
        .map(drop)
        .map_err(|it| Error::InvalidFields(vec![it]))
}

/// Within the terms, and longer than AWS may need to take over what opens it.
fn check_duration(terms: &Terms, seconds: i64, propagation: TimeDelta) -> Result<i32, FieldError> {
    let opens_in = i32::try_from(propagation.num_seconds()).unwrap_or(i32::MAX - 1);
    let least = terms.min_duration_seconds.max(opens_in + 1);
    let most = terms.max_duration_seconds;
    let fits = i32::try_from(seconds)
        .ok()
        .filter(|it| (least..=most).contains(it));
    fits.ok_or_else(|| FieldError {
        field: "duration",
        code: "duration_out_of_range",
        detail: format!(
            "must be from {} to {}",
            duration::print(least),
            duration::print(most)
        ),
    })
}

fn pick(
    principals: Vec<Principal>,
    account: &str,
    asked: Option<&str>,
) -> Result<Principal, FieldError> {
    let refuse = |code, detail: &str| FieldError {
        field: "principal",
        code,
        detail: detail.to_owned(),
    };
    let mut fitting: Vec<_> = principals
        .into_iter()
        .filter(|it| it.account == account && asked.is_none_or(|arn| arn == it.arn))
        .collect();
    match (fitting.len(), asked) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(_)) => Err(refuse(
            "invalid_field",
            "is not an AWS identity of yours in the role's account",
        )),
        (0, None) => Err(refuse(
            "invalid_field",
            "is missing: the catalog knows no AWS identity of yours in the role's account",
        )),
        _ => Err(refuse(
            "principal_ambiguous",
            "must be named: you have several AWS identities in the role's account",
        )),
    }
}

/// Refuses a role that cannot take one more grant.
fn usable(
    role: Check,
    principal: &Principal,
    others: &[db::grants::Seated],
) -> Result<Seen, Error> {
    if role.ours {
        return Err(Error::RoleIsOurs);
    }
    if role.principal_id.is_none() {
        return Err(Error::field(
            "principal",
            format!("is not there in AWS: {}", principal.arn),
        ));
    }
    let (role_id, principal_id) = (role.role_id.clone(), role.principal_id.clone());
    let observed = ObservedRole {
        role_id: role.role_id,
        arn: role.role_arn,
        trust: role.trust,
        guard: None,
        trust_quota: role.trust_quota,
        principals: std::iter::once((principal.arn.clone(), role.principal_id)).collect(),
    };
    let seats: Vec<_> = others
        .iter()
        .map(|it| Seat {
            principal_arn: &it.principal_arn,
            console_name: it.console_name.as_deref(),
        })
        .collect();
    let name = console_name(&principal.arn);
    let one_more = Seat {
        principal_arn: &principal.arn,
        console_name: name.as_deref(),
    };
    match capacity::check(&observed, None, &seats, one_more) {
        Ok(_) => Ok(Seen {
            role_id: Some(role_id),
            principal_id,
            checked: true,
        }),
        Err(Unusable::Protected) => Err(Error::RoleProtected),
        Err(Unusable::Ours) => Err(Error::RoleIsOurs),
        Err(Unusable::Unreadable(_) | Unusable::BlockedByForeignPrincipal) => {
            Err(Error::TrustPolicyUnreadable)
        }
        Err(Unusable::Full(room)) => Err(Error::TrustPolicyFull {
            used: room.used,
            quota: room.quota,
            needed: room.needed,
        }),
    }
}
