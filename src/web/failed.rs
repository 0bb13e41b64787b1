//! What a handler could not do, on its way to the page that tells it.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};

use crate::error::Error;
use crate::ids::InvalidId;

/// A handler that could not do it. [`super::problem::pages`] makes the page, since it knows who
/// asked.
#[derive(Debug)]
pub struct Failed(pub Error);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<InvalidId> for Failed {
    fn from(error: InvalidId) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}
