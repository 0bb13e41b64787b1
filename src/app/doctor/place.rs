//! An account that is looked at, as whom, and what it says of our rights.

use super::Catalog;
use super::lines::{Section, set_up};
use crate::aws::survey::{self, Failed, May};
use crate::aws::{Aws, AwsError};
use crate::db::doctor::Account;

/// The account does not answer, or has no time: it is asked nothing more.
pub(super) struct Silent(pub(super) AwsError);

impl Silent {
    /// Whether a failed call was one without an answer.
    pub(super) fn or_not(error: AwsError) -> Result<(), Self> {
        match error {
            AwsError::Unclear | AwsError::Unreachable | AwsError::Throttled => Err(Self(error)),
            _ => Ok(()),
        }
    }
}

/// An account that is looked at.
pub(super) struct Place<'a> {
    pub(super) account: &'a Account,
    pub(super) catalog: &'a Catalog,
    pub(super) aws: Aws,
    /// The ARN that policies know us by there.
    pub(super) us: String,
    pub(super) trust_quota: usize,
    /// Whether IAM tells us what we may do.
    pub(super) is_simulated: bool,
}

impl Place<'_> {
    pub(super) fn set_up(&self) -> String {
        set_up(self.account)
    }

    /// Tells which of these actions on a resource we may not do, where IAM simulates that for us.
    pub(super) async fn check_rights(
        &self,
        section: &mut Section,
        actions: &[&'static str],
        resource: &str,
        otherwise: &str,
    ) -> Result<(), Silent> {
        if !self.is_simulated {
            return Ok(());
        }
        let told = match survey::may(&self.aws, &self.us, actions, resource).await {
            Ok(told) => told,
            Err(error) => return Silent::or_not(error),
        };
        let of = |is: fn(&May) -> bool| -> Vec<&str> {
            let meant = told.iter().filter(|(_, may)| is(may));
            meant.map(|(action, _)| *action).collect()
        };
        let (not, depends) = (
            of(|it| *it == May::Not),
            of(|it| matches!(it, May::Depends(_))),
        );
        if !not.is_empty() {
            let not = format!("{} may not {}: {otherwise}", self.us, not.join(", "));
            section.lacks("rights", not, &[self.set_up()]);
        } else if !depends.is_empty() {
            let told = format!(
                "whether {} may {} depends on conditions of its policies that cannot be asked for",
                self.us,
                depends.join(", ")
            );
            section.warn("rights", told, &[self.set_up()]);
        } else {
            section.ok("rights", format!("{} are allowed", actions.join(", ")));
        }
        Ok(())
    }

    /// Tells of a call that was refused; of one without an answer the account tells.
    pub(super) fn refused(
        &self,
        section: &mut Section,
        failed: Failed,
        otherwise: &str,
    ) -> Result<(), Silent> {
        Silent::or_not(failed.error)?;
        let told = format!("{} may not {}: {otherwise}", self.us, failed.action);
        section.lacks("rights", told, &[self.set_up()]);
        Ok(())
    }
}
