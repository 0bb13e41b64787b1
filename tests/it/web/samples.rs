//! Every page of the portal in its states, filled with made-up facts.

use askama::Template;
use countersign::app::find::{Delay, May, Troubles};
use countersign::domain::change::WrongState;
use countersign::domain::entitlement::{Method, PolicyArns, Scope, Terms};
use countersign::domain::grant::{Grant, GrantState};
use countersign::domain::person::Person;
use countersign::domain::request::{Request, RequestState};
use countersign::domain::stages::Stages;
use countersign::error::{Error, FieldError, StateError};
use countersign::ids::{GrantId, PersonId, RequestId};
use countersign::web::audit::{Audit, Filter, Line};
use countersign::web::commands::Aws;
use countersign::web::console::Console;
use countersign::web::forms::ExtendForm;
use countersign::web::history::Entry;
use countersign::web::home::Home;
use countersign::web::page::{self, Frame, Here, Me, Row};
use countersign::web::problem::Problem;
use countersign::web::request::{DecideForm, RequestPage};
use countersign::web::requests::Requests;
use countersign::web::show::{Icon, Tone};

use super::facts::*;
use super::voices::{approvers, stage, voice};

pub fn frame(here: Here, name: &str, waiting: i64) -> Frame {
    Frame {
        me: Some(Me {
            id: PersonId::from_uuid(uuid(4)),
            name: name.into(),
            waiting,
            sees_all: false,
            sees_people: false,
        }),
        here,
        now: now(),
    }
}

pub fn row(state: RequestState, grant: Option<Grant>) -> Row {
    Row {
        request: request(state),
        requester: "Alice Archer".into(),
        grant,
        delay: None,
    }
}

/// AWS has refused for five minutes.
pub fn refused() -> Delay {
    Delay {
        error: "denied".into(),
        attempts: 9,
        since: now() - minutes(5),
    }
}

/// A grant's row in that state; its end has been waiting for AWS if it is closing.
pub fn delayed(state: GrantState) -> Row {
    Row {
        delay: Some(refused()),
        ..row(RequestState::Approved(now()), Some(grant(state)))
    }
}

pub fn entry(
    ago: i64,
    tone: Tone,
    icon: Icon,
    text: &str,
    quote: Option<&str>,
    through: &str,
) -> Entry {
    Entry {
        at: now() - minutes(ago),
        icon,
        tone,
        text: text.into(),
        quote: quote.map(Into::into),
        through: through.into(),
    }
}

pub fn history() -> Vec<Entry> {
    vec![
        entry(
            21,
            Tone::Wait,
            Icon::Ask,
            "Alice Archer asked for 1 h",
            None,
            "portal",
        ),
        entry(
            18,
            Tone::Good,
            Icon::Check,
            "Bob Brandt approved",
            Some("Go. I am watching the queue depth with you."),
            "portal",
        ),
        entry(
            18,
            Tone::Move,
            Icon::Busy,
            "Opening was put on record",
            None,
            "",
        ),
        entry(
            18,
            Tone::Good,
            Icon::Open,
            "AWS confirmed that it is open",
            None,
            "",
        ),
    ]
}

pub fn page(state: RequestState, granted: Option<Grant>) -> RequestPage {
    let decided = !matches!(
        state,
        RequestState::Pending | RequestState::Withdrawn(_) | RequestState::Expired(_)
    );
    RequestPage {
        frame: frame(Here::Requests, "Alice Archer", 0),
        mine: true,
        requester: "Alice Archer".into(),
        decisions: decided
            .then(|| voice("Bob Brandt", !matches!(state, RequestState::Denied(_))))
            .into_iter()
            .collect(),
        stages: vec![stage(&terms(), 0)],
        approvers: approvers(&["Bob Brandt", "Carol Costa"], false),
        fillable: true,
        away: vec![],
        may: May {
            withdraw: state == RequestState::Pending,
            end: granted.as_ref().is_some_and(|g| g.state == active()),
            extend: granted.as_ref().is_some_and(|g| g.state == active()),
            ..May::default()
        },
        extension: None,
        more: ExtendForm::default(),
        has_left: false,
        history: if granted.is_some() {
            history()
        } else {
            history().drain(..1).collect()
        },
        settled_at: Some(now() + minutes(1)),
        dead_since: None,
        closed: false,
        undone: vec![],
        held: vec![],
        grant: granted,
        delay: None,
        aws: Aws {
            endpoint_url: Some("http://127.0.0.1:4566".into()),
            region: "us-east-1".into(),
        },
        public_url: "https://countersign.example.com".into(),
        form: DecideForm::default(),
        reason: String::new(),
        back: String::new(),
        answer: String::new(),
        questions: vec![],
        changed: vec![],
        errors: vec![],
        external_id: None,
        request: request(state),
    }
}

