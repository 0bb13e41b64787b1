//! `countersign token create` and `token revoke`.

use std::io::Write;

use clap::Subcommand;
use secrecy::ExposeSecret;

use super::{Failure, Refused, serve};
use crate::app::{catalog, tokens};
use crate::config::Config;
use crate::ids::TokenId;

/// What may be typed after `token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make an API token that speaks for a person, and print it once
    Create {
        /// E-mail address or id of somebody in the catalog
        #[arg(long, value_name = "EMAIL_OR_ID")]
        person: String,
        /// What it is for
        #[arg(long)]
        name: String,
        /// How long it works: ISO 8601 in hours, minutes and seconds, 90 days at most
        #[arg(long, value_name = "DURATION", default_value = "PT720H")]
        expires_in: String,
    },
    /// Make an API token useless at once
    Revoke {
        /// The token's id (token_…), as `create` printed it
        id: TokenId,
    },
}

/// Does it. The token goes to standard output, everything else to standard error.
///
/// # Errors
/// When the person is not known, or the life is too long.
pub async fn run(config: &Config, command: Token) -> Result<(), Failure> {
    let app = serve::app(config).await?;
    match command {
        Token::Create {
            person,
            name,
            expires_in,
        } => {
            let expires_in = catalog::parse_duration(&expires_in).ok_or_else(|| {
                Refused("--expires-in must be an ISO 8601 duration such as PT720H".to_owned())
            })?;
            let (id, token) = tokens::create(&app, "command line", &person, &name, expires_in)
                .await
                .map_err(Refused::told)?;
            eprintln!("{id} is shown this once:");
            writeln!(std::io::stdout(), "{}", token.expose_secret())?;
        }
        Token::Revoke { id } => {
            tokens::revoke(&app, "command line", id)
                .await
                .map_err(Refused::told)?;
            eprintln!("{id} does not work any more");
        }
    }
    Ok(())
}
