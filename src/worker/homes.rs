//! The accounts from which people come into a role of another one by its trust policy: each of
//! their users is looked at in their own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::Worker;
use crate::aws::{Aws, AwsError};
use crate::db;
use crate::db::lent::Lent;
use crate::domain::arn::Arn;
use crate::domain::grant::Grant;
use crate::domain::part::PartKind;

/// Who may be looked at in another account than the target's, and as whom.
#[derive(Default)]
pub(super) struct Homes(BTreeMap<String, Result<Aws, AwsError>>);

impl Homes {
    /// As whom a user is looked at, by their ARN; `here` is the target's account.
    pub fn of(&self, here: &Aws, arn: &str) -> Result<Aws, AwsError> {
        let home = Arn::read(arn).and_then(|read| self.0.get(read.account));
        home.map_or_else(
            || Ok(here.clone()),
            |home| home.clone().map(|aws| aws.used_like(here)),
        )
    }
}

impl Worker {
    /// The other accounts of those whom statements let in, or are to.
    pub(super) async fn homes(
        &self,
        arn: &str,
        grants: &[Grant],
        at: DateTime<Utc>,
    ) -> sqlx::Result<Homes> {
        let account = |arn| Arn::read(arn).map(|read| read.account);
        let here = account(arn);
        let accounts = admitted(grants, at).filter_map(account);
        let accounts: BTreeSet<&str> = accounts.filter(|it| Some(*it) != here).collect();
        if accounts.is_empty() {
            return Ok(Homes::default());
        }
        let accounts: Vec<String> = accounts.into_iter().map(str::to_owned).collect();
        let managers = self.in_time("homes", async {
            let mut conn = Lent::take(&self.pool).await?;
            let managers = db::accounts::managers(&mut conn, &accounts).await?;
            conn.give_back();
            Ok::<_, sqlx::Error>(managers)
        });
        let managers = managers.await?;
        // At once: a silent account keeps nobody waiting longer than one call may take.
        let entered = managers.into_iter().map(async |(account, manager)| {
            let cloud = self.clouds.of(&account, manager.as_ref(), at).await;
            (account, cloud)
        });
        let entered = futures_util::future::join_all(entered).await;
        Ok(Homes(entered.into_iter().collect()))
    }
}

/// The identities (ARNs) that statements let in, or are to.
pub(super) fn admitted(grants: &[Grant], at: DateTime<Utc>) -> impl Iterator<Item = &str> {
    let is_open = move |grant: &&Grant| grant.state.is_open() && at < grant.deadline;
    let open = grants.iter().filter(is_open);
    open.filter(|grant| grant.method.part() == PartKind::Statement)
        .filter_map(|grant| grant.principal_arn.as_deref())
}
