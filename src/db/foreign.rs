//! Hand-written documents, kept before they are overwritten.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::domain::target::DocumentKey;
use crate::ids::TargetId;

/// Keeps a document as it was read; the same text, byte for byte, is kept once for each role.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(
    conn: &mut PgConnection,
    target: TargetId,
    key: DocumentKey,
    document: &str,
    seen_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    // By its bytes, not by its meaning: white space and order are the owner's too.
    sqlx::query!(
        "INSERT INTO foreign_documents (target, kind, sha256, document, seen_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (target, kind, sha256) DO NOTHING",
        target.uuid(),
        key.to_string(),
        &Sha256::digest(document)[..],
        document,
        seen_at,
    )
    .execute(conn)
    .await
    .map(drop)
}
