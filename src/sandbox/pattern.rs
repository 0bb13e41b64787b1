//! Patterns: wildcards, and variables that stand for what the request says.

use super::context::Context;

/// What `${*}` stands for in a pattern: a character that no document may hold.
const STAR: char = '\u{1}';
/// What `${?}` stands for.
const QUESTION_MARK: char = '\u{2}';

/// The character that a pattern's character stands for where it is no wildcard.
pub(super) const fn literal(c: char) -> char {
    match c {
        STAR => '*',
        QUESTION_MARK => '?',
        other => other,
    }
}

/// `*` for any text, `?` for any one character.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || literal(*c) == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    back = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Replaces `${key}` by the request's value; `None` where the request has no such key, which
/// matches nothing. Defaults (`${key, 'x'}`) are not known here. `${*}` and `${?}` become marks,
/// which are no wildcards.
pub(super) fn expand(text: &str, variables: Option<&Context>) -> Option<String> {
    let Some(context) = variables else {
        return Some(text.to_owned());
    };
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        done.push_str(before);
        let (key, tail) = after.split_once('}')?;
        match key {
            "*" => done.push(STAR),
            "?" => done.push(QUESTION_MARK),
            "$" => done.push('$'),
            _ => done.push_str(context.get(key)?.first()?),
        }
        rest = tail;
    }
    done.push_str(rest);
    Some(done)
}

/// The keys of the request that a text's variables stand for.
pub(super) fn variables(text: &str) -> Vec<String> {
    let pieces = text.split("${").skip(1);
    let keys = pieces.filter_map(|it| Some(it.split_once('}')?.0));
    let keys = keys.filter(|it| !["*", "?", "$"].contains(it));
    keys.map(str::to_owned).collect()
}
