//! Pure: the Condition element (IAM User Guide, "IAM JSON policy elements: Condition operators").

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

use super::context::Context;
use super::element::strings;
use super::pattern::{expand, glob, literal, variables};
use super::rules::{Rule, Rules};

/// An operator, taken apart.
struct Operator<'a> {
    base: &'a str,
    if_exists: bool,
    set: Set,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Single,
    AllValues,
    AnyValue,
}

const BASES: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

fn operator(name: &str) -> Option<Operator<'_>> {
    let (set, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
        (Set::AllValues, rest)
    } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
        (Set::AnyValue, rest)
    } else {
        (Set::Single, name)
    };
    let (base, if_exists) = rest
        .strip_suffix("IfExists")
        .map_or((rest, false), |base| (base, true));
    (BASES.contains(&base) && !(base == "Null" && if_exists)).then_some(Operator {
        base,
        if_exists,
        set,
    })
}

/// What is wrong with a Condition element, if anything: an unknown operator, a key without a
/// vendor, a date that is none.
pub(super) fn fault(condition: &Value) -> Option<String> {
    let Value::Object(operators) = condition else {
        return Some("Condition must be an object".to_owned());
    };
    for (name, keys) in operators {
        let Some(operator) = operator(name) else {
            return Some(format!("Invalid Condition type : {name}"));
        };
        let Value::Object(keys) = keys else {
            return Some("Syntax errors in policy".to_owned());
        };
        if keys.keys().any(|key| !key.contains(':')) {
            return Some(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
                    .to_owned(),
            );
        }
        if keys.values().any(|it| it.is_null() || it.is_object()) {
            return Some("Syntax errors in policy".to_owned());
        }
        for value in keys.values().flat_map(strings) {
            if operator.base.starts_with("Date") && date(&value).is_none() {
                return Some(format!("Invalid date in Condition: {value}"));
            }
        }
    }
    None
}

/// What conditions are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) context: &'a Context,
    /// Where `${…}` is looked up, if the policy's version has it.
    pub(super) variables: Option<&'a Context>,
    pub(super) rules: Rules,
}

/// Whether every operator and key holds. No element holds always.
pub(super) fn holds(condition: Option<&Value>, scope: &Scope<'_>) -> bool {
    let Some(Value::Object(operators)) = condition else {
        return condition.is_none();
    };
    operators.iter().all(|(name, keys)| {
        let (Some(operator), Value::Object(keys)) = (operator(name), keys) else {
            return false;
        };
        keys.iter().all(|(key, wanted)| {
            key_holds(&operator, scope.context.get(key), &strings(wanted), scope)
        })
    })
}

fn key_holds(
    operator: &Operator<'_>,
    actual: Option<&[String]>,
    wanted: &[String],
    scope: &Scope<'_>,
) -> bool {
    let rules = scope.rules;
    if operator.base.starts_with("Date") && !rules.hold(Rule::Dates) {
        return true;
    }
    if operator.base == "Null" {
        let missing = actual.is_none().to_string();
        return wanted.iter().any(|it| it.eq_ignore_ascii_case(&missing));
    }
    let positive = positive_of(operator.base);
    let negated = positive != operator.base;
    let set = if rules.hold(Rule::SetOperators) {
        operator.set
    } else {
        Set::Single
    };
    let Some(actual) = actual else {
        let skipped = operator.if_exists && rules.hold(Rule::IfExists);
        return skipped
            || match set {
                Set::AllValues => true,
                Set::AnyValue => false,
                Set::Single => negated || !rules.hold(Rule::MissingKeys),
            };
    };
    // Several wanted values: any of them for a positive operator, none of them for a negated one
    // (NOR).
    let one = |value: &String| {
        let any = wanted
            .iter()
            .any(|it| compare(positive, value, it, scope.variables));
        any != negated
    };
    match set {
        Set::AllValues => actual.iter().all(one),
        Set::AnyValue => actual.iter().any(one),
        Set::Single if negated => actual.iter().all(one),
        Set::Single => actual.iter().any(one),
    }
}

