//! Every document that the product writes, and those that it asks owners for (docs/guard.md §1,
//! docs/carrier.md), each with requests that it should tell apart.

use chrono::{DateTime, Utc};
use countersign::domain::demands::{Demands, ExternalId};
use countersign::domain::entitlement::{PolicyArns, Scope};
use countersign::domain::grant::Grant;
use countersign::domain::part::Allows;
use countersign::policy::guard::Guard;
use countersign::policy::trust::{Admitted, literal};
use countersign::policy::{assumable, inline, session, trust};
use serde_json::{Value, json};

use super::{ACCOUNT, Case, OTHER_ACCOUNT, Who};
use crate::policy::{ALICE, ROLE_ARN, ROLE_ID, at, grant, grant_id};

const ALICE_ARN: &str = "arn:aws:iam::111122223333:user/alice";
const USER: Who = Who::user(ACCOUNT, ALICE_ARN);
const OTHER_ALICE: Who = Who::user(OTHER_ACCOUNT, "arn:aws:iam::444455556666:user/alice");
const MANAGER: Who = Who {
    account: ACCOUNT,
    caller: "arn:aws:sts::111122223333:assumed-role/CountersignManager/countersign",
    principal: "arn:aws:iam::111122223333:role/CountersignManager",
};
const SESSION: Who = Who {
    account: ACCOUNT,
    caller: "arn:aws:sts::111122223333:assumed-role/Developers/alice",
    principal: "arn:aws:iam::111122223333:role/Developers",
};
const DEVELOPERS_ID: &str = "AROADEVELOPERS0000001";
const ADMIN: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ROOT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}"#;
const OBJECT: &str = "arn:aws:s3:::reports/q3";
/// The deadline of the grants, in seconds.
const DEADLINE: i64 = 3_600;

/// Before the deadline, at it, and after it.
fn times() -> [DateTime<Utc>; 3] {
    [DEADLINE - 1, DEADLINE, DEADLINE + 1].map(at)
}

/// Without a second factor as a long-term key is, without one as a session is, and with one.
const FACTORS: [Option<&str>; 3] = [None, Some("false"), Some("true")];

fn asked(mfa: bool) -> Grant {
    let mut grant = grant(1, ALICE, 0, DEADLINE);
    grant.demands.mfa = mfa;
    grant
}

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for mfa in [false, true] {
        all.extend(switch(mfa));
        all.extend(attach(mfa));
        all.extend(trust_statement(mfa));
    }
    all.extend(of_a_session());
    all.extend(ended());
    all.extend(sessions());
    all.extend(sts_target());
    all.extend(guard(false));
    all.extend(guard(true));
    all
}

fn switch(mfa: bool) -> Vec<Case> {
    let (grant, own) = (asked(mfa), grant_id(1).to_string());
    let role = Allows::Role {
        arn: ROLE_ARN.to_owned(),
    };
    let text = inline::text(&role, &grant, true, grant.deadline).unwrap();
    let mut cases = Vec::new();
    for name in [own.as_str(), "alice", "zzz"] {
        for now in times() {
            for factor in FACTORS {
                let mut question = USER.asks("sts:AssumeRole", ROLE_ARN);
                question.identity = vec![text.clone()];
                question.resource_policy = Some(ROOT.to_owned());
                let keys = json!({
                    "sts:RoleSessionName": name,
                    "aws:CurrentTime": literal(now),
                    "aws:MultiFactorAuthPresent": factor,
                });
                let name = format!("switch, mfa {mfa}: {name} at {now}, {factor:?}");
                cases.push(Case::new(name, question, keys));
            }
        }
    }
    cases
}

