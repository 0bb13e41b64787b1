//! Machines: programs that ask on behalf of people. For admins, and for whoever answers for one.

use askama::Template;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::assets;
use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::{self, Icon};
use super::token_form::{self, Fields, TokenForm};
use super::visit::{Named, Sent, Visit};
use crate::app::machines::{self, Listed, Wanted, Workload};
use crate::app::tokens;
use crate::domain::scope::{Scope, Scopes};
use crate::error::{CallerError, Error, FieldError};
use crate::ids::MachineId;

/// Where they are listed.
const PLACE: &str = "/admin/machines";

/// What the form for a new machine sends.
#[derive(Debug, Clone, Default)]
pub struct MachineForm {
    /// What people call it.
    pub name: String,
    /// TypeID or e-mail address of who answers for it.
    pub owner: String,
    /// The words of its scopes.
    pub scopes: Vec<String>,
    /// Names of entitlements, with blanks, commas or lines between them.
    pub entitlements: String,
    /// Who signs its workload identity; empty for none.
    pub issuer: String,
    /// For whom; empty for `server.public_url`.
    pub audience: String,
    /// Lines of `name = text`, or a JSON object.
    pub claims: String,
}

impl MachineForm {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut form = Self::default();
        for (field, text) in fields {
            match field.as_str() {
                "name" => form.name = text,
                "owner" => form.owner = text,
                "scopes" => form.scopes.push(text),
                "entitlements" if form.entitlements.is_empty() => form.entitlements = text,
                "entitlements" => form.entitlements = format!("{}\n{text}", form.entitlements),
                "issuer" => form.issuer = text,
                "audience" => form.audience = text,
                "claims" => form.claims = text,
                _ => return Err(token_form::unknown_field()),
            }
        }
        Ok(form)
    }

    fn wanted(&self) -> Wanted {
        let mut unread = Vec::new();
        let names = self
            .entitlements
            .split(|c: char| c.is_whitespace() || c == ',');
        let names = names.filter(|name| !name.is_empty());
        Wanted {
            name: self.name.trim().to_owned(),
            owner: self.owner.clone(),
            scopes: token_form::scopes(&self.scopes, &mut unread),
            entitlements: names.map(str::to_owned).collect(),
            workload: self.workload(&mut unread),
            unread,
        }
    }

    fn workload(&self, unread: &mut Vec<FieldError>) -> Option<Workload> {
        let [issuer, audience, claims] =
            [&self.issuer, &self.audience, &self.claims].map(|it| it.trim());
        if issuer.is_empty() {
            if !audience.is_empty() || !claims.is_empty() {
                let told = "is missing: audience and claims are of what it signs";
                unread.push(FieldError::invalid("issuer", told));
            }
            return None;
        }
        let claims = read_claims(claims).unwrap_or_else(|| {
            let told = "must be lines of `name = text`, or a JSON object of texts";
            unread.push(FieldError::invalid("claims", told));
            Vec::new()
        });
        Some(Workload {
            issuer: issuer.to_owned(),
            audience: Some(audience.to_owned()).filter(|it| !it.is_empty()),
            claims,
        })
    }

    fn has(&self, scope: &Scope) -> bool {
        // Both at first: a machine that asks wants to see what came of it.
        self.scopes.is_empty() || self.scopes.iter().any(|word| word == scope.as_str())
    }
}

/// Claims by name, each once.
fn read_claims(text: &str) -> Option<Vec<(String, String)>> {
    if text.starts_with('{') {
        let read = serde_json::from_str::<std::collections::BTreeMap<String, String>>(text);
        return read.ok().map(|it| it.into_iter().collect());
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let pairs = lines.map(|line| {
        let (name, text) = line.split_once('=')?;
        Some((name.trim().to_owned(), text.trim().to_owned()))
    });
    let pairs: Vec<_> = pairs.collect::<Option<_>>()?;
    let names: std::collections::BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
    (names.len() == pairs.len()).then_some(pairs)
}

/// `GET /admin/machines`
#[derive(Template)]
#[template(path = "pages/machines.html")]
pub struct Machines {
    /// Around it.
    pub frame: Frame,
    /// They, by name.
    pub machines: Vec<Listed>,
    /// Whether the caller may make one.
    pub may_create: bool,
    /// What was typed.
    pub form: MachineForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// What browsers call us: the audience, where no other is named.
    pub public_url: String,
}

impl Machines {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    fn offered(&self) -> impl Iterator<Item = Scope> {
        Scopes::OF_MACHINES.iter()
    }

    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    fn link(&self, it: &Listed) -> String {
        place(it.machine.id)
    }
}

/// What was typed on the page of a machine.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// For a new token.
    pub token: TokenForm,
    /// TypeID or e-mail address of another owner.
    pub owner: String,
}

/// What the form for another owner sends.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerForm {
    owner: String,
}

/// `GET /admin/machines/{id}/tokens`
#[derive(Template)]
#[template(path = "pages/machine.html")]
pub struct Machine {
    /// Around it.
    pub frame: Frame,
    /// The machine.
    pub it: Listed,
    /// Its tokens, the latest first.
    pub tokens: Vec<tokens::Listed>,
    /// What was typed for a new one.
    pub form: TokenForm,
    /// Whether the caller may give it to another owner.
    pub may_give: bool,
    /// Who was typed as that.
    pub owner: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// What browsers call us.
    pub public_url: String,
}

