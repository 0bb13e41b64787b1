//! Who calls: an IAM user with a long-term key, or a session.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::arn;
use super::context::Context;
use super::evaluate::{Decision, Request, decide};
use super::state::{Account, Holder, Session, State};
use super::wire::Fault;

/// The identity behind an access key, with the policies that the data plane has for it.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) account: String,
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
    now: DateTime<Utc>,
    delay: TimeDelta,
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
            user_caller(account, &user.id, None, now, delay)
        });
        return found.ok_or_else(invalid);
    };
    if session.expires_at <= now {
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
            .and_then(|it| user_caller(it, id, Some(session.clone()), now, delay)),
        Holder::Role {
            account,
            id,
            session_name,
            ..
        } => state
            .accounts
            .get(account)
            .and_then(|it| role_caller(it, id, session_name, session, now, delay)),
    };
    found.ok_or_else(invalid)
}

fn user_caller(
    account: &Account,
    id: &str,
    session: Option<Session>,
    now: DateTime<Utc>,
    delay: TimeDelta,
) -> Option<Caller> {
    let user = account.users.values().find(|it| it.id == id)?;
    let arn = account.user_arn(user);
    Some(Caller {
        account: account.id.clone(),
        principal_arn: arn.clone(),
        arn,
        user_id: user.id.clone(),
        principal_id: user.id.clone(),
        session,
        is_role: false,
        tags: BTreeMap::new(),
        policies: user
            .policies
            .values()
            .filter_map(|doc| doc.data(now, delay)?.text.clone())
            .collect(),
        timeless: false,
    })
}

fn role_caller(
    account: &Account,
    id: &str,
    name: &str,
    session: &Session,
    now: DateTime<Utc>,
    delay: TimeDelta,
) -> Option<Caller> {
    let role = account.roles.values().find(|it| it.id == id)?;
    let mut tags = role.tags.clone();
    tags.extend(session.tags.clone());
    Some(Caller {
        account: account.id.clone(),
        arn: arn::of_session(&account.id, &role.name, name),
        user_id: format!("{}:{name}", role.id),
        principal_arn: account.role_arn(role),
        principal_id: role.id.clone(),
        session: Some(session.clone()),
        is_role: true,
        tags,
        policies: role
            .policies
            .values()
            .filter_map(|doc| doc.data(now, delay)?.text.clone())
            .collect(),
        timeless: false,
    })
}

impl Caller {
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

    /// What the caller's own policies say; the session policy, if there is one, limits them.
    pub(super) fn decide(&self, action: &str, resource: &str, context: &Context) -> Decision {
        let request = Request {
            action,
            resource,
            context,
        };
        let own = decide(&self.policies, &request);
        let limit = self.session_policy(action, resource, context);
        match (own, limit) {
            (Decision::ExplicitlyDenied, _) | (_, Decision::ExplicitlyDenied) => {
                Decision::ExplicitlyDenied
            }
            (Decision::Allowed, Decision::Allowed) => Decision::Allowed,
            _ => Decision::ImplicitlyDenied,
        }
    }

    /// What the session policy alone says. Where there is none, nothing is limited.
    pub(super) fn session_policy(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Decision {
        let policy = self.session.as_ref().and_then(|it| it.policy.as_deref());
        policy.map_or(Decision::Allowed, |text| {
            decide(
                &[text],
                &Request {
                    action,
                    resource,
                    context,
                },
            )
        })
    }

    /// Refuses what the caller's own policies do not allow. `tags` are the resource's.
    pub(super) fn require(
        &self,
        action: &str,
        resource: &str,
        tags: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let mut context = self.context(now);
        for (key, value) in tags {
            context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
            context.set(&format!("iam:ResourceTag/{key}"), value.as_str());
        }
        let why = match self.decide(action, resource, &context) {
            Decision::Allowed => return Ok(()),
            Decision::ImplicitlyDenied => {
                format!("because no identity-based policy allows the {action} action")
            }
            Decision::ExplicitlyDenied => {
                "with an explicit deny in an identity-based policy".to_owned()
            }
        };
        Err(Fault::denied(&self.arn, action, resource, &why))
    }
}
