//! Who is in which group, for looks at the catalog.

use sqlx::PgConnection;

use crate::ids::PersonId;

/// A human who is in some of the groups that were asked for.
#[derive(Debug, Clone)]
pub struct Member {
    /// The id that counts for all of their accounts.
    pub id: PersonId,
    /// The name of that account.
    pub name: String,
    /// Which of the groups they are in, by whichever active account.
    pub groups: Vec<String>,
}

/// Everybody active who is in one of these groups, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn members(conn: &mut PgConnection, groups: &[String]) -> sqlx::Result<Vec<Member>> {
    let rows = sqlx::query!(
        r#"SELECT h.id AS "id!: PersonId", h.name AS "name!", array_agg(DISTINCT g) AS "groups!"
           FROM people p JOIN people h ON h.id = coalesce(p.same_as, p.id), unnest(p.groups) g
           WHERE p.status = 'active' AND p.groups && $1 AND g = ANY ($1)
           GROUP BY h.id, h.name ORDER BY h.name, h.id"#,
        groups
    );
    let rows = rows.fetch_all(conn).await?.into_iter().map(|row| Member {
        id: row.id,
        name: row.name,
        groups: row.groups,
    });
    Ok(rows.collect())
}
