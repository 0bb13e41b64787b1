//! Errors as problem details (RFC 9457).

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What was wrong and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// A stable name of the kind of problem.
    r#type: String,
    /// A few words for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong and what to do.
    detail: String,
    /// A stable word for programs.
    code: &'static str,
    /// The fields that do not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// With `trust_policy_full`: characters in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<usize>,
    /// With `trust_policy_full`: characters that there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<usize>,
    /// With `trust_policy_full`: characters that this grant needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<usize>,
}

/// One field that does not fit.
#[derive(Debug, Serialize, ToSchema)]
struct FieldProblem {
    /// Its name.
    field: &'static str,
    /// A stable word for programs.
    code: &'static str,
    /// What would fit.
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = self.0;
        if let Error::Internal(cause) = &error {
            tracing::error!(
                error = cause.as_ref() as &dyn std::error::Error,
                "a call failed"
            );
        }
        let errors = error.fields().iter().map(|it| FieldProblem {
            field: it.field,
            code: it.code,
            detail: it.detail.clone(),
        });
        let room = match error {
            Error::TrustPolicyFull {
                used,
                quota,
                needed,
            } => Some((used, quota, needed)),
            _ => None,
        };
        let details = ProblemDetails {
            r#type: format!("urn:countersign:problem:{}", error.told_code()),
            title: error.title(),
            status: error.status().as_u16(),
            detail: error.detail(),
            code: error.told_code(),
            errors: errors.collect(),
            used: room.map(|it| it.0),
            quota: room.map(|it| it.1),
            needed: room.map(|it| it.2),
        };
        let mut response = (error.status(), Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if matches!(error, Error::Unauthenticated) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = error.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
