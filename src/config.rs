//! The one configuration: a TOML file, and above it the environment as `COUNTERSIGN_SECTION__KEY`.
//! An unknown key is an error.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use toml::Table;

mod error;
mod fields;
mod oidc;
mod read;

pub use error::ConfigError;
pub use oidc::{GroupsFrom, Oidc, check_issuer};

const PREFIX: &str = "COUNTERSIGN_";
/// Variables with the prefix that are no keys: the file's place, and the folder of the Postgres
/// programs.
const NOT_KEYS: [&str; 2] = ["COUNTERSIGN_CONFIG", "COUNTERSIGN_PG_BIN"];

/// What applies. Durations are ISO 8601 in the file (`PT2M`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// Postgres.
    pub database: Database,
    /// Requests.
    pub requests: Requests,
    /// How much one person, or one address, may do.
    pub limits: Limits,
    /// The portal's sessions.
    pub sessions: Sessions,
    /// The provider that people sign in with.
    pub oidc: Oidc,
    /// How we talk to AWS.
    pub aws: Aws,
    /// The reconciler.
    pub worker: Worker,
    /// Who has which standing right.
    pub roles: Roles,
    /// The log.
    pub log: Log,
}

/// The HTTP server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on; port 0 picks a free one.
    #[serde(deserialize_with = "fields::address")]
    pub listen: SocketAddr,
    /// What browsers call us: scheme, host and port, no path. Unset, it is `http://` and `listen`,
    /// when that is loopback.
    #[serde(
        deserialize_with = "fields::public_url",
        skip_serializing_if = "Option::is_none"
    )]
    pub public_url: Option<String>,
    /// The networks (CIDR) of our own proxies: their word about where a request comes from
    /// (`X-Forwarded-For`) counts, and nobody else's.
    #[serde(with = "fields::networks")]
    pub trusted_proxies: Vec<IpNet>,
}

/// Postgres.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Connection URL; `DATABASE_URL` is honoured when the environment does not set this key.
    #[serde(
        serialize_with = "fields::hidden",
        skip_serializing_if = "Option::is_none"
    )]
    pub url: Option<SecretString>,
    /// The most connections of one process, but for the worker's: those are its own, a quarter of
    /// `worker.concurrency` and one.
    pub max_connections: NonZeroU32,
}

/// Requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requests {
    /// How long a request waits for a decision.
    #[serde(with = "fields::duration")]
    pub expire_after: Duration,
}

/// How much one person, or one address, may do. Each process counts for itself what it counts by
/// time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls of one person in a minute; ending a grant is never one too many.
    pub person_per_minute: NonZeroU32,
    /// Calls of one machine in a minute.
    pub machine_per_minute: NonZeroU32,
    /// Tokens and sessions that do not work, from one address in a minute. Behind a proxy that is
    /// not among `server.trusted_proxies` it is everybody's: only tokens that have not worked
    /// lately are held up.
    pub peer_per_minute: NonZeroU32,
    /// How often one person may ask in an hour, whatever comes of it.
    pub asks_per_hour: NonZeroU32,
    /// How many requests of one person may wait for a decision.
    pub pending_per_person: NonZeroU32,
    /// How many of these for one entitlement.
    pub pending_per_entitlement: NonZeroU32,
}

/// The portal's sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// How long a session lives without use.
    #[serde(with = "fields::duration")]
    pub idle: Duration,
    /// How long it lives at most.
    #[serde(with = "fields::duration")]
    pub lifetime: Duration,
}

/// How we talk to AWS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aws {
    /// Region of the STS endpoint; unset, that of the environment or the profile, else us-east-1.
    #[serde(
        deserialize_with = "fields::region",
        skip_serializing_if = "Option::is_none"
    )]
    pub region: Option<String>,
    /// How long one call may take; after that its answer is unknown.
    #[serde(with = "fields::duration")]
    pub operation_timeout: Duration,
    /// P: how long AWS may go on using an older document after a write.
    #[serde(with = "fields::duration_or_zero")]
    pub propagation_margin: Duration,
    /// L: how long a write without an answer may still land.
    #[serde(with = "fields::duration_or_zero")]
    pub unanswered_margin: Duration,
    /// δ: how far AWS's clock and the database's may be apart.
    #[serde(with = "fields::duration_or_zero")]
    pub clock_margin: Duration,
    /// How often a role is looked at while a guard of ours stands and nothing is open.
    #[serde(with = "fields::duration")]
    pub watch_interval: Duration,
    /// How many calls of IAM one process makes in a second in each account, as long as AWS has not
    /// asked it to slow down there.
    pub calls_per_second: NonZeroU32,
}

/// The reconciler.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// How often it looks for due targets without being woken.
    #[serde(with = "fields::duration")]
    pub poll: Duration,
    /// How long a target belongs to one worker; at least twice `aws.operation_timeout`.
    #[serde(with = "fields::duration")]
    pub lease: Duration,
    /// How often an opening is tried before it counts as failed. A closing is never given up.
    pub open_attempts: NonZeroU32,
    /// How many targets one process works on at a time.
    pub concurrency: NonZeroU32,
}

/// Who has which standing right.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Groups whose members may end every grant and see everything.
    pub admin: Vec<String>,
    /// Groups whose members may see everything.
    pub auditor: Vec<String>,
}

