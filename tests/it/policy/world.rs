//! A world for `plan`: an IAM whose data plane lags and whose unanswered writes may land late, a
//! worker that may die at any arrow, hands and faults of every kind that docs/guard.md §5 knows,
//! and an adversary who tries every principal with every session name at every moment and keeps
//! every session that he gets.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use countersign::domain::cause::Cause;
use countersign::domain::grant::Grant;
use countersign::domain::target::Target;
use countersign::ids::GrantId;
use countersign::policy::{Clause, Margins};

use super::evaluate::{Policy, session_request};
use super::faults::{Faults, Lie, Snapshot};
use super::plane::{Dice, Plane, Version};
use super::{FOREIGN, PEOPLE, ROLE_ID, at, close, grant, is_open, judge, liveness, target};

/// A lag of 60 s keeps histories short; L is longer than P as in production.
pub const MARGINS: Margins = Margins {
    propagation: TimeDelta::seconds(60),
    unanswered: TimeDelta::seconds(400),
    clock: TimeDelta::seconds(5),
    watch: TimeDelta::minutes(5),
};

pub struct Session {
    /// Unique id of the user who got it.
    pub principal: String,
    pub role_id: String,
    pub name: String,
    pub issued: DateTime<Utc>,
    /// `aws:TokenIssueTime`: whole seconds, by the clock of the host that issued it.
    pub token: DateTime<Utc>,
    /// The trust policy that let him in, and since when it stood there, where only a date that
    /// somebody moved made it do so.
    pub beyond: Option<(String, DateTime<Utc>)>,
}

/// A grant as people approved it and the portal told of it, whatever became of its row.
pub struct Approved {
    pub id: GrantId,
    pub arn: String,
    pub principal: String,
    pub role_id: String,
    pub grant_name: String,
    pub console_name: Option<String>,
    pub starts: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    /// When somebody asked for its end.
    pub revoked: Option<DateTime<Utc>>,
    /// When its end was announced.
    pub announced: Option<DateTime<Utc>>,
    /// The database went back to before it was as open as it was in AWS.
    pub forgotten: bool,
}

impl Approved {
    pub fn has(&self, name: &str) -> bool {
        self.grant_name == name || self.console_name.as_deref() == Some(name)
    }
}

pub struct World {
    pub now: DateTime<Utc>,
    /// How far AWS's clock is ahead of the database's, and by how much it ever was behind.
    pub ahead: TimeDelta,
    pub behind: TimeDelta,
    pub role_id: String,
    /// The role was deleted, and nobody has created it again.
    pub role_gone: bool,
    /// Unique ids of the people's users, while there is one.
    pub users: Vec<Option<String>>,
    pub trust: Plane,
    pub guard: Plane,
    /// The product's rows.
    pub grants: Vec<Grant>,
    pub target: Target,
    pub due: Option<DateTime<Utc>>,
    pub approved: Vec<Approved>,
    pub sessions: Vec<Session>,
    /// The latest guard that has ever been in force.
    pub latest_revision: i64,
    /// When something that nobody can help was last going on, by what it is.
    pub troubles: BTreeMap<&'static str, DateTime<Utc>>,
    /// Whoever they let in by statements of their own is another installation's affair.
    pub names_of_others: BTreeSet<String>,
    pub dice: Dice,
    pub faults: Faults,
    pub lie: Option<Lie>,
    pub snapshots: Vec<Snapshot>,
    pub people: &'static [usize],
    pub without: Option<Clause>,
    pub down_until: DateTime<Utc>,
    /// The trust policies that looks have shown, and when they last did.
    pub seen: BTreeMap<String, DateTime<Utc>>,
    pub unanswered_percent: i64,
    /// Whether AWS refuses the guard now and then even where it opens nothing.
    pub refuses: bool,
    /// Whether grants must work and closings must end, and the worker comes when it is called.
    pub lively: bool,
    /// What happened, for people who look into a violation.
    pub log: Vec<String>,
}

/// What went wrong, naming the invariant.
pub type Violation = String;

