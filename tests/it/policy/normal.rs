//! Documents as AWS may show them: other keys first, a list of one as its element, other white
//! space; and whose a statement is, told apart by its form and not by the product.

use serde_json::Value;

/// The same document otherwise written.
pub fn normalised(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        // unwrap: what was read can be written
        Ok(value) => serde_json::to_string_pretty(&single(value)).unwrap(),
        Err(_) => text.to_owned(),
    }
}

fn single(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => single(items.remove(0)),
        Value::Array(items) => Value::Array(items.into_iter().map(single).collect()),
        Value::Object(members) => {
            let members = members.into_iter();
            Value::Object(members.map(|(key, value)| (key, single(value))).collect())
        }
        one => one,
    }
}

/// Whether a statement is one that we could have written: our Sid, and session names pinned.
pub fn is_ours(statement: &Value) -> bool {
    let sid = statement["Sid"].as_str().unwrap_or_default();
    let suffix = sid.strip_prefix("Countersign").unwrap_or_default();
    let pinned = &statement["Condition"]["StringEquals"]["sts:RoleSessionName"];
    suffix.len() == 26 && !pinned.is_null() || sid == "CountersignInert"
}

/// The statements of others, each by its meaning.
pub fn foreign(text: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        one => vec![one.clone()],
    };
    let foreign = statements.into_iter().filter(|s| !is_ours(s));
    foreign.map(single).collect()
}
