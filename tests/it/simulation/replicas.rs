//! Two equal replicas of the worker on one Postgres: who of them comes, and where one dies or is
//! paused. Each write of theirs is held once it has taken effect, so that what was on record before
//! it can be seen, and what would be if nobody of ours came any more.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::db::targets::LeaseError;
use countersign::policy::fingerprint;
use countersign::sandbox::{Call, Hold, When};
use countersign::worker::Worker;
use futures_util::future::select_all;
use tokio::task::JoinHandle;

use super::world::{Violation, World};
use crate::support::cloud::is_write;

/// The writes that there are.
const WRITES: [&str; 5] = [
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "PutUserPolicy",
    "DeleteUserPolicy",
    "DeleteRolePolicy",
];

/// The calls at which a replica stops: every one that a pass makes, the writes more often.
const STOPS: [&str; 14] = [
    "AssumeRole",
    "GetCallerIdentity",
    "GetRole",
    "GetRolePolicy",
    "GetUser",
    "ListUserPolicies",
    "GetUserPolicy",
    "PutRolePolicy",
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "UpdateAssumeRolePolicy",
    "PutUserPolicy",
    "PutUserPolicy",
    "DeleteUserPolicy",
];

/// How often a replica comes before it is started anew: by real time it would have to wait for its
/// tokens at the pace of a history.
const MOST_COMES: usize = 12;

pub struct Replica {
    worker: Worker,
    come: usize,
    paused: Option<Paused>,
    down_until: DateTime<Utc>,
}

/// A replica that is paused at a call.
struct Paused {
    task: Task,
    hold: Hold,
    until: DateTime<Utc>,
    /// What it had taken.
    taken: Vec<String>,
    /// The call takes effect when it goes on.
    lands: bool,
}

type Task = JoinHandle<Result<bool, LeaseError>>;

/// How a replica came to a stop.
enum Came {
    /// By itself; false when nothing was due.
    Through(bool),
    /// At the call that is held.
    Stopped,
}

impl World {
    pub async fn replica(&self) -> Replica {
        Replica {
            worker: self.stage.worker().await,
            come: 0,
            paused: None,
            down_until: self.now(),
        }
    }

    /// Whoever is there works until nothing is due. Whether anything was written.
    pub async fn work(&mut self) -> Result<bool, Violation> {
        let before = self.log.len();
        for _ in 0..80 {
            if self.due().await.is_none_or(|at| at > self.now()) {
                return Ok(self.log.len() > before);
            }
            let Some(nth) = self.who().await else {
                return Ok(self.log.len() > before);
            };
            let mut task = self.begin(nth).await;
            match self.drive(&mut task, None).await? {
                Came::Through(true) => {
                    self.even_out().await;
                    self.sync().await?;
                }
                Came::Through(false) | Came::Stopped => return Ok(self.log.len() > before),
            }
        }
        Err("liveness: the workers do not come to rest".to_owned())
    }

    /// The pause after a failure is half by chance: it is as long as it may be, so that a seed
    /// gives the same history again.
    async fn even_out(&self) {
        let sql = format!(
            "UPDATE targets SET due_at = '{now}'::timestamptz + pause
             FROM (SELECT id AS it, make_interval(secs => least(300, 2 ^ least(attempts - 1, 16))) AS pause
                   FROM targets WHERE attempts > 0) failed
             WHERE id = it AND due_at BETWEEN '{now}'::timestamptz + pause / 2 AND '{now}'::timestamptz + pause",
            now = self.now()
        );
        self.stage.rows.as_owner(&sql).await;
    }

    /// One of the replicas that are there.
    async fn who(&mut self) -> Option<usize> {
        let now = self.now();
        let there = |nth: &usize| {
            let replica = &self.replicas[*nth];
            replica.paused.is_none() && replica.down_until <= now
        };
        let there: Vec<usize> = (0..self.replicas.len()).filter(there).collect();
        if there.is_empty() {
            return None;
        }
        let nth = *self.dice.one_of(&there);
        if self.replicas[nth].come >= MOST_COMES {
            self.replicas[nth] = self.replica().await;
        }
        self.replicas[nth].come += 1;
        Some(nth)
    }

