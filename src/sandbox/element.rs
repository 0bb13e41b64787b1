//! The elements of a policy's statement, as lists of texts.

use serde_json::{Map, Value};

/// The `AWS` entries of `Principal` or `NotPrincipal`; `*` alone stands for everybody.
pub(super) fn principals(statement: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
    match statement.get(key)? {
        Value::String(all) => Some(vec![all.clone()]),
        Value::Object(kinds) => Some(kinds.get("AWS").map(strings).unwrap_or_default()),
        _ => Some(Vec::new()),
    }
}

/// A string, or the strings of a list. Numbers and booleans are read as text, as IAM does.
pub(super) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        Value::String(one) => vec![one.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}
