//! Targets as they stand, in nobody's hands: for looks that change nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::documents::Document;
use super::targets::Held;
use super::targets::row::{held, parse};
use super::{accounts, work};
use crate::domain::account::ManagerRole;
use crate::domain::grant::Grant;
use crate::domain::part::Part;
use crate::domain::target::Condition;
use crate::ids::TargetId;

/// Where a target is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its id.
    pub target: TargetId,
    /// Its ARN.
    pub arn: String,
    /// Whether people come as it, so that it carries inline policies.
    pub carries: bool,
    /// The 12 digits.
    pub account: String,
    /// As whom Countersign works there.
    pub manager: Option<ManagerRole>,
    /// What keeps new grants from it.
    pub condition: Condition,
    /// When AWS was seen to be of another time.
    pub safe_since: Option<DateTime<Utc>>,
}

/// Every target, or the one of that ARN, by account.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn places(conn: &mut PgConnection, arn: Option<&str>) -> sqlx::Result<Vec<Place>> {
    let rows = sqlx::query!(
        r#"SELECT t.id AS "id: TargetId", t.arn, t.kind <> 'role' AS "carries!", t.account, t.condition,
                  t.safe_since, a.manager_role_arn, a.external_id
           FROM targets t JOIN accounts a ON a.id = t.account
           WHERE $1::text IS NULL OR t.arn = $1 ORDER BY t.account, t.arn"#,
        arn
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let places = rows.map(|row| {
        Ok(Place {
            target: row.id,
            arn: row.arn,
            carries: row.carries,
            account: row.account,
            manager: accounts::manager_role(row.manager_role_arn, row.external_id),
            condition: parse(&row.condition)?,
            safe_since: row.safe_since,
        })
    });
    places.collect()
}

/// A target with its grants and their parts on it; `None` where there is none. `now` is the
/// database's own time where it is not given.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn read(
    conn: &mut PgConnection,
    target: TargetId,
    now: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<(Held, Vec<(Grant, Part)>)>> {
    let row = held!("WHERE t.id = $2", now, target.uuid());
    let Some(row) = row.fetch_optional(&mut *conn).await? else {
        return Ok(None);
    };
    let grants = work::both(conn, target).await?;
    Ok(Some((row.held()?, grants)))
}

/// Every account, and as whom Countersign works in it.
///
/// # Errors
/// When the database does not answer.
pub async fn accounts(conn: &mut PgConnection) -> sqlx::Result<Vec<(String, Option<ManagerRole>)>> {
    let rows = sqlx::query!("SELECT id, manager_role_arn, external_id FROM accounts ORDER BY id");
    let rows = rows.fetch_all(conn).await?.into_iter();
    let all = rows.map(|row| {
        let manager = accounts::manager_role(row.manager_role_arn, row.external_id);
        (row.id, manager)
    });
    Ok(all.collect())
}

/// Who this installation is.
///
/// # Errors
/// When the database does not answer.
pub async fn installation(conn: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar!("SELECT id FROM installation")
        .fetch_one(conn)
        .await
}

/// Whether a look since then has found something on the target that the database did not account
/// for: an alarm, a grant that was ended for what AWS showed, or names that nobody explains.
///
/// # Errors
/// When the database does not answer.
pub async fn has_traces(
    conn: &mut PgConnection,
    target: TargetId,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT t.kept <> '{}'
               OR EXISTS (SELECT FROM audit_events a
                          WHERE a.subject = $2 AND a.action IN ('target.alarm', 'guard.restored') AND a.at >= $3)
               OR EXISTS (SELECT FROM names n JOIN grants g ON g.id = n."grant"
                          WHERE n.target = t.id AND g.closing_at >= $3
                              AND g.cause NOT IN ('deadline', 'released', 'revoked', 'not_eligible',
                                              'person_disabled'))
               AS "found!"
           FROM targets t WHERE t.id = $1"#,
        target.uuid(),
        target.to_string(),
        since
    )
    .fetch_one(conn)
    .await
}
