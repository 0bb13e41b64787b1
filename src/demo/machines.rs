//! The demo's one machine, which asks on behalf of people.

use std::path::Path;

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;

use crate::app::caller::Credential;
use crate::app::machines::{self, Wanted};
use crate::app::sign_in::{self, Browser};
use crate::app::{App, Ctx, tokens};
use crate::authn;
use crate::cli::Failure;
use crate::domain::audit::Channel;
use crate::domain::scope::Scopes;

/// What people call it.
pub const NAME: &str = "deploys";
/// Who answers for it, and so decides on nothing that it asks for.
const OWNER: &str = "carol@example.com";
/// Who makes it: an admin.
const ADMIN: &str = "dave@example.com";
/// What it may ask for.
const ENTITLEMENTS: [&str; 2] = ["prod-admin", "staging-power"];

/// The token of an earlier start, where that still works, or a new one that lives so long. None
/// while no admin is known to be one: where a provider tells the groups, that is so until one has
/// signed in.
///
/// # Errors
/// When the database does not answer.
pub async fn token(
    app: &App,
    known: Option<String>,
    life: TimeDelta,
) -> Result<Option<String>, Failure> {
    if let Some(known) = known
        && authn::bearer(app, &known).await.is_ok()
    {
        return Ok(Some(known));
    }
    let mut people = sign_in::people(app).await?.into_iter();
    let admin = people.find(|it| it.email == ADMIN && app.roles().is_admin(it));
    let Some(person) = admin else {
        return Ok(None);
    };
    // As in the portal, by a session: machines and their tokens are made by nothing else.
    let session = sign_in::start(app, person.id, Browser::default()).await?;
    let session = session.expose_secret();
    let ctx = Ctx {
        app: app.clone(),
        person,
        channel: Channel::Portal,
        credential: Credential::SESSION,
    };
    let all = machines::list(&ctx).await?.into_iter();
    let mut own = all.filter(|it| it.ended_at.is_none() && it.machine.name == NAME);
    let machine = match own.next() {
        Some(it) => it.machine.id,
        None => machines::create(&ctx, session, wanted()).await?,
    };
    let wanted = tokens::Wanted {
        name: "demo".to_owned(),
        expires_in: life,
        scopes: Scopes::OF_MACHINES,
        unread: Vec::new(),
    };
    let (_, token) = tokens::make(&ctx, session, Some(machine), wanted).await?;
    sign_in::end(app, &ctx.person, session).await?;
    Ok(Some(token.expose_secret().to_owned()))
}

fn wanted() -> Wanted {
    Wanted {
        name: NAME.to_owned(),
        owner: OWNER.to_owned(),
        scopes: Scopes::OF_MACHINES,
        entitlements: ENTITLEMENTS.map(str::to_owned).to_vec(),
        ..Wanted::default()
    }
}

/// The token that a file of an earlier start has, if there is one.
#[must_use]
pub fn known(path: &Path) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    serde_json::from_slice(&text).ok()
}
