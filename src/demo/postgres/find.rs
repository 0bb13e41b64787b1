//! Where the programs of Postgres are, and as whom they run.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{PostgresError, failed_to};

/// The oldest version that the migrations and the tests work with.
const OLDEST: u32 = 15;

/// The two programs that are needed.
pub(super) struct Binaries {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
}

impl Binaries {
    fn of(folder: &Path) -> Option<Self> {
        let found = Self {
            initdb: folder.join("initdb"),
            postgres: folder.join("postgres"),
        };
        (found.initdb.is_file() && found.postgres.is_file()).then_some(found)
    }
}

pub(super) fn binaries() -> Result<Binaries, PostgresError> {
    let found = find()?;
    let version = version(&found.postgres)?;
    if version < OLDEST {
        let folder = found.postgres.parent().unwrap_or(Path::new("/"));
        return Err(PostgresError::TooOld {
            folder: folder.to_owned(),
            version,
        });
    }
    Ok(found)
}

/// The major version: `postgres (PostgreSQL) 17.2 (Debian 17.2-1)` is 17.
fn version(postgres: &Path) -> Result<u32, PostgresError> {
    let output = Command::new(postgres).arg("--version").output();
    let output = output.map_err(failed_to(format!("run {}", postgres.display())))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = said.split(|c: char| !c.is_ascii_digit());
    let number = number.filter_map(|it| it.parse().ok()).next();
    number.ok_or_else(|| PostgresError::Failed {
        program: "postgres --version",
        reason: super::last_words(&said),
    })
}

fn find() -> Result<Binaries, PostgresError> {
    if let Some(folder) = env::var_os("COUNTERSIGN_PG_BIN") {
        // No other is looked for: a wrong name would have another version used unnoticed.
        let folder = PathBuf::from(folder);
        return Binaries::of(&folder).ok_or(PostgresError::NoBinariesIn(folder));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(pg_config())
        .chain(versions("/usr/lib/postgresql", ""))
        .chain(versions("/opt/homebrew/opt", "postgresql"))
        .chain(versions("/usr/local/opt", "postgresql"))
        .find_map(|folder| Binaries::of(&folder))
        .ok_or(PostgresError::Missing)
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim_end()))
}

/// `base/*/bin` for the folders whose names begin with `prefix`, the newest version first.
fn versions(base: &str, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.trim_start_matches('@');
            Some((version.parse().unwrap_or(0), entry.path().join("bin")))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// As whom Postgres runs: it refuses root.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunAs {
    /// An ordinary user, directly.
    Caller,
    /// Root, seen by Postgres as this user (a user namespace): root's rights to folders remain.
    Mapped(u32),
    /// This user, where user namespaces are forbidden.
    Other(u32),
}

pub(super) fn run_as() -> Result<RunAs, PostgresError> {
    if id(&["-u"])? != Some(0) {
        return Ok(RunAs::Caller);
    }
    // initdb wants a user that has a name.
    let uid = match id(&["-u", "postgres"])? {
        Some(uid) => uid,
        None => id(&["-u", "nobody"])?.unwrap_or(65_534),
    };
    let mapped = RunAs::Mapped(uid);
    let works = mapped
        .command(Path::new("true"), true)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    Ok(if works { mapped } else { RunAs::Other(uid) })
}

fn id(arguments: &[&str]) -> Result<Option<u32>, PostgresError> {
    let output = Command::new("id")
        .args(arguments)
        .output()
        .map_err(failed_to("run id"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

impl RunAs {
    /// The words before a program's own that change the user.
    pub fn prefix(self) -> Vec<String> {
        match self {
            Self::Mapped(uid) => vec![
                "unshare".to_owned(),
                "--user".to_owned(),
                format!("--map-user={uid}"),
                format!("--map-group={uid}"),
            ],
            Self::Caller | Self::Other(_) => Vec::new(),
        }
    }

    /// `program` as another user; only `mapped` puts it into the user namespace.
    pub fn command(self, program: &Path, mapped: bool) -> Command {
        let prefix = if mapped { self.prefix() } else { Vec::new() };
        let mut command = match prefix.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        if let Self::Other(uid) = self {
            command.uid(uid);
        }
        command
    }
}
