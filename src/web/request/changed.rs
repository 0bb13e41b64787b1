//! What has changed of a request since somebody looked who wanted to decide it.

use std::collections::HashMap;

use super::RequestPage;
use crate::domain::request::Verdict;
use crate::web::show;

impl RequestPage {
    /// What is to be judged now and was not at revision `seen`, as sentences.
    pub(super) fn since(&self, seen: i32) -> Vec<String> {
        let mut told = self.lengths_since(seen);
        let said = self.said();
        // Each step of the revision is a change of the duration, a question or an answer, and those
        // of the duration are known by the votes.
        let others = usize::try_from(self.request.revision - seen).unwrap_or_default();
        let others = others.saturating_sub(told.len());
        let before = said.len().saturating_sub(others);
        told.extend(said.into_iter().skip(before));
        told
    }

    /// Votes that have changed the duration.
    fn lengths_since(&self, seen: i32) -> Vec<String> {
        let asked = self.request.duration_seconds;
        let (mut standing, mut effective) = (HashMap::new(), asked);
        let mut told = Vec::new();
        for decided in &self.decisions {
            match decided.duration_seconds {
                Some(seconds) => standing.insert(decided.human, seconds),
                None => standing.remove(&decided.human),
            };
            let now = standing.values().copied().fold(asked, i32::min);
            if now != effective && decided.revision >= seen {
                let (name, length) = (&decided.name, show::seconds(&now));
                told.push(if decided.verdict == Verdict::Approve {
                    format!("{name} approved it for {length} at most.")
                } else {
                    format!("{name} took their approval back: it is for {length} again.")
                });
            }
            effective = now;
        }
        told
    }

    /// Questions and answers in their order.
    fn said(&self) -> Vec<String> {
        let each = self.questions.iter().flat_map(|it| {
            let asked = format!("{} asked: {}", it.name, it.text);
            let answered = it.answer.as_ref();
            let answered = answered.map(|(text, _)| format!("{} answered: {text}", self.requester));
            std::iter::once(asked).chain(answered)
        });
        each.collect()
    }
}
