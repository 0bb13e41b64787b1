//! Checks Signature Version 4 of a request (header form): who signed it, and that nothing was
//! changed since.

use axum::http::request::Parts;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::wire::Fault;

/// How far the signature's time may be from real time.
const SKEW: TimeDelta = TimeDelta::minutes(15);

/// What the Authorization header claims.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) access_key: String,
    pub(super) service: String,
    pub(super) token: Option<String>,
    scope: String,
    date: String,
    region: String,
    at: String,
    signed_headers: String,
    signature: Vec<u8>,
}

/// Takes the header apart and checks the time.
pub(super) fn claim(parts: &Parts, real_time: DateTime<Utc>) -> Result<Claim, Fault> {
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let missing = || {
        Fault::new(
            403,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )
    };
    let authorization = header("authorization").ok_or_else(missing)?;
    let fields = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or_else(|| incomplete("AWS4-HMAC-SHA256"))?;
    let credential = field(fields, "Credential")?;
    let mut credential = credential.split('/').map(str::to_owned);
    let mut next = || {
        credential
            .next()
            .ok_or_else(|| incomplete("a full credential scope"))
    };
    let (access_key, date, region, service, end) = (next()?, next()?, next()?, next()?, next()?);
    let at = header("x-amz-date")
        .ok_or_else(|| incomplete("existence of either a 'X-Amz-Date' or a 'Date' header"))?;
    let signed_at = NaiveDateTime::parse_from_str(&at, "%Y%m%dT%H%M%SZ")
        .map_err(|_| incomplete("a valid 'X-Amz-Date'"))?
        .and_utc();
    if at.get(..8) != Some(date.as_str()) || end != "aws4_request" {
        let message = "Credential should be scoped to the date of the request and aws4_request.";
        return Err(Fault::new(403, "SignatureDoesNotMatch", message));
    }
    if (real_time - signed_at).abs() > SKEW {
        let message = format!(
            "Signature expired: {at} is not within 15 minutes of {}",
            real_time.format("%Y%m%dT%H%M%SZ")
        );
        return Err(Fault::new(403, "SignatureDoesNotMatch", message));
    }
    Ok(Claim {
        scope: format!("{date}/{region}/{service}/{end}"),
        access_key,
        date,
        region,
        service,
        token: header("x-amz-security-token"),
        at,
        signed_headers: field(fields, "SignedHeaders")?,
        signature: hex::decode(field(fields, "Signature")?)
            .map_err(|_| incomplete("a hexadecimal 'Signature'"))?,
    })
}

/// A field of the Authorization header.
fn field(fields: &str, name: &str) -> Result<String, Fault> {
    let found = fields
        .split(',')
        .find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='));
    found
        .map(str::to_owned)
        .ok_or_else(|| incomplete(&format!("'{name}' parameter")))
}

fn incomplete(what: &str) -> Fault {
    Fault::new(
        400,
        "IncompleteSignature",
        format!("Authorization header requires {what}"),
    )
}

/// Whether the request was signed with `secret` just as it arrived.
pub(super) fn verify(claim: &Claim, secret: &str, parts: &Parts, body: &[u8]) -> Result<(), Fault> {
    let mismatch = || {
        Fault::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS \
             Secret Access Key and signing method.",
        )
    };
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    if !signed.contains(&"host")
        || (claim.token.is_some() && !signed.contains(&"x-amz-security-token"))
    {
        return Err(mismatch());
    }
    let canonical =
        canonical_request(parts, &signed, &claim.signed_headers, body).ok_or_else(mismatch)?;
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{}\n{}",
        claim.at,
        claim.scope,
        hex::encode(Sha256::digest(canonical))
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [
        claim.date.as_str(),
        &claim.region,
        &claim.service,
        "aws4_request",
    ] {
        key = mac(&key, part.as_bytes()).finalize().into_bytes().to_vec();
    }
    mac(&key, to_sign.as_bytes())
        .verify_slice(&claim.signature)
        .map_err(|_| mismatch())
}

fn mac(key: &[u8], data: &[u8]) -> Hmac<Sha256> {
    // unwrap: HMAC takes keys of any length (RFC 2104).
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(data);
    mac
}

fn canonical_request(
    parts: &Parts,
    signed: &[&str],
    signed_headers: &str,
    body: &[u8],
) -> Option<String> {
    let mut headers = String::new();
    for name in signed {
        let values: Option<Vec<&str>> = parts
            .headers
            .get_all(*name)
            .iter()
            .map(|it| it.to_str().ok())
            .collect();
        let values = values.filter(|it| !it.is_empty())?;
        let value = values.join(",");
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let query = parts.uri.query().unwrap_or_default();
    let query = query.split('&').filter(|it| !it.is_empty());
    let mut query: Vec<_> = query
        .map(|it| it.split_once('=').unwrap_or((it, "")))
        .collect();
    query.sort_unstable();
    let query: Vec<_> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let (method, path, query) = (parts.method.as_str(), parts.uri.path(), query.join("&"));
    let payload = hex::encode(Sha256::digest(body));
    Some(format!(
        "{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload}"
    ))
}
