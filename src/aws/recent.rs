//! What AWS told a moment ago: many who ask for the same make one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};

use super::AwsError;

/// How long an answer is believed. What has changed since is seen when the grant opens.
const BELIEVED: Duration = Duration::from_secs(3);
/// How many are asked for at a time.
const AT_A_TIME: usize = 4;

/// Answers, by the ARN of what was asked for.
#[derive(Debug)]
pub(super) struct Recent<T> {
    answers: Mutex<HashMap<String, Arc<Answer<T>>>>,
    turns: Semaphore,
}

#[derive(Debug)]
struct Answer<T> {
    begun: Instant,
    told: OnceCell<Result<Option<T>, AwsError>>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
        }
    }
}

impl<T: Clone> Recent<T> {
    /// The answer of a moment ago, else that of the call which is under way, else that of `ask`.
    ///
    /// # Errors
    /// What `ask` fails with.
    pub(super) async fn get(
        &self,
        arn: &str,
        ask: impl Future<Output = Result<Option<T>, AwsError>>,
    ) -> Result<Option<T>, AwsError> {
        let answer = self.answer(arn);
        let told = answer.told.get_or_init(async || {
            // Never closed.
            let _turn = self.turns.acquire().await;
            ask.await
        });
        let told = told.await.clone();
        if !matches!(told, Ok(Some(_))) {
            // Those who waited with us share it; who comes later asks anew.
            self.forget(arn, &answer);
        }
        told
    }

    fn answer(&self, arn: &str) -> Arc<Answer<T>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, answer| answer.begun.elapsed() < BELIEVED);
        let answer = answers.entry(arn.to_owned()).or_insert_with(|| {
            Arc::new(Answer {
                begun: Instant::now(),
                told: OnceCell::new(),
            })
        });
        Arc::clone(answer)
    }

    fn forget(&self, arn: &str, answer: &Arc<Answer<T>>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // Only this answer: somebody may have put a newer one in its place.
        if answers.get(arn).is_some_and(|it| Arc::ptr_eq(it, answer)) {
            answers.remove(arn);
        }
    }
}
