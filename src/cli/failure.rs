use std::error::Error;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Why a command failed: any error, told in one line but for the mistakes of a catalog, which have
/// their own.
#[derive(Debug)]
pub struct Failure(Box<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// Several lines, told as they are.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Told(pub String);

/// What a verb said no to, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub String);

impl Refused {
    /// A verb's error as a command tells it: a fault of ours with its causes, anything else by its
    /// detail.
    pub fn told(error: crate::error::Error) -> Failure {
        match error {
            // What callers over HTTP are told leaves the cause out; whoever has the command line
            // has to see it.
            crate::error::Error::Internal(_) => Failure::from(error),
            other => Failure::from(Self(other.about().detail.into_owned())),
        }
    }
}

impl Failure {
    /// Says on standard error what is wrong. The code is 78 (`EX_CONFIG` of sysexits.h) for a
    /// refused configuration, else 1; clap itself exits with 2 for wrong usage.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        eprintln!("countersign: {}", self.line());
        ExitCode::from(if self.0.is::<ConfigError>() { 78 } else { 1 })
    }

    /// The error and its causes.
    fn line(&self) -> String {
        let line = with_causes(self.0.as_ref());
        if self.0.is::<Told>() {
            return line;
        }
        // What reads standard error line by line gets the whole of it.
        line.replace('\n', " ")
    }
}

/// An error and its causes, in one text.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}
