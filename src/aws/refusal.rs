//! Why STS let nobody in.

use aws_sdk_sts::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;

use super::AwsError;

/// What may not be allowed when a role is assumed: a source identity and tags are permissions of
/// their own.
const ACTIONS: [&str; 3] = ["sts:SetSourceIdentity", "sts:TagSession", "sts:AssumeRole"];

/// Why STS let nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub error: AwsError,
    /// The action that AWS says is not allowed, where it names one.
    pub action: Option<&'static str>,
}

impl Refusal {
    pub(super) fn of(error: &SdkError<AssumeRoleError>) -> Self {
        let told = error.message().unwrap_or_default();
        let mut actions = ACTIONS.into_iter();
        Self {
            error: AwsError::of("AssumeRole", error),
            action: actions.find(|action| told.contains(&format!("to perform: {action} "))),
        }
    }
}
