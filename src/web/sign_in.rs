//! Signing in and out.

use askama::Template;

use super::page::{Frame, Here};
use super::{assets, show};

/// `GET /sign-in` where there is no way to sign in.
#[derive(Template)]
#[template(path = "pages/sign_in.html")]
pub struct SignIn {
    /// Around it.
    pub frame: Frame,
}
