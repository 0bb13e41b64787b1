//! Lists of requests: the caller's own, and those that wait for the caller.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::failed::Failed;
use super::page::{self, Frame, Here, Row};
use super::problem::answer;
use super::visit::{Asked, Visit};
use super::{assets, show};
use crate::app::find::{self, Page, RequestFilter};
use crate::ids::RequestId;

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

impl Requests {
    fn watch(&self) -> String {
        page::watch(&self.frame, &self.rows)
    }
}

/// Where a page of a list begins.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Begin {
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// `GET /requests`
pub async fn mine(visit: Visit, Asked(begin): Asked<Begin>) -> Result<Response, Failed> {
    let filter = RequestFilter {
        mine: true,
        ..RequestFilter::default()
    };
    let (rows, next) = list(&visit, &filter, begin, "/requests").await?;
    let page = Requests {
        frame: visit.frame(Here::Requests).await?,
        heading: "My requests",
        lead: "Everything that you have asked for, the latest first.",
        empty: "You have not asked for anything yet.",
        show_requester: false,
        rows,
        next,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// `GET /waiting`
pub async fn waiting(visit: Visit, Asked(begin): Asked<Begin>) -> Result<Response, Failed> {
    let filter = RequestFilter {
        waiting: true,
        ..RequestFilter::default()
    };
    let (rows, next) = list(&visit, &filter, begin, "/waiting").await?;
    let page = Requests {
        frame: visit.frame(Here::Waiting).await?,
        heading: "To decide",
        lead: "What waits for a decision that you can make.",
        empty: "Nothing waits for you.",
        show_requester: true,
        rows,
        next,
    };
    Ok(answer(StatusCode::OK, &page))
}

async fn list(
    visit: &Visit,
    filter: &RequestFilter,
    begin: Begin,
    place: &str,
) -> Result<(Vec<Row>, Option<String>), Failed> {
    let cursor = begin.cursor.map(|id| id.parse::<RequestId>()).transpose()?;
    let listed = find::requests(&visit.ctx, filter, Page { cursor, limit: 25 }).await?;
    let rows = listed.items.into_iter().map(Row::from).collect();
    Ok((rows, listed.next.map(|id| format!("{place}?cursor={id}"))))
}
