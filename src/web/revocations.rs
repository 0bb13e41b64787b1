//! Revocations: ending everything of a scope, and how far that has come. For admins; auditors look.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::assets;
use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::requests::Begin;
use super::show::{self, Badge, Icon, Tone};
use super::visit::{self, Asked, Away, Kept, Named, Sent, Visit};
use crate::app::find::{self, Page, RevocationView, RevokedView};
use crate::app::probe;
use crate::app::revoke::{self, NewRevocation};
use crate::domain::probe::Probed;
use crate::domain::revocation::{Hold, Scope};
use crate::error::{Error, FieldError};
use crate::ids::{GrantId, PersonId, RevocationId};

/// What the form sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RevokeForm {
    /// TypeID or e-mail address.
    pub person: String,
    /// ARN.
    pub role: String,
    /// The 12 digits.
    pub account: String,
    /// The word `everything`, typed.
    pub everything: String,
    /// Why.
    pub reason: String,
}

/// A form without fields.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiftForm {}

/// Which of its grants is to be tried.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeForm {
    /// TypeID.
    pub grant: String,
}

/// `GET /revocations`
#[derive(Template)]
#[template(path = "pages/revocations.html")]
pub struct Revocations {
    /// Around it.
    pub frame: Frame,
    /// What was typed.
    pub form: RevokeForm,
    /// What is wrong with that.
    pub errors: Vec<FieldError>,
    /// Whether the caller may begin one.
    pub may_revoke: bool,
    /// They, the latest first.
    pub items: Vec<Told>,
    /// Link to the next page.
    pub next: Option<String>,
}

/// `GET /revocations/{id}`
#[derive(Template)]
#[template(path = "pages/revocation.html")]
pub struct Revocation {
    /// Around it.
    pub frame: Frame,
    /// What is wrong with what was tried.
    pub errors: Vec<FieldError>,
    /// The revocation.
    pub told: Told,
    /// Those of its grants of which credentials work that nothing can cut, the latest first.
    pub uncut: Vec<RevokedView>,
    /// Its other grants, the latest first.
    pub grants: Vec<RevokedView>,
    /// Link to the next page of them.
    pub next: Option<String>,
}

/// A revocation in words.
#[derive(Debug, Clone)]
pub struct Told(pub RevocationView);

impl Told {
    /// What it is of.
    fn title(&self) -> String {
        let called = self.0.called.as_deref().unwrap_or_default();
        match self.0.revocation.scope {
            Scope::Person(_) => format!("Everything of {called}"),
            Scope::Role(_) => format!("Everything on {}", show::short_arn(called)),
            Scope::Account(_) => format!("Everything in account {called}"),
            Scope::Everything => "Everything".to_owned(),
        }
    }

    /// How far it has come.
    fn progress(&self) -> String {
        let sum = &self.0.sum;
        let all = sum.open + sum.closing + sum.over;
        let of = match all {
            1 => "1 grant".to_owned(),
            more => format!("{more} grants"),
        };
        match (all, sum.open, sum.closing) {
            (0, ..) => "Nothing was open.".to_owned(),
            (_, 0, 0) => format!("AWS was read back without {of}."),
            (_, 0, closing) if sum.uncut >= closing => {
                format!("{closing} of {of} wait for what was handed out to expire.")
            }
            (_, 0, closing) => format!("{closing} of {of} wait for AWS."),
            (_, open, _) => format!("{open} of {of} still have to be ended."),
        }
    }

    /// How many grants are not over of which nothing can be cut early.
    fn uncut(&self) -> String {
        match self.0.sum.uncut {
            1 => "1 grant".to_owned(),
            more => format!("{more} grants"),
        }
    }

    /// Where it stands, as icon and word.
    fn standing(&self) -> Badge {
        let (tone, icon, word) = match (self.0.is_proven(), self.0.is_done()) {
            (true, _) => (Tone::Good, Icon::Check, "Settled"),
            (_, true) => (Tone::Wait, Icon::Hourglass, "Closed"),
            _ => (Tone::Wait, Icon::Hourglass, "Ending"),
        };
        Badge { tone, icon, word }
    }

    /// Somebody's name.
    fn name(&self, id: &PersonId) -> &str {
        self.0.names.get(id).map_or("", String::as_str)
    }

    /// Whether two people have to lift it, and neither has said so.
    fn lifts_first(&self) -> bool {
        self.0.revocation.scope == Scope::Everything && self.0.revocation.hold == Hold::Held
    }
}

impl Revocations {
    /// Whether the form was filled in after a sign-in.
    fn filled(&self) -> bool {
        self.may_revoke && self.errors.is_empty() && self.form != RevokeForm::default()
    }

    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }
}

impl Revocation {
    /// What came of a try whether a grant's sessions are denied.
    fn seen(probe: &Probed) -> Badge {
        let (tone, icon, word) = match probe.outcome.as_str() {
            "denied" => (Tone::Good, Icon::Check, "AWS denies its session"),
            "not_denied" => (Tone::Bad, Icon::Warning, "AWS does not deny its session"),
            _ => (Tone::Quiet, Icon::Hourglass, "Nothing was learned"),
        };
        Badge { tone, icon, word }
    }

