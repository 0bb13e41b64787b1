//! Machines, and what sessions of the portal make of them.

use chrono::TimeDelta;
use countersign::app::ctx::Ctx;
use countersign::app::machines::{self, Wanted, Workload};
use countersign::app::{sign_in, tokens};
use countersign::domain::audit::Channel;
use countersign::domain::scope::Scopes;
use countersign::ids::MachineId;
use secrecy::ExposeSecret;

use super::another;
use super::app::{TestApp, wanted};

/// A machine before it is made.
#[derive(Debug, Clone)]
pub struct Machine(pub Wanted);

impl Machine {
    /// One that may ask for `prod-admin`, of that person.
    pub fn of(owner: &str) -> Self {
        Self(Wanted {
            name: format!("deploys-{}", another()),
            owner: format!("{owner}@example.com"),
            scopes: Scopes::OF_MACHINES,
            entitlements: vec!["prod-admin".to_owned()],
            ..Wanted::default()
        })
    }

    /// With a workload identity of that issuer.
    pub fn signed_by(mut self, issuer: &str, claims: &[(&str, &str)]) -> Self {
        let claims = claims.iter();
        self.0.workload = Some(Workload {
            issuer: issuer.to_owned(),
            audience: None,
            claims: claims
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
        });
        self
    }

    /// ada makes it.
    pub async fn made(self, company: &TestApp) -> MachineId {
        let (ada, session) = session(company, "ada").await;
        machines::create(&ada, &session, self.0).await.unwrap()
    }
}

/// A session of the portal, with its secret.
pub async fn session(company: &TestApp, name: &str) -> (Ctx, String) {
    let ctx = Ctx {
        channel: Channel::Portal,
        ..company.ctx(name).await
    };
    let browser = sign_in::Browser::default();
    let started = sign_in::start(&company.app, ctx.person.id, browser).await;
    (ctx, started.unwrap().expose_secret().to_owned())
}

/// A token of a machine, made by that person.
pub async fn token(company: &TestApp, by: &str, machine: MachineId, scopes: Scopes) -> String {
    let (ctx, session) = session(company, by).await;
    let wanted = tokens::Wanted {
        scopes,
        ..wanted("test", TimeDelta::days(1))
    };
    let made = tokens::make(&ctx, &session, Some(machine), wanted).await;
    made.unwrap().1.expose_secret().to_owned()
}
