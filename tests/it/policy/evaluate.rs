//! A small evaluator of IAM's policy language, written apart from the product's and the sandbox's:
//! what our documents use, and it panics at anything else. Dates are read once, since the histories
//! ask the same documents many thousand times.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// A request of a role session, or of `AssumeRole` with a session name.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// `aws:userid`: role id and session name; empty in a request to assume the role.
    pub user: (&'a str, &'a str),
    /// `sts:RoleSessionName`.
    pub session_name: Option<&'a str>,
    /// `aws:CurrentTime`, where the service sends it.
    pub now: Option<DateTime<Utc>>,
    /// `aws:TokenIssueTime`, where the service sends it.
    pub token: Option<DateTime<Utc>>,
}

/// A parsed policy.
#[derive(Debug, Clone)]
pub struct Policy(Vec<Statement>);

#[derive(Debug, Clone)]
struct Statement {
    allows: bool,
    principals: Vec<String>,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    operator: String,
    if_exists: bool,
    key: String,
    texts: Vec<String>,
    dates: Vec<DateTime<Utc>>,
}

impl Policy {
    pub fn parse(text: &str) -> Self {
        let document: Value = serde_json::from_str(text).expect("a policy document");
        Self(list(&document["Statement"]).iter().map(statement).collect())
    }

    /// Whether an identity policy denies the request explicitly.
    pub fn denies(&self, request: &Request<'_>) -> bool {
        let concerns = |s: &&Statement| {
            matches(&s.actions, request.action)
                && matches(&s.resources, request.resource)
                && s.conditions.iter().all(|c| c.holds(request))
        };
        self.0.iter().any(|s| !s.allows && concerns(&s))
    }

    /// Whether an identity policy allows the request.
    pub fn allows(&self, request: &Request<'_>) -> bool {
        let concerns = |s: &&Statement| {
            matches(&s.actions, request.action)
                && matches(&s.resources, request.resource)
                && s.conditions.iter().all(|c| c.holds(request))
        };
        self.0.iter().any(|s| s.allows && concerns(&s)) && !self.denies(request)
    }

    /// Whether a trust policy lets the user of that ARN assume the role under that session name at
    /// that time.
    pub fn admits(&self, principal: &str, session: &str, now: DateTime<Utc>) -> bool {
        let request = Request {
            action: "sts:AssumeRole",
            resource: "",
            user: ("", ""),
            session_name: Some(session),
            now: Some(now),
            token: None,
        };
        let concerns = |s: &&Statement| {
            s.principals.iter().any(|p| p == principal)
                && matches(&s.actions, request.action)
                && s.conditions.iter().all(|c| c.holds(&request))
        };
        let speaks = |allows| self.0.iter().any(|s| s.allows == allows && concerns(&s));
        speaks(true) && !speaks(false)
    }

    /// Every session name that a statement of it pins, with its principal and date, or the end of
    /// time where somebody took that away.
    pub fn pins(&self) -> Vec<(&str, &str, DateTime<Utc>)> {
        let mut pins = Vec::new();
        for s in &self.0 {
            let condition = |key| s.conditions.iter().find(|c| c.key == key);
            if let Some(names) = condition("sts:rolesessionname") {
                let until = condition("aws:currenttime")
                    .map_or(DateTime::<Utc>::MAX_UTC, |dates| dates.dates[0]);
                let pin = |name| (name, s.principals[0].as_str(), until);
                pins.extend(names.texts.iter().map(String::as_str).map(pin));
            }
        }
        pins
    }
}

fn statement(value: &Value) -> Statement {
    let conditions = value["Condition"].as_object().into_iter().flatten();
    Statement {
        allows: value["Effect"] == "Allow",
        principals: texts(&value["Principal"]["AWS"]),
        actions: texts(&value["Action"]),
        resources: texts(&value["Resource"]),
        conditions: conditions
            .flat_map(|(operator, keys)| {
                let keys = keys.as_object().expect("condition keys").iter();
                keys.map(move |(key, values)| condition(operator, key, values))
            })
            .collect(),
    }
}

fn condition(operator: &str, key: &str, values: &Value) -> Condition {
    let base = operator.strip_suffix("IfExists");
    let dates = operator.starts_with("Date");
    Condition {
        operator: base.unwrap_or(operator).to_owned(),
        if_exists: base.is_some(),
        key: key.to_lowercase(),
        texts: texts(values),
        dates: texts(values)
            .iter()
            .filter(|_| dates)
            .map(|t| DateTime::parse_from_rfc3339(t).expect("a date").to_utc())
            .collect(),
    }
}

impl Condition {
    fn holds(&self, request: &Request<'_>) -> bool {
        match self.key.as_str() {
            "aws:userid" => {
                let (role, name) = request.user;
                self.text(|pattern| {
                    let rest = pattern.strip_prefix(role).and_then(|p| p.strip_prefix(':'));
                    rest.is_some_and(|p| self.is_like(p, name))
                })
            }
            "sts:rolesessionname" => match request.session_name {
                Some(name) => self.text(|pattern| self.is_like(pattern, name)),
                None => self.missing(),
            },
            "aws:currenttime" => self.date(request.now),
            "aws:epochtime" => {
                assert_eq!(self.operator, "NumericLessThan");
                let limit = |text: &String| text.parse::<i64>().expect("a number");
                request
                    .now
                    .is_some_and(|now| self.texts.iter().any(|t| now.timestamp() < limit(t)))
            }
            "aws:tokenissuetime" => self.date(request.token),
            other => panic!("condition key {other}"),
        }
    }

    fn missing(&self) -> bool {
        self.if_exists || self.operator == "StringNotEquals"
    }

    fn text(&self, is_like: impl Fn(&str) -> bool) -> bool {
        let any = self.texts.iter().any(|t| is_like(t));
        match self.operator.as_str() {
            "StringEquals" | "StringLike" => any,
            "StringNotEquals" => !any,
            other => panic!("operator {other} with text"),
        }
    }

    /// `*` only at the end and only with `StringLike`, which is all that our documents use.
    fn is_like(&self, pattern: &str, text: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(prefix) if self.operator == "StringLike" => text.starts_with(prefix),
            _ => pattern == text,
        }
    }

    fn date(&self, actual: Option<DateTime<Utc>>) -> bool {
        let Some(actual) = actual else {
            return self.missing();
        };
        match self.operator.as_str() {
            "DateLessThan" => self.dates.iter().any(|d| actual < *d),
            "DateLessThanEquals" => self.dates.iter().any(|d| actual <= *d),
            "DateGreaterThanEquals" => self.dates.iter().any(|d| actual >= *d),
            other => panic!("operator {other} with a date"),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().expect("a string").to_owned();
    list(value).iter().map(text).collect()
}

fn matches(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|p| match p.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => p == text,
    })
}

/// The request of a role session: any harmless action.
pub fn session_request<'a>(
    role_id: &'a str,
    name: &'a str,
    now: DateTime<Utc>,
    token: Option<DateTime<Utc>>,
) -> Request<'a> {
    Request {
        action: "iam:ListUsers",
        resource: "*",
        user: (role_id, name),
        session_name: None,
        now: Some(now),
        token,
    }
}
