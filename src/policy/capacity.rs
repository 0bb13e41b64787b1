//! Room in AWS's quotas, and what keeps a role from being opened at all. `check` is asked when
//! somebody requests. Before an opening `plan` measures the documents that it has rendered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::document::{Document, inert};
use super::inline::Asks;
use super::trust::Admitted;
use super::{ObservedRole, ObservedUser, inline, trust};
use crate::domain::arn::{Arn, Kind};
use crate::domain::demands::Demands;
use crate::domain::grant::Grant;
use crate::domain::part::Allows;
use crate::ids::GrantId;

/// Characters of all inline policies of a role together; not adjustable.
pub const INLINE_QUOTA: usize = 10_240;

/// Characters of all inline policies of a user together, white space left out; not adjustable.
pub const USER_INLINE_QUOTA: usize = 2_048;

/// Characters of a document that count: AWS leaves white space out. White space inside strings is
/// counted here, to be on the safe side.
#[must_use]
pub fn size(document: &str) -> usize {
    counted(document).count()
}

/// The document without the white space that does not count.
pub(super) fn compact(document: &str) -> String {
    counted(document).collect()
}

fn counted(document: &str) -> impl Iterator<Item = char> {
    let (mut inside, mut escaped) = (false, false);
    document.chars().filter(move |c| {
        let counts = inside || !c.is_ascii_whitespace();
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
        counts
    })
}

/// Room in a trust policy, or in the inline policies of a user, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Taken by what is others' and by the grants that overlap.
    pub used: usize,
    /// Wanted for one more.
    pub needed: usize,
    /// `AssumeRolePolicySizeQuota`; of a user [`USER_INLINE_QUOTA`].
    pub quota: usize,
}

impl Room {
    /// Whether it is enough.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.used + self.needed <= self.quota
    }
}

/// The room that the inline policy of one grant takes on a user or role, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booking {
    /// When it is put, at the earliest.
    pub from: DateTime<Utc>,
    /// Until when something of it may stand there: its deadline, or the latest that was ever sent.
    pub until: DateTime<Utc>,
    /// Characters of its text.
    pub size: usize,
}

impl Booking {
    /// Of a grant that is to be open, or is: its text with both session names.
    #[must_use]
    pub fn of(allows: &Allows, grant: &Grant) -> Option<Self> {
        let text = inline::text(allows, grant, true, grant.deadline)?;
        Some(Self {
            from: grant.starts_at,
            until: grant
                .deadline
                .max(grant.marks.sent_until.unwrap_or(grant.deadline)),
            size: size(&text),
        })
    }

    /// Of a grant that is asked for, from then on: every id is equally long.
    #[must_use]
    pub fn wanted(
        allows: &Allows,
        console: Option<&str>,
        from: DateTime<Utc>,
        asks: Asks<'_>,
    ) -> Option<Self> {
        let text = inline::named(allows, GrantId::new(), console, asks)?;
        Some(Self {
            from,
            until: asks.until,
            size: size(&text),
        })
    }

    /// Of a grant that is over, and of which until then [`inline::ENDED`] stands there.
    #[must_use]
    pub fn ended(sent_until: DateTime<Utc>) -> Self {
        Self {
            from: DateTime::<Utc>::MIN_UTC,
            until: sent_until,
            size: size(inline::ENDED),
        }
    }

    /// Whether both may stand there at one time. One that is to be deleted may still be there for a
    /// moment.
    fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

/// Whether a user has room for one more inline policy of this installation: beside what is not its
/// own, and the `others` of its grants that may stand there at the same time (docs/carrier.md, T8).
///
/// # Errors
/// The numbers, where there is no room.
pub fn check_user(
    user: &ObservedUser,
    installation: &str,
    others: &[Booking],
    one_more: Booking,
) -> Result<Room, Room> {
    let mut used = user.foreign;
    for (name, text) in &user.policies {
        // What is ours and stands there already is among the bookings, or is on its way out.
        if inline::grant_of(name, installation).is_none() {
            used += size(text);
        }
    }
    for other in others {
        if other.overlaps(&one_more) {
            used += other.size;
        }
    }
    let room = Room {
        used,
        needed: one_more.size,
        quota: user.quota,
    };
    if room.fits() { Ok(room) } else { Err(room) }
}

/// Who a statement lets in: enough to know how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The user, or the role with the pin of the one session.
    pub principal: Admitted<'a>,
    /// The console session name, where it may be pinned.
    pub console_name: Option<&'a str>,
    /// What it asks for beside that.
    pub demands: &'a Demands,
}

