//! What a role may do: its policies as text, for whoever decides whether somebody gets it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::observe::role;
use super::read::decode;
use super::{Aws, AwsError, GUARD_NAME, Purpose};
use crate::domain::arn::{Arn, Kind};
use crate::policy::capacity::size;
use crate::policy::outlive::{Permissions, Policy};

/// How many policies of one list are read: more than IAM lets a role have attached.
const MOST: usize = 25;
/// How many are read at a time.
const READS: usize = 4;

/// Reads what a role may do, and what the policies `scope` (ARNs) limit its sessions to. What
/// cannot be read until then is named with the reason. What was read a few seconds ago is not read
/// again.
pub async fn permissions(
    aws: &Aws,
    role_arn: &str,
    scope: &[String],
    until: Instant,
) -> Arc<Permissions> {
    let aws = &aws.used_for(Purpose::Analysing);
    let key = format!("{role_arn} {}", scope.join(" "));
    let read = Box::pin(async { Ok(Some(Arc::new(read(aws, role_arn, scope, until).await))) });
    let known = timeout_at(until, aws.known().permissions.get(&key, read)).await;
    // Many roles are read already.
    let late = || Arc::new(unread("late"));
    known
        .ok()
        .and_then(Result::ok)
        .flatten()
        .unwrap_or_else(late)
}

/// A role of which nothing could be read.
#[must_use]
pub fn unread(why: &'static str) -> Permissions {
    let nothing = |name: &str| Policy {
        name: name.to_owned(),
        text: Err(why),
    };
    Permissions {
        trust: nothing(TRUST),
        policies: vec![nothing(INLINE), nothing(ATTACHED)],
        boundary: None,
        scope: Vec::new(),
        inline_size: None,
    }
}

const TRUST: &str = "the trust policy";
const INLINE: &str = "the role's inline policies";
const ATTACHED: &str = "the role's attached policies";

async fn read(aws: &Aws, role_arn: &str, scope: &[String], until: Instant) -> Permissions {
    let name = Arn::name_of(role_arn, Kind::Role).unwrap_or_default();
    let (described, inline, attached, scope) = tokio::join!(
        Box::pin(described(aws, role_arn, until)),
        Box::pin(inline(aws, name, until)),
        Box::pin(attached(aws, name, until)),
        Box::pin(managed(aws, scope.to_vec(), "policy", until)),
    );
    let (trust, boundary) = described;
    let sizes = inline.iter().map(|policy| policy.text.as_deref().ok());
    let sizes = sizes.map(|text| text.map(size));
    Permissions {
        inline_size: sizes.sum(),
        trust,
        policies: [inline, attached].concat(),
        boundary,
        scope,
    }
}

/// The trust policy and the permissions boundary.
async fn described(aws: &Aws, role_arn: &str, until: Instant) -> (Policy, Option<Policy>) {
    let asked = async {
        let known = &aws.known().roles;
        let role = known.get(role_arn, Box::pin(role(aws, role_arn))).await?;
        role.ok_or(AwsError::Gone)
    };
    let asked = within(until, asked).await;
    let trust = Policy {
        name: TRUST.to_owned(),
        text: asked
            .as_ref()
            .map(|role| role.trust.clone())
            .map_err(|why| *why),
    };
    let boundary = asked.ok().and_then(|role| role.boundary);
    let mut read = managed(
        aws,
        boundary.into_iter().collect(),
        "permissions boundary",
        until,
    )
    .await;
    (trust, read.pop())
}

/// The inline policies, without the guard, which allows nothing.
async fn inline(aws: &Aws, role: &str, until: Instant) -> Vec<Policy> {
    let names = match within(until, inline_names(aws, role)).await {
        Ok(names) => names,
        Err(why) => return vec![failed(INLINE, why)],
    };
    let names = names.into_iter().filter(|name| name != GUARD_NAME);
    let reads = names.map(|name| {
        let shown = format!("inline policy {name}");
        reading(shown, until, inline_text(aws, role, name))
    });
    all(reads.collect(), INLINE).await
}

