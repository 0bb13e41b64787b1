//! What the compiler does not check: who may name whom, how long a file is, and who asks for the
//! time.

mod circles;
mod lines;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file may be longer when nobody could read it better in two; nobody could.
const MOST_LINES: usize = 450;

/// Modules of one file (and their own parts) that everybody but the sandbox may use.
const ROOT: [&str; 5] = ["ids", "clock", "error", "config", "telemetry"];

/// Folder or file of `src`, and what it may name beside itself and [`ROOT`].
const MAY_NAME: [(&str, &[&str]); 15] = [
    ("domain", &[]),
    ("policy", &["domain"]),
    ("authz", &["domain"]),
    ("db", &["domain"]),
    ("aws", &["domain", "policy"]),
    ("authn", &["app", "db", "domain"]),
    ("app", &["authz", "db", "domain", "policy", "aws"]),
    ("worker", &["db", "domain", "policy", "aws"]),
    ("web", &["authn", "app", "domain"]),
    ("api", &["authn", "app", "domain"]),
    ("sandbox", &[]),
    ("cli", &["app", "aws", "db", "domain", "sandbox", "serve"]),
    // These put the parts together.
    (
        "serve",
        &[
            "api", "app", "authn", "aws", "db", "domain", "web", "worker",
        ],
    ),
    (
        "demo",
        &[
            "api", "app", "authn", "aws", "cli", "db", "domain", "policy", "sandbox", "serve",
            "web", "worker",
        ],
    ),
    ("main", &["cli", "demo", "sandbox", "serve"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 10, "the sources are elsewhere");
    found
}

/// `src/db/pool.rs` and `src/db.rs` belong to `db`; tests belong to nothing.
fn module_of(path: &Path) -> Option<&str> {
    let inside = path.strip_prefix("src").ok()?;
    inside
        .components()
        .next()?
        .as_os_str()
        .to_str()?
        .split('.')
        .next()
}

/// Every module that `text` names from the crate's root, in paths (`crate::db::pool`) and in lists
/// (`use crate::{db, ids}`).
fn names(text: &str, root: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|it| it.is_alphanumeric() || it == '_') {
            continue;
        }
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(heads_of_list(list)),
            None => found.extend(word(rest)),
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|it| it.is_alphanumeric() || *it == '_')
        .collect();
    (!word.is_empty()).then_some(word)
}

/// The first words of a list's items, at its outer level.
fn heads_of_list(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = Vec::new();
    let mut item = String::new();
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(word(std::mem::take(&mut item).trim())),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    heads.extend(word(item.trim()));
    heads
}

#[test]
fn imports_point_one_way() {
    let known: BTreeSet<&str> = MAY_NAME.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else {
            continue;
        };
        if module == "lib" {
            continue;
        }
        let allowed = match MAY_NAME.iter().find(|(it, _)| *it == module) {
            Some((_, allowed)) => *allowed,
            None if ROOT.contains(&module) => &["domain"],
            None => {
                wrong.push(format!(
                    "{}: the import rule does not know {module}",
                    path.display()
                ));
                continue;
            }
        };
        let root = if module == "main" {
            "countersign::"
        } else {
            "crate::"
        };
        for name in names(&text, root) {
            let is_module = known.contains(name.as_str()) || ROOT.contains(&name.as_str());
            let common = ROOT.contains(&name.as_str()) && module != "sandbox";
            if is_module && name != module && !common && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: {module} may not name {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_import_rule_sees_paths_and_lists() {
    let text = "use crate::{\n    db::{self, pool::X},\n    ids, app\n};\nfn f() { crate::aws::g(); mycrate::web::h() }\n// crate::api\n";
    let seen: Vec<String> = names(text, "crate::").into_iter().collect();
    assert_eq!(seen, ["app", "aws", "db", "ids"]);
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(
        long.is_empty(),
        "at most {MOST_LINES}:\n{}",
        long.join("\n")
    );
}

/// What no module names is compiled by nobody: its tests never run, and nobody hears of it.
#[test]
fn every_file_is_a_module_of_another() {
    let sources = sources();
    let text_of = |path: &Path| sources.iter().find(|(it, _)| it == path);
    for (path, _) in &sources {
        let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap());
        if stem == "main" || stem == "lib" {
            continue;
        }
        let (parent, name) = if stem == "mod" {
            (folder.parent().unwrap(), folder.file_name().unwrap())
        } else {
            (folder, stem)
        };
        let declared = format!("mod {};", name.to_str().unwrap());
        let places = ["mod.rs", "main.rs", "lib.rs"].map(|it| parent.join(it));
        let mut places = places.into_iter().chain([parent.with_extension("rs")]);
        let is_declared = places.any(|it| {
            let text = text_of(&it).map_or("", |(_, text)| text);
            text.lines().map(str::trim).any(|line| {
                let is_code = !line.starts_with("//");
                is_code && line.ends_with(&declared)
            })
        });
        assert!(is_declared, "{}: no module names it", path.display());
    }
}

#[test]
fn only_the_two_clocks_ask_for_the_time() {
    // In two parts, so that this file does not accuse itself.
    let bans = [
        ["Utc", "::now("].concat(),
        ["SystemTime", "::now("].concat(),
    ];
    let asking: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !path.starts_with("src/sandbox") && !path.ends_with("src/clock.rs"))
        .filter(|(_, text)| bans.iter().any(|ban| text.contains(ban)))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        asking.is_empty(),
        "the time comes from clock.rs:\n{}",
        asking.join("\n")
    );
}

