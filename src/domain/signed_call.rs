//! A call of STS that somebody has signed and hands over, so that it can be sent for them: it shows
//! whose keys they have, and nothing else can be done with it (SigV4, IAM User Guide).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The header with the challenge. STS does not know it, and judges it as part of what is signed.
pub const CHALLENGE: &str = "x-countersign-challenge";
/// What is asked: who has signed. It is part of what is signed, too.
pub const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// What that text is.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// How some signers call it.
const FORM: &str = "application/x-www-form-urlencoded";

/// The headers that may be sent, beside `host`.
const HEADERS: [&str; 5] = [
    "authorization",
    "content-type",
    "x-amz-date",
    "x-amz-security-token",
    CHALLENGE,
];
/// What each signature has to cover.
const SIGNED: [&str; 3] = ["host", "x-amz-date", CHALLENGE];
/// The longest value of a header, in bytes: tokens of sessions have about a thousand.
const LONGEST: usize = 8 * 1024;

/// What `countersign identity sign` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCall {
    /// The headers of the call, its signature among them.
    pub headers: BTreeMap<String, String>,
    /// The region that it was signed for.
    pub region: String,
}

/// Why a call is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no JSON of that form.
    #[error(
        "is not what `countersign identity sign` prints: one JSON object with headers and region"
    )]
    Form,
    /// There is no such region.
    #[error("names a region that is none of AWS: {0}")]
    Region(String),
    /// A header that is not sent, or stands there twice.
    #[error("has a header that it may not have, or has it twice: {0}")]
    Header(String),
    /// A header whose value is something else than it has to be.
    #[error("has a header that does not fit: {0}")]
    Value(&'static str),
    /// It is for another host.
    #[error("is signed for another host than {0}")]
    Host(String),
    /// The signature leaves something out.
    #[error("has a signature that does not cover {0}")]
    Unsigned(&'static str),
}

/// A call that may be sent: to the host that it was signed for, with these headers and [`BODY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sendable {
    /// Names in lower case, without `host`, which the connection adds.
    pub headers: BTreeMap<String, String>,
}

/// AWS's domain in the partition of a region.
#[must_use]
pub fn domain_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

/// The host of STS in a region; `None` where no region of a partition that is known has that name.
#[must_use]
pub fn sts_host(region: &str) -> Option<String> {
    let words: Vec<&str> = region.split('-').collect();
    let (place, middle, number) = match words.as_slice() {
        [place, middle @ .., number] => (*place, middle, *number),
        _ => return None,
    };
    let is_word =
        |it: &&str| (2..=12).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    // Partitions of their own, whose hosts have other domains.
    let is_apart = middle.first().is_some_and(|it| it.starts_with("iso"));
    let fits = place.len() == 2 && is_word(&place) && is_number && !is_apart;
    (fits && matches!(middle.len(), 1 | 2) && middle.iter().all(is_word))
        .then(|| format!("sts.{region}.{}", domain_of(region)))
}

impl SignedCall {
    /// Reads what was handed over.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(text: &str) -> Result<Self, Unfit> {
        serde_json::from_str(text.trim()).map_err(|_| Unfit::Form)
    }

    /// What may be sent of it to `host`, which we name ourselves.
    ///
    /// # Errors
    /// Whatever is not as a call has to be that nobody else could use.
    pub fn for_host(&self, host: &str) -> Result<Sendable, Unfit> {
        let mut headers = BTreeMap::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let is_known = lower == "host" || HEADERS.contains(&lower.as_str());
            if !is_known || headers.insert(lower, value.clone()).is_some() {
                let plain: String = name.escape_debug().take(64).collect();
                return Err(Unfit::Header(plain));
            }
        }
        let is_plain = |value: &String| {
            (1..=LONGEST).contains(&value.len()) && value.bytes().all(|b| (0x20..0x7f).contains(&b))
        };
        for name in HEADERS {
            if headers.get(name).is_some_and(|value| !is_plain(value)) {
                return Err(Unfit::Value(name));
            }
        }
        // Letter for letter: the signature is over this text, and it goes nowhere else.
        if headers.remove("host").is_some_and(|it| it != host) {
            return Err(Unfit::Host(host.to_owned()));
        }
        let kind = headers.entry("content-type".to_owned());
        let kind = kind.or_insert_with(|| CONTENT_TYPE.to_owned());
        if kind != CONTENT_TYPE && kind != FORM {
            return Err(Unfit::Value("content-type"));
        }
        self.is_signed_whole(&headers)?;
        Ok(Sendable { headers })
    }

    /// Whether the signature is one for STS in the region, over all that has to be signed.
    fn is_signed_whole(&self, headers: &BTreeMap<String, String>) -> Result<(), Unfit> {
        let unfit = || Unfit::Value("authorization");
        let text = headers.get("authorization").ok_or_else(unfit)?;
        let fields = text.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(unfit)?;
        let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
        let [credential, signed, signature] = fields[..] else {
            return Err(unfit());
        };
        let scope = credential.strip_prefix("Credential=").ok_or_else(unfit)?;
        let scope: Vec<&str> = scope.split('/').collect();
        let [_, _, region, "sts", "aws4_request"] = scope[..] else {
            return Err(unfit());
        };
        if region != self.region || !signature.starts_with("Signature=") {
            return Err(unfit());
        }
        let signed = signed.strip_prefix("SignedHeaders=").ok_or_else(unfit)?;
        let signed: BTreeSet<&str> = signed.split(';').collect();
        let has_token = headers.contains_key("x-amz-security-token");
        let needed = SIGNED.into_iter();
        let mut needed = needed.chain(has_token.then_some("x-amz-security-token"));
        if let Some(name) = needed.find(|it| !signed.contains(it)) {
            return Err(Unfit::Unsigned(name));
        }
        let is_sent = |name: &&str| *name == "host" || headers.contains_key(*name);
        if signed.iter().all(is_sent) && SIGNED[1..].iter().all(is_sent) {
            Ok(())
        } else {
            Err(unfit())
        }
    }
}

impl Sendable {
    /// The challenge that is signed.
    #[must_use]
    pub fn challenge(&self) -> &str {
        self.headers.get(CHALLENGE).map_or("", String::as_str)
    }
}
