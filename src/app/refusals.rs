//! Refusals as they are counted: the first few of a kind are events of their own, those that follow
//! are one event with their number.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::caller::Caller;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Actor, Channel};

/// How many of a kind are events of their own.
const FIRST: u32 = 20;
/// How long those that follow are counted before they are put on record.
const WINDOW: Duration = Duration::from_mins(1);

/// One caller is refused one verb for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub caller: Caller,
    pub verb: Verb,
    pub code: &'static str,
}

/// What has been refused lately.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Kind, Window>>);

/// The refusals of a kind since its first one.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    told: u32,
    /// How many more there were, not yet on record.
    pub(super) more: u32,
    pub(super) actor: Actor,
    pub(super) channel: Channel,
}

impl Refusals {
    /// Whether a refusal is to be put on record now, as an event of its own; else it is counted.
    pub(super) fn is_told(
        &self,
        actor: &Actor,
        channel: Channel,
        verb: Verb,
        code: &'static str,
    ) -> bool {
        // Whatever else acts meets no limit.
        let Some(caller) = Caller::of(actor) else {
            return true;
        };
        let kind = Kind { caller, verb, code };
        let mut windows = self.windows();
        let window = windows.entry(kind).or_insert_with(|| Window {
            began: Instant::now(),
            told: 0,
            more: 0,
            actor: actor.clone(),
            channel,
        });
        // A window whose number is not on record yet goes on: begun anew, it would lose that.
        if window.is_over() && window.more == 0 {
            (window.began, window.told) = (Instant::now(), 0);
        }
        let is_told = window.told < FIRST;
        window.told += u32::from(is_told);
        window.more += u32::from(!is_told);
        is_told
    }

    /// Takes what has been counted and forgets the windows that are over; all that has been counted
    /// with `all`.
    pub(super) fn take(&self, all: bool) -> HashMap<Kind, Window> {
        let due = |_: &Kind, window: &mut Window| all || window.is_over();
        self.windows().extract_if(due).collect()
    }

    /// What could not be put on record is counted on.
    pub(super) fn put_back(&self, taken: HashMap<Kind, Window>) {
        let mut windows = self.windows();
        for (kind, window) in taken {
            let more = window.more;
            windows
                .entry(kind)
                .or_insert(Window { more: 0, ..window })
                .more += more;
        }
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Kind, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn is_over(&self) -> bool {
        self.began.elapsed() >= WINDOW
    }
}
