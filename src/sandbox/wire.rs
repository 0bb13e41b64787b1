//! The AWS query protocol: parameters in a form, answers and faults in XML.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A refusal, as AWS words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// `Code` of the answer.
    pub code: String,
    /// `Message` of the answer.
    pub message: String,
}

impl Fault {
    /// A fault with this status, code and message.
    #[must_use]
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub(super) fn malformed(message: &str) -> Self {
        Self::new(400, "MalformedPolicyDocument", message)
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(super) fn constraint(field: &str, value: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(super) fn no_such(what: &str, name: &str) -> Self {
        Self::new(
            404,
            "NoSuchEntity",
            format!("The {what} with name {name} cannot be found."),
        )
    }

    pub(super) fn exists(what: &str, name: &str) -> Self {
        Self::new(
            409,
            "EntityAlreadyExists",
            format!("{what} with name {name} already exists."),
        )
    }

    /// `why` is AWS's last clause: "because no identity-based policy allows …", "with an explicit
    /// deny in …"; may be empty.
    pub(super) fn denied(caller: &str, action: &str, resource: &str, why: &str) -> Self {
        let space = if why.is_empty() { "" } else { " " };
        Self::new(
            403,
            "AccessDenied",
            format!(
                "User: {caller} is not authorized to perform: {action} on resource: {resource}{space}{why}"
            ),
        )
    }
}

/// The parameters of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Where an object is, from the path of a request: `/bucket/key`.
    pub(super) fn of_object(path: &str) -> Self {
        let (bucket, key) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((path, ""));
        let named = [("Bucket", bucket), ("Key", key)];
        Self(
            named
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| {
            Fault::validation(format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must \
                 not be null"
            ))
        })
    }

    /// A number in a range; `None` where it is not sent.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let (low, high) = (range.start(), range.end());
        let constraint = match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => return Ok(Some(number)),
            Ok(number) if number < *low => {
                format!("Member must have value greater than or equal to {low}")
            }
            Ok(_) => format!("Member must have value less than or equal to {high}"),
            Err(_) => "Member must be a number".to_owned(),
        };
        Err(Fault::constraint(name, text, &constraint))
    }

    /// `Tags.member.1.Key`, `Tags.member.1.Value` and so on, as IAM and STS take them: keys count
    /// without regard to case.
    pub(super) fn tags(&self) -> Result<BTreeMap<String, String>, Fault> {
        let mut tags = BTreeMap::new();
        let mut n = 1;
        while let Some(key) = self.get(&format!("Tags.member.{n}.Key")) {
            let value = self.need(&format!("Tags.member.{n}.Value"))?;
            if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
                return Err(Fault::constraint(
                    "tags",
                    key,
                    "Member must have a key of 1 to 128 and a value of at most 256 characters",
                ));
            }
            let lower = key.to_lowercase();
            if lower.starts_with("aws:") {
                let message = "Tag keys that begin with aws: are reserved for system use";
                return Err(Fault::new(400, "InvalidInput", message));
            }
            if tags.keys().any(|it: &String| it.to_lowercase() == lower) {
                let message =
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(Fault::new(400, "InvalidInput", message));
            }
            tags.insert(key.to_owned(), value.to_owned());
            n += 1;
        }
        Ok(tags)
    }

    /// A list: `before`, its numbers from 1, `after`.
    pub(super) fn list(&self, before: &str, after: &str) -> Vec<String> {
        let numbered = (1..).map(|n| self.get(&format!("{before}{n}{after}")));
        let there = numbered.take_while(Option::is_some).flatten();
        there.map(str::to_owned).collect()
    }

    /// Which part of a list `MaxItems` (100 unless said otherwise) and `Marker` ask for, and the
    /// marker of the rest.
    pub(super) fn window(
        &self,
        all: usize,
    ) -> Result<(std::ops::Range<usize>, Option<String>), Fault> {
        let most = self.number("MaxItems", 1..=1_000)?.unwrap_or(100);
        let from = self.number("Marker", 0..=i64::MAX)?.unwrap_or(0);
        let (from, most) = (from.unsigned_abs() as usize, most.unsigned_abs() as usize);
        let from = from.min(all);
        let to = all.min(from + most);
        Ok((from..to, (to < all).then(|| to.to_string())))
    }

    /// Refuses a parameter that AWS would act upon and the sandbox would not: silence would be a
    /// wrong answer.
    pub(super) fn without(&self, names: &[&str]) -> Result<(), Fault> {
        let there = |name: &&&str| self.0.keys().any(|key| key.starts_with(**name));
        match names.iter().find(there) {
            Some(name) => Err(Fault::validation(format!(
                "{name} is not part of this sandbox"
            ))),
            None => Ok(()),
        }
    }

    /// What may be shown in a log: everything but codes, keys and tokens.
    pub(super) fn shown(&self) -> BTreeMap<String, String> {
        let mut shown = self.0.clone();
        for secret in ["TokenCode", "Session", "SigninToken"] {
            shown.remove(secret);
        }
        shown
    }
}

