//! Questions by chance, from a seed: who, what, and policies that say something about it.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use super::{ACCOUNT, Case, OTHER_ACCOUNT, Who};

/// How many.
const MANY: usize = 3_000;

const ALICE: Who = Who::user(ACCOUNT, "arn:aws:iam::111122223333:user/alice");
const CAROL: Who = Who::user(OTHER_ACCOUNT, "arn:aws:iam::444455556666:user/carol");
const SESSION: Who = Who {
    account: ACCOUNT,
    caller: "arn:aws:sts::111122223333:assumed-role/prod-admin/alice",
    principal: "arn:aws:iam::111122223333:role/prod-admin",
};
const VISITOR: Who = Who {
    account: OTHER_ACCOUNT,
    caller: "arn:aws:sts::444455556666:assumed-role/builder/job-7",
    principal: "arn:aws:iam::444455556666:role/builder",
};
const EVERYBODY: [Who; 4] = [ALICE, CAROL, SESSION, VISITOR];

const ROLE: &str = "arn:aws:iam::111122223333:role/team/target";
const OBJECT: &str = "arn:aws:s3:::reports/alice/q3";
const ON: [(&str, &str); 9] = [
    ("sts:AssumeRole", ROLE),
    ("sts:AssumeRole", ROLE),
    ("sts:SetSourceIdentity", ROLE),
    ("sts:TagSession", ROLE),
    ("s3:GetObject", OBJECT),
    ("s3:PutObject", OBJECT),
    ("iam:PutRolePolicy", ROLE),
    ("iam:GetRole", ROLE),
    (
        "ec2:StartInstances",
        "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0",
    ),
];

const NOW: &str = "2026-06-01T12:00:00Z";
const TIMES: [&str; 5] = [
    NOW,
    "2026-06-01T11:59:59Z",
    "2026-06-01T12:00:01Z",
    "2026-06-02",
    "2026-06-01T14:00:00+02:00",
];
const STRINGS: [&str; 12] = [
    "alice",
    "ALICE",
    "carol",
    "al*",
    "a?ice",
    "*",
    "${aws:username}",
    "person_1",
    "${sts:RoleSessionName}",
    "${aws:PrincipalAccount}",
    "",
    "grant_1",
];
const ARNS: [&str; 6] = [
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:iam::*:user/*",
    "arn:aws:iam::111122223333:role/*",
    "arn:aws:iam::444455556666:*",
    "arn:aws:iam::111122223333:user/${aws:username}",
    "arn:*:iam::111122223333:*/prod-admin",
];

/// The keys of requests by their type, and the operators and values that they are compared with.
const KINDS: [(&[&str], &[&str], &[&str]); 6] = [
    (
        &["aws:CurrentTime", "aws:TokenIssueTime"],
        &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        &TIMES,
    ),
    (
        &[
            "aws:username",
            "aws:SourceIdentity",
            "sts:RoleSessionName",
            "sts:SourceIdentity",
            "sts:ExternalId",
            "aws:PrincipalAccount",
        ],
        &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        &STRINGS,
    ),
    (
        &["aws:PrincipalArn"],
        &["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"],
        &ARNS,
    ),
    (
        &["aws:MultiFactorAuthPresent", "aws:SecureTransport"],
        &["Bool"],
        &["true", "false"],
    ),
    (
        &["aws:SourceIp"],
        &["IpAddress", "NotIpAddress"],
        &[
            "10.1.0.0/16",
            "10.1.2.3",
            "10.1.2.4/31",
            "2001:db8::/32",
            "0.0.0.0/0",
        ],
    ),
    (
        &["aws:MultiFactorAuthAge", "aws:EpochTime"],
        &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        &["300", "299", "1780315200", "1780315201"],
    ),
];

const TAG_KEYS: [&str; 4] = ["team", "cost", "t*", "grant"];

pub fn cases(seed: u64) -> Vec<Case> {
    let mut chance = Chance(StdRng::seed_from_u64(seed));
    (0..MANY).map(|nth| chance.case(nth)).collect()
}

struct Chance(StdRng);

