//! What somebody who runs Countersign has to look after, beside single grants.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::entries;
use crate::ids::PrincipalId;

/// How many of a kind are named.
const MOST: i64 = 20;

/// What needs looking after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Since when every manager role refuses Countersign's own identity.
    pub hub_refused: Option<DateTime<Utc>>,
    /// Closed roles whose guards AWS does not take: whoever they let in comes in.
    pub unguarded: Vec<Unguarded>,
    /// AWS identities that somebody has and somebody else is said to have.
    pub contested: Vec<Contested>,
}

/// An AWS identity that two people are said to have. Who had it first has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    /// ARN of the user or role.
    pub arn: String,
    /// The session name, of a role's session alone.
    pub session: Option<String>,
    /// Who has it.
    pub owner: String,
    /// What it is as theirs.
    pub owned: PrincipalId,
    /// Who is said to have it as well.
    pub claimant: String,
    /// The claim to it.
    pub claim: PrincipalId,
    /// Who says so: the provider's claims, or a call that its keys have signed.
    pub is_signed: bool,
    /// When it was said last.
    pub since: DateTime<Utc>,
}

/// A closed role without its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unguarded {
    /// Its ARN.
    pub arn: String,
    /// Kind of the last failure: a code.
    pub error: String,
    /// Failures in a row.
    pub attempts: i32,
    /// When it was put on record last.
    pub since: DateTime<Utc>,
}

/// Reads it.
///
/// # Errors
/// When the database does not answer.
pub async fn read(conn: &mut PgConnection) -> sqlx::Result<Troubles> {
    let rows = sqlx::query_as!(
        Unguarded,
        r#"SELECT arn, last_error AS "error!", attempts, last_error_at AS "since!" FROM targets
           WHERE closed AND guard_equal_at IS NULL AND attempts > 0 AND last_error IS NOT NULL
               AND last_error_at IS NOT NULL
           ORDER BY arn LIMIT $1"#,
        MOST
    );
    let contested = sqlx::query_as!(
        Contested,
        r#"SELECT c.arn, c.role_session_name AS session, o.name AS owner, p.id AS "owned: PrincipalId",
                  w.name AS claimant, c.id AS "claim: PrincipalId", c.source = 'linked' AS "is_signed!",
                  c.verified_at AS "since!"
           FROM principals c JOIN principals p ON p.id = c.conflict_with AND p.ended_at IS NULL
               JOIN people o ON o.id = p.person JOIN people w ON w.id = c.person
           WHERE c.conflict_with IS NOT NULL AND c.ended_at IS NULL
               AND coalesce(o.same_as, o.id) <> coalesce(w.same_as, w.id)
           ORDER BY c.verified_at DESC, c.id LIMIT $1"#,
        MOST
    );
    Ok(Troubles {
        contested: contested.fetch_all(&mut *conn).await?,
        unguarded: rows.fetch_all(&mut *conn).await?,
        hub_refused: entries::refused_since(conn).await?,
    })
}
