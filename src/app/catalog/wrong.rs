//! What is wrong in a catalog file, and where.

use std::ops::Range;

use crate::domain::text::is_hidden;

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its place: bytes of the file's text.
    pub at: Range<usize>,
    /// What it is, and what would fit.
    pub what: String,
}

impl Wrong {
    /// The place, what is wrong there, the line, and carets below what is meant.
    #[must_use]
    pub fn show(&self, file: &str, text: &str) -> String {
        let start = text.floor_char_boundary(self.at.start);
        let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[first..].lines().next().unwrap_or_default();
        let end = text.floor_char_boundary(self.at.end.min(first + line.len()));
        let number = 1 + text[..start].matches('\n').count();
        let before = text[first..start].chars().count();
        let width = text[start..end.max(start)].chars().count().max(1);
        let margin = " ".repeat(number.to_string().len());
        format!(
            "{file}:{number}:{}: {}\n{margin} |\n{number} | {}\n{margin} | {}{}",
            before + 1,
            self.what,
            plain(line),
            " ".repeat(before),
            "^".repeat(width)
        )
    }
}

/// One column for each character, and nothing that a terminal would act upon.
fn plain(line: &str) -> String {
    let seen = |c: char| match c {
        '\t' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    };
    line.chars().map(seen).collect()
}
