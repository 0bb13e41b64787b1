//! The command line: what may be typed, the small commands, and how a failure is told.

pub mod aws_setup;
pub mod catalog;
pub mod doctor;
mod failure;
pub mod identity;
pub mod people;
pub mod reconcile;
pub mod sandbox;
pub mod serve;
pub mod signals;
pub mod stop;
mod table;
pub mod target;
pub mod token;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Config, ConfigError};
use crate::db;
use crate::db::migrate::Migrated;
pub use failure::Failure;
pub use signals::interrupted;

/// Just-in-time elevation approval service for AWS IAM.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration, a TOML file. `COUNTERSIGN_SECTION__KEY` in the environment stands above
    /// it; `demo` and `sandbox` need neither
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the database's schema up to date, as its owner, and give the roles countersign_app and
    /// countersign_catalog their privileges
    Migrate,
    /// Serve the portal and the API, and keep AWS at what was decided, until interrupted; as a
    /// member of the database role countersign_app
    Serve(serve::Arguments),
    /// Accounts, people and entitlements; as a member of the database role countersign_catalog
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Who may sign in: disabling those who have left; as a member of the database role
    /// countersign_catalog
    #[command(subcommand)]
    People(people::People),
    /// The roles that are opened; as a member of the database role countersign_catalog
    #[command(subcommand)]
    Target(target::Target),
    /// API tokens; as a member of the database role countersign_catalog
    #[command(subcommand)]
    Token(token::Token),
    /// AWS identities: sign that one is yours, or end one
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Print what an account of AWS has to be given, so that Countersign can work there: the role,
    /// its policy, and the trust statements of the roles that it assumes for people; as a member of
    /// the database role countersign_catalog
    AwsSetup(aws_setup::Arguments),
    /// Look whether everything is there that `serve` needs, in the database and in every account,
    /// and say what is missing and what mends it; nothing is changed. With the configuration of
    /// `serve`
    Doctor,
    /// Look at AWS as the loop of `serve` does, and print what is not as the database has it and
    /// what the loop does next; nothing is changed. With the configuration of `serve`
    Reconcile(reconcile::Arguments),
    /// Everything on this machine, with people and a role to try it on, until interrupted
    Demo(DemoArguments),
    /// Run the AWS stand-in alone, until it is interrupted
    Sandbox(sandbox::Arguments),
    /// Print the configuration that applies, secrets as ***
    Config,
}

/// What may be typed after `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The portal's port; 0 picks a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// The port of the AWS stand-in; 0 picks a free one
    #[arg(long, default_value_t = 4566)]
    pub aws_port: u16,
    /// Where the data are kept
    #[arg(long, value_name = "FOLDER", default_value = ".countersign")]
    pub data_dir: PathBuf,
    /// Forget the data of earlier starts
    #[arg(long)]
    pub reset: bool,
    /// Sign people in through the provider of the configuration (`oidc.issuer` and the keys beside
    /// it) instead of letting one of them be picked. The demo's people are its subjects `alice`,
    /// `bob` and so on
    #[arg(long)]
    pub oidc: bool,
    /// Start one part alone: `aws` in one terminal, then `countersign` in another, to see what AWS
    /// does once Countersign is killed
    #[arg(long, value_name = "PART")]
    pub only: Option<Part>,
}

/// A part of the demo that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The AWS stand-in.
    Aws,
    /// Everything else: portal, API, worker and Postgres.
    Countersign,
}

impl Cli {
    /// Reads the configuration that the command line and the environment name.
    ///
    /// # Errors
    /// When it is refused.
    pub fn configuration(&self) -> Result<Config, ConfigError> {
        // Variables that are not Unicode cannot be ours.
        let env = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Config::load(self.config.as_deref(), env)
    }
}

/// `countersign migrate`.
///
/// # Errors
/// When no database is configured, or it cannot be migrated.
pub async fn migrate(config: &Config) -> Result<(), Failure> {
    match db::migrate::migrate(config.database_url()?).await? {
        Migrated::UpToDate => eprintln!("the schema is up to date"),
        // No failure: a roll-back would stop at its own `migrate`.
        Migrated::Newer(version) => eprintln!(
            "the schema is newer than this program (migration {version}) and has all that it needs; nothing to do"
        ),
    }
    Ok(())
}

/// `countersign config`.
///
/// # Errors
/// When standard output is closed.
pub fn print_config(config: &Config) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(config.to_toml().as_bytes())?)
}
