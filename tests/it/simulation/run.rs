//! A simulation as it runs: random steps, time that passes with a worker whenever something is due,
//! and an end after which everything is as it was before.

use chrono::{DateTime, TimeDelta, Utc};

use super::company::{ACCOUNTS, QUOTA, visits};
use super::world::{Judged, Kind, Violation, World};

/// How many things happen.
const STEPS: usize = 18;
/// What the dice say when an account goes silent.
const SILENCE: i64 = 89;

impl World {
    /// How often what was judged with that seed, and what happened; or what went wrong, with the
    /// last of it.
    pub async fn simulated(seed: u64) -> Result<(Judged, Vec<String>), Violation> {
        let mut world = Self::new(seed).await;
        let mut went = world.live().await;
        if went.is_ok() {
            went = world.come_to_an_end().await;
        }
        if let Err(violation) = went {
            // What led to it comes last.
            let from = world.log.len().saturating_sub(120);
            return Err(format!(
                "{violation}\n{}\nSIMULATION_SEED={seed} cargo test simulation::replay",
                world.log[from..].join("\n")
            ));
        }
        Ok((world.judged, world.log))
    }

    async fn live(&mut self) -> Result<(), Violation> {
        let kind = self.kind;
        for nth in 0..STEPS {
            // What was done at this moment was done before.
            self.stage.advance(TimeDelta::seconds(1));
            match self.dice.between(0, 99) {
                _ if nth < 2 => self.ask().await,
                fault @ 54.. if kind == Kind::Any => self.befalls(fault).await?,
                79.. if kind == Kind::Silence => self.befalls(SILENCE).await?,
                fault @ 79..89 => self.befalls(fault).await?,
                act => self.people_act(act).await,
            }
            let lengths = [
                (0, 1),
                (0, 1),
                (1, 5),
                (1, 5),
                (5, 20),
                (5, 20),
                (20, 60),
                (60, 200),
            ];
            let (low, high) = *self.dice.one_of(&lengths);
            let length = TimeDelta::minutes(self.dice.between(low, high));
            self.pass_time(length).await?;
        }
        Ok(())
    }

    async fn people_act(&mut self, act: i64) {
        if self.dice.chance(25) {
            self.resume_all().await;
        }
        match act {
            0..30 => self.ask().await,
            30..33 => self.decide().await,
            33..41 => self.end_early().await,
            41..46 => self.extend().await,
            46..49 => self.fetch_some().await,
            49..51 => self.revoke().await,
            51..54 => self.lift().await,
            _ => self.ask().await,
        }
    }

    async fn befalls(&mut self, fault: i64) -> Result<(), Violation> {
        if self.dice.chance(40) {
            self.back_up().await;
        }
        match fault {
            54..58 => self.hand_on_trust(),
            58..61 => self.hand_on_guard(),
            61..65 => self.hand_on_policy(),
            65..67 => self.other_installation(),
            67..69 => self.user_goes_or_comes(),
            69..71 => self.role_goes_or_comes(),
            71..79 => self.arm().await,
            79..SILENCE => return self.stop().await,
            SILENCE..93 => self.silence(),
            93..96 => self.restore().await,
            96..98 => self.change_quota().await,
            _ => self.change_clock(),
        }
        // What befalls a write needs one to befall.
        if self.faults.armed_until.is_some() || self.faults.silent_until.is_some() {
            match self.dice.chance(60) {
                true => self.ask().await,
                false => self.end_early().await,
            }
        }
        Ok(())
    }

    /// On for a while, with a worker whenever something is due.
    async fn pass_time(&mut self, length: TimeDelta) -> Result<(), Violation> {
        let until = self.now() + length;
        let mut quiet = 0;
        loop {
            self.come_about().await?;
            let clocks = [self.now(), self.stage.aws_now()];
            if self.approved.iter().any(|a| clocks.contains(&a.deadline)) {
                self.judge().await?;
            }
            let wrote = self.work().await?;
            if wrote || self.now() >= until {
                self.judge().await?;
            }
            if self.now() >= until {
                return Ok(());
            }
            // Where nothing was written for three looks, most of the next ones show the same, and
            // are left out: more of them where nothing is to come.
            quiet = if wrote { 0 } else { quiet + 1 };
            let stirs = self.is_anything_excused() || !self.is_settled;
            let most = match (quiet > 3, stirs) {
                (false, _) => 0,
                (true, true) => 3,
                (true, false) => 10,
            };
            let next = self.next(TimeDelta::minutes(most)).await;
            let next = next.map_or(until, |at| at.min(until));
            self.stage.advance(next - self.now());
        }
    }

    /// When something happens next; what is merely due is left alone for so long.
    async fn next(&self, most: TimeDelta) -> Option<DateTime<Utc>> {
        let due = self.due().await.map(|at| at.max(self.now() + most));
        let own = [
            due,
            self.faults.armed_until,
            self.faults.stale_until,
            self.faults.silent_until,
            self.next_replica(),
        ];
        let moments = own.into_iter().flatten();
        let moments = moments.chain(self.faults.lates.iter().map(|(at, ..)| *at));
        let ahead = self.stage.aws_now() - self.now();
        let windows = self.approved.iter();
        let windows = windows.flat_map(|a| [a.starts, a.deadline, a.deadline - ahead]);
        moments.chain(windows).filter(|at| *at > self.now()).min()
    }

