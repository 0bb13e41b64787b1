//! Within a folder of `src`, no files import each other in a circle.
//!
//! A file counts as importing another when it names something that the other defines. A re-export
//! (`pub use`) is followed to where it comes from, and is itself no import; neither is `mod`. A
//! file counts as one with its parts (`submit.rs` with `submit/check.rs`), a folder's `mod.rs` does
//! not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sources;

/// A module's path from the crate's root: `["sandbox", "iam", "roles"]`.
type Module = Vec<String>;

/// A path in the source, and where it stands: in a `pub use` or anywhere else.
struct Named {
    path: Vec<String>,
    shows: bool,
}

/// What the files of `src` name, by module, and the modules that are a folder's `mod.rs`.
struct Files {
    named: BTreeMap<Module, Vec<Named>>,
    folders: BTreeSet<Module>,
}

impl Files {
    fn read<'a>(sources: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Self {
        let (mut named, mut folders) = (BTreeMap::new(), BTreeSet::new());
        for (path, text) in sources {
            let without_end = path.with_extension("");
            let words = without_end.iter().map(|word| word.to_str().unwrap());
            let module: Module = words
                .filter(|word| *word != "mod")
                .map(str::to_owned)
                .collect();
            if path.ends_with("mod.rs") {
                folders.insert(module.clone());
            }
            named.insert(module, paths(text));
        }
        Self { named, folders }
    }

    /// The modules that define what `module` names, in its own folder.
    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let named = self.named[module].iter().filter(|named| !named.shows);
        let defining = named.filter_map(|named| self.defining(module, &named.path, 0));
        defining
            .filter(|other| other != module && other[0] == module[0])
            .collect()
    }

    /// The module that defines what `path` names where it stands in `module`.
    fn defining(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut at = module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            first => {
                // A part of this module, or one that a `use` has brought in and that counts there.
                at.push(first.to_owned());
                self.named.contains_key(&at).then_some(())?;
                rest = &rest[1..];
            }
        }
        while rest.first().is_some_and(|word| word == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        while let Some(word) = rest.first() {
            let mut part = at.clone();
            part.push(word.clone());
            if !self.named.contains_key(&part) {
                break;
            }
            at = part;
            rest = &rest[1..];
        }
        self.behind(&at, rest, depth)
    }

    /// `at` itself, or the module that it shows `rest` from.
    fn behind(&self, at: &Module, rest: &[String], depth: usize) -> Option<Module> {
        let all = self.named.get(at)?;
        let Some(word) = rest.first().filter(|_| depth < 8) else {
            return Some(at.clone());
        };
        let shown = all
            .iter()
            .find(|named| named.shows && named.path.last() == Some(word));
        match shown {
            Some(shown) => self.defining(at, &shown.path, depth + 1),
            None => Some(at.clone()),
        }
    }

    /// Groups of modules of which each reaches every other, through imports.
    fn circles(&self) -> Vec<Vec<String>> {
        let edges: BTreeMap<&Module, BTreeSet<Module>> = self
            .named
            .keys()
            .map(|module| (module, self.of_wholes(module)))
            .collect();
        let reached = |from: &Module| {
            let mut seen = BTreeSet::new();
            let mut open = vec![from.clone()];
            while let Some(module) = open.pop() {
                for next in edges.get(&module).into_iter().flatten() {
                    if seen.insert(next.clone()) {
                        open.push(next.clone());
                    }
                }
            }
            seen
        };
        let all: BTreeMap<&Module, BTreeSet<Module>> =
            edges.keys().map(|from| (*from, reached(from))).collect();
        let mut circles = BTreeSet::new();
        for (from, reach) in &all {
            let circle: Vec<String> = reach
                .iter()
                .filter(|other| all.get(other).is_some_and(|back| back.contains(*from)))
                .map(|module| module.join("::"))
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The imports of a file with those of its parts, each counted for the whole that it is of.
    fn of_wholes(&self, module: &Module) -> BTreeSet<Module> {
        if self.whole(module) != *module {
            return BTreeSet::new();
        }
        let ours = self.named.keys().filter(|part| self.whole(part) == *module);
        ours.flat_map(|part| self.imports(part))
            .map(|other| self.whole(&other))
            .filter(|other| other != module)
            .collect()
    }

    /// The file that `module` is a part of: `app::submit` of `app::submit::check`.
    fn whole(&self, module: &Module) -> Module {
        let mut whole = module.clone();
        while let Some((_, above)) = whole.split_last()
            && self.named.contains_key(above)
            && !self.folders.contains(above)
        {
            whole.pop();
        }
        whole
    }
}

/// Every path in `text`: those of `use`, spread out, and those with `::` in the code.
fn paths(text: &str) -> Vec<Named> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut found = Vec::new();
    for statement in code.split_inclusive(';') {
        let opens = |at: usize| statement[..at].ends_with([' ', '\n', '(', '}']) || at == 0;
        let at = statement.rfind("use ").filter(|at| opens(*at));
        let Some(at) = at.filter(|_| statement.ends_with(';')) else {
            found.extend(inline(statement));
            continue;
        };
        found.extend(inline(&statement[..at]));
        let shows = statement[..at].trim_end().ends_with(['b', ')'])
            && statement[..at]
                .lines()
                .last()
                .is_some_and(|line| line.trim_start().starts_with("pub"));
        let tree = statement[at + 4..].trim_end_matches(';');
        for path in spread(tree) {
            found.push(Named { path, shows });
        }
    }
    found
}

