//! The `countersign` program: reads the command line and calls what it names.

use std::process::ExitCode;

use clap::Parser;
use countersign::cli::{self, Cli, Command, Failure};
use countersign::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let config = cli.configuration()?;
    telemetry::start(config.log.format);
    match cli.command {
        Command::Migrate => cli::migrate(&config).await,
        Command::Sandbox(arguments) => cli::sandbox::run(arguments).await,
        Command::Config => cli::print_config(&config),
    }
}
