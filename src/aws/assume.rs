//! Assuming a role for a person: the one call that gives out secrets.

use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::{Aws, AwsError, Refusal};
use crate::domain::fetch::{GRANT_TAG, Issued};

/// What session is asked for.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The role.
    pub role_arn: &'a str,
    /// RoleSessionName: the grant's id.
    pub session_name: &'a str,
    /// SourceIdentity: the person's id.
    pub source_identity: &'a str,
    /// The session's own policy.
    pub policy: &'a str,
    /// Managed policies beside it.
    pub policy_arns: &'a [String],
    /// What the session carries as `countersign:grant`, where it carries a tag: the grant's id. It
    /// is not transitive, so that no other session gets it.
    pub grant_tag: Option<&'a str>,
    /// How long it is to last; `None` for as long as STS makes it, which is an hour.
    pub duration: Option<TimeDelta>,
}

/// A session with its secrets, which print and serialize nowhere and are overwritten when it is
/// dropped.
pub struct Session {
    /// What may be on record.
    pub issued: Issued,
    /// The unique id of the role that was assumed (`AROA…`), where STS tells it.
    pub role_id: Option<String>,
    /// SecretAccessKey.
    pub secret: SecretString,
    /// SessionToken.
    pub token: SecretString,
}

impl Aws {
    /// Assumes a role, once.
    ///
    /// # Errors
    /// `Unclear` when a session may have been made that nobody has; anything else means that there
    /// is none.
    pub async fn assume(&self, wish: &Wish<'_>) -> Result<Session, AwsError> {
        let session = self.try_to_assume(wish).await;
        session.map_err(|refusal| refusal.error)
    }

    /// The same, with what AWS names in a refusal.
    ///
    /// # Errors
    /// As [`Self::assume`].
    pub async fn try_to_assume(&self, wish: &Wish<'_>) -> Result<Session, Refusal> {
        let answer = Box::pin(self.send(wish)).await;
        let answer = answer.map_err(|error| Refusal::of(&error))?;
        let unclear = Refusal {
            error: AwsError::Unclear,
            action: None,
        };
        session(answer).ok_or(unclear)
    }

    async fn send(&self, wish: &Wish<'_>) -> Result<AssumeRoleOutput, SdkError<AssumeRoleError>> {
        let seconds = wish.duration.map(|duration| duration.num_seconds());
        let seconds = seconds.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
        let arns = wish.policy_arns.iter();
        let arns: Vec<_> = arns
            .map(|arn| PolicyDescriptorType::builder().arn(arn).build())
            .collect();
        let tag = wish
            .grant_tag
            .map(|grant| Tag::builder().key(GRANT_TAG).value(grant).build());
        let tag = tag.transpose().map_err(SdkError::construction_failure)?;
        let call = self
            .sessions
            .assume_role()
            .role_arn(wish.role_arn)
            .role_session_name(wish.session_name)
            .source_identity(wish.source_identity)
            .policy(wish.policy)
            .set_policy_arns((!arns.is_empty()).then_some(arns))
            .set_tags(tag.map(|tag| vec![tag]))
            .set_duration_seconds(seconds);
        call.send().await
    }
}

/// The session that STS gave; `None` where it gave no keys.
fn session(answer: AssumeRoleOutput) -> Option<Session> {
    #[expect(deprecated, reason = "STS may tell the one or the other")]
    let percent = answer
        .packed_policy_size
        .or(answer.session_token_utilization);
    let given = answer.credentials?;
    // AssumedRoleId is `AROA…:session name`.
    let assumed = answer.assumed_role_user.map(|user| user.assumed_role_id);
    let role_id = assumed.and_then(|id| Some(id.split_once(':')?.0.to_owned()));
    let expires_at = DateTime::from_timestamp(given.expiration.secs(), 0);
    Some(Session {
        role_id,
        issued: Issued {
            access_key_id: given.access_key_id,
            expires_at: expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
            packed_percent: percent.and_then(|it| i16::try_from(it).ok()),
        },
        secret: given.secret_access_key.into(),
        token: given.session_token.into(),
    })
}
