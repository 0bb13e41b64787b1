//! The `countersign` program: reads the command line and calls what it names.

use std::process::ExitCode;

use clap::Parser;
use countersign::cli::{self, Cli, Command, Failure};
use countersign::config::Config;
use countersign::{demo, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let config = match cli.command {
        // They have nothing to configure, unless the demo is to sign people in as `serve` does.
        Command::Demo(ref arguments) if arguments.oidc => cli.configuration()?,
        Command::Demo(_) | Command::Sandbox(_) => Config::default(),
        _ => cli.configuration()?,
    };
    // After the configuration, which says how a line looks.
    telemetry::start(config.log.format);
    match cli.command {
        Command::Migrate => cli::migrate(&config).await,
        Command::Serve(arguments) => cli::serve::run(config, arguments).await,
        Command::Catalog(command) => cli::catalog::run(&config, command).await,
        Command::People(command) => cli::people::run(&config, command).await,
        Command::Target(command) => cli::target::run(&config, command).await,
        Command::Token(command) => cli::token::run(&config, command).await,
        Command::Identity(command) => cli::identity::run(&config, command).await,
        Command::AwsSetup(arguments) => cli::aws_setup::run(&config, arguments).await,
        Command::Doctor => cli::doctor::run(&config).await,
        Command::Reconcile(arguments) => cli::reconcile::run(&config, arguments).await,
        Command::Demo(arguments) => demo::run::run(arguments, config.oidc).await,
        Command::Sandbox(arguments) => cli::sandbox::run(arguments).await,
        Command::Config => cli::print_config(&config),
    }
}
