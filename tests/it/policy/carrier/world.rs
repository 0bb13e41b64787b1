//! A user's inline policies as a tiny model: reads lag by up to P, writes without an answer land
//! until L, hands delete, alter and save old texts, a worker dies between a write and its answer,
//! and the database goes back in time. What the documents let in is judged at every moment.

use countersign::policy::{Clause, trust};

use super::*;
use crate::policy::plane::{Dice, Plane};
use crate::policy::world::{MARGINS, Violation};

/// What people approved and ended, whatever became of the rows.
pub struct Approved {
    pub id: GrantId,
    pub allows: Allows,
    pub deadline: DateTime<Utc>,
    pub revoked: Option<DateTime<Utc>>,
    /// Until when what was not ours to help may let somebody in: a hand, a late write, a worker
    /// that is not there; with the time that a look takes to come, as docs/carrier.md declares it.
    pub excused: DateTime<Utc>,
    /// Its policy was once seen open, so that an entitlement's may not be put again.
    pub was_open: bool,
    /// When its end was written so that it leaves a trace, and nobody took that away since.
    pub ended_at: Option<DateTime<Utc>>,
    /// It ended, P has passed, and the database has forgotten it: it must not be opened again.
    pub is_lost: bool,
}

/// The rows as a backup has them.
pub struct Backup {
    grants: Vec<Grant>,
    target: Target,
}

pub struct World {
    pub now: DateTime<Utc>,
    pub docs: BTreeMap<GrantId, Plane>,
    pub grants: Vec<Grant>,
    pub target: Target,
    pub allows: BTreeMap<GrantId, Allows>,
    /// Whether the role's guard lists every live grant, so that a switch may be put.
    pub guarded: bool,
    pub foreign: usize,
    pub due: Option<DateTime<Utc>>,
    pub down_until: DateTime<Utc>,
    pub approved: Vec<Approved>,
    pub backups: Vec<Backup>,
    pub dice: Dice,
    pub unanswered_percent: i64,
    /// How often the worker dies between two of its steps.
    pub death_percent: i64,
    pub without: Option<Clause>,
    pub log: Vec<String>,
}

impl World {
    pub fn new(seed: u64, without: Option<Clause>) -> Self {
        let mut dice = Dice(seed);
        Self {
            now: at(0),
            docs: BTreeMap::new(),
            grants: Vec::new(),
            target: Target {
                arn: USER_ARN.to_owned(),
                carries: true,
                ..target()
            },
            allows: BTreeMap::new(),
            guarded: true,
            foreign: 0,
            due: None,
            down_until: at(0),
            approved: Vec::new(),
            backups: Vec::new(),
            unanswered_percent: *dice.one_of(&[0, 10, 40]),
            death_percent: 2,
            dice,
            without,
            log: Vec::new(),
        }
    }

    pub fn say(&mut self, text: String) {
        self.log
            .push(format!("{} {text}", (self.now - at(0)).num_milliseconds()));
    }

    /// A random history, and then a time in which nothing interferes: all that was begun is over by
    /// its end, and a new grant opens in it.
    pub fn live(&mut self, events: usize) -> Result<(), Violation> {
        for _ in 0..events {
            match self.dice.between(0, 99) {
                0..18 => self.approve(3),
                18..30 => self.end_one_early(),
                30..34 => self.die(900),
                34..48 => self.hand(),
                48..52 => self.go_back_in_time(),
                52..56 => self.back_up(),
                56..66 => self.guarded = !self.guarded,
                66..72 => self.console_name(),
                72..76 => self.foreign = usize::try_from(self.dice.between(0, 1800)).unwrap(),
                _ => {}
            }
            let (low, high) = *self
                .dice
                .one_of(&[(1, 30), (1, 30), (30, 300), (300, 2400)]);
            let lasts = self.dice.between(low, high);
            self.pass(lasts)?;
        }
        self.calm_down()
    }

    fn calm_down(&mut self) -> Result<(), Violation> {
        self.unanswered_percent = 0;
        self.death_percent = 0;
        self.guarded = true;
        self.foreign = 0;
        self.pass(4 * 3600)?;
        let before = self.approved.len();
        self.approve(9);
        self.pass(300)?;
        let new = self.approved[before].id;
        let row = self.grants.iter().find(|grant| grant.id == new);
        if !row.is_some_and(|grant| matches!(grant.state, GrantState::Active { .. })) {
            return Err(format!("liveness: {new} does not open"));
        }
        self.pass(3 * 3600)?;
        for grant in &self.grants {
            if grant.marks.guard_gone_at.is_none() {
                return Err(format!("liveness: {grant:?} is not forgotten"));
            }
        }
        for (id, doc) in &self.docs {
            if doc.current().text.is_some() && self.grants.iter().any(|grant| grant.id == *id) {
                return Err(format!("liveness: {id} is left behind"));
            }
        }
        match self.due {
            Some(due) => Err(format!("liveness: due at {due} for nothing")),
            None => Ok(()),
        }
    }

