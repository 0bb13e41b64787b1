//! One transaction of the worker under its lease: the rows of a target, locked, and everything that
//! changes in them. Nothing is written before [`Ledger::commit`], which stores each kind of row in
//! one statement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Worker;
use super::claim::{Intent, intent};
use crate::db::lent::Lent;
use crate::db::targets::{self, Lease, LeaseError, Release};
use crate::db::tx::Tx;
use crate::db::{audit, foreign, requests, restored, revocations, work};
use crate::domain::Change;
use crate::domain::audit::{By, Event};
use crate::domain::cause::Cause;
use crate::domain::change::WrongState;
use crate::domain::grant::{Effect, Grant, Marks};
use crate::domain::part::Part;
use crate::domain::revocation::Revocation;
use crate::domain::target::{DocumentKey, Target};
use crate::ids::{GrantId, TargetId};

/// The locked rows of a target.
pub(super) struct Ledger {
    /// The worker's, at its one reading of the clock.
    pub tx: Tx,
    pub lease: Lease,
    /// When the lease ends once this is stored.
    until: DateTime<Utc>,
    pub target: Target,
    /// By id.
    pub grants: Vec<Grant>,
    pub parts: BTreeMap<GrantId, Part>,
    /// The parts that they have on other targets.
    pub elsewhere: Vec<Part>,
    /// The grants that the guard of their role is known to list, of those that an inline policy is
    /// to let in there.
    pub listed: BTreeSet<GrantId>,
    /// The grants that a revocation holds.
    held: BTreeMap<GrantId, Revocation>,
    /// Grants of which something was seen or decided that their other targets wait for.
    pub concern_others: BTreeSet<GrantId>,
    /// Whether AWS was seen to be of another time than the database, which is news.
    pub rewound: bool,
    /// Until when inline policies let in, as far as that is news.
    pub lasting: Vec<(GrantId, DateTime<Utc>)>,
    changed: BTreeSet<GrantId>,
    /// Those that were open and are not any more.
    shut: Vec<GrantId>,
    /// Those that have their console name from now on.
    named: BTreeMap<GrantId, DateTime<Utc>>,
    events: Vec<Event>,
    /// The document that is about to be overwritten, and that we did not send.
    foreign: Option<(DocumentKey, String)>,
    /// The unique id of the role or user, where this look showed it.
    pub unique_id: Option<String>,
    /// How the work on the target went before.
    pub before: Release,
    /// How the target is given back, if it is.
    release: Option<Release>,
}

/// What was stored.
pub(super) struct Committed {
    /// The grants as they are now.
    pub grants: Vec<Grant>,
    /// How long it is until the target is due; until then it is held, or nobody has it.
    pub due: Option<TimeDelta>,
    /// Other targets that have something to do now.
    others: BTreeSet<TargetId>,
    /// The target, where every other one of which something stands has to be looked at.
    rewound: Option<TargetId>,
}

