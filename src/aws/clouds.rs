//! AWS, account by account: what is known of one account says nothing of another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::assume::Session;
use super::client::Account;
use super::federation::Federation;
use super::form::Forms;
use super::manager::{self, Hub};
use super::way::Way;
use super::{Aws, AwsError};
use crate::config;
use crate::domain::account::ManagerRole;
use crate::domain::arn::Arn;

/// How long a connection may take to come about.
const MOST_TO_CONNECT: Duration = Duration::from_secs(3);

/// The accounts of AWS, each with clients, a pace and a clock of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clouds(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What all accounts have in common, with the credentials that are our own.
    sdk: SdkConfig,
    hub: Arc<Hub>,
    federation: Federation,
    forms: Forms,
    timeout: Duration,
    calls_per_second: u32,
    /// Those that were used, by their 12 digits, each with the latest way into it.
    accounts: Mutex<BTreeMap<String, (Account, Arc<Way>)>>,
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
        let sdk = loader.timeout_config(timeouts).load().await;
        Self(Arc::new(Shared {
            hub: Arc::new(Hub::new(aws_sdk_sts::Client::new(&sdk))),
            federation: Federation::new(&sdk),
            forms: Forms::default(),
            sdk,
            timeout,
            calls_per_second: settings.calls_per_second.get(),
            accounts: Mutex::default(),
        }))
    }

    /// One account, by its 12 digits: as its manager role where it has one, else as ourselves. The
    /// session is taken at the first use, shared, and renewed before it ends. `manager` is what
    /// the catalog says `now`, so that a change counts from the next call on.
    ///
    /// # Errors
    /// When the manager role cannot be assumed: `Denied` where STS refuses. Never `Unclear`:
    /// nothing was sent that could land.
    pub async fn of(
        &self,
        account: &str,
        manager: Option<&ManagerRole>,
        now: DateTime<Utc>,
    ) -> Result<Aws, AwsError> {
        let (account, way) = self.way(account, manager, now);
        let entered = way.aws.get_or_init(|| self.enter(&account, &way));
        // Who takes over from somebody who waits no longer begins anew, and has no more time than
        // anybody.
        let entered = tokio::time::timeout(self.0.timeout, entered).await;
        entered.map_or(Err(AwsError::Unreachable), Clone::clone)
    }

    /// Which action AWS names where it refuses a manager role; nothing where it names none, or
    /// refuses no more. Asked of STS anew.
    pub async fn why_refused(&self, manager: &ManagerRole) -> Option<&'static str> {
        self.0.hub.why_refused(manager).await
    }

    /// Whether STS knows us, asked anew.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn hub_is_known(&self) -> Result<(), AwsError> {
        manager::caller(&self.0.hub.sts).await.map(drop)
    }

    /// Whether a manager role lets us in, asked anew and for nothing else.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn lets_in(&self, manager: &ManagerRole) -> Result<(), AwsError> {
        self.0.hub.assume(manager).await.map(drop)
    }

    /// The account of a role or user.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn of_arn(
        &self,
        arn: &str,
        manager: Option<&ManagerRole>,
        now: DateTime<Utc>,
    ) -> Result<Aws, AwsError> {
        // What is no ARN has no account: calls for it fail on their own.
        let account = Arn::read(arn).map_or("", |read| read.account);
        self.of(account, manager, now).await
    }

    /// What is known of the account, and the way into it, a new one where the last does not serve.
    fn way(
        &self,
        account: &str,
        manager: Option<&ManagerRole>,
        now: DateTime<Utc>,
    ) -> (Account, Arc<Way>) {
        let Shared {
            hub,
            timeout,
            calls_per_second,
            accounts,
            ..
        } = &*self.0;
        // Made under the lock: two first uses at once would give one account two buckets of calls.
        let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = accounts.entry(account.to_owned()).or_insert_with(|| {
            let new = Account::new(Arc::clone(hub), *timeout, *calls_per_second);
            (new, Arc::new(Way::new(manager, now)))
        });
        if !known.1.serves(manager, now) {
            known.1 = Arc::new(Way::new(manager, now));
        }
        known.clone()
    }

    async fn enter(&self, account: &Account, way: &Way) -> Result<Aws, AwsError> {
        let Shared { sdk, hub, .. } = &*self.0;
        let Some(manager) = way.manager() else {
            return Ok(Aws::new(sdk, account, None));
        };
        let session = hub.assume(manager).await?;
        // The keys are there, so that no call of the account ever waits for STS: a write that has
        // no answer was sent.
        let sdk = self.sdk_with(session.credentials);
        let managing = Some((session.caller, way.refused()));
        Ok(Aws::new(&sdk, account, managing).entered_at(way.begun_at()))
    }

    /// What all accounts have in common, with the keys of a session.
    pub(super) fn sdk_with(&self, keys: Credentials) -> SdkConfig {
        let sdk = self.0.sdk.to_builder();
        let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(keys));
        sdk.identity_cache(IdentityCache::no_cache()).build()
    }

    /// A link that signs in to the console with a session of that role, for fifteen minutes and
    /// whoever has it. `issuer` is where AWS sends people once their session is over.
    ///
    /// # Errors
    /// `Denied` when AWS makes none; `Throttled` and `Unclear` when it does not say. The session is
    /// there in any case.
    pub async fn console_link(
        &self,
        role_arn: &str,
        session: &Session,
        issuer: &str,
    ) -> Result<SecretString, AwsError> {
        let Shared {
            federation, forms, ..
        } = &*self.0;
        federation.link(forms, role_arn, session, issuer).await
    }

    /// What stands in for AWS, if anything does.
    pub(super) fn endpoint_url(&self) -> Option<&str> {
        self.0.sdk.endpoint_url()
    }

    pub(super) fn forms(&self) -> &Forms {
        &self.0.forms
    }

    /// Where the SDK gets credentials from.
    pub(super) fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.0.sdk.credentials_provider()
    }
}

fn base() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
}