/// The log. Its level is `RUST_LOG`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            max_connections: fields::at_least_one(10),
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            expire_after: Duration::from_hours(24),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            person_per_minute: fields::at_least_one(600),
            machine_per_minute: fields::at_least_one(600),
            peer_per_minute: fields::at_least_one(60),
            asks_per_hour: fields::at_least_one(60),
            pending_per_person: fields::at_least_one(20),
            pending_per_entitlement: fields::at_least_one(5),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(30),
            lifetime: Duration::from_hours(12),
        }
    }
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            region: None,
            operation_timeout: Duration::from_secs(10),
            propagation_margin: Duration::from_mins(2),
            unanswered_margin: Duration::from_mins(15),
            clock_margin: Duration::from_secs(5),
            watch_interval: Duration::from_mins(5),
            calls_per_second: fields::at_least_one(100),
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(5),
            lease: Duration::from_mins(1),
            open_attempts: fields::at_least_one(8),
            concurrency: fields::at_least_one(8),
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and lets `env` (all variables of the process) override it.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown or a value does not fit.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = Table::new();
        if let Some(path) = file {
            read::file(path, &mut table)?;
        }
        let env: BTreeMap<String, String> = env.into_iter().collect();
        // Before the others, so that COUNTERSIGN_DATABASE__URL stands above it.
        if let Some(url) = env.get("DATABASE_URL") {
            read::variable(&mut table, "DATABASE_URL", "database", "url", url)?;
        }
        for (name, value) in &env {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if NOT_KEYS.contains(&name.as_str()) {
                continue;
            }
            if is_of_kubernetes(path) {
                continue;
            }
            let lower = path.to_lowercase();
            // A name without `__` is looked up as well, and refused: a mistyped variable must not
            // be silently nothing.
            let (section, key) = lower.split_once("__").unwrap_or((&lower, ""));
            read::variable(&mut table, name, section, key, value)?;
        }
        let mut config: Self = table
            .try_into()
            .map_err(|error| read::refusal("", "the configuration", &error))?;
        config.oidc.read_secret()?;
        config.check()?;
        Ok(config)
    }

    /// What browsers call us: scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> String {
        let listen = || format!("http://{}", self.server.listen);
        self.server.public_url.clone().unwrap_or_else(listen)
    }

    /// The database's URL. Looked at only where it is needed: `DATABASE_URL` may belong to
    /// something else.
    ///
    /// # Errors
    /// When none is set, it is not one of Postgres, or has a parameter that would be ignored.
    pub fn database_url(&self) -> Result<&str, ConfigError> {
        const FORM: &str = "expected postgres://user:password@host/database";
        const PARAMETERS: &str = "its parameters may be sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, \
        port, dbname, user, password, \
            application_name, options and statement-cache-capacity";
        let url = self.database.url.as_ref().map(ExposeSecret::expose_secret);
        let url = url.ok_or(ConfigError::Missing("database.url", FORM))?;
        let schemes = ["postgres://", "postgresql://"];
        let reason = if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            FORM
        } else if !fields::are_parameters_known(url) {
            PARAMETERS
        } else {
            return Ok(url);
        };
        // The URL is not repeated: it may hold a password.
        Err(ConfigError::Invalid {
            key: "database.url".to_owned(),
            place: "the file, COUNTERSIGN_DATABASE__URL or DATABASE_URL".to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// What applies, as TOML, secrets as `***`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut shown = self.clone();
        shown.server.public_url = Some(self.public_url());
        // unwrap: tables of plain values always serialise.
        toml::to_string(&shown).unwrap_or_default()
    }

    fn check(&self) -> Result<(), ConfigError> {
        // Links and the check of `Origin` need the name that browsers use, and 0.0.0.0 is none.
        if self.server.public_url.is_none() && !self.server.listen.ip().is_loopback() {
            return Err(ConfigError::Conflict(
                "server.public_url must be set when server.listen is not a loopback address",
            ));
        }
        // A write is sent only if its answer comes before the lease is over, and the database has
        // its time before it.
        if self.worker.lease < self.aws.operation_timeout.saturating_mul(2) {
            return Err(ConfigError::Conflict(
                "worker.lease must be at least twice aws.operation_timeout",
            ));
        }
        // More often costs AWS calls for nothing; for so long may a session that was ended work
        // again once somebody has deleted the guard.
        let watch = Duration::from_secs(10)..=Duration::from_hours(1);
        if !watch.contains(&self.aws.watch_interval) {
            return Err(ConfigError::Conflict(
                "aws.watch_interval must be from PT10S to PT1H",
            ));
        }
        // Fewer, and the looks at eight roles side by side do not come to an end within their time.
        if self.aws.calls_per_second.get() < 10 {
            return Err(ConfigError::Conflict(
                "aws.calls_per_second must be at least 10",
            ));
        }
        // The idle limit would never be reached.
        if self.sessions.lifetime < self.sessions.idle {
            return Err(ConfigError::Conflict(
                "sessions.lifetime must not be shorter than sessions.idle",
            ));
        }
        self.oidc.check()
    }
}

/// Kubernetes tells every pod where a service called `countersign` is: `COUNTERSIGN_PORT`,
/// `COUNTERSIGN_SERVICE_HOST` and their like.
fn is_of_kubernetes(name: &str) -> bool {
    let begins = ["PORT_", "SERVICE_HOST", "SERVICE_PORT"];
    let theirs = name == "PORT" || begins.iter().any(|it| name.starts_with(it));
    theirs && !name.contains("__")
}

/// Whether a host of a URL can only be this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
