//! The OpenAPI document as a judge of calls and answers.

use std::sync::LazyLock;

use chrono::DateTime;
use countersign::api;
use serde_json::Value;

use crate::support::api::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(api::document()).unwrap());

/// The document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// What the document says of a call: the operation, and the id in its path.
fn operation<'a>(method: &str, path: &'a str) -> Option<(&'static Value, Option<&'a str>)> {
    let words: Vec<_> = path.split('/').collect();
    for (template, methods) in DOCUMENT["paths"].as_object()? {
        let parts: Vec<_> = template.split('/').collect();
        let mut pairs = parts.iter().zip(&words);
        if parts.len() == words.len() && pairs.all(|(part, word)| part == word || *part == "{id}") {
            let id = parts
                .iter()
                .position(|it| *it == "{id}")
                .map(|at| words[at]);
            return Some((methods.get(method.to_lowercase())?, id));
        }
    }
    None
}

/// Fails unless the document knows the answer, and the call where that was done.
pub fn hold(method: &str, call: &str, body: &[u8], answer: &Answer) {
    let (path, query) = call.split_once('?').unwrap_or((call, ""));
    let Some((operation, id)) = operation(method, path) else {
        return;
    };
    let status = answer.status.as_str();
    let known = &operation["responses"][status];
    assert!(known.is_object(), "{method} {path} may not answer {status}");
    let (kind, content) = known["content"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(
        answer.header("content-type"),
        kind,
        "{method} {path} {status}"
    );
    if let Some(schema) = content.get("schema") {
        assert_fits(
            schema,
            &answer.body,
            &format!("the answer of {method} {path}"),
        );
    }
    for header in known["headers"].as_object().into_iter().flatten() {
        assert!(
            !answer.header(header.0).is_empty(),
            "{status} without {header:?}"
        );
    }
    if !answer.status.is_success() {
        return;
    }
    let sent =
        form_urlencoded::parse(query.as_bytes()).chain(id.map(|id| ("id".into(), id.into())));
    for (name, value) in sent {
        let mut all = operation["parameters"].as_array().unwrap().iter();
        let parameter = all.find(|it| it["name"] == *name);
        let schema = &parameter.unwrap_or_else(|| panic!("{path}: {name}"))["schema"];
        assert_fits(
            schema,
            &typed(schema, &value),
            &format!("{name} of {method} {path}"),
        );
    }
    if let Ok(body) = serde_json::from_slice(body) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert_fits(schema, &body, &format!("the body of {method} {path}"));
    }
}

/// A value of a query string.
pub fn typed(schema: &Value, text: &str) -> Value {
    match has_type(schema, "string") {
        true => Value::String(text.to_owned()),
        false => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

fn has_type(schema: &Value, name: &str) -> bool {
    let kind = &schema["type"];
    kind == name
        || kind
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it == name))
}

fn assert_fits(schema: &Value, value: &Value, what: &str) {
    if let Err(why) = fits(schema, value) {
        panic!("{what} is not as described: {why} in {value}");
    }
}

/// Whether a value is as the schema says; knows the keywords that the document uses.
pub fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        return fits(
            DOCUMENT.pointer(name.trim_start_matches('#')).unwrap(),
            value,
        );
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let fitting = any.iter().filter(|it| fits(it, value).is_ok()).count();
        return (fitting == 1)
            .then_some(())
            .ok_or(format!("{fitting} of oneOf"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !schema["type"].is_null() && !has_type(schema, kind) {
        return Err(format!("{kind} is not {}", schema["type"]));
    }
    match value {
        Value::String(text) => fits_text(schema, text),
        Value::Number(number) => fits_number(schema, number.as_i64().unwrap()),
        Value::Array(items) => items.iter().try_for_each(|it| fits(&schema["items"], it)),
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !fields.contains_key(name.as_str().unwrap()) {
                    return Err(format!("{name} is missing"));
                }
            }
            let open = schema["additionalProperties"] != false;
            for (name, value) in fields {
                match schema["properties"].get(name) {
                    Some(schema) => fits(schema, value).map_err(|it| format!("{name}: {it}"))?,
                    None if open => {}
                    None => return Err(format!("{name} is unknown")),
                }
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn fits_text(schema: &Value, text: &str) -> Result<(), String> {
    let length = text.chars().count() as u64;
    let wrong = [
        (
            "minLength",
            schema["minLength"].as_u64().is_some_and(|it| length < it),
        ),
        (
            "maxLength",
            schema["maxLength"].as_u64().is_some_and(|it| length > it),
        ),
        (
            "pattern",
            schema["pattern"]
                .as_str()
                .is_some_and(|it| !regex_lite::Regex::new(it).unwrap().is_match(text)),
        ),
        (
            "format",
            schema["format"] == "date-time" && DateTime::parse_from_rfc3339(text).is_err(),
        ),
    ];
    match wrong.into_iter().find(|it| it.1) {
        Some((keyword, _)) => Err(format!("{keyword} {}", schema[keyword])),
        None => Ok(()),
    }
}

fn fits_number(schema: &Value, number: i64) -> Result<(), String> {
    let below = schema["minimum"].as_i64().is_some_and(|it| number < it);
    let above = schema["maximum"].as_i64().is_some_and(|it| number > it);
    (!below && !above)
        .then_some(())
        .ok_or_else(|| "out of range".to_owned())
}
