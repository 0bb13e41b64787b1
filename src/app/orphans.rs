//! What of this installation stands on users and roles although the database has never heard of it:
//! of a grant that was made and forgotten with the time that a restore has lost. The loop looks at
//! those alone that it knows; what it never looks at a person has to take away.

mod found;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};

use super::ctx::App;
use crate::aws::{AwsError, Purpose, inventory};
use crate::db;
use crate::db::tx::Tx;
use crate::domain::account::ManagerRole;
use crate::domain::audit::{Action, Actor, Channel};
use crate::error::Error;
use crate::policy::inline;

pub use found::{Kind, Orphan};

/// How many accounts are asked at a time: none waits for one that does not answer.
const AT_A_TIME: usize = 8;
/// How long after an account was looked through it is again, and by how much that differs by
/// chance: processes and accounts come apart.
const DAILY: TimeDelta = TimeDelta::hours(24);
const APART: TimeDelta = TimeDelta::minutes(30);
/// When an account is taken up again that did not answer, or that was not finished.
const AGAIN: TimeDelta = TimeDelta::hours(1);

/// What was found in one account, or why it was not looked at.
#[derive(Debug)]
pub struct Found {
    /// The 12 digits.
    pub account: String,
    /// What a person has to take away.
    pub orphans: Result<Vec<Orphan>, AwsError>,
    /// Roles and users (ARNs) on which something of ours stands that the loop looks at.
    known: Vec<String>,
}

/// What is known before AWS is asked.
struct Known {
    installation: String,
    /// ARNs of the roles and users that the loop looks at, each with whether people come as it.
    targets: BTreeMap<String, bool>,
    at: DateTime<Utc>,
}

async fn known(app: &App) -> Result<(Known, Vec<(String, Option<ManagerRole>)>), Error> {
    app.read_at(async |conn, at| {
        let places = db::standing::places(conn, None).await?;
        let known = Known {
            installation: db::standing::installation(conn).await?,
            targets: places.into_iter().map(|it| (it.arn, it.carries)).collect(),
            at,
        };
        Ok((known, db::standing::accounts(conn).await?))
    })
    .await
}

/// Looks through every account of the catalog.
///
/// # Errors
/// When the database does not answer. What AWS does not tell is told.
pub async fn find(app: &App) -> Result<Vec<Found>, Error> {
    let (known, accounts) = known(app).await?;
    let known = &known;
    let looks = accounts
        .into_iter()
        .map(|entered| look(app, entered, known, Purpose::Looking));
    Ok(stream::iter(looks).buffered(AT_A_TIME).collect().await)
}

async fn look(
    app: &App,
    (account, manager): (String, Option<ManagerRole>),
    known: &Known,
    purpose: Purpose,
) -> Found {
    let holders = async {
        let aws = app
            .clouds()
            .of(&account, manager.as_ref(), known.at)
            .await?;
        let prefix = format!("{}{}-", inline::PREFIX, known.installation);
        Box::pin(inventory::holders(&aws.used_for(purpose), &prefix)).await
    };
    let mut standing = Vec::new();
    let orphans = holders.await.map(|holders| {
        let mut orphans = Vec::new();
        for holder in &holders {
            let found = found::on(holder, &known.installation);
            let carries = known.targets.get(&holder.arn).copied();
            // What the loop looks at it takes away itself: policies of grants where people come as
            // it, a guard and statements where it is opened.
            let (own, left): (Vec<_>, Vec<_>) = found
                .into_iter()
                .partition(|it| carries == Some(it.kind == Kind::Policy));
            if !own.is_empty() {
                standing.push(holder.arn.clone());
            }
            orphans.extend(left);
        }
        orphans
    });
    Found {
        account,
        orphans,
        known: standing,
    }
}

/// Looks through every account after a restore, and puts what is found on record and in the log.
///
/// # Errors
/// When the database does not answer.
pub async fn tell(app: &App) -> Result<(), Error> {
    let found = find(app).await?;
    let orphans = found.iter().flat_map(log);
    let orphans: Vec<&Orphan> = orphans.collect();
    let actor = Actor::System { part: "restored" };
    app.transaction(actor, Channel::System, async |tx: &mut Tx| {
        put_on_record(tx, &orphans).await
    })
    .await
}

/// Looks through the account that has waited longest, once a day each; tells whether there was one
/// whose time had come. What stands on a known role or user that nobody looks at has it looked at;
/// everything else is told, each day until somebody has taken it away.
///
/// # Errors
/// When the database does not answer.
pub async fn look_through_next(app: &App) -> Result<bool, Error> {
    let actor = Actor::System { part: "inventory" };
    let taken = app.transaction(actor.clone(), Channel::System, async |tx: &mut Tx| {
        let now = tx.now();
        Ok(db::entries::take(tx.conn(), now, AGAIN).await?)
    });
    let Some(entered) = taken.await? else {
        return Ok(false);
    };
    let (known, _) = known(app).await?;
    let found = look(app, entered, &known, Purpose::Auditing).await;
    let orphans = log(&found);
    let apart = APART.as_seconds_f64() * rand::random_range(-1.0..=1.0);
    let next = DAILY + TimeDelta::milliseconds((apart * 1_000.0) as i64);
    // Without the right to look a day is soon enough.
    let is_done = matches!(found.orphans, Ok(_) | Err(AwsError::Denied));
    app.transaction(actor, Channel::System, async |tx: &mut Tx| {
        put_on_record(tx, &orphans).await?;
        let now = tx.now();
        for arn in db::entries::wake(tx.conn(), &found.known, now).await? {
            tracing::warn!(
                of = arn,
                "something of ours stands where nobody looked; it is looked at now"
            );
        }
        if is_done {
            db::entries::looked_through(tx.conn(), &found.account, now + next).await?;
        }
        Ok(true)
    })
    .await
}

/// A line for each orphan, or for why there is none.
fn log(found: &Found) -> Vec<&Orphan> {
    let orphans = match &found.orphans {
        Ok(orphans) => orphans,
        Err(error) => {
            tracing::warn!(
                account = found.account,
                error.code = error.code(),
                "cannot look for what is left of forgotten grants (iam:GetAccountAuthorizationDetails)"
            );
            return Vec::new();
        }
    };
    for orphan in orphans {
        tracing::warn!(
            of = orphan.arn,
            policy = orphan.name,
            mend = orphan.mend(),
            "something of ours that no grant accounts for, where the loop does not look"
        );
    }
    orphans.iter().collect()
}

async fn put_on_record(tx: &mut Tx, orphans: &[&Orphan]) -> Result<(), Error> {
    let events = orphans.iter().map(|orphan| {
        let (alarm, of) = ("orphan".to_owned(), orphan.name.clone());
        tx.by.did(&orphan.arn, Action::TargetAlarm { alarm, of })
    });
    let events: Vec<_> = events.collect();
    Ok(db::audit::append_all(tx.conn(), &events).await?)
}
