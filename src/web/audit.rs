//! The audit log.

use askama::Template;
use chrono::{DateTime, Utc};

use super::assets;
use super::page::{FieldError, Frame, Here};
use super::show::{self, Icon};

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
struct Result {
    tone: &'static str,
    icon: Icon,
    word: String,
}
impl askama::filters::HtmlSafe for Result {}

impl Line {
    fn result(&self) -> Result {
        let (tone, icon) = match self.outcome.as_str() {
            "success" => ("good", Icon::Check),
            "refused" => ("wait", Icon::Cross),
            _ => ("bad", Icon::Warning),
        };
        Result {
            tone,
            icon,
            word: self.outcome.clone(),
        }
    }

    fn link(&self) -> Option<String> {
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
    /// Names of the actions there are.
    pub actions: Vec<&'static str>,
    /// The events, the latest first.
    pub events: Vec<Line>,
    /// Link to the next page.
    pub next: Option<String>,
}
