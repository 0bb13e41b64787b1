//! A private Postgres in a folder of its own: on a Unix socket only, gone when the process that
//! started it is gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

mod find;
mod folder;

use find::Binaries;
use folder::LOCK;
pub use folder::{AWS_LOCK, claim, lock, reset};

/// Describes a demo that runs; one that was killed leaves it behind.
pub const DESCRIPTION: &str = "demo.json";
/// How long the server may take to be ready, recovery after a crash included.
const READY: Duration = Duration::from_secs(60);
const DATA_DIR: &str = "--data-dir";
/// Names the socket file; nothing listens on TCP.
const PORT: &str = "5432";

/// Starts the server and waits on a pipe that the parent process holds. When the pipe closes, in
/// whatever way the parent ended, the server is stopped and its folders removed. Standard output is
/// the data folder's lock: it is held until all is gone.
const LIFELINE: &str = r#"
signal=$1 socket=$2 doomed=$3
shift 3
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
{ read -r _ <&3; kill -s "$signal" "$server"; } </dev/null >/dev/null 2>&1 &
lifeline=$!
exec 3<&- </dev/null
wait "$server"
status=$?
kill "$lifeline" 2>/dev/null
rm -rf -- "$socket" ${doomed:+"$doomed"}
exit "$status"
"#;

/// What the data are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Survives a crash; the next start finds the data again.
    Durable,
    /// For tests: nothing is flushed to disk, and the whole data folder goes when the server goes.
    Fast,
}

/// Why there is no Postgres.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No Postgres binaries anywhere.
    #[error(
        "Postgres is not installed: script/demo brings its own; else install the package `postgresql` (Debian, \
         Ubuntu, Homebrew) or \
         `postgresql-server` (Fedora), or name the folder of `initdb` in COUNTERSIGN_PG_BIN"
    )]
    Missing,
    /// `COUNTERSIGN_PG_BIN` is set to something else.
    #[error("COUNTERSIGN_PG_BIN is {}, where there is no `initdb` and `postgres`", .0.display())]
    NoBinariesIn(PathBuf),
    /// The schema needs a newer one.
    #[error("Postgres in {} is version {version}: 15 or newer is needed (COUNTERSIGN_PG_BIN names the folder of \
    another)", .folder.display())]
    TooOld {
        /// Where it is.
        folder: PathBuf,
        /// What it says.
        version: u32,
    },
    /// The folder holds somebody's files.
    #[error("{} is not empty and was not made by countersign: choose another folder with --data-dir", .0.display())]
    NotOurs(PathBuf),
    /// Another process uses the folder.
    #[error("{} is in use by another countersign: stop it, or choose another folder with --data-dir", .0.display())]
    InUse(PathBuf),
    /// Run by root where user namespaces are forbidden, in a folder that is closed to the other
    /// user.
    #[error("Postgres does not run as root, and user id {uid} cannot enter {}: choose another folder with \
    {setting}", .folder.display())]
    Unreachable {
        /// The user that Postgres would run as.
        uid: u32,
        /// The folder.
        folder: PathBuf,
        /// What names another one.
        setting: &'static str,
    },
    /// A program of Postgres did not succeed.
    #[error("{program} failed: {reason}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// The last line that it wrote.
        reason: String,
    },
    /// The operating system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: io::Error,
    },
}

fn failed_to(what: impl Into<String>) -> impl FnOnce(io::Error) -> PostgresError {
    let what = what.into();
    move |source| PostgresError::Io { what, source }
}

/// A running server. Dropping it, or ending the process in whatever way, stops the server.
#[derive(Debug)]
pub struct Postgres {
    shell: Child,
    socket: PathBuf,
}

