//! `countersign target resume`.

use clap::Subcommand;

use super::failure::{Failure, Refused};
use super::reconcile::print;
use super::serve;
use crate::app::App;
use crate::app::resume::resume;
use crate::config::Config;
use crate::serve::reconcile::{Resumed, resume_all};

/// What may be typed after `target`.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// Let grants open again on a role in the condition `contested` or `safe_mode`, once a person
    /// has seen why; and hand out keys again that nothing could cut, where AWS was seen on it to be
    /// of a later time
    Resume {
        /// ARN of the role or user
        #[arg(required_unless_present = "all")]
        role: Option<String>,
        /// Every one in `safe_mode` on which a look finds nothing that a person has to judge; the
        /// others are told
        #[arg(long, conflicts_with = "role")]
        all: bool,
    },
}

/// Does it.
///
/// # Errors
/// When the catalog has no such role, nothing is to be resumed, or not everything could be.
pub async fn run(config: &Config, command: Target) -> Result<(), Failure> {
    let Target::Resume { role, .. } = command;
    let app = serve::catalog_app(config).await?;
    let Some(role) = role else {
        return everything(&app, config).await;
    };
    let was = resume(&app, "command line", &role)
        .await
        .map_err(Refused::told)?;
    if was.needs_a_person() {
        eprintln!("{role} was {}; grants may open again", was.as_str());
    } else {
        eprintln!("what was seen on {role} keeps back no more keys that nothing could cut");
    }
    Ok(())
}

async fn everything(app: &App, config: &Config) -> Result<(), Failure> {
    let all = resume_all(app, config).await.map_err(Refused::told)?;
    let mut left = 0;
    for (looked, resumed) in &all {
        let arn = &looked.place.arn;
        match resumed {
            Resumed::Done => eprintln!("{arn} was safe_mode; grants may open again"),
            Resumed::Left(why) => {
                left += 1;
                print(looked.section().as_slice())?;
                eprintln!("{arn} stays in safe_mode: {why}");
            }
        }
    }
    match left {
        0 => Ok(()),
        many => {
            let told =
                format!("{many} stay in safe_mode: `countersign target resume ARN` for each");
            Err(Refused(told).into())
        }
    }
}
