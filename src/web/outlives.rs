//! What can outlive a deadline, as a page tells it.

use crate::domain::outlive::{Outlives, Through};

/// What was found, and what nobody could read.
#[derive(Debug)]
pub struct Known<'a> {
    /// What was found, by what it is.
    pub ways: Vec<&'a Outlives>,
    /// What could not be read.
    pub unread: Vec<&'a Outlives>,
}

/// Tells what was found from what nobody could read.
#[must_use]
pub fn known(found: &[Outlives]) -> Known<'_> {
    let (unread, ways) = found.iter().partition(|it| it.through == Through::Unread);
    Known { ways, unread }
}
