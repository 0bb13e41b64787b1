//! Whether a caller may do something to what has a policy of its own, a role or a bucket (IAM User
//! Guide, "Policy evaluation logic", within an account and across accounts).

use super::arn::account_of;
use super::caller::{Caller, Layers};
use super::context::Context;
use super::doc::Version;
use super::evaluate::{Decision, Naming, Request, decide_named};
use super::rules::Rule;

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) caller: &'a Caller,
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    /// The resource's account.
    pub(super) owner: &'a str,
    /// The resource's own policy.
    pub(super) policy: Option<&'a Version>,
    /// The keys as the resource's policy sees them.
    pub(super) context: &'a Context,
    /// The keys as the caller's own policies see them.
    pub(super) own_context: &'a Context,
    /// Whose word is needed, whatever else is said.
    pub(super) needed: Needed,
}

/// Whose word is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// Within an account either the resource's policy or the caller's own.
    Either,
    /// The resource's policy: so it is with a role.
    Resource,
    /// Both.
    Both,
}

/// Refuses what is not allowed; the error is why, as AWS's messages end.
pub(super) fn admit(ask: &Ask<'_>) -> Result<(), String> {
    let rules = ask.caller.rules;
    let layers = ask.caller.layers(ask.action, ask.resource, ask.own_context);
    let (said, naming) = resource_policy(ask);
    if let Some(kind) = layers.denied() {
        return Err(format!("with an explicit deny in {kind}"));
    }
    if said == Decision::ExplicitlyDenied {
        return Err("with an explicit deny in a resource-based policy".to_owned());
    }
    let said = said == Decision::Allowed;
    let same = ask.caller.account == ask.owner;
    let enough = said && alone_suffices(ask.caller, naming, layers);
    let near = same || !rules.hold(Rule::BothAccounts);
    let allowed = match ask.needed {
        Needed::Either if near && enough => true,
        Needed::Either if same => layers.allow(),
        Needed::Resource if near && enough => true,
        Needed::Either | Needed::Resource | Needed::Both => said && layers.allow(),
    };
    if allowed { Ok(()) } else { Err(String::new()) }
}

/// What the resource's policy says, and how closely it names the caller.
fn resource_policy(ask: &Ask<'_>) -> (Decision, Naming) {
    let request = Request {
        action: ask.action,
        resource: ask.resource,
        context: ask.context,
        rules: ask.caller.rules,
    };
    let Some(policy) = ask.policy else {
        return (Decision::ImplicitlyDenied, Naming::None);
    };
    let text = policy.text.as_deref().unwrap_or_default();
    let said = decide_named(text, &request, |name| names(ask.caller, policy, name));
    let lax = ask.needed != Needed::Either && !ask.caller.rules.hold(Rule::TrustPolicies);
    match said.0 {
        Decision::ImplicitlyDenied if lax => (Decision::Allowed, Naming::Exactly),
        _ => said,
    }
}

/// Whether what a resource policy grants needs nothing of the caller's own account. An implicit
/// Deny of boundary or session policy limits what is granted to a role's ARN, but not what is
/// granted to a user's or a session's (IAM User Guide, "Permissions boundaries for IAM entities").
fn alone_suffices(caller: &Caller, naming: Naming, layers: Layers) -> bool {
    let rules = caller.rules;
    match naming {
        Naming::None => false,
        Naming::Account => !rules.hold(Rule::AccountNeedsOwnPolicy),
        Naming::Session => rules.hold(Rule::SessionArnPassesLimits) || layers.pass(),
        Naming::Exactly if caller.is_role => layers.pass(),
        Naming::Exactly => rules.hold(Rule::UserArnPassesBoundary) || layers.pass(),
    }
}

/// How an entry of a policy's principals names the caller. ARNs count by the unique id that they
/// were bound to when the policy was written.
fn names(caller: &Caller, policy: &Version, name: &str) -> Naming {
    if name == "*" {
        // Boundary and session policy do not limit what everybody is granted, where a condition
        // names the role (IAM User Guide, "Principal", IAM role principals); that it is so without
        // such a condition is inferred.
        return if caller.is_role {
            Naming::Session
        } else {
            Naming::Exactly
        };
    }
    if let Some(account) = account_of(name) {
        return if account == caller.account {
            Naming::Account
        } else {
            Naming::None
        };
    }
    let is_session = name.contains(":assumed-role/");
    let known = if caller.rules.hold(Rule::BoundPrincipals) {
        policy.bound.get(name) == Some(&caller.principal_id)
    } else {
        is_session || name == caller.principal_arn
    };
    match is_session {
        _ if !known => Naming::None,
        true if name == caller.arn => Naming::Session,
        true => Naming::None,
        false => Naming::Exactly,
    }
}
