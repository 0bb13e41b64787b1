//! Who comes into a role of another account: looked at in their own.

use super::carrier::simulated;
use super::read::identity;
use super::{Aws, AwsError, Purpose};
use crate::domain::person::Who;
use crate::ids::GrantId;
use crate::policy::Identity;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use chrono::{DateTime, Utc};

/// An IAM user or role, by whoever may tell: with another account's credentials everybody would
/// look deleted.
pub(super) async fn at_home(aws: &Aws, arn: &str) -> Result<Option<Identity>, AwsError> {
    let found = identity(aws, arn).await?;
    if found.is_none() && !aws.works_in_account_of(arn).await? {
        return Err(AwsError::Denied);
    }
    Ok(found)
}

/// An IAM user or role, without writing anything, for whoever asks for access; `None` where AWS
/// knows none.
///
/// # Errors
/// Whatever the reads fail with.
pub async fn check_principal(aws: &Aws, arn: &str) -> Result<Option<Identity>, AwsError> {
    let aws = &aws.used_for(Purpose::Looking);
    aws.known().identities.get(arn, at_home(aws, arn)).await
}

/// Whether the policies of a user, or of the role that they come as, let them assume a role of
/// another account under the name of a grant, with MFA and that external ID, as far as IAM
/// simulates them. `userid` is the one that they have. What hangs on something else that nobody
/// knows beforehand may be so.
///
/// # Errors
/// Whatever the call fails with.
pub async fn may_assume(
    aws: &Aws,
    who: Who<'_>,
    userid: &str,
    role_arn: &str,
    external_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, AwsError> {
    let aws = aws.used_for(Purpose::Looking);
    let name = GrantId::new().to_string();
    let results = simulated(&aws, (who, userid), role_arn, (&name, external_id), now).await?;
    Ok(results.iter().any(|result| {
        result.eval_decision == PolicyEvaluationDecisionType::Allowed
            || !result.missing_context_values().is_empty()
    }))
}
