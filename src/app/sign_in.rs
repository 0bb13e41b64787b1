//! Signing in to the portal: an attempt goes to the provider and comes back, a session begins, and
//! it is ended by its person, by the provider or by time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::ctx::App;
use super::secrets::{hash, secret};
use super::{disable, identities};
use crate::db;
use crate::db::sessions::NewSession;
use crate::db::sign_in::{NewAttempt, Turn};
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Actor, By, Channel};
use crate::domain::person::Person;
use crate::domain::sign_in::{Attempt, Groups, Identity, Logout};
use crate::error::{CallerError, Error, SignInError};
use crate::ids::{DraftId, PersonId};

/// How long a browser may take to the provider and back.
pub const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// How long it is remembered whom the provider has signed out.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// The most characters that are kept of what a browser calls itself.
const LONGEST_AGENT: usize = 200;

/// What the log and the audit log call this part.
const PART: &str = "sign-in";

/// An attempt that has begun: what goes to the browser, and with it to the provider.
#[derive(Debug)]
pub struct Begun {
    /// For the browser's cookie.
    pub cookie: SecretString,
    /// `state`.
    pub state: String,
    /// `nonce`.
    pub nonce: String,
    /// `code_challenge` (S256).
    pub challenge: String,
    /// When it began, by the database's clock.
    pub at: DateTime<Utc>,
}

/// The browser that signs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Browser<'a> {
    /// The session that it already has.
    pub session: Option<&'a str>,
    /// What it calls itself.
    pub user_agent: &'a str,
    /// What was typed in it before; deleted where it was somebody else who did.
    pub draft: Option<DraftId>,
}

/// Begins an attempt, which comes back to `next` with the `draft` that was typed before.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App, next: &str, draft: Option<DraftId>) -> Result<Begun, Error> {
    let (cookie, state, nonce, verifier) = (secret(), secret(), secret(), secret());
    let begun = app.transaction(system(), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        let attempt = NewAttempt {
            cookie_hash: &hash(&cookie),
            state_hash: &hash(&state),
            nonce: &nonce,
            verifier: &verifier,
            next,
            draft,
            expires_at: now + PATIENCE,
        };
        db::sign_in::begin(tx.conn(), &attempt, now).await?;
        Ok(now)
    });
    Ok(Begun {
        at: begun.await?,
        cookie: cookie.into(),
        challenge: URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier)),
        state,
        nonce,
    })
}

/// Uses up the attempt of the browser with that cookie and that `state`; gives it with the
/// database's time.
///
/// # Errors
/// `Expired` where there is none: another browser's stays as it is.
pub async fn come_back(
    app: &App,
    cookie: &str,
    state: &str,
) -> Result<(Attempt, DateTime<Utc>), Error> {
    app.transaction(system(), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        let taken = db::sign_in::take(tx.conn(), &hash(cookie), &hash(state), now).await?;
        Ok((taken.ok_or(SignInError::Expired)?, now))
    })
    .await
}

/// Whether somebody is in one of the groups that may sign in, which may be all. Who is known to be
/// in none of them is disabled; of whom nothing is known nothing is touched.
///
/// # Errors
/// When the database does not answer.
pub async fn is_allowed(app: &App, identity: &Identity, allowed: &[String]) -> Result<bool, Error> {
    if allowed.is_empty() {
        return Ok(true);
    }
    let groups = match &identity.groups {
        Groups::Known(groups) => Some(groups.clone()),
        Groups::Unknown => None,
        Groups::InCatalog => {
            app.read(async |conn| Ok(db::people::groups_at(conn, identity).await?))
                .await?
        }
    };
    let is_in = |groups: &Vec<String>| groups.iter().any(|it| allowed.contains(it));
    let is_allowed = groups.as_ref().map(is_in);
    if is_allowed == Some(false) {
        disable::not_allowed(app, identity).await?;
    }
    Ok(is_allowed.unwrap_or(false))
}

/// Begins the session of a person whom the provider tells of, and gives its token.
///
/// # Errors
/// `Expired` where the provider has signed the person out meanwhile; `Taken` where their claims
/// make an AWS identity that is another person's, which is on record then.
pub async fn signed_in(
    app: &App,
    attempt: &Attempt,
    identity: &Identity,
    browser: Browser<'_>,
) -> Result<SecretString, Error> {
    let token = app.transaction(system(), Channel::Portal, async |tx: &mut Tx| {
        db::sign_in::turn(tx.conn(), Turn::SigningIn).await?;
        if db::sign_in::is_signed_out(tx.conn(), identity, attempt.began_at).await? {
            return Err(SignInError::Expired.into());
        }
        let now = tx.now();
        let person = db::sign_in::person(tx.conn(), PersonId::new(), identity, now).await?;
        tx.by.actor = Actor::Person {
            id: person,
            name: identity.name.clone(),
        };
        if let Err(taken) = identities::take_over(tx, person, identity.aws.as_ref()).await? {
            return Ok(Err(taken));
        }
        let new = New {
            person: (person, &identity.name),
            identity: Some(identity),
            began_at: attempt.began_at,
        };
        let browser = Browser {
            draft: attempt.draft,
            ..browser
        };
        open(app, tx, new, browser).await.map(Ok)
    });
    let token = token.await??;
    app.limits().worked(&hash(token.expose_secret()));
    Ok(token)
}

