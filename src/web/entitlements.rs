//! What the catalog offers, and whether the people that there are could approve it: for auditors
//! and admins.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::assets;
use super::failed::Failed;
use super::page::{Frame, Here};
use super::problem::answer;
use super::show::{self, Badge, Icon, Tone};
use super::visit::Visit;
use crate::app::find::{self, Health};

/// `GET /catalog`
#[derive(Template)]
#[template(path = "pages/entitlements.html")]
pub struct Entitlements {
    /// Around it.
    pub frame: Frame,
    /// They, by name.
    pub all: Vec<Health>,
}

/// Whether it can be approved, as icon and word.
const fn standing(health: &Health) -> Badge {
    let (tone, icon, word) = if health.never {
        (Tone::Bad, Icon::Warning, "Can never be approved")
    } else if health.stuck.is_empty() {
        (Tone::Good, Icon::Check, "Can be approved")
    } else {
        (Tone::Wait, Icon::Warning, "Not for everybody")
    };
    Badge { tone, icon, word }
}

/// How many people are in each group.
fn counts(health: &Health) -> String {
    let each = health.groups.iter().map(|(group, number)| match number {
        0 => format!("nobody is in {group}"),
        1 => format!("1 person is in {group}"),
        more => format!("{more} people are in {group}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// `GET /catalog`
pub async fn page(visit: Visit) -> Result<Response, Failed> {
    let page = Entitlements {
        all: find::health(&visit.ctx).await?,
        frame: visit.frame(Here::Entitlements).await?,
    };
    Ok(answer(StatusCode::OK, &page))
}
