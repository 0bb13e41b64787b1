//! Errors as pages: the same codes as the API's.

use askama::Template;

use super::page::{Frame, Here};
use super::{assets, show};

/// Any error.
#[derive(Template)]
#[template(path = "pages/problem.html")]
pub struct Problem {
    /// Around it.
    pub frame: Frame,
    /// HTTP status.
    pub status: u16,
    /// What happened, for a heading.
    pub title: String,
    /// What happened, for a person.
    pub detail: String,
    /// Stable code.
    pub code: String,
}
