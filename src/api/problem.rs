//! Errors as problem details (RFC 9457).

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{CallerError, Error, RoleError};

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Error);

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
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
    /// With `trust_policy_full` and `guard_full`: characters in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<usize>,
    /// With `trust_policy_full` and `guard_full`: characters that there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<usize>,
    /// With `trust_policy_full` and `guard_full`: characters that this grant needs.
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
        // The cause goes to the log alone: it may hold SQL, a host or a path.
        if let Error::Internal(cause) = &error {
            tracing::error!(
                error = cause.as_ref() as &dyn std::error::Error,
                "a call failed"
            );
        }
        let errors = error.fields().iter().map(|wrong| FieldProblem {
            field: wrong.field,
            code: wrong.code.as_str(),
            detail: wrong.detail.clone(),
        });
        let room = match error {
            Error::Role(
                RoleError::TrustPolicyFull {
                    used,
                    quota,
                    needed,
                }
                | RoleError::GuardFull {
                    used,
                    quota,
                    needed,
                },
            ) => Some((used, quota, needed)),
            _ => None,
        };
        let (about, code) = (error.about(), error.told_code());
        let status =
            StatusCode::from_u16(about.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let details = ProblemDetails {
            r#type: format!("urn:countersign:problem:{code}"),
            title: about.title,
            status: about.status,
            detail: about.detail.into_owned(),
            code,
            errors: errors.collect(),
            used: room.map(|(used, ..)| used),
            quota: room.map(|(_, quota, _)| quota),
            needed: room.map(|(.., needed)| needed),
        };
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            // `Json` has said `application/json`; problem details have a type of their own (RFC
            // 9457).
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if matches!(error, Error::Caller(CallerError::Unauthenticated)) {
            // RFC 9110 §15.5.2 demands the header of every 401.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = error.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
