//! A grant's row with those of its part and its names, and the state that the columns spell.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::domain::cause::Cause;
use crate::domain::demands::{Demands, ExternalId};
use crate::domain::entitlement::{EarlyEnd, Method};
use crate::domain::grant::{Bypassed, Closing, Grant, GrantState, Marks};
use crate::domain::part::{Allows, Part, PartKind, PartState};
use crate::domain::text::Words;
use crate::ids::{GrantId, PartId, PersonId, RequestId, TargetId};

/// Grants as they are on a target, with the conditions and the order that are given. `g` is the
/// grant, `p` its part and `n` its own name there, `c` its console name on the role. The first
/// word joins them: `JOIN` leaves those out of which nothing is written.
// A fetch that has no answer may have made a session that ends at the deadline.
// The own name is there from the approval on; the console name comes later, or never.
macro_rules! there {
    ($join:literal, $target:literal, $tail:literal, $($arg:expr),* $(,)?) => {
        sqlx::query_as!(
            crate::db::grants::row::Row,
            r#"SELECT g.id AS "id!", g.request AS "request!", g.target AS "target!", g.person AS "person!",
                      g.method AS "method!", g.principal_arn, g.principal_session, g.principal_id,
                      CASE WHEN g.early_end = 'none' THEN r.role_id ELSE p.target_uid END AS role_id,
                      g.grant_name AS "grant_name!", g.console_name, g.mfa AS "mfa!", g.external_id,
                      g.early_end AS "early_end!",
                      coalesce((r.terms->>'session_tags')::boolean, false) AS "session_tags!", g.state AS "state!",
                      g.starts_at AS "starts_at!", g.deadline AS "deadline!", g.approved_at AS "approved_at!",
                      p.sent_until AS "sent_until?", p.listed_until AS "listed_until?",
                      c.since AS "console_since?", p.unclear_at AS "unclear_at?", p.absent_at AS "absent_at?",
                      p.allows AS "allows?: sqlx::types::Json<crate::domain::part::Allows>", g.opening_at, g.opened_at,
                      g.closing_at, g.cause, g.closing_by, g.closing_reason, g.ended_at,
                      n.guard_until AS "guard_until?", n.guard_gone_at AS "guard_gone_at?", p.restores AS "restores?",
                      CASE WHEN g.early_end = 'none' THEN
                          (SELECT max(least(g.deadline, f.expires_at)) FROM fetches f
                           WHERE f."grant" = g.id AND f.outcome IS DISTINCT FROM 'failed') END AS keys_until,
                      g.principal_missing_since, g.bypass_asked_at, g.bypassed_at, g.bypassed_by,
                      r.submitted_at AS "requested_at!", p.id AS "part?: crate::ids::PartId",
                      p.kind AS "kind?", p.state AS "part_state?", p.opened_at AS "part_opened_at?",
                      p.closed_at AS "part_closed_at?"
               FROM grants g JOIN requests r ON r.id = g.request
               "# + $join + r#" parts p ON p."grant" = g.id AND p.target = "# + $target + r#"
               "# + $join + r#" names n ON n."grant" = g.id AND n.target = p.target AND n.name = g.grant_name
               LEFT JOIN names c ON c."grant" = g.id AND c.target = g.target AND c.name = g.console_name
               "# + $tail,
            $($arg),*
        )
    };
}
pub(in crate::db) use there;

/// The same on the target that each grant is for.
macro_rules! whole {
    ($tail:literal, $($arg:expr),* $(,)?) => {
        crate::db::grants::row::there!("LEFT JOIN", "g.target", $tail, $($arg),*)
    };
}
pub(in crate::db) use whole;

/// The columns of a grant with its part and its names on its target.
#[derive(Debug, Clone)]
pub(in crate::db) struct Row {
    pub id: GrantId,
    pub request: RequestId,
    pub target: TargetId,
    pub person: PersonId,
    pub method: String,
    pub principal_arn: Option<String>,
    pub principal_session: Option<String>,
    pub principal_id: Option<String>,
    pub role_id: Option<String>,
    pub grant_name: String,
    pub console_name: Option<String>,
    pub mfa: bool,
    pub external_id: Option<String>,
    pub early_end: String,
    pub session_tags: bool,
    pub state: String,
    pub starts_at: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    pub approved_at: DateTime<Utc>,
    pub sent_until: Option<DateTime<Utc>>,
    pub listed_until: Option<DateTime<Utc>>,
    pub console_since: Option<DateTime<Utc>>,
    pub unclear_at: Option<DateTime<Utc>>,
    pub absent_at: Option<DateTime<Utc>>,
    pub allows: Option<Json<Allows>>,
    pub opening_at: Option<DateTime<Utc>>,
    pub opened_at: Option<DateTime<Utc>>,
    pub closing_at: Option<DateTime<Utc>>,
    pub cause: Option<String>,
    pub closing_by: Option<PersonId>,
    pub closing_reason: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub guard_until: Option<DateTime<Utc>>,
    pub guard_gone_at: Option<DateTime<Utc>>,
    pub restores: Option<i16>,
    pub keys_until: Option<DateTime<Utc>>,
    pub principal_missing_since: Option<DateTime<Utc>>,
    pub bypass_asked_at: Option<DateTime<Utc>>,
    pub bypassed_at: Option<DateTime<Utc>>,
    pub bypassed_by: Option<String>,
    pub requested_at: DateTime<Utc>,
    pub part: Option<PartId>,
    pub kind: Option<String>,
    pub part_state: Option<String>,
    pub part_opened_at: Option<DateTime<Utc>>,
    pub part_closed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Grant {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let state = state(&row)?;
        let method = Method::parse(&row.method).ok_or_else(|| broken(&row, "unknown method"))?;
        let early_end = EarlyEnd::parse(&row.early_end);
        let early_end = early_end.ok_or_else(|| broken(&row, "unknown early end"))?;
        Ok(Self {
            id: row.id,
            request: row.request,
            target: row.target,
            person: row.person,
            method,
            principal_arn: row.principal_arn,
            principal_session: row.principal_session,
            principal_id: row.principal_id,
            role_id: row.role_id,
            grant_name: row.grant_name,
            console_name: row.console_name,
            demands: Demands {
                mfa: row.mfa,
                external_id: row.external_id.map(ExternalId::stored),
            },
            early_end,
            session_tags: row.session_tags,
            requested_at: row.requested_at,
            starts_at: row.starts_at,
            deadline: row.deadline,
            approved_at: row.approved_at,
            marks: Marks {
                sent_until: row.sent_until,
                listed_until: row.listed_until,
                console_since: row.console_since,
                unclear_at: row.unclear_at,
                absent_at: row.absent_at,
                guard_until: row.guard_until,
                guard_gone_at: row.guard_gone_at,
                restores: row.restores.unwrap_or_default(),
                principal_missing_since: row.principal_missing_since,
                keys_until: row.keys_until,
                bypass_asked_at: row.bypass_asked_at,
                bypassed: bypassed(row.bypassed_at, row.bypassed_by),
            },
            state,
        })
    }
}

