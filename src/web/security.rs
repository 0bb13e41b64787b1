//! What every answer of the portal carries, and which requests it refuses before anybody looks at them.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Portal;
use super::problem::Failed;
use crate::error::Error;

/// Nothing but our own style sheet, script and icon; forms only to ourselves; no frame around us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'";

/// Adds the headers that keep a page to itself. HSTS goes out by https alone.
pub async fn headers(https: bool, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request may change anything: sent by one of our own pages, as the browser itself says in `Sec-Fetch-Site`, or in `Origin` where that is
/// missing. A request with neither did not come from a browser that could be trusted with a cookie.
#[must_use]
pub fn is_same_site(method: &Method, headers: &HeaderMap, origin: &str) -> bool {
    if method.is_safe() {
        return true;
    }
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => headers.get(ORIGIN).is_some_and(|sent| sent == origin),
    }
}

/// Refuses forms that other sites sent.
pub async fn own_forms(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    if is_same_site(
        request.method(),
        request.headers(),
        &portal.settings.public_url,
    ) {
        next.run(request).await
    } else {
        Failed(Error::CrossSite).into_response()
    }
}
