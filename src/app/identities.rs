//! One's own AWS identities: a list of them; a link, by a call that is signed with their keys; what
//! the provider's claims make; and their ends.

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::{App, Ctx};
use super::secrets::{hash, secret};
use crate::aws::{self, Aws, AwsError, NotTold, Sts};
use crate::db;
use crate::db::identities::{Claimed, Unlinked};
use crate::db::tx::Tx;
use crate::domain::arn::{Arn, Kind};
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::identity::{AwsIdentity, Signer, Source};
use crate::domain::signed_call::{Sendable, SignedCall, Unfit};
use crate::error::{CallerError, Error, IdentityError, NobodysOwn};
use crate::ids::{PersonId, PrincipalId};

pub use crate::db::identities::ListedIdentity;

/// How long a challenge can be brought back.
pub const PATIENCE: TimeDelta = TimeDelta::minutes(5);

/// The caller's AWS identities, by ARN.
///
/// # Errors
/// When the database does not answer.
pub async fn own(ctx: &Ctx) -> Result<Vec<ListedIdentity>, Error> {
    let person = ctx.person.id;
    ctx.app
        .read(async |conn| Ok(db::identities::of_person(conn, person).await?))
        .await
}

/// A challenge for the caller to sign, which is stored as a hash alone.
///
/// # Errors
/// When the database does not answer or takes no writes.
pub async fn challenge(ctx: &Ctx) -> Result<String, Error> {
    let (nonce, person) = (secret(), ctx.person.id);
    let hash = hash(&nonce);
    ctx.quietly(async |tx: &mut Tx| {
        let now = tx.now();
        let kept = db::identities::challenge(tx.conn(), &hash, person, now, now + PATIENCE);
        Ok(kept.await?)
    })
    .await?;
    Ok(nonce)
}

/// Makes the identity the caller's whose keys have signed the call that `text` hands over.
///
/// # Errors
/// When it is no such call, or not for a challenge of theirs; when AWS does not take it; and when
/// what it is signed with is nobody's own, or somebody else's.
pub async fn link(ctx: &Ctx, text: &str) -> Result<(), Error> {
    let person = ctx.person.id;
    let shown = match show(ctx, text).await {
        Err(error) if error.is_refusal() => {
            return Err(ctx.refused(Verb::Link, person, error).await);
        }
        other => other?,
    };
    let linked = ctx.verb(Verb::Link, person, async |tx: &mut Tx| {
        let Shown {
            nonce_hash,
            identity,
            unique_id,
        } = &shown;
        let now = tx.now();
        let claimed =
            db::identities::link(tx.conn(), person, nonce_hash, identity, unique_id, now).await?;
        record(tx, (person, Source::Linked), identity, claimed, true).await
    });
    // What is taken is on record already, with whose it is.
    linked.await?.map_err(Error::from)
}

/// Puts on record what became of a claim. A refusal that is to be told with whose it is goes on
/// record here, and is given back: what else there is to be stored with it stays.
async fn record(
    tx: &mut Tx,
    (person, source): (PersonId, Source),
    identity: &AwsIdentity,
    claimed: Claimed,
    tells_kept: bool,
) -> Result<Result<(), IdentityError>, Error> {
    let (arn, session) = (identity.arn.clone(), identity.session.clone());
    let event = match claimed {
        Claimed::New { id, left_by } => {
            // It changes hands where everybody can read it.
            if let Some(former) = left_by {
                let event = tx.by.did(former, Action::IdentityEnded { arn });
                db::audit::append(tx.conn(), &event).await?;
            }
            tx.by.did(person, linked(id, identity, source))
        }
        Claimed::Kept(id) if tells_kept => tx.by.did(person, linked(id, identity, source)),
        Claimed::Kept(_) => return Ok(Ok(())),
        Claimed::Taken(owner) => {
            let action = Action::IdentityRefused {
                arn,
                session,
                source,
                owner,
            };
            let error = IdentityError::Taken;
            let event = tx.by.barred(person, action, error.about().code);
            db::audit::append(tx.conn(), &event).await?;
            return Ok(Err(error));
        }
        Claimed::NoAccount => return nobodys(NobodysOwn::Account(identity.account.clone())),
        Claimed::Opened => return nobodys(NobodysOwn::Opened),
        Claimed::Ours => return nobodys(NobodysOwn::Ours),
        Claimed::OtherSession => return nobodys(NobodysOwn::OtherSession),
    };
    Ok(Ok(db::audit::append(tx.conn(), &event).await?))
}

