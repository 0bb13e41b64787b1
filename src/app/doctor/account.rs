//! One account: whether Countersign gets in and may do what it has to, then its roles and users.

use std::time::Instant;

use super::lines::{Section, set_up};
use super::place::{Place, Silent};
use super::{Catalog, carrier, role};
use crate::app::ctx::App;
use crate::aws::survey::{self, May};
use crate::aws::{Aws, AwsError, Purpose};
use crate::db::doctor::Account;
use crate::domain::arn::{Arn, Kind};
use crate::error::Error;
use crate::policy::assumable;

/// An account, and what came of entering it.
pub(super) struct Entered<'a> {
    pub(super) account: &'a Account,
    pub(super) aws: Result<Aws, AwsError>,
    /// The action that AWS names where it refused.
    pub(super) named: Option<&'static str>,
}

impl Entered<'_> {
    /// Whether its manager role refuses Countersign.
    pub(super) fn is_refused(&self) -> bool {
        self.account.manager.is_some() && matches!(self.aws, Err(AwsError::Denied))
    }
}

/// Looks at an account and at what it has.
pub(super) async fn examine(
    app: &App,
    catalog: &Catalog,
    hub: &str,
    entered: &Entered<'_>,
) -> Vec<Section> {
    let account = entered.account;
    let mut own = Section::new(format!("account {} ({})", account.id, account.name));
    let mut sections = Vec::new();
    let done = match enter(&mut own, hub, entered) {
        Ok(None) => Ok(()),
        Ok(Some(aws)) => {
            let looked = look(app, catalog, account, aws, &mut own, &mut sections);
            // On the heap: the SDK's futures are large.
            Box::pin(looked).await
        }
        Err(silent) => Err(silent),
    };
    if let Err(Silent(error)) = done {
        let (told, mend) = match error {
            AwsError::Throttled => (
                "AWS asks us to slow down there, so that the rest was not asked",
                "countersign doctor   # again, in a minute",
            ),
            _ => (
                "it does not answer, so that nothing opens and nothing closes there; the rest was not asked",
                "let Countersign reach IAM and STS; `aws.operation_timeout` says how long it waits",
            ),
        };
        own.lacks("answers", told, &[mend]);
    }
    sections.insert(0, own);
    sections
}

/// As whom Countersign works there, if it may.
fn enter(own: &mut Section, hub: &str, entered: &Entered<'_>) -> Result<Option<Aws>, Silent> {
    let account = entered.account;
    let of_hub = Arn::read(hub).map_or("", |it| it.account);
    match (&entered.aws, &account.manager) {
        (Ok(aws), Some(manager)) => {
            let told = format!("{} lets Countersign in", manager.arn);
            own.ok("manager role", told);
            Ok(Some(aws.clone()))
        }
        (Ok(aws), None) if account.id == of_hub => Ok(Some(aws.clone())),
        (Ok(_), None) => {
            let told = format!(
                "the catalog names none, and Countersign is of account {of_hub}: it can do nothing there"
            );
            let id = &account.id;
            let line = format!(
                "manager_role = \"arn:aws:iam::{id}:role/countersign-manager\"   # of the account in the catalog, then:"
            );
            own.lacks("manager role", told, &[line, set_up(account)]);
            Ok(None)
        }
        (Err(error), manager) => {
            Silent::or_not(*error)?;
            let arn = manager.as_ref().map_or("it", |it| it.arn.as_str());
            let id = manager.as_ref().and_then(|it| it.external_id.as_deref());
            let asked = id.map_or_else(String::new, |id| format!(" with the external ID {id}"));
            let told = format!(
                "{arn} does not let {hub} in{asked}, or is not there: nothing opens and nothing closes"
            );
            own.lacks("manager role", told, &[set_up(account)]);
            Ok(None)
        }
    }
}

async fn look(
    app: &App,
    catalog: &Catalog,
    account: &Account,
    aws: Aws,
    own: &mut Section,
    sections: &mut Vec<Section>,
) -> Result<(), Silent> {
    let aws = aws.used_for(Purpose::Looking);
    let asked_at = Instant::now();
    let trust_quota = quota(&aws, own, account).await?;
    check_clocks(app, &aws, own, asked_at).await;
    let us = assumable::stands_for(aws.known_us().unwrap_or_default());
    let mut place = Place {
        account,
        catalog,
        aws,
        us,
        trust_quota,
        is_simulated: false,
    };
    place.is_simulated = check_own_rights(&place, own).await?;
    for target in &account.targets {
        if target.carries {
            carrier::examine(&place, target, sections).await?;
        } else {
            role::examine(&place, target, sections).await?;
        }
    }
    Ok(())
}

/// How long trust policies may be there; it is the first call of the account that is answered.
async fn quota(aws: &Aws, own: &mut Section, account: &Account) -> Result<usize, Silent> {
    const DEFAULT: usize = 2_048;
    match survey::trust_quota(aws).await {
        Ok(quota) => {
            let told = format!("trust policies may have {quota} characters");
            own.ok("quota", told);
            Ok(quota)
        }
        Err(error) => {
            Silent::or_not(error)?;
            let told = format!(
                "iam:GetAccountSummary is not allowed: trust policies are taken to have {DEFAULT} characters at most"
            );
            own.warn("quota", told, &[set_up(account)]);
            Ok(DEFAULT)
        }
    }
}

async fn check_clocks(app: &App, aws: &Aws, own: &mut Section, asked_at: Instant) {
    let now = app.read_at(async |_, now| Ok::<_, Error>(now)).await;
    match now {
        Ok(now) if aws.has_another_time(now, asked_at) => own.lacks(
            "clocks",
            "AWS and the database differ by more than two seconds: nothing opens, closings go on",
            &["timedatectl set-ntp true   # on the machine of the database"],
        ),
        Ok(_) => own.ok("clocks", "AWS and the database agree within two seconds"),
        // The database has answered a moment ago; whatever this is, it is none of AWS's.
        Err(_) => {}
    }
}

/// Whether IAM tells us what we may do, and whether we could give ourselves more.
async fn check_own_rights(place: &Place<'_>, own: &mut Section) -> Result<bool, Silent> {
    let user = Arn::name_of(&place.us, Kind::User).is_some();
    let actions = if user {
        ["iam:PutUserPolicy", "iam:AttachUserPolicy"]
    } else {
        ["iam:PutRolePolicy", "iam:AttachRolePolicy"]
    };
    let us = &place.us;
    match survey::may(&place.aws, us, &actions, us).await {
        Err(error) => {
            Silent::or_not(error)?;
            let told =
                format!("{us} may not ask what it may do (iam:SimulatePrincipalPolicy on itself)");
            own.warn("own rights", told, &[place.set_up()]);
            Ok(false)
        }
        Ok(told) => {
            let may = told.iter().any(|(_, may)| *may != May::Not);
            if may {
                let told = format!("{us} may give itself more rights");
                own.warn("own rights", told, &[place.set_up()]);
            } else {
                own.ok("own rights", format!("{us} cannot give itself more"));
            }
            Ok(true)
        }
    }
}
