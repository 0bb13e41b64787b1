//! Whether AWS has refused a call that was made with a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_iam::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;

/// What the clients of one session have heard. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Arc<AtomicBool>);

impl Refused {
    /// Whether there was a refusal.
    pub(super) fn once(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Refused {
    fn name(&self) -> &'static str {
        "Refused"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The status of AccessDenied, ExpiredToken, InvalidClientTokenId and their like.
        let answer = context.response();
        if answer.is_some_and(|answer| answer.status().as_u16() == 403) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