/// Begins a session of somebody whom no provider was asked about, and gives its token.
///
/// # Errors
/// `NotFound` where there is no such person.
pub async fn start(
    app: &App,
    person: PersonId,
    browser: Browser<'_>,
) -> Result<SecretString, Error> {
    let person = app
        .read(async |conn| Ok(db::people::get(conn, person).await?))
        .await?
        .ok_or(CallerError::NotFound)?;
    let token = app.transaction(system(), Channel::Portal, async |tx: &mut Tx| {
        // Before the session that it replaces, as whoever disables people does.
        if !db::leavers::acts(tx.conn(), person.id).await? {
            return Err(SignInError::Disabled.into());
        }
        let new = New {
            person: (person.id, &person.name),
            identity: None,
            began_at: tx.now(),
        };
        open(app, tx, new, browser).await
    });
    let token = token.await?;
    // Whoever else comes from the same address with tokens that do not work must not keep this one
    // out.
    app.limits().worked(&hash(token.expose_secret()));
    Ok(token)
}

/// Whose session begins.
struct New<'a> {
    person: (PersonId, &'a str),
    identity: Option<&'a Identity>,
    began_at: DateTime<Utc>,
}

/// Stores a session, whose token is stored as a hash alone. The session that the browser already
/// has ends, whosever it was.
async fn open(
    app: &App,
    tx: &mut Tx,
    new: New<'_>,
    browser: Browser<'_>,
) -> Result<SecretString, Error> {
    let (now, token) = (tx.now(), secret());
    let (id, name) = new.person;
    if let Some(old) = browser.session {
        replace(tx, &hash(old), app.settings().session_idle).await?;
    }
    if let Some(draft) = browser.draft {
        db::drafts::drop_of_others(tx.conn(), draft, id).await?;
    }
    let seen = |c: &char| !c.is_control();
    let user_agent: String = browser
        .user_agent
        .chars()
        .filter(seen)
        .take(LONGEST_AGENT)
        .collect();
    let session = NewSession {
        token_hash: &hash(&token),
        person: id,
        identity: new.identity,
        user_agent: &user_agent,
        began_at: new.began_at,
        expires_at: now + app.settings().session_lifetime,
    };
    db::sessions::start(tx.conn(), &session, now).await?;
    let by = By {
        actor: Actor::Person {
            id,
            name: name.to_owned(),
        },
        ..tx.by.clone()
    };
    let event = by.did(id, Action::SessionStarted {});
    db::audit::append(tx.conn(), &event).await?;
    Ok(token.into())
}

/// Ends a session that works, as its own person: a cookie that is overwritten would leave it behind
/// for whoever has a copy.
async fn replace(tx: &mut Tx, old: &[u8; 32], idle: TimeDelta) -> Result<(), Error> {
    let now = tx.now();
    let Some(known) = db::sessions::of_session(tx.conn(), old, Some(now), idle).await? else {
        return Ok(());
    };
    let person = known.person;
    db::sessions::end(tx.conn(), old, now).await?;
    let by = By {
        actor: actor(&person),
        ..tx.by.clone()
    };
    let event = by.did(person.id, Action::SessionEnded {});
    Ok(db::audit::append(tx.conn(), &event).await?)
}

/// Puts on record that somebody could not sign in; who it was is not known.
///
/// # Errors
/// When the database does not answer.
pub async fn refused(app: &App, error: &SignInError) -> Result<(), Error> {
    let code = error.about().code;
    app.transaction(system(), Channel::Portal, async |tx: &mut Tx| {
        let check = error.check().map(str::to_owned);
        let event = tx.by.failed(PART, Action::SessionRefused { check }, code);
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await
}

/// Ends a session.
///
/// # Errors
/// When the database does not answer.
pub async fn end(app: &App, person: &Person, token: &str) -> Result<(), Error> {
    app.transaction(actor(person), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        // A second click ends nothing, and leaves no second event.
        if db::sessions::end(tx.conn(), &hash(token), now).await? {
            let event = tx.by.did(person.id, Action::SessionEnded {});
            db::audit::append(tx.conn(), &event).await?;
        }
        Ok(())
    })
    .await
}

/// Ends the sessions that the provider says are over, and keeps the word for those that are just
/// being made.
///
/// # Errors
/// When the database does not answer.
pub async fn logged_out(app: &App, logout: &Logout) -> Result<(), Error> {
    app.transaction(system(), Channel::System, async |tx: &mut Tx| {
        db::sign_in::turn(tx.conn(), Turn::SigningOut).await?;
        let now = tx.now();
        // `iat` has whole seconds: until the end of that one, or until now.
        let before = now.min(logout.issued_at + TimeDelta::seconds(1));
        let ended = db::sign_in::sign_out(tx.conn(), logout, before, now).await?;
        let ended = ended
            .into_iter()
            .map(|person| tx.by.did(person, Action::SessionEnded {}));
        let events: Vec<_> = ended.collect();
        Ok(db::audit::append_all(tx.conn(), &events).await?)
    })
    .await
}

/// Forgets attempts, challenges and drafts that are over, and logouts that meet no attempt any
/// more.
///
/// # Errors
/// When the database does not answer.
pub async fn tidy(app: &App) -> Result<(), Error> {
    app.transaction(system(), Channel::System, async |tx: &mut Tx| {
        let now = tx.now();
        db::drafts::tidy(tx.conn(), now).await?;
        db::identities::tidy(tx.conn(), now).await?;
        Ok(db::sign_in::tidy(tx.conn(), now, now - KEPT).await?)
    })
    .await
}

/// Everybody in the catalog, by name: the demo lets one of them be picked.
///
/// # Errors
/// When the database does not answer.
pub async fn people(app: &App) -> Result<Vec<Person>, Error> {
    app.read(async |conn| Ok(db::people::all(conn).await?))
        .await
}

const fn system() -> Actor {
    Actor::System { part: PART }
}

fn actor(person: &Person) -> Actor {
    Actor::Person {
        id: person.id,
        name: person.name.clone(),
    }
}
