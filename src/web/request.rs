//! The review page of one request: what is asked for, who decides, what came of it.

mod changed;
mod decide;
mod kept;
mod uses;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};

use super::access::{self, Access};
use super::failed::{self, Failed};
use super::forms::ExtendForm;
use super::history::{self, Entry};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::{self, Badge, Icon};
use super::visit::{Asked, Kept, Named, Visit};
use super::{assets, commands, cookie, outlives};
use crate::app::find::{self, Approvers, Decision, Delay, May, Question, StageView};
use crate::app::{delegations, withdraw};
use crate::domain::cause::Cause;
use crate::domain::entitlement::{Method, Scope};
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::{Request, RequestState, Verdict};
use crate::domain::rules::{Presence, Rules};
use crate::domain::tally::StageState;
use crate::error::{Error, FieldError, StateError, VoteError};
use crate::ids::RequestId;

pub use decide::{DecideForm, answer_question, decide, withdraw_approval};

/// A step towards the end of a grant.
pub struct Moment {
    word: &'static str,
    means: &'static str,
    at: Option<DateTime<Utc>>,
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
    /// What approvers have asked, and the answers.
    pub questions: Vec<Question>,
    /// What has changed since the caller looked, where that is why nothing was decided.
    pub changed: Vec<String>,
    /// How far its stages are.
    pub stages: Vec<StageView>,
    /// Who can still decide.
    pub approvers: Approvers,
    /// Whether the people that there are could still approve it.
    pub fillable: bool,
    /// Who could decide it and is away; for who decides it alone.
    pub away: Vec<delegations::Away>,
    /// What the caller may do.
    pub may: May,
    /// Its grant.
    pub grant: Option<Grant>,
    /// What keeps the grant waiting for AWS.
    pub delay: Option<Delay>,
    /// When no part of AWS can lag behind the grant's end any more.
    pub settled_at: Option<DateTime<Utc>>,
    /// Since when nothing of the grant can work although AWS has not been read without it.
    pub dead_since: Option<DateTime<Utc>>,
    /// Whether the role is closed to whoever has no grant.
    pub closed: bool,
    /// Whether it was withdrawn since its requester was disabled.
    pub has_left: bool,
    /// Where somebody has taken away what the last grant had put.
    pub undone: Vec<find::Undone>,
    /// What its requester has of the same already, or waits for.
    pub held: Vec<find::Held>,
    /// What happened until now.
    pub history: Vec<Entry>,
    /// Where AWS is, for the commands.
    pub aws: commands::Aws,
    /// What browsers call us, for the commands.
    pub public_url: String,
    /// The request for a later deadline of the grant that waits for a decision, where that is
    /// another one.
    pub extension: Option<RequestId>,
    /// What was typed for a later deadline.
    pub more: ExtendForm,
    /// What was typed for a decision.
    pub form: DecideForm,
    /// What was typed as the reason of an end.
    pub reason: String,
    /// What was typed beside taking an approval back.
    pub back: String,
    /// What was typed as an answer.
    pub answer: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// The external ID, where the caller is told it.
    pub external_id: Option<String>,
}

impl RequestPage {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    const fn rules(&self) -> &Rules {
        &self.request.terms.rules
    }

    fn holder(&self) -> String {
        if self.mine {
            "You have".to_owned()
        } else {
            format!("{} has", self.requester)
        }
    }

    /// It is of the same identity.
    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    const fn several(&self) -> bool {
        false
    }

    /// Only its requester is sure to see their other requests.
    fn links(&self, held: &find::Held) -> bool {
        self.mine && held.person == self.request.person
    }

    fn standing(&self) -> Badge {
        show::standing(&self.request.state, self.grant.as_ref(), &self.frame.now)
    }

    /// Whether there is one stage of one group, so that nothing has to be said of which.
    fn is_plain(&self) -> bool {
        let [stage] = self.stages.as_slice() else {
            return false;
        };
        let escalates = stage.groups.iter().any(|it| it.escalation.is_some());
        stage.groups.len() == 1 && !escalates
    }

    fn open_stage(&self) -> Option<&StageView> {
        self.stages.iter().find(|it| it.state == StageState::Open)
    }

    fn have(&self) -> i16 {
        self.stages.iter().map(|it| it.have).sum()
    }

    fn needed(&self) -> i16 {
        self.request.terms.stages.seats()
    }

    fn missing(&self) -> i16 {
        self.needed() - self.have()
    }

    /// The voice that ended it.
    fn denial(&self) -> Option<&Decision> {
        self.decisions
            .iter()
            .find(|decided| decided.verdict == Verdict::Deny)
    }

    /// Whether the start that was asked for is still to come.
    fn starts_later(&self) -> bool {
        self.request
            .starts_at
            .is_some_and(|start| start > self.frame.now)
    }

    fn effect(&self) -> String {
        if self.missing() > 1 {
            return format!("counts as one; {} more needed after it", self.missing() - 1);
        }
        let length = show::seconds(&self.request.effective_seconds);
        if let Some(until) = self.extends_until() {
            return format!(
                "moves the deadline by {length}, to {}",
                until.format("%H:%M:%S UTC")
            );
        }
        let what = if self.request.terms.method.opens_role() {
            "opens the role"
        } else {
            "allows it"
        };
        let uncut = if self.request.terms.early_end.cuts() {
            ""
        } else {
            ", and cannot be cut early"
        };
        if self.starts_later() {
            format!("{what} for {length} at the start that was asked for{uncut}")
        } else {
            format!("{what} for {length} from now{uncut}")
        }
    }

