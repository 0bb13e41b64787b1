//! The start page: what waits for me, what is open for me, what I may ask for.

use askama::Template;

use super::page::{Frame, Here, Row};
use super::{assets, show};
use crate::domain::entitlement::Entitlement;

/// `GET /`
#[derive(Template)]
#[template(path = "pages/home.html")]
pub struct Home {
    /// Around it.
    pub frame: Frame,
    /// The caller's groups.
    pub groups: Vec<String>,
    /// What waits for the caller's decision, the oldest first.
    pub waiting: Vec<Row>,
    /// The caller's grants that are not over.
    pub live: Vec<Row>,
    /// What the caller may ask for.
    pub entitlements: Vec<Entitlement>,
    /// The caller's latest requests.
    pub recent: Vec<Row>,
}

impl Home {
    fn first_name(&self) -> &str {
        let name = self.frame.me.as_ref().map_or("", |me| &me.name);
        name.split_whitespace().next().unwrap_or(name)
    }

    fn moving(&self) -> bool {
        self.live.iter().any(Row::moves)
            || self
                .recent
                .iter()
                .any(|row| row.request.state.closed_at().is_none())
    }

    fn watch(&self) -> String {
        let rows = self.live.iter().chain(&self.recent);
        let states: Vec<_> = rows.map(|row| row.standing().word).collect();
        format!("{}-{}", self.waiting.len(), states.join("-"))
    }
}
