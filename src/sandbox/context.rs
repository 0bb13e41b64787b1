//! The keys of a request that conditions and variables look at.

use std::collections::BTreeMap;

/// Condition keys (matched without regard to case) and their values. A key that is not there is
/// missing, which is not the same as empty.
#[derive(Debug, Clone, Default)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Sets a key to one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Sets a key to several values (`aws:TagKeys`).
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), values);
    }

    /// Takes a key away.
    pub fn unset(&mut self, key: &str) {
        self.0.remove(&key.to_ascii_lowercase());
    }

    /// Takes a key away, or all that begin with it where it ends with a slash.
    pub(super) fn unset_all(&mut self, key: &str) {
        let key = key.to_ascii_lowercase();
        let meant = |it: &String| *it == key || (key.ends_with('/') && it.starts_with(&key));
        self.0.retain(|it, _| !meant(it));
    }

    /// The values of a key, if the request has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}
