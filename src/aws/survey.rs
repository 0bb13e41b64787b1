//! What `countersign doctor` asks: reads of a role or user, and what IAM's simulation tells of what
//! is never tried. Each is asked once, and nothing is changed.

use aws_sdk_iam::types::{PolicyEvaluationDecisionType, SummaryKeyType};

use super::client::DEFAULT_TRUST_QUOTA;
use super::read::{decode, named_role, not_there};
use super::{Aws, AwsError, GUARD_NAME};
use crate::domain::arn::{Arn, Kind};
use crate::policy::authority::{self, Unvouched};
use crate::policy::capacity::size;

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// The right that it needs.
    pub action: &'static str,
    /// Why.
    pub error: AwsError,
}

/// A role as it stands.
#[derive(Debug, Clone)]
pub struct SurveyedRole {
    /// `RoleId`.
    pub id: String,
    /// The trust policy, percent-decoded.
    pub trust: String,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Whether a guard stands on it.
    pub guarded: bool,
    /// Whether it is one that Countersign itself works as.
    pub ours: bool,
}

/// A user, or a role that people come as, as it stands.
#[derive(Debug, Clone)]
pub struct SurveyedCarrier {
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    /// Of a role, why nobody vouches for the names of its sessions, if so.
    pub unvouched: Option<Unvouched>,
}

/// What simulation says of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum May {
    /// It is allowed.
    Do,
    /// It is not, whatever the request is like.
    Not,
    /// That depends on keys of the request, which are these.
    Depends(Vec<String>),
}

/// How many characters a trust policy may have.
///
/// # Errors
/// As the call fails.
pub async fn trust_quota(aws: &Aws) -> Result<usize, AwsError> {
    let answer = aws.reads().await.get_account_summary().send().await;
    let answer = answer.map_err(|error| AwsError::of("GetAccountSummary", &error))?;
    let summary = answer.summary_map();
    let quota = summary.and_then(|map| map.get(&SummaryKeyType::AssumeRolePolicySizeQuota));
    let quota = quota.and_then(|quota| usize::try_from(*quota).ok());
    Ok(quota.unwrap_or(DEFAULT_TRUST_QUOTA))
}

/// A role of the account that we work in; `None` where there is none of that ARN.
///
/// # Errors
/// The call that failed.
pub async fn role(aws: &Aws, arn: &str) -> Result<Option<SurveyedRole>, Failed> {
    let failed = |action, error| Failed { action, error };
    let Some(name) = Arn::name_of(arn, Kind::Role) else {
        return Ok(None);
    };
    let found = match aws.reads().await.get_role().role_name(name).send().await {
        Ok(answer) => answer.role,
        Err(error) => not_there(AwsError::of("GetRole", &error))
            .map_err(|error| failed("iam:GetRole", error))?,
    };
    // Whoever looks for the name alone finds a role that was made anew under another path.
    let Some(role) = found.filter(|role| role.arn() == arn) else {
        return Ok(None);
    };
    let call = aws.reads().await.get_role_policy();
    let call = call.role_name(name).policy_name(GUARD_NAME);
    let guard = match call.send().await {
        Ok(answer) => Some(answer),
        Err(error) => not_there(AwsError::of("GetRolePolicy", &error))
            .map_err(|error| failed("iam:GetRolePolicy", error))?,
    };
    let ours = aws.is_ours(arn, role.role_id()).await;
    let boundary = role.permissions_boundary();
    Ok(Some(SurveyedRole {
        id: role.role_id().to_owned(),
        trust: decode(role.assume_role_policy_document().unwrap_or_default()),
        boundary: boundary.and_then(|it| it.permissions_boundary_arn().map(str::to_owned)),
        guarded: guard.is_some(),
        ours: ours.map_err(|error| failed("sts:GetCallerIdentity", error))?,
    }))
}

/// Characters of a role's inline policies that are not our guard.
///
/// # Errors
/// The call that failed.
pub async fn inline_of_role(aws: &Aws, arn: &str) -> Result<usize, Failed> {
    let name = Arn::name_of(arn, Kind::Role).unwrap_or_default();
    let mut taken = 0;
    let mut marker = None;
    loop {
        let call = aws.reads().await.list_role_policies().role_name(name);
        let answer = call.set_marker(marker).send().await;
        let answer = answer.map_err(|error| Failed {
            action: "iam:ListRolePolicies",
            error: AwsError::of("ListRolePolicies", &error),
        })?;
        let others = answer.policy_names.iter().filter(|it| *it != GUARD_NAME);
        for policy in others {
            let call = aws.reads().await.get_role_policy();
            let text = call.role_name(name).policy_name(policy).send().await;
            let text = text.map_err(|error| Failed {
                action: "iam:GetRolePolicy",
                error: AwsError::of("GetRolePolicy", &error),
            })?;
            taken += size(&decode(&text.policy_document));
        }
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() {
            return Ok(taken);
        }
    }
}

/// A user, or a role that people come as, of the account that we work in; `None` where there is
/// none of that ARN.
///
/// # Errors
/// The call that failed.
pub async fn carrier(aws: &Aws, arn: &str) -> Result<Option<SurveyedCarrier>, Failed> {
    let failed = |action| move |error| Failed { action, error };
    if let Some(name) = Arn::name_of(arn, Kind::Role) {
        let role = named_role(aws, arn, name).await;
        let role = role.map_err(failed("iam:GetRole"))?;
        return Ok(role.map(|role| SurveyedCarrier {
            unvouched: authority::check(&role.arn, &role.trust).err(),
            boundary: role.boundary,
        }));
    }
    let Some(name) = Arn::name_of(arn, Kind::User) else {
        return Ok(None);
    };
    let found = match aws.reads().await.get_user().user_name(name).send().await {
        Ok(answer) => answer.user,
        Err(error) => not_there(AwsError::of("GetUser", &error)).map_err(failed("iam:GetUser"))?,
    };
    let user = found.filter(|user| user.arn() == arn);
    Ok(user.map(|user| {
        let boundary = user.permissions_boundary();
        SurveyedCarrier {
            boundary: boundary.and_then(|it| it.permissions_boundary_arn().map(str::to_owned)),
            unvouched: None,
        }
    }))
}

/// What our own policies, boundary and organization let us do with one resource, as far as IAM
/// simulates them. `us` is the ARN of the user or role that we are.
///
/// # Errors
/// As the call fails; `Denied` where we may not ask.
pub async fn may(
    aws: &Aws,
    us: &str,
    actions: &[&'static str],
    resource: &str,
) -> Result<Vec<(&'static str, May)>, AwsError> {
    let names = actions.iter().map(|it| (*it).to_owned()).collect();
    let call = aws.reads().await.simulate_principal_policy();
    let call = call.policy_source_arn(us).set_action_names(Some(names));
    let answer = call.resource_arns(resource).send().await;
    let answer = answer.map_err(|error| AwsError::of("SimulatePrincipalPolicy", &error))?;
    let results = answer.evaluation_results();
    let each = actions.iter().map(|action| {
        let mut of_action = results.iter().filter(|it| it.eval_action_name == *action);
        (*action, of_action.next().map_or(May::Not, decided))
    });
    Ok(each.collect())
}

fn decided(result: &aws_sdk_iam::types::EvaluationResult) -> May {
    let missing = result.missing_context_values();
    match result.eval_decision {
        PolicyEvaluationDecisionType::Allowed => May::Do,
        PolicyEvaluationDecisionType::ExplicitDeny => May::Not,
        _ if missing.is_empty() => May::Not,
        _ => May::Depends(missing.to_vec()),
    }
}
