//! The oracles, by credentials alone: nobody has access outside an approved window plus the
//! declared exposures, not even if nobody of ours came any more; and what is approved works, but
//! for declared moments.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::entitlement::Method;

use super::company::ACCOUNTS;
use super::world::{Approved, P, Session, Violation, World};
use crate::support::cloud::{Keys, Shown};
use crate::worker::judge::{SAFE_MODE, SELDOM, allowance};

/// How many sessions people keep.
const MOST_KEPT: usize = 12;
/// After how many times of being denied a session is mostly left alone, where nothing befalls its
/// role: what was dead before is dead.
const OFTEN_TRIED: u8 = 2;

/// What is tried, and by whom it was come by: the grant's or console's name with the role's index
/// and the person's.
pub type GotIn = BTreeMap<(usize, usize, String), Keys>;

impl World {
    /// Everybody tries every name with the keys that they have, keeps the sessions, and uses them.
    pub async fn judge(&mut self) -> Result<(), Violation> {
        self.note_conditions().await;
        let rows = self.rows().await;
        self.closings_end(&rows)?;
        let got_in = self.attack(None).await;
        for nth in 0..self.approved.len() {
            let a = self.approved[nth].clone();
            if self.must_work(&rows, &a) {
                self.works_now(nth, &a, &got_in).await?;
            }
        }
        self.policies_end().await?;
        let now = self.now();
        for nth in 0..self.sessions.len() {
            let s = &self.sessions[nth];
            let is_told = s.denied >= OFTEN_TRIED && !self.is_recent(self.roles[s.role].arn);
            if self.covered(s, now) || self.excuses(s) || is_told && !self.dice.chance(10) {
                continue;
            }
            if s.keys.work().await {
                return Err(format!("exposure: {} works at {now}", told(s)));
            }
            self.sessions[nth].denied += 1;
            self.judged.denied += 1;
        }
        self.forget_sessions();
        Ok(())
    }

    /// AWS is as it would be if nobody of ours came any more: when every deadline of what stands
    /// open on the role, or on the user's roles, has passed, nobody is in.
    pub async fn judge_dead(&mut self, arn: &str) -> Result<(), Violation> {
        let role = self.role_of(arn).or_else(|| self.last_of(arn));
        self.attack(role).await;
        let now = self.now();
        let last = self.approved.iter().map(|a| a.deadline).max();
        // A session that was issued now may last so long, and no longer.
        let Some(then) = last
            .filter(|at| *at > now)
            .map(|at| at + TimeDelta::seconds(10))
        else {
            return Ok(());
        };
        let knobs = self.knobs();
        knobs.set_clock(then);
        let mut wrong = None;
        for s in self
            .sessions
            .iter()
            .filter(|s| role.is_none_or(|role| s.role == role))
        {
            let is_tried = s.until > then && !self.excuses(s) && !self.covered(s, then);
            if is_tried && s.keys.work().await {
                wrong = Some(told(s));
                break;
            }
        }
        self.stage.advance(TimeDelta::zero());
        match wrong {
            Some(s) => Err(format!(
                "exposure: were nobody of ours to come after {now}, {s} would work at {then}"
            )),
            None => Ok(()),
        }
    }

    pub async fn lists_roles(&self, person: usize) -> bool {
        let keys = &self.people[person].keys;
        keys.iam().list_roles().send().await.is_ok()
    }

    /// Where what was attached is over, the person's own keys do no more than before.
    async fn policies_end(&self) -> Result<(), Violation> {
        let now = self.now();
        for (nth, person) in self.people.iter().enumerate() {
            let own = self
                .approved
                .iter()
                .filter(|a| a.method == Method::Attach && a.person == nth);
            let own: Vec<&Approved> = own.collect();
            let id = self.unique_id(&person.arn);
            let is_covered = own.iter().any(|a| {
                Some(&a.principal) == id.as_ref() && a.starts <= now && now < self.end_of(a)
            });
            if own.is_empty() || is_covered || self.is_recent(&person.arn) {
                continue;
            }
            if self.lists_roles(nth).await {
                return Err(format!("exposure: {} may list roles at {now}", person.name));
            }
        }
        Ok(())
    }

