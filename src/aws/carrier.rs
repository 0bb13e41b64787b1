//! One look at a user, or a role that people come as, who carries inline policies of ours.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType,
};
use chrono::{DateTime, SecondsFormat, Utc};

use super::read::{decode, identity, not_there};
use super::{Aws, AwsError, Purpose};
use crate::domain::arn::{Arn, Kind};
use crate::domain::person::Who;
use crate::policy::capacity::{INLINE_QUOTA, USER_INLINE_QUOTA, is_protected, size};
use crate::policy::inline::PREFIX;
use crate::policy::{Observed, ObservedUser};

/// Reads the inline policies of ours, and the user or role itself last: it says whose they are.
/// Where something is to be opened, `whole`, the room that other policies take is read as well.
///
/// # Errors
/// Whatever the reads fail with; what is not there is an answer, not an error.
pub(super) async fn observe(aws: &Aws, arn: &str, whole: bool) -> Result<Observed, AwsError> {
    let Some(of) = Carrier::of(arn) else {
        return Ok(Observed::Gone);
    };
    let mut policies = BTreeMap::new();
    let mut foreign = 0;
    // Nothing of ours can be on a role that only AWS changes, and nobody lets us list what is.
    let names = if is_protected(arn) {
        Vec::new()
    } else {
        of.names(aws).await?
    };
    for policy in names {
        if policy.starts_with(PREFIX) {
            // One that was deleted since it was listed is not there.
            if let Some(text) = of.text(aws, &policy).await? {
                policies.insert(policy, text);
            }
        } else if whole {
            let text = of.text(aws, &policy).await?;
            foreign += text.as_deref().map_or(0, size);
        }
    }
    let Some(identity) = identity(aws, arn).await? else {
        // With another account's credentials everybody would look deleted.
        if !aws.works_in_account_of(arn).await? {
            return Err(AwsError::Denied);
        }
        return Ok(Observed::Gone);
    };
    Ok(Observed::User(ObservedUser {
        user_id: identity.id,
        arn: arn.to_owned(),
        created_at: identity.created_at,
        policies,
        foreign,
        quota: of.quota(),
        unvouched: identity.unvouched,
    }))
}

/// Looks at a user or role that is to carry one policy more, without writing anything, for whoever
/// asks for access; `None` where AWS knows none.
///
/// # Errors
/// Whatever the reads fail with.
pub async fn check_carrier(aws: &Aws, arn: &str) -> Result<Option<ObservedUser>, AwsError> {
    let aws = &aws.used_for(Purpose::Looking);
    match Box::pin(observe(aws, arn, true)).await? {
        Observed::User(user) => Ok(Some(user)),
        Observed::Gone | Observed::Role(_) => Ok(None),
    }
}

/// Whether somebody could assume a role without a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Already {
    /// Their own policies do not let them.
    No,
    /// That policy, by its id, lets them under any session name and from anywhere, with MFA.
    Yes(String),
    /// It hangs on keys of a request that nobody knows beforehand, such as `aws:SourceIp`.
    Perhaps(Vec<String>),
}

/// Whether the policies of a user, or of the role that they come as, allow to assume a role under
/// any session name, with MFA and at that time, as far as IAM simulates them. `userid` is the one
/// that they have; `aws` says what the call is for.
///
/// # Errors
/// Whatever the call fails with.
pub async fn assumes_already(
    aws: &Aws,
    who: Who<'_>,
    userid: &str,
    role_arn: &str,
    now: DateTime<Utc>,
) -> Result<Already, AwsError> {
    // No grant has this name, so that no policy of ours is meant.
    let results = simulated(aws, (who, userid), role_arn, ("zzz", None), now).await?;
    let mut unknown = BTreeSet::new();
    for result in &results {
        if !result.missing_context_values().is_empty() {
            unknown.extend(result.missing_context_values().iter().cloned());
        } else if result.eval_decision == PolicyEvaluationDecisionType::Allowed {
            let matched = result.matched_statements().iter();
            let mut policies = matched.filter_map(|statement| statement.source_policy_id());
            return Ok(Already::Yes(
                policies.next().unwrap_or("of an unknown name").to_owned(),
            ));
        }
    }
    Ok(if unknown.is_empty() {
        Already::No
    } else {
        Already::Perhaps(unknown.into_iter().collect())
    })
}

