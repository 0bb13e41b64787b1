//! `countersign catalog apply FILE`.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, Refused, serve};
use crate::app::catalog::{CatalogError, apply};
use crate::config::Config;

/// What may be typed after `catalog`.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Bring accounts, people and entitlements to what a TOML file says; what it does not name stays
    Apply {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the catalog {}", .0.display())]
struct Unreadable(PathBuf, #[source] std::io::Error);

/// Applies the file and says what it changed.
///
/// # Errors
/// When the file cannot be read or does not fit; nothing is changed then.
pub async fn run(config: &Config, command: Catalog) -> Result<(), Failure> {
    let Catalog::Apply { file } = command;
    let text = std::fs::read_to_string(&file).map_err(|error| Unreadable(file, error))?;
    let app = serve::app(config).await?;
    let applied = apply(&app, &text, "command line").await;
    let applied = applied.map_err(|error| match error {
        CatalogError::Failed(error) => Refused::told(error),
        other => Failure::from(other),
    })?;
    let mut out = std::io::stdout();
    for change in &applied.changes {
        writeln!(out, "{change}")?;
    }
    writeln!(out, "{} changed", applied.changes.len())?;
    Ok(())
}
