//! ARNs, taken apart here and nowhere else. Documents and SQL keep the text.

/// The partitions of AWS that can be worked with.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// What an ARN names, as far as it matters to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IAM role.
    Role,
    /// An IAM user.
    User,
    /// A session of a role.
    Session,
    /// Something else: the account itself, a federated user.
    Other,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Session => "assumed-role",
            Self::Other => "other",
        }
    }
}

/// An ARN of IAM or STS: `arn:aws:iam::111122223333:role/team/admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// Part of AWS (`aws`).
    pub partition: &'a str,
    /// The account (`111122223333`).
    pub account: &'a str,
    /// What it names.
    pub kind: Kind,
    /// The path of a role or user, with its slashes (`/team/`); `/` for everything else.
    pub path: &'a str,
    /// The name of the role or user (`admin`); of a session, its role's. What else there is has
    /// all that follows the account.
    pub name: &'a str,
}

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

impl<'a> Arn<'a> {
    /// Takes apart what AWS or the database says. Nothing is asked of account and name: what AWS
    /// calls an ARN is one.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        // IAM and STS leave the region empty: with one it is another service's.
        let ["arn", partition, service, "", account, resource] = parts[..] else {
            return None;
        };
        let (word, rest) = resource.split_at(resource.find('/').unwrap_or(resource.len()));
        let (kind, (path, name)) = match (service, word) {
            ("iam", "role") => (Kind::Role, path_and_name(rest)),
            ("iam", "user") => (Kind::User, path_and_name(rest)),
            // A session's ARN leaves out the path of its role.
            ("sts", "assumed-role") => (Kind::Session, ("/", first_segment(rest))),
            _ => (Kind::Other, ("/", resource)),
        };
        Some(Self {
            partition,
            account,
            kind,
            path,
            name,
        })
    }

    /// The ARN of an IAM role or user that a person wrote: by the characters that IAM allows.
    ///
    /// # Errors
    /// When it is no such ARN, or names something that IAM could not have.
    pub fn parse(text: &'a str, kind: Kind) -> Result<Self, InvalidArn> {
        let arn = Self::read(text).filter(|arn| arn.kind == kind && !arn.path.is_empty());
        let arn = arn.ok_or(InvalidArn::Form(kind.as_str()))?;
        if !PARTITIONS.contains(&arn.partition) {
            return Err(InvalidArn::Partition(arn.partition.to_owned()));
        }
        if arn.account.len() != 12 || !arn.account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidArn::Account(arn.account.to_owned()));
        }
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
        if !(1..=64).contains(&arn.name.len()) || !arn.name.bytes().all(is_of_name) {
            return Err(InvalidArn::Name(arn.name.to_owned()));
        }
        if arn.path.len() > 512 || !arn.path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidArn::Path);
        }
        Ok(arn)
    }

    /// The name that IAM's API wants, where the text is the ARN of a `kind` that has one.
    #[must_use]
    pub fn name_of(text: &'a str, kind: Kind) -> Option<&'a str> {
        let arn = Self::read(text).filter(|arn| arn.kind == kind)?;
        (!arn.name.is_empty()).then_some(arn.name)
    }

    /// Whether both name one role, itself or a session of it. Role names are unique in an account
    /// whatever their path and case.
    #[must_use]
    pub fn is_same_role(&self, other: &Self) -> bool {
        let is_role = |arn: &Self| matches!(arn.kind, Kind::Role | Kind::Session);
        is_role(self)
            && is_role(other)
            && self.account == other.account
            && self.name.eq_ignore_ascii_case(other.name)
    }
}

/// Whether both are ARNs of one partition.
#[must_use]
pub fn is_same_partition(one: &str, other: &str) -> bool {
    let both = Arn::read(one).zip(Arn::read(other));
    both.is_some_and(|(one, other)| one.partition == other.partition)
}

/// `/team/admin` → `/team/` and `admin`; no path where there is no slash.
fn path_and_name(rest: &str) -> (&str, &str) {
    rest.split_at(rest.rfind('/').map_or(0, |at| at + 1))
}

/// `/admin/somebody` → `admin`.
fn first_segment(rest: &str) -> &str {
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    rest.split('/').next().unwrap_or(rest)
}
