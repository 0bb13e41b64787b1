//! Asking for an entitlement.

use askama::Template;

use super::page::{self, FieldError, Frame, Here};
use super::show::Icon;
use super::{assets, show};
use crate::domain::entitlement::{Entitlement, Method};

/// Lengths that the form offers, as far as the entitlement allows them (seconds).
const LENGTHS: [i32; 10] = [30, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200];

/// What the form sends.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AskForm {
    /// One of the offered lengths, or `other`.
    pub duration: String,
    /// Another length.
    pub other: String,
    /// Why.
    pub justification: String,
    /// A ticket's name or URL; empty for none.
    pub ticket: String,
    /// `YYYY-MM-DDTHH:MM` in UTC; empty for at once.
    pub starts_at: String,
}

/// `GET /entitlements/{id}`
#[derive(Template)]
#[template(path = "pages/ask.html")]
pub struct Ask {
    /// Around it.
    pub frame: Frame,
    /// What is asked for.
    pub entitlement: Entitlement,
    /// What was typed.
    pub form: AskForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// The lengths on offer, seconds.
    pub choices: Vec<i32>,
}

impl Ask {
    /// The form for `entitlement`, with what was typed before.
    #[must_use]
    pub fn new(
        frame: Frame,
        entitlement: Entitlement,
        form: AskForm,
        errors: Vec<FieldError>,
    ) -> Self {
        let terms = &entitlement.terms;
        let within = terms.min_duration_seconds..=terms.max_duration_seconds;
        let choices = LENGTHS
            .into_iter()
            .filter(|length| within.contains(length))
            .collect();
        Self {
            frame,
            entitlement,
            form,
            errors,
            choices,
        }
    }

    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    /// What was chosen; at first the longest length that is not above an hour.
    fn chosen(&self, length: &i32) -> bool {
        if self.form.duration.is_empty() {
            let first = self.choices.iter().rev().find(|choice| **choice <= 3600);
            return first.or(self.choices.first()) == Some(length);
        }
        self.form.duration == format!("{length}s")
    }
}
