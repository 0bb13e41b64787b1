//! What AWS tells of a role, and of the user or role that is to carry a policy, before anything is
//! stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use super::carried::{Carried, carries};
use super::check::{Checked, Seen, switchable, usable};
use super::home::{Home, at_home};
use crate::app::ctx::Ctx;
use crate::aws::{self, Already, AwsError, Check, Purpose};
use crate::db;
use crate::domain::account::ManagerRole;
use crate::domain::entitlement::{Scope, Terms};
use crate::domain::outlive::Outlives;
use crate::domain::person::Principal;
use crate::error::{Error, RoleError};
use crate::policy::ObservedUser;
use crate::policy::capacity::Booking;
use crate::policy::inline::Asks;
use crate::policy::outlive::{self, Policy};

/// How long AWS has to say what it knows.
const LOOK: Duration = Duration::from_secs(2);
/// How long it has to show a role's policies, each of which is a call or two.
const READ: Duration = Duration::from_millis(1_800);

/// As whom Countersign works in the role's account, and what time it is.
pub(in crate::app) type AsWhom = (Option<ManagerRole>, DateTime<Utc>);

/// What there is already where one more grant is to be written.
pub(super) enum Others {
    /// In the role's trust policy; and the account of a user who comes from another one.
    Seated(Vec<db::grants::Seated>, Option<Home>),
    /// On the person's user or role.
    Carried(Carried),
}

