//! `countersign reconcile`.

use std::io::Write;

use clap::Args;

use super::failure::{Failure, Refused};
use super::serve;
use crate::config::Config;
use crate::serve::reconcile::{About, Section, dry_run};

/// What may be typed after `reconcile`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print what there is, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// ARN of one role or user; without it everything is looked at
    #[arg(long, value_name = "ARN")]
    target: Option<String>,
}

/// Looks at AWS as the loop does, and prints what diverges and what the loop does next. Exit code 1
/// where something diverges or could not be looked at.
///
/// # Errors
/// Without `--dry-run`; when no database can be used, it breaks off meanwhile, or something
/// diverges.
pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    if !arguments.dry_run {
        let told = "the running `serve` brings AWS to what was decided, all the time: there is nothing to start; \
                    `--dry-run` prints what it finds and does next";
        return Err(Refused(told.to_owned()).into());
    }
    let app = serve::doctor_app(config).await??;
    let done = dry_run(&app, config, arguments.target.as_deref()).await;
    app.close().await;
    let (count, sections) = done.map_err(Refused::told)?;
    print(&sections)?;
    let lines = sections.iter().flat_map(|it| &it.lines);
    let bad = lines.filter(|it| matches!(it.about, About::Divergence | About::Unseen));
    match bad.count() {
        0 => {
            eprintln!("{count} roles and users looked at: nothing diverges");
            Ok(())
        }
        1 => Err(Refused("one thing diverges or could not be looked at".to_owned()).into()),
        many => {
            let told = format!("{many} things diverge or could not be looked at");
            Err(Refused(told).into())
        }
    }
}

pub(super) fn print(sections: &[Section]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for section in sections {
        writeln!(out, "{}", section.title)?;
        for line in &section.lines {
            let about = line.about.as_str();
            writeln!(out, "  {about:<8} {}: {}", line.kind, line.told)?;
            if let Some(mend) = &line.mend {
                writeln!(out, "           mend: {mend}")?;
            }
        }
    }
    out.flush()
}