async fn inline_text(aws: &Aws, role: &str, name: String) -> Result<String, AwsError> {
    let call = aws.reads().await.get_role_policy().role_name(role);
    let answer = call.policy_name(name).send().await;
    let answer = answer.map_err(|error| AwsError::of("GetRolePolicy", &error))?;
    Ok(decode(answer.policy_document()))
}

async fn inline_names(aws: &Aws, role: &str) -> Result<Vec<String>, AwsError> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let call = aws.reads().await.list_role_policies().role_name(role);
        let answer = call.set_marker(marker).send().await;
        let answer = answer.map_err(|error| AwsError::of("ListRolePolicies", &error))?;
        names.extend(answer.policy_names);
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() || names.len() > MOST {
            return Ok(names);
        }
    }
}

/// The managed policies that are attached.
async fn attached(aws: &Aws, role: &str, until: Instant) -> Vec<Policy> {
    match within(until, attached_arns(aws, role)).await {
        Ok(arns) => managed(aws, arns, "policy", until).await,
        Err(why) => vec![failed(ATTACHED, why)],
    }
}

async fn attached_arns(aws: &Aws, role: &str) -> Result<Vec<String>, AwsError> {
    let mut arns = Vec::new();
    let mut marker = None;
    loop {
        let call = aws.reads().await.list_attached_role_policies();
        let answer = call.role_name(role).set_marker(marker).send().await;
        let answer = answer.map_err(|error| AwsError::of("ListAttachedRolePolicies", &error))?;
        let attached = answer.attached_policies.unwrap_or_default();
        arns.extend(attached.into_iter().filter_map(|it| it.policy_arn));
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() || arns.len() > MOST {
            return Ok(arns);
        }
    }
}

/// Managed policies in the versions that hold.
async fn managed(aws: &Aws, arns: Vec<String>, kind: &str, until: Instant) -> Vec<Policy> {
    let reads = arns.into_iter().map(|arn| {
        let shown = format!("{kind} {arn}");
        reading(shown, until, managed_text(aws, arn))
    });
    all(reads.collect(), "managed policies").await
}

async fn managed_text(aws: &Aws, arn: String) -> Result<String, AwsError> {
    let answer = aws.reads().await.get_policy().policy_arn(&arn).send().await;
    let answer = answer.map_err(|error| AwsError::of("GetPolicy", &error))?;
    let version = answer.policy.and_then(|it| it.default_version_id);
    let call = aws.reads().await.get_policy_version().policy_arn(arn);
    let answer = call.version_id(version.unwrap_or_default()).send().await;
    let answer = answer.map_err(|error| AwsError::of("GetPolicyVersion", &error))?;
    let text = answer.policy_version.and_then(|it| it.document);
    text.map(|text| decode(&text)).ok_or(AwsError::Unclear)
}

/// A policy that is being read.
type Read<'a> = BoxFuture<'a, Policy>;

/// Boxed, since the compiler does not see that it may go to another thread.
fn reading<'a>(
    name: String,
    until: Instant,
    read: impl Future<Output = Result<String, AwsError>> + Send + 'a,
) -> Read<'a> {
    async move {
        let text = within(until, read).await;
        Policy { name, text }
    }
    .boxed()
}

/// Each of them with its text or the reason why there is none. One that is not there any more is
/// left out.
async fn all(mut reads: Vec<Read<'_>>, together: &str) -> Vec<Policy> {
    let too_many = reads.len() > MOST;
    reads.truncate(MOST);
    let mut policies: Vec<Policy> = stream::iter(reads).buffered(READS).collect().await;
    policies.retain(|policy| policy.text != Err("gone"));
    policies.extend(too_many.then(|| failed(together, "too_many")));
    policies
}

/// What was read in time, else a word for why not.
async fn within<T>(
    until: Instant,
    read: impl Future<Output = Result<T, AwsError>>,
) -> Result<T, &'static str> {
    match timeout_at(until, read).await {
        Ok(read) => read.map_err(AwsError::code),
        Err(_) => Err("late"),
    }
}

fn failed(name: &str, why: &'static str) -> Policy {
    Policy {
        name: name.to_owned(),
        text: Err(why),
    }
}
