//! The review page of several stages, of questions, and of what has changed, with made-up facts.

use countersign::app::find::{Health, May, Question, StageView};
use countersign::domain::entitlement::{Entitlement, Terms};
use countersign::domain::request::{RequestState, Verdict};
use countersign::domain::stages::{Escalation, GroupSeats, Stage, Stages};
use countersign::domain::tally::StageState;
use countersign::ids::PersonId;
use countersign::web::entitlements::Entitlements;
use countersign::web::page::Here;
use countersign::web::request::{DecideForm, RequestPage};

use super::facts::*;
use super::gallery::{Sample, sample};
use super::samples::{errors, frame, page, review};
use super::voices::{approvers, voice};

fn seats(group: &str, needed: i16) -> GroupSeats {
    GroupSeats {
        group: group.into(),
        needed,
        escalation: None,
    }
}

fn of(stages: Vec<Vec<GroupSeats>>) -> Stages {
    let stages = stages.into_iter().map(|groups| Stage { groups });
    Stages::new(stages.collect()).expect("stages")
}

fn two() -> Stages {
    of(vec![
        vec![seats("sre-leads", 1)],
        vec![seats("security-admins", 1)],
    ])
}

fn escalating() -> Stages {
    let later = Escalation {
        to: "directors".into(),
        after_seconds: 7200,
    };
    let leads = GroupSeats {
        escalation: Some(later),
        ..seats("sre-leads", 1)
    };
    of(vec![vec![leads, seats("security-admins", 2)]])
}

/// A page of these stages: of each where it stands, how many it has, and who can decide.
fn staged(stages: Stages, rows: &[(StageState, i16, &[&str])], page: RequestPage) -> RequestPage {
    let views = (1..).zip(&stages).zip(rows);
    let views = views.map(|((number, stage), (state, have, _))| StageView {
        stage: number,
        state: *state,
        needed: stage.seats(),
        have: *have,
        groups: stage.groups.clone(),
        can: vec![],
    });
    let views = views.collect();
    let can = rows.iter().find(|(state, ..)| *state == StageState::Open);
    let mut page = RequestPage {
        stages: views,
        approvers: approvers(can.map_or(&[], |it| it.2), false),
        ..page
    };
    page.request.terms.stages = stages;
    page
}

fn asked(answer: bool) -> Vec<Question> {
    vec![Question {
        asked_by: PersonId::from_uuid(uuid(7)),
        name: "Carol Costa".into(),
        text:
            "Which queue is it, and who watches the consumers meanwhile?\nThe last time nobody did."
                .into(),
        at: now() - minutes(9),
        answer: answer.then(|| ("checkout-dlq. Bob does.".into(), now() - minutes(4))),
    }]
}

/// Bob has approved the first stage, for half as long.
fn half_way() -> RequestPage {
    let mut page = staged(
        two(),
        &[
            (StageState::Closed, 1, &[]),
            (StageState::Open, 0, &["Dave Diaz"]),
        ],
        review(),
    );
    let mut bob = voice("Bob Brandt", true);
    bob.duration_seconds = Some(1800);
    page.decisions = vec![bob];
    page.request.effective_seconds = 1800;
    page.request.revision = 2;
    page
}

fn taken_back() -> RequestPage {
    let mut page = staged(
        two(),
        &[
            (StageState::Open, 0, &["Bob Brandt", "Carol Costa"]),
            (StageState::Waiting, 0, &[]),
        ],
        review(),
    );
    let mut bob = voice("Bob Brandt", true);
    (bob.stands, bob.counts) = (false, false);
    let mut back = voice("Bob Brandt", true);
    (back.verdict, back.duration_seconds) = (Verdict::Withdraw, None);
    page.decisions = vec![bob, back];
    page
}

fn changed() -> RequestPage {
    RequestPage {
        questions: asked(true),
        changed: vec![
            "Bob Brandt approved it for 30 min at most.".into(),
            "Carol Costa asked: Which queue is it?".into(),
            "Alice Archer answered: checkout-dlq. Bob does.".into(),
        ],
        form: DecideForm {
            comment: "Go. I am watching with you.".into(),
            duration: "other".into(),
            other: "45m".into(),
            ..DecideForm::default()
        },
        errors: errors("", "Its duration is another one than you saw."),
        ..half_way()
    }
}

fn health(name: &str, stages: Stages, groups: &[(&str, usize)]) -> Health {
    Health {
        entitlement: Entitlement {
            terms: Terms {
                name: name.into(),
                stages,
                ..terms()
            },
            ..entitlement()
        },
        groups: groups
            .iter()
            .map(|(group, n)| ((*group).to_owned(), *n))
            .collect(),
        approvers: groups.iter().map(|(_, n)| n).sum(),
        never: groups.iter().any(|(_, n)| *n == 0),
        stuck: vec![],
        more: false,
    }
}

fn entitlements() -> Entitlements {
    let mut stuck = health("prod-db", of(vec![vec![seats("dba", 2)]]), &[("dba", 2)]);
    stuck.stuck = vec!["Alice Archer".into()];
    let groups = [("sre-leads", 2), ("security-admins", 1)];
    let nobody = [("sre-leads", 2), ("security-admins", 0)];
    Entitlements {
        frame: frame(Here::Entitlements, "Erin Egede", 0),
        all: vec![
            health("prod-change", two(), &groups),
            stuck,
            health("vendor-support", escalating(), &nobody),
        ],
    }
}

pub fn all() -> Vec<(&'static str, Sample)> {
    let deciding = |page| RequestPage {
        frame: frame(Here::Waiting, "Dave Diaz", 1),
        ..page
    };
    let approved = May {
        deny: true,
        withdraw_approval: true,
        ..May::default()
    };
    let unfillable = RequestPage {
        fillable: false,
        ..staged(
            two(),
            &[
                (StageState::Open, 0, &["Bob Brandt"]),
                (StageState::Waiting, 0, &[]),
            ],
            page(RequestState::Pending, None),
        )
    };
    let escalation = staged(
        escalating(),
        &[(StageState::Open, 1, &["Carol Costa", "Dave Diaz"])],
        review(),
    );
    let scheduled = RequestPage {
        frame: frame(Here::Waiting, "Bob Brandt", 0),
        mine: false,
        may: May {
            withdraw_approval: true,
            end: true,
            ..May::default()
        },
        ..page(RequestState::Approved(now()), Some(opens_later()))
    };
    let answering = RequestPage {
        questions: asked(false),
        may: May {
            withdraw: true,
            answer: true,
            ..May::default()
        },
        ..page(RequestState::Pending, None)
    };
    vec![
        ("stages-half-way", sample(&deciding(half_way()))),
        (
            "stages-approved",
            sample(&RequestPage {
                may: approved,
                ..half_way()
            }),
        ),
        ("stages-taken-back", sample(&taken_back())),
        ("stages-escalation", sample(&escalation)),
        ("stages-unfillable", sample(&unfillable)),
        ("stages-scheduled", sample(&scheduled)),
        (
            "questions-open",
            sample(&RequestPage {
                questions: asked(false),
                may: May {
                    ask: false,
                    ..review().may
                },
                ..review()
            }),
        ),
        ("questions-answering", sample(&answering)),
        ("request-changed", sample(&deciding(changed()))),
        ("entitlements", sample(&entitlements())),
    ]
}
