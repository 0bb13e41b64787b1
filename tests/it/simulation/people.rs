//! What people do: they ask, decide, extend, end, fetch and revoke.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::credentials::fetch;
use countersign::app::deny::deny;
use countersign::app::end::end;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::resume::resume;
use countersign::app::revoke::{NewRevocation, carry_on, lift, revoke};
use countersign::app::submit::{NewRequest, submit};
use countersign::app::withdraw::withdraw;
use countersign::domain::entitlement::Method;
use countersign::domain::grant::Grant;
use countersign::policy::inline;
use secrecy::ExposeSecret as _;

use super::company::{ROLES, entitlements};
use super::world::{Approved, Kind, Pending, Session, World};
use crate::support::another;
use crate::support::cloud::Keys;

/// How many grants of one person may be open, so that room is not what a history is about.
const MOST_OPEN: usize = 3;

impl World {
    /// Somebody asks; mostly it is approved at once.
    pub async fn ask(&mut self) {
        let nth = usize::try_from(self.dice.between(0, 2)).unwrap();
        let (entitlement, role) = self.some_entitlement();
        let minutes = *self.dice.one_of(&[6, 10, 20, 30, 60, 120]);
        let later = self.dice.chance(20).then(|| self.dice.between(1, 10));
        let (decides, approves) = (self.dice.chance(85), self.dice.chance(80));
        let rows = self.rows().await;
        let own = self.approved.iter().filter(|a| a.person == nth);
        let open = own.filter(|a| rows.get(&a.id).is_some_and(|row| !row.is_over()));
        if open.count() >= MOST_OPEN {
            return;
        }
        let wish = NewRequest {
            entitlement: entitlement.clone(),
            duration_seconds: minutes * 60,
            justification: format!("The database is on fire, alarm {}", another()),
            starts_at: later.map(|it| self.now() + TimeDelta::minutes(it)),
            ..NewRequest::default()
        };
        let ctx = self.person(nth).await;
        let name = self.people[nth].name;
        match submit(&ctx, wish).await {
            Err(error) => {
                self.say(format!(
                    "{name} may not ask for {entitlement}: {}",
                    error.told_code()
                ));
            }
            Ok(asked) => {
                let asked = asked.request();
                self.say(format!(
                    "{name} asks for {entitlement}, {minutes} min from {later:?}, seen {}: {}",
                    asked.target_checked, asked.id
                ));
                self.pending.push(Pending {
                    person: nth,
                    request: asked.id,
                    role,
                });
                if decides {
                    self.decide_on(self.pending.len() - 1, approves).await;
                }
            }
        }
    }

    /// Where an account goes silent, mostly one there.
    fn some_entitlement(&mut self) -> (String, Option<usize>) {
        let all = entitlements();
        let silent: Vec<_> = all.iter().filter(|(_, role)| *role == Some(2)).collect();
        if self.kind == Kind::Silence && self.dice.chance(60) {
            return (*self.dice.one_of(&silent)).clone();
        }
        self.dice.one_of(&all).clone()
    }

    /// Something that waits is decided, or taken back.
    pub async fn decide(&mut self) {
        if let Some(last) = self.pending.len().checked_sub(1) {
            let which = self.dice.between(0, i64::try_from(last).unwrap());
            let approves = self.dice.chance(70);
            self.decide_on(usize::try_from(which).unwrap(), approves)
                .await;
        }
    }

    async fn decide_on(&mut self, which: usize, approves: bool) {
        let waiting = self.pending.remove(which);
        let Pending {
            person: nth,
            request,
            ..
        } = waiting;
        let bob = self.bob().await;
        if !approves {
            let answer = if self.dice.chance(50) {
                deny(&bob, request, Some("No".to_owned())).await
            } else {
                withdraw(&self.person(nth).await, request).await
            };
            let told = answer.err().map_or("done", |error| error.told_code());
            return self.say(format!("{request} is denied or withdrawn: {told}"));
        }
        match approve(&bob, request, None, None).await {
            Err(error) => self.say(format!("{request} is not approved: {}", error.told_code())),
            Ok(shown) => self.granted(waiting, &shown.grant.unwrap()),
        }
    }

