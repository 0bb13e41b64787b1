//! The audit log.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::assets;
use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::{self, Icon};
use super::visit::{self, Asked, Visit};
use crate::app::find::{self, AuditFilter, Entry, Items, Page};
use crate::domain::audit::NAMES;
use crate::error::{Error, FieldError, InputError};
use crate::ids::EventId;

/// What the filter's form sends; empty fields filter nothing.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Name of an action.
    pub action: String,
    /// Id of an actor.
    pub actor: String,
    /// Id of what it was done to.
    pub subject: String,
    /// `YYYY-MM-DDTHH:MM` in UTC.
    pub from: String,
    /// Likewise.
    pub to: String,
    /// Where the page begins.
    pub cursor: String,
}

/// One event.
#[derive(Debug, Clone)]
pub struct Line {
    /// When.
    pub at: DateTime<Utc>,
    /// Who, by name.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// success, refused or failure.
    pub outcome: String,
    /// The error code, unless it was done.
    pub code: Option<String>,
    /// Through what.
    pub channel: String,
    /// What else there is to know.
    pub details: Vec<(String, String)>,
}

/// The outcome as icon and word.
#[derive(Template)]
#[template(
    source = r#"<span class="outcome {{ tone }}">{{ show::icon(icon) }}{{ word }}</span>"#,
    ext = "html"
)]
struct Told {
    tone: &'static str,
    icon: Icon,
    word: String,
}
impl askama::filters::HtmlSafe for Told {}

impl From<Entry> for Line {
    fn from(event: Entry) -> Self {
        let details = event.details.as_object().into_iter().flatten();
        Self {
            details: details
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.replace('_', " "), words(value)))
                .collect(),
            at: event.at,
            actor: event.actor_name,
            action: event.action,
            subject: event.subject,
            outcome: event.outcome,
            code: event.code,
            channel: event.channel,
        }
    }
}

/// A detail as people read it; times like every other time.
fn words(value: &Value) -> String {
    let Some(text) = value.as_str() else {
        return value.to_string();
    };
    match text.parse::<DateTime<Utc>>() {
        Ok(at) => at.format("%-d %b %Y, %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

impl Line {
    fn result(&self) -> Told {
        let (tone, icon) = match self.outcome.as_str() {
            "success" => ("good", Icon::Check),
            "refused" => ("wait", Icon::Cross),
            _ => ("bad", Icon::Warning),
        };
        Told {
            tone,
            icon,
            word: self.outcome.clone(),
        }
    }

    fn link(&self) -> Option<String> {
        // Only these have a page.
        let place = match self.subject.split_once('_')?.0 {
            "req" => "requests",
            "grant" => "grants",
            _ => return None,
        };
        Some(format!("/{place}/{}", self.subject))
    }
}

/// `GET /audit`
#[derive(Template)]
#[template(path = "pages/audit.html")]
pub struct Audit {
    /// Around it.
    pub frame: Frame,
    /// What was filtered by.
    pub filter: Filter,
    /// What is wrong with that.
    pub errors: Vec<FieldError>,
    /// Whether the log is shown whole.
    pub all: bool,
    /// Names of the actions there are.
    pub actions: &'static [&'static str],
    /// The events, the latest first.
    pub events: Vec<Line>,
    /// Link to the next page.
    pub next: Option<String>,
}

impl Audit {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }
}

impl Filter {
    fn read(&self) -> Result<AuditFilter, Error> {
        // Postgres takes no NUL in a text.
        let text = |typed: &str| visit::typed(&typed.trim().replace('\0', ""));
        let mut wrong = Vec::new();
        let mut time = |field, typed: &str| {
            visit::moment(typed).unwrap_or_else(|_| {
                let detail =
                    "must be a day and a time such as 2026-11-23T21:40, of the years 0000 to 9999";
                wrong.push(FieldError::invalid(field, detail));
                None
            })
        };
        let read = AuditFilter {
            action: text(&self.action),
            actor: text(&self.actor),
            subject: text(&self.subject),
            from: time("from", &self.from),
            to: time("to", &self.to),
        };
        if wrong.is_empty() {
            Ok(read)
        } else {
            Err(InputError::Fields(wrong).into())
        }
    }

    /// The address of the page that begins after `cursor`.
    fn after(&self, cursor: EventId) -> String {
        let cursor = cursor.to_string();
        let fields = [
            ("action", &self.action),
            ("actor", &self.actor),
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
            ("cursor", &cursor),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        format!("/audit?{}", query.finish())
    }
}

/// `GET /audit`
pub async fn page(visit: Visit, Asked(filter): Asked<Filter>) -> Result<Response, Failed> {
    let (status, listed, errors) = match filter.read() {
        Ok(read) => {
            let cursor = Some(&filter.cursor).filter(|cursor| !cursor.is_empty());
            let cursor = cursor.map(|cursor| cursor.parse::<EventId>()).transpose()?;
            let listed = find::audit_events(&visit.ctx, read, Page { cursor, limit: 50 }).await?;
            (StatusCode::OK, listed, vec![])
        }
        // No events: the whole log would look like what the filter has found.
        Err(error) => (
            failed::status(&error),
            Items {
                items: vec![],
                next: None,
            },
            page::errors(&error),
        ),
    };
    let page = Audit {
        frame: visit.frame(Here::Audit).await?,
        all: visit.ctx.sees_all(),
        errors,
        actions: NAMES,
        next: listed.next.map(|cursor| filter.after(cursor)),
        events: listed.items.into_iter().map(Line::from).collect(),
        filter,
    };
    Ok(answer(status, &page))
}
