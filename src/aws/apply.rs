//! The writes. Each is sent once; an unclear answer is the caller's to resolve by looking again.

use super::{Aws, AwsError, GUARD_NAME};
use crate::domain::arn::{Arn, Kind};

/// Writes the whole guard.
///
/// # Errors
/// `Unclear` when it may have landed or may still land; anything else means that it was not
/// written.
pub async fn put_guard(aws: &Aws, role_arn: &str, document: &str) -> Result<(), AwsError> {
    let call = aws
        .writes()
        .put_role_policy()
        .role_name(role_name(role_arn)?);
    let call = call.policy_name(GUARD_NAME).policy_document(document);
    let answer = call.send().await;
    answer
        .map(drop)
        .map_err(|error| AwsError::of("PutRolePolicy", &error))
}

/// Deletes the guard; one that is not there counts as deleted.
///
/// # Errors
/// As [`put_guard`].
pub async fn delete_guard(aws: &Aws, role_arn: &str) -> Result<(), AwsError> {
    let call = aws
        .writes()
        .delete_role_policy()
        .role_name(role_name(role_arn)?);
    let answer = call.policy_name(GUARD_NAME).send().await;
    // Somebody else has deleted it, or a call of ours whose answer was lost: what was wanted is so.
    match answer.map_err(|error| AwsError::of("DeleteRolePolicy", &error)) {
        Ok(_) | Err(AwsError::Gone) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Writes the whole trust policy.
///
/// # Errors
/// As [`put_guard`].
pub async fn put_trust(aws: &Aws, role_arn: &str, document: &str) -> Result<(), AwsError> {
    let call = aws
        .writes()
        .update_assume_role_policy()
        .role_name(role_name(role_arn)?);
    let answer = call.policy_document(document).send().await;
    answer
        .map(drop)
        .map_err(|error| AwsError::of("UpdateAssumeRolePolicy", &error))
}

fn role_name(arn: &str) -> Result<&str, AwsError> {
    Arn::name_of(arn, Kind::Role).ok_or(AwsError::Gone)
}
