//! The demo's sign-in: pick one of its people. `serve` has no route to it.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use crate::app::sign_in;
use crate::domain::audit::verb::Verb;
use crate::domain::person::Person;
use crate::error::CallerError;
use crate::ids::DraftId;
use crate::web::failed::Failed;
use crate::web::page::{Frame, Here};
use crate::web::problem::answer;
use crate::web::sign_in::begin;
use crate::web::visit::{Asked, Kept, Sent};
use crate::web::{Portal, Route, SIGN_IN, assets, show};

/// `GET /sign-in` of the demo
#[derive(Template)]
#[template(path = "pages/sign_in_demo.html")]
pub struct SignIn {
    /// Around it.
    pub frame: Frame,
    /// Where to go afterwards.
    pub next: String,
    /// What was typed before, if it is kept.
    pub draft: Option<DraftId>,
    /// Who there is.
    pub people: Vec<Person>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Place {
    next: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    person: String,
    next: String,
    #[serde(default)]
    draft: Option<DraftId>,
}

/// What `web::router` takes for signing in.
pub const PEOPLE: &[Route] = &[Route {
    path: SIGN_IN,
    methods: &[("GET", None), ("POST", Some(Verb::SignIn))],
    handler: || get(page).post(choose),
}];

async fn page(
    State(portal): State<Portal>,
    Asked(place): Asked<Place>,
    Asked(kept): Asked<Kept>,
) -> Result<Response, Failed> {
    let page = SignIn {
        frame: Frame::nobody(),
        next: place.next,
        draft: kept.draft(),
        people: sign_in::people(&portal.app).await?,
    };
    Ok(answer(StatusCode::OK, &page))
}

async fn choose(
    State(portal): State<Portal>,
    headers: HeaderMap,
    Sent(choice): Sent<Choice>,
) -> Result<Response, Failed> {
    let people = sign_in::people(&portal.app).await?;
    let person = people
        .iter()
        .find(|person| person.email == choice.person)
        .ok_or(CallerError::NotFound)?;
    begin(&portal, &headers, person.id, (&choice.next, choice.draft)).await
}
