//! The review page of one request: what is asked for, who decides, what came of it.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};

use super::history::{self, Entry};
use super::page::{self, Frame, Here};
use super::problem::{Failed, answer};
use super::show::{self, Badge, Icon};
use super::visit::{self, Named, Sent, Visit};
use super::{assets, commands};
use crate::app::find::{self, Decision, May};
use crate::app::{approve, deny, withdraw};
use crate::domain::entitlement::Method;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::{Request, RequestState};
use crate::error::{Error, FieldError};
use crate::ids::RequestId;

/// A step towards the end of a grant.
pub struct Moment {
    word: &'static str,
    means: &'static str,
    at: Option<DateTime<Utc>>,
}

/// What the decision's form sends.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecideForm {
    /// `approve` or `deny`.
    pub choice: String,
    /// In the approver's words.
    pub comment: String,
}

/// `GET /requests/{id}`
#[derive(Template)]
#[template(path = "pages/request.html")]
pub struct RequestPage {
    /// Around it.
    pub frame: Frame,
    /// The request.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Whether it is the caller's own.
    pub mine: bool,
    /// Decisions until now.
    pub decisions: Vec<Decision>,
    /// Names of those who could still decide.
    pub approvers: Vec<String>,
    /// What the caller may do.
    pub may: May,
    /// Its grant.
    pub grant: Option<Grant>,
    /// When the grant's session names may be used again.
    pub settled_at: Option<DateTime<Utc>>,
    /// What happened until now.
    pub history: Vec<Entry>,
    /// Where AWS is, for the commands.
    pub aws: commands::Aws,
    /// What was typed.
    pub form: DecideForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}

impl RequestPage {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    fn standing(&self) -> Badge {
        show::standing(
            &self.request.state,
            self.grant.as_ref().map(|grant| &grant.state),
        )
    }

    fn have(&self) -> usize {
        self.decisions
            .iter()
            .filter(|decided| decided.approved)
            .count()
    }

    fn missing(&self) -> usize {
        usize::try_from(self.request.terms.needed)
            .unwrap_or_default()
            .saturating_sub(self.have())
    }

    fn effect(&self) -> String {
        if self.missing() > 1 {
            return format!("counts as one; {} more needed after it", self.missing() - 1);
        }
        let length = show::seconds(&self.request.duration_seconds);
        match self
            .request
            .starts_at
            .filter(|start| *start > self.frame.now)
        {
            Some(_) => format!("opens the role for {length} at the start that was asked for"),
            None => format!("opens the role for {length} from now"),
        }
    }

    /// Whether the page is worth looking at again by itself.
    fn moving(&self) -> bool {
        match &self.grant {
            Some(grant) => match grant.state {
                GrantState::Scheduled
                | GrantState::Opening { .. }
                | GrantState::Active { .. }
                | GrantState::Closing(_) => true,
                GrantState::Ended { .. } | GrantState::Failed { .. } => {
                    self.settled_at.is_some_and(|at| at > self.frame.now)
                }
            },
            None => self.request.state.closed_at().is_none(),
        }
    }

    /// What another look is compared with.
    fn watch(&self) -> String {
        let settled = self.settled_at.is_some_and(|at| at <= self.frame.now);
        format!(
            "{}-{}-{}-{settled}",
            self.request.version,
            self.standing().word,
            self.history.len()
        )
    }

