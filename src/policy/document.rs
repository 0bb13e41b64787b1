//! Trust policies, edited as text: foreign statements survive byte for byte, ours are spliced in
//! and out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::meaning::Node;
use crate::domain::arn::Arn;
use crate::ids::GrantId;

/// What all our Sids begin with.
pub const PREFIX: &str = "Countersign";

/// Sid of the statement that stays when ours would be the last one: IAM refuses an empty list
/// (docs/guard.md, H2).
const INERT: &str = "CountersignInert";

/// The Sid of a grant's statement: `Countersign` and the 26 characters of the grant's id. A Sid may
/// hold letters and digits only.
#[must_use]
pub fn sid(grant: GrantId) -> String {
    let id = grant.to_string();
    let suffix = id.strip_prefix("grant_").unwrap_or(&id);
    format!("{PREFIX}{suffix}")
}

/// Whether a Sid is that of a grant's statement: exactly
/// `^Countersign[0-7][0-9a-hjkmnp-tv-z]{25}$`, never a look-alike.
#[must_use]
pub fn is_grant_sid(sid: &str) -> bool {
    let Some(suffix) = sid.strip_prefix(PREFIX) else {
        return false;
    };
    suffix.len() == 26
        && matches!(suffix.as_bytes().first(), Some(b'0'..=b'7'))
        && suffix.bytes().all(is_base32)
}

/// Crockford's alphabet, in which ids are written: no `i`, `l`, `o` and `u`.
const fn is_base32(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z') && !matches!(byte, b'i' | b'l' | b'o' | b'u')
}

/// Whether a statement pins the session name that the grant of its Sid has, as each of ours does:
/// another's Sid may only look like ours.
#[must_use]
pub fn names_itself(sid: &str, statement: &str) -> bool {
    let suffix = sid.strip_prefix(PREFIX).unwrap_or(sid);
    statement.contains(&format!("\"grant_{suffix}\""))
}

/// Why a trust policy cannot be edited. Closing goes on by date and guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not a JSON object.
    #[error("the trust policy is not a JSON object")]
    NotAnObject,
    /// `Statement` is missing, or there are several.
    #[error("the trust policy does not have exactly one Statement")]
    NotOneStatement,
    /// A statement is not an object.
    #[error("a statement of the trust policy is not a JSON object")]
    NotAStatement,
}

/// Whose a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Somebody else's: not to be touched.
    Foreign,
    /// That of a grant, by its Sid.
    Grant(String),
    /// Ours, and without effect.
    Inert,
}

/// One statement where it stands in the document.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// As it stands there, without the white space around it.
    pub text: &'a str,
    /// Whose it is.
    pub owner: Owner,
    place: Range<usize>,
}

impl Statement<'_> {
    /// Whether it is one that we write, and that goes with its grant. A Sid may only look like
    /// ours: such a statement is its author's, and stays.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        match &self.owner {
            Owner::Foreign => false,
            Owner::Grant(sid) => names_itself(sid, self.text),
            Owner::Inert => true,
        }
    }

    /// The statement as a tree.
    #[must_use]
    pub fn node(&self) -> Node {
        // A statement nested deeper than 128 levels has no principal that could be found; it is
        // nobody's but its owner's.
        Node::parse(self.text).unwrap_or(Node::Bare(String::new()))
    }
}

/// A trust policy and the places of its statements.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    text: &'a str,
    /// Every statement, in order.
    pub statements: Vec<Statement<'a>>,
    value: Range<usize>,
    list: bool,
}

impl<'a> Document<'a> {
    /// Finds the statements of a trust policy.
    ///
    /// # Errors
    /// Where it cannot be edited as text.
    pub fn parse(text: &'a str) -> Result<Self, Unreadable> {
        let Members(members) = serde_json::from_str(text).map_err(|_| Unreadable::NotAnObject)?;
        let mut values = members.iter().filter(|(key, _)| key == "Statement");
        let (Some((_, value)), None) = (values.next(), values.next()) else {
            return Err(Unreadable::NotOneStatement);
        };
        let list = value.get().starts_with('[');
        let raw: Vec<&RawValue> = if list {
            serde_json::from_str(value.get()).map_err(|_| Unreadable::NotAStatement)?
        } else {
            vec![value]
        };
        let mut statements = Vec::new();
        for raw in raw {
            statements.push(Statement {
                text: raw.get(),
                owner: owner(raw.get())?,
                place: place(text, raw.get()),
            });
        }
        Ok(Self {
            text,
            statements,
            value: place(text, value.get()),
            list,
        })
    }

