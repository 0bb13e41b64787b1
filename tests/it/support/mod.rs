//! What the tests share.

pub mod api;
pub mod app;
pub mod catalog;
pub mod cloud;
mod cluster;
pub mod console;
pub mod elevation;
pub mod log;
pub mod machines;
pub mod member;
pub mod parts;
pub mod portal;
pub mod provider;
pub mod rows;
pub mod signer;
pub mod stage;
pub mod wait;
pub mod world;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

pub use cluster::{TestDb, cluster, timeouts};

/// Another number each time: what is asked for twice in the same words is one request.
pub fn another() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// A temporary folder that others may enter: where root has no user namespaces, Postgres runs as
/// another user.
pub fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Whatever the umask is.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
    folder
}
