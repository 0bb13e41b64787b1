//! The REST API under `/api/v1`: JSON in and out, bearer tokens, problem details (RFC 9457). Each
//! handler hands its input to one verb.

mod audit;
mod bodies;
mod catalog;
mod credentials;
mod entitlement;
mod extract;
mod grants;
mod methods;
mod moment;
mod openapi;
mod people;
mod probes;
mod problem;
mod request;
mod requests;
mod revocations;
mod routes;
mod tokens;
mod types;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, OriginalUri, Request};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use futures_util::FutureExt as _;
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::authn::oidc::workload::Workloads;
use crate::error::{CallerError, Error, WireError};
use crate::telemetry;
pub use methods::Method;
use methods::Methods;
use openapi::Described;
use problem::Problem;
pub use routes::{ROUTES, Route};

/// The largest body, in bytes.
// The longest text has 2,000 characters, and fits however JSON escapes it.
const LARGEST_BODY: usize = 64 * 1024;

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = openapi::document();
    for route in ROUTES {
        openapi::name_scopes(&mut document, route.path, route.methods);
    }
    document
}

/// The API, to be nested under `/api/v1`.
pub fn router(app: App) -> Router {
    let router = ROUTES.iter().fold(Router::new(), |router, route| {
        router.route(
            route.path,
            (route.handler)().layer(Extension(Methods(route.methods))),
        )
    });
    router
        .fallback(async || Problem::from(CallerError::NotFound))
        .method_not_allowed_fallback(async || Problem::from(WireError::MethodNotAllowed))
        // Layers added later stand further out: what `guarded` refuses or catches still gets the
        // headers and a line of the log.
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(Extension(Arc::<Workloads>::default()))
        .layer(Extension(Described(Arc::new(document()))))
        .layer(from_fn(guarded))
        .layer(from_fn(headers))
        .layer(from_fn(telemetry::in_span))
        .with_state(app)
}

/// Refuses what is too long to be looked at, and answers for a handler that breaks down.
async fn guarded(OriginalUri(uri): OriginalUri, request: Request, next: Next) -> Response {
    // The whole address as it was sent: the nested router sees it without `/api/v1`.
    let address = uri.path_and_query().map_or("", |whole| whole.as_str());
    if let Err(error) = WireError::of_address(address) {
        return Problem::from(error).into_response();
    }
    // A panic that leaves the handler would end the connection without an answer.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|panic| Problem(Error::panicked(&*panic)).into_response())
}

/// Answers are never cached, and are nothing but what they say they are.
async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Answers hold what people wrote and may see: no cache on the way may keep them.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
