//! The start page: what waits for me, what is open for me, what I may ask for.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::page::{Frame, Here, Row};
use super::problem::{Failed, answer};
use super::visit::Visit;
use super::{assets, show};
use crate::app::find::{self, Page, RequestFilter};
use crate::domain::entitlement::Entitlement;

/// `GET /`
#[derive(Template)]
#[template(path = "pages/home.html")]
pub struct Home {
    /// Around it.
    pub frame: Frame,
    /// The caller's groups.
    pub groups: Vec<String>,
    /// What waits for the caller's decision, the latest first.
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

/// How many of the caller's own requests are shown.
const LATEST: i64 = 6;

/// `GET /`
pub async fn page(visit: Visit) -> Result<Response, Failed> {
    let ctx = &visit.ctx;
    let waiting = RequestFilter {
        waiting: true,
        ..RequestFilter::default()
    };
    let waiting = find::requests(
        ctx,
        &waiting,
        Page {
            cursor: None,
            limit: 20,
        },
    )
    .await?;
    let mine = RequestFilter {
        mine: true,
        ..RequestFilter::default()
    };
    let mine = find::requests(
        ctx,
        &mine,
        Page {
            cursor: None,
            limit: LATEST,
        },
    )
    .await?;
    let page = Home {
        frame: visit.frame(Here::Home).await?,
        groups: ctx.person.groups.clone(),
        waiting: waiting.items.into_iter().map(Row::from).collect(),
        live: find::open(ctx).await?.into_iter().map(Row::from).collect(),
        entitlements: find::entitlements(ctx).await?,
        recent: mine.items.into_iter().map(Row::from).collect(),
    };
    Ok(answer(StatusCode::OK, &page))
}
