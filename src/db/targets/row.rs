//! A target's row with what was sent of its documents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::db::documents::Document;
use crate::domain::target::{Condition, DocumentKey, Sent, Target};
use crate::ids::TargetId;

/// A target in its holder's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The role or user, and what was sent.
    pub target: Target,
    /// Failures in a row.
    pub attempts: i32,
    /// Kind of the last failure.
    pub last_error: Option<String>,
    /// When a failure of that kind was last put on record.
    pub last_error_at: Option<DateTime<Utc>>,
    /// Whether any revocation holds.
    pub is_any_held: bool,
    /// The time of the transaction, asked once the rows are locked.
    pub now: DateTime<Utc>,
}

/// Targets `t` as they stand, with the conditions that are given; `$1` is the time where it is
/// given.
macro_rules! held {
    ($tail:literal, $($arg:expr),* $(,)?) => {
        sqlx::query_as!(
            crate::db::targets::row::Row,
            r#"WITH clock AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
               SELECT t.id, t.account, t.arn, t.kind <> 'role' AS "carries!", t.revision, t.condition,
                      t.missing_since, t.safe_since,
                      t.guard_restores, t.guard_equal_at, t.clocks_differ, t.unpinned, t.closed,
                      t.kept AS "kept: Json<BTreeMap<String, DateTime<Utc>>>", t.attempts, t.last_error,
                      t.last_error_at,
                      coalesce((SELECT jsonb_agg(to_jsonb(d) || jsonb_build_object('sha256', encode(d.sha256, 'hex')))
                                FROM documents d WHERE d.target = t.id AND (
                                    d.key IN ('trust', 'guard') OR d.sent_at > now - interval '1 hour'
                                    OR d.key IN (SELECT 'inline:' || n.name FROM names n
                                                 WHERE n.target = t.id AND n.guard_gone_at IS NULL))), '[]')
                          AS "documents!: Json<Vec<Document>>",
                      (SELECT i.id FROM installation i) AS "installation!",
                      EXISTS (SELECT FROM revocations WHERE lifted_at IS NULL) AS "is_any_held!", now AS "now!"
               FROM targets t, clock
               "# + $tail,
            $($arg),*
        )
    };
}
pub(in crate::db) use held;

/// The columns of a target.
pub(in crate::db) struct Row {
    pub id: TargetId,
    pub account: String,
    pub arn: String,
    pub carries: bool,
    pub revision: i64,
    pub condition: String,
    pub missing_since: Option<DateTime<Utc>>,
    pub safe_since: Option<DateTime<Utc>>,
    pub kept: Json<BTreeMap<String, DateTime<Utc>>>,
    pub guard_restores: i16,
    pub guard_equal_at: Option<DateTime<Utc>>,
    pub clocks_differ: bool,
    pub unpinned: bool,
    pub closed: bool,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub last_error_at: Option<DateTime<Utc>>,
    pub documents: Json<Vec<Document>>,
    pub installation: String,
    pub is_any_held: bool,
    pub now: DateTime<Utc>,
}

impl Row {
    /// The target with how the work on it went.
    pub fn held(self) -> sqlx::Result<Held> {
        let condition = parse(&self.condition)?;
        let (mut trust, mut guard) = (Sent::default(), Sent::default());
        let mut inline = BTreeMap::new();
        for document in self.documents.0 {
            match DocumentKey::parse(&document.key) {
                Some(DocumentKey::Trust) => trust = document.sent()?,
                Some(DocumentKey::Guard) => guard = document.sent()?,
                Some(DocumentKey::Inline(grant)) => drop(inline.insert(grant, document.sent()?)),
                None => return Err(broken(format!("unknown document {}", document.key))),
            }
        }
        Ok(Held {
            target: Target {
                id: self.id,
                account: self.account,
                arn: self.arn,
                carries: self.carries,
                revision: self.revision,
                condition,
                trust,
                guard,
                inline,
                missing_since: self.missing_since,
                safe_since: self.safe_since,
                kept: self.kept.0,
                guard_restores: self.guard_restores,
                guard_equal_at: self.guard_equal_at,
                clocks_differ: self.clocks_differ,
                unpinned: self.unpinned,
                closed: self.closed,
                installation: self.installation,
            },
            attempts: self.attempts,
            last_error: self.last_error,
            last_error_at: self.last_error_at,
            is_any_held: self.is_any_held,
            now: self.now,
        })
    }
}

fn broken(what: String) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

pub(in crate::db) fn parse(condition: &str) -> sqlx::Result<Condition> {
    Condition::parse(condition)
        .ok_or_else(|| sqlx::Error::Decode(format!("unknown condition {condition}").into()))
}
