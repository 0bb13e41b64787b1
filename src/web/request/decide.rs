//! What approvers decide on the page of a request, what they ask there, and the answers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{RequestPage, Typed, again, look, to};
use crate::app::load::Seen;
use crate::app::{approve, ask_question, deny, withdraw_approval as back};
use crate::domain::text::Words;
use crate::error::{Error, FieldError, InputError};
use crate::ids::RequestId;
use crate::web::failed::Failed;
use crate::web::forms::LENGTHS;
use crate::web::problem::answer;
use crate::web::visit::{self, Away, Named, Sent, Visit};

/// What the decision's form sends.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecideForm {
    /// `approve`, `deny` or `ask`.
    pub choice: String,
    /// In the approver's words.
    pub comment: String,
    /// The longest grant that they approve: one of the offered lengths, `other`, or empty for what
    /// stands.
    pub duration: String,
    /// Another length.
    pub other: String,
    /// The revision that the page showed.
    pub revision: Option<i32>,
}

impl DecideForm {
    /// The same for a page that nobody has decided by yet.
    pub(super) fn without_choice(self) -> Self {
        Self {
            choice: String::new(),
            revision: None,
            ..self
        }
    }

    /// How long a grant they approve at most, seconds.
    fn seconds(&self) -> Result<Option<i64>, FieldError> {
        match self.duration.as_str() {
            "" => Ok(None),
            "other" => visit::length(&self.other).map(Some),
            offered => visit::length(offered).map(Some),
        }
    }
}

/// What the form that takes an approval back sends.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommentForm {
    /// In the approver's words; empty for none.
    pub comment: String,
}

/// What the form below a question sends.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerForm {
    /// In the requester's words.
    pub text: String,
}

impl From<DecideForm> for Typed {
    fn from(form: DecideForm) -> Self {
        Self {
            form,
            ..Self::default()
        }
    }
}

impl RequestPage {
    /// The shorter lengths on offer, seconds.
    pub(super) fn lengths(&self) -> Vec<i32> {
        let within = self.request.least_seconds()..self.request.effective_seconds;
        let all = LENGTHS.into_iter();
        all.filter(|length| within.contains(length)).collect()
    }

    /// Whether that length was chosen.
    pub(super) fn chosen(&self, length: &i32) -> bool {
        self.form.duration == format!("{length}s")
    }
}

/// `POST /requests/{id}/decide`
pub async fn decide(
    visit: Result<Visit, Away>,
    Named(id): Named,
    Sent(form): Sent<DecideForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<RequestId>()?;
    let visit = match visit {
        Ok(visit) => visit,
        // The choice is left out: what fills a form in never decides.
        Err(away) => return Ok(away.keeping(&form.without_choice()).await),
    };
    let wrong = match form.choice.as_str() {
        "approve" => form.seconds().err().into_iter().collect(),
        "deny" | "ask" => Vec::new(),
        _ => no_choice(&form),
    };
    // Nothing was decided, so that there is nothing to put on record.
    if !wrong.is_empty() {
        let page = look(&visit, id, form.into(), wrong).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let seen = Seen {
        id,
        revision: form.revision,
    };
    let comment = visit::typed(&form.comment);
    let decided = match form.choice.as_str() {
        "approve" => {
            let seconds = form.seconds().ok().flatten();
            approve::approve(&visit.ctx, seen, comment, seconds).await
        }
        "deny" => deny::deny(&visit.ctx, seen, comment).await,
        _ => ask_question::ask(&visit.ctx, id, &form.comment)
            .await
            .map_err(|error| renamed(error, "text", "comment")),
    };
    match decided {
        Ok(_) => Ok(to(id).into_response()),
        Err(error) => again(&visit, id, form.into(), error).await,
    }
}

fn no_choice(form: &DecideForm) -> Vec<FieldError> {
    let mut wrong = vec![FieldError::invalid(
        "choice",
        "is missing: approve, deny or ask",
    )];
    let comment = visit::typed(&form.comment);
    if let Some(Err(error)) = comment.as_deref().map(Words::parse) {
        wrong.push(FieldError::invalid("comment", error.to_string()));
    }
    wrong
}

/// `POST /requests/{id}/withdraw-approval`
pub async fn withdraw_approval(
    visit: Result<Visit, Away>,
    Named(id): Named,
    Sent(form): Sent<CommentForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<RequestId>()?;
    let visit = match visit {
        Ok(visit) => visit,
        Err(away) => return Ok(away.keeping(&form).await),
    };
    let comment = visit::typed(&form.comment);
    match back::withdraw_approval(&visit.ctx, id, comment).await {
        Ok(_) => Ok(to(id).into_response()),
        Err(error) => {
            let typed = Typed {
                back: form.comment,
                ..Typed::default()
            };
            again(&visit, id, typed, renamed(error, "comment", "back")).await
        }
    }
}

/// `POST /requests/{id}/answer`
pub async fn answer_question(
    visit: Result<Visit, Away>,
    Named(id): Named,
    Sent(form): Sent<AnswerForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<RequestId>()?;
    let visit = match visit {
        Ok(visit) => visit,
        Err(away) => return Ok(away.keeping(&form).await),
    };
    match ask_question::answer(&visit.ctx, id, &form.text).await {
        Ok(_) => Ok(to(id).into_response()),
        Err(error) => {
            let typed = Typed {
                answer: form.text,
                ..Typed::default()
            };
            again(&visit, id, typed, renamed(error, "text", "answer")).await
        }
    }
}

/// A field as this page calls it: several of its forms send one of the same name.
fn renamed(error: Error, from: &str, to: &'static str) -> Error {
    match error {
        Error::Input(InputError::Fields(mut fields)) => {
            for field in fields.iter_mut().filter(|it| it.field == from) {
                field.field = to;
            }
            InputError::Fields(fields).into()
        }
        other => other,
    }
}
