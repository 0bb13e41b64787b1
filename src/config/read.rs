//! From text to a table of values, each tried alone so that an error names its key.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, ConfigError};

/// Puts the file's values into `table`, each tried alone so that an error names its key.
pub(super) fn file(path: &Path, table: &mut Table) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let parsed: Table = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.as_bytes().iter().take(start);
        ConfigError::Syntax {
            path: path.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            message: first_line(error.message()),
        }
    })?;
    let place = path.display().to_string();
    for (section, keys) in parsed {
        let Value::Table(keys) = keys else {
            return Err(ConfigError::Unknown {
                key: section,
                place,
            });
        };
        // There is no key to be tried: without this a mistyped section (`[severs]`) would pass.
        if keys.is_empty() {
            let alone = Table::from_iter([(section.clone(), Value::Table(Table::new()))]);
            let tried = alone.try_into::<Config>();
            tried.map_err(|error| refusal(&section, &place, &error))?;
        }
        for (key, value) in keys {
            try_one(&section, &key, value.clone())
                .map_err(|error| refusal(&format!("{section}.{key}"), &place, &error))?;
            put(table, &section, &key, value);
        }
    }
    Ok(())
}

/// A variable is text; the field decides whether it is a number or a list, which is a TOML array or
/// has commas.
pub(super) fn variable(
    table: &mut Table,
    name: &str,
    section: &str,
    key: &str,
    text: &str,
) -> Result<(), ConfigError> {
    // Text comes first: what is a text in the configuration may be all digits.
    let as_text = Value::String(text.to_owned());
    let as_number = text.parse().ok().map(Value::Integer);
    let words = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    let as_list = Value::Array(words.map(|it| Value::String(it.to_owned())).collect());
    let as_array = text.parse::<Value>().ok().filter(Value::is_array);
    let as_list = as_array.unwrap_or(as_list);
    let mut first_error = None;
    for value in [Some(as_text), as_number, Some(as_list)]
        .into_iter()
        .flatten()
    {
        match try_one(section, key, value.clone()) {
            Ok(()) => {
                put(table, section, key, value);
                return Ok(());
            }
            // A number out of range says more than "not text".
            Err(error) if first_error.is_none() || error.message().starts_with("invalid value") => {
                first_error = Some(error);
            }
            Err(_) => {}
        }
    }
    let full = [section, key].join(".");
    let full = full.trim_end_matches('.');
    match first_error {
        Some(error) => Err(refusal(full, name, &error)),
        None => Ok(()),
    }
}

fn try_one(section: &str, key: &str, value: Value) -> Result<(), toml::de::Error> {
    let mut alone = Table::new();
    put(&mut alone, section, key, value);
    alone.try_into::<Config>().map(drop)
}

fn put(table: &mut Table, section: &str, key: &str, value: Value) {
    let section = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(keys) = section {
        keys.insert(key.to_owned(), value);
    }
}

pub(super) fn refusal(key: &str, place: &str, error: &toml::de::Error) -> ConfigError {
    let (key, place) = (key.to_owned(), place.to_owned());
    let reason = first_line(error.message());
    if reason.starts_with("unknown field") {
        return ConfigError::Unknown { key, place };
    }
    ConfigError::Invalid { key, place, reason }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
