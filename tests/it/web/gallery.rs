//! Each page in each of its states.

use std::collections::BTreeSet;

use askama::Template;
use countersign::demo;
use countersign::domain::entitlement::Entitlement;
use countersign::domain::grant::GrantState;
use countersign::domain::request::RequestState;
use countersign::error::{CallerError, Error, RoleError, SignInError, StateError};
use countersign::web::ask::{Ask, AskForm};
use countersign::web::audit::Audit;
use countersign::web::home::Home;
use countersign::web::page::{self, Frame, Here};
use countersign::web::request::{DecideForm, RequestPage};
use countersign::web::requests::Requests;
use countersign::web::sign_in::SignIn;

use super::console::of_session;
use super::delegation_samples::{away, delegations};
use super::facts::*;
use super::identity_samples::{identities, link_refused, linking};
use super::outlives::{attached, not_looked_at, outliving};
use super::people;
use super::revocation_samples::{revocation_page, revocations};
use super::ruled::{ask_ruled, review_ruled};
use super::samples::*;
use super::session_samples::{oidc, sessions};
use super::token_samples::*;
use super::troubles::{bypassed, dead, troubled};
use super::uncut::{active_uncut, ask_uncut, closing_uncut, review_uncut};
use super::undone::{ask_undone, review_undone};
use super::voices::{approvers, stage};

/// A page, and the type that it is of.
pub struct Sample {
    pub of: &'static str,
    pub html: String,
}

pub fn sample<T: Template>(page: &T) -> Sample {
    Sample {
        of: std::any::type_name::<T>(),
        html: html(page),
    }
}

/// Each page by name.
pub fn all() -> Vec<(&'static str, String)> {
    let named = |(name, sample): (_, Sample)| (name, sample.html);
    every().into_iter().map(named).collect()
}

/// The types that have samples.
pub fn types() -> BTreeSet<&'static str> {
    every().iter().map(|(_, sample)| sample.of).collect()
}

/// Each page by name.
fn every() -> Vec<(&'static str, Sample)> {
    let mut every = pages();
    every.extend(super::stage_samples::all());
    every
}

