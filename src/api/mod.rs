//! The REST API under `/api/v1`: JSON in and out, bearer tokens, problem details (RFC 9457). Each handler hands its input to one verb.

mod audit;
mod catalog;
mod extract;
mod grants;
mod openapi;
mod problem;
mod requests;
mod routes;
mod types;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::Response;

use crate::app::App;
use crate::error::Error;
pub use openapi::document;
use problem::Problem;
pub use routes::{ROUTES, Route};

/// The largest body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// The API, to be nested under `/api/v1`.
pub fn router(app: App) -> Router {
    let router = ROUTES.iter().fold(Router::new(), |router, route| {
        router.route(route.path, (route.handler)())
    });
    router
        .fallback(async || Problem(Error::NotFound))
        .method_not_allowed_fallback(async || Problem(Error::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(headers))
        .with_state(app)
}

/// Answers are never cached, and carry the caller's request id back, or a new one.
async fn headers(request: Request, next: Next) -> Response {
    let name = HeaderName::from_static("x-request-id");
    let sent = request
        .headers()
        .get(&name)
        .filter(|it| it.len() <= 200)
        .cloned();
    let id = sent.or_else(|| HeaderValue::from_str(&uuid::Uuid::now_v7().to_string()).ok());
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(id) = id {
        response.headers_mut().insert(name, id);
    }
    response
}
