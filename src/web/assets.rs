//! The style sheet, the script and the icon: in the binary, under names that change with their
//! content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(&Sha256::digest(text)[..6]);
        Self {
            name: format!("/assets/{stem}.{hash}.{ending}"),
            kind,
            text,
        }
    }
}

static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "portal",
        "css",
        "text/css; charset=utf-8",
        include_str!("../../assets/portal.css"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "portal",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/portal.js"),
    )
});
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "icon",
        "svg",
        "image/svg+xml",
        include_str!("../../assets/icon.svg"),
    )
});

/// Path of the style sheet.
#[must_use]
pub fn css() -> &'static str {
    &CSS.name
}

/// Path of the script.
#[must_use]
pub fn script() -> &'static str {
    &SCRIPT.name
}

/// Path of the icon.
#[must_use]
pub fn icon() -> &'static str {
    &ICON.name
}

/// `GET /assets/{name}`: for ever under this name, since another content has another name.
pub async fn get(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let Some(asset) = [&*CSS, &*SCRIPT, &*ICON]
        .into_iter()
        .find(|asset| asset.name == path)
    else {
        // Never the present content under an old name: it would be kept there for a year.
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    (headers, asset.text).into_response()
}
