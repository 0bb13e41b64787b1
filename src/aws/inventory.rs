//! Everybody in an account with the inline policies that they have, in as few calls as there are:
//! what no row tells of is found in no other way.

use aws_sdk_iam::types::{EntityType, PolicyDetail};

use super::read::decode;
use super::{Aws, AwsError};

/// A user or role, and those of its inline policies that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its ARN.
    pub arn: String,
    /// Name and text, percent-decoded.
    pub policies: Vec<(String, String)>,
}

/// The users and roles of the account that have inline policies with names that begin so.
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
        let users = answer.user_detail_list().iter();
        let users = users.map(|it| (it.arn(), it.user_policy_list()));
        let roles = answer.role_detail_list().iter();
        let roles = roles.map(|it| (it.arn(), it.role_policy_list()));
        for (arn, policies) in users.chain(roles) {
            let policies: Vec<_> = policies.iter().filter_map(|it| named(it, prefix)).collect();
            if let Some(arn) = arn.filter(|_| !policies.is_empty()) {
                let arn = arn.to_owned();
                holders.push(Holder { arn, policies });
            }
        }
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() {
            return Ok(holders);
        }
    }
}

fn named(policy: &PolicyDetail, prefix: &str) -> Option<(String, String)> {
    let name = policy.policy_name().filter(|it| it.starts_with(prefix))?;
    let text = decode(policy.policy_document().unwrap_or_default());
    Some((name.to_owned(), text))
}
