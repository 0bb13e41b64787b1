//! Trying whether AWS denies the sessions of a grant that has ended. As with credentials AWS is
//! asked between two short transactions; nobody gets the session, and it is kept nowhere.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::Ctx;
use super::load;
use crate::aws::Wish;
use crate::db::cases::Case;
use crate::db::tx::Tx;
use crate::domain::account::ManagerRole;
use crate::domain::audit::Action;
use crate::domain::audit::verb::Verb;
use crate::domain::change::WrongState;
use crate::domain::entitlement::Method;
use crate::domain::fetch::{MOST_TO_BEGIN, begins_until};
use crate::domain::grant::{Grant, GrantState};
use crate::domain::probe::{Outcome, Probe, Probed, Seen};
use crate::error::{Error, Unprobed};
use crate::ids::{GrantId, ProbeId};
use crate::policy::session;
use crate::{authz, db};

/// A try whose intent is on record.
struct Intended {
    probe: Probe,
    grant: Grant,
    role_arn: String,
    account: String,
    /// As whom Countersign works there.
    manager: Option<ManagerRole>,
    /// Before the intent was stored.
    begun: Instant,
}

/// Assumes the role of a grant that has ended under the grant's own name, and tells whether AWS
/// denies that session what it asks for.
///
/// # Errors
/// When the caller is no admin, the grant is not one that is over and whose credentials Countersign
/// handed out, its role's guard need not stand for as long as such a session may last, or it is
/// tried too often. That AWS is silent is an answer.
pub async fn probe(ctx: &Ctx, id: GrantId) -> Result<Probed, Error> {
    let intended = intend(ctx, id).await?;
    let ctx = ctx.clone();
    // By itself from here on: a client that hangs up would leave a try without an outcome.
    let asked = tokio::spawn(async move {
        let outcome = ask(&ctx, &intended).await;
        settle(&ctx, &intended, outcome).await
    });
    let answered = asked.await;
    answered.unwrap_or_else(|broken| Err(Error::Internal(Box::new(broken))))
}

/// Until when a session may last that is asked for now: STS may make it late, and makes none that
/// is shorter. A call without an answer may be carried out for so long as `unanswered`.
pub(super) fn lasts(now: DateTime<Utc>, unanswered: TimeDelta) -> DateTime<Utc> {
    begins_until(now, unanswered) + session::SHORTEST
}

async fn intend(ctx: &Ctx, id: GrantId) -> Result<Intended, Error> {
    let begun = Instant::now();
    ctx.verb(Verb::Probe, id, async |tx: &mut Tx| {
        let (grant, case) = load::granted(ctx, tx, id).await?;
        let Case {
            request,
            caller,
            involved,
            ..
        } = case;
        let roles = ctx.app.roles();
        let authz::Probed(grant) = authz::probe(roles, &caller, grant, &request, involved)?;
        if grant.method != Method::StsCredentials {
            return Err(Unprobed::Method.into());
        }
        if !matches!(grant.state, GrantState::Ended { .. }) {
            let wrong = WrongState {
                verb: "try the end of",
                subject: "grant",
                state: grant.state.as_str(),
            };
            return Err(wrong.into());
        }
        let lasts = lasts(tx.now(), ctx.app.settings().unanswered);
        if !grant.marks.is_guarded_until(lasts) {
            return Err(Unprobed::GuardEnds.into());
        }
        ctx.app.limits().probe(id)?;
        let probe = Probe {
            id: ProbeId::new(),
            grant: id,
            by: caller.id,
            at: tx.now(),
        };
        let requested = Action::ProbeRequested {
            request: grant.request,
            probe: probe.id,
        };
        let event = tx.by.did(id, requested);
        db::probes::intend(tx.conn(), &probe, &event).await?;
        let account = request.terms.account;
        Ok(Intended {
            manager: db::accounts::manager(tx.conn(), &account).await?,
            role_arn: request.terms.role_arn.unwrap_or_default(),
            probe,
            grant,
            account,
            begun,
        })
    })
    .await
}

/// Asks AWS, with no transaction open.
async fn ask(ctx: &Ctx, intended: &Intended) -> Outcome {
    let nothing = |code| Outcome {
        seen: Seen::NotAsked(code),
        access_key_id: None,
    };
    let Intended {
        probe,
        grant,
        role_arn,
        ..
    } = intended;
    let clouds = ctx.app.clouds();
    let (account, manager) = (&intended.account, intended.manager.as_ref());
    let cloud = match clouds.of(account, manager, probe.at).await {
        Ok(cloud) => cloud,
        Err(error) => return nothing(error.code()),
    };
    // A process that was stopped since its intent asks no more.
    if intended.begun.elapsed() > MOST_TO_BEGIN.to_std().unwrap_or_default() {
        return nothing("too_late");
    }
    let wish = Wish {
        role_arn,
        session_name: &grant.grant_name,
        // Whoever reads CloudTrail learns who it was.
        source_identity: &probe.by.to_string(),
        policy: &session::that_reads(role_arn),
        policy_arns: &[],
        // It would only ask for one right more.
        grant_tag: None,
        duration: Some(session::SHORTEST),
    };
    let session = match cloud.assume(&wish).await {
        Ok(session) => session,
        Err(error) => return nothing(error.code()),
    };
    // One that was made anew has no guard, and none of our sessions either.
    let seen = if session.role_id.is_some() && session.role_id == grant.role_id {
        clouds.try_out(&cloud, role_arn, &session).await
    } else {
        Seen::NotAsked("another_role")
    };
    Outcome {
        seen,
        access_key_id: Some(session.issued.access_key_id),
    }
}

/// Puts what was seen on record. A role that does not deny what has ended is looked at.
async fn settle(ctx: &Ctx, intended: &Intended, outcome: Outcome) -> Result<Probed, Error> {
    let Intended { probe, grant, .. } = intended;
    ctx.outcome(Verb::Probe, probe.grant, async |tx: &mut Tx| {
        let told = Action::ProbeAnswered {
            request: grant.request,
            probe: probe.id,
            outcome: outcome.seen.as_str().to_owned(),
            access_key_id: outcome.access_key_id.clone(),
        };
        let event = match outcome.seen.code() {
            None => tx.by.did(probe.grant, told),
            Some(code) => tx.by.failed(probe.grant, told, code),
        };
        db::probes::settle(tx.conn(), probe, &outcome, &event).await?;
        if outcome.seen == Seen::NotDenied {
            tx.make_due(grant.target, tx.now()).await?;
        }
        Ok(Probed {
            outcome: outcome.seen.as_str().to_owned(),
            error: outcome.seen.code().map(str::to_owned),
            at: event.at,
        })
    })
    .await
}
