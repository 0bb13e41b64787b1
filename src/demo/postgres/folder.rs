//! The data folder: whose it is, and who uses it.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{PostgresError, failed_to, find};

/// The file that says that a folder is ours to use and to remove.
const MARKER: &str = ".countersign-data";
/// The lock of the database's files.
pub(super) const LOCK: &str = "postgres.lock";
/// The lock of the AWS stand-in's file.
pub const AWS_LOCK: &str = "aws.lock";
/// How long a predecessor may take to let go of the folder.
const HANDOVER: Duration = Duration::from_secs(5);

/// Removes everything in a data folder of ours, after its server is gone. A missing folder is fine.
/// Interrupted, it can be done again.
///
/// # Errors
/// When the folder is not ours or in use, or Postgres is missing, so that nothing could begin anew.
pub fn reset(data_dir: &Path) -> Result<(), PostgresError> {
    find::binaries()?;
    if !data_dir.exists() {
        return Ok(());
    }
    // Both: the AWS stand-in may run in a process of its own.
    let _locks = (
        claim(data_dir)?,
        lock(data_dir, LOCK)?,
        lock(data_dir, AWS_LOCK)?,
    );
    let removed = fs::read_dir(data_dir).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            if entry.file_name() == MARKER {
                // Goes last: it says that the folder is ours.
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        fs::remove_dir_all(data_dir)
    });
    removed.map_err(failed_to(format!("remove {}", data_dir.display())))
}

/// Makes the folder ours, or sees that it is.
///
/// # Errors
/// When it holds somebody's files, or cannot be made.
pub fn claim(data_dir: &Path) -> Result<(), PostgresError> {
    let cannot = |what| failed_to(format!("{what} {}", data_dir.display()));
    if !data_dir.exists() {
        let parent = data_dir.parent().unwrap_or(data_dir);
        fs::create_dir_all(parent).map_err(cannot("make the parents of"))?;
        let made = fs::DirBuilder::new().mode(0o700).create(data_dir);
        made.map_err(cannot("make the folder"))?;
    }
    let marker = data_dir.join(MARKER);
    if marker.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(data_dir).map_err(cannot("read"))?;
    // Without the marker it is somebody's folder, and `--reset` would remove what is in it.
    if entries.next().is_some() {
        return Err(PostgresError::NotOurs(data_dir.to_owned()));
    }
    fs::write(
        marker,
        "The data of `countersign demo`. `--reset` removes this folder.\n",
    )
    .map_err(cannot("write into"))
}

/// Waits until no other process, nor the server of one that was killed, uses what the lock of this
/// name in the folder stands for.
///
/// # Errors
/// When another process goes on using it.
pub fn lock(data_dir: &Path, name: &str) -> Result<File, PostgresError> {
    let path = data_dir.join(name);
    let file = File::create(&path).map_err(failed_to(format!("write {}", path.display())))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < HANDOVER => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(PostgresError::InUse(data_dir.to_owned()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(failed_to(format!("lock {}", path.display()))(error));
            }
        }
    }
}
