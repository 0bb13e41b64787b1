//! The pages once more, with markup in every text that people, AWS or a catalog can bring in.

use countersign::app::find::Question;
use countersign::domain::entitlement::{Entitlement, Terms};
use countersign::domain::grant::Grant;
use countersign::domain::request::{Request, RequestState};
use countersign::domain::stages::Stages;
use countersign::domain::text::Text;
use countersign::error::{CallerError, Error};
use countersign::ids::PersonId;
use countersign::web::ask::{Ask, AskForm};
use countersign::web::audit::{Audit, Filter, Line};
use countersign::web::home::Home;
use countersign::web::page::{Here, Row};
use countersign::web::problem::Problem;
use countersign::web::request::{DecideForm, RequestPage};
use countersign::web::show::{Icon, Tone};

use super::facts::*;
use super::samples::*;
use super::voices::{approvers, stage, voice};

/// Pages whose every text came from somebody who means harm.
pub fn all() -> Vec<(&'static str, String)> {
    let text = || HOSTILE.to_owned();
    let terms = Terms {
        name: text(),
        description: text(),
        account_name: text(),
        role_arn: Some(text()),
        statements: Vec::new(),
        stages: Stages::one(HOSTILE, 1).expect("stages"),
        ..terms()
    };
    let asked = Request {
        terms: terms.clone(),
        justification: Text::parse(HOSTILE).expect("a text"),
        ticket: Some(Text::parse(HOSTILE).expect("a text")),
        principal_arn: Some(text()),
        console_name: Some(text()),
        ..request(RequestState::Pending)
    };
    let frame = frame(Here::Home, HOSTILE, 1);
    let review = RequestPage {
        frame: frame.clone(),
        request: asked.clone(),
        requester: text(),
        decisions: vec![voice(HOSTILE, true)],
        stages: vec![stage(&terms, 0)],
        approvers: approvers(&[HOSTILE], true),
        fillable: true,
        history: vec![entry(
            1,
            Tone::Good,
            Icon::Check,
            HOSTILE,
            Some(HOSTILE),
            HOSTILE,
        )],
        questions: vec![Question {
            asked_by: PersonId::from_uuid(uuid(7)),
            name: text(),
            text: text(),
            at: now(),
            answer: Some((text(), now())),
        }],
        changed: vec![text()],
        back: text(),
        answer: text(),
        form: DecideForm {
            duration: "other".into(),
            other: HOSTILE.into(),
            revision: Some(1),
            choice: text(),
            comment: text(),
        },
        errors: errors(HOSTILE, HOSTILE),
        ..review()
    };
    let usable = Grant {
        grant_name: text(),
        console_name: Some(text()),
        ..grant(active())
    };
    let granted = RequestPage {
        grant: Some(usable),
        mine: true,
        request: asked.clone(),
        ..page(RequestState::Approved(now()), None)
    };
    let rows = vec![Row {
        request: asked,
        requester: text(),
        grant: None,
        delay: None,
    }];
    let home = Home {
        frame: frame.clone(),
        groups: vec![text()],
        entitlements: vec![Entitlement {
            terms: terms.clone(),
            ..entitlement()
        }],
        ..home(rows, vec![])
    };
    let form = AskForm {
        duration: "other".into(),
        other: text(),
        justification: text(),
        ticket: text(),
        starts_at: text(),
        principal: text(),
    };
    let line = Line {
        actor: text(),
        action: text(),
        outcome: text(),
        channel: text(),
        details: vec![(text(), text())],
        ..line("x", text(), HOSTILE, Some(HOSTILE))
    };
    let filter = Filter {
        action: text(),
        actor: text(),
        subject: text(),
        from: text(),
        to: text(),
        cursor: text(),
    };
    vec![
        ("review", html(&review)),
        ("grant", html(&granted)),
        ("home", html(&home)),
        (
            "ask",
            html(&Ask::new(
                frame,
                Entitlement {
                    terms,
                    ..entitlement()
                },
                form,
                errors(HOSTILE, HOSTILE),
            )),
        ),
        (
            "audit",
            html(&Audit {
                filter,
                ..audit(vec![line])
            }),
        ),
        (
            "problem",
            html(&Problem {
                detail: text(),
                title: text(),
                code: text(),
                request_id: text(),
                ..problem(&Error::from(CallerError::NotFound))
            }),
        ),
    ]
}
