//! What AWS was sent of a target's documents, as rows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::target::{DocumentKey, Sent, Target, Written};

/// A row of `documents`, in the JSON that Postgres makes of it and takes it in.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    pub key: String,
    /// In hexadecimal digits.
    sha256: Option<String>,
    wrote_at: Option<DateTime<Utc>>,
    unclear_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    original: Option<String>,
}

impl Document {
    /// Everything that is known of a target's documents.
    pub fn all(target: &Target) -> Vec<Self> {
        let documents = target.documents();
        documents.map(|(key, sent)| Self::of(key, sent)).collect()
    }

    fn of(key: DocumentKey, sent: &Sent) -> Self {
        let written = sent.written.as_ref();
        Self {
            key: key.to_string(),
            sha256: written.map(|written| hex::encode(written.hash)),
            wrote_at: written.map(|written| written.at),
            unclear_at: sent.unclear_at,
            sent_at: sent.sent_at,
            original: sent.original.clone(),
        }
    }

    /// What was sent of it.
    pub fn sent(self) -> sqlx::Result<Sent> {
        Ok(Sent {
            written: written(self.sha256.as_deref(), self.wrote_at)?,
            unclear_at: self.unclear_at,
            sent_at: self.sent_at,
            original: self.original,
        })
    }
}

fn written(sha256: Option<&str>, at: Option<DateTime<Utc>>) -> sqlx::Result<Option<Written>> {
    let (Some(sha256), Some(at)) = (sha256, at) else {
        return Ok(None);
    };
    let mut hash = [0; 32];
    hex::decode_to_slice(sha256, &mut hash).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Some(Written { hash, at }))
}
