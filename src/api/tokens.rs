//! API tokens: a list of them, and their ends. They are made in the portal, so that no token makes
//! another.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::bodies::Nothing;
use super::extract::{Asked, Caller, Id, PageQuery, Said, page};
use super::problem::Problem;
use super::types::List;
use crate::app::tokens::{self, Listed};
use crate::ids::TokenId;

/// An API token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    /// TypeID.
    #[schema(format = "token")]
    id: String,
    /// What it is for.
    name: String,
    /// Its first characters.
    prefix: String,
    /// Whether it speaks for a person, or is a machine's own.
    #[schema(pattern = "^(person|machine)$")]
    kind: &'static str,
    /// TypeID of the machine; null where it speaks for a person.
    #[schema(format = "machine")]
    machine_id: Option<String>,
    /// request:create, request:read, request:decide, audit:read, admin.
    scopes: Vec<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Its last use, to the minute.
    last_used_at: Option<DateTime<Utc>>,
    /// When it stops working by itself.
    expires_at: DateTime<Utc>,
    /// When it was revoked.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<Listed> for Token {
    fn from(it: Listed) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name,
            prefix: it.prefix,
            kind: it.machine.map_or("person", |_| "machine"),
            machine_id: it.machine.map(|id| id.to_string()),
            scopes: it.scopes,
            created_at: it.created_at,
            last_used_at: it.last_used_at,
            expires_at: it.expires_at,
            revoked_at: it.revoked_at,
        }
    }
}

/// The caller's API tokens, and those of their machines, newest first
#[utoipa::path(get, path = "/tokens", operation_id = "list_tokens",
    params(("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "token")),
    responses((status = 200, body = List<Token>)))]
pub(super) async fn list(
    Caller(ctx): Caller,
    Asked(asked): Asked<PageQuery>,
) -> Result<Json<List<Token>>, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    Ok(Json(List::of(tokens::own(&ctx, page).await?, Into::into)))
}

/// Make an API token useless at once: the caller's own, or a machine's of theirs; any for admins
#[utoipa::path(post, path = "/tokens/{id}/revoke", operation_id = "revoke_token",
    params(("id" = String, Path, description = "TypeID", format = "token")),
    request_body = Option<Nothing>,
    responses((status = 200, body = Token)))]
pub(super) async fn revoke(
    Caller(ctx): Caller,
    Id(id): Id<TokenId>,
    Said(_): Said<Nothing>,
) -> Result<Json<Token>, Problem> {
    Ok(Json(tokens::revoke_own(&ctx, id).await?.into()))
}
