//! The two planes of a document: what was written, and what evaluation has of it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How many versions of a document are kept for a data plane that lags.
const KEPT: usize = 32;

/// A document: the versions that were written, the last of which is the control plane's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Doc {
    versions: Vec<Version>,
    /// The data plane stands still at this version.
    #[serde(skip)]
    frozen: Option<Option<Version>>,
}

/// One version; no text once it was deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) at: DateTime<Utc>,
    pub(super) text: Option<String>,
    /// The unique ids that the principals' ARNs were bound to when it was written.
    pub(super) bound: BTreeMap<String, String>,
}

impl Doc {
    pub(super) fn new(text: String, at: DateTime<Utc>) -> Self {
        let mut doc = Self::default();
        doc.put(Some(text), BTreeMap::new(), at);
        doc
    }

    pub(super) fn put(
        &mut self,
        text: Option<String>,
        bound: BTreeMap<String, String>,
        at: DateTime<Utc>,
    ) {
        self.versions.push(Version { at, text, bound });
        let surplus = self.versions.len().saturating_sub(KEPT);
        let gone = self.versions.drain(..surplus).next_back();
        if let Some(gone) = gone {
            // The oldest that is kept stands for those before it.
            self.versions[0].at = gone.at;
        }
    }

    /// Puts one, or deletes it. What a stale read shows before the first: there was nothing.
    pub(super) fn write(
        &mut self,
        text: Option<&str>,
        bound: BTreeMap<String, String>,
        at: DateTime<Utc>,
    ) {
        if self.versions.is_empty() {
            self.put(None, BTreeMap::new(), at);
        }
        self.put(text.map(str::to_owned), bound, at);
    }

    pub(super) fn versions_mut(&mut self) -> &mut [Version] {
        &mut self.versions
    }

    /// What a read shows: the last version, or, when reads are stale, the one before.
    pub(super) fn control(&self, stale: bool) -> Option<&Version> {
        let back = usize::from(stale && self.versions.len() > 1);
        self.versions
            .iter()
            .rev()
            .nth(back)
            .filter(|it| it.text.is_some())
    }

    /// What evaluation uses: the last version that is at least `delay` old; without a delay the
    /// last, wherever the clock was set to.
    pub(super) fn data(&self, now: DateTime<Utc>, delay: TimeDelta) -> Option<&Version> {
        let version = match &self.frozen {
            Some(frozen) => frozen.as_ref(),
            None if delay.is_zero() => self.versions.last(),
            None => self.versions.iter().rev().find(|it| it.at + delay <= now),
        };
        version.filter(|it| it.text.is_some())
    }

    pub(super) fn freeze(&mut self, now: DateTime<Utc>, delay: TimeDelta) {
        self.frozen = Some(self.data(now, delay).cloned());
    }

    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }
}