fn pages() -> Vec<(&'static str, Sample)> {
    let approved = |state| {
        page(
            RequestState::Approved(now() - minutes(18)),
            Some(grant(state)),
        )
    };
    let wrong_ask = AskForm {
        duration: "other".into(),
        other: "3 fortnights".into(),
        justification: HOSTILE.into(),
        ..AskForm::default()
    };
    let failed_review = RequestPage {
        form: DecideForm {
            choice: "deny".into(),
            ..DecideForm::default()
        },
        errors: errors("comment", "is needed for a denial"),
        ..review()
    };
    let nobody = Frame {
        me: None,
        here: Here::Elsewhere,
        now: now(),
    };
    let denied = RequestState::Denied(now());
    vec![
        ("people", sample(&people::people())),
        ("people-nobody", sample(&people::nobody_found())),
        ("person", sample(&people::person())),
        ("person-wrong", sample(&people::person_wrong())),
        ("person-disabled", sample(&people::person_disabled())),
        ("person-me", sample(&people::person_me())),
        ("revocations", sample(&revocations())),
        ("revocation", sample(&revocation_page())),
        (
            "home",
            sample(&home(
                vec![],
                vec![row(RequestState::Approved(now()), Some(grant(active())))],
            )),
        ),
        (
            "home-access",
            sample(&home(
                vec![],
                vec![
                    row(RequestState::Approved(now()), Some(opens_later())),
                    row(
                        RequestState::Approved(now()),
                        Some(grant(GrantState::Opening { at: now() })),
                    ),
                    row(RequestState::Approved(now()), Some(grant(active()))),
                    row(RequestState::Approved(now()), Some(grant(closing()))),
                    delayed(closing()),
                ],
            )),
        ),
        (
            "home-buried",
            sample(&Home {
                frame: frame(Here::Home, "Bob Brandt", 1000),
                ..home(vec![row(RequestState::Pending, None)], vec![])
            }),
        ),
        ("home-long", sample(&long_home())),
        ("home-troubled", sample(&troubled())),
        ("grant-bypassed", sample(&bypassed())),
        ("grant-dead", sample(&dead())),
        ("request-long", sample(&long_request())),
        (
            "request-last-voice",
            sample(&RequestPage {
                stages: vec![stage(&second_voice().request.terms, 1)],
                approvers: approvers(&[], false),
                fillable: false,
                ..second_voice()
            }),
        ),
        (
            "grant-closing-refused",
            sample(&RequestPage {
                delay: Some(refused()),
                ..page(RequestState::Approved(now()), Some(grant(closing())))
            }),
        ),
        (
            "request-filled",
            sample(&RequestPage {
                form: DecideForm {
                    comment: "Go. I am watching the queue depth with you.".into(),
                    ..DecideForm::default()
                },
                ..review()
            }),
        ),
        (
            "ask-filled",
            sample(&Ask::new(
                frame(Here::Home, "Alice Archer", 0),
                entitlement(),
                AskForm {
                    justification: "Orders are stuck.".into(),
                    ..AskForm::default()
                },
                vec![],
            )),
        ),
        (
            "home-approver",
            sample(&home(vec![row(RequestState::Pending, None)], vec![])),
        ),
        (
            "home-empty",
            sample(&Home {
                entitlements: vec![],
                recent: vec![],
                ..home(vec![], vec![])
            }),
        ),
        (
            "ask",
            sample(&Ask::new(
                frame(Here::Home, "Alice Archer", 0),
                entitlement(),
                AskForm::default(),
                vec![],
            )),
        ),
        (
            "ask-wrong",
            sample(&Ask::new(
                frame(Here::Home, "Alice Archer", 0),
                entitlement(),
                wrong_ask,
                errors("duration", "is not a duration"),
            )),
        ),
        (
            "ask-refused",
            sample(&Ask::new(
                frame(Here::Home, "Alice Archer", 0),
                entitlement(),
                AskForm::default(),
                page::errors(&Error::from(RoleError::TrustPolicyFull {
                    used: 1900,
                    quota: 2048,
                    needed: 305,
                })),
            )),
        ),
        (
            "ask-identities",
            sample(&Ask {
                principals: identities(),
                ..Ask::new(
                    frame(Here::Home, "Alice Archer", 0),
                    entitlement(),
                    AskForm::default(),
                    errors("principal", "must be named"),
                )
            }),
        ),
        (
            "request-pending",
            sample(&page(RequestState::Pending, None)),
        ),
        ("request-review", sample(&review())),
        ("request-of-session", sample(&of_session(review()))),
        ("grant-of-session", sample(&of_session(approved(active())))),
        ("request-review-wrong", sample(&failed_review)),
        ("request-second-voice", sample(&second_voice())),
        ("request-outlives", sample(&outliving())),
        ("request-attached", sample(&attached())),
        ("request-not-looked-at", sample(&not_looked_at())),
        (
            "request-closed-role",
            sample(&RequestPage {
                closed: true,
                ..review()
            }),
        ),
        ("request-late", sample(&late_decision())),
        ("request-denied", sample(&page(denied, None))),
        (
            "request-of-leaver",
            sample(&RequestPage {
                has_left: true,
                ..page(RequestState::Withdrawn(now()), None)
            }),
        ),
        ("request-vote-of-leaver", sample(&people::vote_of_leaver())),
        (
            "request-withdrawn",
            sample(&page(RequestState::Withdrawn(now()), None)),
        ),
        (
            "request-expired",
            sample(&page(RequestState::Expired(now()), None)),
        ),
        (
            "grant-scheduled",
            sample(&page(
                RequestState::Approved(now() - minutes(18)),
                Some(opens_later()),
            )),
        ),
        (
            "grant-opening",
            sample(&approved(GrantState::Opening { at: now() })),
        ),
        ("grant-active", sample(&approved(active()))),
        (
            "grant-active-revoker",
            sample(&RequestPage {
                frame: frame(Here::Waiting, "Bob Brandt", 0),
                mine: false,
                ..approved(active())
            }),
        ),
        (
            "grant-active-handed-out",
            sample(&handed_out(approved(active()))),
        ),
        (
            "grant-active-handed-out-revoker",
            sample(&RequestPage {
                frame: frame(Here::Waiting, "Bob Brandt", 0),
                mine: false,
                ..handed_out(approved(active()))
            }),
        ),
        ("console-link", sample(&console_link())),
        ("review-handed-out", sample(&handed_out(review()))),
        (
            "ask-handed-out",
            sample(&Ask::new(
                frame(Here::Home, "Alice Archer", 0),
                Entitlement {
                    terms: handed_out_terms(),
                    ..entitlement()
                },
                AskForm::default(),
                vec![],
            )),
        ),
        ("review-uncut", sample(&review_uncut())),
        ("grant-active-uncut", sample(&active_uncut())),
        ("grant-closing-uncut", sample(&closing_uncut())),
        ("ask-uncut", sample(&ask_uncut())),
        ("ask-undone", sample(&ask_undone())),
        ("review-undone", sample(&review_undone())),
        ("ask-ruled", sample(&ask_ruled())),
        ("review-ruled", sample(&review_ruled())),
        ("grant-never-open", sample(&approved(never_open()))),
        ("grant-closing", sample(&approved(closing()))),
        ("grant-ended", sample(&approved(ended()))),
        (
            "grant-back",
            sample(&RequestPage {
                delay: Some(refused()),
                ..page(RequestState::Approved(now()), Some(back()))
            }),
        ),
        ("grant-failed", sample(&approved(failed()))),
        (
            "requests",
            sample(&requests(vec![
                row(RequestState::Pending, None),
                row(denied, None),
                row(RequestState::Expired(now()), None),
            ])),
        ),
        ("requests-empty", sample(&requests(vec![]))),
        (
            "waiting",
            sample(&Requests {
                frame: frame(Here::Waiting, "Bob Brandt", 1),
                heading: "Waiting for you",
                show_requester: true,
                ..requests(vec![row(RequestState::Pending, None)])
            }),
        ),
        ("audit", sample(&audit(lines()))),
        ("audit-empty", sample(&audit(vec![]))),
        (
            "audit-own",
            sample(&Audit {
                all: false,
                ..audit(lines())
            }),
        ),
        (
            "audit-wrong",
            sample(&Audit {
                errors: [
                    errors("from", "must be a day and a time"),
                    errors("to", "must be a day and a time"),
                ]
                .concat(),
                ..audit(vec![])
            }),
        ),
        (
            "problem",
            sample(&problem(&Error::from(CallerError::NotFound))),
        ),
        (
            "problem-forbidden",
            sample(&problem(&Error::from(CallerError::CrossSite))),
        ),
        (
            "problem-too-late",
            sample(&problem(&Error::from(StateError::NotEligible))),
        ),
        (
            "problem-disabled",
            sample(&problem(&Error::from(SignInError::Disabled))),
        ),
        ("problem-internal", sample(&problem(&internal()))),
        ("problem-busy", sample(&problem(&Error::Busy))),
        (
            "sign-in-demo",
            sample(&demo::sign_in::SignIn {
                frame: nobody.clone(),
                next: "/".into(),
                draft: None,
                people: people(),
            }),
        ),
        (
            "sign-in",
            sample(&SignIn {
                frame: nobody.clone(),
            }),
        ),
        ("sign-in-oidc", sample(&oidc(&nobody, None))),
        (
            "sign-in-oidc-signed-out",
            sample(&oidc(&nobody, Some("https://login.example.com/end"))),
        ),
        ("sessions", sample(&sessions())),
        ("tokens", sample(&tokens())),
        ("delegations", sample(&delegations())),
        ("request-away", sample(&away())),
        ("tokens-wrong", sample(&tokens_wrong())),
        ("token-made", sample(&token_made())),
        ("machines", sample(&machines())),
        ("machine", sample(&machine())),
        ("request-by-machine", sample(&by_machine())),
        ("identities", sample(&linking(vec![]))),
        ("identities-refused", sample(&link_refused())),
    ]
}
