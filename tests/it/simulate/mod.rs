//! Questions for an evaluator of IAM's policies that others have written, with the answers of the
//! AWS stand-in: `tests/simulate/compare.mjs` asks it the same, and tells where the two disagree.

mod documents;
mod generated;

use std::fs;
use std::path::Path;

use countersign::sandbox::Rule;
use countersign::sandbox::context::Context;
use countersign::sandbox::evaluate::Decision;
use countersign::sandbox::question::Question;
use countersign::sandbox::rules::Rules;
use serde_json::{Map, Value, json};

pub const ACCOUNT: &str = "111122223333";
pub const OTHER_ACCOUNT: &str = "444455556666";

/// The rules of the stand-in that decide about a question. `compare.mjs` demands of each that its
/// absence is noticed.
const RULES: [Rule; 15] = [
    Rule::IdentityPolicies,
    Rule::TrustPolicies,
    Rule::ExplicitDeny,
    Rule::Dates,
    Rule::MissingKeys,
    Rule::IfExists,
    Rule::SetOperators,
    Rule::Variables,
    Rule::KeysOfActions,
    Rule::AccountNeedsOwnPolicy,
    Rule::BothAccounts,
    Rule::Boundaries,
    Rule::UserArnPassesBoundary,
    Rule::SessionArnPassesLimits,
    Rule::SessionPolicies,
];

/// Who asks: an account, the ARN of the user or the session, that of the user or role.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub account: &'static str,
    pub caller: &'static str,
    pub principal: &'static str,
}

impl Who {
    pub const fn user(account: &'static str, arn: &'static str) -> Self {
        Self {
            account,
            caller: arn,
            principal: arn,
        }
    }

    /// A question that no policy says anything of yet; the resource is of the first account.
    pub fn asks(self, action: &'static str, resource: &'static str) -> Question<'static> {
        let mut context = Context::default();
        context.set("aws:PrincipalArn", self.principal);
        Question {
            account: self.account,
            caller: self.caller,
            principal: self.principal,
            identity: Vec::new(),
            boundary: None,
            session: Vec::new(),
            action,
            resource,
            owner: ACCOUNT,
            resource_policy: None,
            context,
        }
    }
}

/// A question with its name, and the keys of its context.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub question: Question<'static>,
    pub keys: Map<String, Value>,
}

impl Case {
    /// Sets the keys that the question's conditions see; null: the request lacks it.
    pub fn new(name: String, mut question: Question<'static>, keys: Value) -> Self {
        let Value::Object(mut keys) = keys else {
            panic!("{name}: keys are an object");
        };
        keys.retain(|_, value| !value.is_null());
        keys.insert("aws:PrincipalArn".to_owned(), json!(question.principal));
        for (key, value) in &keys {
            match value {
                Value::Array(all) => {
                    let all = all.iter().map(|it| it.as_str().unwrap().to_owned());
                    question.context.set_all(key, all.collect());
                }
                one => question.context.set(key, one.as_str().unwrap()),
            }
        }
        Self {
            name,
            question,
            keys,
        }
    }

    /// The question, the stand-in's answer, and its other answers, each without one rule.
    fn line(&self) -> Value {
        let q = &self.question;
        let decision = q.decide(Rules::default());
        let mut without = Map::new();
        for rule in RULES {
            let other = q.decide(Rules::default().without(rule));
            if other != decision {
                without.insert(format!("{rule:?}"), json!(word(other)));
            }
        }
        json!({
            "name": self.name,
            "principal": q.caller,
            "action": q.action,
            "resource": q.resource,
            "owner": q.owner,
            "context": self.keys,
            "identity": q.identity,
            "boundary": q.boundary,
            "session": q.session,
            "resourcePolicy": q.resource_policy,
            "decision": word(decision),
            "without": without,
        })
    }
}

/// As the other evaluator calls it.
const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "Allowed",
        Decision::ImplicitlyDenied => "ImplicitlyDenied",
        Decision::ExplicitlyDenied => "ExplicitlyDenied",
    }
}

/// `SIMULATE_SEED` asks other questions than those of each run.
#[test]
fn questions_for_the_other_evaluator_are_written_with_our_answers() {
    let seed = std::env::var("SIMULATE_SEED").map_or(1, |it| it.parse().expect("a number"));
    let cases: Vec<Case> = documents::cases()
        .into_iter()
        .chain(generated::cases(seed))
        .collect();
    let rules: Vec<String> = RULES.iter().map(|it| format!("{it:?}")).collect();
    let head = json!({ "seed": seed, "rules": rules, "cases": cases.len() });
    let mut lines = vec![head.to_string()];
    lines.extend(cases.iter().map(|it| it.line().to_string()));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulate");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cases.jsonl"), lines.join("\n") + "\n").unwrap();
    let allowed = lines
        .iter()
        .filter(|it| it.contains(r#""decision":"Allowed""#));
    let allowed = allowed.count() * 100 / cases.len();
    assert!((10..=90).contains(&allowed), "{allowed} % are allowed");
}
