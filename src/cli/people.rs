//! `countersign people list`, `people disable` and `people enable`.

use std::io::Write;

use clap::Subcommand;

use super::failure::{Failure, Refused};
use super::{serve, table};
use crate::app::find::{self, ListedPerson};
use crate::app::{disable, enable};
use crate::config::Config;

/// What may be typed after `people`.
#[derive(Debug, Subcommand)]
pub enum People {
    /// List everybody: who is active, what they have, and which accounts are one human's
    List,
    /// Disable somebody who has left: their sessions, API tokens, machines, pending requests and
    /// grants end, and their approvals of pending requests count no more
    Disable {
        /// The person's id (person_…), as `list` prints it, or their e-mail address
        #[arg(value_name = "ID")]
        person: String,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Enable somebody again; what has ended stays so
    Enable {
        /// The person's id (person_…), or their e-mail address
        #[arg(value_name = "ID")]
        person: String,
    },
}

/// Does it.
///
/// # Errors
/// When the person is not known, or is disabled or enabled already.
pub async fn run(config: &Config, command: People) -> Result<(), Failure> {
    let app = serve::catalog_app(config).await?;
    match command {
        People::List => {
            let people = find::everybody(&app).await.map_err(Refused::told)?;
            std::io::stdout().write_all(list(&people).as_bytes())?;
        }
        People::Disable { person, reason } => {
            let reason = reason.as_deref();
            let done = disable::by_command(&app, "command line", &person, reason).await;
            let (id, name) = done.map_err(Refused::told)?;
            let name = table::plain(&name);
            eprintln!("{id} ({name}) is disabled; `serve` closes what they had open");
        }
        People::Enable { person } => {
            let done = enable::by_command(&app, "command line", &person).await;
            let (id, name) = done.map_err(Refused::told)?;
            let name = table::plain(&name);
            eprintln!("{id} ({name}) may sign in again; what has ended stays so");
        }
    }
    Ok(())
}

fn list(people: &[ListedPerson]) -> String {
    let headings = [
        "person",
        "name",
        "email",
        "status",
        "since",
        "sessions",
        "tokens",
        "requests",
        "grants",
        "one human with",
    ];
    let row = |it: &ListedPerson| {
        [
            it.id.to_string(),
            table::plain(&it.name),
            table::plain(&it.email),
            it.status().to_owned(),
            table::time(it.disabled_at),
            it.sessions.to_string(),
            it.tokens.to_string(),
            it.requests.to_string(),
            it.grants.to_string(),
            table::plain(&it.others.join("; ")),
        ]
    };
    table::of(headings, people.iter().map(row))
}