impl Machine {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    fn offered(&self) -> impl Iterator<Item = Scope> {
        self.it.machine.scopes.iter()
    }

    fn action(&self) -> String {
        place(self.it.machine.id)
    }

    fn is_over(&self) -> bool {
        self.it.ended_at.is_some()
    }
}

/// The page of a machine.
#[must_use]
pub fn place(id: MachineId) -> String {
    format!("{PLACE}/{id}/tokens")
}

/// `GET /admin/machines`
///
/// # Errors
/// 403 for whoever is no admin and answers for none.
pub async fn page(visit: Visit) -> Result<Response, Failed> {
    list(&visit, MachineForm::default(), vec![], StatusCode::OK).await
}

async fn list(
    visit: &Visit,
    form: MachineForm,
    errors: Vec<FieldError>,
    status: StatusCode,
) -> Result<Response, Failed> {
    let machines = machines::list(&visit.ctx).await?;
    let may_create = machines::may_create(&visit.ctx);
    if machines.is_empty() && !may_create {
        return Err(CallerError::Forbidden.into());
    }
    let page = Machines {
        frame: visit.frame(Here::Elsewhere).await?,
        machines,
        may_create,
        form,
        errors,
        public_url: visit.portal.settings.public_url.clone(),
    };
    Ok(answer(status, &page))
}

/// `POST /admin/machines`
pub async fn create(
    visit: Visit,
    headers: HeaderMap,
    Sent(fields): Sent<Fields>,
) -> Result<Response, Failed> {
    let form = MachineForm::read(fields)?;
    let session = token_form::session(&visit, &headers)?;
    match machines::create(&visit.ctx, session, form.wanted()).await {
        Ok(id) => Ok(Redirect::to(&place(id)).into_response()),
        Err(error) if page::mends(&error) => {
            let (status, errors) = (failed::status(&error), page::errors(&error));
            list(&visit, form, errors, status).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/machines/{id}/tokens`
///
/// # Errors
/// 404 where the caller does not look after it.
pub async fn one(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let typed = Typed::default();
    show_one(&visit, id.parse()?, typed, vec![], StatusCode::OK).await
}

async fn show_one(
    visit: &Visit,
    id: MachineId,
    typed: Typed,
    errors: Vec<FieldError>,
    status: StatusCode,
) -> Result<Response, Failed> {
    let (it, tokens) = machines::one(&visit.ctx, id).await?;
    let page = Machine {
        frame: visit.frame(Here::Elsewhere).await?,
        it,
        tokens,
        form: typed.token,
        may_give: machines::may_create(&visit.ctx),
        owner: typed.owner,
        errors,
        public_url: visit.portal.settings.public_url.clone(),
    };
    Ok(answer(status, &page))
}

/// `POST /admin/machines/{id}/tokens`: a page with the token.
pub async fn make_token(
    visit: Visit,
    headers: HeaderMap,
    Named(id): Named,
    Sent(fields): Sent<Fields>,
) -> Result<Response, Failed> {
    let id = id.parse::<MachineId>()?;
    let form = TokenForm::read(fields)?;
    let session = token_form::session(&visit, &headers)?;
    let wanted = form.wanted();
    match tokens::make(&visit.ctx, session, Some(id), wanted.clone()).await {
        Ok((_, token)) => token_form::made(&visit, &wanted, token, place(id)).await,
        Err(error) => {
            let typed = Typed {
                token: form,
                ..Typed::default()
            };
            again(&visit, id, typed, error).await
        }
    }
}

/// `POST /admin/machines/{id}/owner`
pub async fn give(
    visit: Visit,
    headers: HeaderMap,
    Named(id): Named,
    Sent(OwnerForm { owner }): Sent<OwnerForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<MachineId>()?;
    let session = token_form::session(&visit, &headers)?;
    match machines::give(&visit.ctx, session, id, &owner).await {
        Ok(()) => Ok(Redirect::to(&place(id)).into_response()),
        Err(error) => {
            let typed = Typed {
                owner,
                ..Typed::default()
            };
            again(&visit, id, typed, error).await
        }
    }
}

/// `GET` of what only takes a form.
pub async fn back(_: Visit, Named(id): Named) -> Result<Redirect, Failed> {
    Ok(Redirect::to(&place(id.parse()?)))
}

/// `POST /admin/machines/{id}/end`
pub async fn end(visit: Visit, headers: HeaderMap, Named(id): Named) -> Result<Response, Failed> {
    let id = id.parse::<MachineId>()?;
    let session = token_form::session(&visit, &headers)?;
    match machines::end(&visit.ctx, session, id).await {
        Ok(()) => Ok(Redirect::to(&place(id)).into_response()),
        Err(error) => again(&visit, id, Typed::default(), error).await,
    }
}

/// The machine's page as it is now, with what was typed and why it was not done.
async fn again(
    visit: &Visit,
    id: MachineId,
    typed: Typed,
    error: Error,
) -> Result<Response, Failed> {
    if !page::mends(&error) {
        return Err(error.into());
    }
    let (status, errors) = (failed::status(&error), page::errors(&error));
    show_one(visit, id, typed, errors, status).await
}
