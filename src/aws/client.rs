//! The SDK's clients for one account.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_iam::types::SummaryKeyType;
use chrono::{DateTime, Utc};

use super::date::Dates;
use super::error::AwsError;
use super::manager::{Caller, Hub, caller};
use super::pace::{Pace, Purpose};
use super::recent::Recent;
use super::refused::Refused;
use super::role::Role;
use crate::domain::arn::Arn;
use crate::domain::fetch::MOST_TO_ANSWER;
use crate::policy::Identity;
use crate::policy::outlive::Permissions;

/// What AWS allows a trust policy to have when the account says nothing (characters).
pub(super) const DEFAULT_TRUST_QUOTA: usize = 2_048;
/// How long a connection to STS may take to come about.
const MOST_TO_CONNECT: Duration = Duration::from_secs(3);
/// How long the account's quota is believed.
const QUOTA_AGE: Duration = Duration::from_mins(5);

/// One account of AWS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    /// For reads: the SDK repeats them.
    reads: aws_sdk_iam::Client,
    /// For document writes: never repeated, since a repeated whole document may overwrite a newer
    /// one.
    writes: aws_sdk_iam::Client,
    /// For looks before a request is stored: never repeated, on connections of their own, so that
    /// they take nothing of what the worker needs.
    looks: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    /// For sessions that are handed out.
    pub(super) sessions: aws_sdk_sts::Client,
    purpose: Purpose,
    /// Who we are there, where it is not ourselves.
    manager: Option<Caller>,
    /// When the manager role let us in.
    entered_at: Option<DateTime<Utc>>,
    account: Account,
}

/// What belongs to an account whoever we are there. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Account {
    hub: Arc<Hub>,
    timeout: Duration,
    pace: Pace,
    known: Arc<Known>,
}

/// What AWS has told of the account.
#[derive(Debug, Default)]
pub(super) struct Known {
    quota: Mutex<Option<(usize, Instant)>>,
    dates: Dates,
    /// Roles that looks have found.
    pub(super) roles: Recent<Role>,
    /// Users that looks have found.
    pub(super) identities: Recent<Identity>,
    /// The quota as looks have asked for it.
    pub(super) quotas: Recent<usize>,
    /// What roles may do, as far as it could be read.
    pub(super) permissions: Recent<Arc<Permissions>>,
}

impl Account {
    /// One that nothing is known of.
    pub(super) fn new(hub: Arc<Hub>, timeout: Duration, calls_per_second: u32) -> Self {
        Self {
            hub,
            timeout,
            pace: Pace::new(calls_per_second),
            known: Arc::default(),
        }
    }
}

impl Aws {
    /// Clients of an account with the credentials of `sdk`: our own, or a manager's whose refusals
    /// are heard.
    pub(super) fn new(
        sdk: &SdkConfig,
        account: &Account,
        managing: Option<(Caller, &Refused)>,
    ) -> Self {
        let (manager, refused) = managing.unzip();
        let iam = |retry| client(sdk, account, refused, retry);
        Self {
            reads: iam(RetryConfig::standard()),
            writes: iam(RetryConfig::disabled()),
            looks: iam(RetryConfig::disabled()),
            sts: aws_sdk_sts::Client::new(sdk),
            sessions: sessions(sdk, account, refused),
            purpose: Purpose::Opening,
            manager,
            entered_at: None,
            account: account.clone(),
        }
    }

    /// The same, by a session of a manager role that was asked for at that time.
    pub(super) fn entered_at(self, at: DateTime<Utc>) -> Self {
        Self {
            entered_at: Some(at),
            ..self
        }
    }

    /// Whether a manager role has let us in after that time.
    #[must_use]
    pub fn was_let_in_after(&self, at: DateTime<Utc>) -> bool {
        self.entered_at.is_some_and(|entered| entered > at)
    }

    /// What looks at the account remember.
    pub(super) fn known(&self) -> &Known {
        &self.account.known
    }

    /// The same AWS, called for that purpose.
    #[must_use]
    pub fn used_for(&self, purpose: Purpose) -> Self {
        Self {
            purpose,
            ..self.clone()
        }
    }

    /// The same AWS, called for what the other is called for.
    #[must_use]
    pub fn used_like(&self, other: &Self) -> Self {
        self.used_for(other.purpose)
    }

    /// Waits until one more call of IAM may be made.
    pub(super) async fn pass(&self) {
        self.account.pace.pass(self.purpose).await;
    }

    /// The client for a read, once it may be made.
    pub(super) async fn reads(&self) -> &aws_sdk_iam::Client {
        self.pass().await;
        match self.purpose {
            Purpose::Looking | Purpose::Analysing | Purpose::Auditing => &self.looks,
            Purpose::Closing | Purpose::Opening => &self.reads,
        }
    }

    /// The client for a write. It does not wait: the reads before it have, and the lease that it is
    /// made under runs.
    pub(super) fn writes(&self) -> &aws_sdk_iam::Client {
        self.account.pace.spend();
        &self.writes
    }

