//! What callers are told: code, status, title and detail of every error.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;

use countersign::domain::change::WrongState;
use countersign::domain::request::Verdict;
use countersign::domain::rules::{DecideVia, Via};
use countersign::domain::scope::Scope;
use countersign::domain::signed_call::Unfit;
use countersign::domain::target::Condition;
use countersign::error::{
    CallerError, Error, FieldCode, FieldError, IdentityError, InputError, LimitError, NobodysOwn,
    Refusal, RoleError, SignInError, StateError, StsError, Unextendable, Unprobed, VoteError,
    WireError,
};
use countersign::ids::RequestId;

/// Every error with something to tell; one that is new does not compile until it is here.
fn all() -> Vec<Error> {
    let mut all = Vec::new();
    all.extend(callers().map(Error::from));
    all.extend(wires().map(Error::from));
    all.extend(inputs().map(Error::from));
    all.extend(states().map(Error::from));
    all.extend(roles().map(Error::from));
    all.extend(sts().map(Error::from));
    all.extend(sign_ins().map(Error::from));
    all.extend(identities().map(Error::from));
    all.extend(limits().map(Error::from));
    all.extend([Error::Busy, Error::Internal("hidden".into())]);
    for error in &all {
        match error {
            Error::Caller(_)
            | Error::Wire(_)
            | Error::Input(_)
            | Error::State(_)
            | Error::Role(_)
            | Error::Sts(_)
            | Error::SignIn(_)
            | Error::Identity(_)
            | Error::Limit(_)
            | Error::Busy
            | Error::Internal(_) => {}
        }
    }
    all
}

fn callers() -> [CallerError; 9] {
    let known = |error: &CallerError| match error {
        CallerError::Unauthenticated
        | CallerError::Forbidden
        | CallerError::SelfApproval
        | CallerError::InsufficientScope(_)
        | CallerError::ChannelNotAllowed(_)
        | CallerError::ForPeople
        | CallerError::OnBehalf
        | CallerError::CrossSite
        | CallerError::NotFound => {}
    };
    let all = [
        CallerError::Unauthenticated,
        CallerError::Forbidden,
        CallerError::SelfApproval,
        CallerError::InsufficientScope(&[Scope::Create, Scope::Decide]),
        CallerError::ChannelNotAllowed(DecideVia::new([Via::Email])),
        CallerError::ForPeople,
        CallerError::OnBehalf,
        CallerError::CrossSite,
        CallerError::NotFound,
    ];
    all.iter().for_each(known);
    all
}

fn sign_ins() -> [SignInError; 7] {
    let known = |error: &SignInError| match error {
        SignInError::Expired
        | SignInError::Refused(_)
        | SignInError::Unreachable
        | SignInError::TokenInvalid(_)
        | SignInError::GroupsUnknown
        | SignInError::NotAllowed
        | SignInError::Disabled => {}
    };
    let all = [
        SignInError::Expired,
        SignInError::Refused(Refusal::Denied),
        SignInError::Unreachable,
        SignInError::TokenInvalid("nonce"),
        SignInError::GroupsUnknown,
        SignInError::NotAllowed,
        SignInError::Disabled,
    ];
    all.iter().for_each(known);
    all
}

fn identities() -> [IdentityError; 16] {
    let known = |error: &IdentityError| match error {
        IdentityError::Unfit(_)
        | IdentityError::Challenge
        | IdentityError::NotSigned(_)
        | IdentityError::NobodysOwn(
            NobodysOwn::Other
            | NobodysOwn::Account(_)
            | NobodysOwn::Grant
            | NobodysOwn::Opened
            | NobodysOwn::Ours
            | NobodysOwn::Unvouched(_)
            | NobodysOwn::Unseen(_)
            | NobodysOwn::OtherSession
            | NobodysOwn::Gone,
        )
        | IdentityError::Taken
        | IdentityError::Silent
        | IdentityError::NotLinked
        | IdentityError::InUse => {}
    };
    let nobodys = IdentityError::NobodysOwn;
    let all = [
        IdentityError::Unfit(Unfit::Unsigned("host")),
        IdentityError::Challenge,
        IdentityError::NotSigned("SignatureDoesNotMatch".to_owned()),
        nobodys(NobodysOwn::Other),
        nobodys(NobodysOwn::Account("444455556666".to_owned())),
        nobodys(NobodysOwn::Grant),
        nobodys(NobodysOwn::Opened),
        nobodys(NobodysOwn::Ours),
        nobodys(NobodysOwn::Unvouched(
            "statement 1 has no Effect that is known".to_owned(),
        )),
        nobodys(NobodysOwn::Unseen("developers".to_owned())),
        nobodys(NobodysOwn::OtherSession),
        nobodys(NobodysOwn::Gone),
        IdentityError::Taken,
        IdentityError::Silent,
        IdentityError::NotLinked,
        IdentityError::InUse,
    ];
    all.iter().for_each(known);
    all
}