impl Postgres {
    /// Starts the server on `data_dir`, which is made when it is missing. Blocks until the server
    /// accepts connections.
    ///
    /// # Errors
    /// When Postgres is missing or does not start, or the folder is not ours, in use or
    /// unreachable.
    pub fn start(data_dir: &Path, mode: Mode) -> Result<Self, PostgresError> {
        // Before anything is made: without Postgres no folder is left behind.
        let binaries = find::binaries()?;
        let user = find::run_as()?;
        claim(data_dir)?;
        let data_dir = data_dir
            .canonicalize()
            .map_err(failed_to(format!("open {}", data_dir.display())))?;
        let lock = lock(&data_dir, LOCK)?;
        // A demo that was killed has left it, and what it says is not so any more.
        let _ = fs::remove_file(data_dir.join(DESCRIPTION));
        user.give(&data_dir, DATA_DIR)?;
        initialise(&binaries, user, &data_dir)?;
        forget_dead_server(&data_dir)?;

        let log = data_dir.join("postgres.log");
        let log_file = File::create(&log).map_err(failed_to(format!("write {}", log.display())))?;
        let socket = socket_folder(user)?;
        // INT cuts clients off and keeps the data; QUIT writes nothing, which is enough for what is
        // removed.
        let (signal, doomed) = match mode {
            Mode::Durable => ("INT", Path::new("")),
            Mode::Fast => ("QUIT", data_dir.as_path()),
        };
        let mut command = user.command(Path::new("/bin/sh"), false);
        command
            .args(["-c", LIFELINE, "countersign-postgres", signal])
            .args([&socket, doomed])
            .args(user.prefix())
            .arg(&binaries.postgres)
            .arg("-D")
            .arg(data_dir.join("postgres"))
            .args(settings(&socket, mode))
            .stdin(Stdio::piped())
            .stdout(lock)
            .stderr(log_file)
            // Ctrl-C goes to a terminal's whole group: the server must outlast our own stopping.
            .process_group(0);
        let shell = command
            .spawn()
            .map_err(failed_to("start a shell for Postgres"))?;
        // The command has the lock's file as well: the lock would stay after the server has gone.
        drop(command);
        let mut postgres = Self { shell, socket };
        postgres.wait_until_ready(&data_dir.join("postgres/postmaster.pid"), &log)?;
        Ok(postgres)
    }