    /// The longest that one call may take; after that its answer is unknown.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.account.timeout
    }

    /// How many characters a trust policy may have in this account; asked anew every few minutes.
    /// When AWS does not say, the last answer or its default: a closing never waits for this.
    pub(super) async fn trust_quota(&self) -> usize {
        // Copied out: the lock must not be held while AWS is asked.
        let known = *self
            .known()
            .quota
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((quota, at)) = known
            && at.elapsed() < QUOTA_AGE
        {
            return quota;
        }
        match self.reads().await.get_account_summary().send().await {
            Ok(summary) => {
                let quota = summary
                    .summary_map()
                    .and_then(|map| map.get(&SummaryKeyType::AssumeRolePolicySizeQuota))
                    .and_then(|quota| usize::try_from(*quota).ok())
                    .unwrap_or(DEFAULT_TRUST_QUOTA);
                *self
                    .known()
                    .quota
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some((quota, Instant::now()));
                quota
            }
            Err(error) => {
                // For its line in the log. A wrong quota costs an opening at most: AWS refuses a
                // text that is too large.
                AwsError::of("GetAccountSummary", &error);
                known.map_or(DEFAULT_TRUST_QUOTA, |(quota, _)| quota)
            }
        }
    }

    /// Whether AWS has another time than `now`, by its latest answer; the request of that was sent
    /// after `asked_at`.
    #[must_use]
    pub fn has_another_time(&self, now: DateTime<Utc>, asked_at: Instant) -> bool {
        self.known().dates.differ_from(now, asked_at)
    }

    /// Asks who we are, unless that is known.
    ///
    /// # Errors
    /// When STS does not tell.
    pub async fn identify(&self) -> Result<(), AwsError> {
        self.account.hub.known_caller().await.map(drop)
    }

    /// Whether the role is one that we work as: the account's manager role, or the one that
    /// Countersign has by itself. Neither is ever a target.
    ///
    /// # Errors
    /// When STS does not tell who we are.
    pub async fn is_ours(&self, role_arn: &str, role_id: &str) -> Result<bool, AwsError> {
        let hub = self.account.hub.known_caller().await?;
        let manager = self.manager.as_ref();
        let is_manager = manager.is_some_and(|manager| manager.is(role_arn, role_id));
        Ok(is_manager || hub.is(role_arn, role_id))
    }

    /// The ARN that trust policies of this account know us by: its manager role's, else that of our
    /// own session or user.
    ///
    /// # Errors
    /// When STS does not tell who we are.
    pub(super) async fn us(&self) -> Result<&str, AwsError> {
        match &self.manager {
            Some(manager) => Ok(&manager.arn),
            None => Ok(&self.account.hub.known_caller().await?.arn),
        }
    }

    /// The same, as far as it is known.
    #[must_use]
    pub fn known_us(&self) -> Option<&str> {
        match &self.manager {
            Some(manager) => Some(&manager.arn),
            None => self.account.hub.known().map(|caller| caller.arn.as_str()),
        }
    }

    /// Whether we work in the account that the ARN names, asked anew: what is not found there may
    /// only be out of our sight.
    ///
    /// # Errors
    /// When STS does not tell who we are.
    pub(super) async fn works_in_account_of(&self, arn: &str) -> Result<bool, AwsError> {
        // Not the remembered answer: credentials of another account may have come since.
        let caller = caller(&self.sts).await?;
        let account = |arn| Arn::read(arn).map(|it| it.account);
        let same = account(arn) == account(&caller.arn);
        if !same {
            tracing::error!(
                role.arn = arn,
                caller.arn,
                "our AWS identity is of another account"
            );
        }
        Ok(same)
    }
}

fn client(
    sdk: &SdkConfig,
    account: &Account,
    refused: Option<&Refused>,
    retry: RetryConfig,
) -> aws_sdk_iam::Client {
    let config = aws_sdk_iam::config::Builder::from(sdk).retry_config(retry);
    let config = config.interceptor(account.known.dates.clone());
    let mut config = config.interceptor(account.pace.clone());
    if let Some(refused) = refused {
        config = config.interceptor(refused.clone());
    }
    aws_sdk_iam::Client::from_conf(config.build())
}

/// The client for sessions that are handed out: never repeated, since each try may make a session,
/// and quick.
fn sessions(sdk: &SdkConfig, account: &Account, refused: Option<&Refused>) -> aws_sdk_sts::Client {
    let most = MOST_TO_ANSWER.to_std().unwrap_or_default();
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(most)
        .connect_timeout(MOST_TO_CONNECT)
        .build();
    let mut config = aws_sdk_sts::config::Builder::from(sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .interceptor(account.known.dates.clone());
    if let Some(refused) = refused {
        config = config.interceptor(refused.clone());
    }
    aws_sdk_sts::Client::from_conf(config.build())
}
