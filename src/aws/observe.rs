//! One look at a role.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;

use super::client::DEFAULT_TRUST_QUOTA;
use super::role::Role;
use super::{Aws, AwsError, GUARD_NAME, Purpose};
use crate::domain::arn::{Arn, Kind};
use crate::domain::target::DocumentKey;
use crate::policy::{Identity, Observed, ObservedRole};

/// What `submit` wants to know of a role before anything is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `RoleId` (`AROA…`).
    pub role_id: String,
    /// Its `CreateDate`.
    pub created_at: DateTime<Utc>,
    /// Its ARN as AWS writes it.
    pub role_arn: String,
    /// The trust policy, percent-decoded.
    pub trust: String,
    /// How many characters it may have.
    pub trust_quota: usize,
    /// Who we are, as STS tells it.
    pub us: String,
    /// Unique id of the principal (`AIDA…`); `None` when it is not there.
    pub principal_id: Option<String>,
    /// Whether it is the role that Countersign itself works as, which is never a target.
    pub ours: bool,
}

/// Looks at a role, and a principal if there is one, without writing anything, for whoever asks for
/// access. What was seen a few seconds ago is not looked at again.
///
/// # Errors
/// `Gone` when there is no such role; whatever else the reads fail with.
pub async fn check(
    aws: &Aws,
    role_arn: &str,
    principal_arn: Option<&str>,
) -> Result<Check, AwsError> {
    let aws = &aws.used_for(Purpose::Looking);
    // The SDK's futures are large: on the heap, they are not part of everything that waits for
    // them.
    let role = Box::pin(role(aws, role_arn));
    let user = Box::pin(async {
        match principal_arn {
            Some(arn) => aws.known.users.get(arn, user(aws, arn)).await,
            None => Ok(None),
        }
    });
    let quota = Box::pin(async { Ok(Some(aws.trust_quota().await)) });
    let (role, principal, quota) = tokio::try_join!(
        aws.known.roles.get(role_arn, role),
        user,
        aws.known.quotas.get("", quota),
    )?;
    let role = role.ok_or(AwsError::Gone)?;
    let ours = aws.is_ours(&role.arn, &role.id).await?;
    Ok(Check {
        us: aws.us().await?.to_owned(),
        role_id: role.id,
        created_at: role.created_at,
        role_arn: role.arn,
        trust: role.trust,
        trust_quota: quota.unwrap_or(DEFAULT_TRUST_QUOTA),
        principal_id: principal.map(|it| it.id),
        ours,
    })
}

/// How many principals are read at a time.
const READS: usize = 8;

/// A look at a role.
#[derive(Debug)]
pub struct Look {
    /// What it showed. A principal that could not be read is not among its principals: nothing
    /// opens for it, and everything else goes on.
    pub observed: Observed,
    /// The principals (ARNs) that could not be read, and why.
    pub unread: BTreeMap<String, AwsError>,
}

/// Reads the role, its guard and the ids of `principals` (ARNs). The trust policy is read last, so
/// that little time passes between it and a write that is made from it.
///
/// # Errors
/// When the role or its guard cannot be read; a role that is not there is an answer, not an error.
pub async fn observe(
    aws: &Aws,
    role_arn: &str,
    principals: BTreeSet<String>,
) -> Result<Look, AwsError> {
    let (guard, trust_quota, (principals, unread)) = tokio::try_join!(
        guard(aws, role_arn),
        async { Ok(aws.trust_quota().await) },
        async { Ok(users(aws, principals).await) }
    )?;
    let observed = match role(aws, role_arn).await? {
        None => Observed::Gone,
        Some(role) => Observed::Role(ObservedRole {
            role_id: role.id,
            created_at: role.created_at,
            arn: role.arn,
            trust: role.trust,
            guard,
            trust_quota,
            principals,
        }),
    };
    Ok(Look { observed, unread })
}

