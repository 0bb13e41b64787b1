//! Whether an ask fits: its fields, and the role as AWS shows it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::NewRequest;
use crate::aws::Check;
use crate::db;
use crate::domain::arn::is_same_partition;
use crate::domain::duration;
use crate::domain::entitlement::{Entitlement, Method, Terms};
use crate::domain::outlive::Outlives;
use crate::domain::person::{Principal, Who};
use crate::domain::rules::Rules;
use crate::domain::text::{Ticket, Words};
use crate::error::{Error, FieldCode, FieldError, InputError, RoleError};
use crate::policy::ObservedRole;
use crate::policy::assumable::{self, Lacking};
use crate::policy::authority::Unvouched;
use crate::policy::capacity::{self, Obstacle, Seat};
use crate::policy::document::Document;
use crate::policy::feasible;
use crate::policy::shown::Shown;
use crate::policy::switchable::{self, Unswitchable};
use crate::policy::trust::Admitted;

/// How far ahead a start may be.
const AHEAD: TimeDelta = TimeDelta::days(30);

/// Everything that was sent, checked field by field.
pub(super) struct Checked {
    pub entitlement: Entitlement,
    /// None where the method needs none.
    pub principal: Option<Principal>,
    pub justification: Words,
    pub duration_seconds: i32,
    pub starts_at: Option<DateTime<Utc>>,
    pub ticket: Option<Ticket>,
}

/// What AWS told of the role and of who is let in; nothing when it was silent.
#[derive(Default)]
pub(super) struct Seen {
    pub role_id: Option<String>,
    /// Their `aws:userid`.
    pub principal_id: Option<String>,
    pub checked: bool,
    /// What could outlive the deadline; none where nobody looked.
    pub outlives: Option<Vec<Outlives>>,
    /// The keys of a request on which it hangs whether the person needs the grant at all.
    pub hangs_on: Vec<String>,
}

/// Every field at once, so that nobody has to try again for each.
pub(super) fn check(
    new: &NewRequest,
    entitlement: Entitlement,
    principals: Vec<Principal>,
    propagation: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Checked, Error> {
    let mut wrong = new.unread.clone();
    let is_read = wrong.iter().all(|error| error.field != "duration");
    let mut invalid = |field, detail: String| wrong.push(FieldError::invalid(field, detail));
    let justification = Words::parse(&new.justification)
        .map_err(|error| invalid("justification", error.to_string()))
        .ok();
    let ticket = Ticket::optional(new.ticket.as_deref())
        .map_err(|error| invalid("ticket", error.to_string()))
        .ok();
    if let Some(why) = new.starts_at.and_then(|start| cannot_start(start, now)) {
        invalid("starts_at", why.to_owned());
    }
    let duration_seconds = check_duration(&entitlement.terms, new.duration_seconds, propagation)
        // One that could not be read has been told already.
        .map_err(|error| wrong.extend(Some(error).filter(|_| is_read)))
        .ok();
    let principal = principal(&entitlement.terms, principals, new.principal.as_deref())
        .map_err(|error| wrong.push(error))
        .ok();
    let rules = &entitlement.terms.rules;
    wrong.extend(by_rules(rules, justification.as_ref(), ticket.as_ref()));
    match (justification, duration_seconds, principal) {
        (Some(justification), Some(duration_seconds), Some(principal)) if wrong.is_empty() => {
            Ok(Checked {
                entitlement,
                principal,
                justification,
                duration_seconds,
                starts_at: new.starts_at,
                ticket: ticket.flatten(),
            })
        }
        _ => Err(InputError::Fields(wrong).into()),
    }
}

/// What the rules ask of a justification and a ticket that could be read.
pub(in crate::app) fn by_rules(
    rules: &Rules,
    justification: Option<&Words>,
    ticket: Option<&Option<Ticket>>,
) -> Vec<FieldError> {
    let length = justification.map(|it| it.as_str().chars().count());
    let short = length.and_then(|it| rules.too_short(it));
    let short = short.map(|it| FieldError::invalid("justification", it));
    let ticket = ticket.and_then(|it| rules.wrong_ticket(it.is_some()));
    let ticket = ticket.map(|it| FieldError::invalid("ticket", it));
    short.into_iter().chain(ticket).collect()
}

/// Why nothing can start then, if so.
fn cannot_start(start: DateTime<Utc>, now: DateTime<Utc>) -> Option<&'static str> {
    if start <= now {
        Some("must be in the future; leave it out to start at once")
    } else if start > now + AHEAD {
        Some("must be within the next 30 days")
    } else {
        None
    }
}