fn linked(id: PrincipalId, of: &AwsIdentity, source: Source) -> Action {
    Action::IdentityLinked {
        identity: id,
        arn: of.arn.clone(),
        session: of.session.clone(),
        source,
    }
}

/// Nothing was stored: the verb ends, and what is refused goes on record by itself.
fn nobodys<T>(what: NobodysOwn) -> Result<T, Error> {
    Err(IdentityError::NobodysOwn(what).into())
}

/// An identity whose keys have signed.
struct Shown {
    nonce_hash: [u8; 32],
    identity: AwsIdentity,
    unique_id: String,
}

/// Has AWS say who has signed, and looks at the role where it is one.
async fn show(ctx: &Ctx, text: &str) -> Result<Shown, Error> {
    let (sts, call) = sendable(ctx, text).map_err(IdentityError::from)?;
    let (nonce_hash, person) = (hash(call.challenge()), ctx.person.id);
    // Used up before anything is sent: whatever comes of it, it works once. What was signed for
    // somebody else's is not sent at all.
    let now = ctx.quietly(async |tx: &mut Tx| {
        let now = tx.now();
        if db::identities::bring_back(tx.conn(), &nonce_hash, person, now).await? {
            return Ok(now);
        }
        Err(IdentityError::Challenge.into())
    });
    let now = now.await?;
    let signer = ctx.app.clouds().who_signed(&sts, &call).await;
    let signer = signer.map_err(|error| match error {
        NotTold::Refused(code) => IdentityError::NotSigned(code),
        NotTold::Silent => IdentityError::Silent,
    })?;
    let identity = identity(ctx, &signer, now).await?;
    Ok(Shown {
        nonce_hash,
        identity,
        unique_id: signer.unique_id().to_owned(),
    })
}

/// A call that may be sent, and where to.
fn sendable(ctx: &Ctx, text: &str) -> Result<(Sts, Sendable), Unfit> {
    let call = SignedCall::read(text)?;
    let sts = ctx.app.clouds().sts(&call.region).ok_or_else(|| {
        let plain: String = call.region.escape_debug().take(64).collect();
        Unfit::Region(plain)
    })?;
    let sendable = call.for_host(&sts.host)?;
    Ok((sts, sendable))
}

/// The person's own identity that AWS names; of a session with its role's path, which AWS leaves
/// out.
async fn identity(ctx: &Ctx, signer: &Signer, now: DateTime<Utc>) -> Result<AwsIdentity, Error> {
    let other = || IdentityError::NobodysOwn(NobodysOwn::Other);
    let read = Arn::read(&signer.arn).ok_or_else(other)?;
    if let Some((_, session)) = signer.session()
        && session.starts_with("grant_")
    {
        return nobodys(NobodysOwn::Grant);
    }
    if !matches!(read.kind, Kind::User | Kind::Session) {
        return nobodys(NobodysOwn::Other);
    }
    let account = read.account;
    let manager = ctx.app.read(async |conn| {
        let managers = db::accounts::managers(conn, &[account.to_owned()]).await?;
        Ok(managers.into_iter().next())
    });
    let Some((_, manager)) = manager.await? else {
        return nobodys(NobodysOwn::Account(account.to_owned()));
    };
    let clouds = ctx.app.clouds();
    let aws = clouds.of(account, manager.as_ref(), now).await;
    let aws = aws.map_err(silent)?;
    let is_ours = aws.is_ours(&signer.arn, signer.unique_id()).await;
    if is_ours.map_err(silent)? {
        return nobodys(NobodysOwn::Ours);
    }
    match signer.session() {
        Some((role, session)) => of_role(&aws, role.name, session, signer.unique_id()).await,
        None => AwsIdentity::user(&signer.arn).ok_or_else(|| other().into()),
    }
}

