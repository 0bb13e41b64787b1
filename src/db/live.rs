//! How many grants of an entitlement are not over.

use sqlx::PgConnection;

use crate::ids::{EntitlementId, PersonId};

/// Lets one transaction at a time make grants of an entitlement, until it ends.
///
/// # Errors
/// When the database does not answer, or the lock cannot be had in time.
pub async fn lock(conn: &mut PgConnection, entitlement: EntitlementId) -> sqlx::Result<()> {
    // Not the row: `serve` may not write entitlements, and what it may not write it cannot lock.
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text AS "locked""#,
        format!("grants of {entitlement}")
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// Grants of one entitlement that are not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// All of them.
    pub all: i64,
    /// Those of one human, by whichever account.
    pub of_human: i64,
}

/// How many there are, and of that person's human.
///
/// # Errors
/// When the database does not answer.
pub async fn count(
    conn: &mut PgConnection,
    entitlement: EntitlementId,
    person: PersonId,
) -> sqlx::Result<Live> {
    // What is not over is few beside what there ever was: the index of those leads, and each finds
    // its request by id.
    sqlx::query_as!(
        Live,
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE g.person = ANY (human_ids(p))) AS "of_human!"
           FROM people p JOIN grants g ON g.state IN ('scheduled', 'opening', 'active', 'closing')
               JOIN requests r ON r.id = g.request
           WHERE p.id = $2 AND r.entitlement = $1"#,
        entitlement.uuid(),
        person.uuid(),
    )
    .fetch_one(conn)
    .await
}
