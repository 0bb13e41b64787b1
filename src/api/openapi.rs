//! The description of the API.

use std::sync::Arc;

use axum::{Extension, Json};
use utoipa::openapi::header::Header;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayItems, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Object, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Schema,
    SchemaFormat,
};
use utoipa::{Modify, OpenApi};

use super::methods::Method;
use super::problem::ProblemDetails;
use super::{audit, catalog, grants, people, probes, requests, revocations, tokens};
use crate::domain::scope::Scope;
use crate::ids::{
    EntitlementId, EventId, GrantId, MachineId, PersonId, RequestId, RevocationId, TokenId,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Countersign",
         description = "Just-in-time elevation for AWS IAM: ask, countersign, real access, deadline, audit."),
    servers((url = "/api/v1")),
    paths(requests::submit, requests::list, requests::get, requests::approve, requests::deny,
          requests::withdraw, requests::withdraw_approval, requests::ask, requests::answer, grants::list,
          grants::get, grants::end, grants::extend, grants::credentials, grants::console_link,
          probes::probe, revocations::revoke, revocations::list, revocations::get,
          revocations::grants, revocations::lift, catalog::entitlements, catalog::me, people::disable,
          people::enable, tokens::list, tokens::revoke, audit::list, get),
    components(schemas(ProblemDetails)),
    security(("bearer" = [])),
    modifiers(&Bearer, &Problems, &TypeIds)
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API token, made in the portal at /me/tokens, or a workload's JWT (docs/machines.md). Each \
                 operation names the scopes of which it needs one.",
            ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// Names the scopes of which each operation of a path needs one.
pub(super) fn name_scopes(document: &mut Document, path: &str, methods: &[Method]) {
    let Some(item) = document.paths.paths.get_mut(path) else {
        return;
    };
    for (method, _, scopes) in methods {
        let operation = if *method == "GET" {
            &mut item.get
        } else {
            &mut item.post
        };
        let Some(operation) = operation.as_mut().filter(|_| !scopes.is_empty()) else {
            continue;
        };
        // Each by itself is enough. The scheme is no OAuth flow; OpenAPI 3.1 lets others name what
        // they ask for as well.
        let one = |scope: &Scope| SecurityRequirement::new("bearer", [scope.as_str()]);
        operation.security = Some(scopes.iter().map(one).collect());
    }
}

/// What each operation may answer beside what it is for: that follows from what it takes.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                let answers = operation.responses.responses.values_mut();
                for answer in answers {
                    if let RefOr::T(done) = answer
                        && done.description.is_empty()
                    {
                        "Done".clone_into(&mut done.description);
                    }
                }
                for status in problems(operation) {
                    let answers = &mut operation.responses.responses;
                    answers.insert(status.to_string(), RefOr::T(problem(status)));
                }
            }
        }
    }
}

/// Statuses, each at least once.
fn problems(operation: &Operation) -> Vec<u16> {
    // The one operation that names its own security is this document, which asks for no token.
    let is_open = operation.security.is_some();
    if is_open {
        return vec![414];
    }
    // 403: a token without the scope. 409: one whose person's groups were told too long ago. 502: a
    // workload's issuer.
    let mut all = vec![401, 403, 409, 414, 429, 500, 502, 503];
    let has_id = operation
        .parameters
        .iter()
        .flatten()
        .any(|taken| matches!(taken, RefOr::T(parameter) if parameter.name == "id"));
    if has_id {
        all.extend([400, 404]);
    } else if operation.parameters.is_some() {
        all.extend([400, 422]);
    }
    if operation.request_body.is_some() {
        // 404: a body may name an entitlement that the caller may not ask for.
        all.extend([400, 404, 408, 413, 415, 422]);
    }
    // What is decided may be sent with its revision.
    if matches!(operation.operation_id.as_deref(), Some("approve" | "deny")) {
        all.push(412);
    }
    all
}

/// `format = "req"` and its like stand for the pattern of a TypeID of that kind, since utoipa takes
/// no constant for a pattern.
struct TypeIds;

const KINDS: [&str; 8] = [
    RevocationId::PREFIX,
    RequestId::PREFIX,
    GrantId::PREFIX,
    EntitlementId::PREFIX,
    PersonId::PREFIX,
    EventId::PREFIX,
    TokenId::PREFIX,
    MachineId::PREFIX,
];

impl Modify for TypeIds {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                for parameter in operation.parameters.iter_mut().flatten() {
                    if let RefOr::T(parameter) = parameter {
                        parameter.schema.iter_mut().for_each(describe_ids);
                    }
                }
            }
        }
        let components = document.components.iter_mut();
        let schemas = components.flat_map(|components| components.schemas.values_mut());
        schemas.for_each(describe_ids);
    }
}

fn describe_ids(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if let Some(SchemaFormat::Custom(kind)) = &object.format
                && KINDS.contains(&kind.as_str())
            {
                object.pattern = Some(format!("^{kind}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"));
                object.format = None;
            }
            object.properties.values_mut().for_each(describe_ids);
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                describe_ids(items);
            }
        }
        _ => {}
    }
}

fn problem(status: u16) -> Response {
    let told = match status {
        400 => "An id, the query string or the body cannot be read",
        401 => "No token, or none that works",
        403 => "The token lacks the scope, or the caller may see it, but not do this",
        404 => "It does not exist, or the caller may not see it",
        408 => "The body did not arrive in time",
        409 => {
            "It does not go with the state of the request, the grant, the role, the person or the \
             caller's groups"
        }
        412 => "The request is not what was judged: its `revision` is another one by now",
        413 => "The body is larger than 64 kB",
        414 => "The address is longer than 8 kB",
        415 => "The body is not JSON",
        422 => "A value does not fit: `errors` names each",
        429 => "Too many calls: try again later",
        500 => "A fault of Countersign",
        502 => "AWS gives no credentials, or the issuer of a workload's token does not answer",
        _ => "Busy: try again later",
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails")));
    let response = ResponseBuilder::new()
        .description(told)
        .content("application/problem+json", content.build());
    let header = |kind, told: &str| {
        let mut header = Header::new(Object::with_type(kind));
        header.description = Some(told.to_owned());
        header
    };
    match status {
        401 => response.header("WWW-Authenticate", header(Type::String, "`Bearer`")),
        429 | 503 => response.header("Retry-After", header(Type::Integer, "seconds")),
        _ => response,
    }
    .build()
}

/// The document, without the scopes.
pub(super) fn document() -> Document {
    Api::openapi()
}

/// The whole of it.
#[derive(Clone)]
pub(super) struct Described(pub(super) Arc<Document>);

/// This document
#[utoipa::path(get, path = "/openapi.json", security(()), responses((status = 200, content_type = "application/json")))]
pub(super) async fn get(Extension(described): Extension<Described>) -> Json<Arc<Document>> {
    Json(described.0)
}