impl Seat<'_> {
    /// Characters that its statement takes, with the comma before it.
    #[must_use]
    pub fn size(&self) -> usize {
        let grant = GrantId::from_uuid(uuid::Uuid::max());
        let name = grant.to_string();
        let names: Vec<&str> = self
            .console_name
            .into_iter()
            .chain([name.as_str()])
            .collect();
        let until = DateTime::UNIX_EPOCH;
        let text = trust::statement(grant, self.principal, &names, self.demands, until);
        1 + text.len()
    }
}

/// Why a role cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Only AWS can change it (service-linked, `AWSReservedSSO_*`).
    #[error("only AWS can change this role")]
    Protected,
    /// It is the role that Countersign itself works with.
    #[error("this role is Countersign's own")]
    Ours,
    /// Its trust policy cannot be edited as text.
    #[error("{0}")]
    Unreadable(#[from] super::document::Unreadable),
    /// A deleted principal in somebody else's statement makes every write of its trust policy fail.
    #[error("a deleted principal in the trust policy blocks every change of it")]
    BlockedByForeignPrincipal,
    /// Its trust policy has no room for one more statement.
    #[error(
        "the trust policy is full: {} of {} characters used, {} needed",
        .0.used, .0.quota, .0.needed
    )]
    Full(Room),
}

/// Whether a role can take one more grant beside the `others` that are open or to be open at the
/// same time. `own` is the identity that Countersign works with, as STS names it.
///
/// # Errors
/// What stands against it.
pub fn check(
    role: &ObservedRole,
    own: Option<&str>,
    others: &[Seat<'_>],
    one_more: Seat<'_>,
) -> Result<Room, Obstacle> {
    if is_protected(&role.arn) {
        return Err(Obstacle::Protected);
    }
    if own.is_some_and(|own| is_same_role(&role.arn, own)) {
        return Err(Obstacle::Ours);
    }
    let document = Document::parse(&role.trust)?;
    if is_blocked(&document) {
        return Err(Obstacle::BlockedByForeignPrincipal);
    }
    // A single statement that is not in a list gets the list's two brackets.
    let used = used_by_others(role, &document) + 2;
    let room = Room {
        used: used + others.iter().map(Seat::size).sum::<usize>(),
        needed: one_more.size(),
        quota: role.trust_quota,
    };
    if room.fits() {
        Ok(room)
    } else {
        Err(Obstacle::Full(room))
    }
}

/// Characters of the trust policy without the statements of ours that are in it.
fn used_by_others(role: &ObservedRole, document: &Document<'_>) -> usize {
    if document.foreign().next().is_some() {
        return size(&document.with(&BTreeMap::new(), None, &inert(&role.arn)));
    }
    // Nothing foreign: what is left is the frame around our statements, without the inert one that
    // would stand in for them.
    let ours: usize = document.statements.iter().map(|s| size(s.text)).sum();
    size(&role.trust) - ours
}

/// Whether a deleted principal in a foreign statement makes AWS refuse every trust write
/// (docs/guard.md, H2).
pub(super) fn is_blocked(document: &Document<'_>) -> bool {
    let mut foreign = document.foreign();
    foreign.any(|statement| trust::names_deleted_principal(&statement.node()))
}

/// Whether only AWS can change the role: service-linked and Identity Center's own (docs/guard.md
/// §4, *protected*).
#[must_use]
pub fn is_protected(role_arn: &str) -> bool {
    Arn::read(role_arn).is_some_and(|arn| {
        arn.kind == Kind::Role
            && (arn.path.starts_with("/aws-reserved/")
                || arn.path.starts_with("/aws-service-role/")
                || arn.name.starts_with("AWSServiceRoleFor")
                || arn.name.starts_with("AWSReservedSSO_"))
    })
}

/// Whether a role is the one that `identity` works with: its ARN, or that of a session of it (which
/// leaves the path out). Role names are unique in an account whatever their path and case.
#[must_use]
pub fn is_same_role(role_arn: &str, identity: &str) -> bool {
    let identity = Arn::read(identity);
    Arn::read(role_arn)
        .zip(identity)
        .is_some_and(|(role, identity)| role.is_same_role(&identity))
}
