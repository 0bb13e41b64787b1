//! What the catalog says that AWS has to have, and what the reconciler has found, for whoever looks
//! whether it is so.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::accounts;
use crate::domain::account::{ManagerRole, Needs};
use crate::domain::demands::{Demands, ExternalId};
use crate::domain::entitlement::Scope;
use crate::domain::part::Allows;
use crate::domain::target::Condition;

/// An account of the catalog.
#[derive(Debug)]
pub struct Account {
    /// The 12 digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// As whom Countersign works in it.
    pub manager: Option<ManagerRole>,
    /// What is opened and carried there.
    pub needs: Needs,
    /// Its roles and users, as the reconciler knows them.
    pub targets: Vec<Known>,
    /// What sessions may do that are handed out: each with its role's ARN.
    pub scopes: Vec<(String, Scope)>,
}

/// A role that may be asked for, or a user or role that people come as.
#[derive(Debug)]
pub struct Known {
    /// Its ARN.
    pub arn: String,
    /// Whether people come as it.
    pub carries: bool,
    /// What it asks of those who come in.
    pub demands: Demands,
    /// What keeps new grants from it.
    pub condition: Condition,
    /// Kind of the reconciler's last failure.
    pub last_error: Option<String>,
    /// Whether AWS was seen on it to be of a later time, and no person has judged that.
    pub is_rewound: bool,
    /// Whether it is closed to whoever has no grant.
    pub closed: bool,
}

/// Every account.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn accounts(conn: &mut PgConnection) -> sqlx::Result<Vec<Account>> {
    let rows = sqlx::query!("SELECT id, name FROM accounts ORDER BY id");
    let mut all = Vec::new();
    for row in rows.fetch_all(&mut *conn).await? {
        let known = accounts::needs(conn, &row.id).await?;
        let (manager, needs) = known.unwrap_or_default();
        all.push(Account {
            targets: targets(conn, &row.id).await?,
            scopes: scopes(conn, &row.id).await?,
            id: row.id,
            name: row.name,
            manager,
            needs,
        });
    }
    Ok(all)
}

/// Roles that nobody may ask for any more count for as long as a person has to judge them.
async fn targets(conn: &mut PgConnection, account: &str) -> sqlx::Result<Vec<Known>> {
    let rows = sqlx::query!(
        r#"SELECT t.arn, t.kind <> 'role' AS "carries!", t.mfa, t.external_id, t.condition, t.last_error, t.closed,
                  t.rewound_at IS NOT NULL AS "is_rewound!"
         FROM targets t
         WHERE t.account = $1 AND (t.kind <> 'role' OR t.condition IN ('contested', 'safe_mode')
             OR t.rewound_at IS NOT NULL
             OR EXISTS (SELECT FROM entitlements e WHERE e.target = t.id AND e.retired_at IS NULL))
         ORDER BY t.arn"#,
        account
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let known = rows.map(|row| {
        let condition = Condition::parse(&row.condition);
        Ok(Known {
            condition: condition.ok_or_else(|| unknown("condition", &row.condition))?,
            demands: Demands {
                mfa: row.mfa,
                external_id: row.external_id.map(ExternalId::stored),
            },
            arn: row.arn,
            carries: row.carries,
            last_error: row.last_error,
            is_rewound: row.is_rewound,
            closed: row.closed,
        })
    });
    known.collect()
}

async fn scopes(conn: &mut PgConnection, account: &str) -> sqlx::Result<Vec<(String, Scope)>> {
    let rows = sqlx::query!(
        r#"SELECT t.arn, e.session_scope AS "scope: Json<Scope>"
           FROM entitlements e JOIN targets t ON t.id = e.target
           WHERE t.account = $1 AND e.method = 'sts_credentials' AND e.retired_at IS NULL ORDER BY t.arn, e.name"#,
        account
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let scopes = rows.map(|row| (row.arn, row.scope.map(|it| it.0).unwrap_or_default()));
    Ok(scopes.collect())
}

/// What an inline policy on a user allows, of one entitlement.
#[derive(Debug)]
pub struct Carried {
    /// The account whose users may have it; with none, those of any account.
    pub account: Option<String>,
    /// What it allows.
    pub allows: Allows,
    /// Whether it asks for a second factor.
    pub mfa: bool,
}

/// What inline policies on users allow, of each entitlement that puts one.
///
/// # Errors
/// When the database does not answer.
pub async fn carried(conn: &mut PgConnection) -> sqlx::Result<Vec<Carried>> {
    let rows = sqlx::query!(
        r#"SELECT e.account, t.arn AS "arn?", e.statements AS "statements: Json<Vec<String>>",
                  (e.mfa OR coalesce(t.mfa, false)) AS "mfa!"
           FROM entitlements e LEFT JOIN targets t ON t.id = e.target
           WHERE e.method IN ('switch', 'attach') AND e.retired_at IS NULL ORDER BY e.name"#
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let carried = rows.map(|row| {
        let (account, allows) = match row.arn {
            Some(arn) => (None, Allows::Role { arn }),
            None => {
                let statements = row.statements.map(|it| it.0).unwrap_or_default();
                (Some(row.account), Allows::Statements(statements))
            }
        };
        Carried {
            account,
            allows,
            mfa: row.mfa,
        }
    });
    Ok(carried.collect())
}

fn unknown(what: &str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unknown {what} {word}").into())
}
