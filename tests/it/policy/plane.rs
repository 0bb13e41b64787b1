//! The simulated IAM: one document whose versions are in force here and there, writes that are
//! still on their way, and dice.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::policy::guard;

use super::ROLE_ID;
use super::evaluate::{Policy, Request};

/// A number generator of its own, so that a seed tells the whole history.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.next() % u64::try_from(high - low + 1).unwrap()).unwrap()
    }

    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let last = i64::try_from(items.len() - 1).unwrap();
        &items[usize::try_from(self.between(0, last)).unwrap()]
    }
}

/// One version of a document; no text where it was deleted.
pub struct Version {
    pub since: DateTime<Utc>,
    pub text: Option<String>,
    pub policy: Option<Policy>,
    /// Somebody else wrote it, not the service.
    pub by_hand: bool,
}

impl Version {
    pub fn new(since: DateTime<Utc>, text: Option<String>) -> Self {
        let policy = text.as_deref().map(Policy::parse);
        Self {
            since,
            text,
            policy,
            by_hand: false,
        }
    }

    pub fn by_hand(since: DateTime<Utc>, text: Option<String>) -> Self {
        Self {
            by_hand: true,
            ..Self::new(since, text)
        }
    }

    /// AWS keeps a principal by its unique id: where it was deleted, that id is what stands there.
    pub fn rename(&mut self, from: &str, to: &str) {
        let found = self.text.as_ref().filter(|text| text.contains(from));
        if let Some(text) = found {
            self.text = Some(text.replace(from, to));
            self.policy = self.text.as_deref().map(Policy::parse);
        }
    }

    pub fn denies(&self, request: &Request<'_>) -> bool {
        self.policy.as_ref().is_some_and(|p| p.denies(request))
    }

    /// Of a guard; 0 where there is none.
    pub fn revision(&self) -> i64 {
        let read = self.text.as_deref().map(|text| guard::read(text, ROLE_ID));
        read.and_then(|read| read.revision).unwrap_or(0)
    }
}

/// How a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Done,
    Refused,
    /// It was refused in so many words, and took effect all the same.
    RefusedAndDone,
    /// There is no such role any more.
    Gone,
    /// It took effect, never will, or will within L over whatever was written since.
    None,
}

/// One document on the data plane.
pub struct Plane {
    /// The versions that some part of it may still use; the last is the control plane's.
    pub versions: Vec<Version>,
    /// Unanswered writes on their way.
    pub late: Vec<Version>,
    /// What has ever stood there, the oldest first: an editor that is still open, a plan that was
    /// saved.
    pub past: Vec<String>,
}

impl Plane {
    pub fn new(since: DateTime<Utc>, text: Option<String>) -> Self {
        Self {
            past: text.iter().cloned().collect(),
            versions: vec![Version::new(since, text)],
            late: Vec::new(),
        }
    }

    fn stand(&mut self, version: Version) {
        if let Some(text) = version.text.as_ref().filter(|t| !self.past.contains(t)) {
            self.past.push(text.clone());
        }
        self.versions.push(version);
    }

    /// Somebody else writes or, without a text, deletes it.
    pub fn by_hand(&mut self, now: DateTime<Utc>, text: Option<String>) {
        self.stand(Version::by_hand(now, text));
    }

    pub fn rename(&mut self, from: &str, to: &str) {
        let all = self.versions.iter_mut().chain(&mut self.late);
        all.for_each(|v| v.rename(from, to));
    }

    pub fn current(&self) -> &Version {
        self.versions.last().unwrap()
    }

    pub fn write(
        &mut self,
        dice: &mut Dice,
        now: DateTime<Utc>,
        answer: Answer,
        l: TimeDelta,
        text: Option<String>,
    ) {
        let later = now + TimeDelta::seconds(dice.between(1, l.num_seconds() - 1));
        match (answer, dice.between(0, 3)) {
            (Answer::Refused | Answer::Gone, _) | (Answer::None, 0) => {}
            (Answer::Done | Answer::RefusedAndDone, _) | (Answer::None, 1) => {
                self.stand(Version::new(now, text));
            }
            (Answer::None, _) => self.late.push(Version::new(later, text)),
        }
    }

    /// Time has come to `now`: late writes land, versions older than P are gone everywhere. Says
    /// whether a write landed.
    pub fn pass(&mut self, now: DateTime<Utc>, p: TimeDelta) -> bool {
        let before = self.versions.len();
        let (mut landing, late): (Vec<_>, Vec<_>) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|v| v.since <= now);
        landing.sort_by_key(|v| v.since);
        self.late = late;
        landing.into_iter().for_each(|v| self.stand(v));
        let landed = self.versions.len() > before;
        let needed = self
            .versions
            .iter()
            .rposition(|v| v.since <= now - p)
            .unwrap_or(0);
        self.versions.drain(..needed);
        landed
    }

    /// The writes on their way are nobody's any more.
    pub fn forget_late(&mut self) {
        self.late.iter_mut().for_each(|v| v.by_hand = true);
    }

    pub fn next_landing(&self) -> Option<DateTime<Utc>> {
        self.late.iter().map(|v| v.since).min()
    }

    /// A read: mostly the present version, now and then one that is up to P old.
    pub fn read(&self, dice: &mut Dice) -> Option<String> {
        let version = if dice.chance(80) {
            self.current()
        } else {
            dice.one_of(&self.versions)
        };
        version.text.clone()
    }
}
