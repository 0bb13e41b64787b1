//! Who calls: an IAM user with a long-term key, or a session.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};

use super::arn;
use super::context::Context;
use super::evaluate::{Decision, Request, decide};
use super::mode::Mode;
use super::rules::{Rule, Rules};
use super::state::{Account, Holder, Session, State};
use super::wire::Fault;

/// The identity behind an access key, with the policies that the data plane has for it.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) account: String,
    /// The organization of the account, if any.
    organization: Option<String>,
    /// The user's ARN, or the session's.
    pub(super) arn: String,
    /// `AIDA…`, or `AROA…:session`.
    pub(super) user_id: String,
    /// ARN of the user or role.
    pub(super) principal_arn: String,
    /// Unique id of the user or role.
    pub(super) principal_id: String,
    pub(super) session: Option<Session>,
    pub(super) is_role: bool,
    /// Of the role and of the session, which counts more.
    tags: BTreeMap<String, String>,
    policies: Vec<String>,
    /// The permissions boundary; one whose policy is gone allows nothing.
    boundary: Option<String>,
    /// The session policies, inline and managed; empty where there are none.
    session_policies: Vec<String>,
    pub(super) rules: Rules,
    /// The service called does not tell the time.
    pub(super) timeless: bool,
}

/// The secret that the access key's requests are signed with, and the token that must come along.
pub(super) fn secret(
    state: &State,
    access_key: &str,
    token: Option<&str>,
) -> Result<String, Fault> {
    let invalid = || {
        Fault::new(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )
    };
    if let Some(session) = state.sessions.get(access_key) {
        return if token == Some(session.token.as_str()) {
            Ok(session.secret.clone())
        } else {
            Err(invalid())
        };
    }
    let keys = state
        .accounts
        .values()
        .flat_map(|it| it.users.values())
        .flat_map(|it| &it.keys);
    let key = keys
        .into_iter()
        .find(|it| it.id == access_key && token.is_none());
    key.map(|it| it.secret.clone()).ok_or_else(invalid)
}

/// The identity of an access key whose signature was good. The session of a user without a second
/// factor cannot call IAM (STS API Reference, GetSessionToken).
pub(super) fn identify(
    state: &State,
    access_key: &str,
    service: &str,
    mode: Mode,
) -> Result<Caller, Fault> {
    let invalid = || {
        Fault::new(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )
    };
    let Some(session) = state.sessions.get(access_key) else {
        let found = state.accounts.values().find_map(|account| {
            let user = account
                .users
                .values()
                .find(|it| it.keys.iter().any(|key| key.id == access_key))?;
            user_caller(account, &user.id, None, mode)
        });
        return found.ok_or_else(invalid);
    };
    if session.expires_at <= mode.now && mode.rules.hold(Rule::SessionsEnd) {
        return Err(Fault::new(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ));
    }
    let found = match &session.holder {
        Holder::User { .. } if service == "iam" && !session.mfa => None,
        Holder::User { account, id } => state
            .accounts
            .get(account)
            .and_then(|it| user_caller(it, id, Some(session.clone()), mode)),
        Holder::Role {
            account,
            id,
            session_name,
            ..
        } => state
            .accounts
            .get(account)
            .and_then(|it| role_caller(it, id, session_name, session, mode)),
    };
    found.ok_or_else(invalid)
}

fn user_caller(
    account: &Account,
    id: &str,
    session: Option<Session>,
    mode: Mode,
) -> Option<Caller> {
    let user = account.users.values().find(|it| it.id == id)?;
    let arn = account.user_arn(user);
    Some(Caller {
        account: account.id.clone(),
        organization: account.organization.clone(),
        principal_arn: arn.clone(),
        arn,
        user_id: user.id.clone(),
        principal_id: user.id.clone(),
        session,
        is_role: false,
        tags: BTreeMap::new(),
        policies: user.policies.texts(account, mode),
        boundary: user.policies.boundary_text(account, mode),
        session_policies: Vec::new(),
        rules: mode.rules,
        timeless: false,
    })
}

fn role_caller(
    account: &Account,
    id: &str,
    name: &str,
    session: &Session,
    mode: Mode,
) -> Option<Caller> {
    let role = account.roles.values().find(|it| it.id == id)?;
    let mut tags = role.tags.clone();
    tags.extend(session.tags.clone());
    Some(Caller {
        account: account.id.clone(),
        organization: account.organization.clone(),
        arn: arn::of_session(&account.id, &role.name, name),
        user_id: format!("{}:{name}", role.id),
        principal_arn: account.role_arn(role),
        principal_id: role.id.clone(),
        session: Some(session.clone()),
        is_role: true,
        tags,
        policies: role.policies.texts(account, mode),
        boundary: role.policies.boundary_text(account, mode),
        session_policies: session_policies(account, session, mode),
        rules: mode.rules,
        timeless: false,
    })
}

/// The texts of a session's policies. A managed one that is gone allows nothing.
fn session_policies(account: &Account, session: &Session, mode: Mode) -> Vec<String> {
    let managed = session.managed.iter();
    let managed = managed.map(|arn| account.managed_text(arn, mode).unwrap_or_default());
    session.policy.clone().into_iter().chain(managed).collect()
}

/// The account whose user or role has the access key.
pub(super) fn account_of(state: &State, access_key: &str) -> Option<String> {
    if let Some(session) = state.sessions.get(access_key) {
        let (Holder::User { account, .. } | Holder::Role { account, .. }) = &session.holder;
        return Some(account.clone());
    }
    let mut accounts = state.accounts.values();
    let owns = |it: &&Account| {
        let mut keys = it.users.values().flat_map(|user| &user.keys);
        keys.any(|key| key.id == access_key)
    };
    accounts.find(owns).map(|it| it.id.clone())
}

