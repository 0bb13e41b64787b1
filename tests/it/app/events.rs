//! What the audit log holds: the names of the actions and the payload of each.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::DateTime;
use countersign::domain::audit::verb::Verb;
use countersign::domain::audit::{Action, NAMES, Taken, Told};
use countersign::domain::cause::Cause;
use countersign::domain::fetch::Kind;
use countersign::domain::identity::Source;
use countersign::domain::target::Condition;
use countersign::ids::{
    FetchId, GrantId, MachineId, PersonId, PrincipalId, ProbeId, RequestId, RevocationId,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::catalog::{role_arn, user_arn};

/// One of each; a new one does not compile until it is here.
fn all() -> Vec<Action> {
    let (request, grant) = (
        RequestId::from_uuid(Uuid::nil()),
        GrantId::from_uuid(Uuid::nil()),
    );
    let fetch = FetchId::from_uuid(Uuid::nil());
    let probe = ProbeId::from_uuid(Uuid::nil());
    let revocation = RevocationId::from_uuid(Uuid::nil());
    let machine = MachineId::from_uuid(Uuid::nil());
    let (cause, deadline) = (Cause::Deadline, DateTime::UNIX_EPOCH);
    let every = |action: &Action| match action {
        Action::RequestSubmitted { .. }
        | Action::RequestApproved { .. }
        | Action::ApprovalWithdrawn { .. }
        | Action::RequestQuestioned { .. }
        | Action::RequestAnswered { .. }
        | Action::StageOpened { .. }
        | Action::StageReopened { .. }
        | Action::RequestEscalated { .. }
        | Action::RequestUnfillable {}
        | Action::DelegationStarted { .. }
        | Action::DelegationEnded { .. }
        | Action::RequestDenied { .. }
        | Action::RequestWithdrawn {}
        | Action::RequestExpired { .. }
        | Action::GrantOpening { .. }
        | Action::GrantOpened { .. }
        | Action::GrantExtended { .. }
        | Action::GrantClosing { .. }
        | Action::GrantEnded { .. }
        | Action::GrantFailed { .. }
        | Action::GrantDelayed { .. }
        | Action::GrantBypassed { .. }
        | Action::GrantRestored { .. }
        | Action::GuardRestored {}
        | Action::GuardRemoved { .. }
        | Action::CredentialsRequested { .. }
        | Action::CredentialsIssued { .. }
        | Action::CredentialsDiscarded { .. }
        | Action::CredentialsFailed { .. }
        | Action::ProbeRequested { .. }
        | Action::ProbeAnswered { .. }
        | Action::TargetChanged { .. }
        | Action::TargetAlarm { .. }
        | Action::HubRefused { .. }
        | Action::HubAdmitted { .. }
        | Action::RevocationBegun { .. }
        | Action::RevocationThrough {}
        | Action::RevocationLiftAsked {}
        | Action::RevocationLifted {}
        | Action::PersonDisabled { .. }
        | Action::PersonEnabled {}
        | Action::SessionStarted {}
        | Action::SessionRefused { .. }
        | Action::SessionEnded {}
        | Action::IdentityLinked { .. }
        | Action::IdentityRefused { .. }
        | Action::IdentityEnded { .. }
        | Action::TokenCreated { .. }
        | Action::TokenRevoked {}
        | Action::MachineCreated { .. }
        | Action::MachineGiven { .. }
        | Action::MachineEnded {}
        | Action::CatalogApplied { .. } => {}
    };
    let all = vec![
        Action::RequestSubmitted {
            entitlement: "prod-admin".to_owned(),
            duration_seconds: 3600,
            target_checked: true,
            extends: None,
        },
        Action::RequestApproved {
            stage: 1,
            have: 1,
            needed: 1,
            grant: Some(grant),
            comment: None,
            duration_seconds: Some(1800),
            seats: vec![Taken {
                stage: 1,
                group: "approvers".to_owned(),
                person: PersonId::from_uuid(Uuid::nil()),
                stands_for: Some(PersonId::from_uuid(Uuid::nil())),
            }],
        },
        Action::ApprovalWithdrawn { comment: None },
        Action::RequestQuestioned {
            question: "Which queue?".to_owned(),
        },
        Action::RequestAnswered {
            answer: "checkout-dlq.".to_owned(),
        },
        Action::StageOpened { stage: 2 },
        Action::StageReopened { stage: 1 },
        Action::RequestEscalated {
            stage: 1,
            group: "directors".to_owned(),
        },
        Action::RequestUnfillable {},
        Action::DelegationStarted {
            from: PersonId::from_uuid(Uuid::nil()),
            to: PersonId::from_uuid(Uuid::nil()),
            starts_at: deadline,
            ends_at: deadline,
        },
        Action::DelegationEnded {
            from: PersonId::from_uuid(Uuid::nil()),
            to: PersonId::from_uuid(Uuid::nil()),
        },
        Action::RequestDenied {
            comment: "No.".to_owned(),
        },
        Action::RequestWithdrawn {},
        Action::RequestExpired {
            closed: Some(grant),
        },
        Action::GrantOpening { request, deadline },
        Action::GrantOpened { request, deadline },
        Action::GrantExtended {
            request,
            deadline_before: deadline,
            deadline,
        },
        Action::GrantClosing {
            request,
            cause,
            reason: None,
            revocation: Some(revocation),
        },
        Action::GrantEnded {
            request,
            cause,
            requested_at: deadline,
            confirmed_at: deadline,
            revocation: None,
        },
        Action::GrantFailed { request, cause },
        Action::GrantDelayed {
            error: "throttled".to_owned(),
            attempts: 1,
        },
        Action::GrantBypassed {
            request,
            policy: "user_alice_standing".to_owned(),
        },
        Action::GrantRestored { request },
        Action::GuardRestored {},
        Action::GuardRemoved { request },
        Action::CredentialsRequested {
            request,
            fetch,
            kind: Kind::Console,
        },
        Action::CredentialsIssued {
            request,
            fetch,
            kind: Kind::Keys,
            access_key_id: "ASIAQ3EGRIKLMNOPQRST".to_owned(),
            expires_at: deadline,
            packed_percent: Some(12),
        },
        Action::CredentialsDiscarded {
            request,
            fetch,
            access_key_id: "ASIAQ3EGRIKLMNOPQRST".to_owned(),
            expires_at: deadline,
        },
        Action::CredentialsFailed { request, fetch },
        Action::ProbeRequested { request, probe },
        Action::ProbeAnswered {
            request,
            probe,
            outcome: "denied".to_owned(),
            access_key_id: Some("ASIAQ3EGRIKLMNOPQRST".to_owned()),
        },
        Action::TargetChanged {
            from: Condition::Ok,
            to: Condition::Contested,
        },
        Action::TargetAlarm {
            alarm: "came_back".to_owned(),
            of: grant.to_string(),
        },
        Action::HubRefused {
            accounts: vec!["111122223333".to_owned(), "444455556666".to_owned()],
        },
        Action::HubAdmitted {
            account: "111122223333".to_owned(),
        },
        Action::RevocationBegun {
            scope: "account".to_owned(),
            of: Some("111122223333".to_owned()),
            reason: "A laptop was stolen.".to_owned(),
        },
        Action::RevocationThrough {},
        Action::RevocationLiftAsked {},
        Action::RevocationLifted {},
        Action::PersonDisabled {
            reason: Some("Left the company.".to_owned()),
            sessions: 2,
            tokens: 1,
            requests: 1,
            grants: 3,
            approvals: 1,
        },
        Action::PersonEnabled {},
        Action::SessionStarted {},
        Action::SessionRefused {
            check: Some("nonce".to_owned()),
        },
        Action::SessionEnded {},
        Action::IdentityLinked {
            identity: PrincipalId::from_uuid(Uuid::nil()),
            arn: user_arn("alice"),
            session: None,
            source: Source::Linked,
        },
        Action::IdentityRefused {
            arn: role_arn("developers"),
            session: Some("alice".to_owned()),
            source: Source::Template,
            owner: PersonId::from_uuid(Uuid::nil()),
        },
        Action::IdentityEnded {
            arn: user_arn("alice"),
        },
        Action::TokenCreated {
            name: "laptop".to_owned(),
            prefix: "csn_0123".to_owned(),
            expires_at: deadline,
            scopes: vec!["request:read".to_owned()],
            machine: Some(machine),
        },
        Action::TokenRevoked {},
        Action::MachineCreated {
            name: "deploys".to_owned(),
            owner: PersonId::from_uuid(Uuid::nil()),
            scopes: vec!["request:create".to_owned()],
            entitlements: vec!["prod-admin".to_owned()],
            issuer: Some("https://tokens.example.com".to_owned()),
        },
        Action::MachineGiven {
            owner: PersonId::from_uuid(Uuid::nil()),
            owner_before: PersonId::from_uuid(Uuid::max()),
        },
        Action::MachineEnded {},
        Action::CatalogApplied {
            accounts: 1,
            people: 5,
            entitlements: 1,
        },
    ];
    all.iter().for_each(every);
    all
}

/// What refusals leave behind; those of links stand under a name of their own.
fn refusals() -> [Told; 3] {
    let all = [
        (Verb::Approve, None),
        (Verb::Approve, Some(15)),
        (Verb::Link, None),
    ];
    all.map(|(verb, count)| Told::Refused { verb, count })
}

fn all_told() -> impl Iterator<Item = Told> {
    all().into_iter().map(Told::Done).chain(refusals())
}

#[test]
fn every_action_has_a_name_that_lists_know_and_a_payload_of_its_own() {
    let mut table = String::new();
    for told in all_told() {
        let (action, payload) = told.columns().unwrap();
        writeln!(table, "{action:18} {payload}").unwrap();
    }
    insta::assert_snapshot!("actions_and_payloads", table);
    let names: BTreeSet<_> = all().iter().map(|action| action.name().as_str()).collect();
    assert_eq!(names, NAMES.iter().copied().collect());
}

#[test]
fn what_is_written_is_read_as_it_was() {
    for told in all_told() {
        let (action, details) = told.columns().unwrap();
        let is_refused = matches!(told, Told::Refused { .. });
        assert_eq!(Told::read(action, &details, is_refused), told);
    }
}

#[test]
fn what_another_release_wrote_is_read_as_far_as_it_is_known() {
    let known = [
        ("request.denied", json!({"comment": "No.", "more": 1})),
        (
            "grant.closing",
            json!({"request_id": "req_00000000000000000000000000", "cause": "deadline"}),
        ),
    ];
    for (action, details) in known {
        let told = Told::read(action, &details, false);
        assert!(matches!(told, Told::Done(_)), "{told:?}");
    }
    let unknown = [
        ("moon.landed", json!({"by": "Neil"}), false),
        ("request.approved", json!({}), false),
        ("grant.closing", json!({"cause": "boredom"}), false),
        ("session.ended", Value::Null, false),
        ("moon.landed", json!({}), true),
        ("request.approved", json!({"count": "many"}), true),
    ];
    for (action, details, is_refused) in unknown {
        let told = Told::read(action, &details, is_refused);
        assert_eq!(told.columns().unwrap(), (action, details.clone()));
        assert!(matches!(told, Told::Unknown { .. }), "{told:?}");
    }
}

#[test]
fn each_verb_is_found_by_the_action_that_its_refusals_leave() {
    for verb in Verb::ALL {
        assert_eq!(Verb::of_action(verb.refused_action().as_str()), Some(verb));
    }
}
