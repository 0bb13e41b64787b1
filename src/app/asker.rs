//! What a machine does: it asks on behalf of people, reads what it has asked for, and may take that
//! back or end it. In what it does it stands for the request's person, and is on record itself.

use super::caller::{Caller, Credential};
use super::ctx::{App, Ctx};
use super::find::{self, GrantView, Items, Listed, Page};
use super::submit::subject;
use crate::db;
use crate::db::grants::Whose;
use crate::db::request_lists::View;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Actor, Channel};
use crate::domain::machine::Machine;
use crate::domain::person::Person;
use crate::error::{CallerError, Error, FieldCode, FieldError, InputError, StateError};
use crate::ids::{GrantId, RequestId};

/// A machine that calls.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The application.
    pub app: App,
    /// The machine, with the scopes of what it calls with.
    pub machine: Machine,
}

impl Asker {
    /// Who calls, as calls are counted.
    #[must_use]
    pub const fn caller(&self) -> Caller {
        Caller::Machine(self.machine.id)
    }

    /// Puts a refusal on record and hands it back.
    pub async fn refused(
        &self,
        verb: Verb,
        subject: impl ToString,
        error: impl Into<Error>,
    ) -> Error {
        let actor = Actor::Workload {
            id: self.machine.id,
            name: self.machine.name.clone(),
            on_behalf_of: None,
        };
        let error = error.into();
        self.app
            .refused(actor, Channel::Api, verb, subject, error)
            .await
    }

    /// Stands for the person who is named, to ask for the entitlement. They are named by id, or by
    /// an e-mail address that they alone have verified.
    ///
    /// # Errors
    /// `NotFound` where the entitlement is none of the machine's, `person_unknown` where nobody is
    /// named, `GroupsStale` where nobody knows the person's groups. Each is on record.
    pub async fn on_behalf_of(&self, named: Option<&str>, entitlement: &str) -> Result<Ctx, Error> {
        match self.named(named, entitlement).await {
            Ok(person) => Ok(self.stand_for(person)),
            Err(error) if error.is_refusal() => Err(self
                .refused(Verb::Submit, subject(entitlement), error)
                .await),
            Err(error) => Err(error),
        }
    }

    async fn named(&self, named: Option<&str>, entitlement: &str) -> Result<Person, Error> {
        if !self.machine.may_ask_for(entitlement) {
            return Err(CallerError::NotFound.into());
        }
        let named = named.ok_or_else(|| {
            unknown("is missing: a machine names the person on whose behalf it asks")
        })?;
        let fresh = self.app.settings().groups_max_age;
        let found = self.app.read_at(async |conn, now| {
            if db::catalog::entitlement(conn, entitlement).await?.is_none() {
                return Err(CallerError::NotFound.into());
            }
            let Some(person) = db::people::named(conn, named).await? else {
                return Ok(None);
            };
            let is_known = db::people::groups_known(conn, person.id, fresh, now).await?;
            Ok(Some((person, is_known)))
        });
        let (person, is_known) = found.await?.ok_or_else(|| {
            unknown(
                "is neither a person's id nor the address of exactly one person who has it verified",
            )
        })?;
        if !is_known {
            return Err(StateError::GroupsStale.into());
        }
        Ok(person)
    }

    /// Stands for the person of a request that the machine has asked for. With a verb, that there
    /// is none is on record.
    ///
    /// # Errors
    /// `NotFound` where it has not.
    pub async fn of_request(&self, verb: Option<Verb>, id: RequestId) -> Result<Ctx, Error> {
        let found = self
            .app
            .read(async |conn| Ok(db::machines::asked_for(conn, self.machine.id, id).await?));
        self.found(found.await?, verb, id).await
    }

    /// The same of the request of a grant.
    ///
    /// # Errors
    /// `NotFound` where the machine has not asked for it.
    pub async fn of_grant(&self, verb: Option<Verb>, id: GrantId) -> Result<Ctx, Error> {
        let found = self.app.read(async |conn| {
            let Some(request) = db::machines::request_of(conn, id).await? else {
                return Ok(None);
            };
            Ok(db::machines::asked_for(conn, self.machine.id, request).await?)
        });
        self.found(found.await?, verb, id).await
    }

    async fn found(
        &self,
        person: Option<Person>,
        verb: Option<Verb>,
        id: impl ToString,
    ) -> Result<Ctx, Error> {
        match (person, verb) {
            (Some(person), _) => Ok(self.stand_for(person)),
            (None, Some(verb)) => Err(self.refused(verb, id, CallerError::NotFound).await),
            (None, None) => Err(CallerError::NotFound.into()),
        }
    }

    fn stand_for(&self, person: Person) -> Ctx {
        Ctx {
            app: self.app.clone(),
            person,
            channel: Channel::Api,
            credential: Credential {
                scopes: self.machine.scopes,
                machine: Some(self.machine.clone()),
                groups_unknown: false,
            },
        }
    }

    /// The requests that it has asked for, newest first, in that state or in any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn requests(
        &self,
        state: Option<&str>,
        page: Page<RequestId>,
    ) -> Result<Items<Listed, RequestId>, Error> {
        find::viewed(&self.app, &View::RequestedBy(self.machine.id), state, page).await
    }

    /// The grants of these, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn grants(&self, page: Page<GrantId>) -> Result<Items<GrantView, GrantId>, Error> {
        find::grants_of(&self.app, Whose::Machine(self.machine.id), page).await
    }
}

fn unknown(detail: &str) -> Error {
    let wrong = FieldError {
        code: FieldCode::PersonUnknown,
        ..FieldError::invalid("on_behalf_of", detail)
    };
    InputError::Fields(vec![wrong]).into()
}
