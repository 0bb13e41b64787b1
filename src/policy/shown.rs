//! What a person shows who assumes a role, and whether conditions of its trust policy can hold for
//! it. MFA of a user is judged as shown: whether it is, nobody knows before. A role's session never
//! has it (docs/guard.md, H8).

use super::meaning::Node;
use super::pattern::overlap;
use crate::domain::demands::Demands;
use crate::domain::entitlement::Terms;
use crate::domain::person::Who;
use crate::ids::GrantId;

/// What a person shows beside who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The session names of a grant: one of them will do.
    names: Vec<String>,
    external_id: Option<String>,
    /// Whether they come as a role.
    is_role: bool,
}

impl Shown {
    /// Of a grant of these terms: every grant's own name is as good as any other's.
    #[must_use]
    pub fn of(terms: &Terms, who: Who<'_>) -> Self {
        Self::with(&terms.demands, who)
    }

    /// Of a grant that asks for that, under its own name or the console's, which sends no external
    /// ID.
    #[must_use]
    pub fn with(demands: &Demands, who: Who<'_>) -> Self {
        let own = GrantId::new().to_string();
        let external_id = demands.external_id.as_ref().map(ToString::to_string);
        let console_name = who.console_name().filter(|_| external_id.is_none());
        Self {
            names: [own].into_iter().chain(console_name).collect(),
            external_id,
            is_role: who.session.is_some(),
        }
    }

    /// Whether the conditions of a statement may hold for it.
    pub(super) fn may_meet(&self, statement: &Node) -> bool {
        self.held(statement).any(|held| held != Held::No)
    }

    /// Whether they hold, whatever else is asked of AWS.
    pub(super) fn meets(&self, statement: &Node) -> bool {
        let mut all = self.held(statement);
        all.all(|held| held == Held::Yes)
    }

    /// How it is with each of the names.
    fn held(&self, statement: &Node) -> impl Iterator<Item = Held> {
        self.names
            .iter()
            .map(|name| match statement.get("Condition") {
                None => Held::Yes,
                Some(Node::Object(operators)) => {
                    let each = operators.iter().map(|(operator, keys)| match keys {
                        Node::Object(keys) => {
                            let each = keys.iter();
                            Held::all(
                                each.map(|(key, values)| self.one(operator, key, values, name)),
                            )
                        }
                        Node::Bare(_) | Node::Text(_) | Node::List(_) => Held::Unknown,
                    });
                    Held::all(each)
                }
                Some(_) => Held::Unknown,
            })
    }

    fn one(&self, operator: &str, key: &str, values: &Node, name: &str) -> Held {
        let shown = match key.to_ascii_lowercase().as_str() {
            "sts:rolesessionname" => Some(name),
            "sts:externalid" => self.external_id.as_deref(),
            // Whether a role's session has the key at all, and false, is not known.
            "aws:multifactorauthpresent" if self.is_role => {
                let values: Vec<&str> = values.elements().iter().filter_map(word).collect();
                let each = [Some("false"), None].map(|shown| compared(operator, shown, &values));
                return if each[0] == each[1] {
                    each[0]
                } else {
                    Held::Unknown
                };
            }
            "aws:multifactorauthpresent" => Some("true"),
            _ => return Held::Unknown,
        };
        let values: Vec<&str> = values.elements().iter().filter_map(word).collect();
        if values.iter().any(|value| value.contains("${")) {
            return Held::Unknown;
        }
        compared(operator, shown, &values)
    }
}

/// How it is with a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    No,
    /// Something that nobody knows before.
    Unknown,
    Yes,
}

impl Held {
    fn all(each: impl Iterator<Item = Self>) -> Self {
        each.min().unwrap_or(Self::Yes)
    }
}

impl From<bool> for Held {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// A string; `true` and `false` may stand there without quotes.
fn word(node: &Node) -> Option<&str> {
    match node {
        Node::Bare(text) | Node::Text(text) => Some(text),
        Node::List(_) | Node::Object(_) => None,
    }
}

fn compared(operator: &str, shown: Option<&str>, values: &[&str]) -> Held {
    let stripped = operator.strip_suffix("IfExists");
    let (base, if_exists) = (stripped.unwrap_or(operator), stripped.is_some());
    let any = |fits: &dyn Fn(&str, &str) -> bool| {
        shown.map(|shown| values.iter().any(|value| fits(value, shown)))
    };
    let equal = |value: &str, shown: &str| value == shown;
    // Neither a session name nor an external ID has a wildcard of its own.
    let like = |value: &str, shown: &str| overlap(value, shown);
    let same = |value: &str, shown: &str| value.eq_ignore_ascii_case(shown);
    match base {
        "StringEquals" => any(&equal).unwrap_or(if_exists).into(),
        "StringLike" => any(&like).unwrap_or(if_exists).into(),
        "Bool" => any(&same).unwrap_or(if_exists).into(),
        // Where the key is missing these hold.
        "StringNotEquals" => (!any(&equal).unwrap_or(false)).into(),
        "StringNotLike" => (!any(&like).unwrap_or(false)).into(),
        "Null" => values
            .iter()
            .any(|it| *it == (if shown.is_none() { "true" } else { "false" }))
            .into(),
        _ => Held::Unknown,
    }
}
