//! What a verb works with, and the runner that gives it its one transaction.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;

use super::caller::{Caller, Credential};
use super::desk::Desk;
use super::limits::Limits;
use super::refusals::Refusals;
use crate::authz::Roles;
use crate::aws::Clouds;
use crate::clock::Clock;
use crate::config::Config;
use crate::db;
use crate::db::lent::{self, Lent};
use crate::db::timeouts::Timeouts;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Actor, Channel};
use crate::domain::person::Person;
use crate::error::Error;
use crate::ids::PersonId;

/// The application: what every verb needs, whoever calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    /// Connections for who is calling alone: what keeps the others waiting concerns them not.
    callers: PgPool,
    desk: Desk,
    /// How long a verb's work in the database may take.
    limit: Duration,
    clock: Clock,
    clouds: Clouds,
    roles: Roles,
    settings: Settings,
    public_url: String,
    limits: Limits,
    refusals: Refusals,
    wake: Arc<Notify>,
}

/// The settings that verbs look at.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a request waits for a decision.
    pub expire_after: TimeDelta,
    /// L: how long a call without an answer may still be carried out.
    pub unanswered: TimeDelta,
    /// δ: whole-second token times and clocks that differ.
    pub clock_margin: TimeDelta,
    /// P: nothing is opened with less time than this left (docs/guard.md, H5).
    pub propagation: TimeDelta,
    /// How long groups count for tokens and machines after the provider has told them.
    pub groups_max_age: TimeDelta,
    /// How far the clocks of those who sign tokens may be apart.
    pub clock_skew: TimeDelta,
    /// How long a session lives without use.
    pub session_idle: TimeDelta,
    /// How long it lives at most.
    pub session_lifetime: TimeDelta,
    /// Whether the provider says in which groups people are, and no catalog file.
    pub groups_told: bool,
    /// How many requests of one person may wait for a decision.
    pub pending_per_person: u32,
    /// How many of these for one entitlement.
    pub pending_per_entitlement: u32,
}

impl App {
    /// An application on this database and this AWS.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, clouds: Clouds, config: &Config) -> Self {
        let limit = Timeouts::of_verbs(config.worker.lease).step;
        Self::within(limit, pool, clock, clouds, config)
    }

    /// The same for a command, whose one verb may take longer.
    #[must_use]
    pub fn of_command(pool: PgPool, clock: Clock, clouds: Clouds, config: &Config) -> Self {
        Self::within(Timeouts::of_commands().step, pool, clock, clouds, config)
    }

    fn within(
        limit: Duration,
        pool: PgPool,
        clock: Clock,
        clouds: Clouds,
        config: &Config,
    ) -> Self {
        let delta = |setting| TimeDelta::from_std(setting).unwrap_or(TimeDelta::MAX);
        let settings = Settings {
            expire_after: delta(config.requests.expire_after),
            unanswered: delta(config.aws.unanswered_margin),
            clock_margin: delta(config.aws.clock_margin),
            propagation: delta(config.aws.propagation_margin),
            groups_max_age: delta(config.oidc.groups_max_age),
            clock_skew: delta(config.oidc.clock_skew),
            session_idle: delta(config.sessions.idle),
            session_lifetime: delta(config.sessions.lifetime),
            groups_told: config.oidc.tells_groups(),
            pending_per_person: config.limits.pending_per_person.get(),
            pending_per_entitlement: config.limits.pending_per_entitlement.get(),
        };
        let roles = Roles {
            admin: config.roles.admin.clone(),
            auditor: config.roles.auditor.clone(),
        };
        Self(Arc::new(Inner {
            callers: db::pool::beside(&pool),
            desk: Desk::default(),
            limit,
            pool,
            clock,
            clouds,
            roles,
            settings,
            public_url: config.public_url(),
            limits: Limits::new(&config.limits),
            refusals: Refusals::default(),
            wake: Arc::default(),
        }))
    }

    /// The database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// The connections for who is calling.
    pub(super) fn callers(&self) -> &PgPool {
        &self.0.callers
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.0.pool.close().await;
        self.0.callers.close().await;
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The accounts of AWS, for the look before a request is stored.
    #[must_use]
    pub fn clouds(&self) -> &Clouds {
        &self.0.clouds
    }

    /// Who has standing rights.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.0.roles
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    /// What browsers call us, without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// How much anybody may do.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What has been refused lately.
    #[must_use]
    pub(super) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Told after every commit that made a target due.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.0.wake)
    }

    /// Runs `verb` in one transaction and commits what it did.
    ///
    /// # Errors
    /// What the verb fails with; nothing of it is kept then.
    pub async fn transaction<T>(
        &self,
        actor: Actor,
        channel: Channel,
        verb: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = lent::in_time("a verb", self.0.limit, async {
            let (pool, clock) = (&self.0.pool, &self.0.clock);
            let mut tx = Tx::begin(pool, clock, self.wake(), actor, channel).await?;
            let result = verb(&mut tx).await;
            if result.is_ok() {
                tx.commit().await?;
            } else {
                // What went wrong before is told, whatever comes of this.
                let _ = tx.rollback().await;
            }
            result
        });
        done.await
    }

    /// Puts on record that a caller was refused, and hands the refusal back. After the first few of
    /// a kind they are counted.
    pub async fn refused(
        &self,
        actor: Actor,
        channel: Channel,
        verb: Verb,
        subject: impl ToString,
        error: Error,
    ) -> Error {
        let code = error.told_code();
        let subject = subject.to_string();
        if !self.0.refusals.is_told(&actor, channel, verb, code) {
            return error;
        }
        let told = self.transaction(actor, channel, async |tx: &mut Tx| {
            let event = tx.by.refused(subject, verb, code, None);
            Ok(db::audit::append(tx.conn(), &event).await?)
        });
        match told.await {
            Ok(()) => error,
            // A refusal that is not on record is told as the failure that it is.
            Err(failure) => failure,
        }
    }

    /// Reads something for which no time matters, or with one statement that asks for it.
    ///
    /// # Errors
    /// What the read fails with.
    pub async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.read_on(&self.0.pool, read).await
    }

    /// Reads something at one moment of the clock.
    ///
    /// # Errors
    /// What the read fails with.
    pub async fn read_at<T>(
        &self,
        read: impl AsyncFnOnce(&mut PgConnection, DateTime<Utc>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.read(async |conn| {
            let now = self.0.clock.now(conn).await?;
            read(conn, now).await
        })
        .await
    }

    /// Reads a list that has optional filters.
    ///
    /// # Errors
    /// What the read fails with.
    pub async fn read_list<T>(
        &self,
        read: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = lent::in_time("a list", self.0.limit, async {
            let mut conn = Lent::begin_list(&self.0.pool).await?;
            let result = read(&mut conn).await;
            if result.is_ok() {
                conn.commit().await?;
            } else {
                // What went wrong before is told, whatever comes of this.
                let _ = conn.rollback().await;
            }
            result
        });
        done.await
    }

    /// Reads something about who is calling, on connections that nothing else uses.
    ///
    /// # Errors
    /// What the read fails with.
    pub async fn read_caller<T>(
        &self,
        read: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.read_on(&self.0.callers, read).await
    }

    async fn read_on<T>(
        &self,
        pool: &PgPool,
        read: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = lent::in_time("a read", self.0.limit, async {
            let mut conn = Lent::take(pool).await?;
            let result = read(&mut conn).await;
            // An error is an answer too: only a read that was cut off leaves something under way.
            conn.give_back();
            result
        });
        done.await
    }
}

