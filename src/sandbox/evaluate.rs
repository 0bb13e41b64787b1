//! Pure: what IAM decides about one request, from the texts of the policies and the request's
//! context (IAM User Guide, "Policy evaluation logic").

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::condition::{self, Scope};
use super::context::Context;
use super::element::{principals, strings};
use super::pattern::{expand, glob, variables};
use super::rules::{Rule, Rules};

/// What the policies say together: an explicit Deny wins over every Allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows and none denies.
    Allowed,
    /// No statement applies.
    ImplicitlyDenied,
    /// Some statement denies.
    ExplicitlyDenied,
}

/// One call, as policies see it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `service:Action`.
    pub action: &'a str,
    /// ARN, or `*`.
    pub resource: &'a str,
    /// The condition keys.
    pub context: &'a Context,
    /// What holds.
    pub rules: Rules,
}

/// Who is named by a statement's `Principal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// The caller is not named.
    None,
    /// The caller's whole account: its own policies must allow as well.
    Account,
    /// The caller's user or role, or everybody: nothing else is needed in the same account.
    Exactly,
    /// The caller's very session: not even its session policy limits that (IAM User Guide, "Policy
    /// evaluation logic").
    Session,
}

/// Decides over identity policies (no `Principal`). A text that is not a policy says nothing.
#[must_use]
pub fn decide<S: AsRef<str>>(policies: &[S], request: &Request<'_>) -> Decision {
    let mut decision = Decision::ImplicitlyDenied;
    for policy in policies.iter().map(|text| Policy::parse(text.as_ref())) {
        for statement in &policy.statements {
            if !policy.applies(statement, request) {
                continue;
            }
            if !is_deny(statement) {
                decision = Decision::Allowed;
            } else if request.rules.hold(Rule::ExplicitDeny) {
                return Decision::ExplicitlyDenied;
            }
        }
    }
    decision
}

/// Decides over a policy that names principals: what it says, and how closely the statement that
/// allows names the caller. `names` tells for one entry of `Principal.AWS` how it names the caller.
pub fn decide_named(
    policy: &str,
    request: &Request<'_>,
    names: impl Fn(&str) -> Naming,
) -> (Decision, Naming) {
    let mut best = Naming::None;
    let policy = Policy::parse(policy);
    for statement in &policy.statements {
        let naming = naming(statement, &names);
        if naming == Naming::None || !policy.applies(statement, request) {
            continue;
        }
        if !is_deny(statement) {
            best = best.max(naming);
        } else if request.rules.hold(Rule::ExplicitDeny) {
            return (Decision::ExplicitlyDenied, naming);
        }
    }
    match best {
        Naming::None => (Decision::ImplicitlyDenied, best),
        Naming::Account | Naming::Exactly | Naming::Session => (Decision::Allowed, best),
    }
}

/// The statements that apply, by number: whether each denies.
pub(super) fn matching(text: &str, request: &Request<'_>) -> Vec<(usize, bool)> {
    let policy = Policy::parse(text);
    let all = policy.statements.iter().enumerate();
    let apply = all.filter(|(_, it)| policy.applies(it, request));
    apply.map(|(n, it)| (n, is_deny(it))).collect()
}

/// The keys that statements about the action and resource look at, and that the request lacks.
pub(super) fn missing(text: &str, request: &Request<'_>) -> BTreeSet<String> {
    let policy = Policy::parse(text);
    let about = |it: &&Map<String, Value>| {
        let resources = ["Resource", "NotResource"].map(|key| it.get(key).map(strings));
        let mut named = resources.iter().flatten().flatten();
        // A resource that cannot be told for want of a value may be meant.
        let may_be = named.any(|it| !variables(it).is_empty());
        is_of_action(it, request) && (may_be || policy.is_about(it, request))
    };
    let mut keys = BTreeSet::new();
    for statement in policy.statements.iter().filter(about) {
        keys.extend(condition::keys(statement.get("Condition")));
        for element in ["Resource", "NotResource"] {
            let named = statement.get(element).map(strings).unwrap_or_default();
            keys.extend(named.iter().flat_map(|it| variables(it)));
        }
    }
    keys.retain(|key| request.context.get(key).is_none());
    keys
}

fn naming(statement: &Map<String, Value>, names: impl Fn(&str) -> Naming) -> Naming {
    let closest = |all: Vec<String>| all.iter().map(|it| names(it)).max();
    if let Some(spared) = principals(statement, "NotPrincipal") {
        return match closest(spared) {
            None | Some(Naming::None) => Naming::Exactly,
            Some(_) => Naming::None,
        };
    }
    let named = principals(statement, "Principal").and_then(closest);
    named.unwrap_or(Naming::None)
}

/// A policy, taken apart.
pub(super) struct Policy {
    /// Whether `${…}` stands for a value: only in version 2012-10-17.
    variables: bool,
    pub(super) statements: Vec<Map<String, Value>>,
}

impl Policy {
    /// A text that is not a policy has no statements.
    pub(super) fn parse(text: &str) -> Self {
        let Ok(Value::Object(mut policy)) = serde_json::from_str(text) else {
            return Self {
                variables: false,
                statements: Vec::new(),
            };
        };
        let all = match policy.remove("Statement") {
            Some(Value::Array(all)) => all,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let object = |it| match it {
            Value::Object(it) => Some(it),
            _ => None,
        };
        Self {
            variables: policy.get("Version").and_then(Value::as_str) == Some("2012-10-17"),
            statements: all.into_iter().filter_map(object).collect(),
        }
    }

    /// Whether the statement is about this action and resource, and its conditions hold.
    fn applies(&self, statement: &Map<String, Value>, request: &Request<'_>) -> bool {
        let scope = Scope {
            context: request.context,
            variables: self.values(request),
            rules: request.rules,
        };
        self.is_about(statement, request) && condition::holds(statement.get("Condition"), &scope)
    }

    /// Where variables are looked up, if they stand for anything.
    fn values<'a>(&self, request: &Request<'a>) -> Option<&'a Context> {
        let stand = self.variables && request.rules.hold(Rule::Variables);
        stand.then_some(request.context)
    }

    /// Whether the statement is about this action and resource, whatever its conditions are.
    fn is_about(&self, statement: &Map<String, Value>, request: &Request<'_>) -> bool {
        let variables = self.values(request);
        let of_resource = |pattern: &String| {
            expand(pattern, variables).is_some_and(|it| glob(&it, request.resource))
        };
        is_of_action(statement, request) && lists(statement, "Resource", "NotResource", of_resource)
    }
}

fn is_of_action(statement: &Map<String, Value>, request: &Request<'_>) -> bool {
    let action = request.action.to_ascii_lowercase();
    let of_action = |pattern: &String| glob(&pattern.to_ascii_lowercase(), &action);
    lists(statement, "Action", "NotAction", of_action)
}

fn is_deny(statement: &Map<String, Value>) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Deny")
}

/// Whether the element applies; a statement without either (a trust policy's resource) applies to
/// all.
fn lists(
    statement: &Map<String, Value>,
    element: &str,
    negated: &str,
    matches: impl Fn(&String) -> bool,
) -> bool {
    if let Some(value) = statement.get(element) {
        return strings(value).iter().any(&matches);
    }
    statement
        .get(negated)
        .is_none_or(|value| !strings(value).iter().any(&matches))
}
