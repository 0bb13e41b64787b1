//! Both state machines under whatever comes, against a table of their own.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use countersign::domain::Change;
use countersign::domain::audit::{By, Event, Outcome, Told};
use countersign::domain::cause::Cause;
use countersign::domain::change::WrongState;
use countersign::domain::grant::{Grant, GrantState};
use countersign::domain::machine::RequestedBy;
use countersign::domain::person::Principal;
use countersign::domain::request::{Approval, Ask, Request, RequestState};
use countersign::domain::stages::Stages;
use countersign::domain::text::Words;
use countersign::ids::{PersonId, PrincipalId, TargetId};
use proptest::prelude::*;

use crate::web::facts;

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 987_654_321).unwrap()
}

fn words(text: &str) -> Words {
    Words::parse(text).unwrap()
}

/// One event, of the step that was made, by whom and when.
fn assert_told(event: &Event, action: &str, subject: &impl ToString, by: &By) {
    let Told::Done(told) = &event.told else {
        panic!("{:?} tells of nothing that was done", event.told);
    };
    assert_eq!(told.name().as_str(), action);
    assert_eq!(event.subject, subject.to_string());
    assert_eq!(event.outcome, Outcome::Success);
    assert_eq!((event.at, &event.actor), (by.at, &by.actor));
}

#[derive(Debug, Clone)]
struct Wish {
    seconds: i32,
    /// Microseconds from now to the asked start.
    ahead: Option<i64>,
    expire_after: i64,
    needed: i16,
}

fn wish() -> impl Strategy<Value = Wish> {
    let month = 30 * 24 * 3_600 * 1_000_000_i64;
    let ahead = proptest::option::of(1..month);
    (5..43_200, ahead, 60..172_800_i64, 1..4_i16).prop_map(
        |(seconds, ahead, expire_after, needed)| Wish {
            seconds,
            ahead,
            expire_after,
            needed,
        },
    )
}

fn submit(wish: &Wish) -> Change<Request> {
    let mut entitlement = facts::entitlement();
    entitlement.terms.stages = Stages::one("sre-leads", wish.needed).unwrap();
    let person = PersonId::new();
    let ask = Ask {
        requested_by: RequestedBy::Person("Alice".to_owned()),
        principal: Some(Principal {
            id: PrincipalId::new(),
            person,
            account: "111122223333".to_owned(),
            arn: "arn:aws:iam::111122223333:user/alice".to_owned(),
            session: None,
            unique_id: None,
        }),
        principal_unique_id: None,
        target: TargetId::new(),
        entitlement,
        role_id: None,
        justification: words("why"),
        duration_seconds: wish.seconds,
        starts_at: wish.ahead.map(|it| start() + TimeDelta::microseconds(it)),
        ticket: None,
        target_checked: false,
        outlives: None,
    };
    let expire_after = TimeDelta::seconds(wish.expire_after);
    ask.submit(person, expire_after, &By::system("test", start()))
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Approve,
    Deny,
    Withdraw,
    Expire,
}

fn verbs() -> impl Strategy<Value = Vec<(Verb, i64)>> {
    use Verb::{Approve, Deny, Expire, Withdraw};
    let verb = proptest::sample::select(vec![Approve, Approve, Approve, Deny, Withdraw, Expire]);
    proptest::collection::vec((verb, 0..100_000_000_000_i64), 0..12)
}

/// The request after the verb with its event, and the grant if there is one.
type Stepped = Result<(Change<Request>, Option<Box<Grant>>), WrongState>;

fn step(request: Request, verb: Verb, have: i16, by: &By) -> Stepped {
    match verb {
        Verb::Approve => {
            let seconds = request.effective_seconds;
            let tallied = facts::tallied(have, request.terms.stages.seats());
            let approval = request.approve(tallied, seconds, None, by);
            approval.map(|it| match it {
                Approval::Counted(change) => (change, None),
                Approval::Complete(change, grant) => (change, Some(grant)),
                Approval::Extends(..) => unreachable!("it makes a grant of its own"),
            })
        }
        Verb::Deny => request.deny(&words("no"), by).map(|it| (it, None)),
        Verb::Withdraw => request.withdraw(by).map(|it| (it, None)),
        Verb::Expire => request.expire(None, by).map(|it| (it, None)),
    }
}

