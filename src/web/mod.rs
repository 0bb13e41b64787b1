//! The portal: pages rendered on the server, forms that lead to the same verbs as the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::app::App;
use crate::error::Error;

pub mod ask;
pub mod assets;
pub mod audit;
pub mod commands;
pub mod cookie;
pub mod grants;
pub mod history;
pub mod home;
pub mod page;
pub mod problem;
pub mod request;
pub mod requests;
pub mod security;
pub mod show;
pub mod sign_in;
pub mod visit;

use problem::Failed;

/// The largest form, in bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// What the portal must know of its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What browsers call us: scheme, host and port, without a slash at the end.
    pub public_url: String,
    /// Where AWS is for the people who use a grant.
    pub aws: commands::Aws,
}

impl Settings {
    /// Whether browsers reach us by https.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// What every handler has at hand.
#[derive(Debug, Clone)]
pub struct Portal {
    /// The application.
    pub app: App,
    /// Its surroundings.
    pub settings: Arc<Settings>,
}

/// The portal. `sign_in` serves `/sign-in`: [`sign_in::router`], or a way to sign in that ends with [`sign_in::begin`].
///
/// It answers every path that is not its own with a 404 page, so another router goes above it: `nest` it there, and make this one the fallback.
pub fn router(app: App, settings: Settings, sign_in: Router<Portal>) -> Router {
    let https = settings.https();
    let portal = Portal {
        app,
        settings: Arc::new(settings),
    };
    Router::new()
        .route("/", get(home::page))
        .route("/entitlements/{name}", get(ask::page).post(ask::submit))
        .route("/requests", get(requests::mine))
        .route("/requests/{id}", get(request::page))
        .route(
            "/requests/{id}/decide",
            get(request::back).post(request::decide),
        )
        .route(
            "/requests/{id}/withdraw",
            get(request::back).post(request::withdraw),
        )
        .route("/waiting", get(requests::waiting))
        .route("/grants/{id}", get(grants::page))
        .route("/grants/{id}/end", get(grants::page).post(grants::end))
        .route("/audit", get(audit::page))
        .route("/sign-out", post(sign_in::sign_out))
        .merge(sign_in)
        .fallback(async || Failed(Error::NotFound))
        .method_not_allowed_fallback(async || Failed(Error::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(from_fn_with_state(portal.clone(), security::own_forms))
        .layer(from_fn_with_state(portal.clone(), problem::pages))
        .route("/assets/{name}", get(assets::get))
        .layer(from_fn(move |request, next| {
            security::headers(https, request, next)
        }))
        .with_state(portal)
}
