//! How single values are read and shown; each error says what is expected.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use axum::http::Uri;
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

/// The literal defaults, all above zero.
pub(super) const fn at_least_one(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

pub(super) fn address<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(d)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "expected an address and a port such as 127.0.0.1:8080, not `{text}`"
        ))
    })
}

pub(super) fn public_url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    // Told without the text: it holds a password.
    if text.contains('@') {
        return Err(D::Error::custom(
            "expected a URL without user and password such as https://countersign.example.com",
        ));
    }
    let expected = |what: &str| D::Error::custom(format!("expected {what}, not `{text}`"));
    let form = "a URL of scheme and host such as https://countersign.example.com";
    let uri: Uri = text.parse().map_err(|_| expected(form))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(expected(form));
    };
    let bare = uri.path().trim_matches('/').is_empty() && uri.query().is_none();
    // Pages link to each other from `/` on, so that below a path nothing would be found.
    if !bare {
        return Err(expected(form));
    }
    match scheme {
        "https" => {}
        "http" if super::is_loopback(authority.host()) => {}
        // The session's cookie would cross the network in plain text.
        "http" => return Err(expected("https (http is for loopback addresses only)")),
        _ => return Err(expected(form)),
    }
    Ok(Some(format!("{scheme}://{authority}")))
}

pub(super) fn region<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    // A variable that is set to nothing is a mistake, and not the default.
    if text.trim().is_empty() {
        return Err(D::Error::custom("expected a region such as us-east-1"));
    }
    Ok(Some(text))
}

/// Whether sqlx knows every parameter of a database URL: what it does not know it would log with
/// its value, and go on.
pub(super) fn are_parameters_known(url: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
    ];
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .all(|(name, _)| KNOWN.contains(&&*name) || name.starts_with("options["))
}

#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the field"
)]
pub(super) fn hidden<S: Serializer>(_: &Option<SecretString>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("***")
}

/// Durations above zero.
pub(super) mod duration {
    use std::time::Duration;

    use serde::de::{Deserializer, Error};

    pub use super::duration_or_zero::serialize;

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        let duration = super::duration_or_zero::deserialize(d)?;
        if duration.is_zero() {
            return Err(D::Error::custom("expected a duration above zero"));
        }
        Ok(duration)
    }
}

/// ISO 8601 durations of hours, minutes and seconds.
pub(super) mod duration_or_zero {
    use std::time::Duration;

    use jiff::fmt::temporal::{SpanParser, SpanPrinter};
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    /// Far beyond anything sensible; a time that lies further ahead may be none that can be told.
    const LONGEST: Duration = Duration::from_hours(366 * 24);

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(d)?;
        let duration = SpanParser::new()
            .parse_unsigned_duration(&text)
            .map_err(|_| {
                D::Error::custom(format!(
                    "expected an ISO 8601 duration such as PT2M or PT24H, not `{text}`"
                ))
            })?;
        if duration > LONGEST {
            return Err(D::Error::custom(format!(
                "expected a duration of at most PT8784H (366 days), not `{text}`"
            )));
        }
        Ok(duration)
    }

    pub fn serialize<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&SpanPrinter::new().unsigned_duration_to_string(duration))
    }
}

/// Networks of IP addresses (CIDR), none of them all addresses there are.
pub(super) mod networks {
    use ipnet::IpNet;
    use serde::de::{Deserialize, Deserializer, Error, Unexpected};
    use serde::ser::Serializer;

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        texts.iter().map(|text| network(text)).collect()
    }

    fn network<E: Error>(text: &str) -> Result<IpNet, E> {
        let wrong = |expected: &str| E::invalid_value(Unexpected::Str(text), &expected);
        let network: IpNet = text
            .parse()
            .map_err(|_| wrong("a network such as 10.0.0.0/8 or 192.0.2.7/32"))?;
        // Whoever connects could say that they are somebody else.
        if network.prefix_len() == 0 {
            return Err(wrong("the networks of your own proxies, and not everybody"));
        }
        Ok(network)
    }

    pub fn serialize<S: Serializer>(networks: &[IpNet], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(networks.iter().map(ToString::to_string))
    }
}