fn attach(mfa: bool) -> Vec<Case> {
    let grant = asked(mfa);
    let frozen = Allows::Statements(vec![
        r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::reports/*"}"#.to_owned(),
        r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},"DateLessThan":{"aws:TokenIssueTime":"2026-12-01T00:30:00Z"}}}"#.to_owned(),
    ]);
    let text = inline::text(&frozen, &grant, false, grant.deadline).unwrap();
    let mut cases = Vec::new();
    for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
        for now in times() {
            for factor in FACTORS {
                let mut question = USER.asks(action, OBJECT);
                question.identity = vec![text.clone()];
                let keys = json!({
                    "aws:CurrentTime": literal(now),
                    "aws:MultiFactorAuthPresent": factor,
                    "aws:SecureTransport": "true",
                    "aws:TokenIssueTime": factor.map(|_| literal(at(60))),
                });
                let name = format!("attach, mfa {mfa}: {action} at {now}, {factor:?}");
                cases.push(Case::new(name, question, keys));
            }
        }
    }
    cases
}

/// A role's trust policy, and what a role carries, for one of its sessions: asked by it and by
/// another one.
fn of_a_session() -> Vec<Case> {
    let mut grant = asked(false);
    grant.principal_arn = Some(SESSION.principal.to_owned());
    grant.principal_session = Some("alice".to_owned());
    grant.principal_id = Some(format!("{DEVELOPERS_ID}:alice"));
    let statement = trust::of(&grant, true, grant.deadline);
    let trusted = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let role = Allows::Role {
        arn: ROLE_ARN.to_owned(),
    };
    let carried = inline::text(&role, &grant, true, grant.deadline).unwrap();
    let mut cases = Vec::new();
    for (way, identity, resource) in [("trust", None, &*trusted), ("switch", Some(carried), ROOT)] {
        for session in ["alice", "bob"] {
            for name in [grant.grant_name.as_str(), "alice", "bob"] {
                for now in times() {
                    let mut question = SESSION.asks("sts:AssumeRole", ROLE_ARN);
                    question.identity = identity.iter().cloned().collect();
                    question.resource_policy = Some(resource.to_owned());
                    let keys = json!({
                        "sts:RoleSessionName": name,
                        "aws:userid": format!("{DEVELOPERS_ID}:{session}"),
                        "aws:CurrentTime": literal(now),
                    });
                    let name = format!("{way} for a session: {session} as {name} at {now}");
                    cases.push(Case::new(name, question, keys));
                }
            }
        }
    }
    cases
}

/// What is left of an ended grant, alone and beside a policy that allows everything.
fn ended() -> Vec<Case> {
    let mut cases = Vec::new();
    for beside in [None, Some(ADMIN.to_owned())] {
        for epoch in ["0", "1", "1796083200"] {
            let mut question = USER.asks("sts:AssumeRole", ROLE_ARN);
            question.identity = vec![inline::ENDED.to_owned()];
            question.identity.extend(beside.clone());
            question.resource_policy = Some(ROOT.to_owned());
            let keys = json!({ "aws:EpochTime": epoch, "sts:RoleSessionName": "alice" });
            let name = format!("ended, alone {}: at {epoch}", beside.is_none());
            cases.push(Case::new(name, question, keys));
        }
    }
    cases
}

/// The session that is handed out, of a role that may do everything.
fn sessions() -> Vec<Case> {
    let down = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::reports/*"}]}"#;
    let arns = PolicyArns::try_from(vec![
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess".to_owned(),
    ]);
    let managed = Scope::PolicyArns(arns.unwrap());
    let of = |scope: &Scope| session::policy(scope, at(DEADLINE)).unwrap();
    let texts = [
        ("of the role", vec![of(&Scope::Role)]),
        ("scoped down", vec![of(&Scope::ScopeDown(down.to_owned()))]),
        ("with managed policies", vec![of(&managed), down.to_owned()]),
        ("with its Deny alone", vec![of(&managed)]),
    ];
    let mut cases = Vec::new();
    for (what, texts) in texts {
        for action in ["s3:GetObject", "s3:PutObject"] {
            for now in times().map(Some).into_iter().chain([None]) {
                let mut question = elevated("grant_x").asks(action, OBJECT);
                question.identity = vec![ADMIN.to_owned()];
                question.session = texts.clone();
                let keys = json!({ "aws:CurrentTime": now.map(literal) });
                let name = format!("a session {what}: {action} at {now:?}");
                cases.push(Case::new(name, question, keys));
            }
        }
    }
    cases
}

/// A session of the role by one of the names that the cases have.
fn elevated(name: &str) -> Who {
    let caller = match name {
        "alice" => "arn:aws:sts::111122223333:assumed-role/prod-admin/alice",
        "bob" => "arn:aws:sts::111122223333:assumed-role/prod-admin/bob",
        "zzz" => "arn:aws:sts::111122223333:assumed-role/prod-admin/zzz",
        // The ARN of a session with a grant's name is nowhere compared.
        _ => "arn:aws:sts::111122223333:assumed-role/prod-admin/grant",
    };
    Who {
        account: ACCOUNT,
        caller,
        principal: ROLE_ARN,
    }
}

/// The three statements of a role that Countersign assumes, for each of the actions.
fn sts_target() -> Vec<Case> {
    let three = assumable::statements_with_tags(MANAGER.caller);
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{three}]}}"#);
    let grant = grant_id(1).to_string();
    let named = |name: &str, person: Option<&str>| json!({ "sts:RoleSessionName": name, "sts:SourceIdentity": person });
    let tagged = |key: &str, value: &str, keys: &[&str]| {
        let tag = format!("aws:RequestTag/{key}");
        json!({ tag: value, "aws:TagKeys": keys })
    };
    let our = "countersign:grant";
    let asked: [(&'static str, Value); 10] = [
        ("sts:AssumeRole", named(&grant, Some("person_1"))),
        ("sts:AssumeRole", named(&grant, Some("alice"))),
        ("sts:AssumeRole", named(&grant, None)),
        ("sts:AssumeRole", named("zzz", Some("person_1"))),
        ("sts:SetSourceIdentity", named(&grant, Some("person_1"))),
        ("sts:SetSourceIdentity", named(&grant, Some("alice"))),
        ("sts:TagSession", tagged(our, &grant, &[our])),
        ("sts:TagSession", tagged(our, "mine", &[our])),
        ("sts:TagSession", tagged(our, &grant, &[our, "team"])),
        ("sts:TagSession", tagged("team", &grant, &["team"])),
    ];
    let mut cases = Vec::new();
    for (who, whose) in [(MANAGER, "the manager's"), (USER, "somebody's")] {
        for (action, keys) in &asked {
            let mut question = who.asks(action, ROLE_ARN);
            question.identity = vec![ADMIN.to_owned()];
            question.resource_policy = Some(text.clone());
            let name = format!("a role for credentials: {whose} {action} with {keys}");
            cases.push(Case::new(name, question, keys.clone()));
        }
    }
    cases
}

/// A guard with every kind of name, of a closed role too, and with nobody live.
fn guard(closed: bool) -> Vec<Case> {
    let name = |nth| grant_id(nth).to_string();
    let nobody = Guard {
        closed,
        installation: "0a1b2c3d".to_owned(),
        ..Guard::default()
    };
    let everybody = Guard {
        until: [("alice".to_owned(), at(DEADLINE)), (name(1), at(DEADLINE))].into(),
        cut: [("bob".to_owned(), at(100))].into(),
        denied: [name(2), "carol".to_owned()].into(),
        kept: [("dave".to_owned(), at(50)), (name(3), at(50))].into(),
        ..nobody.clone()
    };
    let names = ["alice", "bob", "carol", "dave", "zzz"].map(str::to_owned);
    let names: Vec<String> = names.into_iter().chain([1, 2, 3, 4].map(name)).collect();
    let on = [
        ("s3:GetObject", OBJECT),
        ("iam:PutRolePolicy", ROLE_ARN),
        ("sts:AssumeRole", ROLE_ARN),
    ];
    let mut cases = Vec::new();
    for (who, guard) in [("nobody", &nobody), ("some", &everybody)] {
        let text = guard.render(ROLE_ID, ROLE_ARN, 7);
        for session in &names {
            for (action, resource) in on {
                for [now, issued] in moments() {
                    let mut question = elevated(session).asks(action, resource);
                    question.identity = vec![ADMIN.to_owned(), text.clone()];
                    question.resource_policy =
                        (action == "sts:AssumeRole").then(|| ROOT.to_owned());
                    let keys = json!({
                        "aws:userid": format!("{ROLE_ID}:{session}"),
                        "aws:CurrentTime": now.map(literal),
                        "aws:TokenIssueTime": issued.map(literal),
                    });
                    let when = format!("at {now:?}, issued {issued:?}");
                    let name =
                        format!("guard, closed {closed}, {who} live: {session} {action} {when}");
                    cases.push(Case::new(name, question, keys));
                }
            }
        }
    }
    cases
}

/// The time of a request, and when its session began; a service may send neither.
fn moments() -> Vec<[Option<DateTime<Utc>>; 2]> {
    let mut all = vec![[None, None], [Some(at(200)), None]];
    all.extend([99, 100, 101].map(|issued| [Some(at(200)), Some(at(issued))]));
    all.extend(times().map(|now| [Some(now), Some(at(150))]));
    all
}

/// The statement that a grant adds to a trust policy.
fn trust_statement(mfa: bool) -> Vec<Case> {
    let (own, external) = (grant_id(1).to_string(), "our-customer:7");
    let demands = Demands {
        mfa,
        external_id: ExternalId::parse(external),
    };
    let names = ["alice", own.as_str()];
    let alice = Admitted {
        arn: ALICE_ARN,
        userid: None,
    };
    let statement = trust::statement(grant_id(1), alice, &names, &demands, at(DEADLINE));
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let mut cases = Vec::new();
    let asked = [
        (USER, own.as_str()),
        (USER, "alice"),
        (USER, "zzz"),
        (OTHER_ALICE, "alice"),
    ];
    for (who, session) in asked {
        for (now, factor) in times()
            .into_iter()
            .zip(["true"; 3])
            .chain([(at(1), "false")])
        {
            for id in [Some(external), Some("another"), None] {
                let mut question = who.asks("sts:AssumeRole", ROLE_ARN);
                question.resource_policy = Some(text.clone());
                let keys = json!({
                    "sts:RoleSessionName": session,
                    "sts:ExternalId": id,
                    "aws:CurrentTime": literal(now),
                    "aws:MultiFactorAuthPresent": factor,
                });
                let of = who.account;
                let name =
                    format!("trust, mfa {mfa}: {session} of {of} at {now}, {factor}, {id:?}");
                cases.push(Case::new(name, question, keys));
            }
        }
    }
    cases
}
