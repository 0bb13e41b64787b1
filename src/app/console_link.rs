//! A link to the console for a grant whose credentials Countersign hands out.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::credentials;
use super::ctx::Ctx;
use crate::domain::fetch::{Kind, LINK_LIFE};
use crate::error::{Error, StsError};
use crate::ids::GrantId;

/// Signs in to the console whoever has it. It prints nowhere.
pub struct ConsoleLink {
    /// The link.
    pub url: SecretString,
    /// When it stops to sign in: after fifteen minutes, or at the deadline.
    pub expires_at: DateTime<Utc>,
    /// When the console stops to work for whoever has signed in. An early end stops it at once.
    pub session_until: DateTime<Utc>,
}

/// Hands out a link to the console to a grant's person.
///
/// # Errors
/// As [`credentials::fetch`]; and when the console's sign-in makes no link.
pub async fn console_link(ctx: &Ctx, id: GrantId) -> Result<ConsoleLink, Error> {
    let given = credentials::hand_out(ctx, id, Kind::Console).await?;
    // One was asked for.
    let url = given.link.ok_or(StsError::Silent)?;
    Ok(ConsoleLink {
        url,
        // From the intent on, which was before AWS made it: it works for a moment longer.
        expires_at: given.expires_at.min(given.fetch.at + LINK_LIFE),
        session_until: given.expires_at,
    })
}
