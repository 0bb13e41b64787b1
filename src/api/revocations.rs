//! Revocations: ending everything of a scope, and holding it.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bodies::Nothing;
use super::extract::{Asked, Body, Caller, Id, Said, page};
use super::probes::Probe;
use super::problem::Problem;
use super::types::List;
use crate::app::find::{self, RevocationView, RevokedView};
use crate::app::revoke;
use crate::domain::revocation::{Hold, Scope};
use crate::ids::RevocationId;

/// What is to be ended: exactly one of the four, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewRevocation {
    /// TypeID or e-mail address of a person.
    person: Option<String>,
    /// ARN of a role that is opened, or of a user that carries policies.
    role: Option<String>,
    /// An account's 12 digits.
    #[schema(pattern = "^[0-9]{12}$")]
    account: Option<String>,
    /// Everything that this installation has opened.
    everything: bool,
    /// Why.
    #[schema(value_type = String, required, min_length = 1, max_length = 2000)]
    reason: String,
}

/// Everything of a scope that an admin ended, and the hold on it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revocation {
    /// TypeID.
    #[schema(format = "revocation")]
    id: String,
    /// person, role, account or everything.
    #[schema(pattern = "^(person|role|account|everything)$")]
    scope: &'static str,
    /// TypeID of the person.
    #[schema(format = "person")]
    person_id: Option<String>,
    /// ARN of the role, or of the user that carries policies.
    role_arn: Option<String>,
    /// The account's 12 digits.
    #[schema(pattern = "^[0-9]{12}$")]
    account: Option<String>,
    /// Why.
    reason: String,
    /// held; lifting, where one of two people has said so; or lifted. Nothing of the scope opens
    /// and nothing is handed out until it is lifted.
    #[schema(pattern = "^(held|lifting|lifted)$")]
    state: &'static str,
    /// TypeID of the admin.
    #[schema(format = "person")]
    begun_by: String,
    /// From when it holds.
    begun_at: DateTime<Utc>,
    /// TypeID of who asked for its lifting, of one on everything.
    #[schema(format = "person")]
    lift_asked_by: Option<String>,
    /// TypeID of who lifted it.
    #[schema(format = "person")]
    lifted_by: Option<String>,
    /// Until when it held.
    lifted_at: Option<DateTime<Utc>>,
    /// How many grants of it are scheduled, opening or active still.
    open: i64,
    /// How many are on their way out of AWS.
    closing: i64,
    /// How many are over.
    over: i64,
    /// Whether all of them are over: AWS was read back without each.
    done: bool,
    /// Whether every part of AWS has had its time to follow as well.
    proven: bool,
    /// Until when what is not over could work, at the latest.
    can_work_until: Option<DateTime<Utc>>,
    /// How many grants are not over of which nothing can be cut early (early_end = none), and whose
    /// credentials still work.
    cannot_be_cut: i64,
    /// Until when the last of these credentials works; null where there are none.
    cannot_be_cut_until: Option<DateTime<Utc>>,
}

impl Revocation {
    fn of(view: &RevocationView) -> Self {
        let it = &view.revocation;
        let (asked, lifted) = match it.hold {
            Hold::Held => (None, None),
            Hold::Lifting { by, .. } => (Some(by), None),
            Hold::Lifted { asked, by, at } => (asked.map(|(by, _)| by), Some((by, at))),
        };
        let called = |is_it: bool| view.called.clone().filter(|_| is_it);
        Self {
            id: it.id.to_string(),
            scope: it.scope.as_str(),
            person_id: match it.scope {
                Scope::Person(person) => Some(person.to_string()),
                Scope::Role(_) | Scope::Account(_) | Scope::Everything => None,
            },
            role_arn: called(matches!(it.scope, Scope::Role(_))),
            account: called(matches!(it.scope, Scope::Account(_))),
            reason: it.reason.to_string(),
            state: it.hold.as_str(),
            begun_by: it.begun_by.to_string(),
            begun_at: it.begun_at,
            lift_asked_by: asked.map(|by| by.to_string()),
            lifted_by: lifted.map(|(by, _)| by.to_string()),
            lifted_at: lifted.map(|(_, at)| at),
            open: view.sum.open,
            closing: view.sum.closing,
            over: view.sum.over,
            done: view.is_done(),
            proven: view.is_proven(),
            can_work_until: view.sum.works_until,
            cannot_be_cut: view.sum.uncut,
            cannot_be_cut_until: view.sum.uncut_until,
        }
    }
}

