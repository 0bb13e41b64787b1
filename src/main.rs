//! The `countersign` program.

use std::process::ExitCode;

use clap::Parser;
use countersign::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