    /// A replica takes what is due first: of what is due at one time, whichever the dice say.
    async fn begin(&mut self, nth: usize) -> Task {
        let dice = self.dice.next();
        let sql = format!(
            "UPDATE targets t SET due_at = '{now}'::timestamptz - make_interval(secs => o.nth * 0.001)
             FROM (SELECT id, row_number() OVER (ORDER BY md5(arn || '{dice}')) AS nth FROM targets) o
             WHERE o.id = t.id AND t.due_at <= '{now}'",
            now = self.now()
        );
        self.stage.rows.as_owner(&sql).await;
        let worker = self.replicas[nth].worker.clone();
        tokio::spawn(async move { worker.step().await })
    }

    /// Follows a replica to its end, or to where it is to stop.
    async fn drive(&mut self, task: &mut Task, stop: Option<&Hold>) -> Result<Came, Violation> {
        loop {
            let knobs = self.knobs();
            let writes = WRITES.map(|action| knobs.hold(action, 1, When::AfterEffect));
            let stopped = async {
                if let Some(hold) = stop {
                    hold.reached().await;
                    if hold.is_reached() {
                        return;
                    }
                }
                std::future::pending().await
            };
            let mut writing = writes.iter().map(|it| Box::pin(it.reached()));
            tokio::select! {
                biased;
                () = stopped => return Ok(Came::Stopped),
                _ = select_all(writing.by_ref()) => {}
                done = &mut *task => {
                    return match done.map_err(|error| format!("the worker: {error}"))? {
                        Ok(worked) => Ok(Came::Through(worked)),
                        Err(LeaseError::Lost) => {
                            self.say("its lease was lost");
                            Ok(Came::Through(true))
                        }
                        Err(error) => Err(format!("the worker: {error}")),
                    };
                }
            }
            drop(writing);
            // One that was refused, or lost on its way, has had no effect to be held after.
            if writes.iter().any(Hold::is_reached) {
                self.written().await?;
            }
            for write in writes {
                write.release();
            }
        }
    }

    /// A write has taken effect, and nobody knows of it yet.
    async fn written(&mut self) -> Result<(), Violation> {
        self.note_documents();
        let calls = self.knobs().calls();
        let ours = |call: &&Call| is_write(&call.action) && call.caller.contains("/countersign");
        // unwrap: it is held after its effect, so that it is in the log
        let call = calls.iter().rev().find(ours).unwrap();
        let (arn, key) = document(call);
        self.say(format!("{} {key} on {arn}: {}", call.action, call.status));
        let text = call.params.get("PolicyDocument").map_or("", String::as_str);
        let known = self.column(format!(
            "SELECT encode(d.sha256, 'hex') FROM documents d JOIN targets t ON t.id = d.target
             WHERE t.arn = '{arn}' AND d.key = '{key}' AND d.unclear_at IS NOT NULL"
        ));
        if known.await != [hex::encode(fingerprint(text))] {
            return Err(format!(
                "intent: nothing on record of {} {key} on {arn}: {text}",
                call.action
            ));
        }
        self.judged.writes += 1;
        if call.status == 200 {
            self.judge_dead(&arn).await?;
        }
        Ok(())
    }

    /// A replica stops at some call, and is killed or paused there.
    pub async fn stop(&mut self) -> Result<(), Violation> {
        let call = *self.dice.one_of(&STOPS);
        let count = usize::try_from(self.dice.between(1, 2)).unwrap();
        let (after, pauses) = (self.dice.chance(50), self.dice.chance(40));
        let length = TimeDelta::seconds(self.dice.between(20, 600));
        self.make_due().await;
        let when = if after {
            When::AfterEffect
        } else {
            When::BeforeEffect
        };
        let hold = self.knobs().hold(call, count, when);
        for _ in 0..12 {
            let Some(nth) = self.who().await else {
                return Ok(());
            };
            let mut task = self.begin(nth).await;
            match self.drive(&mut task, Some(&hold)).await? {
                Came::Through(true) => self.sync().await?,
                Came::Through(false) => return Ok(()),
                Came::Stopped => {
                    let what = if pauses { "pauses" } else { "dies" };
                    self.say(format!(
                        "replica {nth} {what} at {call} {count}, after {after}"
                    ));
                    let paused = Paused {
                        task,
                        hold,
                        until: self.now() + length,
                        taken: self.taken().await,
                        lands: !after && is_write(call),
                    };
                    return self.stopped(nth, paused, pauses).await;
                }
            }
        }
        Ok(())
    }

