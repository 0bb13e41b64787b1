//! The one trial: a session of a role that Countersign assumes for people. Its name is a grant's
//! that nobody has, so that a guard denies it, and its policy denies everything.

use chrono::{DateTime, Utc};

use super::lines::Section;
use super::place::{Place, Silent};
use crate::aws::survey::SurveyedRole;
use crate::aws::{AwsError, Refusal, Session, Wish};
use crate::ids::{GrantId, PersonId};
use crate::policy::assumable::{self, Lacking};
use crate::policy::document::Document;
use crate::policy::session;

/// How much of what a session may carry its policies may take, in percent: ids pack badly, and the
/// next one may pack worse (docs/decisions.md).
const MOST_PACKED: i16 = 90;

/// Checks that the role lets us in, under a grant's name and in a person's name alone, and that STS
/// does.
pub(super) async fn examine(
    place: &Place<'_>,
    arn: &str,
    role: &SurveyedRole,
    section: &mut Section,
) -> Result<(), Silent> {
    // An unreadable trust policy has been told of.
    let Ok(document) = Document::parse(&role.trust) else {
        return Ok(());
    };
    if let Err(lacking) = assumable::check(&document, &place.us) {
        let told = match lacking {
            Lacking::Statement => "does not let Countersign in under the names of grants",
            Lacking::Pins => "lets Countersign in under any name, without pins or by `:root`",
        };
        let told = format!("its trust policy {told}: no credentials are handed out");
        section.lacks("lets us in", told, &[statements(place, arn)]);
        return Ok(());
    }
    let is_tagged = place.account.needs.tagged().contains(&arn);
    if is_tagged && !assumable::takes_tags(&document, &place.us) {
        let told = "its trust policy does not let Countersign tag its sessions: what has session_tags opens no more";
        section.lacks("session tags", told, &[statements(place, arn)]);
        return Ok(());
    }
    let Some((policy, arns)) = largest(place, arn) else {
        return Ok(());
    };
    let (name, person) = (GrantId::new().to_string(), PersonId::new().to_string());
    let wish = Wish {
        role_arn: arn,
        session_name: &name,
        source_identity: &person,
        policy: &policy,
        policy_arns: &arns,
        grant_tag: is_tagged.then_some(&name),
        duration: Some(session::SHORTEST),
    };
    match place.aws.try_to_assume(&wish).await {
        Ok(session) => assumed(role, &session, section),
        Err(refusal) => {
            Silent::or_not(refusal.error)?;
            refused(place, arn, refusal, section);
        }
    }
    Ok(())
}

/// The longest policy, with its managed ones, that a session of the role may get. Its deadline is
/// over, so that its Deny stands for every moment, whatever else it says.
fn largest(place: &Place<'_>, arn: &str) -> Option<(String, Vec<String>)> {
    let scopes = place.account.scopes.iter().filter(|(role, _)| role == arn);
    let all = scopes.filter_map(|(_, scope)| {
        // What STS would not take the catalog has refused.
        let policy = session::policy(scope, DateTime::<Utc>::UNIX_EPOCH).ok()?;
        Some((policy, scope.policy_arns().to_vec()))
    });
    all.max_by_key(|(policy, arns)| policy.len() + arns.iter().map(String::len).sum::<usize>())
}

fn assumed(role: &SurveyedRole, session: &Session, section: &mut Section) {
    if session.role_id.as_ref().is_some_and(|id| *id != role.id) {
        let told = "STS gave a session of another role of that name: it was made anew a moment ago";
        section.lacks(
            "lets us in",
            told,
            &["countersign doctor   # again, in a minute"],
        );
        return;
    }
    match session.issued.packed_percent {
        Some(percent) if percent > MOST_PACKED => section.lacks(
            "session policy",
            format!(
                "it takes {percent} % of what a session may carry; at more than {MOST_PACKED} % the next may be refused"
            ),
            &["scope_down = …   # of its entitlements: a shorter policy, or `policy_arns`"],
        ),
        percent => {
            let packed = percent.map_or_else(String::new, |it| {
                format!("; its policies take {it} % of what a session may carry")
            });
            let told = format!("STS gave a session under a grant's name{packed}");
            section.ok("lets us in", told);
        }
    }
}

fn refused(place: &Place<'_>, arn: &str, refusal: Refusal, section: &mut Section) {
    let shorter =
        "scope_down = …   # of its entitlements: a shorter policy, or fewer `policy_arns`";
    match (refusal.error, refusal.action) {
        (AwsError::Full, _) => {
            let told = "STS refuses the session's policies for their packed size: no credentials are handed out";
            section.lacks("session policy", told, &[shorter]);
        }
        (AwsError::Malformed, _) => {
            let told = "STS does not take the session's policies: no credentials are handed out";
            let arns = "policy_arns = …   # of its entitlements: managed policies of that account, or of AWS";
            section.lacks("session policy", told, &[arns]);
        }
        (_, Some(action @ ("sts:SetSourceIdentity" | "sts:TagSession"))) => {
            let told = format!(
                "STS refuses {action}: {} may not do that, or carries a source identity or tags of its own",
                place.us
            );
            let run = "run Countersign with credentials that carry neither: the role of a task or machine, not \
                       those of a CI job or of IAM Identity Center";
            section.lacks("session", told, &[place.set_up(), run.to_owned()]);
        }
        _ => {
            let told = format!(
                "STS refuses {} although the trust policy lets it in: no credentials are handed out",
                place.us
            );
            let mends = [place.set_up(), statements(place, arn)];
            section.lacks("lets us in", told, &mends);
        }
    }
}

/// What the role's owner puts into its trust policy.
fn statements(place: &Place<'_>, arn: &str) -> String {
    format!(
        "countersign aws-setup --account {}   # statements for the trust policy of {arn}",
        place.account.id
    )
}
