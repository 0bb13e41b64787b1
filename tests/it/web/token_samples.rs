//! Pages of tokens and machines, filled with made-up facts.

use countersign::app::machines::{Listed, Workload};
use countersign::app::tokens;
use countersign::domain::machine::{self, Asked, RequestedBy};
use countersign::domain::scope::Scopes;
use countersign::error::FieldError;
use countersign::ids::{MachineId, PersonId, TokenId};
use countersign::web::machines::{Machine, MachineForm, Machines};
use countersign::web::page::Here;
use countersign::web::request::RequestPage;
use countersign::web::token_form::{TokenForm, TokenMade};
use countersign::web::tokens::Tokens;

use super::facts::*;
use super::samples::{frame, review};

fn token(nth: u128, name: &str, machine: Option<MachineId>, scopes: Scopes) -> tokens::Listed {
    tokens::Listed {
        id: TokenId::from_uuid(uuid(nth)),
        name: name.into(),
        prefix: "csn_4fQx0Z".into(),
        of: machine.map_or("alice@example.com", |_| "deploys").into(),
        machine,
        scopes: scopes.words(),
        created_at: now() - minutes(600),
        last_used_at: (nth == 21).then(|| now() - minutes(12)),
        expires_at: now() + minutes(if nth == 23 { -5 } else { 40_000 }),
        revoked_at: (nth == 22).then(|| now() - minutes(60)),
    }
}

pub fn tokens() -> Tokens {
    Tokens {
        frame: frame(Here::Elsewhere, "Alice Archer", 0),
        tokens: vec![
            token(21, "laptop", None, Scopes::ALL),
            token(22, HOSTILE, None, Scopes::USUAL),
            token(
                23,
                &"averylongnamewithoutaplacetobreak".repeat(3),
                Some(id()),
                Scopes::OF_MACHINES,
            ),
        ],
        form: TokenForm::default(),
        errors: vec![],
        next: Some("/me/tokens?cursor=abc".into()),
    }
}

pub fn tokens_wrong() -> Tokens {
    Tokens {
        tokens: vec![],
        form: TokenForm {
            name: HOSTILE.into(),
            expires_in: "PT24H".into(),
            scopes: vec![],
        },
        errors: vec![
            FieldError::invalid("name", "must not be empty"),
            FieldError::invalid("scopes", "must be those on offer"),
        ],
        next: None,
        ..tokens()
    }
}

pub fn token_made() -> TokenMade {
    TokenMade {
        frame: frame(Here::Elsewhere, "Alice Archer", 0),
        name: "laptop".into(),
        token: format!("csn_{}", "4fQx0Zab".repeat(7)).into(),
        expires_at: now() + minutes(43_200),
        back: "/me/tokens".into(),
    }
}

fn id() -> MachineId {
    MachineId::from_uuid(uuid(20))
}

fn listed() -> Listed {
    Listed {
        machine: machine::Machine {
            id: id(),
            name: "deploys".into(),
            owner: PersonId::from_uuid(uuid(7)),
            scopes: Scopes::OF_MACHINES,
            entitlements: vec!["prod-admin".into(), "prod-change".into()],
        },
        owner: "Bob Brandt".into(),
        workload: Some(Workload {
            issuer: "https://token.actions.githubusercontent.com".into(),
            audience: None,
            claims: vec![("sub".into(), "repo:octo/app:ref:refs/heads/main".into())],
        }),
        created_at: now() - minutes(9000),
        ended_at: None,
    }
}

pub fn machines() -> Machines {
    let ended = Listed {
        machine: machine::Machine {
            name: HOSTILE.into(),
            ..listed().machine
        },
        workload: None,
        ended_at: Some(now()),
        ..listed()
    };
    Machines {
        frame: frame(Here::Elsewhere, "Ada Adams", 0),
        machines: vec![listed(), ended],
        may_create: true,
        form: MachineForm {
            claims: HOSTILE.into(),
            ..MachineForm::default()
        },
        errors: vec![FieldError::invalid("claims", "must have `sub`")],
        public_url: "https://countersign.example.com".into(),
    }
}

pub fn machine() -> Machine {
    Machine {
        frame: frame(Here::Elsewhere, "Bob Brandt", 1),
        it: listed(),
        tokens: vec![token(24, "runner", Some(id()), Scopes::OF_MACHINES)],
        form: TokenForm::default(),
        may_give: true,
        owner: String::new(),
        errors: vec![],
        public_url: "https://countersign.example.com".into(),
    }
}

pub fn by_machine() -> RequestPage {
    let mut page = review();
    page.request.requested_by = RequestedBy::Machine(Asked {
        id: id(),
        name: "deploys".into(),
        owner_then: PersonId::from_uuid(uuid(8)),
        owner: PersonId::from_uuid(uuid(8)),
    });
    page
}