    fn granted(&mut self, waiting: Pending, grant: &Grant) {
        let nth = waiting.person;
        if let Some(a) = self.approved.iter_mut().find(|a| a.id == grant.id) {
            a.earlier.push(a.deadline);
            a.deadline = a.deadline.max(grant.deadline);
            return self.say(format!("{} is extended to {}", grant.id, grant.deadline));
        }
        let user = self.people[nth].arn.clone();
        let on = waiting
            .role
            .map_or_else(|| user.clone(), |role| ROLES[role].to_owned());
        let principal = match grant.method {
            Method::StsCredentials => Some(self.people[nth].name.to_owned()),
            _ => self.unique_id(&user),
        };
        let role_id = self.role_of(&on).and_then(|_| self.unique_id(&on));
        self.say(format!(
            "approved {}: {} on {on} until {}",
            waiting.request, grant.id, grant.deadline
        ));
        let name = inline::name(&self.installation, grant.id);
        self.policies.insert((user, name), Vec::new());
        self.approved.push(Approved {
            id: grant.id,
            person: nth,
            method: grant.method,
            on,
            // Of nobody who is there, where there was none.
            principal: principal.unwrap_or_else(|| "nobody".to_owned()),
            role_id,
            starts: grant.starts_at.max(self.now()),
            deadline: grant.deadline,
            earlier: Vec::new(),
            announced: None,
        });
    }

    /// More time is asked for and approved.
    pub async fn extend(&mut self) {
        let Some(nth) = self.some_open(|state| state == "active").await else {
            return;
        };
        let (id, person) = (self.approved[nth].id, self.approved[nth].person);
        let minutes = *self.dice.one_of(&[5, 20, 60]);
        let more = NewExtension {
            duration_seconds: minutes * 60,
            justification: format!("It still burns, alarm {}", another()),
            ..NewExtension::default()
        };
        let ctx = self.person(person).await;
        let asked = match extend(&ctx, id, more).await {
            Err(error) => return self.say(format!("{id} is not extended: {}", error.told_code())),
            Ok(view) => view.extension.unwrap(),
        };
        if self.dice.chance(15) {
            // It waits, and may be withdrawn or decided.
            return self.pending.push(Pending {
                person,
                request: asked,
                role: None,
            });
        }
        let bob = self.bob().await;
        match approve(&bob, asked, None, None).await {
            Err(error) => self.say(format!("{id} is not extended: {}", error.told_code())),
            Ok(shown) => {
                let extended = Pending {
                    person,
                    request: asked,
                    role: None,
                };
                self.granted(extended, &shown.grant.unwrap());
            }
        }
    }

    /// Somebody ends a grant early.
    pub async fn end_early(&mut self) {
        let Some(nth) = self.some_open(|state| state != "closing").await else {
            return;
        };
        let a = &self.approved[nth];
        let (id, person) = (a.id, a.person);
        let ctx = if self.dice.chance(50) {
            self.bob().await
        } else {
            self.person(person).await
        };
        let told = end(&ctx, id, None).await.err();
        let told = told.map_or("done", |error| error.told_code());
        self.say(format!("{id} is to end: {told}"));
    }

    /// Everything of a person, a role or an account ends, and is held.
    pub async fn revoke(&mut self) {
        let nth = usize::try_from(self.dice.between(0, 2)).unwrap();
        let mut new = NewRevocation {
            reason: "A laptop was stolen".to_owned(),
            ..NewRevocation::default()
        };
        match self.dice.between(0, 3) {
            0 => new.person = Some(format!("{}@example.com", self.people[nth].name)),
            1 => new.role = Some(ROLES[nth].to_owned()),
            2 => new.role = Some(self.people[nth].arn.clone()),
            _ => new.account = Some(self.roles[nth].account.to_owned()),
        }
        let ada = self.ada().await;
        self.say(format!("revoked: {new:?}"));
        let id = revoke(&ada, new).await.unwrap().id;
        // The batch may as well be another's, who is ahead of us.
        let _ = carry_on(&ada.app, id).await;
        self.holds.push(id);
    }

