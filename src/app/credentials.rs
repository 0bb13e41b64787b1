//! Fetching credentials of a grant: Countersign assumes the role for its person. STS is asked
//! between two short transactions, so that an end never waits for it: what ends in between is found
//! by the second one, and nobody gets the session.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::ctx::Ctx;
use super::load;
use crate::aws::{AwsError, Session, Wish};
use crate::db::cases::Case;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Event};
use crate::domain::change::WrongState;
use crate::domain::entitlement::{Method, Terms};
use crate::domain::fetch::{Fetch, LEAST_LEFT, MOST_TO_BEGIN, Outcome};
use crate::domain::grant::{Grant, GrantState};
use crate::error::{CallerError, Error, RoleError, StateError, StsError};
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

/// A fetch whose intent is on record.
struct Intended {
    fetch: Fetch,
    grant: Grant,
    terms: Terms,
    /// Before the intent was stored.
    begun: Instant,
}

/// Hands out credentials of a grant to its person.
///
/// # Errors
/// When the caller is somebody else, the grant is not open or has less than a minute left, its
/// guard is not known to stand, it is fetched too often, or STS gives none.
pub async fn fetch(ctx: &Ctx, id: GrantId) -> Result<Credentials, Error> {
    let intended = intend(ctx, id).await?;
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
async fn intend(ctx: &Ctx, id: GrantId) -> Result<Intended, Error> {
    for tries in 1.. {
        let begun = Instant::now();
        let done = ctx.verb(Verb::Fetch, id, async |tx: &mut Tx| {
            let (grant, terms) = match open(ctx, tx, id).await {
                // The role is looked at anew; that has to be stored.
                Err(Error::State(StateError::Unguarded)) => return Ok(None),
                other => other?,
            };
            ctx.app.limits().fetch(id)?;
            let fetch = Fetch {
                id: FetchId::new(),
                grant: id,
                at: tx.now(),
            };
            let requested = Action::CredentialsRequested {
                request: grant.request,
                fetch: fetch.id,
            };
            let event = tx.by.did(id, requested);
            let until = fetch.issues_until(ctx.app.settings().unanswered);
            db::fetches::intend(tx.conn(), &fetch, until, &event).await?;
            Ok(Some((fetch, grant, terms)))
        });
        if let Some((fetch, grant, terms)) = done.await? {
            return Ok(Intended {
                fetch,
                grant,
                terms,
                begun,
            });
        }
        if tries == TRIES {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(ctx.refused(Verb::Fetch, id, StateError::Unguarded).await)
}

/// Locks a grant whose credentials the caller may have now. Its role is made due where the guard is
/// not known to stand.
async fn open(ctx: &Ctx, tx: &mut Tx, id: GrantId) -> Result<(Grant, Terms), Error> {
    let grant = db::grants::lock(tx.conn(), id)
        .await?
        .ok_or(CallerError::NotFound)?;
    let Case {
        request,
        caller,
        has_decided,
        ..
    } = load::case(ctx, tx.conn(), grant.request, None).await?;
    let roles = ctx.app.roles();
    let authz::Fetchable(grant) = authz::fetch(roles, &caller, grant, &request, has_decided)?;
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
    let guarding = db::fetches::guarding(tx.conn(), &grant).await?;
    if guarding.condition.needs_a_person() {
        return Err(RoleError::Suspended(guarding.condition).into());
    }
    if !guarding.holds(&grant, now, ctx.app.settings().unanswered) {
        tx.make_due(grant.target, now).await?;
        return Err(StateError::Unguarded.into());
    }
    Ok((grant, request.terms))
}

/// Asks STS, with no transaction open. A process that was stopped since its intent asks no more.
async fn ask(ctx: &Ctx, intended: &Intended) -> Result<Session, Outcome> {
    let Intended {
        fetch,
        grant,
        terms,
        begun,
    } = intended;
    let policy = session::policy(&terms.scope, grant.deadline);
    let policy = policy.map_err(|_| Outcome::Failed("malformed"))?;
    let person = grant.person.to_string();
    let wish = Wish {
        role_arn: &terms.role_arn,
        session_name: &grant.grant_name,
        source_identity: &person,
        policy: &policy,
        policy_arns: terms.scope.policy_arns(),
        duration: session::duration(grant.deadline, fetch.at),
    };
    if begun.elapsed() > MOST_TO_BEGIN.to_std().unwrap_or_default() {
        return Err(Outcome::Failed("too_late"));
    }
    let cloud = ctx.app.clouds().of(&terms.account);
    let answer = cloud.assume(&wish).await;
    answer.map_err(|error| match error {
        AwsError::Unclear => Outcome::Unanswered(error.code()),
        other => Outcome::Failed(other.code()),
    })
}

/// Puts STS's answer on record, and hands the session out if the grant is still open.
async fn settle(
    ctx: &Ctx,
    intended: Intended,
    answer: Result<Session, Outcome>,
) -> Result<Credentials, Error> {
    let Intended { fetch, grant, .. } = intended;
    let id = grant.id;
    ctx.verb(Verb::Fetch, id, async |tx: &mut Tx| {
        let (outcome, done) = match answer {
            Err(outcome) => {
                let error = failure(&outcome);
                (outcome, Err(error))
            }
            Ok(session) => match still_open(ctx, tx, id, &session).await {
                Ok(()) => {
                    let credentials = Credentials {
                        access_key_id: session.issued.access_key_id.clone(),
                        secret: session.secret,
                        token: session.token,
                        expires_at: session::expiration(session.issued.expires_at, grant.deadline),
                    };
                    (Outcome::Issued(session.issued), Ok(credentials))
                }
                Err(error) if error.is_refusal() => (
                    Outcome::Discarded(session.issued, error.told_code()),
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
async fn still_open(ctx: &Ctx, tx: &mut Tx, id: GrantId, session: &Session) -> Result<(), Error> {
    let (grant, _) = open(ctx, tx, id).await?;
    if session.role_id.is_none() || session.role_id != grant.role_id {
        tx.make_due(grant.target, tx.now()).await?;
        return Err(StateError::Unguarded.into());
    }
    Ok(())
}

fn failure(outcome: &Outcome) -> Error {
    let is_silent = match outcome.code() {
        Some("unclear" | "unreachable" | "throttled" | "too_late") => true,
        Some(_) | None => false,
    };
    let error = if is_silent {
        StsError::Silent
    } else {
        StsError::Refused
    };
    error.into()
}

/// The event of what became of a fetch.
fn told(tx: &Tx, grant: &Grant, fetch: &Fetch, outcome: &Outcome) -> Event {
    let (request, fetch) = (grant.request, fetch.id);
    match outcome {
        Outcome::Issued(issued) => {
            let action = Action::CredentialsIssued {
                request,
                fetch,
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
