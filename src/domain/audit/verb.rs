//! What callers try.

use super::ActionName;

/// What a caller tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Ask for an entitlement.
    Submit,
    /// Approve a request.
    Approve,
    /// Deny a request.
    Deny,
    /// Take a request back.
    Withdraw,
    /// Take one's approval back.
    WithdrawApproval,
    /// Ask the requester something.
    Ask,
    /// Answer an approver's question.
    Answer,
    /// End a grant before its deadline.
    End,
    /// Ask for a grant's deadline to be moved.
    Extend,
    /// Fetch credentials of a grant.
    Fetch,
    /// Try whether AWS denies the sessions of an ended grant.
    Probe,
    /// End everything of a scope, and hold it.
    Revoke,
    /// Lift that hold.
    Lift,
    /// Disable somebody who has left.
    Disable,
    /// Enable them again.
    Enable,
    /// Start a session of the portal.
    SignIn,
    /// End it.
    SignOut,
    /// Make an API token.
    CreateToken,
    /// Revoke one.
    RevokeToken,
    /// Let a program ask on behalf of people.
    CreateMachine,
    /// Give it to another owner.
    GiveMachine,
    /// End that.
    EndMachine,
    /// Link an AWS identity.
    Link,
    /// Give one up.
    Unlink,
    /// Let another one decide for oneself.
    Delegate,
    /// End that.
    EndDelegation,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 26] = [
        Self::Submit,
        Self::Approve,
        Self::Deny,
        Self::Withdraw,
        Self::WithdrawApproval,
        Self::Ask,
        Self::Answer,
        Self::End,
        Self::Extend,
        Self::Fetch,
        Self::Probe,
        Self::Revoke,
        Self::Lift,
        Self::Disable,
        Self::Enable,
        Self::SignIn,
        Self::SignOut,
        Self::CreateToken,
        Self::RevokeToken,
        Self::CreateMachine,
        Self::GiveMachine,
        Self::EndMachine,
        Self::Link,
        Self::Unlink,
        Self::Delegate,
        Self::EndDelegation,
    ];

    /// The action that it leaves in the audit log when it was done. A grant that never opened
    /// leaves `grant.ended` when it is ended; the refusal of an end is always `grant.closing`.
    #[must_use]
    pub const fn action(self) -> ActionName {
        match self {
            Self::Submit => ActionName::RequestSubmitted,
            Self::Approve => ActionName::RequestApproved,
            Self::Deny => ActionName::RequestDenied,
            Self::Withdraw => ActionName::RequestWithdrawn,
            Self::WithdrawApproval => ActionName::ApprovalWithdrawn,
            Self::Ask => ActionName::RequestQuestioned,
            Self::Answer => ActionName::RequestAnswered,
            Self::End => ActionName::GrantClosing,
            // Done, it leaves `request.submitted` of a request of its own.
            Self::Extend => ActionName::GrantExtended,
            Self::Fetch => ActionName::CredentialsRequested,
            Self::Probe => ActionName::ProbeRequested,
            Self::Revoke => ActionName::RevocationBegun,
            Self::Lift => ActionName::RevocationLifted,
            Self::Disable => ActionName::PersonDisabled,
            Self::Enable => ActionName::PersonEnabled,
            Self::SignIn => ActionName::SessionStarted,
            Self::SignOut => ActionName::SessionEnded,
            Self::CreateToken => ActionName::TokenCreated,
            Self::RevokeToken => ActionName::TokenRevoked,
            Self::CreateMachine => ActionName::MachineCreated,
            Self::GiveMachine => ActionName::MachineGiven,
            Self::EndMachine => ActionName::MachineEnded,
            Self::Link => ActionName::IdentityLinked,
            Self::Unlink => ActionName::IdentityEnded,
            Self::Delegate => ActionName::DelegationStarted,
            Self::EndDelegation => ActionName::DelegationEnded,
        }
    }

    /// The action that its refusals stand under: the same, but for links.
    #[must_use]
    pub const fn refused_action(self) -> ActionName {
        match self {
            Self::Link => ActionName::IdentityRefused,
            other => other.action(),
        }
    }

    /// The verb whose refusals stand under that action.
    #[must_use]
    pub fn of_action(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|verb| verb.refused_action().as_str() == name)
    }
}
