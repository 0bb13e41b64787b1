//! Who gives way when there are too many connections: the one that has waited longest without a
//! request of its own under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections that wait for a request, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's place in the line.
#[derive(Debug)]
pub(super) struct Seat {
    line: Arc<Line>,
    /// Its number in the line, or [`Seat::WORKING`].
    place: AtomicU64,
    leave: Arc<Notify>,
}

/// A request is being answered: until this is dropped, the connection does not give way.
#[derive(Debug)]
pub(super) struct Working(Arc<Seat>);

impl Line {
    /// A place at the end, for a new connection.
    pub(super) fn join(self: &Arc<Self>) -> Arc<Seat> {
        let seat = Arc::new(Seat {
            line: Arc::clone(self),
            place: AtomicU64::new(Seat::WORKING),
            leave: Arc::default(),
        });
        seat.wait();
        seat
    }

    /// Tells the connection that has waited longest to end; whether there is one.
    pub(super) fn send_away_first(&self) -> bool {
        let first = self.queue().waiting.pop_first();
        first.is_some_and(|(_, leave)| {
            leave.notify_one();
            true
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The place while a request is answered.
    pub(super) const WORKING: u64 = 0;

    /// Leaves the line for as long as the request is answered.
    pub(super) fn work(self: &Arc<Self>) -> Working {
        self.leave_line();
        Working(Arc::clone(self))
    }

    /// Its number in the line: another one after each request.
    pub(super) fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }

    /// Waits until the connection has to give way.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    fn wait(&self) {
        let mut queue = self.line.queue();
        queue.last += 1;
        let place = queue.last;
        queue.waiting.insert(place, Arc::clone(&self.leave));
        self.place.store(place, Ordering::Relaxed);
    }

    fn leave_line(&self) {
        // While a request is answered there is no place 0 in the line, and nothing is removed.
        let mut queue = self.line.queue();
        queue
            .waiting
            .remove(&self.place.swap(Self::WORKING, Ordering::Relaxed));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave_line();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.wait();
    }
}
