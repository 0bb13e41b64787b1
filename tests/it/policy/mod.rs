//! `policy` is pure; these tests judge its documents with an evaluator of their own.

mod assumable;
mod attach;
mod authority;
mod capacity;
mod carrier;
mod closed;
mod demands;
mod document;
mod evaluate;
mod faults;
mod guard;
mod guard_room;
mod hands;
mod histories;
mod inline;
mod invariants;
mod judge;
mod lasting;
mod listed;
mod liveness;
mod normal;
mod outlive;
mod plain;
mod plan;
pub mod plane;
mod principals;
mod restored;
mod reverted;
mod run;
mod sequences;
mod service;
mod session;
mod shown;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::cause::Cause;
use countersign::domain::demands::Demands;
use countersign::domain::entitlement::{EarlyEnd, Method};
use countersign::domain::grant::{Closing, Grant, GrantState, Marks};
use countersign::domain::part::Allows;
use countersign::domain::target::{Condition, DocumentKey, Sent, Target};
use countersign::ids::{GrantId, PersonId, RequestId, TargetId};
use countersign::policy::{Identity, Margins, ObservedRole, Step, Write};
use uuid::Uuid;

pub const ROLE_ID: &str = "AROAEXAMPLEROLE000001";
pub const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/prod-admin";
pub const FOREIGN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Who may be let in: two accounts have an alice.
pub const PEOPLE: [(&str, &str, &str); 3] = [
    (
        "arn:aws:iam::111122223333:user/alice",
        "AIDAALICE00000000001",
        "alice",
    ),
    (
        "arn:aws:iam::111122223333:user/bob",
        "AIDABOB0000000000001",
        "bob",
    ),
    (
        "arn:aws:iam::444455556666:user/alice",
        "AIDAOTHERALICE000001",
        "alice",
    ),
];
pub const ALICE: usize = 0;
pub const BOB: usize = 1;
pub const OTHER_ALICE: usize = 2;

/// What the inline policies of grants on a role allow, and who is listed for them: there are none.
pub const NOTHING: &BTreeMap<GrantId, Allows> = &BTreeMap::new();
pub const NOBODY: &BTreeSet<GrantId> = &BTreeSet::new();

/// The defaults of production.
pub const PRODUCTION: Margins = Margins {
    propagation: TimeDelta::minutes(2),
    unanswered: TimeDelta::minutes(15),
    clock: TimeDelta::seconds(5),
    watch: TimeDelta::minutes(5),
};
/// The demo's.
pub const DEMO: Margins = Margins {
    propagation: TimeDelta::zero(),
    unanswered: TimeDelta::zero(),
    clock: TimeDelta::seconds(1),
    watch: TimeDelta::minutes(5),
};

/// Seconds after the tests' beginning of time.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_083_200 + seconds, 0).unwrap()
}

pub fn grant_id(nth: u128) -> GrantId {
    GrantId::from_uuid(Uuid::from_u128(
        (0x0190_0000_0000_7000_8000_u128 << 48) + nth,
    ))
}

/// A grant in state opening.
pub fn grant(nth: u128, person: usize, starts: i64, deadline: i64) -> Grant {
    let (arn, id, console) = PEOPLE[person];
    Grant {
        id: grant_id(nth),
        request: RequestId::from_uuid(Uuid::from_u128(nth)),
        target: TargetId::from_uuid(Uuid::nil()),
        person: PersonId::from_uuid(Uuid::from_u128(person as u128)),
        method: Method::TrustPolicy,
        principal_arn: Some(arn.to_owned()),
        principal_session: None,
        principal_id: Some(id.to_owned()),
        role_id: Some(ROLE_ID.to_owned()),
        grant_name: grant_id(nth).to_string(),
        console_name: Some(console.to_owned()),
        demands: Demands::default(),
        early_end: EarlyEnd::Guard,
        session_tags: false,
        requested_at: at(starts),
        starts_at: at(starts),
        deadline: at(deadline),
        approved_at: at(starts),
        marks: Marks::default(),
        state: GrantState::Opening { at: at(starts) },
    }
}

pub fn close(grant: &mut Grant, now: DateTime<Utc>, cause: Cause) {
    let (opening_at, opened_at) = match grant.state {
        GrantState::Opening { at } => (at, None),
        GrantState::Active {
            opening_at,
            opened_at,
        } => (opening_at, Some(opened_at)),
        _ => return,
    };
    grant.state = GrantState::Closing(Closing {
        opening_at,
        opened_at,
        since: now,
        cause,
        by: None,
        reason: None,
    });
}

pub fn end(grant: &mut Grant, now: DateTime<Utc>) {
    let GrantState::Closing(closing) = grant.state.clone() else {
        panic!("{} is not closing", grant.id);
    };
    grant.state = GrantState::Ended {
        opening_at: Some(closing.opening_at),
        opened_at: closing.opened_at,
        requested_at: closing.since,
        cause: closing.cause,
        by: None,
        reason: None,
        at: now,
    };
}

pub fn is_open(g: &Grant) -> bool {
    matches!(
        g.state,
        GrantState::Opening { .. } | GrantState::Active { .. }
    )
}

pub fn target() -> Target {
    Target {
        id: TargetId::from_uuid(Uuid::nil()),
        account: "111122223333".to_owned(),
        arn: ROLE_ARN.to_owned(),
        carries: false,
        revision: 0,
        condition: Condition::Ok,
        trust: Sent::default(),
        guard: Sent::default(),
        inline: BTreeMap::new(),
        missing_since: None,
        safe_since: None,
        kept: BTreeMap::new(),
        guard_restores: 0,
        guard_equal_at: None,
        clocks_differ: false,
        unpinned: false,
        closed: false,
        installation: "0a1b2c3d".to_owned(),
    }
}

/// What is put as that document, and its text.
pub fn put(step: &Step, key: DocumentKey) -> Option<(&Write, &str)> {
    let write = step.write().filter(|write| write.key == key)?;
    Some((write, write.text.as_deref()?))
}

pub fn puts_guard(step: &Step) -> bool {
    put(step, DocumentKey::Guard).is_some()
}

/// Somebody who has been there for long.
pub fn identity(id: &str) -> Identity {
    Identity {
        id: id.to_owned(),
        created_at: at(-1_000_000),
        unvouched: None,
    }
}

pub fn role(trust: &str, guard: Option<&str>) -> ObservedRole {
    ObservedRole {
        role_id: ROLE_ID.to_owned(),
        created_at: at(-1_000_000),
        arn: ROLE_ARN.to_owned(),
        trust: trust.to_owned(),
        guard: guard.map(str::to_owned),
        trust_quota: 8192,
        principals: PEOPLE
            .iter()
            .map(|(arn, id, _)| ((*arn).to_owned(), Some(identity(id))))
            .collect::<BTreeMap<_, _>>(),
    }
}
