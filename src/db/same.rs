//! Accounts that are one human's, as the catalog says.

use sqlx::PgConnection;

/// Who an account is at its provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// OIDC issuer.
    pub issuer: String,
    /// OIDC subject.
    pub subject: String,
}

/// An account on record, and the one that it is the same as.
#[derive(Debug)]
pub struct Known {
    /// Who it is.
    pub who: At,
    /// The account of the same human that counts for both.
    pub same_as: Option<At>,
}

/// Every account on record.
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Known>> {
    let rows = sqlx::query!(
        r#"SELECT p.issuer, p.subject, s.issuer AS "of_issuer?", s.subject AS "of_subject?"
           FROM people p LEFT JOIN people s ON s.id = p.same_as"#
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let all = rows.map(|row| Known {
        who: At {
            issuer: row.issuer,
            subject: row.subject,
        },
        same_as: row
            .of_issuer
            .zip(row.of_subject)
            .map(|(issuer, subject)| At { issuer, subject }),
    });
    Ok(all.collect())
}

/// An account is the same as no other from now on, unless it is the same as that one; tells whether
/// that is news.
///
/// # Errors
/// When the database does not answer.
pub async fn part(conn: &mut PgConnection, who: &At, but: Option<&At>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE people p SET same_as = NULL WHERE p.issuer = $1 AND p.subject = $2 AND p.same_as IS NOT NULL
             AND p.same_as IS DISTINCT FROM (SELECT o.id FROM people o WHERE o.issuer = $3 AND o.subject = $4)",
        who.issuer,
        who.subject,
        but.map(|it| it.issuer.as_str()),
        but.map(|it| it.subject.as_str())
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// An account is the same as that one; tells whether that is news.
///
/// # Errors
/// When the database does not answer, or either of them makes a chain.
pub async fn join(conn: &mut PgConnection, who: &At, with: &At) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE people p SET same_as = o.id FROM people o
         WHERE p.issuer = $1 AND p.subject = $2 AND o.issuer = $3 AND o.subject = $4 AND \
         p.same_as IS DISTINCT FROM o.id",
        who.issuer,
        who.subject,
        with.issuer,
        with.subject
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}