/// A signed-in caller.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// The application.
    pub app: App,
    /// Who calls.
    pub person: Person,
    /// Through what.
    pub channel: Channel,
    /// By what.
    pub credential: Credential,
}

impl Ctx {
    /// Whether the caller sees everything.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.app.roles().sees_all(&self.person)
    }

    /// Who calls, as calls are counted.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match &self.credential.machine {
            Some(machine) => Caller::Machine(machine.id),
            // Two accounts of one human have one measure.
            None => Caller::Person(self.person.human()),
        }
    }

    fn actor(&self) -> Actor {
        match &self.credential.machine {
            Some(machine) => Actor::Workload {
                id: machine.id,
                name: machine.name.clone(),
                on_behalf_of: Some(self.person.id),
            },
            None => Actor::Person {
                id: self.person.id,
                name: self.person.name.clone(),
            },
        }
    }

    /// Runs something of the caller's that is no verb by itself in one transaction, and puts no
    /// refusal on record.
    ///
    /// # Errors
    /// What the work fails with; nothing of it is kept then.
    pub(super) async fn quietly<T>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // On the heap: verbs are large, and run within one another's checks.
        Box::pin(self.app.transaction(self.actor(), self.channel, work)).await
    }

    /// Runs the work of the caller's verb in one transaction, unless they were disabled meanwhile;
    /// who disables them waits for it. A refusal is put on record in a transaction of its own, as
    /// one of `verb` on `subject`.
    ///
    /// # Errors
    /// What the verb fails with; nothing of it is kept then.
    pub async fn verb<T>(
        &self,
        verb: Verb,
        subject: impl ToString,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let work = async |tx: &mut Tx| {
            // Before any other lock, as whoever disables people does.
            if !db::leavers::acts(tx.conn(), self.person.id).await? {
                return Err(self.credential.left());
            }
            work(tx).await
        };
        self.outcome(verb, subject, work).await
    }

    /// The same of a verb that changes another account, or what it has: both are held.
    pub(super) async fn verb_on<T>(
        &self,
        verb: Verb,
        (subject, other): (impl ToString, PersonId),
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let work = async |tx: &mut Tx| {
            if !db::leavers::acts_on(tx.conn(), self.person.id, other).await? {
                return Err(self.credential.left());
            }
            work(tx).await
        };
        self.outcome(verb, subject, work).await
    }

    /// The same for what came of a verb whose intent is on record, whoever the caller is by now.
    ///
    /// # Errors
    /// As [`Self::verb`].
    pub async fn outcome<T>(
        &self,
        verb: Verb,
        subject: impl ToString,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.quietly(work).await {
            Err(error) if error.is_refusal() => Err(self.refused(verb, subject, error).await),
            other => other,
        }
    }

    /// Puts a refusal on record and hands it back. After the first few of a kind they are counted.
    pub async fn refused(
        &self,
        verb: Verb,
        subject: impl ToString,
        error: impl Into<Error>,
    ) -> Error {
        let (actor, error) = (self.actor(), error.into());
        self.app
            .refused(actor, self.channel, verb, subject, error)
            .await
    }
}
