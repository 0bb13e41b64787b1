//! `countersign token create`, `token list` and `token revoke`.

use std::io::Write;

use chrono::TimeDelta;
use clap::Subcommand;
use secrecy::ExposeSecret;

use super::failure::{Failure, Refused};
use super::{serve, table};
use crate::app::tokens::{self, Listed, Wanted};
use crate::config::Config;
use crate::domain::duration;
use crate::domain::scope::Scopes;
use crate::ids::TokenId;

/// What may be typed after `token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make an API token that speaks for a person, and print it once (people make theirs in the
    /// portal)
    Create {
        /// E-mail address or id of somebody in the catalog
        #[arg(long, value_name = "EMAIL_OR_ID")]
        person: String,
        /// What it is for
        #[arg(long)]
        name: String,
        /// How long it works, in hours, minutes and seconds: PT720H is 30 days, the most is 90 days
        #[arg(long, value_name = "DURATION", default_value = "PT720H")]
        expires_in: String,
        /// What it may be used for, several times or with commas: request:create, request:read,
        /// request:decide, audit:read, admin
        #[arg(
            long = "scope",
            value_name = "SCOPE",
            value_delimiter = ',',
            default_value = "request:create,request:read,request:decide,audit:read"
        )]
        scopes: Vec<String>,
    },
    /// List every API token: whose it is and whether it works, never the token itself
    List,
    /// Make an API token useless at once
    Revoke {
        /// The token's id (token_…), as `create` and `list` print it
        id: TokenId,
    },
}

/// Does it. The token goes to standard output, everything else to standard error.
///
/// # Errors
/// When the person is not known, or the life is too long.
pub async fn run(config: &Config, command: Token) -> Result<(), Failure> {
    let app = serve::catalog_app(config).await?;
    match command {
        Token::Create {
            person,
            name,
            expires_in,
            scopes,
        } => {
            let scopes = Scopes::parse(&scopes).map_err(|word| {
                Refused(format!("--scope {word} is none: see `token create --help`"))
            })?;
            let expires_in = duration::parse(&expires_in)
                .map_err(|error| Refused(format!("--expires-in {error}")))?;
            // What does not fit is far above the longest life.
            let expires_in = TimeDelta::try_seconds(expires_in).unwrap_or(TimeDelta::MAX);
            let wanted = Wanted {
                name,
                expires_in,
                scopes,
                unread: Vec::new(),
            };
            let (id, token) = tokens::create(&app, "command line", &person, wanted)
                .await
                .map_err(Refused::told)?;
            // To standard error: `TOKEN=$(countersign token create …)` takes the token alone.
            eprintln!("{id} is shown this once:");
            writeln!(std::io::stdout(), "{}", token.expose_secret())?;
        }
        Token::List => {
            let tokens = tokens::list(&app).await.map_err(Refused::told)?;
            std::io::stdout().write_all(list(&tokens).as_bytes())?;
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

/// A line for each token below a line of headings; times are UTC.
fn list(tokens: &[Listed]) -> String {
    let headings = [
        "token",
        "name",
        "of",
        "created",
        "last used",
        "expires",
        "revoked",
        "scopes",
    ];
    let row = |token: &Listed| {
        [
            token.id.to_string(),
            table::plain(&token.name),
            table::plain(&token.of),
            table::time(Some(token.created_at)),
            table::time(token.last_used_at),
            table::time(Some(token.expires_at)),
            table::time(token.revoked_at),
            // As `--scope` takes them.
            token.scopes.join(","),
        ]
    };
    table::of(headings, tokens.iter().map(row))
}
