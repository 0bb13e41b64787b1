//! ARNs of IAM roles and users, by the characters that IAM allows.

/// The partitions of AWS that can be worked with.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// Why a text is not an ARN of that kind: what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// Something else.
    #[error("must be the ARN of an IAM {0} such as arn:aws:iam::111122223333:{0}/name")]
    Form(&'static str),
    /// Not a partition of AWS that we know.
    #[error("must have the partition aws, aws-cn or aws-us-gov, not {0:?}")]
    Partition(String),
    /// Not an account.
    #[error("must have an account of 12 digits, not {0:?}")]
    Account(String),
    /// Characters that IAM does not allow in a name, or too many.
    #[error(
        "must have a name of 1 to 64 letters of a to z, digits and + = , . @ _ -, as IAM does, not {0:?}"
    )]
    Name(String),
    /// A path that IAM does not allow.
    #[error("must have a path that IAM allows: up to 512 visible ASCII characters between slashes")]
    Path,
}

/// The account in the ARN of an IAM `kind` ("role", "user").
///
/// # Errors
/// When it is no such ARN, or names something that IAM could not have.
pub fn account<'a>(arn: &'a str, kind: &'static str) -> Result<&'a str, InvalidArn> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else {
        return Err(InvalidArn::Form(kind));
    };
    let Some(("", path_and_name)) = resource.split_once(kind) else {
        return Err(InvalidArn::Form(kind));
    };
    let Some((path, name)) = path_and_name.rsplit_once('/') else {
        return Err(InvalidArn::Form(kind));
    };
    if !PARTITIONS.contains(&partition) {
        return Err(InvalidArn::Partition(partition.to_owned()));
    }
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidArn::Account(account.to_owned()));
    }
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_of_name) {
        return Err(InvalidArn::Name(name.to_owned()));
    }
    // What stands before the name begins with a slash, as `/team` of `role/team/name` does.
    let is_path = path.is_empty() || path.starts_with('/');
    if !is_path || path.len() >= 512 || !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(InvalidArn::Path);
    }
    Ok(account)
}