/// Refuses a role that nobody but AWS can change, whatever AWS shows.
pub(super) fn may_be_opened(terms: &Terms) -> Result<(), RoleError> {
    match &terms.role_arn {
        Some(arn) if capacity::is_protected(arn) => Err(RoleError::Protected),
        Some(_) | None => Ok(()),
    }
}

/// What was checked against the terms as they were, against those that have taken their place.
pub(super) fn recheck(
    checked: &Checked,
    terms: &Terms,
    propagation: TimeDelta,
) -> Result<(), Error> {
    may_be_opened(terms)?;
    let account = checked.principal.as_ref().map(|it| it.account.as_str());
    let is_fitting = match terms.method {
        Method::Attach => account == Some(&terms.account),
        // Whoever comes from another account was looked at for a role of that one.
        Method::TrustPolicy => {
            let is_where_it_was = terms.account == checked.entitlement.terms.account;
            account == Some(&terms.account) || is_where_it_was && account.is_some()
        }
        Method::Switch => account.is_some(),
        Method::StsCredentials => account.is_none(),
    };
    let before = &checked.entitlement.terms;
    // AWS was asked for what the entitlement was then.
    if before.early_end.cuts() && !terms.early_end.cuts()
        || terms.session_tags && !before.session_tags
    {
        return Err(RoleError::Unseen.into());
    }
    let who = checked.principal.as_ref().map(Principal::who);
    let obstacle = who.and_then(|who| feasible::obstacle(who, terms.method, terms.demands.mfa));
    let is_fitting = is_fitting && obstacle.is_none();
    if !is_fitting || terms.method != checked.entitlement.terms.method {
        return Err(Error::field(
            "principal",
            "is not what the entitlement now asks for",
        ));
    }
    let seconds = checked.duration_seconds.into();
    let mut wrong = by_rules(
        &terms.rules,
        Some(&checked.justification),
        Some(&checked.ticket),
    );
    wrong.extend(check_duration(terms, seconds, propagation).err());
    if wrong.is_empty() {
        return Ok(());
    }
    Err(InputError::Fields(wrong).into())
}

/// Within the terms, and longer than AWS may need to take over what opens it.
fn check_duration(terms: &Terms, seconds: i64, propagation: TimeDelta) -> Result<i32, FieldError> {
    let opens_in = i32::try_from(propagation.num_seconds()).unwrap_or(i32::MAX - 1);
    // What does not last longer than P could never be opened (docs/guard.md, H5).
    let least = terms.min_duration_seconds.max(opens_in + 1);
    let most = terms.max_duration_seconds;
    let fits = i32::try_from(seconds)
        .ok()
        .filter(|seconds| (least..=most).contains(seconds));
    fits.ok_or_else(|| FieldError {
        field: "duration",
        code: FieldCode::DurationOutOfRange,
        detail: format!(
            "must be from {} to {}",
            duration::words(least),
            duration::words(most)
        ),
    })
}