/// Reads one document again, after it was written; everything else of the look stays as it was.
///
/// # Errors
/// As [`observe`].
pub async fn read_back(
    aws: &Aws,
    role_arn: &str,
    key: DocumentKey,
    observed: &mut Observed,
) -> Result<(), AwsError> {
    let Observed::Role(known) = observed else {
        return Ok(());
    };
    match key {
        DocumentKey::Guard => known.guard = guard(aws, role_arn).await?,
        DocumentKey::Trust => match role(aws, role_arn).await? {
            None => *observed = Observed::Gone,
            Some(role) => {
                known.role_id = role.id;
                known.created_at = role.created_at;
                known.trust = role.trust;
            }
        },
    }
    Ok(())
}

/// `None` when there is no role of that ARN (a role of the same name with another path is another
/// role). Whoever works in another account cannot tell.
async fn role(aws: &Aws, arn: &str) -> Result<Option<Role>, AwsError> {
    let Some(name) = Arn::name_of(arn, Kind::Role) else {
        return Ok(None);
    };
    let found = match aws.reads().await.get_role().role_name(name).send().await {
        Ok(answer) => answer.role,
        Err(error) => not_there(AwsError::of("GetRole", &error))?,
    };
    // GetRole goes by the name alone; a role made anew under another path is not the one in the
    // catalog.
    let role = found.filter(|role| role.arn() == arn);
    // With another account's credentials every role would look deleted, and open grants would close
    // for it.
    if role.is_none() && !aws.works_in_account_of(arn).await? {
        return Err(AwsError::Denied);
    }
    Ok(role.map(|role| Role {
        id: role.role_id().to_owned(),
        created_at: created_at(role.create_date()),
        arn: role.arn().to_owned(),
        trust: decode(role.assume_role_policy_document().unwrap_or_default()),
    }))
}

async fn guard(aws: &Aws, role_arn: &str) -> Result<Option<String>, AwsError> {
    let Some(name) = Arn::name_of(role_arn, Kind::Role) else {
        return Ok(None);
    };
    let call = aws
        .reads()
        .await
        .get_role_policy()
        .role_name(name)
        .policy_name(GUARD_NAME);
    match call.send().await {
        Ok(answer) => Ok(Some(decode(answer.policy_document()))),
        Err(error) => not_there(AwsError::of("GetRolePolicy", &error)),
    }
}

async fn users(
    aws: &Aws,
    arns: BTreeSet<String>,
) -> (
    BTreeMap<String, Option<Identity>>,
    BTreeMap<String, AwsError>,
) {
    let reads = stream::iter(arns).map(async |arn| (user(aws, &arn).await, arn));
    let (mut ids, mut unread) = (BTreeMap::new(), BTreeMap::new());
    let mut answers = std::pin::pin!(reads.buffer_unordered(READS));
    while let Some((answer, arn)) = answers.next().await {
        match answer {
            Ok(id) => drop(ids.insert(arn, id)),
            // One user that cannot be read bars the openings for that user, and nothing else.
            Err(error) => drop(unread.insert(arn, error)),
        }
    }
    (ids, unread)
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
fn created_at(date: &aws_sdk_iam::primitives::DateTime) -> DateTime<Utc> {
    DateTime::from_timestamp(date.secs(), 0).unwrap_or_default()
}

/// "It is not there" is an answer.
fn not_there<T>(error: AwsError) -> Result<Option<T>, AwsError> {
    match error {
        AwsError::Gone => Ok(None),
        other => Err(other),
    }
}

/// Documents come percent-encoded as RFC 3986 has it, and the SDK leaves them so; a plus sign is a
/// plus sign. What does not decode to UTF-8 stays as it is: it is no JSON, and treated so.
fn decode(document: &str) -> String {
    percent_decode_str(document)
        .decode_utf8()
        .map_or_else(|_| document.to_owned(), std::borrow::Cow::into_owned)
}