/// Everything but where it stands.
fn fixed(request: &Request) -> Request {
    Request {
        version: 0,
        state: RequestState::Pending,
        ..request.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_goes_one_way_and_tells_each_step(wish in wish(), verbs in verbs()) {
        let Change { value: mut request, event } = submit(&wish);
        assert_told(&event, "request.submitted", &request.id, &By::system("test", start()));
        prop_assert_eq!((request.version, request.state), (1, RequestState::Pending));
        let lapse = start() + TimeDelta::seconds(wish.expire_after);
        let duration = TimeDelta::seconds(wish.seconds.into());
        let window = request.starts_at.map(|it| it + duration);
        prop_assert_eq!(request.expires_at, window.map_or(lapse, |it| it.min(lapse)));

        let (mut at, mut have) = (start(), 0);
        for (verb, pause) in verbs {
            at += TimeDelta::microseconds(pause);
            let by = By::system("test", at);
            let before = request.clone();
            let is_pending = before.state == RequestState::Pending;
            let has_lapsed = is_pending && at >= before.expires_at && !matches!(verb, Verb::Expire);
            match step(request.clone(), verb, have + 1, &by) {
                Err(wrong) => {
                    prop_assert!(!is_pending || has_lapsed);
                    let state = if has_lapsed { "expired" } else { before.state.as_str() };
                    prop_assert_eq!((wrong.subject, wrong.state), ("request", state));
                }
                Ok((change, grant)) => {
                    prop_assert!(is_pending && !has_lapsed);
                    have += i16::from(matches!(verb, Verb::Approve));
                    let is_last = have == wish.needed;
                    let (state, action) = match verb {
                        Verb::Approve if is_last => (RequestState::Approved(at), "request.approved"),
                        Verb::Approve => (RequestState::Pending, "request.approved"),
                        Verb::Deny => (RequestState::Denied(at), "request.denied"),
                        Verb::Withdraw => (RequestState::Withdrawn(at), "request.withdrawn"),
                        Verb::Expire => (RequestState::Expired(at), "request.expired"),
                    };
                    request = change.value;
                    prop_assert_eq!(request.state, state);
                    prop_assert_eq!(request.version, before.version + 1);
                    prop_assert_eq!(fixed(&request), fixed(&before));
                    assert_told(&change.event, action, &request.id, &by);
                    prop_assert_eq!(grant.is_some(), matches!(state, RequestState::Approved(_)));
                    if let Some(grant) = grant {
                        let begins = request.starts_at.map_or(at, |it| it.max(at)).trunc_subsecs(0);
                        prop_assert_eq!(grant.starts_at, begins);
                        prop_assert_eq!(grant.deadline, begins + duration);
                        prop_assert_eq!((grant.approved_at, grant.request), (at, request.id));
                        prop_assert_eq!((&grant.grant_name, grant.state), (&grant.id.to_string(), GrantState::Scheduled));
                    }
                }
            }
        }
    }

    #[test]
    fn a_grant_goes_one_way_and_tells_each_step(course in proptest::collection::vec((0..6_u8, 0..9_usize), 0..14)) {
        let mut grant = facts::grant(GrantState::Scheduled);
        for (second, (letter, cause)) in (0..).zip(course) {
            let (by, cause) = (By::system("test", start() + TimeDelta::seconds(second)), Cause::ALL[cause]);
            let (before, next) = (grant.clone(), grant.clone());
            let tried = match letter {
                0 => next.open(&by),
                1 => next.opened(&by),
                2 => next.end(cause, PersonId::new(), Some(words("done")), &by),
                3 => next.close(cause, &by),
                4 => next.closed(&by),
                _ => next.leave(None, &by),
            };
            match (after(&before.state, letter), tried) {
                (None, Err(wrong)) => {
                    prop_assert_eq!((wrong.subject, wrong.state), ("grant", before.state.as_str()));
                }
                (Some((state, action)), Ok(change)) => {
                    grant = change.value;
                    prop_assert_eq!(grant.state.as_str(), state);
                    assert_told(&change.event, action, &grant.id, &by);
                    let same = Grant { state: before.state.clone(), marks: before.marks.clone(), ..grant.clone() };
                    prop_assert_eq!(same, before);
                }
                (wanted, got) => prop_assert!(false, "{letter} on {before:?}: {got:?}, not {wanted:?}"),
            }
        }
    }
}

/// The state and the event that a step leads to, or that there is no such step. 0 open, 1 opened, 2
/// end, 3 close, 4 closed, 5 leave.
fn after(state: &GrantState, letter: u8) -> Option<(&'static str, &'static str)> {
    match (state, letter) {
        (GrantState::Scheduled, 0) => Some(("opening", "grant.opening")),
        (GrantState::Opening { .. }, 1) => Some(("active", "grant.opened")),
        // Nothing was sent, so that nothing has to be undone.
        (GrantState::Scheduled, 2 | 5) => Some(("ended", "grant.ended")),
        (GrantState::Scheduled, 3) => Some(("failed", "grant.failed")),
        (GrantState::Opening { .. } | GrantState::Active { .. }, 2 | 3 | 5) => {
            Some(("closing", "grant.closing"))
        }
        (GrantState::Closing(closing), 4) => {
            let is_ended = closing.by.is_some() || closing.cause == Cause::PersonDisabled;
            let gave_up = closing.opened_at.is_none() && !is_ended;
            Some(if gave_up || closing.cause == Cause::CouldNotOpen {
                ("failed", "grant.failed")
            } else {
                ("ended", "grant.ended")
            })
        }
        _ => None,
    }
}