/// What the person's user or role carries at that time, and would carry.
pub(super) async fn carried(
    conn: &mut PgConnection,
    checked: &Checked,
    principal: &Principal,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Carried> {
    let manager = db::accounts::manager(conn, &principal.account).await?;
    let (installation, grants) = db::work::carried(conn, &principal.arn).await?;
    let booked = grants.iter().filter_map(|(grant, part)| {
        if grant.state.is_over() {
            return grant.marks.sent_until.map(Booking::ended);
        }
        Booking::of(part.allows.as_ref()?, grant)
    });
    let terms = &checked.entitlement.terms;
    let who = principal.who();
    let console = terms.console_name(Some(who));
    // Unique ids of roles have 21 characters (IAM User Guide, *IAM identifiers*).
    let userid = who.session.map(|_| who.userid(&"A".repeat(21)));
    let asks = Asks {
        mfa: terms.demands.mfa,
        userid: userid.as_deref(),
        until,
    };
    let wanted = |allows| Booking::wanted(&allows, console.as_deref(), from, asks);
    Ok(Carried {
        principal: principal.clone(),
        manager,
        installation,
        others: booked.collect(),
        wanted: terms.allows().and_then(wanted),
    })
}

/// What AWS tells, also of what could outlive the deadline; and how many characters the role's
/// inline policies have beside the guard, as far as they could be read.
pub(super) async fn look(
    ctx: &Ctx,
    checked: &Checked,
    others: &Others,
    as_whom: &AsWhom,
) -> Result<(Seen, Option<usize>), Error> {
    // Side by side, so that nobody waits for the longer of them, which also reads the same role.
    let seen = see(ctx, checked, others, as_whom).boxed();
    let outlives = outlives(ctx, &checked.entitlement.terms, as_whom).boxed();
    let (seen, outlives) = tokio::try_join!(seen, outlives.map(Ok))?;
    let (mut outlives, foreign) = outlives.unzip();
    if !seen.hangs_on.is_empty() {
        let own = Outlives::own_policies(seen.hangs_on.clone()).made_plain();
        outlives.get_or_insert_default().insert(0, own);
    }
    Ok((Seen { outlives, ..seen }, foreign.flatten()))
}

/// What lets access outlive the deadline, as far as the policies of the role can be read: nobody is
/// kept from asking; and the size of its inline policies. Nothing where no role is opened.
pub(in crate::app) async fn outlives(
    ctx: &Ctx,
    terms: &Terms,
    (manager, now): &AsWhom,
) -> Option<(Vec<Outlives>, Option<usize>)> {
    let role_arn = terms.role_arn.as_deref()?;
    let until = Instant::now() + READ;
    let scope = terms.scope.policy_arns();
    let reading = async {
        let cloud = ctx.app.clouds().of(&terms.account, manager.as_ref(), *now);
        let cloud = cloud.await?;
        Ok::<_, AwsError>(Box::pin(aws::permissions(&cloud, role_arn, scope, until)).await)
    };
    let mut known = match timeout_at(until, reading).await {
        Ok(Ok(known)) => (*known).clone(),
        Ok(Err(error)) => aws::unread(error.code()),
        Err(_) => aws::unread("late"),
    };
    if let Scope::ScopeDown(text) = &terms.scope {
        known.scope.push(Policy {
            name: "the entitlement's policy".to_owned(),
            text: Ok(text.clone()),
        });
    }
    let found = if terms.early_end.cuts() {
        outlive::of_role(role_arn, &known)
    } else {
        outlive::of_unguarded(role_arn, &known)
    };
    Some((found, known.inline_size))
}

/// What AWS tells; nothing where it is silent, or does not let us into the account.
async fn see(
    ctx: &Ctx,
    checked: &Checked,
    others: &Others,
    as_whom: &AsWhom,
) -> Result<Seen, Error> {
    let terms = &checked.entitlement.terms;
    // On the heap: the SDK's futures are large, and the compiler follows them only so deep.
    let looked = Box::pin(async {
        match (&terms.role_arn, others) {
            (Some(role_arn), Others::Seated(others, None)) => {
                let principal = checked.principal.as_ref();
                let (role, is_guarded) = tokio::try_join!(
                    at_role(ctx, terms, role_arn, principal, as_whom),
                    denies(ctx, terms, role_arn, as_whom),
                )?;
                if is_guarded {
                    return Ok(Err(RoleError::Guarded.into()));
                }
                Ok(usable(role, terms, principal, others))
            }
            (Some(role_arn), Others::Seated(others, Some(home))) => {
                let (role, own) = tokio::join!(
                    at_role(ctx, terms, role_arn, None, as_whom),
                    at_home(ctx, terms, role_arn, home, as_whom),
                );
                let (role, own) = (role?, own?);
                Ok(own.and_then(|principal| {
                    let role = Check { principal, ..role };
                    usable(role, terms, checked.principal.as_ref(), others)
                }))
            }
            (Some(role_arn), Others::Carried(carried)) => {
                at_both(ctx, terms, role_arn, carried, as_whom).await
            }
            (None, Others::Carried(carried)) => at_user(ctx, carried, None, as_whom).await,
            // No entitlement is like that: without a role there is nothing to be seated in.
            (None, Others::Seated(..)) => Ok(Ok(Seen::default())),
        }
    });
    match tokio::time::timeout(LOOK, looked).await {
        Ok(Ok(seen)) => seen,
        // One such answer is enough here, unlike in the worker: asking again is all it costs.
        Ok(Err(AwsError::Gone)) => Err(RoleError::NotFound.into()),
        Ok(Err(error)) => {
            tracing::warn!(
                entitlement = terms.name,
                role.arn = terms.role_arn,
                %error,
                "AWS could not be looked at; it is looked at again when the grant is opened"
            );
            Ok(Seen::default())
        }
        // AWS is silent: the worker looks before it opens, and nobody is kept from asking.
        Err(_) => Ok(Seen::default()),
    }
}

async fn at_role(
    ctx: &Ctx,
    terms: &Terms,
    role_arn: &str,
    principal: Option<&Principal>,
    (manager, now): &AsWhom,
) -> Result<Check, AwsError> {
    let cloud = ctx.app.clouds().of(&terms.account, manager.as_ref(), *now);
    let cloud = cloud.await?;
    let principal = principal.map(|it| it.arn.as_str());
    Box::pin(aws::check(&cloud, role_arn, principal)).await
}

/// Whether a guard on the role, whoever has put it, would deny what is to be handed out without
/// one.
async fn denies(
    ctx: &Ctx,
    terms: &Terms,
    role_arn: &str,
    (manager, now): &AsWhom,
) -> Result<bool, AwsError> {
    if terms.early_end.cuts() {
        return Ok(false);
    }
    let cloud = ctx.app.clouds().of(&terms.account, manager.as_ref(), *now);
    let cloud = cloud.await?;
    Box::pin(aws::is_guarded(&cloud, role_arn)).await
}

/// The role, and in the person's own account their user or role. Each is judged where the other is
/// silent.
async fn at_both(
    ctx: &Ctx,
    terms: &Terms,
    role_arn: &str,
    carried: &Carried,
    as_whom: &AsWhom,
) -> Result<Result<Seen, Error>, AwsError> {
    let (role, user) = tokio::join!(
        at_role(ctx, terms, role_arn, None, as_whom),
        at_user(ctx, carried, Some(role_arn), as_whom),
    );
    if let Ok(role) = &role
        && let Err(refused) = switchable(role, terms, carried.principal.who())
    {
        return Ok(Err(refused));
    }
    let seen = match user? {
        Ok(seen) => seen,
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(Ok(Seen {
        role_id: Some(role?.role_id),
        ..seen
    }))
}

/// The person's own user or role, which is to carry one policy more: for a role, that nothing of
/// theirs lets them into already.
async fn at_user(
    ctx: &Ctx,
    carried: &Carried,
    role_arn: Option<&str>,
    as_whom: &AsWhom,
) -> Result<Result<Seen, Error>, AwsError> {
    let arn = carried.principal.arn.as_str();
    let (user, already) = match look_at_user(ctx, carried, role_arn, as_whom).await {
        Ok(seen) => seen,
        // Nothing could be put on a user, and nothing ever taken away, whom nobody lets us see.
        Err(AwsError::Denied) => return Ok(Err(RoleError::UserClosed(arn.to_owned()).into())),
        Err(error) => return Err(error),
    };
    // Whoever took the name later would be allowed what was approved (docs/guard.md, C8).
    let Some(user) = user else {
        let gone = format!("is not there in AWS: {arn}");
        return Ok(Err(Error::field("principal", gone)));
    };
    let hangs_on = match carries(&user, carried, already) {
        Ok(hangs_on) => hangs_on,
        Err(refused) => return Ok(Err(refused.into())),
    };
    Ok(Ok(Seen {
        principal_id: Some(carried.principal.who().userid(&user.user_id)),
        checked: true,
        hangs_on,
        ..Seen::default()
    }))
}

/// The user or role, and whether their policies let them into the role already.
async fn look_at_user(
    ctx: &Ctx,
    carried: &Carried,
    role_arn: Option<&str>,
    (_, now): &AsWhom,
) -> Result<(Option<ObservedUser>, Already), AwsError> {
    let (clouds, manager) = (ctx.app.clouds(), carried.manager.as_ref());
    let who = carried.principal.who();
    let cloud = clouds.of_arn(who.arn, manager, *now).await?;
    let Some(user) = Box::pin(aws::check_carrier(&cloud, who.arn)).await? else {
        return Ok((None, Already::No));
    };
    if cloud.is_ours(&user.arn, &user.user_id).await? {
        return Err(AwsError::Denied);
    }
    let Some(role_arn) = role_arn else {
        return Ok((Some(user), Already::No));
    };
    let userid = who.userid(&user.user_id);
    let cloud = cloud.used_for(Purpose::Looking);
    let already = Box::pin(aws::assumes_already(&cloud, who, &userid, role_arn, *now)).await;
    match already {
        // Without the right to simulate nobody is kept from asking.
        Err(AwsError::Denied) => Ok((Some(user), Already::No)),
        already => Ok((Some(user), already?)),
    }
}