/// What each kind of policy says by itself; where there is none of a kind, it allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layers {
    /// The identity policies.
    pub(super) own: Decision,
    pub(super) boundary: Decision,
    pub(super) session: Decision,
}

impl Layers {
    /// The kind of policy that denies.
    pub(super) fn denied(self) -> Option<&'static str> {
        let kinds = [
            (self.own, "an identity-based policy"),
            (self.boundary, "a permissions boundary"),
            (self.session, "a session policy"),
        ];
        let denies = |it: &&(Decision, &str)| it.0 == Decision::ExplicitlyDenied;
        kinds.iter().find(denies).map(|it| it.1)
    }

    /// Whether boundary and session policy let through what something else allows.
    pub(super) fn pass(self) -> bool {
        self.boundary == Decision::Allowed && self.session == Decision::Allowed
    }

    /// Whether the identity policies allow, within those limits.
    pub(super) fn allow(self) -> bool {
        self.own == Decision::Allowed && self.pass()
    }
}

impl Caller {
    /// Somebody without a key, by the two ARNs and the policies; the second ARN stands for their
    /// unique id.
    pub(super) fn without_key(
        account: &str,
        (arn, principal_arn): (&str, &str),
        policies: Vec<String>,
        boundary: Option<String>,
        session_policies: Vec<String>,
        rules: Rules,
    ) -> Self {
        Self {
            account: account.to_owned(),
            organization: None,
            arn: arn.to_owned(),
            user_id: String::new(),
            principal_arn: principal_arn.to_owned(),
            principal_id: principal_arn.to_owned(),
            session: None,
            is_role: arn != principal_arn,
            tags: BTreeMap::new(),
            policies,
            boundary,
            session_policies,
            rules,
            timeless: false,
        }
    }

    /// The keys of every request of this caller (IAM User Guide, "AWS global condition context
    /// keys").
    pub(super) fn context(&self, now: DateTime<Utc>) -> Context {
        let stamp =
            |at: DateTime<Utc>| at.trunc_subsecs(0).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut context = Context::default();
        if !self.timeless {
            context.set("aws:CurrentTime", stamp(now));
        }
        context.set("aws:EpochTime", now.timestamp().to_string());
        context.set("aws:userid", self.user_id.as_str());
        context.set("aws:PrincipalArn", self.principal_arn.as_str());
        context.set("aws:PrincipalAccount", self.account.as_str());
        context.set(
            "aws:PrincipalType",
            if self.is_role { "AssumedRole" } else { "User" },
        );
        if let Some(organization) = &self.organization {
            context.set("aws:PrincipalOrgID", organization.as_str());
        }
        context.set("aws:SecureTransport", "false");
        context.set("aws:SourceIp", "127.0.0.1");
        context.set("aws:ViaAWSService", "false");
        for (key, value) in &self.tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        if !self.is_role {
            context.set("aws:username", arn::path_and_name(&self.arn).1);
        }
        if let Some(session) = &self.session {
            context.set("aws:TokenIssueTime", stamp(session.issued_at));
            context.set("aws:MultiFactorAuthPresent", session.mfa.to_string());
            if session.mfa {
                let age = (now - session.issued_at).num_seconds();
                context.set("aws:MultiFactorAuthAge", age.to_string());
            }
        }
        if let Some(identity) = self.source_identity() {
            context.set("aws:SourceIdentity", identity);
        }
        context
    }

    /// The source identity of the session; it never changes, and goes on through role chaining.
    pub(super) fn source_identity(&self) -> Option<&str> {
        match &self.session.as_ref()?.holder {
            Holder::Role {
                source_identity, ..
            } => source_identity.as_deref(),
            Holder::User { .. } => None,
        }
    }

    /// What the caller's policies say of a request, each kind by itself.
    pub(super) fn layers(&self, action: &str, resource: &str, context: &Context) -> Layers {
        let request = Request {
            action,
            resource,
            context,
            rules: self.rules,
        };
        let limit = |texts: &[String], rule| match texts {
            [] => Decision::Allowed,
            _ if !self.rules.hold(rule) => Decision::Allowed,
            texts => decide(texts, &request),
        };
        let own = decide(&self.policies, &request);
        let lax = own == Decision::ImplicitlyDenied && !self.rules.hold(Rule::IdentityPolicies);
        Layers {
            own: if lax { Decision::Allowed } else { own },
            boundary: limit(self.boundary.as_slice(), Rule::Boundaries),
            session: limit(&self.session_policies, Rule::SessionPolicies),
        }
    }

    /// Refuses what the caller's own policies do not allow. `keys` are those of this request alone.
    pub(super) fn require(
        &self,
        action: &str,
        resource: &str,
        keys: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let mut context = self.context(now);
        for (key, value) in keys {
            context.set(key, value.as_str());
        }
        let layers = self.layers(action, resource, &context);
        let silent = match layers {
            _ if layers.allow() => return Ok(()),
            Layers { own, .. } if own != Decision::Allowed => "identity-based policy",
            Layers { boundary, .. } if boundary != Decision::Allowed => "permissions boundary",
            Layers { .. } => "session policy",
        };
        let why = match layers.denied() {
            Some(kind) => format!("with an explicit deny in {kind}"),
            None => format!("because no {silent} allows the {action} action"),
        };
        Err(Fault::denied(&self.arn, action, resource, &why))
    }
}
