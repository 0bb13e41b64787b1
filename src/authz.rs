//! Who may do what to which row. Each function takes the locked row and returns the thing that may
//! be acted on; a verb cannot act on anything else. Not visible is [`CallerError::NotFound`];
//! visible but not allowed is [`CallerError::Forbidden`].

use crate::domain::cause::Cause;
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::request::Request;
use crate::domain::revocation::{Hold, Revocation, Scope};
use crate::error::CallerError;
use crate::ids::PersonId;

/// The groups with standing rights.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// May end every grant and see everything.
    pub admin: Vec<String>,
    /// May see everything.
    pub auditor: Vec<String>,
}

impl Roles {
    /// Whether the person is an admin.
    #[must_use]
    pub fn is_admin(&self, person: &Person) -> bool {
        self.admin.iter().any(|group| person.is_in(group))
    }

    /// Whether the person sees everything.
    #[must_use]
    pub fn sees_all(&self, person: &Person) -> bool {
        self.is_admin(person) || self.auditor.iter().any(|group| person.is_in(group))
    }
}

/// A request that the caller may approve or deny.
#[derive(Debug)]
pub struct Decidable(pub Request);

/// A request of the caller's own, of which they may answer questions.
#[derive(Debug)]
pub struct Answerable(pub Request);

/// A request that the caller may take back.
#[derive(Debug)]
pub struct Withdrawable(pub Request);

/// A grant that the caller may end, and the cause that this gives.
#[derive(Debug)]
pub struct Endable(pub Grant, pub Cause);

/// A grant of the caller's own: its credentials are theirs, and they may ask for more of it.
#[derive(Debug)]
pub struct Own(pub Grant);

/// Whether the person is in a group that decides the request in any of its stages.
#[must_use]
pub fn is_approver(person: &Person, request: &Request) -> bool {
    request.terms.stages.groups().any(|it| person.is_in(it))
}

/// Whether the person may see a request: its requester, whoever may decide it or could have,
/// whoever is `involved` (has decided it, or stands in for an approver), auditors and admins. An
/// approver goes on seeing what somebody else decided, or what was withdrawn or lapsed: they may
/// have it open, and have to know what became of it.
#[must_use]
pub fn sees(roles: &Roles, person: &Person, request: &Request, involved: bool) -> bool {
    request.person == person.id
        || involved
        || is_approver(person, request)
        || roles.sees_all(person)
}

/// Whether the person is told the external ID of a request: who sends it, and who decides whether
/// they may.
#[must_use]
pub fn told_external_id(person: &Person, request: &Request) -> bool {
    request.person == person.id || is_approver(person, request)
}

/// Whether the person may see a request that has a grant: as any request, and what became of it
/// where they ended it.
#[must_use]
pub fn sees_granted(
    roles: &Roles,
    person: &Person,
    request: &Request,
    grant: &Grant,
    involved: bool,
) -> bool {
    sees(roles, person, request, involved) || grant.state.ended_by() == Some(person.id)
}

/// Whether the person may approve or deny: an approver of it, or who `stands_in` for one, never its
/// requester, nor who owns the machine that asked, by whichever account. Whether their voice is
/// needed now is the tally's to say.
///
/// # Errors
/// `SelfApproval`, `NotFound` or `Forbidden`.
pub fn decide(
    roles: &Roles,
    person: &Person,
    request: Request,
    stands_in: bool,
    involved: bool,
) -> Result<Decidable, CallerError> {
    // Asked first: a requester who is an approver as well must not get in by the group.
    if person.is(request.person) {
        return Err(CallerError::SelfApproval);
    }
    // An approver learns from the refusal that a request is closed; hiding it would only puzzle
    // them.
    if stands_in || is_approver(person, &request) {
        // What a machine of theirs has asked for is as good as their own.
        if request.requested_by.is_through(person) {
            return Err(CallerError::SelfApproval);
        }
        return Ok(Decidable(request));
    }
    // Seeing everything is no right to decide: auditors and admins get 403.
    Err(hidden_or_forbidden(sees(roles, person, &request, involved)))
}

/// Whether the person may take the request back: only its requester.
///
/// # Errors
/// `NotFound` or `Forbidden`.
pub fn withdraw(
    roles: &Roles,
    person: &Person,
    request: Request,
    involved: bool,
) -> Result<Withdrawable, CallerError> {
    if request.person == person.id {
        return Ok(Withdrawable(request));
    }
    // Nobody takes a request back in the requester's name, admins neither.
    Err(hidden_or_forbidden(sees(roles, person, &request, involved)))
}

