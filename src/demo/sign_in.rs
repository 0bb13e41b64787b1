//! The demo's sign-in: pick one of its people. `serve` has no route to it.

use askama::Template;

use crate::domain::person::Person;
use crate::web::page::{Frame, Here};
use crate::web::{assets, show};

/// `GET /sign-in` of the demo
#[derive(Template)]
#[template(path = "pages/sign_in_demo.html")]
pub struct SignIn {
    /// Around it.
    pub frame: Frame,
    /// Where to go afterwards.
    pub next: String,
    /// Who there is.
    pub people: Vec<Person>,
}
