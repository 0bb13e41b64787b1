//! Questions to the requester: what an approver asks instead of deciding, and the answer.

use super::Request;
use crate::domain::audit::{Action, By};
use crate::domain::change::{Change, WrongState};
use crate::domain::text::Words;

impl Request {
    /// Puts a question to its requester. It stops neither votes nor the lapse.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn questioned(self, question: &Words, by: &By) -> Result<Change<Self>, WrongState> {
        let told = Action::RequestQuestioned {
            question: question.to_string(),
        };
        self.talked("ask about", told, by)
    }

    /// Answers the question that is open.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn answered(self, answer: &Words, by: &By) -> Result<Change<Self>, WrongState> {
        let told = Action::RequestAnswered {
            answer: answer.to_string(),
        };
        self.talked("answer for", told, by)
    }

    fn talked(self, verb: &'static str, told: Action, by: &By) -> Result<Change<Self>, WrongState> {
        let mut request = self.pending(verb, by)?;
        request.version += 1;
        // Who judges it next judges what was said as well.
        request.revision += 1;
        let event = by.did(request.id, told);
        Ok(Change {
            value: request,
            event,
        })
    }
}
