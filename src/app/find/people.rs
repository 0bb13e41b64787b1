//! People with what they have, for admins.

use super::{Items, Page};
use crate::app::ctx::{App, Ctx};
use crate::authz;
use crate::db;
use crate::db::leavers::{Filter, Listed};
use crate::error::{CallerError, Error};
use crate::ids::PersonId;

/// Which people a list shows.
#[derive(Debug, Clone, Default)]
pub struct PeopleFilter {
    /// Only those in whose name, e-mail address or subject this stands, in whatever case; or the
    /// one whose id it is.
    pub text: String,
}

/// Whether the caller sees people: whether they are an admin.
#[must_use]
pub fn sees_people(ctx: &Ctx) -> bool {
    authz::people(ctx.app.roles(), &ctx.person).is_ok()
}

/// People, by name.
///
/// # Errors
/// `Forbidden` for all but admins.
pub async fn people(
    ctx: &Ctx,
    filter: &PeopleFilter,
    page: Page<PersonId>,
) -> Result<Items<Listed, PersonId>, Error> {
    authz::people(ctx.app.roles(), &ctx.person)?;
    // Postgres takes no NUL in a text.
    let text = filter.text.trim().replace('\0', "");
    let id = text.parse().ok();
    let filter = Filter {
        text: if id.is_some() { String::new() } else { text },
        id,
        after: page.cursor,
    };
    let found = list(&ctx.app, &filter, page.limit + 1).await?;
    Ok(Items::of(found, page.limit, |it| it.id))
}

/// One of them.
///
/// # Errors
/// `Forbidden` for all but admins, `NotFound` where there is nobody of that id.
pub async fn person(ctx: &Ctx, id: PersonId) -> Result<Listed, Error> {
    authz::people(ctx.app.roles(), &ctx.person)?;
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let found = list(&ctx.app, &filter, 1).await?;
    found.into_iter().next().ok_or(CallerError::NotFound.into())
}

/// Everybody, for the server's command line.
///
/// # Errors
/// When the database does not answer.
pub async fn everybody(app: &App) -> Result<Vec<Listed>, Error> {
    list(app, &Filter::default(), i64::MAX).await
}

async fn list(app: &App, filter: &Filter, limit: i64) -> Result<Vec<Listed>, Error> {
    let (idle, given) = (app.settings().session_idle, app.clock());
    app.read_list(async |conn| {
        let now = given.now(conn).await?;
        Ok(db::leavers::list(conn, filter, limit, idle, now).await?)
    })
    .await
}