    fn is_live(&self) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|grant| matches!(grant.state, GrantState::Active { .. }))
    }

    /// Whether the grant can be used, now or soon.
    fn usable(&self) -> bool {
        self.grant.as_ref().is_some_and(|grant| match grant.state {
            GrantState::Scheduled | GrantState::Opening { .. } | GrantState::Active { .. } => true,
            GrantState::Closing(_) | GrantState::Ended { .. } | GrantState::Failed { .. } => false,
        })
    }

    /// The console's session name, where AWS does not take it for this grant.
    fn barred_name(&self) -> Option<&str> {
        let grant = self.grant.as_ref()?;
        let name = grant.console_name.as_deref()?;
        grant.usable_console_name().is_none().then_some(name)
    }

    /// Requested, confirmed and settled, once the end was asked for of something that AWS was told of.
    fn moments(&self) -> Option<[Moment; 3]> {
        let (requested, confirmed) = match &self.grant.as_ref()?.state {
            GrantState::Closing(closing) => (closing.since, None),
            GrantState::Ended {
                opening_at: Some(_),
                requested_at,
                at,
                ..
            }
            | GrantState::Failed {
                opening_at: Some(_),
                requested_at,
                at,
                ..
            } => (*requested_at, Some(*at)),
            GrantState::Scheduled
            | GrantState::Opening { .. }
            | GrantState::Active { .. }
            | GrantState::Ended {
                opening_at: None, ..
            }
            | GrantState::Failed {
                opening_at: None, ..
            } => return None,
        };
        let moment = |word, means, at| Moment { word, means, at };
        Some([
            moment("Requested", "the end is on record", Some(requested)),
            moment("Confirmed", "AWS was read back without it", confirmed),
            moment(
                "Settled",
                "no part of AWS can lag behind",
                self.settled_at.filter(|at| *at <= self.frame.now),
            ),
        ])
    }

    fn cli_command(&self) -> String {
        self.command(commands::Aws::cli)
    }

    fn curl_command(&self) -> String {
        self.command(commands::Aws::curl)
    }

    fn try_command(&self) -> String {
        self.aws.list_users()
    }

    fn command(&self, write: impl Fn(&commands::Aws, &str, &str) -> String) -> String {
        let name = self.grant.as_ref().map_or("", |grant| &grant.grant_name);
        write(&self.aws, &self.request.terms.role_arn, name)
    }
}

/// `GET /requests/{id}`
pub async fn page(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let page = look(&visit, id.parse()?, DecideForm::default(), vec![]).await?;
    Ok(answer(StatusCode::OK, &page))
}

/// `GET` of what only takes a form: after a form was refused its address stays in the browser.
pub async fn back(_: Visit, Named(id): Named) -> Result<Redirect, Failed> {
    Ok(to(id.parse()?))
}

/// `POST /requests/{id}/decide`
pub async fn decide(
    visit: Visit,
    Named(id): Named,
    Sent(form): Sent<DecideForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<RequestId>()?;
    let comment = visit::typed(&form.comment);
    let decided = match form.choice.as_str() {
        "approve" => approve::approve(&visit.ctx, id, comment).await,
        "deny" => deny::deny(&visit.ctx, id, comment).await,
        // Nothing was decided, so that there is nothing to put on record.
        _ => {
            let error = Error::field("choice", "is missing: approve or deny");
            let page = look(&visit, id, form, page::errors(&error)).await?;
            return Ok(answer(error.status(), &page));
        }
    };
    match decided {
        Ok(_) => Ok(to(id).into_response()),
        Err(error) => again(&visit, id, form, error).await,
    }
}

/// `POST /requests/{id}/withdraw`
pub async fn withdraw(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let id = id.parse::<RequestId>()?;
    match withdraw::withdraw(&visit.ctx, id).await {
        Ok(_) => Ok(to(id).into_response()),
        Err(error) => again(&visit, id, DecideForm::default(), error).await,
    }
}

fn to(id: RequestId) -> Redirect {
    Redirect::to(&format!("/requests/{id}"))
}

/// The page once more, with what was typed and what is wrong with it.
///
/// # Errors
/// `error` itself, where the form cannot mend it.
pub async fn again(
    visit: &Visit,
    id: RequestId,
    form: DecideForm,
    error: Error,
) -> Result<Response, Failed> {
    if !page::mends(&error) {
        return Err(error.into());
    }
    match look(visit, id, form, page::errors(&error)).await {
        Ok(page) => Ok(answer(error.status(), &page)),
        // What somebody may not look at any more still tells them what became of it.
        Err(Failed(Error::NotFound)) => Err(error.into()),
        Err(failed) => Err(failed),
    }
}

async fn look(
    visit: &Visit,
    id: RequestId,
    form: DecideForm,
    errors: Vec<FieldError>,
) -> Result<RequestPage, Failed> {
    let view = find::request(&visit.ctx, id).await?;
    let mine = view.request.person == visit.ctx.person.id;
    let here = if mine { Here::Requests } else { Here::Waiting };
    Ok(RequestPage {
        frame: visit.frame(here).await?,
        requester: view.requester,
        mine,
        decisions: view.decisions,
        approvers: view.approvers,
        may: view.may,
        grant: view.grant,
        settled_at: view.settled_at,
        history: history::entries(&view.events),
        aws: visit.portal.settings.aws.clone(),
        form,
        errors,
        request: view.request,
    })
}
