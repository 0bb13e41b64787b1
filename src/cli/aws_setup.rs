//! `countersign aws-setup`.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::failure::{Failure, Refused};
use super::serve;
use crate::app::aws_setup::setup;
use crate::config::Config;

/// What may be typed after `aws-setup`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The account, 12 digits, as the catalog names it
    #[arg(long, value_name = "ID")]
    account: String,
    /// For which tool
    #[arg(long, value_name = "TOOL", default_value = "cloudformation")]
    format: Format,
    /// ARN of the IAM role or user that Countersign itself runs as; without it STS is asked
    #[arg(long, value_name = "ARN")]
    hub: Option<String>,
}

/// A tool that makes what a file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A template of AWS CloudFormation, in JSON
    Cloudformation,
    /// A file of Terraform or OpenTofu, `*.tf.json`
    Terraform,
}

/// Prints it.
///
/// # Errors
/// When the catalog has no such account, or STS does not tell who Countersign is.
pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let app = serve::catalog_app(config).await?;
    let setup = setup(&app, &arguments.account, arguments.hub).await;
    let setup = setup.map_err(Refused::told)?;
    let template = match arguments.format {
        Format::Cloudformation => setup.cloudformation(),
        Format::Terraform => setup.terraform(),
    };
    Ok(writeln!(std::io::stdout(), "{template:#}")?)
}