impl Chance {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.0).unwrap()
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    fn some<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        let many = self.0.random_range(1..=2);
        (0..many).map(|_| self.one(of)).collect()
    }

    fn case(&mut self, nth: usize) -> Case {
        let (who, (action, resource)) = (self.one(&EVERYBODY), self.one(&ON));
        let mut question = who.asks(action, resource);
        let is_session = who.caller != who.principal;
        for _ in 0..self.0.random_range(0..=2) {
            question.identity.push(self.policy(action, resource, None));
        }
        if self.percent(30) {
            question.boundary = Some(self.policy(action, resource, None));
        }
        if is_session && self.percent(40) {
            question.session = vec![self.policy(action, resource, None)];
        }
        // A role has one always; of what else is asked here, buckets alone may.
        if action.starts_with("sts:") || action.starts_with("s3:") && self.percent(60) {
            question.resource_policy = Some(self.policy(action, resource, Some(who)));
        }
        let keys = self.keys(who, action);
        Case::new(format!("generated {nth}"), question, keys)
    }

    /// The keys of a request, some of which are missing.
    fn keys(&mut self, who: Who, action: &str) -> Value {
        let is_session = who.caller != who.principal;
        let name = who.principal.rsplit('/').next();
        let mut keys = json!({
            "aws:CurrentTime": NOW,
            "aws:EpochTime": "1780315200",
            "aws:PrincipalAccount": who.account,
            "aws:SourceIp": self.one(&["10.1.2.3", "10.2.0.1", "2001:db8::1"]),
            "aws:SecureTransport": "true",
            "aws:username": name.filter(|_| !is_session),
            "aws:TokenIssueTime": is_session.then_some("2026-06-01T11:00:00Z"),
            "aws:MultiFactorAuthPresent": self.one(&["true", "false"]),
            "aws:MultiFactorAuthAge": "300",
            "aws:SourceIdentity": is_session.then_some("person_1"),
        });
        if action.starts_with("sts:") {
            keys["sts:RoleSessionName"] = json!(self.one(&["alice", "grant_1"]));
            keys["sts:SourceIdentity"] = json!(self.one(&["alice", "person_1"]));
            keys["sts:ExternalId"] = json!(self.one(&["alice", "grant_1"]));
        }
        if ["sts:AssumeRole", "sts:TagSession"].contains(&action) {
            keys["aws:TagKeys"] = json!(self.some(&["team", "cost", "grant"]));
        }
        let keys = keys.as_object().unwrap().clone();
        let kept = keys.into_iter().filter(|_| self.percent(85));
        Value::Object(kept.collect())
    }

    fn policy(&mut self, action: &str, resource: &str, named: Option<Who>) -> String {
        let many = self.0.random_range(1..=3);
        let statements: Vec<Value> = (0..many)
            .map(|_| self.statement(action, resource, named))
            .collect();
        let version = if self.percent(80) {
            "2012-10-17"
        } else {
            "2008-10-17"
        };
        json!({ "Version": version, "Statement": statements }).to_string()
    }

    fn statement(&mut self, action: &str, resource: &str, named: Option<Who>) -> Value {
        let mut statement = json!({ "Effect": if self.percent(75) { "Allow" } else { "Deny" } });
        let service = action.split(':').next().unwrap_or_default();
        let actions = [
            "*".to_owned(),
            action.to_owned(),
            format!("{service}:*"),
            action.to_uppercase().replace("STS:", "sts:"),
            "s3:Get*".to_owned(),
            "dynamodb:GetItem".to_owned(),
        ];
        let at = self.0.random_range(0..actions.len());
        let element = if self.percent(90) {
            "Action"
        } else {
            "NotAction"
        };
        statement[element] = json!(actions[at]);
        let is_trust = named.is_some() && service == "sts";
        if !is_trust {
            let element = if self.percent(90) {
                "Resource"
            } else {
                "NotResource"
            };
            statement[element] = json!(self.resource(resource));
        }
        if let Some(who) = named {
            // With an Allow it is not supported (IAM User Guide, "NotPrincipal").
            let spares = statement["Effect"] == "Deny" && self.percent(30);
            let element = if spares { "NotPrincipal" } else { "Principal" };
            statement[element] = json!({ "AWS": self.principals(who) });
        }
        if self.percent(60) {
            statement["Condition"] = self.condition();
        }
        statement
    }

    fn resource(&mut self, resource: &str) -> String {
        let other = "arn:aws:s3:::reports/${aws:username}/*";
        let prefix = &resource[..resource.len() - 4];
        let all = [
            "*",
            resource,
            &format!("{prefix}*"),
            &format!("{prefix}????"),
            other,
            "arn:aws:s3:::other/*",
        ];
        self.one(&all).to_owned()
    }

    /// Whom a resource's policy names.
    fn principals(&mut self, who: Who) -> Value {
        let account = format!("arn:aws:iam::{}:root", who.account);
        let all = [
            "*",
            who.principal,
            who.caller,
            who.account,
            &account,
            ALICE.principal,
            VISITOR.principal,
        ];
        match self.some(&all).as_slice() {
            [one] => json!(one),
            // `*` stands alone.
            more if more.contains(&"*") => json!("*"),
            more => json!(more),
        }
    }

    fn condition(&mut self) -> Value {
        let mut all: Map<String, Value> = Map::new();
        for _ in 0..self.0.random_range(1..=2) {
            let (operator, key, values) = if self.percent(15) {
                self.of_tags()
            } else {
                self.of_one()
            };
            all.insert(operator, json!({ key: values }));
        }
        Value::Object(all)
    }

    fn of_one(&mut self) -> (String, &'static str, Vec<&'static str>) {
        let (keys, operators, values) = self.one(&KINDS);
        let key = self.one(keys);
        if self.percent(8) {
            return ("Null".to_owned(), key, vec![self.one(&["true", "false"])]);
        }
        let suffix = if self.percent(30) { "IfExists" } else { "" };
        let operator = format!("{}{suffix}", self.one(operators));
        (operator, key, self.some(values))
    }

    fn of_tags(&mut self) -> (String, &'static str, Vec<&'static str>) {
        let set = self.one(&["ForAllValues:", "ForAnyValue:"]);
        let base = self.one(&["StringEquals", "StringLike", "StringNotEquals"]);
        (format!("{set}{base}"), "aws:TagKeys", self.some(&TAG_KEYS))
    }
}
