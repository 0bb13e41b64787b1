//! `countersign doctor`.

use std::io::Write;

use super::failure::{Failure, Refused, with_causes};
use super::serve;
use crate::app::doctor::{Section, State, examine};
use crate::config::Config;
use crate::db::pool::ConnectError;

/// Looks at the live set-up and prints what was found. Exit code 1 where something is missing.
///
/// # Errors
/// When no database is configured, it breaks off meanwhile, or something is missing.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut sections = vec![Section::new("database")];
    match serve::doctor_app(config).await? {
        Ok(app) => {
            sections[0].ok("schema", "reached as `serve` has to, and up to date");
            let examined = examine(&app).await.map_err(Refused::told)?;
            sections.extend(examined);
            app.close().await;
        }
        Err(error) => database(&error, &mut sections[0]),
    }
    print(&sections)?;
    let lines = sections.iter().flat_map(|it| &it.lines);
    match lines.filter(|it| it.state == State::Missing).count() {
        0 => Ok(()),
        1 => Err(Refused("one thing is missing".to_owned()).into()),
        many => Err(Refused(format!("{many} things are missing")).into()),
    }
}

/// Why the database cannot be used. The errors name what mends them.
fn database(error: &ConnectError, section: &mut Section) {
    let mend = match error {
        ConnectError::Behind(_) => "countersign migrate   # as the database's owner",
        ConnectError::NotAMember(_) | ConnectError::TooPowerful { .. } => {
            "database.url = …   # a role that is a member of countersign_app and nothing else"
        }
        _ => "database.url = …   # or COUNTERSIGN_DATABASE__URL",
    };
    let told = with_causes(error);
    section.lacks("schema", told, &[mend]);
}

fn print(sections: &[Section]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for section in sections {
        writeln!(out, "{}", section.title)?;
        for line in &section.lines {
            let state = line.state.as_str();
            writeln!(out, "  {state:<8} {}: {}", line.check, line.told)?;
            for mend in &line.mends {
                writeln!(out, "           mend: {mend}")?;
            }
        }
    }
    out.flush()
}
