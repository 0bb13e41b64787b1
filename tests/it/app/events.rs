//! What the audit log holds: the names of the actions and the payload of each.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::DateTime;
use countersign::domain::audit::{Action, NAMES};
use countersign::domain::cause::Cause;
use countersign::ids::{GrantId, RequestId};
use uuid::Uuid;

/// One of each; a new one does not compile until it is here.
fn all() -> Vec<Action> {
    let (request, grant) = (
        RequestId::from_uuid(Uuid::nil()),
        GrantId::from_uuid(Uuid::nil()),
    );
    let (cause, deadline) = (Cause::Deadline, DateTime::UNIX_EPOCH);
    let every = |action: &Action| match action {
        Action::RequestSubmitted { .. }
        | Action::RequestApproved { .. }
        | Action::RequestDenied { .. }
        | Action::RequestWithdrawn
        | Action::RequestExpired
        | Action::GrantOpening { .. }
        | Action::GrantOpened { .. }
        | Action::GrantClosing { .. }
        | Action::GrantEnded { .. }
        | Action::GrantFailed { .. }
        | Action::GrantDelayed { .. }
        | Action::GrantRestored { .. }
        | Action::GuardRestored
        | Action::GuardRemoved { .. }
        | Action::TargetChanged { .. }
        | Action::SessionStarted
        | Action::SessionEnded
        | Action::TokenCreated { .. }
        | Action::TokenRevoked
        | Action::CatalogApplied { .. }
        | Action::Refused { .. }
        | Action::RefusedMore { .. } => {}
    };
    let all = vec![
        Action::RequestSubmitted {
            entitlement: "prod-admin".to_owned(),
            duration_seconds: 3600,
            target_checked: true,
        },
        Action::RequestApproved {
            stage: 1,
            have: 1,
            needed: 1,
            grant: Some(grant),
            comment: None,
        },
        Action::RequestDenied {
            comment: "No.".to_owned(),
        },
        Action::RequestWithdrawn,
        Action::RequestExpired,
        Action::GrantOpening { request, deadline },
        Action::GrantOpened { request, deadline },
        Action::GrantClosing {
            request,
            cause,
            reason: None,
        },
        Action::GrantEnded {
            request,
            cause,
            requested_at: deadline,
            confirmed_at: deadline,
        },
        Action::GrantFailed { request, cause },
        Action::GrantDelayed {
            error: "throttled".to_owned(),
            attempts: 1,
        },
        Action::GrantRestored { request },
        Action::GuardRestored,
        Action::GuardRemoved { request },
        Action::TargetChanged {
            from: "ok",
            to: "contested",
        },
        Action::SessionStarted,
        Action::SessionEnded,
        Action::TokenCreated {
            name: "laptop".to_owned(),
            prefix: "csn_0123".to_owned(),
            expires_at: deadline,
        },
        Action::TokenRevoked,
        Action::CatalogApplied {
            accounts: 1,
            people: 5,
            entitlements: 1,
        },
        Action::Refused {
            action: "request.approved",
        },
        Action::RefusedMore {
            action: "request.approved",
            count: 15,
        },
    ];
    all.iter().for_each(every);
    all
}

#[test]
fn every_action_has_a_name_that_lists_know_and_a_payload_of_its_own() {
    let mut table = String::new();
    for action in all() {
        let payload = serde_json::to_value(&action).unwrap();
        writeln!(table, "{:18} {payload}", action.name()).unwrap();
    }
    insta::assert_snapshot!("actions_and_payloads", table);
    let names: BTreeSet<_> = all().iter().map(Action::name).collect();
    assert_eq!(names, NAMES.into_iter().collect());
}
