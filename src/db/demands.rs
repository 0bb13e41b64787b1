//! What roles ask of people by the catalog.

use sqlx::PgConnection;

use crate::domain::demands::{Demands, ExternalId};
use crate::ids::TargetId;

/// What a role asks of those who come by its trust policy or by a switch; tells whether that is
/// new.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn put(
    conn: &mut PgConnection,
    target: TargetId,
    demands: &Demands,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE targets SET mfa = $2, external_id = $3
         WHERE id = $1 AND (mfa, external_id) IS DISTINCT FROM ($2, $3)",
        target.uuid(),
        demands.mfa,
        demands.external_id.as_ref().map(ExternalId::as_str),
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// What a role asks for by what is on record, and an entitlement of it that is none of these.
///
/// # Errors
/// When the database does not answer.
pub async fn of_others(
    conn: &mut PgConnection,
    role_arn: &str,
    names: &[String],
) -> sqlx::Result<Option<(String, Demands)>> {
    let row = sqlx::query!(
        "SELECT e.name, t.mfa, t.external_id FROM targets t JOIN entitlements e ON e.target = t.id
         WHERE t.arn = $1 AND e.retired_at IS NULL AND e.method <> 'sts_credentials' AND e.name <> ALL($2)
         ORDER BY e.name LIMIT 1",
        role_arn,
        names
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.map(|row| {
        let external_id = row.external_id.map(ExternalId::stored);
        let mfa = row.mfa;
        (row.name, Demands { mfa, external_id })
    }))
}