/// What IAM makes of the policies of a user or role where they assume a role, a user with MFA, at
/// that time: AWS knows none by itself here. A role's session never has MFA, and is one of its
/// sessions by its `aws:userid` alone.
pub(super) async fn simulated(
    aws: &Aws,
    (who, userid): (Who<'_>, &str),
    role_arn: &str,
    (session_name, external_id): (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Vec<EvaluationResult>, AwsError> {
    use ContextKeyTypeEnum::{Boolean, Date, Numeric, String as Text};
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let epoch = now.timestamp().to_string();
    let of_session = who.session.is_some();
    let mfa = if of_session { "false" } else { "true" };
    let mut context = vec![
        ("sts:RoleSessionName", session_name, Text),
        ("aws:MultiFactorAuthPresent", mfa, Boolean),
        ("aws:CurrentTime", &time, Date),
        ("aws:EpochTime", &epoch, Numeric),
    ];
    // Of a user IAM knows it by itself.
    context.extend(of_session.then_some(("aws:userid", userid, Text)));
    context.extend(external_id.map(|id| ("sts:ExternalId", id, Text)));
    let entries = context.into_iter().map(|(name, value, kind)| {
        let entry = ContextEntry::builder().context_key_name(name);
        entry
            .context_key_values(value)
            .context_key_type(kind)
            .build()
    });
    let call = aws.reads().await.simulate_principal_policy();
    let call = call
        .policy_source_arn(who.arn)
        .action_names("sts:AssumeRole");
    let call = call
        .resource_arns(role_arn)
        .set_context_entries(Some(entries.collect()));
    let answer = call.send().await;
    let answer = answer.map_err(|error| AwsError::of("SimulatePrincipalPolicy", &error))?;
    Ok(answer.evaluation_results.unwrap_or_default())
}

/// Reads one policy again, after it was written; whose it is is as old as it was.
pub(super) async fn read_back(
    aws: &Aws,
    arn: &str,
    policy: &str,
    known: &mut ObservedUser,
) -> Result<(), AwsError> {
    let Some(of) = Carrier::of(arn) else {
        return Ok(());
    };
    match of.text(aws, policy).await? {
        Some(text) => drop(known.policies.insert(policy.to_owned(), text)),
        None => drop(known.policies.remove(policy)),
    }
    Ok(())
}

/// Whose inline policies are read, by name.
#[derive(Debug, Clone, Copy)]
enum Carrier<'a> {
    User(&'a str),
    Role(&'a str),
}

impl<'a> Carrier<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let user = Arn::name_of(arn, Kind::User).map(Self::User);
        user.or_else(|| Arn::name_of(arn, Kind::Role).map(Self::Role))
    }

    const fn quota(self) -> usize {
        match self {
            Self::User(_) => USER_INLINE_QUOTA,
            Self::Role(_) => INLINE_QUOTA,
        }
    }

    /// The names of all inline policies; none where there is no such user or role.
    async fn names(self, aws: &Aws) -> Result<Vec<String>, AwsError> {
        let mut names = Vec::new();
        let mut marker = None;
        loop {
            let page = match self {
                Self::User(name) => names_of_user(aws, name, marker).await,
                Self::Role(name) => names_of_role(aws, name, marker).await,
            };
            let (more, next) = match page {
                Ok(page) => page,
                Err(error) => return not_there::<()>(error).map(|_| Vec::new()),
            };
            names.extend(more);
            marker = next;
            if marker.is_none() {
                return Ok(names);
            }
        }
    }

    async fn text(self, aws: &Aws, policy: &str) -> Result<Option<String>, AwsError> {
        let text = match self {
            Self::User(name) => {
                let call = aws.reads().await.get_user_policy().user_name(name);
                let answer = call.policy_name(policy).send().await;
                answer
                    .map(|it| decode(&it.policy_document))
                    .map_err(|error| AwsError::of("GetUserPolicy", &error))
            }
            Self::Role(name) => {
                let call = aws.reads().await.get_role_policy().role_name(name);
                let answer = call.policy_name(policy).send().await;
                answer
                    .map(|it| decode(&it.policy_document))
                    .map_err(|error| AwsError::of("GetRolePolicy", &error))
            }
        };
        text.map_or_else(not_there, |text| Ok(Some(text)))
    }
}

/// Names, and where the next ones begin.
type Page = (Vec<String>, Option<String>);

async fn names_of_user(aws: &Aws, name: &str, marker: Option<String>) -> Result<Page, AwsError> {
    let call = aws.reads().await.list_user_policies().user_name(name);
    let answer = call.set_marker(marker).send().await;
    let answer = answer.map_err(|error| AwsError::of("ListUserPolicies", &error))?;
    let next = answer.marker.filter(|_| answer.is_truncated);
    Ok((answer.policy_names, next))
}

async fn names_of_role(aws: &Aws, name: &str, marker: Option<String>) -> Result<Page, AwsError> {
    let call = aws.reads().await.list_role_policies().role_name(name);
    let answer = call.set_marker(marker).send().await;
    let answer = answer.map_err(|error| AwsError::of("ListRolePolicies", &error))?;
    let next = answer.marker.filter(|_| answer.is_truncated);
    Ok((answer.policy_names, next))
}