/// Who is to be let in, where the method lets somebody in who has an identity in AWS.
fn principal(
    terms: &Terms,
    principals: Vec<Principal>,
    asked: Option<&str>,
) -> Result<Option<Principal>, FieldError> {
    if terms.method.needs_identity() {
        let role = terms.role_arn.as_deref();
        let is_fitting =
            |own: &Principal| role.is_none_or(|role| is_same_partition(&own.arn, role));
        let is_here = |own: &Principal| own.account == terms.account;
        let mut fitting = principals;
        fitting.retain(is_fitting);
        without_obstacle(terms, &mut fitting, asked)?;
        // A user of another account may come into this one's role, but no grant spans partitions.
        // By the trust policy, who has one in both comes from the role's own unless they say so.
        let stays = match terms.method {
            Method::Attach | Method::StsCredentials => true,
            Method::TrustPolicy => {
                asked.is_none() && (fitting.is_empty() || fitting.iter().any(is_here))
            }
            Method::Switch => false,
        };
        let account = Some(terms.account.as_str()).filter(|_| stays);
        return pick(fitting, account, asked).map(Some);
    }
    match asked {
        None => Ok(None),
        Some(_) => Err(FieldError::invalid(
            "principal",
            "must be left out: Countersign hands out credentials, whoever you are in AWS",
        )),
    }
}

/// Leaves those that can be let in by the method. Where none is left of those that are meant, that
/// is why nobody is.
fn without_obstacle(
    terms: &Terms,
    fitting: &mut Vec<Principal>,
    asked: Option<&str>,
) -> Result<(), FieldError> {
    let obstacle = |own: &Principal| feasible::obstacle(own.who(), terms.method, terms.demands.mfa);
    let is_meant = |own: &&Principal| {
        let is_there = terms.method != Method::Attach || own.account == terms.account;
        is_there && asked.is_none_or(|arn| arn == own.arn)
    };
    let meant = fitting.iter().filter(is_meant);
    let barred: Vec<Option<String>> = meant.map(obstacle).collect();
    if let (true, Some(Some(told))) = (barred.iter().all(Option::is_some), barred.first()) {
        return Err(FieldError::invalid("principal", told.clone()));
    }
    fitting.retain(|own| obstacle(own).is_none());
    Ok(())
}

fn pick(
    principals: Vec<Principal>,
    account: Option<&str>,
    asked: Option<&str>,
) -> Result<Principal, FieldError> {
    let place = account.map_or_else(String::new, |it| format!(" in account {it}"));
    let mut fitting: Vec<_> = principals
        .into_iter()
        // An ARN in the request only chooses among the identities that the catalog calls the
        // caller's.
        .filter(|own| {
            account.is_none_or(|it| own.account == it) && asked.is_none_or(|arn| arn == own.arn)
        })
        .collect();
    match (fitting.len(), asked) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(_)) => Err(FieldError::invalid(
            "principal",
            format!("is not an AWS identity of yours{place}"),
        )),
        (0, None) => Err(FieldError::invalid(
            "principal",
            format!(
                "is missing: no AWS identity of yours is known{place}. Link your IAM user, or the role that you \
                 come as, at /me/identities, or have whoever keeps the catalog add it to your `principals`"
            ),
        )),
        _ => Err(FieldError {
            field: "principal",
            code: FieldCode::PrincipalAmbiguous,
            detail: format!("must be named: you have several AWS identities{place}"),
        }),
    }
}

/// Refuses a role that cannot take one more grant.
pub(super) fn usable(
    role: Check,
    terms: &Terms,
    principal: Option<&Principal>,
    others: &[db::grants::Seated],
) -> Result<Seen, Error> {
    if role.ours {
        return Err(RoleError::Ours.into());
    }
    let Some(principal) = principal else {
        return assumable(role, terms);
    };
    // AWS refuses a trust policy that names nobody; whoever took the name later would be let in
    // (docs/guard.md, C8).
    let Some(identity) = role.principal else {
        return Err(Error::field(
            "principal",
            format!("is not there in AWS: {}", principal.arn),
        ));
    };
    vouched(principal.who(), identity.unvouched.as_ref())?;
    let who = principal.who();
    let (role_id, principal_id) = (role.role_id.clone(), who.userid(&identity.id));
    let observed = ObservedRole {
        role_id: role.role_id,
        created_at: role.created_at,
        arn: role.role_arn,
        trust: role.trust,
        // Room in the guard is not asked for here: the trust policy is full long before.
        guard: None,
        trust_quota: role.trust_quota,
        principals: BTreeMap::new(),
    };
    let seats: Vec<_> = others.iter().map(seat).collect();
    let name = terms.console_name(Some(who));
    let one_more = Seat {
        principal: Admitted {
            arn: who.arn,
            userid: who.session.map(|_| principal_id.as_str()),
        },
        console_name: name.as_deref(),
        demands: &terms.demands,
    };
    capacity::check(&observed, None, &seats, one_more).map_err(why)?;
    let shown = Shown::of(terms, who);
    let trust = Document::parse(&observed.trust).map_err(|it| why(it.into()))?;
    // A Deny wins over the statement that would be added.
    if switchable::denies(&trust, who, &shown) {
        return Err(RoleError::AsksForMore.into());
    }
    Ok(Seen {
        role_id: Some(role_id),
        principal_id: Some(principal_id),
        checked: true,
        ..Seen::default()
    })
}

