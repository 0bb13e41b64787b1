//! `countersign target resume`.

use clap::Subcommand;

use super::failure::{Failure, Refused};
use super::serve;
use crate::app::resume::resume;
use crate::config::Config;

/// What may be typed after `target`.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// Let grants open again on a role in the condition `contested` or `safe_mode`, once a person
    /// has seen why
    Resume {
        /// ARN of the role
        role: String,
    },
}

/// Does it.
///
/// # Errors
/// When the catalog has no such role, or nothing is to be resumed.
pub async fn run(config: &Config, command: Target) -> Result<(), Failure> {
    let Target::Resume { role } = command;
    let app = serve::catalog_app(config).await?;
    let was = resume(&app, "command line", &role)
        .await
        .map_err(Refused::told)?;
    eprintln!("{role} was {}; grants may open again", was.as_str());
    Ok(())
}
