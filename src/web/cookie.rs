//! The session's cookie, and where to go after sign-in.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::response::Redirect;

use crate::app::sign_in;
use crate::ids::DraftId;

/// The cookie's name: bound to the host by its prefix where there is https.
#[must_use]
pub const fn name(https: bool) -> &'static str {
    if https {
        // Browsers take the prefix only with Secure, so that plain http needs another name.
        "__Host-countersign"
    } else {
        "countersign"
    }
}

/// The name of the cookie of an attempt to sign in.
const fn attempt_name(https: bool) -> &'static str {
    if https {
        "__Host-countersign-signin"
    } else {
        "countersign-signin"
    }
}

/// The session's token, if the request carries one.
#[must_use]
pub fn read(headers: &HeaderMap, https: bool) -> Option<&str> {
    named(headers, name(https))
}

/// The token of an attempt to sign in, likewise.
#[must_use]
pub fn attempt(headers: &HeaderMap, https: bool) -> Option<&str> {
    named(headers, attempt_name(https))
}

fn named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, token)| token)
}

/// `Set-Cookie` for a session; it ends with the browser, or with the server's own limits.
#[must_use]
pub fn set(token: &str, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    // Lax: a link in a mail or chat finds its reader signed in. Forms of other sites are refused by
    // `security::own_forms`.
    format!(
        "{}={token}; Path=/; HttpOnly; SameSite=Lax{secure}",
        name(https)
    )
}

/// `Set-Cookie` that removes it.
#[must_use]
pub fn clear(https: bool) -> String {
    format!("{}; Max-Age=0", set("", https))
}

/// `Set-Cookie` for an attempt to sign in: for as long as one may take. Lax, since it is another
/// site that sends the browser back.
#[must_use]
pub fn set_attempt(token: &str, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let (name, seconds) = (attempt_name(https), sign_in::PATIENCE.num_seconds());
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// `Set-Cookie` that removes it.
#[must_use]
pub fn clear_attempt(https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let name = attempt_name(https);
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secure}")
}

/// How long a place may be: more than any page of ours needs with its filters.
const LONGEST_PLACE: usize = 2048;

/// A place of ours to go to: an absolute path in plain ASCII, else the start page. Never another
/// host (`//evil`, `/\evil`, `https:…`), and never signing in or out.
#[must_use]
pub fn place(next: &str) -> &str {
    // No backslash: browsers read `/\evil` as `//evil`.
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"/_-.?=&%:".contains(&c);
    if next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/sign-")
        && !next.starts_with("/d/")
        && next.len() <= LONGEST_PLACE
        && next.bytes().all(plain)
    {
        next
    } else {
        "/"
    }
}

/// The way to a place of ours, with the `draft` that is to be shown there. What `next` says comes
/// with the address of a sign-in: a link of ours must lead to no other site.
pub fn back(next: &str, draft: Option<DraftId>) -> Redirect {
    Redirect::to(&with_draft(place(next), draft))
}

/// A place with what is to be shown there.
#[must_use]
pub fn with_draft(place: &str, draft: Option<DraftId>) -> String {
    let Some(draft) = draft else {
        return place.to_owned();
    };
    let sign = if place.contains('?') { '&' } else { '?' };
    format!("{place}{sign}draft={draft}")
}