    async fn stopped(&mut self, nth: usize, paused: Paused, pauses: bool) -> Result<(), Violation> {
        // Its writes before the one at which it stopped as well: what became of them is on record
        // only with the next transaction. The other one goes on with everything else.
        for arn in &paused.taken {
            self.trouble(arn, "a write has no answer", paused.until);
        }
        if pauses {
            self.replicas[nth].paused = Some(paused);
        } else {
            self.replicas[nth] = self.replica().await;
            self.kill(paused);
            if self.dice.chance(40) {
                let down = self.now() + TimeDelta::seconds(self.dice.between(30, 1200));
                self.say(format!("and none of them is there until {down}"));
                for replica in &mut self.replicas {
                    replica.down_until = down;
                }
                self.trouble_everywhere("the worker is gone", down);
            }
        }
        self.sync().await
    }

    /// What was held is never done, and never answered.
    fn kill(&mut self, paused: Paused) {
        paused.task.abort();
        self.dead.push(paused.hold);
    }

    /// The targets that somebody has.
    async fn taken(&self) -> Vec<String> {
        let sql = format!(
            "SELECT arn FROM targets WHERE lease_expires_at > '{}' ORDER BY arn",
            self.now()
        );
        self.column(sql).await
    }

    /// When the first of those that are paused goes on, or is there again.
    pub fn next_replica(&self) -> Option<DateTime<Utc>> {
        let moments = self.replicas.iter().flat_map(|it| {
            let paused = it.paused.as_ref().map(|paused| paused.until);
            paused.into_iter().chain([it.down_until])
        });
        moments.filter(|at| *at > self.now()).min()
    }

    /// Those go on whose pause is over, or all.
    pub async fn go_on(&mut self, all: bool) -> Result<(), Violation> {
        for nth in 0..self.replicas.len() {
            let now = self.now();
            let over = |paused: &mut Paused| all || paused.until <= now;
            let Some(mut paused) = self.replicas[nth].paused.take_if(over) else {
                continue;
            };
            self.say(format!("replica {nth} goes on"));
            for arn in &paused.taken {
                if paused.lands {
                    self.trouble(arn, "an unanswered write lands", now);
                }
            }
            paused.hold.release();
            self.drive(&mut paused.task, None).await?;
            self.note_documents();
            self.sync().await?;
        }
        Ok(())
    }

    /// All are stopped, and started anew.
    pub async fn restart(&mut self) {
        for nth in 0..self.replicas.len() {
            let new = self.replica().await;
            let old = std::mem::replace(&mut self.replicas[nth], new);
            if let Some(paused) = old.paused {
                for arn in &paused.taken {
                    self.trouble(arn, "a write has no answer", self.now());
                }
                self.kill(paused);
            }
        }
    }

    pub async fn make_due(&self) {
        let sql = format!(
            "UPDATE targets SET due_at = '{now}'
             WHERE due_at > '{now}' AND (lease_expires_at IS NULL OR lease_expires_at <= '{now}')",
            now = self.now()
        );
        self.stage.rows.as_owner(&sql).await;
    }
}

/// ARN of what is written to, and the document's name in the database.
fn document(call: &Call) -> (String, String) {
    let account = call.caller.split(':').nth(4).unwrap_or_default();
    let text = |key: &str| call.params.get(key).cloned().unwrap_or_default();
    if call.action.contains("User") {
        let grant = text("PolicyName")
            .rsplit('-')
            .next()
            .unwrap_or_default()
            .to_owned();
        let arn = format!("arn:aws:iam::{account}:user/{}", text("UserName"));
        return (arn, format!("inline:{grant}"));
    }
    let key = if call.action == "UpdateAssumeRolePolicy" {
        "trust"
    } else {
        "guard"
    };
    (
        format!("arn:aws:iam::{account}:role/{}", text("RoleName")),
        key.to_owned(),
    )
}
