//! What an event tells, written to the log and read from it through one type.

use serde_json::{Value, json};

use super::Action;
use crate::domain::audit::verb::Verb;

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An action was done; or it was tried and failed.
    Done(Action),
    /// A verb was refused.
    Refused {
        /// What the caller tried.
        verb: Verb,
        /// For the one event that stands for many: how many.
        count: Option<u32>,
    },
    /// Another release wrote it in a form that this release does not know.
    Unknown {
        /// The action's name.
        action: String,
        /// What else that release told.
        details: Value,
    },
}

impl Told {
    /// The columns `action` and `details`.
    ///
    /// # Errors
    /// When the action cannot be written as JSON.
    pub fn columns(&self) -> serde_json::Result<(&str, Value)> {
        Ok(match self {
            Self::Done(action) => {
                let mut written = serde_json::to_value(action)?;
                (action.name().as_str(), written["details"].take())
            }
            Self::Refused { verb, count } => {
                let details = count.map_or_else(|| json!({}), |count| json!({ "count": count }));
                (verb.refused_action().as_str(), details)
            }
            Self::Unknown { action, details } => (action, details.clone()),
        })
    }

    /// What [`Self::columns`] wrote.
    #[must_use]
    pub fn read(action: &str, details: &Value, is_refused: bool) -> Self {
        let read = if is_refused {
            refused(action, details)
        } else {
            let written = json!({ "action": action, "details": details });
            serde_json::from_value(written).ok().map(Self::Done)
        };
        // The log is never rewritten, so a page must show whatever an older release left there.
        read.unwrap_or_else(|| Self::Unknown {
            action: action.to_owned(),
            details: details.clone(),
        })
    }
}

fn refused(action: &str, details: &Value) -> Option<Told> {
    let count = match details.get("count") {
        // A count that we cannot read makes the event an unknown one, not a single refusal.
        Some(count) => Some(u32::try_from(count.as_u64()?).ok()?),
        None => None,
    };
    let verb = Verb::of_action(action)?;
    Some(Told::Refused { verb, count })
}