fn bypassed(at: Option<DateTime<Utc>>, by: Option<String>) -> Option<Bypassed> {
    let (at, by) = at.zip(by)?;
    Some(Bypassed { at, by })
}

impl Row {
    /// The grant's part on that target.
    pub fn part(&self, target: TargetId) -> sqlx::Result<Part> {
        let kind = self.kind.as_deref().and_then(PartKind::parse);
        let kind = kind.ok_or_else(|| broken(self, "unknown kind"))?;
        let word = self.part_state.as_deref().unwrap_or_default();
        let state = PartState::of(word, self.part_opened_at, self.part_closed_at);
        let (id, state) = self
            .part
            .zip(state)
            .ok_or_else(|| broken(self, "impossible part"))?;
        Ok(Part {
            id,
            grant: self.id,
            target,
            kind,
            allows: self.allows.as_ref().map(|it| it.0.clone()),
            state,
        })
    }
}

fn state(row: &Row) -> sqlx::Result<GrantState> {
    let cause = row
        .cause
        .as_deref()
        .map(|text| Cause::parse(text).ok_or_else(|| broken(row, "unknown cause")));
    let cause = cause.transpose()?;
    let reason = row.closing_reason.clone().map(Words::stored);
    let (opening_at, opened_at, by) = (row.opening_at, row.opened_at, row.closing_by);
    match (
        row.state.as_str(),
        opening_at,
        opened_at,
        row.closing_at,
        cause,
        row.ended_at,
    ) {
        ("scheduled", None, None, None, None, None) => Ok(GrantState::Scheduled),
        ("opening", Some(at), None, None, None, None) => Ok(GrantState::Opening { at }),
        ("active", Some(opening_at), Some(opened_at), None, None, None) => Ok(GrantState::Active {
            opening_at,
            opened_at,
        }),
        ("closing", Some(opening_at), _, Some(since), Some(cause), None) => {
            Ok(GrantState::Closing(Closing {
                opening_at,
                opened_at,
                since,
                cause,
                by,
                reason,
            }))
        }
        ("ended", _, _, Some(requested_at), Some(cause), Some(at)) => Ok(GrantState::Ended {
            opening_at,
            opened_at,
            requested_at,
            cause,
            by,
            reason,
            at,
        }),
        ("failed", _, None, Some(requested_at), Some(cause), Some(at)) => Ok(GrantState::Failed {
            opening_at,
            requested_at,
            cause,
            at,
        }),
        // Never the nearest state: a page would show access that is not there, or none where there
        // is.
        _ => Err(broken(row, "impossible state")),
    }
}

fn broken(row: &Row, what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("grant {}: {what}", row.id).into())
}

/// The columns that a state fills: opening_at, opened_at, closing_at, cause, closing_by,
/// closing_reason, ended_at.
pub(in crate::db) type Columns<'a> = (
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<Cause>,
    Option<PersonId>,
    Option<&'a Words>,
    Option<DateTime<Utc>>,
);

pub(in crate::db) fn columns(state: &GrantState) -> Columns<'_> {
    match state {
        GrantState::Scheduled => (None, None, None, None, None, None, None),
        GrantState::Opening { at } => (Some(*at), None, None, None, None, None, None),
        GrantState::Active {
            opening_at,
            opened_at,
        } => (
            Some(*opening_at),
            Some(*opened_at),
            None,
            None,
            None,
            None,
            None,
        ),
        GrantState::Closing(c) => (
            Some(c.opening_at),
            c.opened_at,
            Some(c.since),
            Some(c.cause),
            c.by,
            c.reason.as_ref(),
            None,
        ),
        GrantState::Ended {
            opening_at,
            opened_at,
            requested_at,
            cause,
            by,
            reason,
            at,
        } => (
            *opening_at,
            *opened_at,
            Some(*requested_at),
            Some(*cause),
            *by,
            reason.as_ref(),
            Some(*at),
        ),
        GrantState::Failed {
            opening_at,
            requested_at,
            cause,
            at,
        } => (
            *opening_at,
            None,
            Some(*requested_at),
            Some(*cause),
            None,
            None,
            Some(*at),
        ),
    }
}
