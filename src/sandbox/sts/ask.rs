//! What AssumeRole is asked for (STS API Reference, AssumeRole).

use std::collections::{BTreeMap, BTreeSet};

use super::second_factor;
use crate::sandbox::caller::Caller;
use crate::sandbox::context::Context;
use crate::sandbox::document::{self, Kind};
use crate::sandbox::mode::Mode;
use crate::sandbox::quota;
use crate::sandbox::rules::{Rule, Rules};
use crate::sandbox::state::{Role, State};
use crate::sandbox::wire::{Fault, Params};

/// The keys of the request that only some of the actions have (Service Authorization Reference,
/// "AWS Security Token Service").
const KEYS_OF: [(&str, &[&str]); 6] = [
    ("sts:RoleSessionName", &["sts:AssumeRole"]),
    ("sts:ExternalId", &["sts:AssumeRole"]),
    (
        "sts:SourceIdentity",
        &["sts:AssumeRole", "sts:SetSourceIdentity"],
    ),
    (
        "sts:TransitiveTagKeys",
        &["sts:AssumeRole", "sts:TagSession"],
    ),
    ("aws:TagKeys", &["sts:AssumeRole", "sts:TagSession"]),
    ("aws:RequestTag/", &["sts:AssumeRole", "sts:TagSession"]),
];

