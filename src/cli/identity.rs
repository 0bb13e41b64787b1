//! `countersign identity sign` and `identity end`.

use std::io::Write;

use clap::Subcommand;

use super::failure::{Failure, Refused};
use super::serve;
use crate::app::identities;
use crate::aws;
use crate::config::Config;
use crate::ids::PrincipalId;

/// What may be typed after `identity`.
#[derive(Debug, Subcommand)]
pub enum Identity {
    /// Sign a challenge of the page /me/identities with this shell's AWS keys, and print what is to
    /// be pasted there. Nothing is sent; no configuration and no database is needed
    Sign {
        /// The challenge, as the page shows it
        #[arg(value_name = "NONCE")]
        challenge: String,
        /// The region whose STS is to take it; without it that of the environment or the profile,
        /// else us-east-1
        #[arg(long)]
        region: Option<String>,
    },
    /// End somebody's AWS identity, or a claim to one, so that it lets nobody in anew; as a member
    /// of the database role countersign_catalog
    End {
        /// Its id (identity_…), as the start page of admins tells it
        id: PrincipalId,
    },
}

/// Does it. What is signed goes to standard output, everything else to standard error.
///
/// # Errors
/// When there are no keys, or the challenge or the region cannot be; when there is no such
/// identity.
pub async fn run(config: &Config, command: Identity) -> Result<(), Failure> {
    match command {
        Identity::Sign { challenge, region } => {
            let signed = aws::sign_challenge(&challenge, region).await?;
            eprintln!(
                "Paste this into the page that showed the challenge, and give it to nobody: whoever it was shown to \
                 has this AWS identity in Countersign then."
            );
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&signed)?)?;
        }
        Identity::End { id } => {
            let app = serve::catalog_app(config).await?;
            let arn = identities::end(&app, "command line", id).await;
            let arn = arn.map_err(Refused::told)?;
            eprintln!(
                "{id} ({arn}) lets nobody in any more; what is open by it ends at its deadline"
            );
        }
    }
    Ok(())
}
