//! What a set-up lacks, and what mends it. Nothing is changed, neither in the database nor in AWS:
//! rights are simulated or shown by reads, and the one trial is a session that may do nothing.

mod account;
mod carrier;
mod closed;
mod lines;
mod place;
mod role;
mod trial;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};

use self::account::Entered;
use super::ctx::App;
use crate::aws::AwsError;
use crate::db;
use crate::db::doctor::{Account, Carried};
use crate::domain::person::Who;
use crate::error::Error;

pub use closed::others_of_closed;
pub use lines::{Line, Section, State};

/// How many accounts are asked at a time: none waits for one that does not answer.
const AT_A_TIME: usize = 8;

/// What the catalog says that accounts have in common.
struct Catalog {
    accounts: Vec<Account>,
    /// What inline policies on users allow, with the account whose users those are.
    carried: Vec<Carried>,
    at: DateTime<Utc>,
}

impl Catalog {
    /// The identities that people have in all accounts.
    fn identities(&self) -> impl Iterator<Item = Who<'_>> {
        self.accounts.iter().flat_map(|it| it.needs.identities())
    }
}

/// Looks at everything, account by account: what there is, and what is missing.
///
/// # Errors
/// When the database does not answer. What AWS does not tell is told.
pub async fn examine(app: &App) -> Result<Vec<Section>, Error> {
    let catalog = app
        .read_at(async |conn, at| {
            Ok(Catalog {
                accounts: db::doctor::accounts(conn).await?,
                carried: db::doctor::carried(conn).await?,
                at,
            })
        })
        .await?;
    let mut own = Section::new("Countersign");
    if catalog.accounts.is_empty() {
        let told = "no account is in it, so that nothing can be asked for";
        own.lacks("catalog", told, &["countersign catalog apply FILE"]);
    }
    let Some(hub) = identity(app, &mut own).await else {
        // Nobody in AWS can be asked anything.
        return Ok(vec![own]);
    };
    let entered = enter_all(app, &catalog).await;
    let cause = cause(app, &entered).await;
    if let Some((check, told, mends)) = &cause {
        own.lacks(check, told.clone(), mends);
    }
    let catalog = &catalog;
    // What has one cause is told once.
    let is_told = |it: &Entered| cause.is_some() && it.is_refused();
    let told = entered.iter().filter(|it| !is_told(it));
    let looks = told.map(|it| account::examine(app, catalog, &hub, it));
    // In the order of the accounts, whoever answers first.
    let sections: Vec<Vec<Section>> = stream::iter(looks).buffered(AT_A_TIME).collect().await;
    Ok(std::iter::once(own)
        .chain(sections.into_iter().flatten())
        .collect())
}

/// Who Countersign is before it assumes anything.
async fn identity(app: &App, own: &mut Section) -> Option<String> {
    let told = match app.clouds().of("", None, DateTime::UNIX_EPOCH).await {
        Ok(aws) => aws
            .identify()
            .await
            .map(|()| aws.known_us().map(str::to_owned)),
        Err(error) => Err(error),
    };
    match told {
        Ok(Some(arn)) => {
            own.ok("identity", format!("Countersign is {arn}"));
            return Some(arn);
        }
        Err(AwsError::Denied) => own.lacks(
            "identity",
            "there are no AWS credentials, or AWS refuses them: nothing opens and nothing closes",
            &["set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where AWS gives a role"],
        ),
        Ok(None) | Err(_) => own.lacks(
            "identity",
            "STS does not answer: nothing opens and nothing closes",
            &["let Countersign reach STS and IAM; `aws.region` names the region of STS"],
        ),
    }
    None
}

async fn enter_all<'a>(app: &App, catalog: &'a Catalog) -> Vec<Entered<'a>> {
    let accounts = catalog.accounts.iter();
    let entering = accounts.map(async |account| {
        let clouds = app.clouds();
        let manager = account.manager.as_ref();
        let aws = clouds.of(&account.id, manager, catalog.at).await;
        // Told apart from STS's silence by what AWS names, which costs one more refusal.
        let named = match (&aws, manager) {
            (Err(AwsError::Denied), Some(manager)) => clouds.why_refused(manager).await,
            _ => None,
        };
        Entered {
            account,
            aws,
            named,
        }
    });
    stream::iter(entering).buffered(AT_A_TIME).collect().await
}

/// A check, what it found and what mends it.
type Told = (&'static str, String, Vec<String>);

/// Where all manager roles refuse Countersign for one reason: that, and not one line for each.
async fn cause(app: &App, entered: &[Entered<'_>]) -> Option<Told> {
    let managed = entered.iter().filter(|it| it.account.manager.is_some());
    let (refused, others): (Vec<_>, Vec<_>) = managed.partition(|it| it.is_refused());
    let hub = app.clouds().of("", None, DateTime::UNIX_EPOCH).await.ok()?;
    let hub = hub.known_us()?.to_owned();
    let carries = ["sts:SetSourceIdentity", "sts:TagSession"];
    let named = refused.iter().filter_map(|it| it.named);
    if let Some(action) = named.into_iter().find(|it| carries.contains(it)) {
        return Some((
            "session",
            format!(
                "{hub} carries a source identity or tags of its own ({action}), which would stick to every \
                 session that is handed out: the manager roles refuse it"
            ),
            vec![
                "run Countersign with credentials that carry neither: the role of a task or machine, not those \
                 of a CI job or of IAM Identity Center"
                    .to_owned(),
            ],
        ));
    }
    if refused.len() < 2 || !others.is_empty() {
        return None;
    }
    let accounts = refused.iter().map(|it| it.account);
    Some((
        "manager roles",
        format!(
            "none of the {} manager roles lets Countersign in: it is {hub}, and where that was made anew, their \
             trust policies name the one that was deleted",
            refused.len()
        ),
        accounts.map(lines::set_up).collect(),
    ))
}
