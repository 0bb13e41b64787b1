//! Statements of identity policies as what they may mean, and as what they surely mean.

use super::assumable::text;
use super::meaning::Node;
use super::pattern::overlap;

/// One statement of an identity policy.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    /// Where the policy stands, in words.
    pub(super) policy: &'a str,
    /// Its Sid, or which one it is, from 1.
    pub(super) label: String,
    /// Whether it allows; else it denies.
    pub(super) allows: bool,
    /// Whether it has a condition.
    pub(super) conditional: bool,
    actions: Actions,
    resources: Resources,
}

/// Patterns in lower case.
#[derive(Debug)]
enum Actions {
    These(Vec<String>),
    AllBut(Vec<String>),
}

/// What a statement is for, as far as it matters here.
#[derive(Debug)]
enum Resources {
    /// Those of these patterns.
    These(Vec<String>),
    AllBut,
}

impl<'a> Statement<'a> {
    /// `None` where nobody can tell what it means.
    pub(super) fn read(policy: &'a str, nth: usize, node: &Node) -> Option<Self> {
        let allows = match text(node, "Effect")? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let actions = match (patterns(node, "Action"), patterns(node, "NotAction")) {
            (Some(these), None) => Actions::These(these?),
            (None, Some(others)) => Actions::AllBut(others?),
            _ => return None,
        };
        let resources = match (patterns(node, "Resource"), patterns(node, "NotResource")) {
            (Some(these), None) => Resources::These(these?),
            (None, Some(others)) => others.map(|_| Resources::AllBut)?,
            _ => return None,
        };
        Some(Self {
            policy,
            label: text(node, "Sid").map_or_else(|| (nth + 1).to_string(), str::to_owned),
            allows,
            conditional: is_conditional(node),
            actions,
            resources,
        })
    }

    /// Whether its actions can mean this one, in lower case.
    pub(super) fn may_mean(&self, action: &str) -> bool {
        match &self.actions {
            Actions::These(patterns) => patterns.iter().any(|it| may_be(it, action)),
            Actions::AllBut(patterns) => !patterns.iter().any(|it| is_surely(it, action)),
        }
    }

    /// Whether it denies this action, in lower case, whatever the resource and the circumstances.
    pub(super) fn surely_denies(&self, action: &str) -> bool {
        let is_everywhere = match &self.resources {
            Resources::These(patterns) => patterns.iter().any(|it| it == "*"),
            Resources::AllBut => false,
        };
        !self.allows
            && !self.conditional
            && is_everywhere
            && match &self.actions {
                Actions::These(patterns) => patterns.iter().any(|it| is_surely(it, action)),
                Actions::AllBut(patterns) => !patterns.iter().any(|it| may_be(it, action)),
            }
    }

    /// Whether it is for that ARN alone.
    pub(super) fn is_for(&self, arn: &str) -> bool {
        match &self.resources {
            Resources::These(patterns) => patterns.iter().all(|it| it.eq_ignore_ascii_case(arn)),
            Resources::AllBut => false,
        }
    }

    /// The actions that it names whole, in lower case.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        let named = match &self.actions {
            Actions::These(patterns) => patterns.as_slice(),
            Actions::AllBut(_) => &[],
        };
        let whole = named.iter().filter(|it| !it.contains(['*', '?']));
        whole.map(String::as_str)
    }
}

/// The statements of a policy; `None` where nobody can tell what it, or one of them, means.
pub(super) fn statements<'a>(policy: &'a str, text: &str) -> Option<Vec<Statement<'a>>> {
    let document = Node::parse(text)?;
    let all = document.get("Statement")?.elements().iter().enumerate();
    all.map(|(nth, node)| Statement::read(policy, nth, node))
        .collect()
}

/// Whether a statement has a condition that says anything.
pub(super) fn is_conditional(statement: &Node) -> bool {
    let Node::Object(members) = statement else {
        return false;
    };
    let mut conditions = members.iter().filter(|(key, _)| key == "Condition");
    conditions.any(|(_, value)| *value != Node::Object(Vec::new()))
}

/// The patterns of a key in lower case; `Some(None)` where it is there and nobody can tell which.
fn patterns(node: &Node, key: &str) -> Option<Option<Vec<String>>> {
    let Node::Object(members) = node else {
        return None;
    };
    if !members.iter().any(|(name, _)| name == key) {
        return None;
    }
    let texts = node.get(key).map(|value| {
        let texts = value.elements().iter().map(Node::text);
        texts
            .map(|it| it.map(str::to_ascii_lowercase))
            .collect::<Option<Vec<_>>>()
    });
    Some(texts.flatten().filter(|texts| !texts.is_empty()))
}

/// Whether a pattern can mean an action, both in lower case.
fn may_be(pattern: &str, action: &str) -> bool {
    // A policy of AWS's own may have a thousand patterns: most begin otherwise.
    let start = pattern.split(['*', '?']).next().unwrap_or_default();
    action.starts_with(start) && overlap(pattern, action)
}

/// The same, where AWS is sure to take it so: a wildcard in the service's name is none that the
/// policy language promises.
fn is_surely(pattern: &str, action: &str) -> bool {
    let (service, _) = pattern.split_once(':').unwrap_or((pattern, ""));
    (pattern == "*" || !service.contains(['*', '?'])) && may_be(pattern, action)
}