/// The same of an entitlement whose credentials are handed out.
pub fn handed_out(page: RequestPage) -> RequestPage {
    RequestPage {
        request: Request {
            terms: handed_out_terms(),
            principal: None,
            principal_arn: None,
            principal_unique_id: None,
            console_name: None,
            ..page.request
        },
        grant: page.grant.map(|granted| Grant {
            method: Method::StsCredentials,
            principal_arn: None,
            principal_id: None,
            console_name: None,
            ..granted
        }),
        ..page
    }
}

pub fn console_link() -> Console {
    let url = "https://signin.aws.amazon.com/federation?Action=login&SigninToken=abc";
    Console {
        frame: frame(Here::Requests, "Alice Archer", 0),
        grant: GrantId::from_uuid(uuid(6)),
        url: url.to_owned().into(),
        expires_at: now() + minutes(15),
        session_until: now() + minutes(42),
    }
}

pub fn handed_out_terms() -> Terms {
    let arns = vec!["arn:aws:iam::aws:policy/AmazonSQSFullAccess".to_owned()];
    Terms {
        method: Method::StsCredentials,
        scope: Scope::PolicyArns(PolicyArns::try_from(arns).expect("an ARN")),
        ..terms()
    }
}

pub fn review() -> RequestPage {
    RequestPage {
        frame: frame(Here::Waiting, "Bob Brandt", 1),
        mine: false,
        may: May {
            approve: true,
            deny: true,
            ask: true,
            ..May::default()
        },
        ..page(RequestState::Pending, None)
    }
}

/// One approval of two.
pub fn second_voice() -> RequestPage {
    let mut page = RequestPage {
        decisions: vec![voice("Bob Brandt", true)],
        stages: vec![stage(&terms(), 0)],
        approvers: approvers(&["Carol Costa"], false),
        fillable: true,
        frame: frame(Here::Waiting, "Carol Costa", 1),
        ..review()
    };
    page.request.terms.stages = Stages::one("sre-leads", 2).expect("stages");
    page.stages = vec![stage(&page.request.terms, 1)];
    page.approvers = approvers(&["Carol Costa"], false);
    page.request.target_checked = false;
    page.request.starts_at = Some(now() + minutes(90));
    page
}

/// A decision that came too late.
pub fn late_decision() -> RequestPage {
    let wrong = WrongState {
        verb: "approve",
        subject: "request",
        state: "withdrawn",
    };
    RequestPage {
        frame: frame(Here::Waiting, "Bob Brandt", 0),
        mine: false,
        form: DecideForm {
            choice: "approve".into(),
            comment: "Go. I am watching the queue depth with you.".into(),
            ..DecideForm::default()
        },
        errors: page::errors(&Error::from(StateError::Wrong(wrong))),
        ..page(RequestState::Withdrawn(now()), None)
    }
}

pub fn errors(field: &'static str, detail: &str) -> Vec<FieldError> {
    vec![FieldError::invalid(field, detail)]
}

pub fn home(waiting: Vec<Row>, live: Vec<Row>) -> Home {
    Home {
        frame: frame(
            Here::Home,
            "Alice Archer",
            i64::try_from(waiting.len()).unwrap(),
        ),
        groups: vec!["engineers".into()],
        waiting,
        live,
        entitlements: vec![entitlement()],
        recent: vec![
            row(RequestState::Pending, None),
            row(RequestState::Approved(now()), Some(grant(active()))),
            row(RequestState::Approved(now()), Some(grant(ended()))),
            row(RequestState::Denied(now()), None),
        ],
        troubles: Troubles::default(),
    }
}