    fn approve(&mut self, most: usize) {
        if self.grants.iter().filter(|grant| is_open(grant)).count() >= most {
            return;
        }
        let nth = self.approved.len() as u128 + 1;
        let starts = (self.now - at(0)).num_seconds();
        let lasts = *self.dice.one_of(&[400, 1200, 5400]);
        let mut new = grant(nth, ALICE, starts, starts + lasts);
        let allows = if self.dice.chance(50) {
            switch()
        } else {
            attach()
        };
        if self.dice.chance(30) {
            new.marks.console_since = Some(self.now);
        }
        self.say(format!("approved {nth}, {allows:?}, {lasts} s"));
        self.approved.push(Approved {
            id: new.id,
            allows: allows.clone(),
            deadline: new.deadline,
            revoked: None,
            excused: at(0),
            was_open: false,
            ended_at: None,
            is_lost: false,
        });
        self.allows.insert(new.id, allows);
        self.docs.insert(new.id, Plane::new(at(-100_000), None));
        self.grants.push(new);
        self.due = Some(self.now);
    }

    fn end_one_early(&mut self) {
        let open: Vec<usize> = (0..self.grants.len())
            .filter(|nth| is_open(&self.grants[*nth]))
            .collect();
        if open.is_empty() {
            return;
        }
        let nth = *self.dice.one_of(&open);
        let (now, id) = (self.now, self.grants[nth].id);
        close(&mut self.grants[nth], now, Cause::Revoked);
        self.say(format!("revoked {id}"));
        let approved = self.approval(id);
        approved.revoked = approved.revoked.or(Some(now));
        self.due = Some(now);
    }

    pub fn die(&mut self, longest: i64) {
        let down = self.dice.between(1, longest);
        self.down_until = self.now + TimeDelta::seconds(down);
        self.say(format!("the worker is gone for {down} s"));
        // It comes back to a look, which may lag.
        let back = self.down_until + TimeDelta::seconds(60);
        self.excuse_all(back);
        self.due = Some(self.now);
    }

    /// Somebody deletes a policy of ours, saves an old text of it, or changes it.
    fn hand(&mut self) {
        let ids: Vec<GrantId> = self.docs.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = *self.dice.one_of(&ids);
        let known = self.grants.iter().any(|grant| grant.id == id);
        let remembered = self
            .grants
            .iter()
            .any(|g| g.id == id && g.marks.guard_gone_at.is_none());
        // Nobody looks for what is forgotten; nor for what a restore has forgotten, but beside
        // others.
        if !remembered || !known {
            return;
        }
        let doc = &self.docs[&id];
        let text = match self.dice.between(0, 3) {
            0 => None,
            1 => doc
                .current()
                .text
                .as_ref()
                .map(|text| text.replace("StringEquals", "StringNotEquals")),
            2 => {
                let until = self.now + TimeDelta::hours(1);
                let text = doc.current().text.as_deref();
                text.map(|text| dated(text, until))
            }
            _ if doc.past.is_empty() => None,
            _ => Some(self.dice.one_of(&doc.past).clone()),
        };
        let now = self.now;
        self.say(format!("a hand on {id}: {text:?}"));
        self.docs.entry(id).and_modify(|doc| doc.by_hand(now, text));
        self.approval(id).without_trace();
        self.excuse(id, now + MARGINS.propagation + MARGINS.watch);
    }

    fn console_name(&mut self) {
        let now = self.now;
        let unnamed = self
            .grants
            .iter_mut()
            .find(|grant| is_open(grant) && grant.marks.console_since.is_none());
        if let Some(grant) = unnamed {
            grant.marks.console_since = Some(now);
            self.due = Some(now);
        }
    }

    fn back_up(&mut self) {
        self.backups.push(Backup {
            grants: self.grants.clone(),
            target: self.target.clone(),
        });
    }

    /// The database is that of a backup. What people ended since is known by the traces in AWS
    /// alone, and its writes on their way are nobody's any more.
    fn go_back_in_time(&mut self) {
        let Some(backup) = self.backups.pop() else {
            return;
        };
        self.say("the database goes back in time".to_owned());
        self.backups.clear();
        self.grants = backup.grants;
        self.target = backup.target;
        let now = self.now;
        for approved in &mut self.approved {
            let ended = approved.ended_at;
            let is_trace = ended.is_some_and(|at| at + MARGINS.propagation <= now);
            let lands = !self.docs[&approved.id].late.is_empty();
            let row = self.grants.iter().find(|grant| grant.id == approved.id);
            let is_open_again = row.is_some_and(is_open);
            // T9: of whom no row is left nobody looks, until the account is read as a whole.
            if row.is_none() {
                approved.excused = approved.excused.max(approved.deadline);
            }
            approved.is_lost = is_trace && is_open_again && !lands;
            approved.was_open &=
                row.is_some_and(|row| matches!(row.state, GrantState::Active { .. }));
            if is_open_again && !approved.is_lost {
                approved.revoked = None;
            }
        }
        self.docs.values_mut().for_each(Plane::forget_late);
        self.excuse_all(now + MARGINS.propagation + MARGINS.watch);
        self.due = Some(now);
    }

