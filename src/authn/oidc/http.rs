//! Calls to the provider: short, bounded, and never led anywhere else.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::{Map, Value};

/// How long a call may take.
const LONGEST: Duration = Duration::from_secs(5);
/// How long a connection may take to come about.
const LONGEST_TO_CONNECT: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Why there is no answer that can be used. It never holds a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nothing came, or not in time.
    #[error("the call failed")]
    Failed(#[from] reqwest::Error),
    /// More than is read.
    #[error("the answer has more than {LARGEST} bytes")]
    TooLarge,
    /// Not what a provider sends there.
    #[error("the answer is not a JSON object")]
    NotJson,
    /// An answer that is no success.
    #[error("the provider answered {0}")]
    Status(StatusCode),
    /// A discovery document that cannot be taken.
    #[error("the discovery document has {0}")]
    Discovery(&'static str),
}

/// The client, made when it is used first: what it trusts is read from the machine then.
#[derive(Debug, Default)]
pub(super) struct Http(OnceLock<Client>);

/// An answer with its status.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Map<String, Value>,
}

impl Http {
    /// The client.
    pub fn client(&self) -> Result<Client, CallError> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(LONGEST)
            .connect_timeout(LONGEST_TO_CONNECT)
            .build()?;
        Ok(self.0.get_or_init(|| client).clone())
    }

    /// A JSON object.
    pub async fn get(&self, url: &str) -> Result<Map<String, Value>, CallError> {
        let answer = send(self.client()?.get(url)).await?;
        if answer.status != StatusCode::OK {
            return Err(CallError::Status(answer.status));
        }
        Ok(answer.body)
    }
}

/// Sends a call, and reads a JSON object whatever its status.
pub(super) async fn send(call: RequestBuilder) -> Result<Answer, CallError> {
    let mut response = call.header("Accept", "application/json").send().await?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > LARGEST {
            return Err(CallError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(body)) => Ok(Answer { status, body }),
        // Its status says more than that it is no JSON.
        _ if !status.is_success() => Err(CallError::Status(status)),
        _ => Err(CallError::NotJson),
    }
}

/// A line of the log.
pub(super) fn told(error: &CallError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the sign-in provider gives no answer that can be used"
    );
}