/// Names without a place to break, as long as they may be.
fn long_request_row() -> Row {
    let mut row = row(RequestState::Approved(now()), Some(grant(active())));
    row.request.terms.name = "productionadministrator".repeat(3)[..63].into();
    row.request.terms.account_name = "Produktionsumgebung".repeat(4);
    row.request.terms.stages =
        Stages::one(&"sitereliabilityengineers".repeat(3), 1).expect("stages");
    row.requester = "Wolfeschlegelsteinhausenbergerdorff".repeat(2);
    row
}

pub fn long_home() -> Home {
    let row = long_request_row();
    let mut offered = entitlement();
    offered.terms = row.request.terms.clone();
    Home {
        frame: frame(Here::Home, &row.requester, 1),
        entitlements: vec![offered],
        recent: vec![row.clone()],
        ..home(vec![row.clone()], vec![row])
    }
}

pub fn long_request() -> RequestPage {
    let row = long_request_row();
    RequestPage {
        frame: frame(Here::Waiting, &row.requester, 1),
        request: Request {
            state: RequestState::Pending,
            ..row.request
        },
        decisions: vec![voice(&row.requester, true)],
        stages: vec![stage(&terms(), 0)],
        approvers: approvers(&[&row.requester, &row.requester], true),
        fillable: true,
        requester: row.requester,
        ..review()
    }
}

pub fn requests(rows: Vec<Row>) -> Requests {
    Requests {
        frame: frame(Here::Requests, "Alice Archer", 0),
        heading: "My requests",
        lead: "Everything you have asked for, the latest first.",
        empty: "You have not asked for anything yet.",
        show_requester: false,
        next: (!rows.is_empty()).then(|| "/requests?cursor=abc".into()),
        rows,
    }
}

pub fn line(action: &str, subject: String, outcome: &str, code: Option<&str>) -> Line {
    Line {
        at: now(),
        actor: "Bob Brandt".into(),
        action: action.into(),
        subject,
        outcome: outcome.into(),
        code: code.map(Into::into),
        channel: "portal".into(),
        details: vec![
            ("stage".into(), "1".into()),
            ("have".into(), "1".into()),
            ("needed".into(), "1".into()),
        ],
    }
}

pub fn audit(events: Vec<Line>) -> Audit {
    Audit {
        frame: frame(Here::Audit, "Erin Eklund", 1),
        filter: Filter::default(),
        errors: vec![],
        all: true,
        actions: &["request.submitted", "request.approved"],
        next: (!events.is_empty()).then(|| "/audit?cursor=abc".into()),
        events,
    }
}

pub fn lines() -> Vec<Line> {
    let request = RequestId::from_uuid(uuid(3)).to_string();
    let grant = GrantId::from_uuid(uuid(6)).to_string();
    vec![
        line("grant.opened", grant.clone(), "success", None),
        line("grant.delayed", grant, "failure", Some("throttled")),
        line("request.approved", request.clone(), "success", None),
        line(
            "request.approved",
            request,
            "refused",
            Some("self_approval"),
        ),
        line("catalog.applied", "catalog".into(), "success", None),
    ]
}

pub fn people() -> Vec<Person> {
    let person = |n, name: &str, group: &str| Person {
        id: PersonId::from_uuid(uuid(n)),
        name: name.into(),
        email: format!(
            "{}@example.com",
            name.split(' ').next().unwrap_or_default().to_lowercase()
        ),
        groups: vec![group.into()],
        ids: vec![PersonId::from_uuid(uuid(n))],
    };
    vec![
        person(4, "Alice Archer", "engineers"),
        person(7, "Bob Brandt", "sre-leads"),
        person(8, "Carol Costa", "sre-leads"),
        person(9, "Dave Dahl", "security-admins"),
        person(10, "Erin Eklund", "auditors"),
    ]
}

pub fn problem(error: &Error) -> Problem {
    let about = error.about();
    Problem {
        frame: frame(Here::Elsewhere, "Alice Archer", 0),
        status: about.status,
        title: about.title.into(),
        detail: about.detail.into(),
        code: about.code.into(),
        request_id: "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001".into(),
    }
}

pub fn internal() -> Error {
    Error::Internal("hidden".into())
}

pub fn html(page: &impl Template) -> String {
    page.render().expect("a page")
}
