//! What every answer of the portal carries, and which requests it refuses before anybody looks at
//! them.

use axum::extract::{Request, State};
use axum::http::header::AsHeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::failed::Failed;
use super::portal::Portal;
use super::routes::BACK_CHANNEL_LOGOUT;
use crate::error::{CallerError, WireError};
use crate::telemetry;

/// Nothing but our own style sheet, script and icon; forms only to ourselves; no frame around us.
// `base-uri`: a `<base>` that got into a page would have its forms sent elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src \
'self'; form-action 'self'; \
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
    // Over plain http browsers ignore it.
    if https {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    headers
        // Assets have said already for how long they are kept.
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request may change anything: sent by one of our own pages, as the browser itself says
/// in `Sec-Fetch-Site` (`same-origin`, and nothing else: a form is never typed into the address
/// bar), or in `Origin` where that is missing. An `Origin` that is sent must be ours in any case. A
/// request with neither did not come from a browser that could be trusted with a cookie, and one
/// with two of the same did not come from a browser at all.
#[must_use]
pub fn is_same_site(method: &Method, headers: &HeaderMap, ours: &str) -> bool {
    // No verb has a safe method, so that there is nothing to protect.
    if method.is_safe() {
        return true;
    }
    let (Ok(site), Ok(origin)) = (only(headers, "sec-fetch-site"), only(headers, ORIGIN)) else {
        return false;
    };
    let is_ours = |origin: &HeaderValue| origin.to_str().is_ok_and(|text| is_origin(text, ours));
    match (site, origin) {
        (Some(site), None) => site == "same-origin",
        (Some(site), Some(origin)) => site == "same-origin" && is_ours(origin),
        (None, Some(origin)) => is_ours(origin),
        (None, None) => false,
    }
}

/// A header that comes once or not at all.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (value, None) => Ok(value),
        _ => Err(()),
    }
}

/// Whether an origin is the portal's. A browser spells it in lower case and without the scheme's
/// own port, whatever was configured. A portal that listens on this machine alone has every name of
/// this machine.
fn is_origin(origin: &str, ours: &str) -> bool {
    let parts = |url: &str| {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_owned();
        let port = uri
            .port_u16()
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        let host = uri.host()?.to_ascii_lowercase();
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str());
        Some((
            scheme,
            if here { "localhost".to_owned() } else { host },
            port,
        ))
    };
    parts(origin).is_some_and(|theirs| Some(theirs) == parts(ours))
}

/// Refuses forms that other sites sent, and addresses that are too long to be looked at.
pub async fn own_forms(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let address = request.uri().path_and_query();
    let address = address.map_or("", |whole| whole.as_str());
    if let Err(error) = WireError::of_address(address) {
        return Failed::from(error).into_response();
    }
    // The provider calls it by itself, signs what it sends, and no cookie is read there.
    if request.uri().path() == BACK_CHANNEL_LOGOUT {
        return next.run(request).await;
    }
    let ours = &portal.settings.public_url;
    if is_same_site(request.method(), request.headers(), ours) {
        return next.run(request).await;
    }
    let origin = request
        .headers()
        .get(ORIGIN)
        .and_then(|value| value.to_str().ok());
    let origin = origin.map(telemetry::short);
    tracing::info!(
        origin,
        ours,
        "a form that no page of ours sent; is server.public_url what browsers call us?"
    );
    Failed::from(CallerError::CrossSite).into_response()
}
