//! Made-up facts: one entitlement, one request, one grant, in each state.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::audit::Taken;
use countersign::domain::cause::Cause;
use countersign::domain::demands::Demands;
use countersign::domain::entitlement::{EarlyEnd, Entitlement, Method, Scope, Terms};
use countersign::domain::grant::{Closing, Grant, GrantState, Marks};
use countersign::domain::machine::RequestedBy;
use countersign::domain::request::{Request, RequestState, Tallied};
use countersign::domain::rules::Rules;
use countersign::domain::stages::Stages;
use countersign::domain::text::Text;
use countersign::ids::{EntitlementId, GrantId, PersonId, PrincipalId, RequestId, TargetId};
use uuid::Uuid;

/// Text that a template must escape wherever it is shown.
pub const HOSTILE: &str = r#"<script>alert(1)</script>"><img src=x onerror=alert(1)>"#;

pub fn now() -> DateTime<Utc> {
    "2026-11-23T21:40:12Z".parse().expect("a time")
}

pub fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

pub const fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0000 + n)
}

pub fn terms() -> Terms {
    Terms {
        name: "prod-admin".into(),
        description: "Everything in the production account, for incidents and changes that automation cannot make.".into(),
        account: "111122223333".into(),
        account_name: "Production".into(),
        role_arn: Some("arn:aws:iam::111122223333:role/prod-admin".into()),
        statements: Vec::new(),
        method: Method::TrustPolicy,
        scope: Scope::Role,
        early_end: EarlyEnd::Guard,
        session_tags: false,
        demands: Demands::default(),
        min_duration_seconds: 5,
        max_duration_seconds: 28_800,
        requester_group: "engineers".into(),
        stages: Stages::one("sre-leads", 1).expect("stages"),
        rules: Rules::default(),
        version: 1,
    }
}

pub fn entitlement() -> Entitlement {
    Entitlement {
        id: EntitlementId::from_uuid(uuid(1)),
        target: Some(TargetId::from_uuid(uuid(2))),
        terms: terms(),
    }
}

pub fn request(state: RequestState) -> Request {
    Request {
        id: RequestId::from_uuid(uuid(3)),
        version: 1,
        revision: 1,
        person: PersonId::from_uuid(uuid(4)),
        requested_by: RequestedBy::Person("Alice Archer".into()),
        principal: Some(PrincipalId::from_uuid(uuid(5))),
        principal_arn: Some("arn:aws:iam::111122223333:user/alice".into()),
        principal_session: None,
        principal_unique_id: Some("AIDAQ3EGRIKLMNOPQRST".into()),
        console_name: Some("alice".into()),
        entitlement: EntitlementId::from_uuid(uuid(1)),
        target: TargetId::from_uuid(uuid(2)),
        role_id: Some("AROAQ3EGRIKLMNOPQRST".into()),
        terms: terms(),
        justification: Text::parse("Orders are stuck behind a poisoned message in checkout-dlq.\nI need to redrive the queue by hand and check that the consumers come back.")
            .expect("a text"),
        duration_seconds: 3600,
        effective_seconds: 3600,
        extends: None,
        starts_at: None,
        ticket: Some(Text::parse("INC-4711").expect("a text")),
        target_checked: true,
        outlives: Some(vec![]),
        submitted_at: now() - minutes(21),
        expires_at: now() + minutes(1419),
        state,
    }
}

pub fn grant(state: GrantState) -> Grant {
    Grant {
        id: GrantId::from_uuid(uuid(6)),
        request: RequestId::from_uuid(uuid(3)),
        target: TargetId::from_uuid(uuid(2)),
        person: PersonId::from_uuid(uuid(4)),
        method: Method::TrustPolicy,
        principal_arn: Some("arn:aws:iam::111122223333:user/alice".into()),
        principal_session: None,
        principal_id: Some("AIDAQ3EGRIKLMNOPQRST".into()),
        role_id: Some("AROAQ3EGRIKLMNOPQRST".into()),
        grant_name: GrantId::from_uuid(uuid(6)).to_string(),
        console_name: Some("alice".into()),
        demands: Demands::default(),
        early_end: EarlyEnd::Guard,
        session_tags: false,
        requested_at: now() - minutes(21),
        starts_at: now() - minutes(18),
        deadline: now() + minutes(42),
        approved_at: now() - minutes(18),
        marks: Marks::default(),
        state,
    }
}

/// Approved, and to open in eleven minutes.
pub fn opens_later() -> Grant {
    Grant {
        starts_at: now() + minutes(11),
        deadline: now() + minutes(71),
        ..grant(GrantState::Scheduled)
    }
}

pub fn active() -> GrantState {
    GrantState::Active {
        opening_at: now() - minutes(18),
        opened_at: now() - minutes(18) + TimeDelta::seconds(2),
    }
}

pub fn closing() -> GrantState {
    GrantState::Closing(Closing {
        opening_at: now() - minutes(18),
        opened_at: Some(now() - minutes(17)),
        since: now() - minutes(1),
        cause: Cause::Revoked,
        by: Some(PersonId::from_uuid(uuid(7))),
        reason: Some(Text::parse("The incident is over.").expect("a text")),
    })
}

pub fn ended() -> GrantState {
    GrantState::Ended {
        opening_at: Some(now() - minutes(18)),
        opened_at: Some(now() - minutes(17)),
        requested_at: now() - minutes(2),
        cause: Cause::Deadline,
        by: None,
        reason: None,
        at: now() - minutes(1),
    }
}

/// Attached, ended, and put back by somebody.
pub fn back() -> Grant {
    Grant {
        method: Method::Attach,
        marks: Marks {
            sent_until: Some(now() + minutes(42)),
            ..Marks::default()
        },
        ..grant(ended())
    }
}

/// Ended by its requester before it was opened.
pub fn never_open() -> GrantState {
    GrantState::Ended {
        opening_at: None,
        opened_at: None,
        requested_at: now() - minutes(2),
        cause: Cause::Released,
        by: Some(PersonId::from_uuid(uuid(4))),
        reason: None,
        at: now() - minutes(2),
    }
}

pub fn failed() -> GrantState {
    GrantState::Failed {
        opening_at: Some(now() - minutes(18)),
        requested_at: now() - minutes(3),
        cause: Cause::CouldNotOpen,
        at: now() - minutes(2),
    }
}

/// That many of so many approvals, in one stage.
pub fn tallied(have: i16, needed: i16) -> Tallied {
    let seat = |_| Taken {
        stage: 1,
        group: "sre-leads".to_owned(),
        person: PersonId::new(),
        stands_for: None,
    };
    let taken = if have < needed { 0 } else { needed };
    Tallied {
        stage: 1,
        have,
        needed,
        seats: (0..taken).map(seat).collect(),
    }
}