/// The sessions of a role, where somebody vouches for their names.
async fn of_role(
    aws: &Aws,
    role_name: &str,
    session: &str,
    role_id: &str,
) -> Result<AwsIdentity, Error> {
    let role = match aws::role_of_session(aws, role_name).await {
        Err(AwsError::Denied) => return nobodys(NobodysOwn::Unseen(role_name.to_owned())),
        other => other.map_err(silent)?,
    };
    // By its id, which no other role ever has: neither one of that name in an account that we have
    // mistaken for this one, nor one that was made anew.
    let Some(role) = role.filter(|role| role.id == role_id) else {
        return nobodys(NobodysOwn::Gone);
    };
    if let Some(unvouched) = role.unvouched {
        return nobodys(NobodysOwn::Unvouched(unvouched.to_string()));
    }
    let identity = AwsIdentity::session(&role.arn, session);
    identity.ok_or_else(|| IdentityError::NobodysOwn(NobodysOwn::Other).into())
}

/// Nobody can tell: what AWS says goes to the log, where the call that failed has its line.
fn silent(_: AwsError) -> Error {
    IdentityError::Silent.into()
}

/// Takes over what the claims of somebody who signs in make, in the sign-in's own transaction; what
/// they made before ends, also where there is no template any more. One that is somebody else's is
/// on record, and given back as what keeps them out.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn take_over(
    tx: &mut Tx,
    person: PersonId,
    identity: Option<&AwsIdentity>,
) -> Result<Result<(), IdentityError>, Error> {
    let now = tx.now();
    let (claimed, ended) = db::identities::template(tx.conn(), person, identity, now).await?;
    let ended = ended
        .into_iter()
        .map(|arn| tx.by.did(person, Action::IdentityEnded { arn }));
    let ended: Vec<_> = ended.collect();
    db::audit::append_all(tx.conn(), &ended).await?;
    let Some((identity, claimed)) = identity.zip(claimed) else {
        return Ok(Ok(()));
    };
    match record(tx, (person, Source::Template), identity, claimed, false).await {
        // It makes no identity, and keeps nobody out.
        Err(Error::Identity(IdentityError::NobodysOwn(what))) => {
            tracing::warn!(
                person.id = %person,
                aws.identity = %identity.who(),
                why = ?what,
                "a claim makes an AWS identity that is nobody's own"
            );
            Ok(Ok(()))
        }
        other => other,
    }
}

/// Gives up an identity that the caller has linked.
///
/// # Errors
/// `NotFound` where they have none of that id; when it is not for them to give up, or something
/// hangs on it.
pub async fn unlink(ctx: &Ctx, id: PrincipalId) -> Result<(), Error> {
    let person = ctx.person.id;
    ctx.verb(Verb::Unlink, person, async |tx: &mut Tx| {
        // Whoever asks at the same moment has either stored the request, or finds the identity
        // ended.
        db::asks::lock(tx.conn(), ctx.person.human()).await?;
        let now = tx.now();
        let arn = match db::identities::unlink(tx.conn(), person, id, now).await? {
            Unlinked::Ended(arn) => arn,
            Unlinked::None => return Err(CallerError::NotFound.into()),
            Unlinked::NotLinked => return Err(IdentityError::NotLinked.into()),
            Unlinked::InUse => return Err(IdentityError::InUse.into()),
        };
        let event = tx.by.did(person, Action::IdentityEnded { arn });
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await
}

/// Ends an identity, or a claim to one, whosever it is: on the server's command line, where two
/// people are said to have it. Gives its ARN.
///
/// # Errors
/// `NotFound` where there is none of that id, or it has ended.
pub async fn end(app: &App, machine: &str, id: PrincipalId) -> Result<String, Error> {
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let now = tx.now();
        let ended = db::identities::end(tx.conn(), id, now).await?;
        let (person, arn) = ended.ok_or(CallerError::NotFound)?;
        let action = Action::IdentityEnded { arn: arn.clone() };
        let event = tx.by.did(person, action);
        db::audit::append(tx.conn(), &event).await?;
        Ok(arn)
    })
    .await
}