    /// Until when the grant is to last, where that is what is asked for and not decided yet.
    fn extends_until(&self) -> Option<DateTime<Utc>> {
        let grant = self.grant.as_ref()?;
        let is_pending = self.request.state == RequestState::Pending;
        let by = TimeDelta::seconds(self.request.effective_seconds.into());
        (self.request.extends.is_some() && is_pending).then(|| grant.deadline + by)
    }

    /// How long the grant lasts, with every extension.
    fn window_seconds(&self) -> i64 {
        let grant = self.grant.as_ref();
        grant.map_or(0, |it| (it.deadline - it.starts_at).num_seconds())
    }

    /// By how much later the deadline may be at most.
    fn most(&self) -> String {
        let grant = self.grant.as_ref();
        let longest = grant.map_or(0, |it| {
            it.longest_extension(&self.request.terms).num_seconds()
        });
        show::length(longest)
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
                    // Until then "Settled" is still to come, and once more where it is there again.
                    let is_back = grant.back_until(self.frame.now).is_some();
                    is_back || self.settled_at.is_some_and(|at| at > self.frame.now)
                }
            },
            None => self.request.state.closed_at().is_none(),
        }
    }

    /// What another look is compared with.
    fn watch(&self) -> String {
        let now = &self.frame.now;
        let settled = self.settled_at.is_some_and(|at| at <= *now);
        let late = self
            .grant
            .as_ref()
            .and_then(|it| access::waits_since(it, now));
        let (version, word) = (self.request.version, self.standing().word);
        let (steps, delayed) = (self.history.len(), self.delay.is_some());
        let late = late.is_some();
        format!("{version}-{word}-{steps}-{settled}-{late}-{delayed}")
    }

    /// The console's session name, where AWS does not take it for this grant.
    fn barred_name(&self) -> Option<&str> {
        let grant = self.grant.as_ref()?;
        let name = grant.console_name.as_deref()?;
        grant.usable_console_name().is_none().then_some(name)
    }

    /// Requested, confirmed and settled, once the end was asked for of something that AWS was told
    /// of.
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
        let means = if self.request.terms.early_end.cuts() {
            "AWS was read back without it"
        } else {
            "nothing that was handed out works any more"
        };
        Some([
            moment("Requested", "the end is on record", Some(requested)),
            moment("Confirmed", means, confirmed),
            moment(
                "Settled",
                "every part of AWS has had its time to follow",
                self.settled_at.filter(|at| *at <= self.frame.now),
            ),
        ])
    }
}

/// `GET /requests/{id}`
pub async fn page(
    visit: Visit,
    Named(id): Named,
    Asked(kept): Asked<Kept>,
) -> Result<Response, Failed> {
    let mut page = look(&visit, id.parse()?, Typed::default(), vec![]).await?;
    page.fill(visit.draft(&kept).await?.as_ref());
    Ok(answer(StatusCode::OK, &page))
}

/// `GET` of what only takes a form: after a form was refused its address stays in the browser.
pub async fn back(
    _: Visit,
    Named(id): Named,
    Asked(kept): Asked<Kept>,
) -> Result<Redirect, Failed> {
    let id = id.parse::<RequestId>()?;
    Ok(cookie::back(&format!("/requests/{id}"), kept.draft()))
}

/// What was typed into the forms of the page.
#[derive(Debug, Default)]
pub struct Typed {
    /// For a decision.
    pub form: DecideForm,
    /// As the reason of an end.
    pub reason: String,
    /// Beside taking an approval back.
    pub back: String,
    /// As an answer.
    pub answer: String,
    /// For a later deadline.
    pub more: ExtendForm,
}

/// `POST /requests/{id}/withdraw`
pub async fn withdraw(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let id = id.parse::<RequestId>()?;
    match withdraw::withdraw(&visit.ctx, id).await {
        Ok(_) => Ok(to(id).into_response()),
        Err(error) => again(&visit, id, Typed::default(), error).await,
    }
}

fn to(id: RequestId) -> Redirect {
    Redirect::to(&format!("/requests/{id}"))
}

/// The page as it is now, with what was typed and why it was not done.
///
/// # Errors
/// `error` itself, where the page cannot tell of it: what the caller may not see or do.
pub async fn again(
    visit: &Visit,
    id: RequestId,
    typed: Typed,
    error: Error,
) -> Result<Response, Failed> {
    if !page::mends(&error) {
        return Err(error.into());
    }
    let mut page = look(visit, id, typed, page::errors(&error)).await?;
    if let Error::State(StateError::Vote(VoteError::Changed { seen, .. })) = &error {
        page.changed = page.since(*seen);
        // They choose anew, by what stands there now.
        page.form.choice.clear();
    }
    Ok(answer(failed::status(&error), &page))
}

async fn look(
    visit: &Visit,
    id: RequestId,
    typed: Typed,
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
        questions: view.questions,
        changed: vec![],
        stages: view.stages,
        approvers: view.approvers,
        fillable: view.fillable,
        away: view.away,
        may: view.may,
        grant: view.grant,
        delay: view.delay,
        settled_at: view.settled_at,
        dead_since: view.dead_since,
        closed: view.closed,
        has_left: history::has_left(&view.events),
        undone: view.undone,
        held: view.held,
        history: history::entries(&view.events, view.request.terms.early_end.cuts()),
        aws: visit.portal.settings.aws.clone(),
        public_url: visit.portal.settings.public_url.clone(),
        extension: view.extension,
        more: typed.more,
        form: typed.form,
        reason: typed.reason,
        back: typed.back,
        answer: typed.answer,
        errors,
        external_id: find::external_id(&visit.ctx, &view.request),
        request: view.request,
    })
}