fn positive_of(base: &str) -> &str {
    match base {
        "StringNotEquals" => "StringEquals",
        "StringNotEqualsIgnoreCase" => "StringEqualsIgnoreCase",
        "StringNotLike" => "StringLike",
        "NumericNotEquals" => "NumericEquals",
        "DateNotEquals" => "DateEquals",
        "NotIpAddress" => "IpAddress",
        "ArnNotEquals" => "ArnEquals",
        "ArnNotLike" => "ArnLike",
        other => other,
    }
}

fn compare(base: &str, actual: &str, wanted: &str, variables: Option<&Context>) -> bool {
    if base.starts_with("Date") {
        return match (date(actual), date(wanted)) {
            (Some(actual), Some(wanted)) => {
                ordered(base.trim_start_matches("Date"), &actual, &wanted)
            }
            _ => false,
        };
    }
    if base.starts_with("Numeric") {
        return match (actual.parse::<f64>(), wanted.parse::<f64>()) {
            (Ok(actual), Ok(wanted)) => {
                ordered(base.trim_start_matches("Numeric"), &actual, &wanted)
            }
            _ => false,
        };
    }
    let Some(wanted) = expand(wanted, variables) else {
        return false;
    };
    match base {
        "StringEquals" | "BinaryEquals" => actual == plain(&wanted),
        "StringEqualsIgnoreCase" | "Bool" => actual.eq_ignore_ascii_case(&plain(&wanted)),
        "StringLike" => glob(&wanted, actual),
        "ArnEquals" | "ArnLike" => arn_like(&wanted, actual),
        "IpAddress" => in_network(actual, &wanted).unwrap_or(false),
        _ => false,
    }
}

fn ordered<T: PartialOrd>(relation: &str, actual: &T, wanted: &T) -> bool {
    match relation {
        "Equals" => actual == wanted,
        "LessThan" => actual < wanted,
        "LessThanEquals" => actual <= wanted,
        "GreaterThan" => actual > wanted,
        "GreaterThanEquals" => actual >= wanted,
        _ => false,
    }
}

/// Each of the six parts of an ARN is matched by itself.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let parts = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, arn) = (parts(pattern), parts(arn));
    pattern.len() == arn.len() && pattern.iter().zip(&arn).all(|(p, a)| glob(p, a))
}

/// Whether an address lies in a network of CIDR form; `None` where one of them is none.
fn in_network(address: &str, network: &str) -> Option<bool> {
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, Some(length.parse::<u32>().ok()?)),
        None => (network, None),
    };
    // Both as 128 bits, the significant ones at the left.
    let bits = |it: IpAddr| match it {
        IpAddr::V4(it) => u128::from(it.to_bits()) << 96,
        IpAddr::V6(it) => it.to_bits(),
    };
    let (address, base) = (
        address.parse::<IpAddr>().ok()?,
        base.parse::<IpAddr>().ok()?,
    );
    let width = if base.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(width);
    let ignored = 128 - length.min(width);
    let prefix = |it| bits(it).checked_shr(ignored).unwrap_or(0);
    Some(address.is_ipv4() == base.is_ipv4() && length <= width && prefix(address) == prefix(base))
}

/// The keys that an element looks at, in conditions and in variables.
pub(super) fn keys(condition: Option<&Value>) -> Vec<String> {
    let Some(Value::Object(operators)) = condition else {
        return Vec::new();
    };
    let all = operators.values().filter_map(Value::as_object).flatten();
    let both = all.flat_map(|(key, wanted)| {
        let inside = strings(wanted);
        let inside = inside.iter().flat_map(|it| variables(it));
        inside.chain([key.clone()]).collect::<Vec<_>>()
    });
    both.collect()
}

/// The text without marks: what is meant where `*` and `?` are characters like any other.
fn plain(text: &str) -> String {
    text.chars().map(literal).collect()
}

/// W3C forms of ISO 8601 (month; day; day and time with a zone), or seconds since 1970.
pub(super) fn date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(seconds) = text.parse::<i64>() {
        return DateTime::from_timestamp(seconds, 0);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%MZ") {
        return Some(at.and_utc());
    }
    let midnight = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .or_else(|_| NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d"))
        .ok()?
        .and_hms_opt(0, 0, 0)?;
    Some(midnight.and_utc())
}
