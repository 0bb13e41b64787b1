//! AWS, account by account: what is known of one account says nothing of another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};

use super::Aws;
use crate::config;
use crate::domain::arn::Arn;

/// How long a connection may take to come about.
const MOST_TO_CONNECT: Duration = Duration::from_secs(3);

/// The accounts of AWS, each with clients, a pace and a clock of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clouds(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What all accounts have in common; the credentials as well.
    sdk: SdkConfig,
    timeout: Duration,
    calls_per_second: u32,
    /// Those that were used, by their 12 digits.
    accounts: Mutex<BTreeMap<String, Aws>>,
}

impl Clouds {
    /// With the SDK's own chain of credentials; `AWS_ENDPOINT_URL` is honoured. Nothing is asked
    /// over the network before the first call.
    pub async fn from_env(settings: &config::Aws) -> Self {
        // EC2's metadata service is not in the chain: elsewhere every small command would wait for
        // it.
        let region = RegionProviderChain::first_try(settings.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(Region::from_static("us-east-1"));
        Self::load(base().region(region), settings).await
    }

    /// At one endpoint with one long-term access key (the demo and the tests).
    pub async fn with(endpoint: &str, access_key: &str, secret: &str, timeout: Duration) -> Self {
        let credentials = Credentials::new(access_key, secret, None, None, "given");
        let loader = base()
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(credentials);
        let settings = config::Aws {
            operation_timeout: timeout,
            ..config::Aws::default()
        };
        Self::load(loader, &settings).await
    }

    async fn load(loader: ConfigLoader, settings: &config::Aws) -> Self {
        let timeout = settings.operation_timeout;
        // Shorter than the call may take: else nobody could tell whether something was sent.
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(timeout)
            .connect_timeout(MOST_TO_CONNECT.min(timeout / 2))
            .build();
        Self(Arc::new(Shared {
            sdk: loader.timeout_config(timeouts).load().await,
            timeout,
            calls_per_second: settings.calls_per_second.get(),
            accounts: Mutex::default(),
        }))
    }

    /// One account, by its 12 digits: made at its first use, and kept.
    #[must_use]
    pub fn of(&self, account: &str) -> Aws {
        // Made under the lock: two first uses at once would give one account two buckets of calls.
        let accounts = self.0.accounts.lock();
        let mut accounts = accounts.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get(account) {
            return known.clone();
        }
        let new = Aws::new(&self.0.sdk, self.0.timeout, self.0.calls_per_second);
        accounts.insert(account.to_owned(), new.clone());
        new
    }

    /// The account of a role or user.
    #[must_use]
    pub fn of_arn(&self, arn: &str) -> Aws {
        // What is no ARN has no account: calls for it fail on their own.
        self.of(Arn::read(arn).map_or("", |read| read.account))
    }

    /// Where the SDK gets credentials from.
    pub(super) fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.0.sdk.credentials_provider()
    }
}

fn base() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
}
