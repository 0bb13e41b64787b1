//! The description of the API.

use axum::Json;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{audit, catalog, grants, requests};

#[derive(OpenApi)]
#[openapi(
    info(title = "Countersign", description = "Just-in-time elevation for AWS IAM: ask, countersign, real access, deadline, audit."),
    servers((url = "/api/v1")),
    paths(requests::submit, requests::list, requests::get, requests::approve, requests::deny, requests::withdraw, grants::list, grants::get, grants::end,
          catalog::entitlements, catalog::me, audit::list, get),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token: `countersign token create`."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> Document {
    Api::openapi()
}

/// This document
#[utoipa::path(get, path = "/openapi.json", security(()), responses((status = 200, content_type = "application/json")))]
pub(super) async fn get() -> Json<Document> {
    Json(document())
}
