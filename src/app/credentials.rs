//! Fetching credentials of a grant: Countersign assumes the role for its person. STS is asked
//! between two short transactions, so that an end never waits for it: what ends in between is found
//! by the second one, and nobody gets the session.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::ctx::Ctx;
use super::load;
use crate::aws::{Aws, AwsError, Session, Wish};
use crate::clock::Clock;
use crate::db::cases::Case;
use crate::db::tx::Tx;
use crate::domain::account::ManagerRole;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Event};
use crate::domain::change::WrongState;
use crate::domain::entitlement::{Method, Terms};
use crate::domain::fetch::{FRESH, Fetch, Guarding, Kind, LEAST_LEFT, MOST_TO_BEGIN, Outcome};
use crate::domain::grant::{Grant, GrantState};
use crate::error::{Error, RoleError, StateError, StsError};
use crate::ids::{FetchId, GrantId};
use crate::policy::session;
use crate::{authz, db};

/// How often a guard that is being written or looked at is waited for, and how long each time.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// What is handed out. It prints nowhere.
pub struct Credentials {
    /// AccessKeyId.
    pub access_key_id: String,
    /// SecretAccessKey.
    pub secret: SecretString,
    /// SessionToken.
    pub token: SecretString,
    /// When the session stops to work: at the deadline, however long STS has made it.
    pub expires_at: DateTime<Utc>,
}

/// What AWS has given for a fetch, to be handed out.
pub(super) struct Given {
    /// The intent of it.
    pub(super) fetch: Fetch,
    /// The session.
    pub(super) session: Session,
    /// The link that signs in with it, where a link was asked for.
    pub(super) link: Option<SecretString>,
    /// When the session stops to work: at the deadline, however long STS has made it.
    pub(super) expires_at: DateTime<Utc>,
    /// The account that gave it.
    cloud: Aws,
}

/// A fetch whose intent is on record.
struct Intended {
    fetch: Fetch,
    grant: Grant,
    terms: Terms,
    /// As whom Countersign works in the role's account.
    manager: Option<ManagerRole>,
    /// Before the intent was stored.
    begun: Instant,
}

/// Hands out credentials of a grant to its person.
///
/// # Errors
/// When the caller is somebody else, the grant is not open or has less than a minute left, its
/// guard is not known to stand, it is fetched too often, or STS gives none.
pub async fn fetch(ctx: &Ctx, id: GrantId) -> Result<Credentials, Error> {
    let given = hand_out(ctx, id, Kind::Keys).await?;
    Ok(Credentials {
        access_key_id: given.session.issued.access_key_id,
        secret: given.session.secret,
        token: given.session.token,
        expires_at: given.expires_at,
    })
}

/// Asks AWS for what is to be handed out to a grant's person: on record before, and its outcome
/// after.
pub(super) async fn hand_out(ctx: &Ctx, id: GrantId, kind: Kind) -> Result<Given, Error> {
    let intended = intend(ctx, id, kind).await?;
    let ctx = ctx.clone();
    // By itself from here on: a client that hangs up would leave a fetch without an outcome.
    let asked = tokio::spawn(async move {
        let answer = ask(&ctx, &intended).await;
        settle(&ctx, intended, answer).await
    });
    let answered = asked.await;
    answered.unwrap_or_else(|broken| Err(Error::Internal(Box::new(broken))))
}

