//! How much fits: sizes of documents (IAM User Guide, "IAM and AWS STS quotas") and the characters
//! of names.

use std::collections::BTreeSet;

use super::rules::{Rule, Rules};
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

/// Managed policies of one user or role (10, unless the account's quota was raised).
pub(super) const ATTACHED: usize = 10;
/// Managed session policies.
const SESSION_ARNS: usize = 10;
/// The packed size of session policies and tags. AWS tells only how much of it is used: nine tags
/// of 252 characters were seen to be 498 % (aws-actions/configure-aws-credentials#1898).
pub(super) const PACKED: usize = 455;

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

/// Refuses session policies that are too many or, together, too long: `Policy` and the ARNs count
/// (STS API Reference, AssumeRole: "the plaintext that you use for both"; that an ARN counts by its
/// own length is inferred).
pub(super) fn session_policies(
    inline: Option<&str>,
    managed: &[String],
    rules: Rules,
) -> Result<(), Fault> {
    if managed.len() > SESSION_ARNS {
        let constraint = "Member must have length less than or equal to 10";
        return Err(Fault::constraint("policyArns", "[…]", constraint));
    }
    let texts = managed.iter().map(String::as_str).chain(inline);
    let together: usize = texts.map(|it| it.chars().count()).sum();
    if together > rules.quota(Rule::SessionPolicyQuota, SESSION_POLICY) {
        return Err(Fault::validation(format!(
            "The session policies have {together} characters together, and may have {SESSION_POLICY}"
        )));
    }
    Ok(())
}

/// How much session policies and tags take when they are packed. Tags count by their length, as was
/// seen. How policies are packed AWS does not tell, and 2,048 characters of them may fit; here a
/// character counts half, and a sixteenth where its stretch was there before, so that ids pack
/// badly.
pub(super) fn packed<'a>(
    policies: impl Iterator<Item = &'a str>,
    tags: impl Iterator<Item = &'a str>,
) -> usize {
    let mut seen = BTreeSet::new();
    let mut sixteenths = 0;
    for text in policies {
        let bytes = text.as_bytes();
        for at in 0..bytes.len() {
            let stretch = &bytes[at..bytes.len().min(at + 4)];
            sixteenths += if seen.insert(stretch) { 8 } else { 1 };
        }
    }
    sixteenths / 16 + tags.map(|it| it.chars().count()).sum::<usize>()
}

/// Refuses one more key than a user may have.
pub(super) fn keys(have: usize) -> Result<(), Fault> {
    if have >= KEYS {
        let message = format!("Cannot exceed quota for AccessKeysPerUser: {KEYS}");
        return Err(exceeded(message));
    }
    Ok(())
}

/// Refuses one more managed policy than a `User` or `Role` may have.
pub(super) fn attached(have: usize, kind: &str) -> Result<(), Fault> {
    if have >= ATTACHED {
        let message = format!("Cannot exceed quota for PoliciesPer{kind}: {ATTACHED}");
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
