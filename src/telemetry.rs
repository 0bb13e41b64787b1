//! The log: to standard error, one line an event; `RUST_LOG` sets the level. What belongs to a
//! request carries its id.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use axum::extract::{FromRequestParts, OriginalUri, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// The longest text of a client's that a line of the log holds, in bytes.
const LONGEST: usize = 200;

/// Starts the log. A second call in the same process changes nothing.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colours())
        .with_writer(std::io::stderr);
    // The only error is that a log was started before.
    let _already = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(panicked));
}

/// Colours are for people at a terminal who want them (no-color.org).
fn has_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    std::io::stderr().is_terminal() && !unwanted
}

/// A fault of the program is a line like any other, within the span of its request; Rust's own
/// message would be several, and none of them JSON.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let backtrace = std::backtrace::Backtrace::capture();
    let panic = panic.payload_as_str();
    let backtrace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
        .then(|| backtrace.to_string());
    tracing::error!(place, panic, backtrace, "the program broke down");
}

/// The id of a request: what a proxy sent as `x-request-id`, or a new one.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Answers a request within a span that has its id, and tells the id. Every refusal is one line,
/// also where the audit log has none: of a caller who is not signed in, or of what cannot be
/// parsed.
pub async fn in_span(request: Request, next: Next) -> Response {
    let name = HeaderName::from_static("x-request-id");
    let (mut parts, body) = request.into_parts();
    let sent = parts.headers.get(&name).and_then(|it| it.to_str().ok());
    let id = sent
        // A proxy's id is kept, so that its log and ours tell of one request by one name.
        .filter(|it| (1..=LONGEST).contains(&it.len()))
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), ToOwned::to_owned);
    parts.extensions.insert(RequestId(id.clone()));
    let Ok(OriginalUri(uri)) = OriginalUri::from_request_parts(&mut parts, &()).await;
    let method = parts.method.clone();
    let span = tracing::info_span!("request", id);
    let request = Request::from_parts(parts, body);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    // What is a fault of ours has a line of its own, with the cause.
    if status.is_client_error() {
        let status = status.as_u16();
        let (method, path) = (short(method.as_str()), short(uri.path()));
        span.in_scope(|| tracing::info!(%method, %path, status, "refused"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(name, id);
    }
    response
}

/// A client's text as a line of the log holds it: whoever asks for long addresses must not fill the
/// disk.
#[must_use]
pub fn short(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    if end == text.len() {
        return text.to_owned();
    }
    format!("{}… ({} bytes)", &text[..end], text.len())
}