/// Puts the intent on record. A guard that is only just being written is waited for.
async fn intend(ctx: &Ctx, id: GrantId, kind: Kind) -> Result<Intended, Error> {
    for tries in 1.. {
        let begun = Instant::now();
        let done = ctx.verb(Verb::Fetch, id, async |tx: &mut Tx| {
            let (grant, terms) = match open(ctx, tx, id, kind).await {
                // The role is looked at anew; that has to be stored.
                Err(Error::State(StateError::Unguarded)) => return Ok(None),
                other => other?,
            };
            ctx.app.limits().fetch(id)?;
            let fetch = Fetch {
                id: FetchId::new(),
                grant: id,
                kind,
                at: tx.now(),
            };
            let requested = Action::CredentialsRequested {
                request: grant.request,
                fetch: fetch.id,
                kind,
            };
            let event = tx.by.did(id, requested);
            let until = fetch.issues_until(ctx.app.settings().unanswered);
            db::fetches::intend(tx.conn(), &fetch, until, &event).await?;
            let manager = db::accounts::manager(tx.conn(), &terms.account).await?;
            Ok(Some(Intended {
                fetch,
                grant,
                terms,
                manager,
                begun,
            }))
        });
        if let Some(intended) = done.await? {
            return Ok(intended);
        }
        if tries == TRIES {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(ctx.refused(Verb::Fetch, id, StateError::Unguarded).await)
}

/// Locks a grant whose credentials the caller may have now, with the deadline that the guard has.
/// Its role is made due where the guard is not known to stand.
async fn open(ctx: &Ctx, tx: &mut Tx, id: GrantId, kind: Kind) -> Result<(Grant, Terms), Error> {
    let (grant, case) = load::granted(ctx, tx, id).await?;
    let Case {
        request,
        caller,
        involved,
        ..
    } = case;
    let roles = ctx.app.roles();
    let authz::Own(grant) = authz::own(roles, &caller, grant, &request, involved)?;
    if grant.method != Method::StsCredentials {
        return Err(StateError::NotFetched.into());
    }
    let now = tx.now();
    let is_over = now >= grant.deadline;
    if is_over || !matches!(grant.state, GrantState::Active { .. }) {
        // What is past its deadline is closing, whether or not that is on record yet.
        let is_active = matches!(grant.state, GrantState::Active { .. });
        let state = if is_active {
            "closing"
        } else {
            grant.state.as_str()
        };
        let wrong = WrongState {
            verb: "fetch credentials of",
            subject: "grant",
            state,
        };
        return Err(wrong.into());
    }
    if grant.deadline - now < LEAST_LEFT {
        return Err(StateError::TooLate.into());
    }
    if !grant.early_end.cuts() {
        may_leave_uncut(tx, &grant, kind).await?;
        return Ok((grant, request.terms));
    }
    let guarding = db::guarding::guarding(tx.conn(), grant.id).await?;
    if guarding.condition.needs_a_person() {
        return Err(RoleError::Suspended(guarding.condition).into());
    }
    if guarding.is_held {
        return Err(StateError::OnHold.into());
    }
    let Some(deadline) = guarded_until(ctx, &guarding, grant.deadline, now) else {
        tx.make_due(grant.target, now).await?;
        return Err(StateError::Unguarded.into());
    };
    Ok((Grant { deadline, ..grant }, request.terms))
}

/// Until when AWS lets a session of the grant work, where it is known to stop it after that: an
/// extension may wait for the guard, and until then the earlier deadline holds.
fn guarded_until(
    ctx: &Ctx,
    guarding: &Guarding,
    deadline: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let settings = ctx.app.settings();
    let (unanswered, propagation) = (settings.unanswered, settings.propagation);
    let holds = guarding.holds(now, unanswered.max(FRESH), unanswered + propagation);
    let until = guarding.listed_until?.min(deadline);
    (holds && guarding.is_pinned && until - now >= LEAST_LEFT).then_some(until)
}

/// What has to be so before anything is handed out that nothing could cut.
async fn may_leave_uncut(tx: &mut Tx, grant: &Grant, kind: Kind) -> Result<(), Error> {
    // Whether the keys that the console makes of a session are bound by its policy, AWS does not
    // say.
    if kind == Kind::Console {
        return Err(StateError::NoConsole.into());
    }
    let known = db::handed_out::unguarded(tx.conn(), grant.id).await?;
    if known.condition.needs_a_person() {
        return Err(RoleError::Suspended(known.condition).into());
    }
    if known.is_held {
        return Err(StateError::OnHold.into());
    }
    if known.is_rewound {
        return Err(StateError::Rewound.into());
    }
    if known.is_guarded {
        return Err(RoleError::Guarded.into());
    }
    Ok(())
}

/// Asks AWS, with no transaction open: STS for a session, and where a link is to be handed out, the
/// console's sign-in for that.
async fn ask(ctx: &Ctx, intended: &Intended) -> Result<Given, (Outcome, StsError)> {
    let Intended { fetch, grant, .. } = intended;
    let (cloud, session) = assume(ctx, intended).await.map_err(|outcome| {
        let error = failure(&outcome);
        (outcome, error)
    })?;
    let link = match fetch.kind {
        Kind::Keys => None,
        Kind::Console => Some(sign_in(ctx, intended, &session).await?),
    };
    Ok(Given {
        fetch: *fetch,
        expires_at: session::expiration(session.issued.expires_at, grant.deadline),
        session,
        link,
        cloud,
    })
}

/// A link for a session that was assumed. Without it the session is nobody's.
async fn sign_in(
    ctx: &Ctx,
    intended: &Intended,
    session: &Session,
) -> Result<SecretString, (Outcome, StsError)> {
    // There is a session, so that there is a role; of none nobody would know the partition.
    let role_arn = intended.terms.role_arn.as_deref().unwrap_or_default();
    let issuer = ctx.app.public_url();
    let link = ctx.app.clouds().console_link(role_arn, session, issuer);
    link.await.map_err(|error| {
        let told = match error {
            AwsError::Denied => StsError::SignInRefused,
            _ => StsError::Silent,
        };
        let code = Error::from(told).told_code();
        (Outcome::Discarded(session.issued.clone(), code), told)
    })
}

/// Asks STS. A process that was stopped since its intent asks no more.
async fn assume(ctx: &Ctx, intended: &Intended) -> Result<(Aws, Session), Outcome> {
    let Intended {
        fetch,
        grant,
        terms,
        manager,
        begun,
    } = intended;
    let policy = session::policy(&terms.scope, grant.deadline);
    let policy = policy.map_err(|_| Outcome::Failed("malformed"))?;
    // Only a grant that opens a role gets this far.
    let role_arn = terms.role_arn.as_deref();
    let role_arn = role_arn.ok_or(Outcome::Failed("malformed"))?;
    let person = grant.person.to_string();
    let wish = Wish {
        role_arn,
        session_name: &grant.grant_name,
        source_identity: &person,
        policy: &policy,
        policy_arns: terms.scope.policy_arns(),
        grant_tag: terms.session_tags.then_some(&grant.grant_name),
        // AWS makes no link for a session whose duration was asked for by whoever is a session
        // itself (IAM User Guide, as in `aws/federation.rs`).
        duration: match fetch.kind {
            Kind::Keys => Some(session::duration(grant.deadline, fetch.at)),
            Kind::Console => None,
        },
    };
    let clouds = ctx.app.clouds();
    let cloud = clouds.of(&terms.account, manager.as_ref(), fetch.at).await;
    let cloud = cloud.map_err(|error| Outcome::Failed(error.code()))?;
    // Looked at last: the session that we assume it from may have taken a while.
    if begun.elapsed() > MOST_TO_BEGIN.to_std().unwrap_or_default() {
        return Err(Outcome::Failed("too_late"));
    }
    let answer = cloud.assume(&wish).await;
    let session = answer.map_err(|error| match error {
        AwsError::Unclear => Outcome::Unanswered(error.code()),
        other => Outcome::Failed(other.code()),
    })?;
    Ok((cloud, session))
}

/// Puts AWS's answer on record, and hands out what it gave if the grant is still open.
async fn settle(
    ctx: &Ctx,
    intended: Intended,
    answer: Result<Given, (Outcome, StsError)>,
) -> Result<Given, Error> {
    let Intended {
        fetch,
        grant,
        begun,
        ..
    } = intended;
    let id = grant.id;
    ctx.outcome(Verb::Fetch, id, async |tx: &mut Tx| {
        let (outcome, done) = match answer {
            Err((outcome, error)) => (outcome, Err(error.into())),
            Ok(given) => match still_open(ctx, tx, &grant, &given, begun).await {
                Ok(()) => (Outcome::Issued(given.session.issued.clone()), Ok(given)),
                Err(error) if error.is_refusal() => (
                    Outcome::Discarded(given.session.issued, error.told_code()),
                    Err(error),
                ),
                Err(error) => return Err(error),
            },
        };
        let event = told(tx, &grant, &fetch, &outcome);
        db::fetches::settle(tx.conn(), &fetch, &outcome, &event).await?;
        // What was refused is on record as what became of the fetch: it commits.
        Ok(done)
    })
    .await?
}

/// As [`open`]; and that the session is one of the role whose guard lists the grant. A role that
/// was deleted and made anew while nobody looked has no guard (docs/guard.md, C8).
async fn still_open(
    ctx: &Ctx,
    tx: &mut Tx,
    asked: &Grant,
    given: &Given,
    begun: Instant,
) -> Result<(), Error> {
    let session = &given.session;
    let (grant, _) = open(ctx, tx, asked.id, given.fetch.kind).await?;
    // The clocks may have come apart since the last look; and at a role that nothing guards nobody
    // looks. A clock of tests stands still; no answer of AWS agrees with it.
    let is_real = matches!(ctx.app.clock(), Clock::Database);
    if is_real && given.cloud.has_another_time(tx.now(), begun) {
        return Err(StateError::ClocksDiffer.into());
    }
    if session.role_id.is_none() || session.role_id != grant.role_id {
        if !grant.early_end.cuts() {
            // What was approved is there no more, and nobody would find it at a look.
            return Err(RoleError::NotFound.into());
        }
        tx.make_due(grant.target, tx.now()).await?;
        return Err(StateError::Unguarded.into());
    }
    Ok(())
}

/// Why STS gave no session.
fn failure(outcome: &Outcome) -> StsError {
    let is_silent = match outcome.code() {
        Some("unclear" | "unreachable" | "throttled" | "too_late") => true,
        Some(_) | None => false,
    };
    if is_silent {
        StsError::Silent
    } else {
        StsError::Refused
    }
}

/// The event of what became of a fetch.
fn told(tx: &Tx, grant: &Grant, fetch: &Fetch, outcome: &Outcome) -> Event {
    let (request, kind, fetch) = (grant.request, fetch.kind, fetch.id);
    match outcome {
        Outcome::Issued(issued) => {
            let action = Action::CredentialsIssued {
                request,
                fetch,
                kind,
                access_key_id: issued.access_key_id.clone(),
                expires_at: issued.expires_at,
                packed_percent: issued.packed_percent,
            };
            tx.by.did(grant.id, action)
        }
        Outcome::Discarded(issued, code) => {
            let action = Action::CredentialsDiscarded {
                request,
                fetch,
                access_key_id: issued.access_key_id.clone(),
                expires_at: issued.expires_at,
            };
            tx.by.failed(grant.id, action, code)
        }
        Outcome::Failed(code) | Outcome::Unanswered(code) => {
            let action = Action::CredentialsFailed { request, fetch };
            tx.by.failed(grant.id, action, code)
        }
    }
}
