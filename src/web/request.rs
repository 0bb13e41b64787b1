//! The review page of one request: what is asked for, who decides, what came of it.

use askama::Template;
use chrono::{DateTime, Utc};

use super::history::Entry;
use super::page::{self, FieldError, Frame, Here};
use super::show::{self, Badge, Icon};
use super::{assets, commands};
use crate::domain::entitlement::Method;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::{Request, RequestState};

/// What the caller may do now; every verb asks again.
#[derive(Debug, Clone, Copy, Default)]
pub struct May {
    /// Approve or deny.
    pub decide: bool,
    /// Take the request back.
    pub withdraw: bool,
    /// End the grant.
    pub end: bool,
}

/// A decision that was made.
#[derive(Debug, Clone)]
pub struct Decided {
    /// By whom.
    pub by: String,
    /// Whether it was an approval.
    pub approved: bool,
}

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
    pub decisions: Vec<Decided>,
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
