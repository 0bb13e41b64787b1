//! How much one person, or one address, may do. Each process counts for itself: with two of them
//! there is room for twice as much.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::caller::Caller;
use crate::config;
use crate::error::{Error, LimitError};
use crate::ids::GrantId;

/// How many tokens that have not worked yet are looked up at a time: the database has connections
/// left for everybody else.
const UNKNOWN_AT_A_TIME: usize = 2;
/// How long a token waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a token that worked is looked up whatever others at its address do.
const TRUSTED: Duration = Duration::from_mins(10);

/// How often credentials of one grant may be fetched in a minute, and how often at once.
const FETCHES: NonZeroU32 = NonZeroU32::new(120).unwrap();
const FETCHES_AT_ONCE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// How often browsers of one address may set out to the provider in a minute. Behind a proxy that
/// is not among `server.trusted_proxies` it is everybody's address.
const SIGN_INS: NonZeroU32 = NonZeroU32::new(600).unwrap();
/// How often signing in may fail there in a minute.
const FAILED_SIGN_INS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// How often the end of one grant may be tried in a minute.
const PROBES: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// SHA-256 of a token.
type TokenHash = [u8; 32];

/// The buckets.
#[derive(Debug)]
pub struct Limits {
    calls: Buckets<Caller>,
    machine_calls: Buckets<Caller>,
    asks: Buckets<Caller>,
    fetches: Buckets<GrantId>,
    probes: Buckets<GrantId>,
    /// Tokens that did not work; none that is unknown is looked up while an address is shut.
    tokens: Failures,
    sign_ins: Buckets<IpAddr>,
    failed_sign_ins: Failures,
    /// When tokens last worked.
    worked: Mutex<HashMap<TokenHash, Instant>>,
    unknown: Semaphore,
    /// The same for calls that end a grant.
    ending: Semaphore,
}

impl Limits {
    /// Full buckets.
    pub(super) fn new(settings: &config::Limits) -> Self {
        Self {
            calls: Buckets::new(Quota::per_minute(settings.person_per_minute)),
            machine_calls: Buckets::new(Quota::per_minute(settings.machine_per_minute)),
            asks: Buckets::new(Quota::per_hour(settings.asks_per_hour)),
            fetches: Buckets::new(Quota::per_minute(FETCHES).allow_burst(FETCHES_AT_ONCE)),
            probes: Buckets::new(Quota::per_minute(PROBES)),
            tokens: Failures::new(settings.peer_per_minute),
            sign_ins: Buckets::new(Quota::per_minute(SIGN_INS)),
            failed_sign_ins: Failures::new(FAILED_SIGN_INS),
            worked: Mutex::default(),
            unknown: Semaphore::new(UNKNOWN_AT_A_TIME),
            ending: Semaphore::new(UNKNOWN_AT_A_TIME),
        }
    }

    /// One call.
    ///
    /// # Errors
    /// 429 when they call too often.
    pub fn call(&self, caller: Caller) -> Result<(), Error> {
        let calls = match caller {
            Caller::Person(_) => &self.calls,
            Caller::Machine(_) => &self.machine_calls,
        };
        calls.take(caller).map_err(too_soon)
    }

    /// One ask, whatever comes of it.
    ///
    /// # Errors
    /// 429 when they ask too often.
    pub fn ask(&self, caller: Caller) -> Result<(), Error> {
        self.asks.take(caller).map_err(too_soon)
    }

    /// One fetch of credentials of a grant. SDKs ask at every call of theirs while less than ten
    /// minutes are left.
    ///
    /// # Errors
    /// 429 when they are fetched too often.
    pub fn fetch(&self, grant: GrantId) -> Result<(), Error> {
        self.fetches.take(grant).map_err(too_soon)
    }

    /// One try of a grant's end: each makes a session.
    ///
    /// # Errors
    /// 429 when it is tried too often.
    pub fn probe(&self, grant: GrantId) -> Result<(), Error> {
        self.probes.take(grant).map_err(too_soon)
    }

    /// Whether a token from that address may be looked up. Keep what this gives until it has been.
    ///
    /// # Errors
    /// 429 when too many from there did not work, and this one has not worked either; 503 when the
    /// database is slow.
    pub async fn look_up(
        &self,
        peer: IpAddr,
        token: &TokenHash,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        if self.is_trusted(token) {
            return Ok(None);
        }
        // The turn first: those before us in the line may shut the address.
        let turn = turn(&self.unknown).await?;
        self.tokens.are_few(peer)?;
        Ok(turn)
    }

