//! What can befall a role beside the service's own doing: hands, lies and accidents. A history
//! draws from the kinds that its world allows.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::grant::Grant;
use countersign::domain::target::{Condition, Target};

use super::plane::Plane;
use super::world::{MARGINS, World};
use super::{FOREIGN, PEOPLE, is_open};

/// Kinds of faults, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults(pub u8);

impl Faults {
    pub const NONE: Self = Self(0);
    /// A hand on the trust policy.
    pub const TRUST: Self = Self(1);
    /// A hand on the guard.
    pub const GUARD: Self = Self(2);
    /// The database goes back to an earlier moment.
    pub const ROLLBACK: Self = Self(4);
    /// Role or user deleted and created again, or wrongly said not to be there.
    pub const GONE: Self = Self(8);
    /// A write is answered with a refusal though it landed.
    pub const LIES: Self = Self(16);
    /// AWS's clock and the database's differ for a while.
    pub const CLOCKS: Self = Self(32);
    /// Documents read otherwise than they were written.
    pub const NORMALISED: Self = Self(64);
    /// A second installation writes to the same role.
    pub const OTHERS: Self = Self(128);
    /// Those that happen at a moment of their own.
    const EVENTS: [Self; 6] = [
        Self::TRUST,
        Self::GUARD,
        Self::ROLLBACK,
        Self::GONE,
        Self::CLOCKS,
        Self::OTHERS,
    ];

    pub const fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    pub const fn lies(self) -> bool {
        self.has(Self::LIES)
    }

    pub const fn normalises(self) -> bool {
        self.has(Self::NORMALISED)
    }
}

/// What AWS says not to be there though it is.
#[derive(Debug, Clone, Copy)]
pub enum What {
    Role,
    User(usize),
}

/// A wrong `NoSuchEntity`, for the next one or two looks of a moment (docs/guard.md, C14).
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    pub what: What,
    pub looks: u8,
    pub until: DateTime<Utc>,
}

impl Lie {
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.looks > 0 && now <= self.until
    }
}

/// The database as it was once.
#[derive(Clone)]
pub struct Snapshot {
    grants: Vec<Grant>,
    target: Target,
    due: Option<DateTime<Utc>>,
}

impl World {
    /// One fault of the kinds that this world has.
    pub(super) fn fault(&mut self) {
        let condition = self.target.condition;
        if condition.needs_a_person() && self.dice.chance(50) {
            return self.resume();
        }
        let all = Faults::EVENTS.into_iter();
        let kinds: Vec<Faults> = all.filter(|kind| self.faults.has(*kind)).collect();
        if kinds.is_empty() {
            return;
        }
        match *self.dice.one_of(&kinds) {
            Faults::TRUST => self.hand_on_trust(),
            Faults::GUARD => self.hand_on_guard(),
            Faults::ROLLBACK => self.roll_back(),
            Faults::GONE => self.gone(),
            Faults::CLOCKS => self.change_clock(),
            _ => self.other_installation(),
        }
    }

    /// A person looks at a contested role, or at one in safe mode, and takes it back into service.
    fn resume(&mut self) {
        let noticed = self.target.safe_since;
        if noticed.is_some_and(|at| self.now < at + MARGINS.propagation) {
            return;
        }
        self.say(format!("resumed from {}", self.target.condition.as_str()));
        self.target.condition = Condition::Ok;
        self.target.guard_restores = 0;
        self.due = Some(self.now);
    }

    pub(super) fn take_snapshot(&mut self) {
        if self.faults.has(Faults::ROLLBACK) && self.dice.chance(30) {
            let taken = Snapshot {
                grants: self.grants.clone(),
                target: self.target.clone(),
                due: self.due,
            };
            self.snapshots.push(taken);
        }
    }