    /// Whether the caller may try one of them.
    fn may_try(&self) -> bool {
        self.grants.iter().any(|it| it.may_probe)
    }

    /// What another look is compared with.
    fn watch(&self) -> String {
        let view = &self.told.0;
        let sum = &view.sum;
        format!(
            "{}-{}-{}-{}-{}-{}",
            view.revocation.hold.as_str(),
            sum.uncut,
            sum.open,
            sum.closing,
            sum.over,
            sum.unsettled
        )
    }
}

/// `GET /revocations`
pub async fn page(
    visit: Visit,
    Asked(begin): Asked<Begin>,
    Asked(kept): Asked<Kept>,
) -> Result<Response, Failed> {
    let draft = visit.draft(&kept).await?;
    let form = visit::typed_at(draft.as_ref(), "/revocations");
    list(
        &visit,
        begin,
        form.unwrap_or_default(),
        vec![],
        StatusCode::OK,
    )
    .await
}

async fn list(
    visit: &Visit,
    begin: Begin,
    form: RevokeForm,
    errors: Vec<FieldError>,
    status: StatusCode,
) -> Result<Response, Failed> {
    let cursor = begin.cursor.map(|id| id.parse::<RevocationId>());
    let cursor = cursor.transpose()?;
    let found = find::revocations(&visit.ctx, Page { cursor, limit: 25 }).await?;
    let page = Revocations {
        frame: visit.frame(Here::Revocations).await?,
        form,
        errors,
        may_revoke: revoke::may(&visit.ctx),
        items: found.items.into_iter().map(Told).collect(),
        next: found.next.map(|id| format!("/revocations?cursor={id}")),
    };
    Ok(answer(status, &page))
}

/// `POST /revocations`
pub async fn revoke(
    visit: Result<Visit, Away>,
    Sent(form): Sent<RevokeForm>,
) -> Result<Response, Failed> {
    let visit = match visit {
        Ok(visit) => visit,
        Err(away) => return Ok(away.keeping(&form).await),
    };
    let everything = form.everything.trim();
    if !everything.is_empty() && everything != "everything" {
        let wrong = FieldError::invalid("everything", "is typed out, or left empty");
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return list(&visit, Begin::default(), form, vec![wrong], status).await;
    }
    let new = NewRevocation {
        person: visit::typed(&form.person),
        role: visit::typed(&form.role),
        account: visit::typed(&form.account),
        everything: !everything.is_empty(),
        reason: form.reason.clone(),
    };
    match revoke::revoke(&visit.ctx, new).await {
        Ok(begun) => Ok(Redirect::to(&format!("/revocations/{}", begun.id)).into_response()),
        Err(error) if page::mends(&error) => {
            let (status, errors) = (failed::status(&error), page::errors(&error));
            list(&visit, Begin::default(), form, errors, status).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /revocations/{id}`
pub async fn one(
    visit: Visit,
    Named(id): Named,
    Asked(begin): Asked<Begin>,
) -> Result<Response, Failed> {
    show_one(&visit, id.parse()?, begin, vec![], StatusCode::OK).await
}

async fn show_one(
    visit: &Visit,
    id: RevocationId,
    begin: Begin,
    errors: Vec<FieldError>,
    status: StatusCode,
) -> Result<Response, Failed> {
    let cursor = begin.cursor.map(|id| id.parse::<GrantId>()).transpose()?;
    let view = find::revocation(&visit.ctx, id).await?;
    let found = find::revoked(&visit.ctx, id, Page { cursor, limit: 50 }).await?;
    let (uncut, grants) = found.items.into_iter().partition(RevokedView::is_uncut);
    let page = Revocation {
        frame: visit.frame(Here::Revocations).await?,
        errors,
        told: Told(view),
        uncut,
        grants,
        next: found
            .next
            .map(|next| format!("/revocations/{id}?cursor={next}")),
    };
    Ok(answer(status, &page))
}

/// `GET` of what only takes a form: after a form was refused its address stays in the browser.
pub async fn back(_: Visit, Named(id): Named) -> Result<Redirect, Failed> {
    let id = id.parse::<RevocationId>()?;
    Ok(Redirect::to(&format!("/revocations/{id}")))
}

/// `POST /revocations/{id}/lift`
pub async fn lift(
    visit: Visit,
    Named(id): Named,
    Sent(LiftForm {}): Sent<LiftForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<RevocationId>()?;
    again(&visit, id, revoke::lift(&visit.ctx, id).await).await
}

/// `POST /revocations/{id}/probe`
pub async fn probe(
    visit: Visit,
    Named(id): Named,
    Sent(form): Sent<ProbeForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<RevocationId>()?;
    let grant = form.grant.parse::<GrantId>()?;
    again(&visit, id, probe::probe(&visit.ctx, grant).await).await
}

/// The revocation's page as it is now, with why something was not done.
async fn again<T>(
    visit: &Visit,
    id: RevocationId,
    done: Result<T, Error>,
) -> Result<Response, Failed> {
    match done {
        Ok(_) => Ok(Redirect::to(&format!("/revocations/{id}")).into_response()),
        Err(error) if page::mends(&error) => {
            let (status, errors) = (failed::status(&error), page::errors(&error));
            show_one(visit, id, Begin::default(), errors, status).await
        }
        Err(error) => Err(error.into()),
    }
}
