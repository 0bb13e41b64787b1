//! What may be asked for, and who asks.

use axum::Json;

use super::entitlement::Entitlement;
use super::extract::{Asked, Caller, PageQuery, page};
use super::problem::Problem;
use super::types::{List, Me};
use crate::app::find::{self, Items};
use crate::ids::EntitlementId;

/// What the caller may ask for, by name
#[utoipa::path(get, path = "/entitlements",
    params(("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "ent")),
    responses((status = 200, body = List<Entitlement>)))]
pub(super) async fn entitlements(
    Caller(ctx): Caller,
    Asked(asked): Asked<PageQuery>,
) -> Result<Json<List<Entitlement>>, Problem> {
    // The list is one page whole: `limit` and `cursor` are checked, and then change nothing.
    page::<EntitlementId>(asked.limit, asked.cursor.as_deref())?;
    let items = find::entitlements(&ctx).await?;
    Ok(Json(List::of(
        Items {
            items,
            next: None::<EntitlementId>,
        },
        Into::into,
    )))
}

/// The caller
#[utoipa::path(get, path = "/people/me", responses((status = 200, body = Me)))]
pub(super) async fn me(Caller(ctx): Caller) -> Result<Json<Me>, Problem> {
    let principals = find::principals(&ctx)
        .await?
        .into_iter()
        .map(|principal| principal.arn)
        .collect();
    let person = ctx.person;
    Ok(Json(Me {
        id: person.id.to_string(),
        name: person.name,
        email: person.email,
        groups: person.groups,
        principals,
    }))
}