    /// The rows go back; what people approved and were told does not, and AWS knows nothing of it
    /// (docs/guard.md, C9, C13).
    fn roll_back(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let last = self.snapshots.len() - 1;
        // Mostly a recent one: after a fail-over the loss is short.
        let most = i64::try_from(last.min(8)).unwrap_or_default();
        let back = usize::try_from(self.dice.between(0, most)).unwrap_or_default();
        self.snapshots.truncate(last - back + 1);
        let Snapshot {
            grants,
            target,
            due,
        } = self.snapshots[last - back].clone();
        self.say(format!(
            "the database goes back to revision {} from {}",
            target.revision, self.target.revision
        ));
        for a in &mut self.approved {
            let sent = |rows: &[Grant]| {
                let row = rows.iter().find(|g| g.id == a.id);
                row.and_then(|g| g.marks.sent_until)
            };
            a.forgotten |= sent(&grants) < sent(&self.grants);
            // An end before anything was sent leaves no trace in AWS: with the row it never
            // happened, and nobody can tell.
            let is_over = |rows: &[Grant]| rows.iter().any(|g| g.id == a.id && !is_open(g));
            if sent(&self.grants).is_none() && !is_over(&grants) {
                (a.revoked, a.announced) = (None, None);
            }
        }
        // That a write may still land is known from the rows alone.
        if target.guard.unclear_at < self.target.guard.unclear_at {
            self.guard.forget_late();
        }
        if target.trust.unclear_at < self.target.trust.unclear_at {
            self.trust.forget_late();
        }
        (self.grants, self.target) = (grants, target);
        self.due = due.map(|due| due.max(self.now));
        // Declared: a look within P of a write that is lost may lag behind all of it, so that
        // nothing tells that the database went back.
        self.down_until = self.down_until.max(self.now + MARGINS.propagation);
        self.trouble("the database went back", self.down_until);
    }

    fn gone(&mut self) {
        let person = *self.dice.one_of(self.people);
        let lied = self.troubles.get("AWS says that something is gone");
        let lied = lied.is_some_and(|at| self.now < *at + MARGINS.unclear());
        match self.dice.between(0, 9) {
            // A second time soon after would be no lie that anybody could tell.
            0..4 if lied => {}
            0..4 => {
                let what = match self.dice.chance(50) {
                    true => What::Role,
                    false => What::User(person),
                };
                let looks = u8::try_from(self.dice.between(1, 2)).unwrap_or(1);
                let until = self.now + MARGINS.propagation / 2;
                self.say(format!("{what:?} is wrongly said to be gone {looks} times"));
                self.lie = Some(Lie { what, looks, until });
                self.due = Some(self.now);
                self.trouble("AWS says that something is gone", until);
            }
            4..8 => match self.users[person].is_some() {
                true => self.delete_user(person),
                false => self.create_user(person),
            },
            _ if self.role_gone => self.create_role(),
            _ => {
                self.say("the role is deleted".to_owned());
                self.role_gone = true;
                self.trouble("the role is gone", self.now);
                if self.dice.chance(50) {
                    self.create_role();
                }
            }
        }
    }

    fn delete_user(&mut self, person: usize) {
        let arn = PEOPLE[person].0;
        self.say(format!("{arn} is deleted"));
        if let Some(id) = self.users[person].take() {
            self.trust
                .rename(&format!("\"{arn}\""), &format!("\"{id}\""));
        }
        self.trouble("a user is gone", self.now);
        if self.dice.chance(50) {
            self.create_user(person);
        }
    }

    fn create_user(&mut self, person: usize) {
        self.say(format!("{} is created again", PEOPLE[person].0));
        self.users[person] = Some(self.new_id(PEOPLE[person].1));
        self.trouble("a user is gone", self.now);
    }

    /// Another role of that name, without a guard; what was sent to the old one and is on its way
    /// lands on it.
    fn create_role(&mut self) {
        self.say("the role is created again".to_owned());
        self.role_gone = false;
        self.role_id = self.new_id(super::ROLE_ID);
        for (plane, text) in [
            (&mut self.trust, Some(FOREIGN.to_owned())),
            (&mut self.guard, None),
        ] {
            let Plane { late, past, .. } =
                std::mem::replace(plane, Plane::new(self.now, text.clone()));
            (plane.late, plane.past) = (late, past);
        }
        self.trouble("the role is gone", self.now);
    }

    fn new_id(&self, first: &str) -> String {
        let nth = (self.now - super::at(0)).num_milliseconds();
        format!("{}{:08}", &first[..first.len() - 8], nth % 100_000_000)
    }

    /// AWS's clock runs ahead or behind, until it is set right.
    fn change_clock(&mut self) {
        let apart = *self.dice.one_of(&[0, 0, 1, 5, 60, 300]);
        self.ahead = TimeDelta::seconds(self.dice.between(-apart, apart));
        self.behind = self.behind.max(-self.ahead);
        self.say(format!("AWS's clock is {} ahead", self.ahead));
        self.trouble("clocks are apart", self.now);
    }
}
