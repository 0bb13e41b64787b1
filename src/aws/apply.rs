//! The writes. Each is sent once; an unclear answer is the caller's to resolve by looking again.

use super::{Aws, AwsError};
use crate::domain::arn::{Arn, Kind};

/// Writes an inline policy of a role or user as a whole.
///
/// # Errors
/// `Unclear` when it may have landed or may still land; anything else means that it was not
/// written.
pub async fn put_policy(
    aws: &Aws,
    arn: &str,
    policy: &str,
    document: &str,
) -> Result<(), AwsError> {
    match entity(arn)? {
        (Kind::Role, name) => {
            let call = aws.writes().put_role_policy().role_name(name);
            let call = call.policy_name(policy).policy_document(document).send();
            let answer = call.await;
            answer
                .map(drop)
                .map_err(|error| AwsError::of("PutRolePolicy", &error))
        }
        (_, name) => {
            let call = aws.writes().put_user_policy().user_name(name);
            let call = call.policy_name(policy).policy_document(document).send();
            let answer = call.await;
            answer
                .map(drop)
                .map_err(|error| AwsError::of("PutUserPolicy", &error))
        }
    }
}

/// Deletes an inline policy of a role or user; one that is not there counts as deleted.
///
/// # Errors
/// As [`put_policy`].
pub async fn delete_policy(aws: &Aws, arn: &str, policy: &str) -> Result<(), AwsError> {
    let answer = match entity(arn)? {
        (Kind::Role, name) => {
            let call = aws.writes().delete_role_policy().role_name(name);
            let answer = call.policy_name(policy).send().await;
            answer
                .map(drop)
                .map_err(|error| AwsError::of("DeleteRolePolicy", &error))
        }
        (_, name) => {
            let call = aws.writes().delete_user_policy().user_name(name);
            let answer = call.policy_name(policy).send().await;
            answer
                .map(drop)
                .map_err(|error| AwsError::of("DeleteUserPolicy", &error))
        }
    };
    // Somebody else has deleted it, or a call of ours whose answer was lost: what was wanted is so.
    match answer {
        Ok(()) | Err(AwsError::Gone) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Writes the whole trust policy.
///
/// # Errors
/// As [`put_policy`].
pub async fn put_trust(aws: &Aws, role_arn: &str, document: &str) -> Result<(), AwsError> {
    let call = aws
        .writes()
        .update_assume_role_policy()
        .role_name(Arn::name_of(role_arn, Kind::Role).ok_or(AwsError::Gone)?);
    let answer = call.policy_document(document).send().await;
    answer
        .map(drop)
        .map_err(|error| AwsError::of("UpdateAssumeRolePolicy", &error))
}

/// Which role or user it is, and its name.
fn entity(arn: &str) -> Result<(Kind, &str), AwsError> {
    let named = |kind| Arn::name_of(arn, kind).map(|name| (kind, name));
    named(Kind::Role)
        .or_else(|| named(Kind::User))
        .ok_or(AwsError::Gone)
}
