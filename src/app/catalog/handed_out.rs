//! How credentials of an entitlement of a catalog file are handed out: whether an early end cuts
//! them, and whether they carry the grant's id as a tag.

use toml::Spanned;

use super::fields::Fields;
use crate::domain::entitlement::{EarlyEnd, Method};

/// The longest grant that nothing can cut, in seconds.
const LONGEST_UNCUT: i32 = 3_600;

/// How credentials are handed out.
#[derive(Debug)]
pub(super) struct HandedOut {
    pub early_end: EarlyEnd,
    pub session_tags: bool,
}

/// Reads that of an entitlement of that method and length.
pub(super) fn handed_out(
    fields: &mut Fields<'_>,
    method: Option<Method>,
    most: Option<&Spanned<i32>>,
) -> Option<HandedOut> {
    let early_end = fields.maybe_text("early_end", |text| {
        let must = || "must be \"guard\" or \"none\"".to_owned();
        EarlyEnd::parse(text).ok_or_else(must)
    });
    let tags = fields.flag("session_tags", "must be true, or be left out");
    let (early_end, tags) = (early_end?, tags?);
    let is_other = method.is_some_and(|method| method != Method::StsCredentials);
    let given = [
        early_end.as_ref().map(|it| ("early_end", it.span())),
        tags.as_ref().map(|it| ("session_tags", it.span())),
    ];
    let mut fits = true;
    for (key, at) in given.into_iter().flatten().filter(|_| is_other) {
        let what = "goes with method = \"sts_credentials\" alone: no other credentials are Countersign's to \
                    hand out";
        fields.refuse(at, key, what);
        fits = false;
    }
    let known = early_end.as_ref().map(|it| *it.get_ref());
    let early_end_known = known.unwrap_or_default();
    if let (Some(most), false, false) = (most, early_end_known.cuts(), is_other)
        && *most.get_ref() > LONGEST_UNCUT
    {
        let what =
            "must be 1 hour (PT1H) or shorter with early_end = \"none\": nothing can cut it before";
        fields.refuse(most.span(), "max_duration", what);
        fits = false;
    }
    fits.then_some(HandedOut {
        early_end: early_end_known,
        session_tags: tags.is_some(),
    })
}