    pub async fn note_conditions(&mut self) {
        let now = self.now();
        for arn in self.targets() {
            if self.unique_id(&arn).is_none() {
                let is_role = self.role_of(&arn).is_some();
                self.trouble(
                    &arn,
                    if is_role {
                        "the role is gone"
                    } else {
                        "a user is gone"
                    },
                    now,
                );
            }
        }
        for (only, what) in [
            ("condition <> 'ok'", "the role is out of service"),
            ("condition = 'safe_mode'", SAFE_MODE),
        ] {
            let sql = format!("SELECT arn FROM targets WHERE {only}");
            for arn in self.column(sql).await {
                self.trouble(&arn, what, now);
            }
        }
        // Nobody knows of it before a look.
        for on in self.unseen.clone().into_keys() {
            self.trouble(&on, "a hand on the trust policy", now);
        }
        for nth in self.faults.tight.clone() {
            self.trouble(self.roles[nth].arn, "AWS refuses", now);
        }
        if self.faults.silent_until.is_some() {
            self.trouble(self.roles[2].arn, "the account does not answer", now);
        }
    }

    /// The role of the newest grant that a user's policy may be of.
    fn last_of(&self, user: &str) -> Option<usize> {
        let own = |a: &&Approved| self.people[a.person].arn == user;
        let a = self
            .approved
            .iter()
            .rev()
            .filter(own)
            .find(|a| a.on != user)?;
        self.role_of(&a.on)
    }

    /// The new sessions.
    async fn attack(&mut self, only: Option<usize>) -> GotIn {
        // Whoever answers nothing to us may still answer others.
        self.knobs().failing(ACCOUNTS[2], false);
        let mut got_in = GotIn::new();
        let now = self.now();
        for role in (0..self.roles.len()).filter(|role| only.is_none_or(|it| it == *role)) {
            let arn = self.roles[role].arn;
            let (Some(role_id), Some(trust)) = (self.unique_id(arn), self.trust(role)) else {
                continue;
            };
            for nth in 0..self.people.len() {
                let Some(principal) = self.unique_id(&self.people[nth].arn) else {
                    continue;
                };
                for name in self.names(role, nth) {
                    let keys = &self.people[nth].keys;
                    let seconds = self.roles[role].longest;
                    let Some(keys) = keys.assume_for(arn, &name, Shown::default(), seconds).await
                    else {
                        continue;
                    };
                    got_in.insert((role, nth, name.clone()), keys.clone());
                    self.sessions.push(Session {
                        principal: principal.clone(),
                        role,
                        role_id: role_id.clone(),
                        name,
                        issued: now,
                        beyond: self.roles[role].moved.contains(&trust) || self.is_recent_hand(nth),
                        keys,
                        until: now + TimeDelta::seconds(seconds.into()),
                        denied: 0,
                    });
                }
            }
        }
        self.knobs()
            .failing(ACCOUNTS[2], self.faults.silent_until.is_some());
        got_in
    }

    /// The session names that somebody tries on a role: their grants' of it, the console's, and one
    /// of somebody else's grants. What has been over for long, on a role to which nothing happens,
    /// is seldom tried.
    fn names(&mut self, role: usize, nth: usize) -> BTreeSet<String> {
        let arn = self.roles[role].arn;
        let user = self.people[nth].arn.clone();
        let now = self.now();
        let since = now - TimeDelta::minutes(20);
        let tries = self.is_recent(arn) || self.is_recent(&user) || self.dice.chance(15);
        let on = self.approved.iter().rev();
        let on = on.filter(|a| a.on == arn && (tries || since < self.end_of(a)));
        let own = on.clone().filter(|a| a.person == nth);
        // Each that may have to work, and the last ones of the others.
        let live = own.clone().filter(|a| now < self.end_of(a));
        let own = own.take(3).chain(live);
        let others = on.clone().filter(|a| a.person != nth).take(1);
        let mut names: BTreeSet<String> = own.map(|a| a.id.to_string()).collect();
        if !names.is_empty() {
            names.extend(others.map(|a| a.id.to_string()));
            names.insert(self.people[nth].name.to_owned());
        }
        names
    }

