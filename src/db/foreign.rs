//! Hand-written documents, kept before they are overwritten.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::ids::TargetId;

/// Which document of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The trust policy.
    Trust,
    /// The inline policy of our guard's name.
    Guard,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Guard => "guard",
        }
    }
}

/// Keeps a document as it was read; the same text, byte for byte, is kept once for each role.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(
    conn: &mut PgConnection,
    target: TargetId,
    kind: Kind,
    document: &str,
    seen_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO foreign_documents (target, kind, sha256, document, seen_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (target, kind, sha256) DO NOTHING",
        target.uuid(),
        kind.as_str(),
        &Sha256::digest(document)[..],
        document,
        seen_at,
    )
    .execute(conn)
    .await
    .map(drop)
}
