//! The command line. Each command is a file; an error is one line and an exit code.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::db::migrate::{MigrationError, migrate};
use crate::telemetry;

/// Just-in-time elevation approval service for AWS IAM.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration, a TOML file. `COUNTERSIGN_SECTION__KEY` in the environment stands above it.
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the database's schema up to date, as its owner, and give the role countersign_app its privileges
    Migrate,
    /// Print the configuration that applies, secrets as ***
    Config,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Migrate(#[from] MigrationError),
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
}

impl CliError {
    /// 78 is `EX_CONFIG` of sysexits.h; clap itself exits with 2 for wrong usage.
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) => 78,
            Self::Migrate(_) | Self::Output(_) => 1,
        })
    }
}

/// Runs the command and says on standard error, in one line, why it failed.
pub async fn run(cli: Cli) -> ExitCode {
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign: {}", one_line(&error));
            error.exit_code()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    let config = Config::load(cli.config.as_deref(), environment())?;
    telemetry::start(config.log.format);
    match cli.command {
        Command::Migrate => migrate(config.database_url()?).await?,
        Command::Config => print(&config.to_toml())?,
    }
    Ok(())
}

/// Variables that are not Unicode cannot be ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes())
}

/// The error and its causes.
fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}