    fn forget_sessions(&mut self) {
        let now = self.now();
        self.sessions.retain(|s| now < s.until);
        // Nobody keeps them all: old ones and new ones.
        while self.sessions.len() > MOST_KEPT {
            let last = i64::try_from(self.sessions.len() - 1).unwrap();
            let index = self.dice.between(0, last);
            self.sessions.remove(usize::try_from(index).unwrap());
        }
    }

    /// When the window of a grant closes.
    fn end_of(&self, a: &Approved) -> DateTime<Utc> {
        // A deadline that stands in AWS means AWS's clock: while that one is behind, it comes so
        // much later.
        let behind = (self.now() - self.stage.aws_now()).max(TimeDelta::zero());
        let deadline = a.deadline + behind;
        a.announced.map_or(deadline, |at| deadline.min(at + P))
    }

    /// Whether windows of the session's owner cover the whole time since it was issued: that of its
    /// own grant, or those of all where it has the console's name.
    fn covered(&self, s: &Session, then: DateTime<Utc>) -> bool {
        let own = |a: &&Approved| {
            let is_its = a.id.to_string() == s.name || !s.name.starts_with("grant_");
            is_its && a.principal == s.principal && a.role_id.as_ref() == Some(&s.role_id)
        };
        let windows = self.approved.iter().filter(own);
        let mut windows: Vec<_> = windows.map(|a| (a.starts, self.end_of(a))).collect();
        windows.sort_unstable();
        let cover = |covered: DateTime<Utc>, (start, end): &(DateTime<Utc>, DateTime<Utc>)| {
            if *start <= covered {
                covered.max(*end)
            } else {
                covered
            }
        };
        then < windows.iter().fold(s.issued, cover)
    }

    /// The declared exposures: whether the service could not deny a session yet, or not know that
    /// it is to be denied.
    fn excuses(&self, s: &Session) -> bool {
        let role = &self.roles[s.role];
        let recent = self.is_recent(role.arn);
        // A guard that somebody else has just written, or deleted, is not ours to answer for.
        if role.guard_by_hand.is_some() && recent {
            return true;
        }
        // By a date that somebody has moved: the service has only just seen it.
        let person = self
            .people
            .iter()
            .find(|it| self.unique_id(&it.arn).as_ref() == Some(&s.principal));
        if s.beyond && (recent || person.is_some_and(|it| self.is_recent(&it.arn))) {
            return true;
        }
        // By a statement that somebody, or a late write, put on another role of the name: there is
        // no guard of ours before it is seen.
        let mut own = self.approved.iter().filter(|a| a.principal == s.principal);
        let is_stray = own.all(|a| a.role_id.as_ref() != Some(&s.role_id));
        is_stray && recent
    }

    /// Whether a hand, a late write or a fault at a target need not have been made good yet.
    fn is_recent(&self, arn: &str) -> bool {
        let mut troubles = self.troubles.iter().filter(|((on, _), _)| on == arn);
        troubles.any(|((_, what), end)| self.now() < *end + allowance(what) + SELDOM)
    }

    fn is_recent_hand(&self, person: usize) -> bool {
        let user = &self.people[person].arn;
        let hand = (user.clone(), "a hand on the trust policy");
        self.troubles.contains_key(&hand) && self.is_recent(user)
    }

    /// The targets that a grant has documents on.
    pub fn on(&self, a: &Approved) -> Vec<String> {
        let user = self.people[a.person].arn.clone();
        match a.method {
            Method::StsCredentials => vec![a.on.clone()],
            Method::Attach | Method::TrustPolicy | Method::Switch => vec![a.on.clone(), user],
        }
    }

    /// Whether something is still going on at a grant's targets, or has been until just now.
    pub fn is_excused(&self, a: &Approved) -> bool {
        let on = self.on(a);
        let mut troubles = self
            .troubles
            .iter()
            .filter(|((arn, _), _)| on.contains(arn));
        troubles.any(|((_, what), end)| self.now() < *end + allowance(what))
    }

    /// Whether any grant's liveness cannot be asked for.
    pub fn is_anything_excused(&self) -> bool {
        let mut troubles = self.troubles.iter();
        troubles.any(|((_, what), end)| self.now() < *end + allowance(what))
    }
}

fn told(s: &Session) -> String {
    format!(
        "session {} of {} on role {}, issued at {},",
        s.name, s.principal, s.role, s.issued
    )
}
