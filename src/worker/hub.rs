//! Whether it is Countersign's own identity, the hub, that manager roles refuse: one cause for all
//! accounts.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::Worker;
use crate::aws::{Aws, AwsError};
use crate::db::lent::Lent;
use crate::db::targets::Taken;
use crate::db::tx::Tx;
use crate::db::{audit, entries};
use crate::domain::account::ManagerRole;
use crate::domain::arn::Arn;
use crate::domain::audit::{Action, By};

/// For how long it counts that a manager role has let us in.
const RECENTLY: TimeDelta = TimeDelta::minutes(5);
/// How many others are tried.
const OTHERS: i64 = 3;
/// What the events are about.
const HUB: &str = "hub";

/// An account with its manager role.
type Managed = (String, ManagerRole);

impl Worker {
    /// Why an account keeps us out: where its manager role refuses, and so does each other one that
    /// is tried now, although STS knows us, it is the hub, which is told once. One account whose
    /// manager role alone refuses is a matter of that account.
    pub(super) async fn why_kept_out(&self, taken: &Taken, error: AwsError) -> AwsError {
        if error != AwsError::Denied || taken.manager.is_none() {
            return error;
        }
        if taken.hub_refused.is_some() {
            return AwsError::HubRefused;
        }
        // Half of the lease: the target is given back under it.
        let judged = tokio::time::timeout(self.settings.lease / 2, self.is_hub_refused(taken));
        match judged.await {
            Ok(Ok(true)) => AwsError::HubRefused,
            Ok(Ok(false)) | Err(_) => error,
            Ok(Err(failed)) => {
                tracing::warn!(
                    error = &failed as &dyn std::error::Error,
                    "cannot find out whether every manager role refuses"
                );
                error
            }
        }
    }

    async fn is_hub_refused(&self, taken: &Taken) -> sqlx::Result<bool> {
        let account = Arn::read(&taken.arn).map_or("", |read| read.account);
        let others = async {
            let mut conn = Lent::take(&self.pool).await?;
            let since = taken.at - RECENTLY;
            let others = entries::others(&mut conn, account, since, OTHERS).await?;
            conn.give_back();
            Ok::<_, sqlx::Error>(others)
        };
        let others = self.in_time("others", others).await?.unwrap_or_default();
        if others.is_empty() || self.clouds.hub_is_known().await.is_err() {
            return Ok(false);
        }
        let tried = join_all(others.into_iter().map(async |(account, manager): Managed| {
            let let_in = self.clouds.lets_in(&manager).await;
            (account, let_in)
        }));
        let tried = tried.await;
        let told = self.record_tried(account, &tried, taken.at);
        self.in_time("hub", told).await
    }

    /// Puts on record who let us in, or that nobody does; tells whether nobody does.
    async fn record_tried(
        &self,
        account: &str,
        tried: &[(String, Result<(), AwsError>)],
        at: DateTime<Utc>,
    ) -> sqlx::Result<bool> {
        let mut tx = Tx::of(
            Lent::begin(&self.pool).await?,
            By::system("worker", at),
            Arc::clone(&self.wake),
        );
        let mut accounts = vec![account.to_owned()];
        let mut is_let_in = false;
        for (other, answer) in tried {
            match answer {
                Ok(()) => {
                    is_let_in = true;
                    entries::entered(tx.conn(), other, at).await?;
                }
                Err(AwsError::Denied) => accounts.push(other.clone()),
                // Who does not answer says nothing.
                Err(_) => {}
            }
        }
        let is_refused = !is_let_in && accounts.len() > 1;
        if is_refused && entries::begin_refusal(tx.conn(), at).await? {
            tracing::error!(
                accounts = accounts.join(", "),
                "every manager role refuses Countersign's own identity: nothing opens and nothing closes in their \
                 accounts; `countersign doctor` names the cause"
            );
            let event = tx.by.did(HUB, Action::HubRefused { accounts });
            audit::append(tx.conn(), &event).await?;
        }
        tx.commit().await?;
        Ok(is_refused)
    }

    /// A manager role lets us in although all of them were seen to refuse.
    pub(super) async fn let_in_again(&self, taken: &Taken, aws: &Aws) {
        // A session from before says nothing.
        let is_news = |since| aws.was_let_in_after(since);
        if !taken.hub_refused.is_some_and(is_news) {
            return;
        }
        let account = Arn::read(&taken.arn).map_or("", |read| read.account);
        let told = async {
            let conn = Lent::begin(&self.pool).await?;
            let by = By::system("worker", taken.at);
            let mut tx = Tx::of(conn, by, Arc::clone(&self.wake));
            entries::entered(tx.conn(), account, taken.at).await?;
            if entries::end_refusal(tx.conn(), taken.at).await? {
                let account = account.to_owned();
                let event = tx.by.did(HUB, Action::HubAdmitted { account });
                audit::append(tx.conn(), &event).await?;
            }
            tx.commit().await
        };
        if let Err(error) = self.in_time("hub", told).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot put on record that manager roles let Countersign in again"
            );
        }
    }
}