/// Answers are built by nesting; text is escaped.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    /// The same with a date that nobody can read.
    pub(super) fn garbled(self) -> Self {
        Self(self.0.replace("<Expiration>", "<Expiration>on "))
    }

    pub(super) fn leaf(mut self, name: &str, text: impl AsRef<str>) -> Self {
        let _ = write!(self.0, "<{name}>{}</{name}>", escape(text.as_ref()));
        self
    }

    pub(super) fn maybe(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.leaf(name, text),
            None => self,
        }
    }

    pub(super) fn node(mut self, name: &str, inner: Self) -> Self {
        let _ = write!(self.0, "<{name}>{}</{name}>", inner.0);
        self
    }

    pub(super) fn members(self, name: &str, all: impl IntoIterator<Item = Self>) -> Self {
        let members = all
            .into_iter()
            .fold(Self::default(), |list, it| list.node("member", it));
        self.node(name, members)
    }

    pub(super) fn text(text: &str) -> Self {
        Self(escape(text))
    }

    /// What is no XML, as it is.
    pub(super) fn raw(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The part of a list that is asked for, and the marker of the rest.
    pub(super) fn page(self, name: &str, all: Vec<Self>, params: &Params) -> Result<Self, Fault> {
        let (window, marker) = params.window(all.len())?;
        let shown = all.into_iter().skip(window.start).take(window.len());
        Ok(self
            .members(name, shown)
            .leaf("IsTruncated", marker.is_some().to_string())
            .maybe("Marker", marker.as_deref()))
    }
}

impl fmt::Display for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => done.push_str("&lt;"),
            '>' => done.push_str("&gt;"),
            '&' => done.push_str("&amp;"),
            '"' => done.push_str("&quot;"),
            '\r' => done.push_str("&#xD;"),
            '\t' | '\n' => done.push(c),
            // XML has no place for these, not even escaped.
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => done.push('\u{fffd}'),
            c => done.push(c),
        }
    }
    done
}

/// The answer of a bucket: the object, or a fault in S3's form.
fn object(request_id: &str, result: Result<Xml, Fault>) -> Response {
    match result {
        Ok(object) => object.0.into_response(),
        Err(fault) => {
            let error = Xml::default()
                .leaf("Code", &fault.code)
                .leaf("Message", &fault.message)
                .leaf("RequestId", request_id);
            let status = StatusCode::from_u16(fault.status);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = Xml::default().node("Error", error).0;
            (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
        }
    }
}

/// The answer to a call: its result, or its fault.
pub(super) fn answer(
    service: &str,
    action: &str,
    request_id: &str,
    result: Result<Xml, Fault>,
) -> Response {
    let namespace = match service {
        "s3" => return object(request_id, result),
        "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "https://iam.amazonaws.com/doc/2010-05-08/",
    };
    let status = result.as_ref().map_or_else(|fault| fault.status, |_| 200);
    let body = match result {
        Ok(xml) => {
            // Calls that answer nothing have no result element; UpdateRole has an empty one (IAM's
            // service model).
            let result = if xml.0.is_empty() && action != "UpdateRole" {
                String::new()
            } else {
                format!("<{action}Result>{}</{action}Result>", xml.0)
            };
            let meta =
                format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>");
            format!("<{action}Response xmlns=\"{namespace}\">{result}{meta}</{action}Response>")
        }
        Err(fault) => {
            let sender = fault.status < 500;
            let error = Xml::default()
                .leaf("Type", if sender { "Sender" } else { "Receiver" })
                .leaf("Code", &fault.code)
                .leaf("Message", &fault.message);
            let error = error.0;
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error>{error}</Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, "text/xml"),
        (
            header::HeaderName::from_static("x-amzn-requestid"),
            request_id,
        ),
    ];
    (status, headers, body).into_response()
}
