//! Everybody in an account with what of ours may be on them, in as few calls as there are: what no
//! row tells of is found in no other way.

use aws_sdk_iam::types::{EntityType, PolicyDetail, RoleDetail};

use super::read::decode;
use super::{Aws, AwsError, GUARD_NAME};
use crate::policy::document::PREFIX;

/// A user or role, and what of it may be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its ARN.
    pub arn: String,
    /// Its unique id, of a role.
    pub role_id: Option<String>,
    /// The inline policies that were asked for, and the guard: name and text, percent-decoded.
    pub policies: Vec<(String, String)>,
    /// The trust policy of a role that may have a statement of ours, percent-decoded.
    pub trust: Option<String>,
}

/// The users and roles of the account that have inline policies with names that begin so, a guard,
/// or a trust policy that names us.
///
/// # Errors
/// As the calls fail; `Denied` without `iam:GetAccountAuthorizationDetails`.
pub async fn holders(aws: &Aws, prefix: &str) -> Result<Vec<Holder>, AwsError> {
    let mut holders = Vec::new();
    let mut marker = None;
    loop {
        let call = aws.reads().await.get_account_authorization_details();
        let call = call.filter(EntityType::User).filter(EntityType::Role);
        let answer = call.set_marker(marker).send().await;
        let answer =
            answer.map_err(|error| AwsError::of("GetAccountAuthorizationDetails", &error))?;
        for user in answer.user_detail_list() {
            holders.extend(user.arn().map(|arn| Holder {
                arn: arn.to_owned(),
                role_id: None,
                policies: named(user.user_policy_list(), prefix),
                trust: None,
            }));
        }
        holders.extend(
            answer
                .role_detail_list()
                .iter()
                .filter_map(|it| role(it, prefix)),
        );
        // Nearly all of them: an account may have thousands.
        holders.retain(|it| !it.policies.is_empty() || it.trust.is_some());
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() {
            return Ok(holders);
        }
    }
}

fn role(role: &RoleDetail, prefix: &str) -> Option<Holder> {
    let trust = decode(role.assume_role_policy_document().unwrap_or_default());
    Some(Holder {
        arn: role.arn()?.to_owned(),
        role_id: role.role_id().map(str::to_owned),
        policies: named(role.role_policy_list(), prefix),
        trust: Some(trust).filter(|text| text.contains(PREFIX)),
    })
}

fn named(policies: &[PolicyDetail], prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for policy in policies {
        let is_meant = |name: &&str| name.starts_with(prefix) || *name == GUARD_NAME;
        if let Some(name) = policy.policy_name().filter(is_meant) {
            let text = decode(policy.policy_document().unwrap_or_default());
            found.push((name.to_owned(), text));
        }
    }
    found
}