/// Whether the person may answer what approvers ask of the request: only its requester.
///
/// # Errors
/// `NotFound` or `Forbidden`.
pub fn answer(
    roles: &Roles,
    person: &Person,
    request: Request,
    involved: bool,
) -> Result<Answerable, CallerError> {
    if request.person == person.id {
        return Ok(Answerable(request));
    }
    Err(hidden_or_forbidden(sees(roles, person, &request, involved)))
}

/// Whether the person may end the grant: its requester releases it; an approver of its request or
/// an admin revokes it.
///
/// # Errors
/// `NotFound` or `Forbidden`.
pub fn end(
    roles: &Roles,
    person: &Person,
    grant: Grant,
    request: &Request,
    involved: bool,
) -> Result<Endable, CallerError> {
    // Asked first: an approver who ends a grant of their own releases it, and the log says so.
    if grant.person == person.id {
        return Ok(Endable(grant, Cause::Released));
    }
    if roles.is_admin(person) || is_approver(person, request) {
        return Ok(Endable(grant, Cause::Revoked));
    }
    Err(hidden_or_forbidden(sees(roles, person, request, involved)))
}

/// A grant of which the caller may try whether its end holds.
#[derive(Debug)]
pub struct Probed(pub Grant);

/// Whether the person may have a session made under the name of a grant to see that it is denied:
/// only an admin.
///
/// # Errors
/// `NotFound` or `Forbidden`.
pub fn probe(
    roles: &Roles,
    person: &Person,
    grant: Grant,
    request: &Request,
    involved: bool,
) -> Result<Probed, CallerError> {
    if probes(roles, person) {
        return Ok(Probed(grant));
    }
    let seen = sees_granted(roles, person, request, &grant, involved);
    Err(hidden_or_forbidden(seen))
}

/// Whether the person may do so with any grant.
#[must_use]
pub fn probes(roles: &Roles, person: &Person) -> bool {
    roles.is_admin(person)
}

/// A revocation whose hold the caller may lift.
#[derive(Debug)]
pub struct Liftable(pub Revocation);

/// Whether the person may end everything of a scope: only an admin.
///
/// # Errors
/// `Forbidden`.
pub fn revoke(roles: &Roles, person: &Person) -> Result<(), CallerError> {
    if roles.is_admin(person) {
        return Ok(());
    }
    Err(CallerError::Forbidden)
}

/// Whether the person may lift the hold of a revocation: an admin, never one whom it holds, and of
/// a hold on everything never the one who has asked for it.
///
/// # Errors
/// `SelfApproval`, `NotFound` or `Forbidden`.
pub fn lift(
    roles: &Roles,
    person: &Person,
    revocation: Revocation,
) -> Result<Liftable, CallerError> {
    if !roles.is_admin(person) {
        return Err(hidden_or_forbidden(roles.sees_all(person)));
    }
    // Nor does anybody let themselves in again.
    let is_theirs = matches!(revocation.scope, Scope::Person(held) if person.is(held));
    let has_asked = matches!(revocation.hold, Hold::Lifting { by, .. } if person.is(by));
    if is_theirs || has_asked {
        return Err(CallerError::SelfApproval);
    }
    Ok(Liftable(revocation))
}

/// Whether the person may see everybody's accounts, and what depends on them: only an admin.
///
/// # Errors
/// `Forbidden`.
pub fn people(roles: &Roles, person: &Person) -> Result<(), CallerError> {
    if roles.is_admin(person) {
        return Ok(());
    }
    Err(CallerError::Forbidden)
}

/// Whether the person may disable or enable that account: an admin, never one of their own.
///
/// # Errors
/// `Forbidden`.
pub fn manage(roles: &Roles, person: &Person, account: PersonId) -> Result<(), CallerError> {
    people(roles, person)?;
    if person.is(account) {
        return Err(CallerError::Forbidden);
    }
    Ok(())
}

/// Whether the person may have the grant's credentials, and ask for more of it: only its own
/// person.
///
/// # Errors
/// `NotFound` or `Forbidden`.
pub fn own(
    roles: &Roles,
    person: &Person,
    grant: Grant,
    request: &Request,
    involved: bool,
) -> Result<Own, CallerError> {
    if grant.person == person.id {
        return Ok(Own(grant));
    }
    let seen = sees_granted(roles, person, request, &grant, involved);
    Err(hidden_or_forbidden(seen))
}

// A 403 would tell a stranger that the id is one of a request.
const fn hidden_or_forbidden(seen: bool) -> CallerError {
    if seen {
        CallerError::Forbidden
    } else {
        CallerError::NotFound
    }
}