/// `a::{b, c::{self, d}}` → `a::b`, `a::c`, `a::c::d`.
fn spread(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((before, list)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        let words = path.split("::").map(|word| word.trim().to_owned());
        let words: Vec<String> = words
            .filter(|word| word != "self" || path.starts_with("self"))
            .collect();
        return vec![words];
    };
    let before: Vec<String> = before
        .split("::")
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let list = list.trim_end().strip_suffix('}').unwrap_or(list);
    let mut items = vec![String::new()];
    let mut depth = 0;
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().unwrap().push(letter);
    }
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items
        .flat_map(|item| spread(item))
        .map(|rest| {
            let rest = rest.into_iter().filter(|word| word != "self");
            before.iter().cloned().chain(rest).collect()
        })
        .collect()
}

/// Paths in code, such as `super::state::load(…)`.
fn inline(code: &str) -> Vec<Named> {
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_of_path(c))
        .filter(|word| word.contains("::"))
        .map(|word| word.split("::").map(str::to_owned).collect())
        .map(|path| Named { path, shows: false })
        .collect()
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    let sources = sources();
    let files = sources.iter().filter_map(|(path, text)| {
        let inside = path.strip_prefix("src").ok()?;
        Some((inside, text.as_str())).filter(|_| inside.components().count() > 1)
    });
    let circles = Files::read(files).circles();
    let circles: Vec<String> = circles.iter().map(|circle| circle.join(", ")).collect();
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

#[test]
fn circles_are_seen_through_lists_paths_and_what_is_shown() {
    let circles = |texts: &[(&'static str, &'static str)]| {
        Files::read(texts.iter().map(|(path, text)| (Path::new(*path), *text))).circles()
    };
    let shown = [
        ("x/mod.rs", "mod a;\nmod b;\n\npub use a::{A, It};\n"),
        ("x/a.rs", "use super::b::{self, B};\n"),
        ("x/b.rs", "pub struct B;\n\nuse super::It;\n"),
    ];
    assert_eq!(circles(&shown), [["x::a", "x::b"]]);
    let paths = [
        ("x/mod.rs", "mod a;\nmod b;\n"),
        ("x/a.rs", "fn f() { crate::x::b::g() }\n"),
        ("x/b.rs", "fn g() { super::a::f() }\n"),
    ];
    assert_eq!(circles(&paths), [["x::a", "x::b"]]);
    let of_the_folder = [
        (
            "x/mod.rs",
            "mod a;\nmod b;\n\npub struct X;\nfn f() { a::f() }\n",
        ),
        ("x/a.rs", "use super::X;\n// use super::b;\n"),
        ("x/b.rs", "use super::{X, a};\n"),
    ];
    assert_eq!(circles(&of_the_folder), [["x", "x::a"]]);
    let parts = [
        ("x/a.rs", "mod part;\n\nuse part::f;\npub struct A;\n"),
        ("x/a/part.rs", "use super::A;\n"),
    ];
    assert!(circles(&parts).is_empty());
}
