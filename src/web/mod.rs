//! The portal: pages rendered on the server, forms that lead to the same verbs as the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::app::App;
use crate::error::{CallerError, WireError};
use crate::telemetry;

pub mod access;
pub mod ask;
pub mod assets;
pub mod audit;
pub mod commands;
pub mod console;
pub mod cookie;
pub mod delegations;
pub mod entitlements;
pub mod failed;
pub mod forms;
pub mod grants;
pub mod history;
pub mod home;
pub mod identities;
pub mod machines;
pub mod oidc;
pub mod outlives;
pub mod page;
pub mod people;
mod portal;
pub mod problem;
pub mod request;
pub mod requests;
pub mod revocations;
pub mod routes;
pub mod security;
pub mod sessions;
pub mod show;
pub mod sign_in;
pub mod token_form;
pub mod tokens;
pub mod visit;

use failed::Failed;
pub use portal::{Portal, Settings};
pub use routes::{ASSETS, BY_PROVIDER, NO_SIGN_IN, ROUTES, Route, SIGN_IN};

/// The largest form, in bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// The portal. `sign_in` is the way to sign in: [`BY_PROVIDER`], [`NO_SIGN_IN`], or one that ends
/// with [`sign_in::begin`].
///
/// It answers every path that is not its own with a 404 page, so another router goes above it:
/// `nest` it there, and make this one the fallback.
pub fn router(app: App, settings: Settings, sign_in: &[Route]) -> Router {
    let https = settings.https();
    let portal = Portal {
        app,
        settings: Arc::new(settings),
    };
    let all = ROUTES.iter().chain(sign_in);
    let pages = all.fold(Router::new(), |router, route| {
        router.route(route.path, (route.handler)())
    });
    pages
        .fallback(async || Failed::from(CallerError::NotFound))
        .method_not_allowed_fallback(async || Failed::from(WireError::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        // Inside of `pages`, which makes a page of what breaks down.
        .layer(from_fn(problem::caught))
        .layer(from_fn_with_state(portal.clone(), security::own_forms))
        .layer(from_fn_with_state(portal.clone(), problem::pages))
        // The layers above do not apply to what is added below them: for a style sheet nobody is
        // looked up.
        .route(ASSETS.path, (ASSETS.handler)())
        .layer(from_fn(move |request, next| {
            security::headers(https, request, next)
        }))
        .layer(from_fn(telemetry::in_span))
        .with_state(portal)
}
