//! `countersign catalog apply FILE` and `catalog check FILE`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use super::failure::{Failure, Refused, Told};
use super::serve;
use crate::app::App;
use crate::app::catalog::{CatalogError, Wrong, apply, check};
use crate::app::doctor::others_of_closed;
use crate::config::Config;

/// So many mistakes are shown at a time.
const SHOWN: usize = 20;
/// How long AWS has to show the trust policies of closed roles.
const LOOK: Duration = Duration::from_secs(5);

/// What may be typed after `catalog`.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Bring accounts, people and entitlements to what a TOML file says; what it does not name
    /// stays
    Apply {
        /// The file
        file: PathBuf,
    },
    /// Say everything that is wrong with such a file; needs no database
    Check {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the catalog {}", .0.display())]
struct Unreadable(PathBuf, #[source] std::io::Error);

/// Applies the file and says what it changed, or says what would be wrong.
///
/// # Errors
/// When the file cannot be read or does not fit; nothing is changed then.
pub async fn run(config: &Config, command: Catalog) -> Result<(), Failure> {
    let (Catalog::Apply { file } | Catalog::Check { file }) = &command;
    let text = std::fs::read_to_string(file).map_err(|error| Unreadable(file.clone(), error))?;
    let mut out = std::io::stdout();
    let notes = match &command {
        Catalog::Check { file } => {
            let checked = check(&text, config.oidc.tells_groups())
                .map_err(|wrong| unfitting(file, &text, &wrong))?;
            writeln!(
                out,
                "{} fits: {}, {}, {}",
                file.display(),
                count(checked.accounts, "account", "accounts"),
                count(checked.people, "person", "people"),
                count(checked.entitlements, "entitlement", "entitlements")
            )?;
            checked.notes
        }
        Catalog::Apply { file } => {
            let app = serve::catalog_app(config).await?;
            let applied = apply(&app, &text, "command line").await;
            let applied = applied.map_err(|error| match error {
                CatalogError::Failed(error) => Refused::told(error),
                CatalogError::Invalid(wrong) => unfitting(file, &text, &wrong),
            })?;
            for change in &applied.changes {
                writeln!(out, "{change}")?;
            }
            writeln!(out, "{} changed", applied.changes.len())?;
            let others = others(&app, &applied.closed).await?;
            [applied.notes, others].concat()
        }
    };
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

/// Who else uses the roles that are closed, as far as AWS tells in time.
async fn others(app: &App, closed: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    let looks = closed.iter().map(|arn| others_of_closed(app, arn));
    let looked = tokio::time::timeout(LOOK, futures_util::future::try_join_all(looks));
    match looked.await {
        Ok(others) => Ok(others
            .map_err(Refused::told)?
            .into_iter()
            .flatten()
            .collect()),
        Err(_) => Ok(vec![
            "AWS does not tell in time whom else closed roles let in, who are denied now: \
             `countersign doctor` tells"
                .to_owned(),
        ]),
    }
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Every mistake with its line.
fn unfitting(file: &Path, text: &str, wrong: &[Wrong]) -> Failure {
    let file = file.display().to_string();
    let count = count(wrong.len(), "mistake", "mistakes");
    let mut told = format!("{file} has {count}, and nothing of it is applied:");
    for one in wrong.iter().take(SHOWN) {
        told.push_str("\n\n");
        told.push_str(&one.show(&file, text));
    }
    if wrong.len() > SHOWN {
        told.push_str(&format!("\n\n… and {} more", wrong.len() - SHOWN));
    }
    Failure::from(Told(told))
}
