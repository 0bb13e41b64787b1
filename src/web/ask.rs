//! Asking for an entitlement.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::failed::{self, Failed};
use super::forms::LENGTHS;
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::Icon;
use super::visit::{self, Asked, Away, Kept, Named, Sent, Visit};
use super::{assets, show};
use crate::app::find;
use crate::app::submit::{self, NewRequest};
use crate::domain::audit::verb::Verb;
use crate::domain::entitlement::{Entitlement, Method};
use crate::domain::fetch::LEAST_LEFT;
use crate::domain::person::Principal;
use crate::domain::rules::{Presence, Rules};
use crate::error::{Error, FieldError};

/// The fields in the order of the form.
const FIELDS: [&str; 5] = [
    "duration",
    "justification",
    "principal",
    "ticket",
    "starts_at",
];

/// What the form sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AskForm {
    /// One of the offered lengths, or `other`.
    pub duration: String,
    /// Another length.
    pub other: String,
    /// Why.
    pub justification: String,
    /// A ticket's name or URL; empty for none.
    pub ticket: String,
    /// `YYYY-MM-DDTHH:MM` in UTC; empty for at once.
    pub starts_at: String,
    /// ARN of the identity to be let in; empty where the caller has one alone.
    pub principal: String,
}

/// `GET /entitlements/{name}`
#[derive(Template)]
#[template(path = "pages/ask.html")]
pub struct Ask {
    /// Around it.
    pub frame: Frame,
    /// What is asked for.
    pub entitlement: Entitlement,
    /// What was typed.
    pub form: AskForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// The lengths on offer, seconds.
    pub choices: Vec<i32>,
    /// ARNs of the caller's AWS identities.
    pub principals: Vec<Principal>,
    /// Those of them from which somebody has taken away what the last grant had put.
    pub undone: Vec<find::Undone>,
    /// What the caller has of it already, or waits for.
    pub held: Vec<find::Held>,
}

impl Ask {
    /// The form for `entitlement`, with what was typed before.
    #[must_use]
    pub fn new(
        frame: Frame,
        entitlement: Entitlement,
        form: AskForm,
        mut errors: Vec<FieldError>,
    ) -> Self {
        // In the order of the form; what concerns the whole of it has no place there and comes
        // first.
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let terms = &entitlement.terms;
        let within = terms.min_duration_seconds..=terms.max_duration_seconds;
        // In its last minute nothing is handed out: shorter ones could never be used.
        let least_useful = match terms.method {
            Method::StsCredentials => LEAST_LEFT.num_seconds(),
            Method::TrustPolicy | Method::Switch | Method::Attach => 0,
        };
        Self {
            choices: LENGTHS
                .into_iter()
                .filter(|length| within.contains(length) && i64::from(*length) > least_useful)
                .collect(),
            frame,
            entitlement,
            form,
            errors,
            principals: vec![],
            undone: vec![],
            held: vec![],
        }
    }

    const fn rules(&self) -> &Rules {
        &self.entitlement.terms.rules
    }

    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    const fn holder(&self) -> &'static str {
        "You have"
    }

    /// Whether it is worth saying which identity has something.
    const fn several(&self) -> bool {
        self.principals.len() > 1
    }

    /// Whether the caller may follow it: another account of theirs sees its own alone.
    fn links(&self, held: &find::Held) -> bool {
        self.frame
            .me
            .as_ref()
            .is_some_and(|me| me.id == held.person)
    }

    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    /// Whether it was filled in after a sign-in.
    fn filled(&self) -> bool {
        self.errors.is_empty() && self.form != AskForm::default()
    }

    /// What was chosen; at first the longest length that is not above an hour.
    fn chosen(&self, length: &i32) -> bool {
        if self.form.duration.is_empty() {
            let first = self.choices.iter().rev().find(|choice| **choice <= 3600);
            return first.or(self.choices.first()) == Some(length);
        }
        self.form.duration == format!("{length}s")
    }
}

impl AskForm {
    /// What is asked for. What is no length or no time is told with everything else that is wrong.
    fn read(&self, entitlement: &Entitlement) -> NewRequest {
        let typed = if self.duration == "other" {
            &self.other
        } else {
            &self.duration
        };
        let mut unread = Vec::new();
        let duration_seconds = visit::length(typed).unwrap_or_else(|error| {
            unread.push(error);
            0
        });
        let starts_at = visit::moment(&self.starts_at).unwrap_or_else(|_| {
            let detail = "must be a day and a time such as 2026-11-23T21:40";
            unread.push(FieldError::invalid("starts_at", detail));
            None
        });
        NewRequest {
            entitlement: entitlement.terms.name.clone(),
            principal: visit::typed(&self.principal),
            duration_seconds,
            justification: self.justification.clone(),
            starts_at,
            ticket: visit::typed(&self.ticket),
            unread,
        }
    }
}

/// `GET /entitlements/{name}`
pub async fn page(
    visit: Visit,
    Named(name): Named,
    Asked(kept): Asked<Kept>,
) -> Result<Response, Failed> {
    let entitlement = find::entitlement(&visit.ctx, &name).await?;
    let draft = visit.draft(&kept).await?;
    let form = visit::typed_at(draft.as_ref(), &format!("/entitlements/{name}"));
    show(&visit, entitlement, form.unwrap_or_default(), None).await
}

/// `POST /entitlements/{name}`
pub async fn submit(
    visit: Result<Visit, Away>,
    Named(name): Named,
    Sent(form): Sent<AskForm>,
) -> Result<Response, Failed> {
    let visit = match visit {
        Ok(visit) => visit,
        Err(away) => return Ok(away.keeping(&form).await),
    };
    let entitlement = match find::entitlement(&visit.ctx, &name).await {
        Ok(entitlement) => entitlement,
        // No verb has been reached: the refusal is put on record here.
        Err(error) => {
            return Err(visit
                .ctx
                .refused(Verb::Submit, submit::subject(&name), error)
                .await
                .into());
        }
    };
    let asked = submit::submit(&visit.ctx, form.read(&entitlement)).await;
    match asked {
        Ok(asked) => {
            let place = format!("/requests/{}", asked.request().id);
            // A redirect: reloading the page must not ask once more.
            Ok(Redirect::to(&place).into_response())
        }
        Err(error) if page::mends(&error) => show(&visit, entitlement, form, Some(error)).await,
        Err(error) => Err(error.into()),
    }
}

async fn show(
    visit: &Visit,
    entitlement: Entitlement,
    form: AskForm,
    error: Option<Error>,
) -> Result<Response, Failed> {
    let status = error.as_ref().map_or(StatusCode::OK, failed::status);
    let errors = error.as_ref().map_or_else(Vec::new, page::errors);
    let principals = find::fitting(&visit.ctx, &entitlement.terms).await?;
    let mut undone = find::undone(&visit.ctx, &entitlement.terms).await?;
    undone.retain(|it| principals.iter().any(|own| own.arn == it.arn));
    let page = Ask {
        principals,
        undone,
        held: find::held(&visit.ctx, entitlement.id).await?,
        ..Ask::new(visit.frame(Here::Home).await?, entitlement, form, errors)
    };
    Ok(answer(status, &page))
}
