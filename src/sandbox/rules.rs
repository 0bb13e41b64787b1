//! The rules that can be switched off, so that a test can show that it would notice.

/// What holds unless it is switched off ([`super::Knobs::without`]). Each says what holds; the
/// off-switch leaves just that out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Signatures are compared.
    Signatures,
    /// A session ends when its time is over.
    SessionsEnd,
    /// The code of a second factor is compared with what the device shows.
    SecondFactor,
    /// What no identity policy of the caller allows is refused.
    IdentityPolicies,
    /// What the trust policy does not allow is refused.
    TrustPolicies,
    /// A Deny wins over every Allow.
    ExplicitDeny,
    /// Conditions on dates are compared; without this they hold always.
    Dates,
    /// A condition on a key that the request lacks does not hold, unless it is negated.
    MissingKeys,
    /// `…IfExists` holds where the key is missing.
    IfExists,
    /// `ForAllValues:` and `ForAnyValue:` look at each value of the request.
    SetOperators,
    /// `${…}` stands for what the request says.
    Variables,
    /// Each key of a request to assume a role is seen by the actions that have it alone.
    KeysOfActions,
    /// The caller's own policies see `sts:RoleSessionName`.
    SessionNameInOwnPolicies,
    /// The caller's own policies see a second factor that AssumeRole was given as parameters.
    SecondFactorInOwnPolicies,
    /// A trust policy names the user or role that had the ARN when it was written.
    BoundPrincipals,
    /// A trust policy with a principal that is not there is refused.
    KnownPrincipals,
    /// Who is admitted as a part of the whole account needs a policy of their own.
    AccountNeedsOwnPolicy,
    /// Who comes from another account needs a policy of their own.
    BothAccounts,
    /// A permissions boundary limits.
    Boundaries,
    /// A resource policy that names a user's ARN is not limited by the boundary.
    UserArnPassesBoundary,
    /// A resource policy that names a session's ARN is not limited by boundary or session policy.
    SessionArnPassesLimits,
    /// A session policy limits.
    SessionPolicies,
    /// To set a source identity is a permission of its own.
    SetSourceIdentity,
    /// A source identity goes on through role chaining.
    SourceIdentityPersists,
    /// To set session tags is a permission of its own.
    TagSession,
    /// Transitive tags go on through role chaining.
    TransitiveTags,
    /// A session lasts as long as the role permits, at most.
    MaxSessionDuration,
    /// A chained session lasts an hour, at most.
    ChainedHour,
    /// What is no policy document is refused.
    Documents,
    /// Trust policies have a quota.
    TrustQuota,
    /// Inline policies have a quota.
    InlineQuota,
    /// Session policies have a length.
    SessionPolicyQuota,
    /// Session policies and tags have a packed size.
    PackedQuota,
    /// AWS's own roles cannot be changed.
    ProtectedRoles,
    /// A link into the console works for 15 minutes.
    SigninTokensEnd,
    /// Chained credentials that were asked for with a duration do not open the console.
    ChainedFederation,
    /// The keys that the console makes are of the session's name.
    ConsoleKeepsName,
    /// The keys that the console makes are under the session policy of those that it was opened
    /// with.
    ConsoleKeepsSessionPolicy,
    /// The keys that the console makes have a time of issue of their own.
    ConsoleKeysAreNew,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 39] = [
        Self::Signatures,
        Self::SessionsEnd,
        Self::SecondFactor,
        Self::IdentityPolicies,
        Self::TrustPolicies,
        Self::ExplicitDeny,
        Self::Dates,
        Self::MissingKeys,
        Self::IfExists,
        Self::SetOperators,
        Self::Variables,
        Self::KeysOfActions,
        Self::SessionNameInOwnPolicies,
        Self::SecondFactorInOwnPolicies,
        Self::BoundPrincipals,
        Self::KnownPrincipals,
        Self::AccountNeedsOwnPolicy,
        Self::BothAccounts,
        Self::Boundaries,
        Self::UserArnPassesBoundary,
        Self::SessionArnPassesLimits,
        Self::SessionPolicies,
        Self::SetSourceIdentity,
        Self::SourceIdentityPersists,
        Self::TagSession,
        Self::TransitiveTags,
        Self::MaxSessionDuration,
        Self::ChainedHour,
        Self::Documents,
        Self::TrustQuota,
        Self::InlineQuota,
        Self::SessionPolicyQuota,
        Self::PackedQuota,
        Self::ProtectedRoles,
        Self::SigninTokensEnd,
        Self::ChainedFederation,
        Self::ConsoleKeepsName,
        Self::ConsoleKeepsSessionPolicy,
        Self::ConsoleKeysAreNew,
    ];
}

/// Which rules hold: all that were not switched off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// One bit for each rule that does not.
    off: u64,
}

impl Rules {
    /// The same without this rule.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self {
            off: self.off | 1 << rule as u64,
        }
    }

    /// Whether a rule holds.
    #[must_use]
    pub const fn hold(self, rule: Rule) -> bool {
        self.off & (1 << rule as u64) == 0
    }

    /// A quota, or none where its rule does not hold.
    pub(super) const fn quota(self, rule: Rule, quota: usize) -> usize {
        if self.hold(rule) { quota } else { usize::MAX }
    }
}
