//! Inline policies of this installation on users and roles that the database has never heard of: of
//! a grant that was made and forgotten with the time that a restore has lost (METHODS.md, T9). The
//! loop looks at those alone that it knows, so that a person has to take these away.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};

use super::ctx::App;
use crate::aws::{AwsError, Purpose, inventory};
use crate::db;
use crate::db::tx::Tx;
use crate::domain::account::ManagerRole;
use crate::domain::arn::{Arn, Kind};
use crate::domain::audit::{Action, Actor, Channel};
use crate::error::Error;
use crate::policy::inline::{self, Reach};

/// How many accounts are asked at a time: none waits for one that does not answer.
const AT_A_TIME: usize = 8;

/// A policy that nobody looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// ARN of the user or role that has it.
    pub arn: String,
    /// Its name.
    pub policy: String,
    /// Until when it allows anything, in words.
    pub allows: String,
}

impl Orphan {
    /// The command that removes it.
    #[must_use]
    pub fn mend(&self) -> String {
        let policy = &self.policy;
        match Arn::name_of(&self.arn, Kind::User) {
            Some(name) => {
                format!("aws iam delete-user-policy --user-name {name} --policy-name {policy}")
            }
            None => {
                let name = Arn::name_of(&self.arn, Kind::Role).unwrap_or_default();
                format!("aws iam delete-role-policy --role-name {name} --policy-name {policy}")
            }
        }
    }
}

/// What was found in one account, or why it was not looked at.
#[derive(Debug)]
pub struct Found {
    /// The 12 digits.
    pub account: String,
    /// The policies.
    pub orphans: Result<Vec<Orphan>, AwsError>,
}

/// Looks through every account of the catalog.
///
/// # Errors
/// When the database does not answer. What AWS does not tell is told.
pub async fn find(app: &App) -> Result<Vec<Found>, Error> {
    let (installation, accounts, known, at) = app
        .read_at(async |conn, at| {
            let places = db::standing::places(conn, None).await?;
            let carriers = places.into_iter().filter(|it| it.carries);
            let known: BTreeSet<String> = carriers.map(|it| it.arn).collect();
            let installation = db::standing::installation(conn).await?;
            Ok((installation, db::standing::accounts(conn).await?, known, at))
        })
        .await?;
    let (installation, known) = (&installation, &known);
    let looks = accounts.into_iter().map(async |(account, manager)| {
        let entered = (account.as_str(), manager.as_ref(), at);
        let orphans = look(app, entered, installation, known).await;
        Found { account, orphans }
    });
    Ok(stream::iter(looks).buffered(AT_A_TIME).collect().await)
}

async fn look(
    app: &App,
    (account, manager, at): (&str, Option<&ManagerRole>, DateTime<Utc>),
    installation: &str,
    known: &BTreeSet<String>,
) -> Result<Vec<Orphan>, AwsError> {
    let aws = app.clouds().of(account, manager, at).await?;
    let aws = aws.used_for(Purpose::Looking);
    let prefix = format!("{}{installation}-", inline::PREFIX);
    let holders = Box::pin(inventory::holders(&aws, &prefix)).await?;
    let mut orphans = Vec::new();
    // What the loop looks at it takes away itself; of a role that is opened it looks at no such
    // policy.
    for holder in holders {
        if known.contains(&holder.arn) {
            continue;
        }
        for (policy, text) in holder.policies {
            if inline::grant_of(&policy, installation).is_some() {
                orphans.push(Orphan {
                    arn: holder.arn.clone(),
                    policy,
                    allows: allows(&text),
                });
            }
        }
    }
    Ok(orphans)
}

fn allows(text: &str) -> String {
    match inline::reach(text) {
        Reach::Nothing => "allows nothing".to_owned(),
        Reach::Until(date) => format!("allows what it says until {}", date.to_rfc3339()),
        Reach::Longest => "allows what it says without an end".to_owned(),
    }
}

/// Looks through every account after a restore, and puts what is found on record and in the log.
///
/// # Errors
/// When the database does not answer.
pub async fn tell(app: &App) -> Result<(), Error> {
    let mut orphans = Vec::new();
    for found in find(app).await? {
        match found.orphans {
            Ok(of_account) => orphans.extend(of_account),
            Err(error) => tracing::warn!(
                account = found.account,
                error.code = error.code(),
                "cannot look for policies of forgotten grants (iam:GetAccountAuthorizationDetails)"
            ),
        }
    }
    for orphan in &orphans {
        tracing::warn!(
            of = orphan.arn,
            policy = orphan.policy,
            mend = orphan.mend(),
            "a policy of ours that no grant accounts for, on somebody whom the catalog does not have"
        );
    }
    let actor = Actor::System { part: "restored" };
    app.transaction(actor, Channel::System, async |tx: &mut Tx| {
        let events = orphans.iter().map(|orphan| {
            let alarm = "orphan".to_owned();
            let of = orphan.policy.clone();
            tx.by.did(&orphan.arn, Action::TargetAlarm { alarm, of })
        });
        let events: Vec<_> = events.collect();
        Ok(db::audit::append_all(tx.conn(), &events).await?)
    })
    .await
}
