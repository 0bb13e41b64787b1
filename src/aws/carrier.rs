//! One look at a user who carries inline policies of ours.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType,
};
use chrono::{DateTime, SecondsFormat, Utc};

use super::read::{decode, not_there, user};
use super::{Aws, AwsError, Purpose};
use crate::domain::arn::{Arn, Kind};
use crate::policy::capacity::{USER_INLINE_QUOTA, size};
use crate::policy::inline::PREFIX;
use crate::policy::{Observed, ObservedUser};

/// Reads the inline policies of ours, and the user itself last: it says whose they are. Where
/// something is to be opened, `whole`, the room that other policies take is read as well.
///
/// # Errors
/// Whatever the reads fail with; a user who is not there is an answer, not an error.
pub(super) async fn observe(aws: &Aws, arn: &str, whole: bool) -> Result<Observed, AwsError> {
    let Some(name) = Arn::name_of(arn, Kind::User) else {
        return Ok(Observed::Gone);
    };
    let mut policies = BTreeMap::new();
    let mut foreign = 0;
    for policy in names(aws, name).await? {
        if policy.starts_with(PREFIX) {
            // One that was deleted since it was listed is not there.
            if let Some(text) = text(aws, name, &policy).await? {
                policies.insert(policy, text);
            }
        } else if whole {
            let text = text(aws, name, &policy).await?;
            foreign += text.as_deref().map_or(0, size);
        }
    }
    let Some(identity) = user(aws, arn).await? else {
        // With another account's credentials every user would look deleted.
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
        quota: USER_INLINE_QUOTA,
    }))
}

/// Looks at a user who is to carry one policy more, without writing anything, for whoever asks for
/// access; `None` where AWS knows no such user.
///
/// # Errors
/// Whatever the reads fail with.
pub async fn check_user(aws: &Aws, arn: &str) -> Result<Option<ObservedUser>, AwsError> {
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

/// Whether a user's policies allow to assume a role under any session name, with MFA and at that
/// time, as far as IAM simulates them. `aws` says what the call is for.
///
/// # Errors
/// Whatever the call fails with.
pub async fn assumes_already(
    aws: &Aws,
    user_arn: &str,
    role_arn: &str,
    now: DateTime<Utc>,
) -> Result<Already, AwsError> {
    // No grant has this name, so that no policy of ours is meant.
    let results = simulated(aws, user_arn, role_arn, ("zzz", None), now).await?;
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

/// What IAM makes of a user's policies where they assume a role under that name, with MFA and that
/// external ID, at that time: AWS knows none by itself here.
pub(super) async fn simulated(
    aws: &Aws,
    user_arn: &str,
    role_arn: &str,
    (session_name, external_id): (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Vec<EvaluationResult>, AwsError> {
    use ContextKeyTypeEnum::{Boolean, Date, Numeric, String as Text};
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let epoch = now.timestamp().to_string();
    let mut context = vec![
        ("sts:RoleSessionName", session_name, Text),
        ("aws:MultiFactorAuthPresent", "true", Boolean),
        ("aws:CurrentTime", &time, Date),
        ("aws:EpochTime", &epoch, Numeric),
    ];
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
        .policy_source_arn(user_arn)
        .action_names("sts:AssumeRole");
    let call = call
        .resource_arns(role_arn)
        .set_context_entries(Some(entries.collect()));
    let answer = call.send().await;
    let answer = answer.map_err(|error| AwsError::of("SimulatePrincipalPolicy", &error))?;
    Ok(answer.evaluation_results.unwrap_or_default())
}

/// Reads one policy again, after it was written; the user is as old as it was.
pub(super) async fn read_back(
    aws: &Aws,
    arn: &str,
    policy: &str,
    known: &mut ObservedUser,
) -> Result<(), AwsError> {
    let Some(name) = Arn::name_of(arn, Kind::User) else {
        return Ok(());
    };
    match text(aws, name, policy).await? {
        Some(text) => drop(known.policies.insert(policy.to_owned(), text)),
        None => drop(known.policies.remove(policy)),
    }
    Ok(())
}

/// The names of all inline policies; none where there is no such user.
async fn names(aws: &Aws, user: &str) -> Result<Vec<String>, AwsError> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let call = aws.reads().await.list_user_policies().user_name(user);
        let answer = match call.set_marker(marker).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = AwsError::of("ListUserPolicies", &error);
                return not_there::<()>(error).map(|_| Vec::new());
            }
        };
        names.extend(answer.policy_names);
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() {
            return Ok(names);
        }
    }
}

async fn text(aws: &Aws, user: &str, policy: &str) -> Result<Option<String>, AwsError> {
    let call = aws.reads().await.get_user_policy().user_name(user);
    match call.policy_name(policy).send().await {
        Ok(answer) => Ok(Some(decode(&answer.policy_document))),
        Err(error) => not_there(AwsError::of("GetUserPolicy", &error)),
    }
}