    pub fn approval(&mut self, id: GrantId) -> &mut Approved {
        // unwrap: nothing is granted that was not approved
        self.approved
            .iter_mut()
            .find(|approved| approved.id == id)
            .unwrap()
    }

    /// Until a look that comes by then, and P after what it writes.
    fn excuse(&mut self, id: GrantId, look: DateTime<Utc>) {
        let later = look.max(self.down_until) + MARGINS.propagation + TimeDelta::seconds(2);
        let approved = self.approval(id);
        approved.excused = approved.excused.max(later);
    }

    pub fn excuse_all(&mut self, look: DateTime<Utc>) {
        let ids: Vec<GrantId> = self.approved.iter().map(|approved| approved.id).collect();
        for id in ids {
            self.excuse(id, look);
        }
    }

    /// On for a while, stopping wherever something may happen.
    fn pass(&mut self, seconds: i64) -> Result<(), Violation> {
        let until = self.now + TimeDelta::seconds(seconds);
        while self.now < until {
            let landings = self.docs.values().filter_map(Plane::next_landing);
            let deadlines = self.grants.iter().map(|grant| grant.deadline);
            let soon = self.now + TimeDelta::seconds(1);
            let due = self.due.map(|due| due.max(self.down_until).max(soon));
            let moments = landings.chain(deadlines).chain(due);
            let next = moments.filter(|at| *at > self.now && *at < until).min();
            self.advance(next.unwrap_or(until))?;
            if self.now >= self.down_until && self.due.is_some_and(|due| due <= self.now) {
                self.work()?;
            }
        }
        Ok(())
    }

    pub fn advance(&mut self, to: DateTime<Utc>) -> Result<(), Violation> {
        self.now = to;
        let mut landed = Vec::new();
        for (id, doc) in &mut self.docs {
            if doc.pass(to, MARGINS.propagation) {
                landed.push(*id);
            }
        }
        for id in landed {
            self.say(format!("a write of {id} lands"));
            // T1: a look each minute while a write may land; T2, where nobody knows of it. A look
            // that comes within P may lag, and the next one tells.
            let lost = self.docs[&id].current().by_hand;
            let again = if lost {
                MARGINS.watch
            } else {
                TimeDelta::seconds(60)
            };
            self.excuse(id, to + MARGINS.propagation + again);
            self.approval(id).without_trace();
        }
        self.judge()
    }

    /// Nobody is let in who should not be.
    fn judge(&self) -> Result<(), Violation> {
        for approved in &self.approved {
            let over = approved.revoked.map_or(approved.deadline, |at| {
                // The worker comes at once, and then P.
                approved
                    .deadline
                    .min(at + MARGINS.propagation + TimeDelta::seconds(2))
            });
            let own = approved.id.to_string();
            let is_excused = self.now < approved.excused;
            for version in &self.docs[&approved.id].versions {
                let lets = |session: &str| {
                    let policy = version.policy.as_ref();
                    policy.is_some_and(|it| lets_in(it, &approved.allows, session, self.now))
                };
                if self.now >= over && lets(&own) && !is_excused {
                    return Err(format!(
                        "exposure: {} is let in: {:?}",
                        approved.id, version.text
                    ));
                }
                if self.now >= approved.deadline && lets(&own) && !version.by_hand {
                    return Err(format!(
                        "deadline: {} is let in: {:?}",
                        approved.id, version.text
                    ));
                }
                let is_pinned = matches!(approved.allows, Allows::Role { .. });
                if is_pinned && lets("zzz") && !is_excused {
                    return Err(format!("pins: {} is let in as anybody", approved.id));
                }
            }
        }
        Ok(())
    }
}

impl Approved {
    /// Somebody, or a late write, took away what tells of its end.
    fn without_trace(&mut self) {
        self.ended_at = None;
        self.is_lost = false;
    }
}

/// The text with another date.
fn dated(text: &str, until: DateTime<Utc>) -> String {
    let literal = trust::literal(until);
    match text.split_once("\"aws:CurrentTime\":\"") {
        Some((before, after)) => {
            let after = &after[literal.len()..];
            format!("{before}\"aws:CurrentTime\":\"{literal}{after}")
        }
        None => text.to_owned(),
    }
}
