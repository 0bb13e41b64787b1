//! The decisions on requests: each person's voice.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::person::Person;
use crate::domain::text::Words;
use crate::ids::{PersonId, RequestId};

/// What one person said.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Who.
    pub person: PersonId,
    /// Their name as it is now.
    pub name: String,
    /// Whether it was a yes.
    pub approved: bool,
    /// In their words.
    pub comment: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// The account that counts for all of that human's.
    pub human: PersonId,
    /// Whether it stands: its person was not disabled since. One that does not stand never counts
    /// again, and leaves them the voice that they have not used.
    pub stands: bool,
    /// Whether it counts: while the request waits, only one that stands, of somebody who is active,
    /// and none of those who have asked. After that it is history.
    pub counts: bool,
}

/// How many people's yes counts.
#[must_use]
pub fn have(decisions: &[Decision]) -> usize {
    let counted = decisions.iter().filter(|it| it.approved && it.counts);
    counted.map(|it| it.human).collect::<BTreeSet<_>>().len()
}

/// Records one person's voice.
///
/// # Errors
/// When the database does not answer, or refuses the requester's own voice.
pub async fn decide(
    conn: &mut PgConnection,
    request: RequestId,
    person: PersonId,
    approved: bool,
    comment: Option<&Words>,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    // Whatever the caller has asked before, the primary key takes one voice of each person, and
    // triggers none of the requester or of somebody outside the group.
    sqlx::query!(
        "INSERT INTO decisions (request, stage, person, verdict, comment, at) VALUES ($1, 1, $2, $3, $4, $5)",
        request.uuid(),
        person.uuid(),
        if approved { "approve" } else { "deny" },
        comment.map(ToString::to_string),
        at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The voices on a request, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_request(
    conn: &mut PgConnection,
    request: RequestId,
) -> sqlx::Result<Vec<Decision>> {
    sqlx::query_as!(
        Decision,
        r#"SELECT d.person, p.name, d.verdict = 'approve' AS "approved!", d.comment, d.at,
                  coalesce(p.same_as, p.id) AS "human!: PersonId", d.times_disabled = p.times_disabled AS "stands!",
                  CASE WHEN r.state = 'pending' THEN p.status = 'active' AND d.times_disabled = p.times_disabled
                           AND coalesce(p.same_as, p.id) <> ALL (askers(r))
                       -- Who has voted once more had lost the voice before.
                       ELSE NOT EXISTS (SELECT FROM decisions n WHERE n.request = d.request AND n.person = d.person
                                        AND n.times_disabled > d.times_disabled) END AS "counts!"
           FROM decisions d JOIN people p ON p.id = d.person JOIN requests r ON r.id = d.request
           WHERE d.request = $1 ORDER BY d.at"#,
        request.uuid()
    )
    .fetch_all(conn)
    .await
}

/// Who matters to a decision, as they are now in the database.
#[derive(Debug)]
pub struct Voters {
    /// Who decides, or takes the request back.
    pub caller: Option<Person>,
    /// Who asked.
    pub requester: Option<Person>,
    /// The voices so far, oldest first.
    pub decisions: Vec<Decision>,
    /// Whether the identity that is let in, if there is one, is the requester's still.
    pub is_own: bool,
}

/// The caller, the requester and the voices on a request.
///
/// # Errors
/// When the database does not answer.
pub async fn voters(
    conn: &mut PgConnection,
    request: RequestId,
    requester: PersonId,
    caller: PersonId,
) -> sqlx::Result<Voters> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.name, p.email, p.groups, human_ids(p) AS "ids!: Vec<PersonId>",
                  d.times_disabled = p.times_disabled AS stands,
                  p.status = 'active' AND coalesce(p.same_as, p.id) <> ALL (askers(r)) AS "may_count!",
                  principal_is_own(r) AS "is_own!", d.verdict = 'approve' AS approved, d.comment, d.at AS "at?"
           FROM requests r, people p LEFT JOIN decisions d ON d.person = p.id AND d.request = $1
           WHERE r.id = $1 AND p.id = ANY($2::uuid[] || ARRAY(SELECT v.person FROM decisions v WHERE v.request = $1))
           ORDER BY d.at"#,
        request.uuid(),
        &[requester.uuid(), caller.uuid()][..],
    )
    .fetch_all(conn)
    .await?;
    let mut voters = Voters {
        caller: None,
        requester: None,
        decisions: Vec::new(),
        is_own: false,
    };
    for row in rows {
        voters.is_own = row.is_own;
        let person = Person {
            id: row.id,
            name: row.name,
            email: row.email,
            groups: row.groups,
            ids: row.ids,
        };
        if let (Some(approved), Some(at), Some(stands)) = (row.approved, row.at, row.stands) {
            voters.decisions.push(Decision {
                person: person.id,
                name: person.name.clone(),
                approved,
                comment: row.comment,
                at,
                human: person.human(),
                stands,
                counts: stands && row.may_count,
            });
        }
        // The requester may be the caller: one row, and both of them.
        if person.id == requester {
            voters.requester = Some(person.clone());
        }
        if person.id == caller {
            voters.caller = Some(person);
        }
    }
    Ok(voters)
}
