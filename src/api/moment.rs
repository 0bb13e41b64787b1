//! A time that a client sends.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use serde::de::{Deserialize, Deserializer, Error as _};
use utoipa::ToSchema;

/// A time of the years 0000 to 9999 (RFC 3339); what is finer than a microsecond is left out.
// The database keeps microseconds, and an answer says what is stored. Its ids and RFC 3339 know no
// other years.
#[derive(Debug, Clone, Copy, ToSchema)]
pub(super) struct Moment(pub(super) DateTime<Utc>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(d)?;
        let time = DateTime::parse_from_rfc3339(&text).map(|it| it.to_utc());
        let known = time.ok().filter(|it| (0..=9999).contains(&it.year()));
        known.map(|it| Self(it.trunc_subsecs(6))).ok_or_else(|| {
            D::Error::custom(
                "expected a time of the years 0000 to 9999 such as 2026-11-23T21:40:00Z (RFC 3339)",
            )
        })
    }
}
