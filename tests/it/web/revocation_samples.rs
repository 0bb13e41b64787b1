//! The pages of revocations, filled with made-up facts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use countersign::app::find::{RevocationView, RevokedView};
use countersign::db::revoked::{Revoked, Sum};
use countersign::domain::probe::Probed;
use countersign::domain::revocation::{self, Hold, Scope};
use countersign::domain::text::Words;
use countersign::ids::{GrantId, PersonId, RequestId, RevocationId};
use countersign::web::page::Here;
use countersign::web::revocations::{Revocation, Revocations, RevokeForm, Told};

use sqlx::types::Json;

use super::facts::*;
use super::samples::{errors, frame};

/// A revocation of everything of alice's, with how far it has come.
fn revoked(hold: Hold, sum: Sum) -> Told {
    let ada = PersonId::from_uuid(uuid(9));
    let person = PersonId::from_uuid(uuid(4));
    let revocation = revocation::Revocation {
        id: RevocationId::from_uuid(uuid(20)),
        scope: Scope::Person(person),
        reason: Words::parse(HOSTILE).unwrap(),
        begun_by: ada,
        begun_at: now() - minutes(3),
        through_at: Some(now() - minutes(3)),
        hold,
    };
    Told(RevocationView {
        revocation,
        called: Some("Alice Archer".into()),
        names: HashMap::from([(ada, "Ada Admin".into())]),
        sum,
        may_lift: hold == Hold::Held,
        now: now(),
    })
}

const CLOSING: Sum = Sum {
    open: 0,
    closing: 1,
    over: 1,
    unsettled: 1,
    works_until: Some(DateTime::from_timestamp(1_795_472_412, 0).unwrap()),
    uncut: 1,
    uncut_until: Some(DateTime::from_timestamp(1_795_472_412, 0).unwrap()),
};

const OVER: Sum = Sum {
    closing: 0,
    over: 2,
    unsettled: 0,
    works_until: None,
    uncut: 0,
    uncut_until: None,
    ..CLOSING
};

pub fn revocations() -> Revocations {
    let lifted = Hold::Lifted {
        asked: None,
        by: PersonId::from_uuid(uuid(9)),
        at: now(),
    };
    Revocations {
        frame: frame(Here::Revocations, "Ada Admin", 0),
        form: RevokeForm {
            person: "nobody@example.com".into(),
            ..RevokeForm::default()
        },
        errors: errors("person", "is nobody's id or e-mail address here"),
        may_revoke: true,
        items: vec![revoked(Hold::Held, CLOSING), revoked(lifted, OVER)],
        next: None,
    }
}

pub fn revocation_page() -> Revocation {
    let over = Some(now() - minutes(2));
    let revoked_grant =
        |n, ended_at: Option<DateTime<Utc>>, probe: Option<(&str, Option<&str>)>| {
            let of = Revoked {
                grant: GrantId::from_uuid(uuid(n)),
                request: RequestId::from_uuid(uuid(n)),
                person: PersonId::from_uuid(uuid(4)),
                name: "Alice Archer".into(),
                entitlement: "prod-admin".into(),
                account: "111122223333".into(),
                state: if ended_at.is_some() {
                    "ended"
                } else {
                    "closing"
                }
                .into(),
                was_sent: true,
                deadline: now() + minutes(40),
                asked_at: Some(now() - minutes(3)),
                guard_confirmed_at: ended_at,
                admitting_confirmed_at: Some(now() - minutes(2)),
                ended_at,
                guard_revision: Some(41),
                guard_sha256: Some("0123456789abcdef".repeat(4)),
                guard_read_at: ended_at,
                delayed_by: ended_at.is_none().then(|| "unreachable".into()),
                is_cut: true,
                keys_until: None,
                is_attached: false,
                inline_until: None,
                is_fetched: ended_at.is_some(),
                guard_until: Some(now() + minutes(700)),
                probe: ended_at.zip(probe).map(|(at, (outcome, error))| {
                    Json(Probed {
                        outcome: outcome.into(),
                        error: error.map(str::to_owned),
                        at: at + minutes(1),
                    })
                }),
            };
            RevokedView {
                settled_at: ended_at,
                works_until: ended_at.is_none().then(|| now() + minutes(40)),
                may_probe: ended_at.is_some(),
                of,
            }
        };
    let mut uncut = revoked_grant(23, None, None);
    uncut.of.entitlement = "orders-reader".into();
    uncut.of.is_cut = false;
    uncut.of.keys_until = uncut.works_until;
    Revocation {
        frame: frame(Here::Revocations, "Ada Admin", 0),
        errors: vec![],
        told: revoked(Hold::Held, CLOSING),
        uncut: vec![uncut],
        grants: vec![
            revoked_grant(1, None, None),
            revoked_grant(2, over, None),
            revoked_grant(3, over, Some(("denied", None))),
            revoked_grant(4, over, Some(("not_denied", None))),
            revoked_grant(5, over, Some(("not_asked", Some("unreachable")))),
        ],
        next: None,
    }
}
