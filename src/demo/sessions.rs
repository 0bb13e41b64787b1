//! The sessions of the demo's people who have no IAM user: what Identity Center or SAML would give
//! them. The stand-in has neither, so that whoever starts it takes the authority's place.

use chrono::TimeDelta;

use super::people::PEOPLE;
use super::seed::{AllKeys, Session};
use crate::sandbox::Knobs;

/// How long a session lasts: as long as AWS lets any.
const LIFE: TimeDelta = TimeDelta::hours(12);
/// A start leaves a session as it is for which so much is left.
const ENOUGH: TimeDelta = TimeDelta::hours(6);

/// The stand-in's state is of a demo that had no such role.
#[derive(Debug, thiserror::Error)]
#[error("the AWS stand-in has no role {0}, which is newer than its state: begin anew with --reset")]
pub struct NoRole(String);

/// Gives each of them a session, unless the one of an earlier start lasts.
///
/// # Errors
/// When the stand-in lacks a role.
pub fn give(aws: &Knobs, keys: &mut AllKeys) -> Result<(), NoRole> {
    let enough = aws.now() + ENOUGH;
    for person in PEOPLE {
        let (Some(role), Some(own)) = (person.role_arn(), keys.get_mut(person.user)) else {
            continue;
        };
        if own
            .session
            .as_ref()
            .is_some_and(|it| it.expires_at > enough)
        {
            continue;
        }
        let expires_at = aws.now() + LIFE;
        let given = aws.session_of(&role, &person.email(), LIFE.num_seconds());
        let given = given.ok_or(NoRole(role))?;
        own.access_key_id = given.access_key_id;
        own.secret_access_key = given.secret_access_key;
        own.session = Some(Session {
            token: given.session_token,
            expires_at,
        });
    }
    Ok(())
}