    /// A connection URL for `user` (no password: the socket's folder is closed to others) and
    /// `database`.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!(
            "postgres://{}@{}:{PORT}/{}",
            encode(user),
            encode(&self.socket.to_string_lossy()),
            encode(database)
        )
    }

    /// Stops the server and waits until it is gone.
    ///
    /// # Errors
    /// When the server did not end by itself.
    pub async fn stop(mut self) -> Result<(), PostgresError> {
        drop(self.shell.stdin.take());
        let ended = tokio::task::spawn_blocking(move || self.shell.wait()).await;
        let status = ended
            .map_err(io::Error::other)
            .flatten()
            .map_err(failed_to("wait for Postgres"))?;
        if status.success() {
            return Ok(());
        }
        Err(PostgresError::Failed {
            program: "postgres",
            reason: status.to_string(),
        })
    }

    /// Postgres writes the word into its pid file once it accepts connections.
    fn wait_until_ready(&mut self, pid_file: &Path, log: &Path) -> Result<(), PostgresError> {
        let started = Instant::now();
        loop {
            // The eighth line is the server's status.
            let ready = fs::read_to_string(pid_file)
                .is_ok_and(|text| text.lines().nth(7).is_some_and(|it| it.trim() == "ready"));
            if ready {
                return Ok(());
            }
            let ended = self.shell.try_wait().map_err(failed_to("watch Postgres"))?;
            if ended.is_some() || started.elapsed() > READY {
                return Err(PostgresError::Failed {
                    program: "postgres",
                    reason: last_words(&fs::read_to_string(log).unwrap_or_default()),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Runs `initdb` unless it has run. The folder gets its name last, so that an interrupted run
/// leaves nothing half made.
fn initialise(
    binaries: &Binaries,
    user: find::RunAs,
    data_dir: &Path,
) -> Result<(), PostgresError> {
    let cluster = data_dir.join("postgres");
    if cluster.exists() {
        return Ok(());
    }
    let unfinished = data_dir.join("postgres.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .map_err(failed_to(format!("remove {}", unfinished.display())))?;
    }
    private_folder(&unfinished, user, DATA_DIR)?;
    let output = user
        .command(&binaries.initdb, true)
        // No password: the socket is the only way in, and its folder is closed to others.
        .args(["--no-sync", "--no-instructions", "--auth=trust"])
        .args(["--locale=C", "--encoding=UTF8", "--username=postgres"])
        .arg("-D")
        .arg(&unfinished)
        .stdin(Stdio::null())
        .output()
        .map_err(failed_to(format!("run {}", binaries.initdb.display())))?;
    require(output.status, "initdb", &output.stderr)?;
    fs::rename(&unfinished, &cluster).map_err(failed_to(format!("make {}", cluster.display())))
}

/// After a crash of the machine the pid file names a process that is gone, or by now another
/// program.
fn forget_dead_server(data_dir: &Path) -> Result<(), PostgresError> {
    let path = data_dir.join("postgres/postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(());
    };
    let pid = text.lines().next().unwrap_or_default().trim();
    if program(pid)?.contains("postgres") {
        return Err(PostgresError::InUse(data_dir.to_owned()));
    }
    fs::remove_file(&path).map_err(failed_to(format!("remove {}", path.display())))
}

/// The name of a process's program; nothing where there is no such process.
fn program(pid: &str) -> Result<String, PostgresError> {
    if Path::new("/proc/self/comm").exists() {
        return Ok(fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default());
    }
    let ps = Command::new("ps").args(["-o", "comm=", "-p", pid]).output();
    let ps = ps.map_err(failed_to("run ps"))?;
    Ok(String::from_utf8_lossy(&ps.stdout).into_owned())
}

/// A new folder for the socket, with a short path: a socket's path has 108 bytes at most.
fn socket_folder(user: find::RunAs) -> Result<PathBuf, PostgresError> {
    let temporary = std::env::temp_dir();
    let base = if temporary.as_os_str().len() > 60 {
        Path::new("/tmp")
    } else {
        &temporary
    };
    let folder = base.join(format!("countersign-{:016x}", rand::random::<u64>()));
    private_folder(&folder, user, "TMPDIR")?;
    Ok(folder)
}

fn private_folder(
    path: &Path,
    user: find::RunAs,
    setting: &'static str,
) -> Result<(), PostgresError> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(failed_to(format!("make the folder {}", path.display())))?;
    user.give(path, setting)
}

fn settings(socket: &Path, mode: Mode) -> Vec<String> {
    let socket = format!("unix_socket_directories={}", socket.display());
    let port = format!("port={PORT}");
    let common = [&socket, &port, "listen_addresses=", "timezone=UTC"];
    let fast = [
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        // `minimal` is refused while there may be WAL senders.
        "wal_level=minimal",
        "max_wal_senders=0",
        "max_connections=500",
    ];
    let fast = if mode == Mode::Fast { &fast[..] } else { &[] };
    let all = common.iter().copied().chain(fast.iter().copied());
    all.flat_map(|setting| ["-c".to_owned(), setting.to_owned()])
        .collect()
}

fn require(status: ExitStatus, program: &'static str, said: &[u8]) -> Result<(), PostgresError> {
    if status.success() {
        return Ok(());
    }
    Err(PostgresError::Failed {
        program,
        reason: last_words(&String::from_utf8_lossy(said)),
    })
}

/// The line that says why: the last FATAL or error, else the last one.
fn last_words(log: &str) -> String {
    let lines = || log.lines().rev().filter(|line| !line.trim().is_empty());
    let line = lines()
        .find(|line| line.contains("FATAL") || line.contains("error:"))
        .or_else(|| lines().next());
    line.unwrap_or("it said nothing").trim().to_owned()
}

impl find::RunAs {
    /// Makes `path` the property of the user that Postgres runs as. `setting` names another place
    /// for it.
    fn give(self, path: &Path, setting: &'static str) -> Result<(), PostgresError> {
        let Self::Other(uid) = self else {
            return Ok(());
        };
        chown(path, Some(uid), None).map_err(failed_to(format!("give {} away", path.display())))?;
        // Each folder above has to let that user pass, which is seen best by trying.
        let entered = Command::new("/bin/sh")
            .args(["-c", "cd \"$1\"", "sh"])
            .arg(path)
            .stderr(Stdio::null())
            .uid(uid)
            .status()
            .map_err(failed_to("start a shell"))?;
        if entered.success() {
            return Ok(());
        }
        Err(PostgresError::Unreachable {
            uid,
            folder: path.to_owned(),
            setting,
        })
    }
}
