//! How much fits: sizes of documents (IAM User Guide, "IAM and AWS STS quotas") and the characters
//! of names.

use super::wire::Fault;

/// Inline policies of one role together, in characters.
pub(super) const ROLE_INLINE: usize = 10_240;
/// Inline policies of one user together, in characters.
pub(super) const USER_INLINE: usize = 2_048;
/// Access keys of one user.
pub(super) const KEYS: usize = 2;
/// Tags of one role or session.
pub(super) const TAGS: usize = 50;
/// A trust policy, unless the account's quota was raised.
pub(super) const TRUST: usize = 2_048;
/// The most that the quota for trust policies can be raised to.
pub(super) const TRUST_MOST: usize = 8_192;
/// A session policy, white space included (STS API Reference, AssumeRole).
pub(super) const SESSION_POLICY: usize = 2_048;

/// How many characters count: white space does not.
pub(super) fn size(text: &str) -> usize {
    let counts = |c: &char| !matches!(c, ' ' | '\t' | '\n' | '\r');
    text.chars().filter(counts).count()
}

fn exceeded(message: String) -> Fault {
    Fault::new(409, "LimitExceeded", message)
}

/// Refuses a trust policy that does not fit.
pub(super) fn trust(text: &str, quota: usize) -> Result<(), Fault> {
    if size(text) > quota {
        let message = format!("Cannot exceed quota for ACLSizePerRole: {quota}");
        return Err(exceeded(message));
    }
    Ok(())
}

/// Refuses an inline policy that does not fit beside the `others` of its owner ("role prod-admin").
pub(super) fn inline<'a>(
    others: impl Iterator<Item = &'a str>,
    text: &str,
    quota: usize,
    owner: &str,
) -> Result<(), Fault> {
    if others.map(size).sum::<usize>() + size(text) > quota {
        let message = format!("Maximum policy size of {quota} bytes exceeded for {owner}");
        return Err(exceeded(message));
    }
    Ok(())
}

/// Refuses one more key than a user may have.
pub(super) fn keys(have: usize) -> Result<(), Fault> {
    if have >= KEYS {
        let message = format!("Cannot exceed quota for AccessKeysPerUser: {KEYS}");
        return Err(exceeded(message));
    }
    Ok(())
}

/// Refuses more tags than there may be.
pub(super) fn tags(count: usize) -> Result<(), Fault> {
    if count > TAGS {
        let message = format!("The number of tags has reached the maximum limit of {TAGS}");
        return Err(exceeded(message));
    }
    Ok(())
}

/// Refuses a name that is too short, too long or has other characters than `[A-Za-z0-9_+=,.@-]`.
pub(super) fn name(
    field: &str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<(), Fault> {
    let constraint = if text.len() < *length.start() {
        format!(
            "Member must have length greater than or equal to {}",
            length.start()
        )
    } else if text.len() > *length.end() {
        format!(
            "Member must have length less than or equal to {}",
            length.end()
        )
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
    {
        "Member must satisfy regular expression pattern: [\\w+=,.@-]+".to_owned()
    } else {
        return Ok(());
    };
    Err(Fault::constraint(field, text, &constraint))
}

/// Refuses a path that does not begin and end with a slash, or is longer than 512 characters.
pub(super) fn path(text: &str) -> Result<(), Fault> {
    let fits = (1..=512).contains(&text.len())
        && text.starts_with('/')
        && text.ends_with('/')
        && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if fits {
        return Ok(());
    }
    let pattern = "Member must satisfy regular expression pattern: (\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)";
    Err(Fault::constraint("path", text, pattern))
}
