//! What a handler could not do, on its way to the page that tells it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::error::Error;

/// A handler that could not do it. [`super::problem::pages`] makes the page, since it knows who
/// asked.
#[derive(Debug)]
pub struct Failed(pub Error);

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = status(&self.0).into_response();
        // What goes into extensions has to be `Clone`, and an error is not.
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// The HTTP status of an answer that tells of `error`.
#[must_use]
pub fn status(error: &Error) -> StatusCode {
    let status = StatusCode::from_u16(error.about().status);
    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