    /// The statements of others.
    pub fn foreign(&self) -> impl Iterator<Item = &Statement<'a>> {
        self.statements.iter().filter(|s| s.owner == Owner::Foreign)
    }

    /// The statements of grants, with their Sids.
    pub fn ours(&self) -> impl Iterator<Item = (&str, &Statement<'a>)> {
        self.statements.iter().filter_map(|s| match &s.owner {
            Owner::Grant(sid) => Some((sid.as_str(), s)),
            Owner::Foreign | Owner::Inert => None,
        })
    }

    /// The document with exactly these statements of ours, by Sid, and every foreign one as it is.
    /// What stands there already is replaced in place, what is new goes to the end. Where none of
    /// ours is left and the foreign part is that of `original` byte for byte, that text comes back
    /// exactly; where nothing at all would be left, `inert` stands in.
    #[must_use]
    pub fn with(
        &self,
        ours: &BTreeMap<String, String>,
        original: Option<&str>,
        inert: &str,
    ) -> String {
        if ours.is_empty()
            && let Some(original) = original.filter(|o| self.came_from(o))
        {
            return original.to_owned();
        }
        let mut left = ours.clone();
        let mut kept: Vec<(usize, String)> = Vec::new();
        for (index, statement) in self.statements.iter().enumerate() {
            match &statement.owner {
                Owner::Foreign => kept.push((index, statement.text.to_owned())),
                Owner::Grant(sid) => kept.extend(left.remove(sid).map(|text| (index, text))),
                Owner::Inert => {}
            }
        }
        let mut added: Vec<String> = left.into_values().collect();
        if kept.is_empty() && added.is_empty() {
            added.push(inert.to_owned());
        }
        self.spliced(&kept, &added)
    }

    fn spliced(&self, kept: &[(usize, String)], added: &[String]) -> String {
        if !self.list
            && added.is_empty()
            && let [(_, text)] = kept
        {
            return format!("{}{text}{}", self.before(), self.after());
        }
        let mut list = String::from("[");
        for (nth, (index, text)) in kept.iter().enumerate() {
            list.push_str(if nth == 0 {
                self.gap(0)
            } else {
                self.gap(*index)
            });
            list.push_str(text);
        }
        for text in added {
            if list.len() > 1 {
                list.push(',');
            }
            list.push_str(text);
        }
        list.push_str(self.tail());
        list.push(']');
        format!("{}{list}{}", self.before(), self.after())
    }

    /// Whether `original`'s foreign part is this one's byte for byte, it can stand alone, and going
    /// back to it does not grow the document.
    fn came_from(&self, original: &str) -> bool {
        let Ok(before) = Document::parse(original) else {
            return false;
        };
        let same_frame = before.before() == self.before() && before.after() == self.after();
        let stands_alone = before.ours().next().is_none() && !before.statements.is_empty();
        same_frame
            && before.foreign_texts().eq(self.foreign_texts())
            && stands_alone
            // A closing write never grows (docs/guard.md, H2).
            && original.len() <= self.text.len()
    }

    fn foreign_texts(&self) -> impl Iterator<Item = &'a str> {
        self.foreign().map(|statement| statement.text)
    }

    fn before(&self) -> &'a str {
        &self.text[..self.value.start]
    }

    fn after(&self) -> &'a str {
        &self.text[self.value.end..]
    }

    /// What stands before the statement in the list: white space and, but for the first, the comma.
    fn gap(&self, index: usize) -> &'a str {
        if !self.list {
            return "";
        }
        let start = match index.checked_sub(1) {
            Some(previous) => self.statements[previous].place.end,
            None => self.value.start + 1,
        };
        &self.text[start..self.statements[index].place.start]
    }

    /// What stands after the last statement in the list.
    fn tail(&self) -> &'a str {
        match self.statements.last() {
            Some(last) if self.list => &self.text[last.place.end..self.value.end - 1],
            _ => "",
        }
    }
}

/// Whether a trust policy holds a statement of a grant. What cannot be read holds none that could
/// be found.
#[must_use]
pub fn has_grants(trust: &str) -> bool {
    Document::parse(trust).is_ok_and(|d| d.ours().next().is_some())
}

/// The statement that stands in where nothing else would be left: it denies, and only before 1970.
#[must_use]
pub fn inert(role_arn: &str) -> String {
    let (partition, account) =
        Arn::read(role_arn).map_or(("aws", ""), |arn| (arn.partition, arn.account));
    let principal = format!(r#""Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}}"#);
    let never = r#""DateLessThan":{"aws:CurrentTime":"1970-01-01T00:00:00Z"}"#;
    let who = format!(r#""Sid":"{INERT}","Effect":"Deny",{principal},"Action":"sts:AssumeRole""#);
    format!(r#"{{{who},"Condition":{{{never}}}}}"#)
}

/// Ours only with exactly one `Sid`, which is exactly one of ours.
fn owner(statement: &str) -> Result<Owner, Unreadable> {
    let Members(members) =
        serde_json::from_str(statement).map_err(|_| Unreadable::NotAStatement)?;
    let mut sids = members.iter().filter(|(key, _)| key == "Sid");
    let sid = match (sids.next(), sids.next()) {
        (Some((_, raw)), None) => serde_json::from_str::<String>(raw.get()).unwrap_or_default(),
        _ => return Ok(Owner::Foreign),
    };
    Ok(match sid.as_str() {
        INERT => Owner::Inert,
        _ if is_grant_sid(&sid) => Owner::Grant(sid),
        _ => Owner::Foreign,
    })
}

/// Where a borrowed part stands in the text that it was borrowed from.
fn place(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// The members of an object in order, duplicates and all, each value as it stands in the text.
pub(super) struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