fn seat(seated: &db::grants::Seated) -> Seat<'_> {
    Seat {
        principal: Admitted {
            arn: &seated.principal_arn,
            userid: seated.userid.as_deref(),
        },
        console_name: seated.console_name.as_deref(),
        demands: &seated.demands,
    }
}

/// A role that we assume ourselves: no statement is added, and it has to let us in.
fn assumable(role: Check, terms: &Terms) -> Result<Seen, Error> {
    let document = Document::parse(&role.trust).map_err(|it| why(it.into()))?;
    let is_tagged = terms.session_tags;
    let statements = || {
        if is_tagged {
            assumable::statements_with_tags(&role.us)
        } else {
            assumable::statements(&role.us)
        }
    };
    match assumable::check(&document, &role.us) {
        Ok(()) if is_tagged && !assumable::takes_tags(&document, &role.us) => {
            Err(RoleError::NotAssumable(statements()).into())
        }
        Ok(()) => Ok(Seen {
            role_id: Some(role.role_id),
            checked: true,
            ..Seen::default()
        }),
        Err(Lacking::Statement) => Err(RoleError::NotAssumable(statements()).into()),
        Err(Lacking::Pins) => Err(RoleError::NotPinned(statements()).into()),
    }
}

/// Refuses to let anybody in as a session of a role whose name they may have chosen
/// (docs/guard.md, C6).
pub(super) fn vouched(who: Who<'_>, unvouched: Option<&Unvouched>) -> Result<(), RoleError> {
    match unvouched {
        None => Ok(()),
        Some(by) => Err(RoleError::Unvouched {
            arn: who.arn.to_owned(),
            by: by.to_string(),
        }),
    }
}

/// A role that an inline policy on a person's user or role is to let into.
pub(super) fn switchable(role: &Check, terms: &Terms, who: Who<'_>) -> Result<(), Error> {
    if role.ours {
        return Err(RoleError::Ours.into());
    }
    let document = Document::parse(&role.trust).map_err(|it| why(it.into()))?;
    match switchable::check(&document, &role.role_arn, who, &Shown::of(terms, who)) {
        Ok(()) => {}
        Err(Unswitchable::NotAdmitted) => return Err(RoleError::NotAdmitted.into()),
        Err(Unswitchable::AsksForMore) => return Err(RoleError::AsksForMore.into()),
        Err(Unswitchable::NeedsNothing) => {
            return Err(RoleError::OpenAlready("its trust policy".to_owned()).into());
        }
    }
    Ok(())
}

fn why(obstacle: Obstacle) -> RoleError {
    match obstacle {
        Obstacle::Protected => RoleError::Protected,
        Obstacle::Ours => RoleError::Ours,
        Obstacle::Unreadable(_) | Obstacle::BlockedByForeignPrincipal => {
            RoleError::TrustPolicyUnreadable
        }
        Obstacle::Full(room) => RoleError::TrustPolicyFull {
            used: room.used,
            quota: room.quota,
            needed: room.needed,
        },
    }
}
