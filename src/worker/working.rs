//! What a process works on at a time, and how much of that may be of one account: one that does not
//! answer keeps no other waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::task::{Id, JoinError, JoinSet};

use crate::db::targets::LeaseError;

/// For how long a pass takes room from others. One that takes longer waits for AWS, and has no
/// connection of the database meanwhile.
pub(super) const AT_WORK: Duration = Duration::from_secs(1);
/// How many there may be of all sorts, for each that there is room for.
const MOST_WAITING: usize = 4;

/// After how long a target is due again that was worked on.
pub(super) type Worked = Result<Option<TimeDelta>, LeaseError>;

/// The passes that are under way.
pub(super) struct Working {
    /// How many there is room for.
    most: usize,
    tasks: JoinSet<Worked>,
    passes: HashMap<Id, Pass>,
    /// The accounts that there was anything to do in.
    known: BTreeSet<String>,
}

struct Pass {
    account: String,
    begun: Instant,
}

impl Working {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            tasks: JoinSet::new(),
            passes: HashMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Begins a pass in that account.
    pub fn spawn(&mut self, account: String, pass: impl Future<Output = Worked> + Send + 'static) {
        let begun = Instant::now();
        self.known.insert(account.clone());
        let id = self.tasks.spawn(pass).id();
        self.passes.insert(id, Pass { account, begun });
    }

    /// The next pass that ends; none where there is none.
    pub async fn next(&mut self) -> Option<Result<Worked, JoinError>> {
        let done = self.tasks.join_next_with_id().await?;
        let id = match &done {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        self.passes.remove(&id);
        Some(done.map(|(_, worked)| worked))
    }

    /// How many more may begin, where there is room for `most` of their sort.
    pub fn room(&self, most: usize) -> usize {
        let passes = self.passes.values();
        let at_work = passes.filter(|it| it.begun.elapsed() < AT_WORK).count();
        let most_of_all = self.most.saturating_mul(MOST_WAITING);
        let left = most_of_all.saturating_sub(self.passes.len());
        most.saturating_sub(at_work).min(left)
    }

    /// The accounts that have their share, and how many may begin of any other. An account has half
    /// of the room where there are several, so that what all of it waits for is never all there is.
    pub fn shares(&self) -> (Vec<String>, usize) {
        let is_alone = self.known.len() < 2;
        let share = if is_alone {
            self.most
        } else {
            self.most.div_ceil(2)
        };
        let mut counts = BTreeMap::<&str, usize>::new();
        for pass in self.passes.values() {
            *counts.entry(&pass.account).or_default() += 1;
        }
        let (full, others): (Vec<_>, Vec<_>) =
            counts.into_iter().partition(|(_, count)| *count >= share);
        let most = others.into_iter().map(|(_, count)| count).max();
        let full = full.into_iter().map(|(account, _)| account.to_owned());
        (full.collect(), share - most.unwrap_or_default())
    }
}
