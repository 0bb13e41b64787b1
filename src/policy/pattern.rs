//! Patterns of IAM's policy language for names: `*` for any text, `?` for any one character.

/// Whether there is a text that fits both patterns. A text without `*` and `?` fits itself alone,
/// so that this also says whether it fits a pattern. Case counts.
///
/// `*` goes across the colon between a service and its action: a few patterns more overlap so than
/// in AWS, and none less.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    // `shared[j]`: whether what is left of `one` from i on, and of `other` from j on, have a text
    // in common; for one i after the other, from the end. So it takes the product of the lengths,
    // whatever somebody writes into the catalog.
    let mut after = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let mut shared = vec![false; other.len() + 1];
        for j in (0..=other.len()).rev() {
            shared[j] = match (one.get(i), other.get(j)) {
                (None, None) => true,
                // The star stands for nothing more, or for one character more of the other.
                (Some('*'), next) => after[j] || next.is_some() && shared[j + 1],
                (next, Some('*')) => shared[j + 1] || next.is_some() && after[j],
                (Some(a), Some(b)) => (a == b || *a == '?' || *b == '?') && after[j + 1],
                (None, Some(_)) | (Some(_), None) => false,
            };
        }
        after = shared;
    }
    after[0]
}

/// Whether a pattern for actions and another one can mean the same action; case does not count.
#[must_use]
pub fn overlap_as_actions(one: &str, other: &str) -> bool {
    overlap(&one.to_ascii_lowercase(), &other.to_ascii_lowercase())
}
