//! Lists of requests: the caller's own, and those that wait for the caller.

use askama::Template;

use super::page::{Frame, Here, Row};
use super::{assets, show};

/// `GET /requests` and `GET /waiting`
#[derive(Template)]
#[template(path = "pages/requests.html")]
pub struct Requests {
    /// Around it.
    pub frame: Frame,
    /// Its heading.
    pub heading: &'static str,
    /// What it shows.
    pub lead: &'static str,
    /// What it says when there is nothing.
    pub empty: &'static str,
    /// Whether the rows name their requester.
    pub show_requester: bool,
    /// The requests.
    pub rows: Vec<Row>,
    /// Link to the next page.
    pub next: Option<String>,
}
