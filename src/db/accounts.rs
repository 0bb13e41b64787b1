//! The accounts of the catalog, and as whom Countersign works in them.

use sqlx::PgConnection;

use crate::domain::account::{ManagerRole, Needs, Opened};
use crate::domain::entitlement::{EarlyEnd, Method};

/// An account of the catalog.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// The 12 digits.
    pub id: &'a str,
    /// What people call it.
    pub name: &'a str,
    /// ARN of the role that Countersign assumes to work in it.
    pub manager_role_arn: Option<&'a str>,
    /// The external ID that it gets if it has none.
    pub external_id: Option<&'a str>,
    /// Whom to ask about it.
    pub owner: Option<&'a str>,
}

/// Adds an account or changes it; tells whether anything changed.
///
/// # Errors
/// When the database does not answer or refuses the row.
pub async fn put(conn: &mut PgConnection, account: &NewAccount<'_>) -> sqlx::Result<bool> {
    // An external ID that was told to somebody stays: their trust policy names it. Without the last
    // condition every row would count as changed, and nobody could tell what a file did.
    let done = sqlx::query!(
        "INSERT INTO accounts AS a (id, name, manager_role_arn, external_id, owner) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, manager_role_arn = excluded.manager_role_arn,
             external_id = coalesce(a.external_id, excluded.external_id), owner = excluded.owner
         WHERE (a.name, a.manager_role_arn, a.external_id, a.owner)
            IS DISTINCT FROM (excluded.name, excluded.manager_role_arn,
                coalesce(a.external_id, excluded.external_id), excluded.owner)",
        account.id,
        account.name,
        account.manager_role_arn,
        account.external_id,
        account.owner,
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Whether there is such an account.
///
/// # Errors
/// When the database does not answer.
pub async fn exists(conn: &mut PgConnection, id: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM accounts WHERE id = $1) AS "is_there!""#,
        id
    )
    .fetch_one(conn)
    .await
}

/// An account on record.
#[derive(Debug)]
pub struct Account {
    /// The 12 digits.
    pub id: String,
    /// As whom Countersign works in it.
    pub manager: Option<ManagerRole>,
    /// The roles of it that may be asked for, or could be once.
    pub targets: Vec<String>,
    /// The identities of people in it.
    pub principals: Vec<String>,
}

/// Every account.
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Account>> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.manager_role_arn, a.external_id,
                  ARRAY(SELECT t.arn FROM targets t WHERE t.account = a.id AND t.kind = 'role' ORDER BY t.arn)
                      AS "targets!",
                  ARRAY(SELECT DISTINCT p.arn FROM principals p WHERE p.account = a.id ORDER BY p.arn) AS "principals!"
           FROM accounts a ORDER BY a.id"#
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let accounts = rows.map(|row| Account {
        id: row.id,
        manager: manager_role(row.manager_role_arn, row.external_id),
        targets: row.targets,
        principals: row.principals,
    });
    Ok(accounts.collect())
}

/// As whom Countersign works in an account; as itself where there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn manager(conn: &mut PgConnection, account: &str) -> sqlx::Result<Option<ManagerRole>> {
    let row = sqlx::query!(
        "SELECT manager_role_arn, external_id FROM accounts WHERE id = $1",
        account
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.and_then(|row| manager_role(row.manager_role_arn, row.external_id)))
}

/// The same of several accounts, each with its id. One that the catalog does not have is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn managers(
    conn: &mut PgConnection,
    accounts: &[String],
) -> sqlx::Result<Vec<(String, Option<ManagerRole>)>> {
    let rows = sqlx::query!(
        "SELECT id, manager_role_arn, external_id FROM accounts WHERE id = ANY($1)",
        accounts
    );
    let rows = rows.fetch_all(conn).await?.into_iter().map(|row| {
        let manager = manager_role(row.manager_role_arn, row.external_id);
        (row.id, manager)
    });
    Ok(rows.collect())
}

/// As whom Countersign works in an account, and what it has to do there; `None` where the catalog
/// has no such account.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn needs(
    conn: &mut PgConnection,
    account: &str,
) -> sqlx::Result<Option<(Option<ManagerRole>, Needs)>> {
    // A user or role may carry what lets into a role of another account. One that was ended counts:
    // what was opened by it is still to be closed.
    let row = sqlx::query!(
        r#"WITH own AS (SELECT DISTINCT p.arn, p.role_session_name AS session FROM principals p
                        WHERE p.account = $1 AND p.conflict_with IS NULL)
           SELECT a.manager_role_arn, a.external_id,
                  ARRAY(SELECT arn FROM own WHERE session IS NULL ORDER BY arn) AS "users!",
                  ARRAY(SELECT arn FROM own WHERE session IS NOT NULL ORDER BY arn, session) AS "roles!",
                  ARRAY(SELECT session FROM own WHERE session IS NOT NULL ORDER BY arn, session) AS "sessions!",
                  EXISTS (SELECT FROM entitlements e WHERE e.retired_at IS NULL
                          AND (e.method = 'switch' OR (e.method = 'attach' AND e.account = a.id))) AS "carries!",
                  EXISTS (SELECT FROM entitlements e JOIN people o ON o.groups @> ARRAY[e.requester_group]
                          JOIN principals p ON p.person = ANY(human_ids(o)) AND p.account = a.id
                               AND p.conflict_with IS NULL
                          WHERE e.retired_at IS NULL AND e.method = 'trust_policy' AND e.account <> a.id) AS "leaves!"
           FROM accounts a WHERE a.id = $1"#,
        account
    );
    let Some(row) = row.fetch_optional(&mut *conn).await? else {
        return Ok(None);
    };
    let roles = sqlx::query!(
        "SELECT DISTINCT t.arn, e.method, e.early_end, e.session_tags
         FROM entitlements e JOIN targets t ON t.id = e.target
         WHERE t.account = $1 AND e.retired_at IS NULL ORDER BY t.arn, e.method, e.early_end, e.session_tags",
        account
    );
    let mut needs = Needs {
        roles: Vec::new(),
        users: row.users,
        sessions: row.roles.into_iter().zip(row.sessions).collect(),
        carries: row.carries,
        leaves: row.leaves,
    };
    for role in roles.fetch_all(conn).await? {
        let unknown = |what: &str| sqlx::Error::Decode(format!("unknown word {what}").into());
        needs.roles.push(Opened {
            method: Method::parse(&role.method).ok_or_else(|| unknown(&role.method))?,
            early_end: EarlyEnd::parse(&role.early_end).ok_or_else(|| unknown(&role.early_end))?,
            session_tags: role.session_tags,
            arn: role.arn,
        });
    }
    let manager = manager_role(row.manager_role_arn, row.external_id);
    Ok(Some((manager, needs)))
}

/// The manager role of an account's row.
pub(super) fn manager_role(
    arn: Option<String>,
    external_id: Option<String>,
) -> Option<ManagerRole> {
    arn.map(|arn| ManagerRole { arn, external_id })
}
