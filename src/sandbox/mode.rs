//! How calls are answered, beside what they ask for.

use chrono::{DateTime, TimeDelta, Utc};

use super::rules::Rules;

/// The knobs, as one call finds them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) now: DateTime<Utc>,
    /// How far the data plane lags behind.
    pub(super) delay: TimeDelta,
    /// Reads show the version before the last.
    pub(super) stale: bool,
    /// Reads show documents with other white space and order of keys.
    pub(super) normalised: bool,
    /// Reads show a list of one as its one entry.
    pub(super) collapsed: bool,
    /// Reads leave a plus sign as it is.
    pub(super) bare_plus: bool,
    /// How much the packed size of session policies and tags may be.
    pub(super) packed: usize,
    pub(super) rules: Rules,
}