/// A grant that was not over when the revocation began, and how far its end has come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokedGrant {
    /// TypeID.
    #[schema(format = "grant")]
    id: String,
    /// TypeID of its request.
    #[schema(format = "req")]
    request_id: String,
    /// TypeID of its person.
    #[schema(format = "person")]
    person_id: String,
    /// Name of the entitlement.
    entitlement: String,
    /// The account's 12 digits.
    #[schema(pattern = "^[0-9]{12}$")]
    account: String,
    /// scheduled, opening, active, closing, ended or failed.
    #[schema(pattern = "^(scheduled|opening|active|closing|ended|failed)$")]
    state: String,
    /// When its end was asked for.
    asked_at: Option<DateTime<Utc>>,
    /// When the role was read back with a guard that does not list it; null where no role is
    /// opened.
    guard_confirmed_at: Option<DateTime<Utc>>,
    /// When what lets it in was read back as gone; null where credentials alone are handed out.
    admitting_confirmed_at: Option<DateTime<Utc>>,
    /// When every part of AWS has had its time to follow.
    settled_at: Option<DateTime<Utc>>,
    /// Until when something of it may work at the latest; null where nothing can.
    can_work_until: Option<DateTime<Utc>>,
    /// Whether credentials of it still work that nothing can cut before `can_work_until`.
    cannot_be_cut: bool,
    /// What keeps AWS from following, where that is so.
    because: Option<String>,
    /// The revision of the role's guard that was sent last.
    guard_revision: Option<i64>,
    /// SHA-256 of the role's guard as it was sent last, in hexadecimal digits.
    guard_sha256: Option<String>,
    /// When the guard was last read back as it should be.
    guard_read_at: Option<DateTime<Utc>>,
    /// The latest try whether AWS denies a session of it, once there is one.
    probe: Option<Probe>,
}

impl RevokedGrant {
    fn of(view: RevokedView) -> Self {
        let cannot_be_cut = view.is_uncut();
        let RevokedView {
            of,
            settled_at,
            works_until,
            may_probe: _,
        } = view;
        Self {
            id: of.grant.to_string(),
            request_id: of.request.to_string(),
            person_id: of.person.to_string(),
            entitlement: of.entitlement,
            account: of.account,
            state: of.state,
            asked_at: of.asked_at,
            guard_confirmed_at: of.guard_confirmed_at,
            admitting_confirmed_at: of.admitting_confirmed_at,
            settled_at,
            can_work_until: works_until,
            cannot_be_cut,
            because: of.delayed_by,
            guard_revision: of.guard_revision,
            guard_sha256: of.guard_sha256,
            guard_read_at: of.guard_read_at,
            probe: of.probe.map(|probe| probe.0.into()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    limit: Option<i64>,
    cursor: Option<String>,
}

/// End everything of a person, a role or user, an account, or everywhere, and hold it
#[utoipa::path(post, path = "/revocations", request_body = NewRevocation,
    responses((status = 202, body = Revocation)))]
pub(super) async fn revoke(
    Caller(ctx): Caller,
    Body(new): Body<NewRevocation>,
) -> Result<(StatusCode, Json<Revocation>), Problem> {
    let new = revoke::NewRevocation {
        person: new.person,
        role: new.role,
        account: new.account,
        everything: new.everything,
        reason: new.reason,
    };
    let begun = revoke::revoke(&ctx, new).await?;
    let view = find::revocation(&ctx, begun.id).await?;
    // 202: it holds from now on, and what is open ends; AWS follows.
    Ok((StatusCode::ACCEPTED, Json(Revocation::of(&view))))
}

/// Revocations, newest first; for admins and auditors
#[utoipa::path(get, path = "/revocations", operation_id = "list_revocations",
    params(("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "revocation")),
    responses((status = 200, body = List<Revocation>)))]
pub(super) async fn list(
    Caller(ctx): Caller,
    Asked(asked): Asked<Filter>,
) -> Result<Json<List<Revocation>>, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let found = find::revocations(&ctx, page).await?;
    Ok(Json(List::of(found, |view| Revocation::of(&view))))
}

/// One revocation; for admins and auditors
#[utoipa::path(get, path = "/revocations/{id}",
    params(("id" = String, Path, description = "TypeID", format = "revocation")),
    responses((status = 200, body = Revocation)))]
pub(super) async fn get(
    Caller(ctx): Caller,
    Id(id): Id<RevocationId>,
) -> Result<Json<Revocation>, Problem> {
    Ok(Json(Revocation::of(&find::revocation(&ctx, id).await?)))
}

/// The grants that were not over when it began, newest first, with how far the end of each has come
#[utoipa::path(get, path = "/revocations/{id}/grants",
    params(("id" = String, Path, description = "TypeID", format = "revocation"),
           ("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "grant")),
    responses((status = 200, body = List<RevokedGrant>)))]
pub(super) async fn grants(
    Caller(ctx): Caller,
    Id(id): Id<RevocationId>,
    Asked(asked): Asked<Filter>,
) -> Result<Json<List<RevokedGrant>>, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let found = find::revoked(&ctx, id, page).await?;
    Ok(Json(List::of(found, RevokedGrant::of)))
}

/// Lift its hold; of one on everything, the first admin asks and another one does
#[utoipa::path(post, path = "/revocations/{id}/lift",
    params(("id" = String, Path, description = "TypeID", format = "revocation")),
    request_body = Option<Nothing>,
    responses((status = 200, body = Revocation)))]
pub(super) async fn lift(
    Caller(ctx): Caller,
    Id(id): Id<RevocationId>,
    Said(_): Said<Nothing>,
) -> Result<Json<Revocation>, Problem> {
    revoke::lift(&ctx, id).await?;
    Ok(Json(Revocation::of(&find::revocation(&ctx, id).await?)))
}
