//! Signing in through the provider: a page with one button, the way there, and the way back.

use std::net::IpAddr;

use askama::Template;
use axum::extract::State;
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use secrecy::ExposeSecret as _;

use super::failed::{self, Failed};
use super::page::{Frame, Here};
use super::portal::Portal;
use super::problem::answer;
use super::visit::{Asked, Kept, Peer, Sent};
use super::{assets, cookie, show};
use crate::app::sign_in::{self, Browser};
use crate::authn::oidc::RelyingParty;
use crate::error::{Error, Refusal, SignInError};
use crate::ids::DraftId;

/// `GET /sign-in`
#[derive(Template)]
#[template(path = "pages/sign_in_oidc.html")]
pub struct SignIn {
    /// Around it.
    pub frame: Frame,
    /// The provider's host.
    pub provider: String,
    /// Where to go afterwards.
    pub next: String,
    /// What was typed before, if it is kept.
    pub draft: Option<DraftId>,
    /// Where to sign out of the provider too, for whoever has just signed out here.
    pub sign_out: Option<String>,
}

/// What may stand behind `?` of the page and of its button.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Place {
    next: String,
    signed_out: Option<String>,
}

/// `GET /sign-in`: no redirect by itself, so that whoever has signed out stays so.
///
/// # Errors
/// 404 where there is no provider.
pub async fn page(
    State(portal): State<Portal>,
    Asked(place): Asked<Place>,
    Asked(kept): Asked<Kept>,
) -> Result<Response, Failed> {
    let party = portal.settings.provider()?;
    let page = SignIn {
        frame: Frame::nobody(),
        provider: party.host().to_owned(),
        next: cookie::place(&place.next).to_owned(),
        draft: kept.draft(),
        sign_out: place.signed_out.and_then(|_| party.end_session_url()),
    };
    Ok(answer(StatusCode::OK, &page))
}

/// `GET /sign-in/start`: a GET, since `form-action` stops a form's way to another site.
///
/// # Errors
/// 429 when too many set out from there; 502 when the provider does not say where to.
pub async fn start(
    State(portal): State<Portal>,
    Peer(from): Peer,
    Asked(place): Asked<Place>,
    Asked(kept): Asked<Kept>,
) -> Result<Response, Failed> {
    let party = portal.settings.provider()?;
    portal.app.limits().sign_in(from)?;
    let begun = sign_in::begin(&portal.app, cookie::place(&place.next), kept.draft()).await?;
    let to = party.authorize(&begun).await?;
    let set = cookie::set_attempt(begun.cookie.expose_secret(), portal.settings.https());
    Ok(([(SET_COOKIE, set)], Redirect::to(&to)).into_response())
}

/// What a provider sends a browser back with.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /sign-in/callback`
///
/// # Errors
/// When the browser brings no attempt of its own, the provider refuses, or what it says does not
/// hold.
pub async fn come_back(
    State(portal): State<Portal>,
    Peer(from): Peer,
    headers: HeaderMap,
    Asked(said): Asked<Answer>,
) -> Result<Response, Failed> {
    let (app, party) = (&portal.app, portal.settings.provider()?);
    app.limits().come_back(from)?;
    match finish(&portal, party, &headers, &said).await {
        // What it is and whose is on record, with the claim to it.
        Err(Error::Identity(error)) => {
            app.limits().not_signed_in(from);
            tracing::warn!(%error, "somebody could not sign in");
            Err(Error::Identity(error).into())
        }
        Err(Error::SignIn(error)) => {
            app.limits().not_signed_in(from);
            tracing::warn!(
                code = error.about().code,
                check = error.check(),
                "somebody could not sign in"
            );
            sign_in::refused(app, &error).await?;
            Err(Error::SignIn(error).into())
        }
        other => Ok(other?),
    }
}

/// The session of whoever comes back, and the way to where they wanted to go.
async fn finish(
    portal: &Portal,
    party: &RelyingParty,
    headers: &HeaderMap,
    said: &Answer,
) -> Result<Response, Error> {
    let https = portal.settings.https();
    let (Some(token), Some(state)) = (cookie::attempt(headers, https), &said.state) else {
        return Err(SignInError::Expired.into());
    };
    // Used up before anything else: whatever comes of it, it works once.
    let (attempt, now) = sign_in::come_back(&portal.app, token, state).await?;
    if let Some(error) = &said.error {
        let more = said.error_description.as_deref();
        tracing::warn!(error, more, "the sign-in provider refuses");
        return Err(SignInError::Refused(Refusal::of(error)).into());
    }
    let code = said
        .code
        .as_deref()
        .ok_or(SignInError::Refused(Refusal::Other))?;
    let identity = party
        .identity(&attempt, code, said.iss.as_deref(), now)
        .await?;
    if !sign_in::is_allowed(&portal.app, &identity, party.allowed_groups()).await? {
        return Err(SignInError::NotAllowed.into());
    }
    let browser = browser(headers, https);
    let session = sign_in::signed_in(&portal.app, &attempt, &identity, browser).await?;
    let cookies = [
        cookie::set(session.expose_secret(), https),
        cookie::clear_attempt(https),
    ];
    let cookies = AppendHeaders(cookies.map(|it| (SET_COOKIE, it)));
    Ok((cookies, cookie::back(&attempt.next, attempt.draft)).into_response())
}

/// The browser of a request.
#[must_use]
pub fn browser(headers: &HeaderMap, https: bool) -> Browser<'_> {
    let agent = headers.get(USER_AGENT).and_then(|it| it.to_str().ok());
    Browser {
        session: cookie::read(headers, https),
        user_agent: agent.unwrap_or_default(),
        draft: None,
    }
}

/// What a provider sends by itself (OpenID Connect Back-Channel Logout 1.0, 2.5).
#[derive(Debug, serde::Deserialize)]
pub struct LogoutForm {
    logout_token: String,
}

/// `POST /oidc/back-channel-logout`: no browser calls this, so that cookies are not read, and no
/// page is answered.
pub async fn logged_out(
    State(portal): State<Portal>,
    Peer(from): Peer,
    form: Result<Sent<LogoutForm>, Failed>,
) -> Response {
    let done = sign_out(&portal, from, form).await;
    let (status, body) = match done {
        Ok(true) => (StatusCode::OK, serde_json::json!({})),
        Ok(false) => (
            StatusCode::BAD_REQUEST,
            serde_json::json!({ "error": "invalid_request" }),
        ),
        // The provider tries again.
        Err(error) => (
            failed::status(&error),
            serde_json::json!({ "error": error.about().code }),
        ),
    };
    (status, axum::Json(body)).into_response()
}

/// Whether the token holds.
async fn sign_out(
    portal: &Portal,
    from: IpAddr,
    form: Result<Sent<LogoutForm>, Failed>,
) -> Result<bool, Error> {
    let Ok(Sent(form)) = form else {
        return Ok(false);
    };
    let party = portal.settings.provider()?;
    portal.app.limits().come_back(from)?;
    let now = portal.app.read_at(async |_, now| Ok(now)).await?;
    let Some(logout) = party.logout(&form.logout_token, now).await? else {
        portal.app.limits().not_signed_in(from);
        return Ok(false);
    };
    sign_in::logged_out(&portal.app, &logout).await?;
    Ok(true)
}