fn wires() -> [WireError; 7] {
    let known = |error: &WireError| match error {
        WireError::MethodNotAllowed
        | WireError::InvalidId(_)
        | WireError::InvalidJson(_)
        | WireError::PayloadTooLarge
        | WireError::RequestTimeout
        | WireError::UriTooLong
        | WireError::UnsupportedMediaType => {}
    };
    let all = [
        WireError::MethodNotAllowed,
        WireError::InvalidId("x".parse::<RequestId>().unwrap_err()),
        WireError::InvalidJson("The body could not be read.".to_owned()),
        WireError::PayloadTooLarge,
        WireError::RequestTimeout,
        WireError::UriTooLong,
        WireError::UnsupportedMediaType,
    ];
    all.iter().for_each(known);
    all
}

fn inputs() -> [InputError; 7] {
    let known = |error: &InputError| match error {
        InputError::Fields(_)
        | InputError::CommentRequired(Verdict::Approve | Verdict::Deny | Verdict::Withdraw) => {}
    };
    let one = |field, code| {
        let invalid = FieldError::invalid(field, "must not be empty");
        InputError::Fields(vec![FieldError { code, ..invalid }])
    };
    let all = [
        InputError::Fields(vec![
            FieldError::invalid("ticket", "must not be empty"),
            FieldError::invalid("justification", "must not be empty"),
        ]),
        one("reason", FieldCode::Invalid),
        one("duration", FieldCode::DurationOutOfRange),
        one("principal", FieldCode::PrincipalAmbiguous),
        one("on_behalf_of", FieldCode::PersonUnknown),
        InputError::CommentRequired(Verdict::Approve),
        InputError::CommentRequired(Verdict::Deny),
    ];
    all.iter().for_each(known);
    all
}

fn states() -> [StateError; 22] {
    let known = |error: &StateError| match error {
        StateError::Wrong(_)
        | StateError::Vote(
            VoteError::AlreadyDecided
            | VoteError::StageNotOpen
            | VoteError::NotNeeded
            | VoteError::NothingToWithdraw
            | VoteError::QuestionOpen
            | VoteError::NoQuestion
            | VoteError::Changed { .. },
        )
        | StateError::NotEligible
        | StateError::GroupsStale
        | StateError::NotFetched
        | StateError::TooLate
        | StateError::Unextendable(
            Unextendable::Waits | Unextendable::Longest | Unextendable::Bypassed(_),
        )
        | StateError::OnHold
        | StateError::NoConsole
        | StateError::Rewound
        | StateError::ClocksDiffer
        | StateError::Unprobed(Unprobed::Method | Unprobed::GuardEnds)
        | StateError::Unguarded => {}
    };
    let all = [
        StateError::Wrong(WrongState {
            verb: "approve",
            subject: "request",
            state: "denied",
        }),
        StateError::Vote(VoteError::AlreadyDecided),
        StateError::Vote(VoteError::StageNotOpen),
        StateError::Vote(VoteError::NotNeeded),
        StateError::Vote(VoteError::NothingToWithdraw),
        StateError::Vote(VoteError::QuestionOpen),
        StateError::Vote(VoteError::NoQuestion),
        StateError::Vote(VoteError::Changed { seen: 1, now: 3 }),
        StateError::NotEligible,
        StateError::GroupsStale,
        StateError::NotFetched,
        StateError::TooLate,
        StateError::Unextendable(Unextendable::Waits),
        StateError::Unextendable(Unextendable::Longest),
        StateError::Unextendable(Unextendable::Bypassed("user_alice_standing".to_owned())),
        StateError::OnHold,
        StateError::NoConsole,
        StateError::Rewound,
        StateError::ClocksDiffer,
        StateError::Unprobed(Unprobed::Method),
        StateError::Unprobed(Unprobed::GuardEnds),
        StateError::Unguarded,
    ];
    all.iter().for_each(known);
    all
}

