//! What somebody in AWS has taken away from a person's own user, or from the role that they come
//! as.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::PersonId;

/// How many grants of a person are looked through, newest first.
const LATEST: i64 = 50;

/// The ARNs of a person's AWS identities from which somebody has taken the policy of the last grant
/// that had one there, or has changed it, and since when its grant closes for that.
///
/// # Errors
/// When the database does not answer.
pub async fn of_person(
    conn: &mut PgConnection,
    person: PersonId,
) -> sqlx::Result<Vec<(String, DateTime<Utc>)>> {
    // A switch also ends so when its role's guard is taken away; its policy was put back before.
    let rows = sqlx::query!(
        r#"SELECT last.arn AS "arn!", last.at AS "at!" FROM (
               SELECT DISTINCT ON (g.principal_arn) g.principal_arn AS arn, g.closing_at AS at,
                      g.cause = 'reverted_by_owner' AND (g.method = 'attach' OR p.restores > 0) AS undone
               FROM (SELECT id FROM grants WHERE person = $1 ORDER BY id DESC LIMIT $2) latest
               JOIN grants g ON g.id = latest.id JOIN parts p ON p."grant" = g.id AND p.kind = 'inline'
               WHERE g.opened_at IS NOT NULL AND g.closing_at IS NOT NULL
               ORDER BY g.principal_arn, g.id DESC) last
           WHERE last.undone ORDER BY last.arn"#,
        person.uuid(),
        LATEST
    );
    let rows = rows.fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.arn, row.at)).collect())
}
