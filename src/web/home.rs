//! The start page: what waits for me, what is open for me, what I may ask for.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::{self, Access};
use super::assets;
use super::failed::Failed;
use super::page::{self, Frame, Here, Row};
use super::problem::answer;
use super::show::{self, Icon};
use super::visit::Visit;
use crate::app::find::{self, Delay, Page, RequestFilter, Troubles, Unguarded};
use crate::domain::entitlement::{Entitlement, Method};
use crate::domain::grant::GrantState;

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
    /// What has to be looked after, for whoever sees everything.
    pub troubles: Troubles,
}

impl Home {
    fn first_name(&self) -> &str {
        let name = self.frame.me.as_ref().map_or("", |me| &me.name);
        name.split_whitespace().next().unwrap_or(name)
    }

    /// How many of the grants stand so.
    fn count(&self, access: Access) -> usize {
        let stands = |row: &&Row| row.access(&self.frame.now) == Some(access);
        self.live.iter().filter(stands).count()
    }

    /// How many stand how, each counted apart.
    fn tally(&self) -> String {
        let all = [
            Access::Active,
            Access::Opening,
            Access::Scheduled,
            Access::Closing,
        ];
        let told = all.map(|access| (self.count(access), access.word()));
        let told = told.into_iter().filter(|(n, _)| *n > 0);
        told.map(|(n, word)| format!("{n} {word}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// How many wait, where that is more than are shown.
    fn more_waiting(&self) -> Option<i64> {
        let all = self.frame.me.as_ref().map_or(0, |me| me.waiting);
        i64::try_from(self.waiting.len())
            .is_ok_and(|shown| shown < all)
            .then_some(all)
    }

    fn is_troubled(&self) -> bool {
        self.troubles != Troubles::default()
    }

    /// Who refuses, in a few words.
    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    fn refusal(&self, it: &Unguarded) -> String {
        access::refusal(&Delay {
            error: it.error.clone(),
            attempts: it.attempts,
            since: it.since,
        })
    }

    fn watch(&self) -> String {
        let rows = self.waiting.iter().chain(&self.live).chain(&self.recent);
        let hub = self.troubles.hub_refused.is_some();
        let contested = self.troubles.contested.iter().map(|it| it.claim);
        let troubles = (
            hub,
            self.troubles.unguarded.len(),
            contested.collect::<Vec<_>>(),
        );
        format!("{}-{troubles:?}", page::watch(&self.frame, rows))
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
        troubles: find::troubles(ctx).await?,
    };
    Ok(answer(StatusCode::OK, &page))
}
