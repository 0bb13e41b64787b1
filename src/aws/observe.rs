//! One look at a role, or at whatever else we write to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};

use super::client::DEFAULT_TRUST_QUOTA;
use super::principal::at_home;
use super::read::{decode, identity, named_role, not_there};
use super::role::Role;
use super::{Aws, AwsError, GUARD_NAME, Purpose, carrier};
use crate::domain::arn::{Arn, Kind};
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
    /// The ARN that its trust policy knows us by.
    pub us: String,
    /// The principal; `None` when it is not there.
    pub principal: Option<Identity>,
    /// Whether it is a role that Countersign itself works as, which is never a target.
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
            Some(arn) => aws.known().identities.get(arn, identity(aws, arn)).await,
            None => Ok(None),
        }
    });
    let quota = Box::pin(async { Ok(Some(aws.trust_quota().await)) });
    let (role, principal, quota) = tokio::try_join!(
        aws.known().roles.get(role_arn, role),
        user,
        aws.known().quotas.get("", quota),
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
        principal,
        ours,
    })
}

/// How many principals are read at a time.
const READS: usize = 8;

/// A look at a role or user.
#[derive(Debug)]
pub struct Look {
    /// What it showed. A principal that could not be read is not among its principals: nothing
    /// opens for it, and everything else goes on.
    pub observed: Observed,
    /// The principals (ARNs) that could not be read, and why.
    pub unread: BTreeMap<String, AwsError>,
}

/// Reads the role, its guard and the ids of `principals`, each as whoever may look at it in its own
/// account. The trust policy is read last, so that little time passes between it and a write that
/// is made from it. What `carries`, a user or a role that people come as, is read with its
/// policies; `opens`: something is to be opened on it.
///
/// # Errors
/// When the role or its guard cannot be read, or the user or its policies; what is not there is an
/// answer, not an error.
pub async fn observe(
    aws: &Aws,
    role_arn: &str,
    principals: BTreeMap<String, Result<Aws, AwsError>>,
    carries: bool,
    opens: bool,
) -> Result<Look, AwsError> {
    if carries {
        return Ok(Look {
            observed: carrier::observe(aws, role_arn, opens).await?,
            unread: BTreeMap::new(),
        });
    }
    let (guard, trust_quota, (principals, unread)) = tokio::try_join!(
        guard(aws, role_arn),
        async { Ok(aws.trust_quota().await) },
        async { Ok(identities(role_arn, principals).await) }
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

/// Reads one document again, after it was written: the inline policy of that name, or without one
/// the trust policy. Everything else of the look stays as it was.
///
/// # Errors
/// As [`observe`].
pub async fn read_back(
    aws: &Aws,
    arn: &str,
    policy: Option<&str>,
    observed: &mut Observed,
) -> Result<(), AwsError> {
    match (&mut *observed, policy) {
        (Observed::Gone, _) => {}
        (Observed::User(known), Some(policy)) => {
            carrier::read_back(aws, arn, policy, known).await?
        }
        // The trust policy of a carrier is not ours.
        (Observed::User(_), None) => {}
        (Observed::Role(known), Some(_)) => known.guard = guard(aws, arn).await?,
        (Observed::Role(known), None) => match role(aws, arn).await? {
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
pub(super) async fn role(aws: &Aws, arn: &str) -> Result<Option<Role>, AwsError> {
    let Some(name) = Arn::name_of(arn, Kind::Role) else {
        return Ok(None);
    };
    let role = named_role(aws, arn, name).await?;
    // With another account's credentials every role would look deleted, and open grants would close
    // for it.
    if role.is_none() && !aws.works_in_account_of(arn).await? {
        return Err(AwsError::Denied);
    }
    Ok(role)
}

/// Whether a guard stands on the role, whoever has put it there.
///
/// # Errors
/// When AWS does not tell.
pub async fn is_guarded(aws: &Aws, role_arn: &str) -> Result<bool, AwsError> {
    let guard = guard(&aws.used_for(Purpose::Looking), role_arn).await?;
    Ok(guard.is_some())
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

async fn identities(
    role_arn: &str,
    principals: BTreeMap<String, Result<Aws, AwsError>>,
) -> (
    BTreeMap<String, Option<Identity>>,
    BTreeMap<String, AwsError>,
) {
    // In the role's own account the role itself tells where we are.
    let is_here = |arn: &str| {
        let both = Arn::read(arn).zip(Arn::read(role_arn));
        both.is_none_or(|(own, role)| own.account == role.account)
    };
    let begun = tokio::time::Instant::now();
    let reads = stream::iter(principals).map(async |(arn, aws)| {
        let read = match aws {
            Ok(aws) if is_here(&arn) => identity(&aws, &arn).await,
            // All of them together no longer than one call: a silent home keeps no closing waiting.
            Ok(aws) => {
                let until = begun + aws.timeout();
                let read = tokio::time::timeout_at(until, at_home(&aws, &arn)).await;
                read.unwrap_or(Err(AwsError::Unreachable))
            }
            Err(error) => Err(error),
        };
        (read, arn)
    });
    let (mut ids, mut unread) = (BTreeMap::new(), BTreeMap::new());
    let mut answers = std::pin::pin!(reads.buffer_unordered(READS));
    while let Some((answer, arn)) = answers.next().await {
        match answer {
            Ok(id) => drop(ids.insert(arn, id)),
            // One identity that cannot be read bars the openings for it, and nothing else.
            Err(error) => drop(unread.insert(arn, error)),
        }
    }
    (ids, unread)
}