impl Worker {
    /// Stores a ledger, and then makes due what waits for it elsewhere: in a transaction of its
    /// own, since two passes that each held their own target would wait for each other. Whoever
    /// dies in between leaves it to the next look there, which is a minute away at most.
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    pub(super) async fn store(&self, ledger: Ledger) -> Result<Committed, LeaseError> {
        let by = ledger.tx.by.clone();
        let committed = ledger.commit().await?;
        let has_others = !committed.others.is_empty() || committed.rewound.is_some();
        if has_others && let Err(error) = self.make_due(by, &committed).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot make other targets due; they are looked at within a minute"
            );
        }
        Ok(committed)
    }

    async fn make_due(&self, by: By, committed: &Committed) -> sqlx::Result<()> {
        let at = by.at;
        let mut tx = Tx::of(Lent::begin(&self.pool).await?, by, Arc::clone(&self.wake));
        if let Some(seen_on) = committed.rewound {
            // The database may have forgotten more than this.
            tx.make_others_due(seen_on, at).await?;
        }
        for target in &committed.others {
            tx.make_due(*target, at).await?;
        }
        tx.commit().await
    }

    /// Locks the target's grants, then the target.
    pub(super) async fn open(&self, lease: &Lease) -> Result<Ledger, LeaseError> {
        let mut conn = Lent::begin(&self.pool).await?;
        // As verbs do: the other order would deadlock with an end. The time is asked under the
        // locks, since waiting for them may have taken some.
        let locked = work::lock(&mut conn, lease.target).await?;
        let held = targets::hold(&mut conn, lease, self.clock.given()).await?;
        let (mut grants, mut parts) = (Vec::with_capacity(locked.len()), BTreeMap::new());
        for (grant, part) in locked {
            parts.insert(grant.id, part);
            grants.push(grant);
        }
        let ids: Vec<Uuid> = grants.iter().map(|grant| grant.id.uuid()).collect();
        let elsewhere = if grants.iter().any(|grant| grant.parts().len() > 1) {
            work::elsewhere(&mut conn, lease.target, &ids).await?
        } else {
            Vec::new()
        };
        // After the locks: what holds by now ends whatever was about to open.
        let held_grants = if held.is_any_held {
            revocations::of_grants(&mut conn, &ids).await?
        } else {
            BTreeMap::new()
        };
        let listed = self.listed(&mut conn, &grants, &parts, held.now).await?;
        Ok(Ledger {
            tx: Tx::of(conn, By::system("worker", held.now), Arc::clone(&self.wake)),
            lease: *lease,
            until: held.now + self.lease(),
            target: held.target,
            grants,
            parts,
            elsewhere,
            listed,
            held: held_grants,
            concern_others: BTreeSet::new(),
            rewound: false,
            lasting: Vec::new(),
            changed: BTreeSet::new(),
            shut: Vec::new(),
            named: BTreeMap::new(),
            events: Vec::new(),
            foreign: None,
            unique_id: None,
            before: Release {
                due: None,
                attempts: held.attempts,
                last_error: held.last_error,
                last_error_at: held.last_error_at,
            },
            release: None,
        })
    }
}

impl Ledger {
    /// The time of the transaction.
    pub const fn now(&self) -> DateTime<Utc> {
        self.tx.now()
    }

    /// Puts an event on record.
    pub fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Keeps a document that is about to be overwritten.
    pub fn keep(&mut self, key: DocumentKey, text: String) {
        self.foreign = Some((key, text));
    }

    /// Turns what is due into intents, each with its event: what a revocation holds ends, scheduled
    /// grants open or fail, open ones whose time is over close.
    pub async fn take_up(&mut self, propagation: TimeDelta) -> sqlx::Result<()> {
        let now = self.now();
        for (id, revocation) in std::mem::take(&mut self.held) {
            self.change(id, |grant, by| grant.revoke(&revocation, by));
        }
        let due = self.grants.iter().filter_map(|grant| {
            let intent = intent(grant, now, propagation)?;
            Some((grant.id, intent))
        });
        let due: Vec<(GrantId, Intent)> = due.collect();
        let opening = due.iter().filter(|(_, intent)| *intent == Intent::Open);
        let opening: Vec<GrantId> = opening.map(|(id, _)| *id).collect();
        // People may have left their groups since they asked or approved.
        let eligible = if opening.is_empty() {
            BTreeSet::new()
        } else {
            work::eligible(self.tx.conn(), &opening).await?
        };
        for (id, intent) in due {
            match intent {
                Intent::Close(cause) => self.change(id, |grant, by| grant.close(cause, by)),
                Intent::Open if eligible.contains(&id) => self.change(id, Grant::open),
                Intent::Open => self.change(id, |grant, by| grant.close(Cause::NotEligible, by)),
            };
        }
        Ok(())
    }

