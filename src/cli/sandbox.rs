//! `countersign sandbox`: the AWS stand-in alone, for the AWS CLI, boto3 and `serve`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, interrupted};
use crate::sandbox::{Options, Sandbox, Seed};

/// What may be typed after `sandbox`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The port; 0 picks a free one
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// The address; whoever can reach it can use every key of the seed
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Accounts, users and roles to begin with: TOML, or JSON in a file whose name ends with .json
    #[arg(long, value_name = "FILE", required_unless_present = "state")]
    seed: Option<PathBuf>,
    /// Where the state is kept from one run to the next; once it is there, the seed is not read any
    /// more
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("cannot read the seed {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("the seed {} is not right: {reason}", .path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error("there is no state in {} yet: name a seed with --seed", .0.display())]
    Missing(PathBuf),
}

/// Runs it until the process is interrupted. Once it listens, its URL is printed as
/// `AWS_ENDPOINT_URL=…`.
///
/// # Errors
/// When the seed or the state cannot be read, or the address cannot be had.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let seed = match (&arguments.seed, &arguments.state) {
        // What is kept there is newer than any seed.
        (_, Some(state)) if state.exists() => Seed::default(),
        (Some(path), _) => read(path)?,
        (None, state) => return Err(SeedError::Missing(state.clone().unwrap_or_default()).into()),
    };
    let sandbox = Sandbox::start(Options {
        addr: SocketAddr::new(arguments.listen, arguments.port),
        seed,
        state_file: arguments.state,
        // Named on the command line: that is being told to.
        allow_non_loopback: true,
    })
    .await?;
    let end = interrupted()?;
    writeln!(std::io::stdout(), "AWS_ENDPOINT_URL={}", sandbox.url())?;
    end.await;
    sandbox.stop().await;
    Ok(())
}

fn read(path: &Path) -> Result<Seed, SeedError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| SeedError::Read(path.to_owned(), error))?;
    let parsed = if path.extension().is_some_and(|it| it == "json") {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            let before = text.bytes().take(error.span().map_or(0, |span| span.start));
            let line = 1 + before.filter(|byte| *byte == b'\n').count();
            format!("{} at line {line}", error.message())
        })
    };
    parsed.map_err(|reason| SeedError::Invalid {
        path: path.to_owned(),
        reason,
    })
}
