//! Who else uses a role that is closed: all of them are denied.

use super::lines::Section;
use crate::app::ctx::App;
use crate::aws::{AwsError, survey};
use crate::db;
use crate::domain::arn::Arn;
use crate::error::Error;
use crate::policy::document::Document;
use crate::policy::others::others;

/// How many are named.
const NAMED: usize = 8;

/// Warns of those whom the trust policy names.
pub(super) fn check(arn: &str, us: &str, trust: &Document<'_>, section: &mut Section) {
    if let Some(told) = told(others(trust, arn, Some(us))) {
        let mend = "closed = true   # left out of its entitlements, unless that is meant";
        section.warn("closed", told, &[mend]);
    }
}

fn told(mut others: Vec<String>) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let more = others.len().saturating_sub(NAMED);
    others.truncate(NAMED);
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(format!(
        "it is closed, and its trust policy lets in {}{and_more}: they are denied without a grant. Who \
         has used it lately is not asked (CloudTrail)",
        others.join(", ")
    ))
}

/// Who else uses a role that has just been closed, in words, as far as AWS shows its trust policy.
///
/// # Errors
/// When the database does not answer.
pub async fn others_of_closed(app: &App, arn: &str) -> Result<Option<String>, Error> {
    let account = Arn::read(arn).map_or("", |it| it.account);
    let known =
        app.read_at(async |conn, now| Ok((db::accounts::manager(conn, account).await?, now)));
    let (manager, now) = known.await?;
    let looked = async {
        let aws = app.clouds().of(account, manager.as_ref(), now).await?;
        let role = survey::role(&aws, arn).await;
        Ok::<_, AwsError>((role.map_err(|failed| failed.error)?, aws))
    };
    Ok(match looked.await {
        Ok((Some(role), aws)) => {
            let trust = Document::parse(&role.trust);
            let found = trust.map(|trust| others(&trust, arn, aws.known_us()));
            told(found.unwrap_or_default()).map(|told| format!("role {arn}: {told}"))
        }
        Ok((None, _)) => None,
        Err(error) => Some(format!(
            "role {arn} is closed, and its trust policy could not be read ({}): whom else it lets in, who \
             are denied now, `countersign doctor` tells",
            error.code()
        )),
    })
}
