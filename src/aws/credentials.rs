//! Whether there is anybody to ask AWS as.

use std::time::Duration;

use aws_sdk_iam::config::ProvideCredentials;

use super::Clouds;

/// How long the SDK may look. It ends with the metadata service of EC2, and where there is none
/// nobody answers.
const PATIENCE: Duration = Duration::from_secs(5);

impl Clouds {
    /// Warns in the log where the SDK finds no credentials. They may still come: the SDK looks anew
    /// before each call.
    pub async fn warn_without_credentials(&self) {
        let Some(provider) = self.credentials() else {
            return;
        };
        let found = tokio::time::timeout(PATIENCE, provider.provide_credentials()).await;
        let reason = match found {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nobody answered within {} s", PATIENCE.as_secs()),
        };
        tracing::warn!(
            reason,
            "there are no AWS credentials: until there are, nothing opens and nothing closes. Set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
             AWS_PROFILE, or run where AWS gives a role (ECS, EKS, EC2)"
        );
    }
}
