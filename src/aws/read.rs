//! What every look reads alike.

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use super::role::Role;
use super::{Aws, AwsError};
use crate::domain::arn::{Arn, Kind};
use crate::policy::authority::Unvouched;
use crate::policy::{Identity, authority};

/// An IAM user, or a role that people come as; `None` when there is none of that ARN, or can be
/// none of that name.
pub(super) async fn identity(aws: &Aws, arn: &str) -> Result<Option<Identity>, AwsError> {
    match Arn::name_of(arn, Kind::Role) {
        Some(name) => Ok(named_role(aws, arn, name).await?.map(|role| Identity {
            unvouched: unvouched(&role),
            id: role.id,
            created_at: role.created_at,
        })),
        None => user(aws, arn).await,
    }
}

/// Why nobody vouches for the names of a role's sessions, if so.
pub(super) fn unvouched(role: &Role) -> Option<Unvouched> {
    authority::check(&role.arn, &role.trust).err()
}

/// A role by its ARN. GetRole goes by the name alone: a role made anew under another path is not
/// the one in the catalog.
pub(super) async fn named_role(aws: &Aws, arn: &str, name: &str) -> Result<Option<Role>, AwsError> {
    let found = role_by_name(aws, name).await?;
    Ok(found.filter(|role| role.arn == arn))
}

/// A role by its name, whatever its path.
pub(super) async fn role_by_name(aws: &Aws, name: &str) -> Result<Option<Role>, AwsError> {
    let found = match aws.reads().await.get_role().role_name(name).send().await {
        Ok(answer) => answer.role,
        Err(error) => not_there(AwsError::of("GetRole", &error))?,
    };
    Ok(found.map(|role| Role {
        id: role.role_id().to_owned(),
        created_at: created_at(role.create_date()),
        arn: role.arn().to_owned(),
        trust: decode(role.assume_role_policy_document().unwrap_or_default()),
        boundary: role
            .permissions_boundary()
            .and_then(|it| it.permissions_boundary_arn())
            .map(str::to_owned),
    }))
}

/// An IAM user; `None` when there is none of that ARN, or can be none of that name.
async fn user(aws: &Aws, arn: &str) -> Result<Option<Identity>, AwsError> {
    let Some(name) = Arn::name_of(arn, Kind::User) else {
        return Ok(None);
    };
    match aws.reads().await.get_user().user_name(name).send().await {
        Ok(answer) => {
            let user = answer.user().filter(|user| user.arn() == arn);
            Ok(user.map(|user| Identity {
                id: user.user_id().to_owned(),
                created_at: created_at(user.create_date()),
                unvouched: None,
            }))
        }
        Err(error) => match AwsError::of("GetUser", &error) {
            // AWS does not take the name as a name, so that no user has it.
            AwsError::Malformed => Ok(None),
            other => not_there(other),
        },
    }
}

/// IAM always tells it; one that cannot be read is older than any request.
pub(super) fn created_at(date: &aws_sdk_iam::primitives::DateTime) -> DateTime<Utc> {
    DateTime::from_timestamp(date.secs(), 0).unwrap_or_default()
}

/// "It is not there" is an answer.
pub(super) fn not_there<T>(error: AwsError) -> Result<Option<T>, AwsError> {
    match error {
        AwsError::Gone => Ok(None),
        other => Err(other),
    }
}

/// Documents come percent-encoded as RFC 3986 has it, and the SDK leaves them so; a plus sign is a
/// plus sign. What does not decode to UTF-8 stays as it is: it is no JSON, and treated so.
pub(super) fn decode(document: &str) -> String {
    percent_decode_str(document)
        .decode_utf8()
        .map_or_else(|_| document.to_owned(), std::borrow::Cow::into_owned)
}
