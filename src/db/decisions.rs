//! The decisions on requests: each person's voice.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::audit::Channel;
use crate::domain::person::Person;
use crate::domain::request::Verdict;
use crate::domain::text::Words;
use crate::ids::{PersonId, RequestId};

/// What one person said.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The how-manieth of its request, from 1.
    pub seq: i32,
    /// Who.
    pub person: PersonId,
    /// Their name as it is now.
    pub name: String,
    /// What.
    pub verdict: Verdict,
    /// In their words.
    pub comment: Option<String>,
    /// Of an approval, the longest grant that it approves, seconds.
    pub duration_seconds: Option<i32>,
    /// Through what.
    pub channel: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The account that counts for all of that human's.
    pub human: PersonId,
    /// The revision of the request that they judged.
    pub revision: i32,
    /// Whether it is where that human stands: the last that they said.
    pub stands: bool,
    /// Whether it counts: where that human stands, and as long as the request waits only of
    /// somebody who is active, and none of those who have asked. After that it is history.
    pub counts: bool,
    /// In whose place they sit, with the name, where that was looked for and it is not by a group
    /// of their own.
    pub stands_for: Option<(PersonId, String)>,
}

/// The approvals that count, each of another human.
pub fn approvals(decisions: &[Decision]) -> impl Iterator<Item = &Decision> {
    let counted = decisions.iter().filter(|it| it.counts);
    counted.filter(|it| it.verdict == Verdict::Approve)
}

/// A new voice.
#[derive(Debug)]
pub struct Voice<'a> {
    /// On which request.
    pub request: RequestId,
    /// The revision that they judged.
    pub revision: i32,
    /// Whose.
    pub person: PersonId,
    /// What they say.
    pub verdict: Verdict,
    /// In their words.
    pub comment: Option<&'a Words>,
    /// Of an approval, the longest grant that it approves, seconds.
    pub duration_seconds: Option<i32>,
    /// Through what.
    pub channel: Channel,
    /// When.
    pub at: DateTime<Utc>,
}

/// Records one person's voice. The caller has the request's lock.
///
/// # Errors
/// When the database does not answer, or refuses the requester's own voice.
pub async fn decide(conn: &mut PgConnection, voice: &Voice<'_>) -> sqlx::Result<()> {
    // Whatever the caller has asked before, triggers take one voice of each human, and none of the
    // requester or of somebody outside the groups.
    sqlx::query!(
        "INSERT INTO decisions (id, request, seq, revision, person, verdict, comment, duration_seconds, channel, at)
         VALUES ($1, $2, (SELECT count(*) + 1 FROM decisions d WHERE d.request = $2), $3, $4, $5, $6, $7, $8, $9)",
        uuid::Uuid::now_v7(),
        voice.request.uuid(),
        voice.revision,
        voice.person.uuid(),
        voice.verdict.as_str(),
        voice.comment.map(ToString::to_string),
        voice.duration_seconds,
        voice.channel.as_str(),
        voice.at,
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
    let rows = sqlx::query!(
        r#"SELECT d.seq, d.person AS "person: PersonId", p.name, d.verdict, d.comment, d.duration_seconds,
                  d.channel, d.at, d.revision, human(p.id) AS "human!: PersonId",
                  d.seq IN (SELECT s.seq FROM standing(r.id) s) AS "stands!",
                  (d.seq IN (SELECT s.seq FROM standing(r.id) s)
                   AND (r.state <> 'pending' OR p.status = 'active' AND d.times_disabled = p.times_disabled
                        AND human(p.id) <> ALL (askers(r)))) AS "counts!"
           FROM decisions d JOIN people p ON p.id = d.person JOIN requests r ON r.id = d.request
           WHERE d.request = $1 ORDER BY d.seq"#,
        request.uuid()
    );
    let rows = rows.fetch_all(conn).await?.into_iter().map(|row| {
        Ok(Decision {
            seq: row.seq,
            person: row.person,
            name: row.name,
            verdict: verdict(&row.verdict)?,
            comment: row.comment,
            duration_seconds: row.duration_seconds,
            channel: row.channel,
            at: row.at,
            human: row.human,
            revision: row.revision,
            stands: row.stands,
            counts: row.counts,
            stands_for: None,
        })
    });
    rows.collect()
}

fn verdict(text: &str) -> sqlx::Result<Verdict> {
    Verdict::parse(text)
        .ok_or_else(|| sqlx::Error::Decode(format!("unknown verdict {text}").into()))
}

/// Who matters to a decision, as they are now in the database.
#[derive(Debug)]
pub struct Voters {
    /// Who decides, or takes the request back.
    pub caller: Option<Person>,
    /// Who asked.
    pub requester: Option<Person>,
    /// Whether the identity that is let in, if there is one, is the requester's still.
    pub is_own: bool,
    /// Whether the caller stands in for an approver.
    pub stands_in: bool,
}

/// The caller and the requester of a request.
///
/// # Errors
/// When the database does not answer.
pub async fn voters(
    conn: &mut PgConnection,
    request: RequestId,
    requester: PersonId,
    caller: PersonId,
    now: DateTime<Utc>,
) -> sqlx::Result<Voters> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.name, p.email, p.groups, human_ids(p) AS "ids!: Vec<PersonId>",
                  principal_is_own(r) AS "is_own!", stands_in($3, r.id, $4) AS "stands_in!"
           FROM requests r, people p WHERE r.id = $1 AND p.id = ANY($2)"#,
        request.uuid(),
        &[requester.uuid(), caller.uuid()][..],
        caller.uuid(),
        now,
    );
    let mut voters = Voters {
        caller: None,
        requester: None,
        is_own: false,
        stands_in: false,
    };
    for row in rows.fetch_all(conn).await? {
        voters.is_own = row.is_own;
        voters.stands_in = row.stands_in;
        let person = Person {
            id: row.id,
            name: row.name,
            email: row.email,
            groups: row.groups,
            ids: row.ids,
        };
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