impl World {
    /// `people` may ask, by their places in [`PEOPLE`].
    pub fn new(seed: u64, people: &'static [usize], without: Option<Clause>) -> Self {
        let mut dice = Dice(seed);
        let unanswered_percent = *dice.one_of(&[0, 10, 30]);
        Self {
            now: at(0),
            ahead: TimeDelta::zero(),
            behind: TimeDelta::zero(),
            role_id: ROLE_ID.to_owned(),
            role_gone: false,
            users: PEOPLE
                .iter()
                .map(|(_, id, _)| Some((*id).to_owned()))
                .collect(),
            trust: Plane::new(at(-100_000), Some(FOREIGN.to_owned())),
            guard: Plane::new(at(-100_000), None),
            grants: Vec::new(),
            target: target(),
            due: None,
            approved: Vec::new(),
            sessions: Vec::new(),
            latest_revision: 0,
            troubles: BTreeMap::new(),
            names_of_others: BTreeSet::new(),
            dice,
            faults: Faults::NONE,
            lie: None,
            snapshots: Vec::new(),
            people,
            without,
            down_until: at(0),
            seen: BTreeMap::new(),
            unanswered_percent,
            refuses: false,
            lively: false,
            log: Vec::new(),
        }
    }

    /// Lives through a random history of `events` without hands and faults other than answers that
    /// fail and a worker that dies.
    pub fn live(&mut self, events: usize) -> Result<(), Violation> {
        for _ in 0..events {
            match self.dice.between(0, 99) {
                0..14 => self.approve(),
                14..24 => self.end_one_early(),
                24..27 => self.die(1200),
                _ => {}
            }
            self.pass_time()?;
        }
        Ok(())
    }

    /// Lives through steps each of which throws dice of its own: one that is left out changes
    /// nothing in the others, so that a history shrinks.
    pub fn live_through(&mut self, steps: &[u64]) -> Result<(), Violation> {
        self.lively = true;
        for step in steps {
            self.dice = Dice(*step);
            self.take_snapshot();
            match self.dice.between(0, 99) {
                0..14 => self.approve(),
                14..22 => self.end_one_early(),
                22..24 => self.die(1200),
                24..54 => self.fault(),
                _ => {}
            }
            self.pass_time()?;
        }
        Ok(())
    }

    pub fn say(&mut self, text: String) {
        let moment = (self.now - at(0)).num_milliseconds();
        let short = text
            .replace(ROLE_ID, "R")
            .replace("grant_01j0000000e0080000000000", "grant_");
        self.log
            .push(format!("{moment} {}", short.replace('\\', "")));
    }

    /// AWS's clock.
    pub fn aws_now(&self) -> DateTime<Utc> {
        self.now + self.ahead
    }

    /// Something is going on until then that the liveness of grants cannot be asked for.
    pub fn trouble(&mut self, what: &'static str, until: DateTime<Utc>) {
        let known = self.troubles.entry(what).or_insert(until);
        *known = until.max(*known);
    }

    fn approve(&mut self) {
        if self.grants.iter().filter(|g| is_open(g)).count() > 3 {
            return;
        }
        let person = *self.dice.one_of(self.people);
        let starts = (self.now - at(0)).num_seconds();
        let (low, high) = *self.dice.one_of(&[(5, 90), (90, 900), (900, 9000)]);
        let lasts = self.dice.between(low, high);
        let Some(principal) = self.users[person].clone().filter(|_| !self.role_gone) else {
            return;
        };
        let nth = self.approved.len() as u128 + 1;
        let mut new = grant(nth, person, starts, starts + lasts);
        new.principal_id = Some(principal.clone());
        new.role_id = Some(self.role_id.clone());
        self.say(format!("approved {} for {person}, {lasts} s", new.id));
        self.approved.push(Approved {
            id: new.id,
            arn: new.principal_arn.clone().unwrap(),
            principal,
            role_id: self.role_id.clone(),
            grant_name: new.grant_name.clone(),
            console_name: new.console_name.clone(),
            starts: new.starts_at,
            deadline: new.deadline,
            revoked: None,
            announced: None,
            forgotten: false,
        });
        self.grants.push(new);
        self.due = Some(self.now);
    }

    fn end_one_early(&mut self) {
        let open: Vec<usize> = (0..self.grants.len())
            .filter(|i| is_open(&self.grants[*i]))
            .collect();
        if !open.is_empty() {
            let index = *self.dice.one_of(&open);
            let id = self.grants[index].id;
            self.say(format!("revoked {id}"));
            let now = self.now;
            close(&mut self.grants[index], now, Cause::Revoked);
            self.approval(id).revoked = Some(now);
            self.due = Some(now);
        }
    }

    pub fn approval(&mut self, id: GrantId) -> &mut Approved {
        // unwrap: nothing is granted that was not approved
        self.approved.iter_mut().find(|a| a.id == id).unwrap()
    }

    pub fn row(&self, id: GrantId) -> Option<&Grant> {
        self.grants.iter().find(|g| g.id == id)
    }

