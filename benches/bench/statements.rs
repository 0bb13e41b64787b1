//! What Postgres was asked, by its own log: every statement with its connection. The log is the
//! same in all versions and needs no extension.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};

use crate::Outcome;
use crate::world::World;

/// Since when the log is read.
pub struct Log {
    file: PathBuf,
    from: u64,
}

/// One statement of `serve`.
#[derive(Debug)]
struct Statement {
    connection: String,
    sql: String,
}

/// What one part of `serve` asked in some time.
#[derive(Debug, Default, Clone)]
pub struct Asked {
    /// Everything but BEGIN, COMMIT and ROLLBACK.
    pub statements: usize,
    /// Of these, reads of the clock alone.
    pub clock: usize,
    /// Transactions with a COMMIT.
    pub commits: usize,
    /// Statements on their own: each is a transaction as well.
    pub alone: usize,
    /// How often each was asked, by how it begins.
    pub by_text: BTreeMap<String, usize>,
}

/// By whom: connections that have ever taken a target are the worker's.
#[derive(Debug, Default)]
pub struct Both {
    pub verbs: Asked,
    pub worker: Asked,
    /// How often a target was worked on.
    pub passes: usize,
}

/// Has Postgres log every statement of `serve`, or no more.
pub async fn log_all(world: &World, on: bool) -> Outcome<()> {
    let level = if on { "all" } else { "none" };
    let admin: &PgPool = &world.main.admin;
    for sql in [
        format!("ALTER SYSTEM SET log_statement = '{level}'"),
        "ALTER SYSTEM SET log_line_prefix = '%u|%p|'".to_owned(),
        "ALTER SYSTEM SET log_parameter_max_length = 0".to_owned(),
        "SELECT pg_reload_conf()".to_owned(),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await?;
    }
    // Each connection hears of it before its next statement.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

impl Log {
    pub fn from_now(world: &World) -> Self {
        let file = world.postgres_log();
        let from = std::fs::metadata(&file).map_or(0, |it| it.len());
        Self { file, from }
    }

    /// What `serve` has asked since then. `workers` are the connections of the worker as far as
    /// they are known.
    pub async fn read(&self, workers: &mut BTreeSet<String>) -> Outcome<Both> {
        // The server's processes write their lines as they go; the last ones are on their way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut file = std::fs::File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let all = statements(&text);
        let takes = all
            .iter()
            .filter(|it| it.sql.contains("SET lease_token = $3"));
        workers.extend(takes.map(|it| it.connection.clone()));
        let mut both = Both::default();
        let mut open = BTreeSet::new();
        for statement in &all {
            let is_worker = workers.contains(&statement.connection);
            let asked = if is_worker {
                &mut both.worker
            } else {
                &mut both.verbs
            };
            asked.count(statement, &mut open);
            // Each pass reads the grants once without locking them.
            both.passes += usize::from(
                statement
                    .sql
                    .contains("n.guard_gone_at IS NULL ORDER BY g.id")
                    && !statement.sql.contains("FOR NO KEY UPDATE"),
            );
        }
        Ok(both)
    }
}

impl Asked {
    fn count(&mut self, it: &Statement, open: &mut BTreeSet<String>) {
        let word = it.sql.split_whitespace().next().unwrap_or_default();
        match word.trim_end_matches(';').to_uppercase().as_str() {
            "BEGIN" => drop(open.insert(it.connection.clone())),
            "COMMIT" => {
                open.remove(&it.connection);
                self.commits += 1;
            }
            "ROLLBACK" => drop(open.remove(&it.connection)),
            _ => {
                self.statements += 1;
                self.alone += usize::from(!open.contains(&it.connection));
                self.clock += usize::from(it.sql.starts_with("SELECT clock_timestamp()"));
                *self.by_text.entry(it.beginning()).or_default() += 1;
            }
        }
    }
}

impl Statement {
    /// Enough of it to know it by: up to the table that it begins with, and what is left of the
    /// line.
    fn beginning(&self) -> String {
        let plain = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let from = plain.find(" FROM ").filter(|_| plain.starts_with("SELECT"));
        let shown = match from {
            Some(at) => format!("SELECT …{}", &plain[at..]),
            None => plain,
        };
        shown.chars().take(80).collect()
    }
}

/// Lines like `countersign_serve|4711|LOG:  execute sqlx_s_3: SELECT …`; what follows of a
/// statement begins with a tab.
fn statements(text: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix('\t') {
            if let Some(last) = found.last_mut().filter(|_| is_ours) {
                last.sql.push('\n');
                last.sql.push_str(rest);
            }
            continue;
        }
        let begun = line
            .strip_prefix("countersign_serve|")
            .and_then(|rest| rest.split_once("|LOG:  "))
            .and_then(|(connection, said)| Some((connection, sql(said)?)));
        is_ours = begun.is_some();
        found.extend(begun.map(|(connection, sql)| Statement {
            connection: connection.to_owned(),
            sql: sql.to_owned(),
        }));
    }
    found
}

fn sql(said: &str) -> Option<&str> {
    let rest = said.strip_prefix("statement: ");
    rest.or_else(|| {
        said.strip_prefix("execute ")?
            .split_once(": ")
            .map(|it| it.1)
    })
}