fn roles() -> [RoleError; 22] {
    let known = |error: &RoleError| match error {
        RoleError::NotFound
        | RoleError::Protected
        | RoleError::Ours
        | RoleError::Suspended(_)
        | RoleError::TrustPolicyFull { .. }
        | RoleError::GuardFull { .. }
        | RoleError::TrustPolicyUnreadable
        | RoleError::NotAdmitted
        | RoleError::OpenAlready(_)
        | RoleError::UserClosed(_)
        | RoleError::AsksForMore
        | RoleError::UserUnseen(_)
        | RoleError::NotAllowedAtHome(_)
        | RoleError::UserFull { .. }
        | RoleError::Guarded
        | RoleError::KeysOut(_)
        | RoleError::Unseen
        | RoleError::NotAssumable(_)
        | RoleError::NotPinned(_)
        | RoleError::Unvouched { .. }
        | RoleError::IdentitySilent(_) => {}
    };
    let all = [
        RoleError::NotFound,
        RoleError::Protected,
        RoleError::Ours,
        RoleError::Suspended(Condition::Contested),
        RoleError::Suspended(Condition::SafeMode),
        RoleError::TrustPolicyFull {
            used: 1900,
            quota: 2048,
            needed: 300,
        },
        RoleError::GuardFull {
            used: 10_000,
            quota: 10_240,
            needed: 281,
        },
        RoleError::TrustPolicyUnreadable,
        RoleError::NotAdmitted,
        RoleError::OpenAlready("its trust policy".to_owned()),
        RoleError::UserClosed("arn:aws:iam::111122223333:user/alice".to_owned()),
        RoleError::Unvouched {
            arn: "arn:aws:iam::111122223333:role/Developers".to_owned(),
            by: "statement \"Anybody\" does not pin sts:RoleSessionName".to_owned(),
        },
        RoleError::IdentitySilent("arn:aws:iam::111122223333:role/Developers".to_owned()),
        RoleError::AsksForMore,
        RoleError::UserUnseen("arn:aws:iam::111122223333:user/alice".to_owned()),
        RoleError::NotAllowedAtHome("arn:aws:iam::111122223333:user/alice".to_owned()),
        RoleError::UserFull {
            used: 1900,
            quota: 2048,
            needed: 344,
        },
        RoleError::Guarded,
        RoleError::KeysOut(chrono::DateTime::UNIX_EPOCH),
        RoleError::Unseen,
        RoleError::NotAssumable("{…}".to_owned()),
        RoleError::NotPinned("{…}".to_owned()),
    ];
    all.iter().for_each(known);
    all
}

fn sts() -> [StsError; 3] {
    let known = |error: &StsError| match error {
        StsError::Refused | StsError::SignInRefused | StsError::Silent => {}
    };
    let all = [StsError::Refused, StsError::SignInRefused, StsError::Silent];
    all.iter().for_each(known);
    all
}

fn limits() -> [LimitError; 5] {
    let known = |error: &LimitError| match error {
        LimitError::Reached { .. } | LimitError::Live { .. } | LimitError::TooFast(_) => {}
    };
    let all = [
        LimitError::Reached {
            most: 20,
            of_entitlement: false,
        },
        LimitError::Reached {
            most: 5,
            of_entitlement: true,
        },
        LimitError::Live {
            most: 1,
            have: 1,
            of_person: true,
        },
        LimitError::Live {
            most: 3,
            have: 3,
            of_person: false,
        },
        LimitError::TooFast(NonZeroU32::MIN.saturating_add(6)),
    ];
    all.iter().for_each(known);
    all
}

#[test]
fn every_error_has_its_code_status_title_and_detail() {
    let mut table = String::new();
    for error in all() {
        let about = error.about();
        write!(table, "{} {}", about.status, about.code).unwrap();
        if error.told_code() != about.code {
            write!(table, " ({})", error.told_code()).unwrap();
        }
        if let Some(seconds) = error.retry_after() {
            write!(table, " after {seconds} s").unwrap();
        }
        if error.is_refusal() {
            table.push_str(" on record");
        }
        writeln!(table, "\n    {}\n    {}", about.title, about.detail).unwrap();
    }
    insta::assert_snapshot!("errors_and_what_they_tell", table);
}

/// 405 belongs to no operation: it says that there is none.
#[test]
fn the_description_of_the_api_names_the_statuses_of_errors_and_no_others() {
    let document = serde_json::to_value(countersign::api::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let answers = operations.flat_map(|operation| operation["responses"].as_object().unwrap());
    let described: BTreeSet<u16> = answers
        .filter(|(_, answer)| answer["content"]["application/problem+json"].is_object())
        .map(|(status, _)| status.parse().unwrap())
        .collect();
    let mut told: BTreeSet<u16> = all().iter().map(|error| error.about().status).collect();
    assert!(told.remove(&405));
    assert_eq!(described, told);
}

#[test]
fn each_code_belongs_to_one_status_and_each_title_to_one_code() {
    let all = all();
    let abouts: Vec<_> = all.iter().map(Error::about).collect();
    let codes: BTreeSet<_> = abouts.iter().map(|about| about.code).collect();
    let told: BTreeSet<_> = abouts
        .iter()
        .map(|about| (about.code, about.status))
        .collect();
    let titles: BTreeSet<_> = abouts
        .iter()
        .map(|about| (about.code, about.title))
        .collect();
    assert_eq!((told.len(), titles.len()), (codes.len(), codes.len()));
}
