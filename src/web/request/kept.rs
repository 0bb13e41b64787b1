//! What was typed into the page's forms before a sign-in, or when it was not done: where it stands
//! on the page as it is now.

use super::RequestPage;
use super::decide::{AnswerForm, CommentForm, DecideForm};
use crate::app::drafts::Draft;
use crate::web::forms::{EndForm, ExtendForm};
use crate::web::visit::typed_at;

impl RequestPage {
    /// Fills in what was typed before a sign-in, in the form that it was typed into. It never
    /// chooses.
    pub(super) fn fill(&mut self, draft: Option<&Draft>) {
        let decide = format!("/requests/{}/decide", self.request.id);
        if let Some(typed) = typed_at::<DecideForm>(draft, &decide) {
            self.form = typed.without_choice();
        }
        let place = |verb: &str| format!("/requests/{}/{verb}", self.request.id);
        if let Some(CommentForm { comment }) = typed_at(draft, &place("withdraw-approval")) {
            self.back = comment;
        }
        if let Some(AnswerForm { text }) = typed_at(draft, &place("answer")) {
            self.answer = text;
        }
        let Some(grant) = self.grant.as_ref().map(|it| it.id) else {
            return;
        };
        if let Some(EndForm { reason }) = typed_at(draft, &format!("/grants/{grant}/end")) {
            self.reason = reason;
        }
        if let Some(more) = typed_at::<ExtendForm>(draft, &format!("/grants/{grant}/extend")) {
            self.more = more;
        }
    }

    /// What was typed into forms, and whether the page still has the form.
    fn typed(&self) -> [(&str, bool); 6] {
        let ExtendForm {
            duration,
            justification,
            ..
        } = &self.more;
        [
            (&self.form.comment, self.may.deny),
            (&self.back, self.may.withdraw_approval),
            (&self.answer, self.may.answer),
            (&self.reason, self.may.end),
            (justification, self.may.extend),
            (duration, self.may.extend),
        ]
    }

    /// What was typed into a form that the page does not have any more.
    pub(super) fn unsent(&self) -> Option<&str> {
        let mut gone = self.typed().into_iter().filter(|(_, is_there)| !is_there);
        let text = gone.find(|(text, _)| !text.trim().is_empty());
        text.map(|(text, _)| text)
    }

    /// Whether a form was filled in after a sign-in.
    pub(super) fn filled(&self) -> bool {
        let mut there = self.typed().into_iter().filter(|(_, is_there)| *is_there);
        self.errors.is_empty() && there.any(|(text, _)| !text.is_empty())
    }
}
