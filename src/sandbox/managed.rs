//! AWS's own managed policies, those that the sandbox has. Every account has them.

const ADMINISTRATOR: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Abridged: AWS names each service.
const READ_ONLY: &str = r#"{"Version":"2012-10-17",
"Statement":[{"Effect":"Allow","Action":["*:Describe*","*:Get*","*:List*"],"Resource":"*"}]}"#;

const DENY_ALL: &str = r#"{"Version":"2012-10-17",
"Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]}"#;

/// The text of a managed policy of AWS's own.
pub(super) fn of_aws(arn: &str) -> Option<&'static str> {
    match arn.strip_prefix("arn:aws:iam::aws:policy/")? {
        "AdministratorAccess" => Some(ADMINISTRATOR),
        "ReadOnlyAccess" => Some(READ_ONLY),
        "AWSDenyAll" => Some(DENY_ALL),
        _ => None,
    }
}