/// Each field good by itself.
pub(super) struct Ask<'a> {
    pub(super) role_arn: &'a str,
    pub(super) session_name: &'a str,
    external_id: Option<&'a str>,
    /// The one that is asked for, or the one that goes on through role chaining.
    pub(super) source_identity: Option<&'a str>,
    pub(super) policy: Option<&'a str>,
    /// Managed session policies.
    pub(super) managed: Vec<String>,
    /// Those that are asked for, and those that go on through role chaining.
    pub(super) tags: BTreeMap<String, String>,
    pub(super) transitive: BTreeSet<String>,
    pub(super) seconds: Option<i64>,
    pub(super) mfa: bool,
    /// The second factor is shown in this call.
    mfa_given: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn read(
        state: &State,
        caller: &'a Caller,
        params: &'a Params,
        rules: Rules,
    ) -> Result<Self, Fault> {
        params.without(&["ProvidedContexts.", "MinimumSessionTokenSize"])?;
        let before = caller.source_identity();
        let before = before.filter(|_| rules.hold(Rule::SourceIdentityPersists));
        let mut ask = Self {
            role_arn: params.need("RoleArn")?,
            session_name: params.need("RoleSessionName")?,
            external_id: params.get("ExternalId"),
            source_identity: params.get("SourceIdentity"),
            policy: params.get("Policy"),
            managed: params.list("PolicyArns.member.", ".arn"),
            tags: params.tags()?,
            transitive: BTreeSet::new(),
            seconds: params.number("DurationSeconds", 900..=43_200)?,
            mfa: false,
            mfa_given: params.get("TokenCode").is_some(),
        };
        ask.check(rules)?;
        // The source identity goes on through role chaining, and cannot be changed there.
        ask.source_identity = match (before, ask.source_identity) {
            (Some(before), Some(asked)) if before != asked => {
                let action = "sts:SetSourceIdentity";
                return Err(Fault::denied(&caller.arn, action, ask.role_arn, ""));
            }
            (before, asked) => before.or(asked),
        };
        ask.inherit_tags(caller, &params.list("TransitiveTagKeys.member.", ""), rules)?;
        ask.mfa = second_factor(state, caller, params)?;
        Ok(ask)
    }

    fn check(&self, rules: Rules) -> Result<(), Fault> {
        quota::name("roleSessionName", self.session_name, 2..=64)?;
        if let Some(identity) = self.source_identity {
            quota::name("sourceIdentity", identity, 2..=64)?;
            if identity.to_lowercase().starts_with("aws:") {
                let constraint = "Member must not begin with aws:";
                return Err(Fault::constraint("sourceIdentity", identity, constraint));
            }
        }
        if let Some(id) = self.external_id {
            check_external_id(id)?;
        }
        if let Some(policy) = self.policy {
            let quota = rules.quota(Rule::SessionPolicyQuota, quota::SESSION_POLICY);
            if policy.chars().count() > quota {
                let constraint = "Member must have length less than or equal to 2048";
                return Err(Fault::constraint("policy", policy, constraint));
            }
            if rules.hold(Rule::Documents) {
                document::check(policy, Kind::Identity)?;
            }
        }
        quota::session_policies(self.policy, &self.managed, rules)
    }

    /// Transitive tags go on through role chaining, and cannot be set anew there (IAM User Guide,
    /// "Chaining roles with session tags").
    fn inherit_tags(
        &mut self,
        caller: &Caller,
        transitive: &[String],
        rules: Rules,
    ) -> Result<(), Fault> {
        let invalid = |message: &str| Fault::new(400, "InvalidParameterValue", message);
        if transitive.iter().any(|key| !self.tags.contains_key(key)) {
            let message =
                "The specified transitive tag key must be included in the requested tags.";
            return Err(invalid(message));
        }
        self.transitive.extend(transitive.iter().cloned());
        let session = caller.session.as_ref();
        let session = session.filter(|_| rules.hold(Rule::TransitiveTags));
        for key in session.iter().flat_map(|it| &it.transitive) {
            if self.tags.keys().any(|it| it.eq_ignore_ascii_case(key)) {
                return Err(invalid(
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive \
                     tag key from the calling session.",
                ));
            }
            let value = session.and_then(|it| it.tags.get(key)).cloned();
            self.tags.insert(key.clone(), value.unwrap_or_default());
            self.transitive.insert(key.clone());
        }
        quota::tags(self.tags.len())
    }

    /// The keys of this request for one of the actions, beside those of every request. Tags that
    /// go on must be allowed like those of the request (aws/eks-pod-identity-agent#80); that
    /// conditions see them among those is inferred.
    pub(super) fn context(
        &self,
        caller: &Caller,
        action: &str,
        role: &Role,
        mode: Mode,
    ) -> Context {
        let mut context = caller.context(mode.now);
        context.set("sts:RoleSessionName", self.session_name);
        if let Some(id) = self.external_id {
            context.set("sts:ExternalId", id);
        }
        if let Some(identity) = self.source_identity {
            context.set("sts:SourceIdentity", identity);
        }
        if self.mfa {
            context.set("aws:MultiFactorAuthPresent", "true");
            if context.get("aws:MultiFactorAuthAge").is_none() {
                context.set("aws:MultiFactorAuthAge", "0");
            }
        }
        for (key, value) in &self.tags {
            context.set(&format!("aws:RequestTag/{key}"), value.as_str());
        }
        if !self.tags.is_empty() {
            context.set_all("aws:TagKeys", self.tags.keys().cloned().collect());
        }
        if !self.transitive.is_empty() {
            let keys = self.transitive.iter().cloned().collect();
            context.set_all("sts:TransitiveTagKeys", keys);
        }
        leave_own_keys(&mut context, action, mode.rules);
        for (key, value) in &role.tags {
            context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
            context.set(&format!("iam:ResourceTag/{key}"), value.as_str());
        }
        context
    }

    /// The same keys as the caller's own policies see them. That they see the session's name and a
    /// second factor that is shown here is inferred, so that both can be switched off.
    pub(super) fn own_context(&self, context: &Context, rules: Rules) -> Context {
        let mut own = context.clone();
        if !rules.hold(Rule::SessionNameInOwnPolicies) {
            own.unset("sts:RoleSessionName");
        }
        if self.mfa_given && !rules.hold(Rule::SecondFactorInOwnPolicies) {
            own.unset("aws:MultiFactorAuthPresent");
            own.unset("aws:MultiFactorAuthAge");
        }
        own
    }

    /// The actions that must be allowed.
    pub(super) fn actions(&self, rules: Rules) -> Vec<&'static str> {
        let mut actions = vec!["sts:AssumeRole"];
        if self.source_identity.is_some() && rules.hold(Rule::SetSourceIdentity) {
            actions.push("sts:SetSourceIdentity");
        }
        if !self.tags.is_empty() && rules.hold(Rule::TagSession) {
            actions.push("sts:TagSession");
        }
        actions
    }

    /// How much of the packed size is used, in percent; none where nothing is packed.
    pub(super) fn packed(&self, most: usize, rules: Rules) -> Result<Option<usize>, Fault> {
        if self.policy.is_none() && self.managed.is_empty() && self.tags.is_empty() {
            return Ok(None);
        }
        let managed = self.managed.iter().map(String::as_str);
        let policies = self.policy.into_iter().chain(managed);
        let tags = self.tags.iter().flat_map(|(key, value)| [key, value]);
        let used = quota::packed(policies, tags.map(String::as_str));
        let percent = used * 100 / most.max(1);
        if percent > 100 && rules.hold(Rule::PackedQuota) {
            let what = if self.policy.is_none() && self.managed.is_empty() {
                "session tags"
            } else {
                // How AWS words this is inferred.
                "session policies and session tags"
            };
            let message = format!("Packed size of {what} consumes {percent}% of allotted space.");
            return Err(Fault::new(400, "PackedPolicyTooLarge", message));
        }
        Ok(Some(percent))
    }
}

/// Takes the keys of other actions of STS away.
pub(crate) fn leave_own_keys(context: &mut Context, action: &str, rules: Rules) {
    let others = KEYS_OF.iter().filter(|(_, of)| !of.contains(&action));
    for (key, _) in others.filter(|_| rules.hold(Rule::KeysOfActions)) {
        context.unset_all(key);
    }
}

fn check_external_id(id: &str) -> Result<(), Fault> {
    let fits = (2..=1_224).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b));
    if fits {
        return Ok(());
    }
    let constraint = "Member must have length between 2 and 1224 and satisfy regular expression pattern: \
    [\\w+=,.@:\\/-]*";
    Err(Fault::constraint("externalId", id, constraint))
}
