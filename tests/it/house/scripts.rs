use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAMS: [&str; 4] = ["initdb", "postgres", "pg_ctl", "psql"];

/// Programs that only say that they are of this version.
fn programs(folder: &Path, name: &str, version: &str) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    for program in PROGRAMS {
        let program = folder.join(program);
        let text = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn pg_bin(path: &[&Path], named: Option<&Path>) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("script/pg-bin");
    let path: Vec<_> = path.iter().map(|it| it.to_str().unwrap()).collect();
    let mut command = Command::new(script);
    command.env_remove("COUNTERSIGN_PG_BIN");
    command.env("PATH", format!("{}:/usr/bin:/bin", path.join(":")));
    if let Some(folder) = named {
        command.env("COUNTERSIGN_PG_BIN", folder);
    }
    command.output().unwrap()
}

#[test]
fn the_search_for_postgres_takes_the_first_that_is_new_enough() {
    let folder = tempfile::tempdir().unwrap();
    let old = programs(folder.path(), "old", "14.19 (Debian 14.19-1)");
    let new = programs(folder.path(), "new", "17.2");
    let half = programs(folder.path(), "half", "17.2");
    fs::remove_file(half.join("psql")).unwrap();
    let found = pg_bin(&[&old, &half, &new], None);
    let found = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.trim_end(), new.to_str().unwrap());

    // What is named is taken as it is, or refused.
    let named = pg_bin(&[&new], Some(&old));
    assert_eq!(
        String::from_utf8(named.stdout).unwrap().trim_end(),
        old.to_str().unwrap()
    );
    let refused = pg_bin(&[&new], Some(&half));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    assert!(
        said.contains("COUNTERSIGN_PG_BIN") && said.contains(half.to_str().unwrap()),
        "{said}"
    );
}
