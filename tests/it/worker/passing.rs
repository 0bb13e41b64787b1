//! Time that passes in a history: a worker that comes whenever the target is due, or dies, and what
//! lands or is over meanwhile.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::sandbox::LateWrite;

use super::life::{Life, Violation};
use super::minutes;
use crate::support::cloud::{is_write, reached};

impl Life {
    pub async fn die(&mut self) -> Result<(), Violation> {
        let call = *self
            .dice
            .one_of(&["GetRole", "PutRolePolicy", "UpdateAssumeRolePolicy"]);
        let (after, down) = (self.dice.chance(50), self.dice.between(1, 20));
        self.die_at(call, after, minutes(down)).await
    }

    /// A worker is dropped while a call is held; the next one comes when the lease is over, or
    /// later.
    pub async fn die_at(
        &mut self,
        call: &str,
        after: bool,
        down: TimeDelta,
    ) -> Result<(), Violation> {
        self.make_due().await;
        let held = self.stage.cloud.hold(call, after);
        let worker = self.stage.worker().await;
        let died = tokio::select! {
            done = worker.run_until_idle() => {
                done.map_err(|error| format!("the worker: {error}"))?;
                false
            }
            () = reached(&held) => true,
        };
        drop((held, self.worker.take()));
        self.stage.cloud.knobs().clear();
        self.sync().await?;
        if died {
            let length = down.num_minutes();
            self.say(format!(
                "the worker dies at {call}, {after}, for {length} min"
            ));
            self.down_until = self.now() + down;
            self.trouble("the worker is gone", self.down_until);
            self.trouble("a write has no answer", self.now());
        }
        Ok(())
    }

    /// Nothing befalls anybody any more.
    pub async fn calm(&mut self) {
        self.stage.cloud.knobs().clear();
        self.stage.cloud.knobs().stale_reads(false);
        (self.armed_until, self.stale_until) = (None, None);
        self.armed.clear();
        if self.role_id().is_some() {
            self.resume().await;
        }
    }

    /// On for a while, with a worker whenever the target is due.
    pub async fn pass_time(&mut self, length: TimeDelta) -> Result<(), Violation> {
        let until = self.now() + length;
        let mut quiet = 0;
        loop {
            self.happen();
            let clocks = [self.now(), self.stage.aws_now()];
            let is_deadline = self.approved.iter().any(|a| clocks.contains(&a.deadline));
            if is_deadline {
                self.judge().await?;
            }
            let (wrote, due) = self.work().await?;
            if self.now() >= until {
                return self.judge().await;
            }
            if wrote {
                self.judge().await?;
            }
            // Where nothing was written for three looks, and nothing may come, the next of them
            // show the same: most are left out.
            quiet = if wrote || self.is_excused() || !self.is_settled {
                0
            } else {
                quiet + 1
            };
            let seldom = self.now() + minutes(15);
            let due = due.map(|at| if quiet > 3 { at.max(seldom) } else { at });
            let own = [due, self.armed_until, self.stale_until];
            let moments = own.into_iter().flatten();
            let moments = moments.chain(self.lates.iter().map(|(at, _)| *at));
            let deadlines = self.approved.iter().map(|a| a.deadline);
            let ahead = self.stage.aws_now() - self.now();
            let moments = moments.chain(deadlines.flat_map(|at| [at, at - ahead]));
            let next = moments.filter(|at| *at > self.now()).min();
            let next = next.map_or(until, |at| at.min(until));
            self.stage.advance(next - self.now());
        }
    }

    /// What comes with time: writes that land, reads that do not lag any more, faults that nothing
    /// met.
    fn happen(&mut self) {
        let now = self.now();
        if self.armed_until.is_some_and(|at| at <= now) {
            self.armed_until = None;
            self.stage.cloud.knobs().clear();
            self.armed.clear();
        }
        if self.stale_until.is_some_and(|at| at <= now) {
            self.stale_until = None;
            self.stage.cloud.knobs().stale_reads(false);
        }
        let all = std::mem::take(&mut self.lates);
        let (due, lates): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at <= now);
        self.lates = lates;
        for (_, late) in due {
            late.land();
            self.say("a late write lands".to_owned());
            self.trouble("an unanswered write lands", now);
            self.note_documents();
        }
    }

    /// The worker, if it is there and something is due. Whether it wrote, and when something is due
    /// again.
    async fn work(&mut self) -> Result<(bool, Option<DateTime<Utc>>), Violation> {
        let due = self.due().await;
        if self.now() < self.down_until {
            return Ok((false, Some(self.down_until)));
        }
        if due.is_none_or(|at| at > self.now()) {
            return Ok((false, due));
        }
        let (before, stale) = (self.trust(), self.stale_until.is_some());
        let (worker, come) = match self.worker.take() {
            // By real time it would have to wait for its tokens at the pace of this history.
            Some((worker, come)) if come < 10 => (worker, come + 1),
            _ => (self.stage.worker().await, 0),
        };
        let mut rounds = 0;
        while worker
            .step()
            .await
            .map_err(|error| format!("the worker: {error}"))?
        {
            rounds += 1;
            if rounds > 40 {
                return Err("the worker does not come to rest".to_owned());
            }
        }
        self.worker = Some((worker, come));
        let log = self.stage.cloud.take_log();
        if log.iter().any(|call| call == "GetRole") && !stale {
            self.seen.extend(before);
        }
        let now = self.now();
        let (done, armed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.armed)
            .into_iter()
            .partition(LateWrite::is_reached);
        self.armed = armed;
        for late in done {
            let at = now + TimeDelta::seconds(self.dice.between(1, 890));
            self.say(format!("a write has no answer and lands at {at}"));
            self.trouble("a write has no answer", now);
            self.lates.push((at, late));
        }
        self.sync().await?;
        let wrote = log.iter().any(|call| is_write(call));
        if wrote {
            self.say(format!("worked: {}", log.join(" ")));
        }
        Ok((wrote, self.due().await))
    }
}
