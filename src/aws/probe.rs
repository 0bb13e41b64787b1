//! Using a session that nobody is to have, to see what AWS denies to it.

use aws_config::retry::RetryConfig;
use aws_sdk_iam::config::{Config, Credentials};
use aws_sdk_iam::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_iam::operation::get_role::{GetRoleError, GetRoleOutput};
use secrecy::ExposeSecret as _;

use super::assume::Session;
use super::{Aws, AwsError, Clouds, Purpose};
use crate::domain::arn::{Arn, Kind};
use crate::domain::probe::Seen;

/// The words of AWS about a Deny of the role's own policies (IAM User Guide, "Troubleshoot access
/// denied error messages"). Which of them denies it does not say.
const BY_THE_ROLE: &str = "explicit deny in an identity-based policy";
/// The same of any policy: of an organization, a boundary, the session itself.
const BY_ANY: &str = "explicit deny";
/// That nothing allows it, and nothing denies it.
const UNALLOWED: &str = "because no ";

impl Clouds {
    /// Reads a role with a session of it, once, and tells what AWS has to say of that: a call that
    /// needs a permission, so that a Deny of everything denies it. GetCallerIdentity would tell
    /// nothing, since no policy can deny it. `aws` is the role's account.
    pub async fn try_out(&self, aws: &Aws, role_arn: &str, session: &Session) -> Seen {
        let Some(name) = Arn::name_of(role_arn, Kind::Role) else {
            return Seen::NotAsked(AwsError::Malformed.code());
        };
        let keys = Credentials::new(
            &session.issued.access_key_id,
            session.secret.expose_secret(),
            Some(session.token.expose_secret().to_owned()),
            None,
            "probe",
        );
        let config = Config::new(&self.sdk_with(keys)).to_builder();
        let config = config.retry_config(RetryConfig::disabled());
        let client = aws_sdk_iam::Client::from_conf(config.build());
        // IAM counts the calls of an account, whoever makes them.
        aws.used_for(Purpose::Looking).pass().await;
        seen(&Box::pin(client.get_role().role_name(name).send()).await)
    }
}

fn seen(answer: &Result<GetRoleOutput, SdkError<GetRoleError>>) -> Seen {
    let Err(error) = answer else {
        return Seen::NotDenied;
    };
    if error.code() != Some("AccessDenied") {
        return Seen::NotAsked(AwsError::of("GetRole", error).code());
    }
    match error.message().unwrap_or_default() {
        told if told.contains(BY_THE_ROLE) => Seen::Denied,
        told if told.contains(BY_ANY) => Seen::NotAsked("other_deny"),
        told if told.contains(UNALLOWED) => Seen::NotDenied,
        _ => Seen::NotAsked("unexplained"),
    }
}