    /// What comes with time: writes that land, reads that do not lag any more, faults that nothing
    /// met, an account that answers again, a replica that goes on.
    async fn come_about(&mut self) -> Result<(), Violation> {
        let now = self.now();
        let is_over = |at: &mut DateTime<Utc>| *at <= now;
        if self.faults.armed_until.take_if(is_over).is_some() {
            self.knobs().clear();
        }
        if self.faults.stale_until.take_if(is_over).is_some() {
            self.knobs().stale_reads(false);
        }
        if self.faults.silent_until.take_if(is_over).is_some() {
            self.hear();
        }
        self.note_lates();
        let all = std::mem::take(&mut self.faults.lates);
        let (due, lates): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, ..)| *at <= now);
        self.faults.lates = lates;
        for (_, account, late) in due {
            late.land();
            self.say("a late write lands");
            self.trouble_in(account, "an unanswered write lands", now);
            self.note_documents();
        }
        self.go_on(false).await
    }

    /// The last account answers again.
    fn hear(&mut self) {
        self.faults.silent_until = None;
        self.knobs().failing(ACCOUNTS[2], false);
        self.trouble(self.roles[2].arn, "the account does not answer", self.now());
        self.say(format!("{} answers again", ACCOUNTS[2]));
    }

    /// When writes land that have lost their answer.
    fn note_lates(&mut self) {
        let now = self.now();
        let armed = std::mem::take(&mut self.faults.armed).into_iter();
        let (done, armed): (Vec<_>, Vec<_>) = armed.partition(|(_, late)| late.is_reached());
        if self.faults.armed_until.is_some() {
            self.faults.armed = armed;
        }
        for (account, late) in done {
            let at = now + TimeDelta::seconds(self.dice.between(1, 840));
            self.say(format!("a write has no answer and lands at {at}"));
            self.trouble_in(account, "a write has no answer", at);
            self.faults.lates.push((at, account, late));
        }
    }

    /// Nothing befalls anybody any more: in the end everything is over, and AWS is as its owners
    /// left it.
    async fn come_to_an_end(&mut self) -> Result<(), Violation> {
        self.say("nothing befalls anybody any more");
        self.go_on(true).await?;
        let knobs = self.knobs();
        knobs.clear();
        knobs.stale_reads(false);
        (self.faults.armed_until, self.faults.stale_until) = (None, None);
        if self.faults.silent_until.is_some() {
            self.hear();
        }
        for account in ACCOUNTS {
            knobs.trust_quota(account, QUOTA.into());
        }
        self.faults.tight.clear();
        self.restart().await;
        self.others_leave();
        // Until the last unanswered write has landed, and can be told of.
        self.pass_time(TimeDelta::minutes(20)).await?;
        self.resume_all().await;
        for _ in 0..self.holds.len() {
            self.lift().await;
        }
        let latest = self.approved.iter().map(|a| a.deadline).max();
        let latest = latest.map_or(self.now(), |at| at.max(self.now()));
        self.pass_time(latest - self.now() + TimeDelta::minutes(45))
            .await?;
        self.all_is_over().await?;
        // What the guard remembers, and then what it keeps of a time that was lost. Each look that
        // finds something is followed by one that finds nothing.
        for minutes in [13 * 60, 10, 28 * 60, 10, 10, 13 * 60, 10, 10] {
            self.stage.advance(TimeDelta::minutes(minutes));
            self.resume_all().await;
            self.work().await?;
        }
        self.nothing_is_left().await
    }

    /// No grant waits.
    async fn all_is_over(&self) -> Result<(), Violation> {
        let rows = self.rows().await;
        match rows.iter().find(|(_, row)| !row.is_over()) {
            None => Ok(()),
            Some((id, row)) => Err(format!("convergence: {id} is {} in the end", row.state)),
        }
    }

    /// Nothing is due, nothing of ours is in AWS, and what is not ours is as it was, byte for byte.
    async fn nothing_is_left(&self) -> Result<(), Violation> {
        let queries = [
            "SELECT arn || ' is due at ' || due_at FROM targets WHERE due_at IS NOT NULL",
            "SELECT name || ' is not forgotten' FROM names WHERE guard_gone_at IS NULL",
            "SELECT id || ' has no outcome' FROM fetches WHERE outcome IS NULL",
        ];
        for sql in queries {
            if let Some(left) = self.column(sql.to_owned()).await.first() {
                return Err(format!("convergence: {left}"));
            }
        }
        for (nth, role) in self.roles.iter().enumerate() {
            let Some(trust) = self.trust(nth) else {
                continue;
            };
            let has_ours = self
                .approved
                .iter()
                .any(|a| trust.contains(&a.id.to_string()));
            if has_ours && !self.unseen.contains_key(role.arn)
                || !role.is_edited && trust != role.foreign
            {
                return Err(format!("convergence: the trust policy of {nth} is {trust}"));
            }
            let guard = self.guard(nth).filter(|it| it.contains(&self.installation));
            if let Some(guard) = guard {
                return Err(format!("convergence: the guard of {nth} is {guard}"));
            }
        }
        let knobs = self.knobs();
        for (user, name) in self.policies.keys() {
            // Of a user without grants nobody knows what somebody puts there (docs/carrier.md, T9).
            if self.unseen.contains_key(user) {
                continue;
            }
            if let Some(text) = knobs.user_policy(user, name) {
                return Err(format!("convergence: {name} of {user} is {text}"));
            }
        }
        for person in &self.people {
            let own = knobs.user_policy(&person.arn, "own");
            if self.unique_id(&person.arn).is_some() && own != Some(visits()) {
                return Err(format!(
                    "convergence: {}'s own policy is {own:?}",
                    person.name
                ));
            }
        }
        Ok(())
    }
}
