//! How wide lines are and how long functions: what rustfmt does not look after.

use std::path::Path;

use super::sources;

/// Comments are read beside code.
const WIDEST_COMMENT: usize = 100;
/// Strings may be wider than code, which rustfmt wraps at 100.
const WIDEST_LINE: usize = 120;
/// From the line of `fn` to the closing brace.
const MOST_LINES_OF_A_FUNCTION: usize = 60;

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// White space in a raw string counts, so that a whole one on a line of its own stays on it.
fn is_raw_string(line: &str) -> bool {
    let line = line.trim();
    let begins = line.starts_with("r#\"") || line.starts_with("r\"");
    begins && line.trim_end_matches([',', ';', ')', '#']).ends_with('"')
}

/// The lines of `text` that are wider than `most` and of which `counts` holds.
fn wide<'a>(
    path: &'a Path,
    text: &'a str,
    most: usize,
    counts: impl Fn(&str) -> bool,
) -> impl Iterator<Item = String> {
    let numbered = (1..).zip(text.lines());
    numbered
        .filter(move |(_, line)| line.chars().count() > most && counts(line))
        .map(|(at, line)| format!("{}:{at}: {}", path.display(), line.chars().count()))
}

/// The name of the function that begins on this line, if one does.
fn name_of_function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_modifier =
        |word: &str| word.starts_with("pub") || ["async", "const", "in", "extern"].contains(&word);
    let name = after.split(['(', '<']).next()?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && before.split_whitespace().all(is_modifier)).then_some(name)
}

/// Functions with their number of lines. rustfmt puts the closing brace below the `fn`.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = name_of_function(line) else {
            continue;
        };
        let margin = line.len() - line.trim_start().len();
        let closes = |line: &&str| line.len() > margin && line[margin..].starts_with('}');
        let ends_here = line.ends_with('}') || line.ends_with(';');
        let rest = lines[at..].iter();
        let more = rest.take_while(|line| !(closes(line) && is_margin(line, margin)));
        found.push((name, if ends_here { 1 } else { more.count() + 1 }));
    }
    found
}

fn is_margin(line: &str, margin: usize) -> bool {
    line.len() - line.trim_start().len() == margin
}

#[test]
fn comments_wrap_at_100_columns() {
    let sources = sources();
    let wide: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| wide(path, text, WIDEST_COMMENT, is_comment))
        .collect();
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn no_line_is_wider_than_120_columns() {
    let sources = sources();
    let wide: Vec<String> = sources
        .iter()
        .filter(|(path, _)| path.starts_with("src"))
        .flat_map(|(path, text)| wide(path, text, WIDEST_LINE, |line| !is_raw_string(line)))
        .collect();
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn functions_are_short() {
    let sources = sources();
    let long: Vec<String> = sources
        .iter()
        .filter(|(path, _)| path.starts_with("src"))
        .flat_map(|(path, text)| {
            let long = functions(text).into_iter();
            long.filter(|(_, lines)| *lines > MOST_LINES_OF_A_FUNCTION)
                .map(|(name, lines)| format!("{}: {name} has {lines} lines", path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    let most = MOST_LINES_OF_A_FUNCTION;
    assert!(long.is_empty(), "at most {most}:\n{}", long.join("\n"));
}

#[test]
fn functions_are_counted_from_their_name_to_their_brace() {
    let text = "impl X {\n    pub(super) async fn a(\n        x: u8,\n    ) {\n        y\n    }\n\n    fn b() {}\n}\n// fn c\nlet f = |fn_| 1;\n";
    assert_eq!(functions(text), [("a", 5), ("b", 1)]);
}

#[test]
fn a_raw_string_alone_on_its_line_may_be_wide() {
    assert!(is_raw_string(r##"        r#"{"Sid":1}"#,"##));
    assert!(is_raw_string(r##"        r#"{"Sid":1}"#"##));
    assert!(!is_raw_string(r##"        r#"SELECT id,"##));
    assert!(!is_raw_string(r##"        let x = r#"{"Sid":1}"#;"##));
}