    /// Makes a transition, if the grant's state allows it; tells whether it did.
    pub fn change(
        &mut self,
        id: GrantId,
        transition: impl FnOnce(Grant, &By) -> Result<Change<Grant>, WrongState>,
    ) -> bool {
        let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == id) else {
            return false;
        };
        // A plan may close a grant for two reasons: the first one counts.
        let Ok(change) = transition(grant.clone(), &self.tx.by) else {
            return false;
        };
        if grant.state.may_be_open() && !change.value.state.may_be_open() {
            self.shut.push(id);
        }
        *grant = change.value;
        self.concern_others.insert(id);
        // What is over without having been opened has nothing left to close.
        if grant.state.is_over()
            && let Some(part) = self.parts.get_mut(&id)
        {
            part.closed(self.tx.by.at);
        }
        tracing::info!(
            grant.id = %id,
            target.id = %self.lease.target,
            state = grant.state.as_str(),
            "grant changed"
        );
        self.events.push(change.event);
        self.changed.insert(id);
        true
    }

    /// A part was read back; what follows for its grant.
    pub fn read_back(&mut self, id: GrantId, what: impl FnOnce(&mut Part, DateTime<Utc>)) {
        let (Some(part), Some(grant)) = (
            self.parts.get_mut(&id),
            self.grants.iter().find(|grant| grant.id == id),
        ) else {
            return;
        };
        let before = part.state;
        what(part, self.tx.by.at);
        if part.state == before {
            return;
        }
        let mut parts = vec![part.clone()];
        let elsewhere = self.elsewhere.iter().filter(|part| part.grant == id);
        parts.extend(elsewhere.cloned());
        self.changed.insert(id);
        self.concern_others.insert(id);
        if let Some(change) = grant.clone().settle(Effect::Written(&parts), &self.tx.by) {
            self.change(id, |_, _| Ok(change));
        }
    }

    /// Changes what is known of a grant besides its state.
    pub fn amend(&mut self, id: GrantId, what: impl FnOnce(&mut Grant)) {
        if let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == id) {
            let had_name = grant.marks.console_since.is_some();
            what(grant);
            let new_name = grant.marks.console_since.filter(|_| !had_name);
            self.named.extend(new_name.map(|since| (id, since)));
            if new_name.is_some() {
                self.concern_others.insert(id);
            }
            self.changed.insert(id);
        }
    }

    /// Changes the marks of a grant.
    pub fn mark(&mut self, id: GrantId, what: impl FnOnce(&mut Marks)) {
        self.amend(id, |grant| what(&mut grant.marks));
    }

    /// The target is given back with the commit: everything is as it should be until `due`.
    pub fn rest(&mut self, due: Option<DateTime<Utc>>) {
        self.release = Some(Release {
            due,
            attempts: 0,
            last_error: None,
            last_error_at: None,
        });
    }

    /// The target is given back unfinished: what failed before still counts.
    pub fn hand_back(&mut self, due: Option<DateTime<Utc>>) {
        self.release = Some(Release {
            due,
            ..self.before.clone()
        });
    }

    /// The target is given back after one failure more.
    pub fn give_back(&mut self, release: Release) {
        self.release = Some(release);
    }

    /// Stores everything.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else has the target now; nothing is stored then.
    async fn commit(mut self) -> Result<Committed, LeaseError> {
        let target = self.lease.target;
        let now = self.tx.now();
        if let Some((key, text)) = &self.foreign {
            foreign::keep(self.tx.conn(), target, *key, text, now).await?;
        }
        let mut changed = Vec::new();
        let is_changed = |grant: &&Grant| self.changed.contains(&grant.id);
        for grant in self.grants.iter().filter(is_changed) {
            if let Some(part) = self.parts.remove(&grant.id) {
                changed.push((grant.clone(), part));
            }
        }
        if !changed.is_empty() {
            work::store(self.tx.conn(), target, &changed, &self.named).await?;
        }
        let over = self.elsewhere.iter().map(|part| part.grant);
        let over: Vec<Uuid> = over
            .filter(|id| self.never_opened(*id))
            .map(GrantId::uuid)
            .collect();
        if !over.is_empty() {
            work::over_elsewhere(self.tx.conn(), target, &over, now).await?;
        }
        if !self.shut.is_empty() {
            let by = self.tx.by.clone();
            requests::lapse_with(self.tx.conn(), &self.shut, &by).await?;
        }
        if !self.lasting.is_empty() {
            work::lasts(self.tx.conn(), &self.lasting).await?;
        }
        if !self.events.is_empty() {
            audit::append_all(self.tx.conn(), &self.events).await?;
        }
        // With its token lost nothing is committed, and all that was stored above goes as well.
        let due = targets::store(
            self.tx.conn(),
            &self.lease,
            self.unique_id.as_deref(),
            &self.target,
            self.until,
            self.release.as_ref(),
        )
        .await?;
        if self.rewound {
            // With what was seen, and not beside it: keys that leave no trace may be of a grant
            // that ended in the time that is lost.
            restored::rewound(self.tx.conn(), target, now).await?;
        }
        let others = self.others_due();
        self.tx.commit().await?;
        Ok(Committed {
            grants: self.grants,
            due: due.map(|due| due - now),
            others,
            rewound: self.rewound.then_some(target),
        })
    }
}