    /// The oldest hold is lifted, if it may be.
    pub async fn lift(&mut self) {
        if let Some(id) = self.holds.first().copied() {
            let ada = self.ada().await;
            let told = lift(&ada, id)
                .await
                .err()
                .map_or("done", |error| error.told_code());
            self.say(format!("{id} is lifted: {told}"));
            // What a restore has forgotten holds nothing.
            if told == "done" || told == "not_found" {
                self.holds.remove(0);
            }
        }
    }

    /// Somebody fetches credentials of a grant, if it is open.
    pub async fn fetch_some(&mut self) {
        let is_it = |a: &Approved| a.method == Method::StsCredentials;
        let own: Vec<usize> = (0..self.approved.len())
            .filter(|nth| is_it(&self.approved[*nth]))
            .collect();
        if !own.is_empty() {
            let nth = *self.dice.one_of(&own);
            let told = self.fetch(nth).await.err().unwrap_or("done");
            self.say(format!("{} is fetched: {told}", self.approved[nth].id));
        }
    }

    /// The keys of a grant; the code where they are refused.
    pub async fn fetch(&mut self, nth: usize) -> Result<Keys, &'static str> {
        let a = self.approved[nth].clone();
        // What is not known to stand is waited for in real time, for nothing: no clock moves.
        let known = format!(
            "SELECT 'it' FROM targets WHERE arn = '{}' AND condition = 'ok' AND guard_equal_at > '{}' AND NOT unpinned
             AND EXISTS (SELECT FROM parts p WHERE p.\"grant\" = '{}' AND p.listed_until > '{}')",
            a.on,
            self.now() - TimeDelta::minutes(14),
            a.id.uuid(),
            self.now() + TimeDelta::minutes(1)
        );
        if self.column(known).await.is_empty() {
            return Err("guard_unconfirmed");
        }
        let ctx = self.person(a.person).await;
        let given = fetch(&ctx, a.id).await.map_err(|error| error.told_code())?;
        let (secret, token) = (given.secret.expose_secret(), given.token.expose_secret());
        let keys = Keys::handed(&self.stage.cloud, &given.access_key_id, secret, token);
        let role = self.role_of(&a.on).unwrap();
        let now = self.now();
        self.sessions.push(Session {
            principal: a.principal,
            role,
            role_id: self.unique_id(&a.on).unwrap_or_default(),
            name: a.id.to_string(),
            issued: now,
            beyond: false,
            keys: keys.clone(),
            until: now + TimeDelta::hours(12),
            denied: 0,
        });
        Ok(keys)
    }

    /// A person looks at what a restore or a conflict has left, and takes it back into service:
    /// what they know to have ended they end again.
    pub async fn resume_all(&mut self) {
        let sql =
            "SELECT arn FROM targets WHERE condition IN ('safe_mode', 'contested') ORDER BY arn";
        for arn in self.column(sql.to_owned()).await {
            let rows = self.rows().await;
            let bob = self.bob().await;
            for a in self.approved.clone() {
                let stands = rows.get(&a.id).is_some_and(|row| !row.is_over());
                if a.announced.is_some() && stands {
                    let told = end(&bob, a.id, None).await.err();
                    let told = told.map_or("done", |error| error.told_code());
                    self.say(format!("{} is ended again: {told}", a.id));
                }
            }
            let app = self.app.admin.clone();
            let told = resume(&app, "test", &arn).await.err();
            let told = told.map_or("done", |error| error.told_code());
            self.say(format!("{arn} is taken back: {told}"));
        }
    }

    /// One of the grants whose row has such a state.
    async fn some_open(&mut self, is_it: impl Fn(&str) -> bool) -> Option<usize> {
        let rows = self.rows().await;
        let open = (0..self.approved.len()).filter(|nth| {
            let row = rows.get(&self.approved[*nth].id);
            row.is_some_and(|row| !row.is_over() && is_it(&row.state))
        });
        let open: Vec<usize> = open.collect();
        (!open.is_empty()).then(|| *self.dice.one_of(&open))
    }
}
