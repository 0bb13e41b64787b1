//! Policy documents by meaning: AWS may reorder keys and lists, drop white space and write a list
//! of one as its element.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};

/// A JSON value that keeps duplicate keys. Lists of IAM's policy language are sets, so that order
/// says nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`, `true`, `false` or a number, as text.
    Bare(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object, duplicate keys and all.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads JSON; `None` where it is none, or nested deeper than 128 levels.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of `key`, if this is an object that has it exactly once.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let mut found = members.iter().filter(|(name, _)| name == key);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The string, if it is one or a list of one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(items) => match items.as_slice() {
                [one] => one.text(),
                _ => None,
            },
            Self::Bare(_) | Self::Object(_) => None,
        }
    }

    /// The elements, if it is a list; else itself alone.
    #[must_use]
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    /// One text for everything that means the same.
    fn canonical(&self) -> String {
        match self {
            Self::Bare(text) => text.clone(),
            Self::Text(text) => format!("{text:?}"),
            Self::List(items) => match items.as_slice() {
                [one] => one.canonical(),
                _ => {
                    let mut items: Vec<_> = items.iter().map(Self::canonical).collect();
                    items.sort_unstable();
                    format!("[{}]", items.join(","))
                }
            },
            Self::Object(members) => {
                let mut members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{key:?}:{}", value.canonical()))
                    .collect();
                members.sort_unstable();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}

/// Whether two documents (or statements) mean the same. What is not JSON equals nothing.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    match (Node::parse(one), Node::parse(other)) {
        (Some(one), Some(other)) => one.canonical() == other.canonical(),
        _ => false,
    }
}

/// SHA-256 of what a document means: equal for what was sent and for what AWS makes of it. Of the
/// bytes, where it is not JSON.
#[must_use]
pub fn fingerprint(document: &str) -> [u8; 32] {
    let canonical = Node::parse(document).map(|node| node.canonical());
    Sha256::digest(canonical.as_deref().unwrap_or(document)).into()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Bare("null".to_owned()))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bare(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Bare(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Bare(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Bare(value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}
