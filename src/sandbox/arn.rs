//! ARNs of users, roles and sessions: made, and taken apart.

/// The ARN of a role's session.
pub(super) fn of_session(account: &str, role: &str, session: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
}

/// The account and the lower-case name in an ARN of a user or role.
pub(super) fn locate(arn: &str) -> Option<(String, String)> {
    let (account, rest) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    Some((account.to_owned(), rest.rsplit('/').next()?.to_lowercase()))
}

/// The path and the name in an ARN of a user or role.
pub(super) fn path_and_name(arn: &str) -> (String, String) {
    let entity = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let (_, rest) = entity.split_once('/').unwrap_or_default();
    match rest.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name.to_owned()),
        None => ("/".to_owned(), rest.to_owned()),
    }
}

/// Whether a principal names a whole account: 12 digits, or the root's ARN.
pub(super) fn is_account(name: &str) -> bool {
    account_of(name).is_some()
}

/// The account that a principal names as a whole.
pub(super) fn account_of(name: &str) -> Option<&str> {
    let digits = |it: &&str| it.len() == 12 && it.bytes().all(|b| b.is_ascii_digit());
    let root = name
        .strip_prefix("arn:aws:iam::")
        .and_then(|it| it.strip_suffix(":root"));
    Some(name).filter(digits).or_else(|| root.filter(digits))
}

/// The role's ARN behind a session's ARN (roles with a path cannot be told from it).
pub(super) fn session_role(name: &str) -> Option<String> {
    let (account, rest) = name
        .strip_prefix("arn:aws:sts::")?
        .split_once(":assumed-role/")?;
    let (role, _) = rest.split_once('/')?;
    Some(format!("arn:aws:iam::{account}:role/{role}"))
}
