//! What AWS shows of a target: read as a whole once, and then what was written.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::homes::{Homes, admitted};
use crate::aws::observe::{self, Look};
use crate::aws::{Aws, AwsError};
use crate::domain::grant::Grant;
use crate::domain::part::PartKind;
use crate::domain::target::DocumentKey;
use crate::policy::Observed;
use crate::policy::assumable::{self, Lacking};
use crate::policy::document::Document;

/// How old a read may be from which a document is written, or a look that serves once more.
pub(super) const FRESH: Duration = Duration::from_secs(2);

/// One look.
pub(super) struct Seen {
    pub observed: Observed,
    /// The principals (ARNs) that could not be read, and why.
    pub unread: BTreeMap<String, AwsError>,
    /// Whether it is the role that we work as; asked where something may be opened.
    pub ours: Option<Result<bool, AwsError>>,
    /// The ARN that we have in the role's account, as far as STS has told it.
    us: Option<String>,
    /// When AWS was asked last.
    pub asked_at: Instant,
    /// Since when the oldest part of it may be as it was read.
    begun_at: Instant,
    /// When the trust policy, or the user itself, had been read, which is read last.
    pub looked_at: Instant,
}

impl Seen {
    /// Reads everything: the role, its guard, and the principals of what may be opened or is open;
    /// of what `carries`, its policies. `opens`: something is to be opened, so that it has to be
    /// known whose the role is. `at`: what is over by then closes, whoever its principal is by now.
    /// `homes`: the accounts of others.
    pub async fn whole(
        aws: &Aws,
        limit: Duration,
        (arn, carries): (&str, bool),
        grants: &[Grant],
        opens: bool,
        at: DateTime<Utc>,
        homes: &Homes,
    ) -> Result<Self, AwsError> {
        // Before the look, which would grow old while STS is silent: a closing beside it is then
        // planned all the same.
        let identified = if opens {
            Some(in_time(limit, aws.identify()).await)
        } else {
            None
        };
        let asked_at = Instant::now();
        let principals = admitted(grants, at).map(|it| (it.to_owned(), homes.of(aws, it)));
        let look = observe::observe(aws, arn, principals.collect(), carries, opens);
        let Look { observed, unread } = in_time(limit, look).await?;
        let looked_at = Instant::now();
        let ours = match (identified, &observed) {
            (Some(Ok(())), Observed::Role(role)) => {
                Some(aws.is_ours(&role.arn, &role.role_id).await)
            }
            (Some(Err(error)), _) => Some(Err(error)),
            // Nor does whoever we work as carry anything.
            (Some(Ok(())), Observed::User(user)) => {
                Some(aws.is_ours(&user.arn, &user.user_id).await)
            }
            (Some(Ok(())), Observed::Gone) | (None, _) => None,
        };
        Ok(Self {
            observed,
            unread,
            ours,
            // Never asked for here, where the look would grow old; an opening has asked before it.
            us: aws.known_us().map(str::to_owned),
            asked_at,
            begun_at: asked_at,
            looked_at,
        })
    }

    /// Reads back what was written. The rest is as old as it was.
    pub async fn read_back(
        &mut self,
        aws: &Aws,
        limit: Duration,
        arn: &str,
        key: DocumentKey,
        policy: Option<&str>,
    ) -> Result<(), AwsError> {
        self.asked_at = Instant::now();
        let read = observe::read_back(aws, arn, policy, &mut self.observed);
        in_time(limit, read).await?;
        // Of a carrier the policy alone was read, not whose it is.
        if key == DocumentKey::Trust {
            self.looked_at = Instant::now();
        }
        Ok(())
    }

    /// Whether the role's trust policy lets us assume it pinned, whatever it was like when it was
    /// asked for; `None` where this look cannot tell.
    pub fn pins(&self) -> Option<Result<(), Lacking>> {
        let (Observed::Role(role), Some(us)) = (&self.observed, &self.us) else {
            return None;
        };
        // A text that cannot be read is a condition of its own, and opens nothing.
        let trust = Document::parse(&role.trust).ok()?;
        Some(assumable::check(&trust, us))
    }

    /// Whether it lets us tag our sessions; `None` where this look cannot tell.
    pub fn takes_tags(&self) -> Option<bool> {
        let (Observed::Role(role), Some(us)) = (&self.observed, &self.us) else {
            return None;
        };
        let trust = Document::parse(&role.trust).ok()?;
        Some(assumable::takes_tags(&trust, us))
    }

    /// Whether nobody vouches for the name of the session that a grant lets in, so that it is not
    /// opened (docs/guard.md, C6).
    pub fn is_unvouched(&self, grant: &Grant) -> bool {
        let unvouched = match &self.observed {
            Observed::Role(role) => role.shows(grant).flatten().and_then(|it| it.unvouched),
            Observed::User(user) => user.unvouched.clone(),
            Observed::Gone => None,
        };
        unvouched.is_some()
    }

    /// Whether it shows all that has to be known before this grant is opened. One that was approved
    /// a moment ago was not looked for.
    pub fn covers(&self, grant: &Grant) -> bool {
        let role = match &self.observed {
            Observed::Role(role) => role,
            Observed::User(_) => return !grant.state.is_opening() || self.ours.is_some(),
            Observed::Gone => return true,
        };
        // Whoever is let in elsewhere is looked at there.
        let is_named = grant.method.part() == PartKind::Statement;
        let arn = grant.principal_arn.as_ref().filter(|_| is_named);
        let is_known = arn
            .is_none_or(|arn| role.principals.contains_key(arn) || self.unread.contains_key(arn));
        !grant.state.is_opening() || self.ours.is_some() && is_known
    }

    /// Whether all of it is young enough to be planned from once more.
    pub fn is_fresh(&self) -> bool {
        self.begun_at.elapsed() <= FRESH
    }
}

async fn in_time<T>(
    limit: Duration,
    look: impl Future<Output = Result<T, AwsError>>,
) -> Result<T, AwsError> {
    let looked = tokio::time::timeout(limit, look).await;
    looked.unwrap_or(Err(AwsError::Unclear))
}