#[test]
fn routes_come_from_the_two_tables() {
    let mut adding = BTreeSet::new();
    for (path, text) in sources() {
        if !path.starts_with("src") || path.starts_with("src/sandbox") {
            continue;
        }
        for call in [".route", ".nest", ".merge(", ".fallback_service("] {
            let times = text.matches(call).count();
            if times > 0 {
                adding.insert(format!("{}: {call} {times}", path.display()));
            }
        }
    }
    // Each table is laid out where its router is; the assets stand apart. `serve` puts the two
    // routers together.
    let known = [
        "src/api/mod.rs: .route 1",
        "src/serve.rs: .fallback_service( 1",
        "src/serve.rs: .nest 1",
        "src/web/mod.rs: .route 2",
    ];
    assert_eq!(adding, known.map(str::to_owned).into());
}

#[test]
fn verbs_make_targets_due_through_their_transaction() {
    let mut naming = BTreeSet::new();
    for (path, text) in sources() {
        if path.starts_with("src") && text.contains("due::make_due") {
            naming.insert(path.display().to_string());
        }
    }
    // The transaction remembers it, and wakes the worker after its COMMIT.
    assert_eq!(naming, ["src/db/tx.rs".to_owned()].into());
}

#[test]
fn sql_never_asks_for_the_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut asking = Vec::new();
    for (path, text) in sources() {
        let sql = path.starts_with("src/db") || path.starts_with("src/app");
        if sql && asks_for_time(&text) {
            asking.push(path);
        }
    }
    let folders = ["migrations", "src/db"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        let is_sql = path.extension().is_some_and(|it| it == "sql");
        if is_sql && asks_for_time(&fs::read_to_string(&path).unwrap()) {
            asking.push(path);
        }
    }
    assert!(asking.is_empty(), "{asking:?}");
}

fn asks_for_time(sql: &str) -> bool {
    // What the clock gives comes first (src/clock.rs).
    let mut sql = sql.to_lowercase();
    for parameter in 1..10 {
        sql = sql.replace(&format!("coalesce(${parameter}, clock_timestamp())"), "");
    }
    // Rust's own `clock.now(` and `Instant::now(` are no SQL.
    let calls = sql
        .match_indices("now()")
        .any(|(at, _)| !sql[..at].ends_with('.') && !sql[..at].ends_with("::"));
    let words = ["current_timestamp", "clock_timestamp", "localtimestamp"];
    let mut asked = words.iter().flat_map(|word| sql.match_indices(word));
    calls || asked.any(|(at, word)| word != "clock_timestamp" || !is_for_want(&sql[..at]))
}

/// The one form in which a statement asks for the time: it was given none (`src/clock.rs`).
fn is_for_want(before: &str) -> bool {
    let given = before.trim_end().strip_suffix(',');
    let given = given.and_then(|it| it.rsplit_once("coalesce($"));
    given.is_some_and(|(_, number)| number.chars().all(|it| it.is_ascii_digit()))
}

#[test]
fn the_rule_of_time_knows_its_one_exception() {
    assert!(!asks_for_time("SELECT coalesce($12, clock_timestamp())"));
    for sql in [
        "SELECT clock_timestamp()",
        "SELECT coalesce(at, clock_timestamp())",
        "SELECT coalesce($1, now())",
        "SELECT coalesce($1, $2), clock_timestamp()",
    ] {
        assert!(asks_for_time(sql), "{sql}");
    }
}
