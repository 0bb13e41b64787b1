//! One question to the evaluation as a whole, asked without a server: what the calls of IAM, STS
//! and S3 decide by, from the texts of the policies.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::admit::{Ask, admit};
use super::caller::Caller;
use super::context::Context;
use super::doc::Version;
use super::evaluate::Decision;
use super::rules::Rules;
use super::sts;

/// Whether somebody may do something.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The caller's account.
    pub account: &'a str,
    /// The user's ARN, or the session's.
    pub caller: &'a str,
    /// The ARN of the user or role.
    pub principal: &'a str,
    /// The caller's identity policies.
    pub identity: Vec<String>,
    /// The permissions boundary, if there is one.
    pub boundary: Option<String>,
    /// The session's policies; none are no limit.
    pub session: Vec<String>,
    /// `service:Action`.
    pub action: &'a str,
    /// An ARN.
    pub resource: &'a str,
    /// The resource's account.
    pub owner: &'a str,
    /// The resource's own policy: a role's trust policy, a bucket's policy.
    pub resource_policy: Option<String>,
    /// The condition keys.
    pub context: Context,
}

impl Question<'_> {
    /// What is decided where those rules hold.
    #[must_use]
    pub fn decide(&self, rules: Rules) -> Decision {
        let caller = Caller::without_key(
            self.account,
            (self.caller, self.principal),
            self.identity.clone(),
            self.boundary.clone(),
            self.session.clone(),
            rules,
        );
        let mut context = self.context.clone();
        if self.action.starts_with("sts:") {
            sts::leave_own_keys(&mut context, self.action, rules);
        }
        let policy = self.version();
        let ask = Ask {
            caller: &caller,
            action: self.action,
            resource: self.resource,
            owner: self.owner,
            policy: policy.as_ref(),
            context: &context,
            own_context: &context,
            needed: sts::needed(&caller, self.action),
        };
        match admit(&ask) {
            Ok(()) => Decision::Allowed,
            Err(why) if why.is_empty() => Decision::ImplicitlyDenied,
            Err(_) => Decision::ExplicitlyDenied,
        }
    }

    /// The resource's policy, as written when the caller was there already.
    fn version(&self) -> Option<Version> {
        let text = self.resource_policy.clone()?;
        let named = [self.principal, self.caller];
        let bound = named.map(|it| (it.to_owned(), self.principal.to_owned()));
        Some(Version {
            at: DateTime::<Utc>::UNIX_EPOCH,
            text: Some(text),
            bound: BTreeMap::from(bound),
        })
    }
}
