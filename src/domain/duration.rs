//! Durations as people write them: ISO 8601 in hours, minutes and whole seconds.

use jiff::SignedDuration;
use jiff::fmt::temporal::SpanParser;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Something else, or with days or longer units.
    #[error("must be a duration in hours, minutes and seconds (ISO 8601), such as PT1H30M")]
    NotIso,
    /// Parts of a second.
    #[error("must be whole seconds")]
    NotWhole,
}

/// The seconds of a duration.
///
/// # Errors
/// When it is not ISO 8601, or has parts of a second.
pub fn parse(text: &str) -> Result<i64, InvalidDuration> {
    // jiff reads a small `p` as well, which the API's pattern does not allow.
    let is_iso = text.starts_with('P') || text.starts_with("-P") || text.starts_with("+P");
    let parsed = SpanParser::new().parse_duration(text);
    let duration = parsed
        .ok()
        .filter(|_| is_iso)
        .ok_or(InvalidDuration::NotIso)?;
    if duration.subsec_nanos() == 0 {
        Ok(duration.as_secs())
    } else {
        Err(InvalidDuration::NotWhole)
    }
}

/// Seconds as a duration.
#[must_use]
pub fn print(seconds: i32) -> String {
    SignedDuration::from_secs(i64::from(seconds)).to_string()
}

/// Seconds as people say them: `1 hour 30 minutes`.
#[must_use]
pub fn words(seconds: i32) -> String {
    let parts = [
        (seconds / 3600, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count != 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if said.is_empty() {
        return "0 seconds".to_owned();
    }
    said.join(" ")
}