    /// On for a while, stopping wherever something may happen.
    fn pass_time(&mut self) -> Result<(), Violation> {
        let (low, high) =
            *self
                .dice
                .one_of(&[(1, 20), (1, 20), (1, 20), (20, 200), (20, 200), (200, 9000)]);
        let until = self.now + TimeDelta::seconds(self.dice.between(low, high));
        while self.now < until {
            let second = TimeDelta::seconds(1);
            let deadlines = self
                .grants
                .iter()
                .flat_map(|g| [g.deadline, g.deadline + second]);
            let landings = [self.trust.next_landing(), self.guard.next_landing()];
            let soon = if self.lively {
                self.now + second
            } else {
                self.now
            };
            let due = self.due.map(|due| due.max(self.down_until).max(soon));
            let moments = deadlines.chain(landings.into_iter().flatten()).chain(due);
            let next = moments.filter(|t| *t > self.now && *t < until).min();
            self.advance(next.unwrap_or(until))?;
            if self.now >= self.down_until && self.due.is_some_and(|due| due <= self.now) {
                self.work()?;
            }
        }
        Ok(())
    }

    pub fn advance(&mut self, to: DateTime<Utc>) -> Result<(), Violation> {
        self.now = to;
        if self.trust.pass(to, MARGINS.propagation) | self.guard.pass(to, MARGINS.propagation) {
            self.say("an unanswered write lands".to_owned());
            self.trouble("an unanswered write lands", to);
        }
        self.latest_revision = self.latest_revision.max(self.guard.current().revision());
        self.attack();
        liveness::note(self);
        judge::sessions(self)?;
        judge::guarded(self)?;
        judge::closed(self)?;
        judge::ended_is_so(self)?;
        liveness::grants_work(self)?;
        liveness::closings_end(self)
    }

    /// The adversary assumes the role in every way that some part of the data plane allows.
    fn attack(&mut self) {
        let (now, aws_now) = (self.now, self.aws_now());
        let own = self.approved.iter().map(|a| a.grant_name.as_str());
        let names: BTreeSet<&str> = own.chain(PEOPLE.map(|(_, _, console)| console)).collect();
        let here = |person: &usize| self.users[*person].is_some() && !self.role_gone;
        for person in (0..PEOPLE.len()).filter(here) {
            for name in &names {
                let arn = PEOPLE[person].0;
                let admits = |v: &&Version| {
                    let trust = v.policy.as_ref();
                    trust.is_some_and(|t| t.admits(arn, name, aws_now))
                };
                let versions = self.trust.versions.iter().filter(admits);
                // One that only a date that somebody moved makes admit comes last.
                let moved = |v: &&Version| self.is_moved(v, arn, name);
                if let Some(trust) = versions.min_by_key(moved) {
                    let text = trust.text.clone().filter(|_| moved(&trust));
                    let beyond = text.map(|text| (text, trust.since));
                    let token =
                        aws_now.trunc_subsecs(0) + TimeDelta::seconds(self.dice.between(-2, 2));
                    self.sessions.push(Session {
                        principal: self.users[person].clone().unwrap_or_default(),
                        role_id: self.role_id.clone(),
                        name: (*name).to_owned(),
                        issued: now,
                        token,
                        beyond,
                    });
                }
            }
        }
        // He does not keep them all: about two dozen for each name, old and new.
        while self.sessions.len() > 120 {
            let index = self.dice.between(0, 120);
            self.sessions
                .remove(usize::try_from(index).unwrap_or_default());
        }
        self.sessions
            .retain(|s| now < s.issued + TimeDelta::hours(12));
    }

    /// Whether a trust policy admits only by dates that were never approved.
    fn is_moved(&self, version: &Version, arn: &str, name: &str) -> bool {
        let pins = version.policy.iter().flat_map(Policy::pins);
        let mut dates = pins.filter(|pin| (pin.0, pin.1) == (name, arn));
        dates.all(|(.., until)| {
            let own = |a: &&Approved| a.arn == arn && a.has(name);
            let mut approved = self.approved.iter().filter(own);
            until <= self.aws_now() || !approved.any(|a| a.deadline == until)
        })
    }

    /// Whether some part of the data plane lets the session work now. A guard that somebody else
    /// has just written is not ours to answer for.
    pub fn works(&self, session: &Session) -> bool {
        let request = session_request(
            &self.role_id,
            &session.name,
            self.aws_now(),
            Some(session.token),
        );
        let excused = judge::excuses_hands(self);
        let is_here = session.role_id == self.role_id && !self.role_gone;
        let mut guards = self.guard.versions.iter();
        is_here && guards.any(|g| !(g.denies(&request) || g.by_hand && excused))
    }
}
