//! Users that carry inline policies of ours: docs/carrier.md.

mod bullets;
mod invariants;
mod room;
mod run;
mod sequences;
mod worker;
mod world;

use countersign::domain::part::Allows;
use countersign::policy::inline;

use super::evaluate::{Policy, Request};
use super::*;

/// The user that carries the policies.
pub const USER_ARN: &str = PEOPLE[ALICE].0;
pub const USER_ID: &str = PEOPLE[ALICE].1;
/// What the entitlement allows that is attached.
pub const ACTION: &str = "ec2:StartInstances";

/// Allows to assume the role.
pub fn switch() -> Allows {
    Allows::Role {
        arn: ROLE_ARN.to_owned(),
    }
}

/// Allows what an entitlement says.
pub fn attach() -> Allows {
    let statement = format!(r#"{{"Effect":"Allow","Action":"{ACTION}","Resource":"*"}}"#);
    Allows::Statements(vec![statement])
}

pub fn name(nth: u128) -> String {
    inline::name(&target().installation, grant_id(nth))
}

/// Whether a policy on the user lets in whom that grant is for: the role under that session name,
/// or what the entitlement says.
pub fn lets_in(policy: &Policy, allows: &Allows, session: &str, now: DateTime<Utc>) -> bool {
    let (action, resource) = match allows {
        Allows::Role { arn } => ("sts:AssumeRole", arn.as_str()),
        Allows::Statements(_) => (ACTION, "*"),
    };
    policy.allows(&Request {
        action,
        resource,
        user: ("", ""),
        session_name: Some(session),
        now: Some(now),
        token: None,
    })
}
