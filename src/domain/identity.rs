//! AWS identities that somebody is said to have: by the catalog, by a claim of their provider, or
//! by a call that they have signed with its keys.

use serde::{Deserialize, Serialize};

use super::arn::{Arn, Kind};
use super::person::{Who, is_session_name};

/// From where an identity of a person is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The catalog names it.
    Catalog,
    /// A claim of the provider makes it, by `oidc.principal_template`.
    Template,
    /// The person has signed a call with its keys.
    Linked,
}

impl Source {
    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Template => "template",
            Self::Linked => "linked",
        }
    }

    /// What [`Self::as_str`] gave.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Catalog, Self::Template, Self::Linked]
            .into_iter()
            .find(|source| source.as_str() == word)
    }
}

/// An IAM user, or somebody's sessions of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsIdentity {
    /// The 12-digit account.
    pub account: String,
    /// ARN of the user, or of the role.
    pub arn: String,
    /// The session name, of a role's sessions alone.
    pub session: Option<String>,
}

impl AwsIdentity {
    /// An IAM user by its ARN, or a role's sessions by theirs: the role stands in it with its path,
    /// which AWS itself leaves out there (`arn:aws:sts::111122223333:assumed-role/team/dev/alice`).
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let read = Arn::read(text)?;
        if read.kind != Kind::Session {
            return Self::user(text);
        }
        let (_, place) = text.split_once(":assumed-role/")?;
        let (role, session) = place.rsplit_once('/')?;
        let role = format!("arn:{}:iam::{}:role/{role}", read.partition, read.account);
        Self::session(&role, session)
    }

    /// An IAM user by its ARN.
    #[must_use]
    pub fn user(arn: &str) -> Option<Self> {
        let user = Arn::parse(arn, Kind::User).ok()?;
        Some(Self {
            account: user.account.to_owned(),
            arn: arn.to_owned(),
            session: None,
        })
    }

    /// The sessions of that name of a role.
    #[must_use]
    pub fn session(role_arn: &str, session: &str) -> Option<Self> {
        let role = Arn::parse(role_arn, Kind::Role).ok()?;
        is_session_name(session).then(|| Self {
            account: role.account.to_owned(),
            arn: role_arn.to_owned(),
            session: Some(session.to_owned()),
        })
    }

    /// Who that is in documents.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        Who {
            arn: &self.arn,
            session: self.session.as_deref(),
        }
    }
}

/// What a claim may hold to become part of a name. IAM and STS take these characters, and none of
/// them leads to another path, role or account.
fn is_of_name(claim: &str) -> bool {
    (1..=64).contains(&claim.len())
        && claim
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// `oidc.principal_template`: how the ARN of a person's identity is made of their claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Claim(String),
}

/// The text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the ARN of an IAM user or of a role's session whose last part has a claim in braces, such as \
     arn:aws:iam::111122223333:user/{{preferred_username}} or \
     arn:aws:sts::111122223333:assumed-role/developers/{{email}}"
)]
pub struct InvalidTemplate;

impl TryFrom<String> for Template {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        let template = Self(pieces(&text)?);
        // Claims may be their person's own to write: they say who it is, and never in which account
        // or of which role.
        let begins_elsewhere = |piece: &&Piece| match piece {
            Piece::Text(text) => text.contains(['/', ':']),
            Piece::Claim(_) => false,
        };
        let mut after = template.0.iter().skip(1);
        let has_claim = template.0.iter().any(|it| matches!(it, Piece::Claim(_)));
        let is_identity = template.fill(|_| Some("xx")).is_some();
        if !has_claim || after.any(|it| begins_elsewhere(&it)) || !is_identity {
            return Err(InvalidTemplate);
        }
        Ok(template)
    }
}

/// A text and its claims, one after the other. The text before the first claim stands first, also
/// where it is empty.
fn pieces(text: &str) -> Result<Vec<Piece>, InvalidTemplate> {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default();
    let mut pieces = vec![Piece::Text(first.to_owned())];
    for part in parts {
        let (claim, rest) = part.split_once('}').ok_or(InvalidTemplate)?;
        if claim.is_empty() {
            return Err(InvalidTemplate);
        }
        pieces.push(Piece::Claim(claim.to_owned()));
        pieces.push(Piece::Text(rest.to_owned()));
    }
    let is_stray = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('}'));
    if pieces.iter().any(is_stray) {
        return Err(InvalidTemplate);
    }
    Ok(pieces)
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        let pieces = template.0.into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Claim(claim) => format!("{{{claim}}}"),
        });
        pieces.collect()
    }
}

impl Template {
    /// The identity of whoever has these claims; `None` where one is missing, or is no part of a
    /// name.
    #[must_use]
    pub fn fill<'a>(&self, claim: impl Fn(&str) -> Option<&'a str>) -> Option<AwsIdentity> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Claim(name) => text.push_str(claim(name).filter(|it| is_of_name(it))?),
            }
        }
        AwsIdentity::read(&text)
    }
}

/// Who has signed a call, as STS tells it (STS API Reference, GetCallerIdentity).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// `Arn`, in which a role's session has no path.
    pub arn: String,
    /// `UserId`: `AIDA…` of a user, `AROA…:session` of a role's session.
    pub user_id: String,
}

impl Signer {
    /// The account, and the name of the role and of the session: `None` of whoever is no session of
    /// a role.
    #[must_use]
    pub fn session(&self) -> Option<(Arn<'_>, &str)> {
        let arn = Arn::read(&self.arn).filter(|it| it.kind == Kind::Session)?;
        let (_, session) = self.arn.rsplit_once('/')?;
        Some((arn, session))
    }

    /// The unique id of the user or role.
    #[must_use]
    pub fn unique_id(&self) -> &str {
        self.user_id.split(':').next().unwrap_or_default()
    }
}