    /// A browser from that address sets out to the provider.
    ///
    /// # Errors
    /// 429 when too many do.
    pub fn sign_in(&self, peer: IpAddr) -> Result<(), Error> {
        self.sign_ins.take(network(peer)).map_err(too_soon)
    }

    /// Whether a browser from that address may come back from the provider.
    ///
    /// # Errors
    /// 429 when too many from there could not sign in.
    pub fn come_back(&self, peer: IpAddr) -> Result<(), Error> {
        self.failed_sign_ins.are_few(peer)
    }

    /// A browser from that address could not sign in.
    pub fn not_signed_in(&self, peer: IpAddr) {
        self.failed_sign_ins.count(peer);
    }

    /// The same for a call that ends a grant: whatever others at that address do, it has its turn
    /// among its like.
    ///
    /// # Errors
    /// 503 when the database is slow.
    pub async fn look_up_to_end(
        &self,
        token: &TokenHash,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        if self.is_trusted(token) {
            return Ok(None);
        }
        turn(&self.ending).await
    }

    fn is_trusted(&self, token: &TokenHash) -> bool {
        let worked = locked(&self.worked).get(token).copied();
        // Trusted tokens are not held up, no more than that: whether one still works the database
        // says.
        worked.is_some_and(|at| at.elapsed() < TRUSTED)
    }

    /// A token worked.
    pub fn worked(&self, token: &TokenHash) {
        locked(&self.worked).insert(*token, Instant::now());
    }

    /// A token from that address did not work.
    pub fn failed(&self, peer: IpAddr) {
        self.tokens.count(peer);
    }

    /// Forgets what counts no more.
    pub fn tidy(&self) {
        self.calls.tidy();
        self.machine_calls.tidy();
        self.asks.tidy();
        self.fetches.tidy();
        self.probes.tidy();
        self.tokens.tidy();
        self.sign_ins.tidy();
        self.failed_sign_ins.tidy();
        locked(&self.worked).retain(|_, at| at.elapsed() < TRUSTED);
    }
}

/// Failures of each address. Only they are counted: behind a proxy that nobody has named everybody
/// has one address.
#[derive(Debug)]
struct Failures {
    buckets: Buckets<IpAddr>,
    /// Until when an address has had too many.
    shut: Mutex<HashMap<IpAddr, Instant>>,
}

impl Failures {
    fn new(per_minute: NonZeroU32) -> Self {
        Self {
            buckets: Buckets::new(Quota::per_minute(per_minute)),
            shut: Mutex::default(),
        }
    }

    fn count(&self, peer: IpAddr) {
        let peer = network(peer);
        if let Err(wait) = self.buckets.take(peer) {
            locked(&self.shut).insert(peer, Instant::now() + wait);
        }
    }

    fn are_few(&self, peer: IpAddr) -> Result<(), Error> {
        let until = locked(&self.shut).get(&network(peer)).copied();
        match until.map(|it| it.saturating_duration_since(Instant::now())) {
            Some(wait) if !wait.is_zero() => Err(too_soon(wait)),
            _ => Ok(()),
        }
    }

    fn tidy(&self) {
        self.buckets.tidy();
        locked(&self.shut).retain(|_, until| *until > Instant::now());
    }
}

/// A bucket for each key.
#[derive(Debug)]
struct Buckets<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(quota: Quota) -> Self {
        Self(RateLimiter::keyed(quota))
    }

    /// Takes a token, or says after how long there is one.
    fn take(&self, key: K) -> Result<(), Duration> {
        let answer = self.0.check_key(&key);
        answer.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    fn tidy(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

async fn turn(turns: &Semaphore) -> Result<Option<SemaphorePermit<'_>>, Error> {
    let turn = tokio::time::timeout(PATIENCE, turns.acquire()).await;
    // Never closed.
    Ok(turn.map_err(|_| Error::Busy)?.ok())
}

fn too_soon(wait: Duration) -> Error {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
    // Rounded up: after the whole seconds alone it would be too soon again.
    LimitError::TooFast(NonZeroU32::MIN.saturating_add(seconds)).into()
}

/// Who has one IPv6 address has the 2^64 of its network.
fn network(peer: IpAddr) -> IpAddr {
    // `::ffff:192.0.2.1` is an IPv4 address: by its first half, all of IPv4 would be one network.
    match peer.to_canonical() {
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
