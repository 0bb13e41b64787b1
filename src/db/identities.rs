//! AWS identities that people link themselves, or that their provider's claims make. `serve` may
//! not write them: the functions of the schema do, each of which checks what it is given.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::identity::{AwsIdentity, Source};
use crate::ids::{PersonId, PrincipalId};

/// Keeps a challenge.
///
/// # Errors
/// When the database does not answer.
pub async fn challenge(
    conn: &mut PgConnection,
    nonce_hash: &[u8; 32],
    person: PersonId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO challenges (nonce_hash, person, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        nonce_hash,
        person.uuid(),
        now,
        expires_at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Uses up a challenge of this person; tells whether there was one that is not over. Another
/// person's stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn bring_back(
    conn: &mut PgConnection,
    nonce_hash: &[u8; 32],
    person: PersonId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE challenges SET used_at = $3
         WHERE nonce_hash = $1 AND person = $2 AND used_at IS NULL AND expires_at > $3",
        nonce_hash,
        person.uuid(),
        now
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Deletes challenges that are over.
///
/// # Errors
/// When the database does not answer.
pub async fn tidy(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM challenges WHERE expires_at <= $1", now)
        .execute(conn)
        .await
        .map(drop)
}

/// What became of a claim to an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is the person's from now on.
    New {
        /// Its id.
        id: PrincipalId,
        /// Whose it was until now: of an account that is disabled.
        left_by: Option<PersonId>,
    },
    /// It was the person's already, or that of another account of theirs.
    Kept(PrincipalId),
    /// It is somebody else's, and stays so; the claim is on record.
    Taken(PersonId),
    /// The catalog has no such account.
    NoAccount,
    /// The role is one that grants open, or did once.
    Opened,
    /// The role is one that Countersign works as.
    Ours,
    /// The person has the role under another session name.
    OtherSession,
}

impl Claimed {
    fn of(
        outcome: Option<&str>,
        identity: Option<uuid::Uuid>,
        other: Option<uuid::Uuid>,
    ) -> sqlx::Result<Self> {
        let identity = identity.map(PrincipalId::from_uuid);
        let other = other.map(PersonId::from_uuid);
        match (outcome.unwrap_or_default(), identity, other) {
            ("new", Some(id), left_by) => Ok(Self::New { id, left_by }),
            ("kept", Some(id), _) => Ok(Self::Kept(id)),
            ("taken", _, Some(other)) => Ok(Self::Taken(other)),
            ("no_account", ..) => Ok(Self::NoAccount),
            ("opened", ..) => Ok(Self::Opened),
            ("ours", ..) => Ok(Self::Ours),
            ("other_session", ..) => Ok(Self::OtherSession),
            (word, ..) => Err(sqlx::Error::Decode(format!("unknown word {word}").into())),
        }
    }
}

/// Links an identity that has signed the challenge of that hash, which was brought back just now.
///
/// # Errors
/// When the database does not answer, or there is no such challenge.
pub async fn link(
    conn: &mut PgConnection,
    person: PersonId,
    nonce_hash: &[u8; 32],
    identity: &AwsIdentity,
    unique_id: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Claimed> {
    let row = sqlx::query!(
        "SELECT outcome, identity, other FROM identity_linked($1, $2, $3, $4, $5, $6, $7, $8)",
        PrincipalId::new().uuid(),
        person.uuid(),
        nonce_hash,
        identity.account,
        identity.arn,
        identity.session,
        unique_id,
        now
    );
    let row = row.fetch_one(conn).await?;
    Claimed::of(row.outcome.as_deref(), row.identity, row.other)
}

/// Takes over what a person's claims make, if anything, and ends what they made before; gives what
/// became of it, and the ARNs of what has ended.
///
/// # Errors
/// When the database does not answer.
pub async fn template(
    conn: &mut PgConnection,
    person: PersonId,
    identity: Option<&AwsIdentity>,
    now: DateTime<Utc>,
) -> sqlx::Result<(Option<Claimed>, Vec<String>)> {
    let row = sqlx::query!(
        "SELECT outcome, identity, other, ended FROM identity_templated($1, $2, $3, $4, $5, $6)",
        PrincipalId::new().uuid(),
        person.uuid(),
        identity.map(|it| it.account.as_str()),
        identity.map(|it| it.arn.as_str()),
        identity.and_then(|it| it.session.as_deref()),
        now
    );
    let row = row.fetch_one(conn).await?;
    let claimed = match identity {
        Some(_) => Some(Claimed::of(
            row.outcome.as_deref(),
            row.identity,
            row.other,
        )?),
        None => None,
    };
    Ok((claimed, row.ended.unwrap_or_default()))
}

/// What became of the wish to give an identity up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlinked {
    /// It has ended; its ARN.
    Ended(String),
    /// The person has none of that id.
    None,
    /// The catalog or the provider says that it is theirs.
    NotLinked,
    /// A request that waits, or a grant that is not over, is for it.
    InUse,
}

/// Ends an identity that a person has linked themselves, unless something hangs on it.
///
/// # Errors
/// When the database does not answer.
pub async fn unlink(
    conn: &mut PgConnection,
    person: PersonId,
    identity: PrincipalId,
    now: DateTime<Utc>,
) -> sqlx::Result<Unlinked> {
    let row = sqlx::query!(
        "SELECT outcome, of_arn FROM identity_unlinked($1, $2, $3)",
        person.uuid(),
        identity.uuid(),
        now
    );
    let row = row.fetch_one(conn).await?;
    match (row.outcome.as_deref(), row.of_arn) {
        (Some("ended"), Some(arn)) => Ok(Unlinked::Ended(arn)),
        (Some("none"), _) => Ok(Unlinked::None),
        (Some("not_linked"), _) => Ok(Unlinked::NotLinked),
        (Some("in_use"), _) => Ok(Unlinked::InUse),
        (word, _) => Err(sqlx::Error::Decode(format!("unknown word {word:?}").into())),
    }
}

/// Ends an identity, or a claim to one, whosever it is; gives its person and ARN, where there was
/// one. For the command line: `serve` may not.
///
/// # Errors
/// When the database does not answer or refuses.
pub async fn end(
    conn: &mut PgConnection,
    identity: PrincipalId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(PersonId, String)>> {
    let row = sqlx::query!(
        r#"UPDATE principals SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL
           RETURNING person AS "person: PersonId", arn"#,
        identity.uuid(),
        now
    );
    let row = row.fetch_optional(conn).await?;
    Ok(row.map(|row| (row.person, row.arn)))
}

/// An AWS identity as its own person sees it.
#[derive(Debug, Clone)]
pub struct ListedIdentity {
    /// Its id.
    pub id: PrincipalId,
    /// Whether this account has it, and no other one of theirs.
    pub is_own_account: bool,
    /// What it is.
    pub identity: AwsIdentity,
    /// From where it is known.
    pub source: Source,
    /// When its keys last signed, or its claim was last told.
    pub verified_at: Option<DateTime<Utc>>,
}

/// The identities of a person that count, of all accounts of theirs that are active, by ARN.
///
/// # Errors
/// When the database does not answer.
pub async fn of_person(
    conn: &mut PgConnection,
    person: PersonId,
) -> sqlx::Result<Vec<ListedIdentity>> {
    let rows = sqlx::query!(
        r#"SELECT o.id AS "id: PrincipalId", o.person = $1 AS "is_own_account!", o.account, o.arn,
                  o.role_session_name, o.source, o.verified_at
           FROM people p JOIN people w ON w.id = ANY(human_ids(p)) AND w.status = 'active'
               JOIN principals o ON o.person = w.id
           WHERE p.id = $1 AND o.ended_at IS NULL AND o.conflict_with IS NULL ORDER BY o.arn, o.id"#,
        person.uuid()
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let listed = rows.map(|row| {
        let unknown = || sqlx::Error::Decode(format!("unknown source {}", row.source).into());
        Ok(ListedIdentity {
            id: row.id,
            is_own_account: row.is_own_account,
            source: Source::parse(&row.source).ok_or_else(unknown)?,
            identity: AwsIdentity {
                account: row.account,
                arn: row.arn,
                session: row.role_session_name,
            },
            verified_at: row.verified_at,
        })
    });
    listed.collect()
}
