//! Who fills which seat and who can still vote: `domain::stages` and `domain::tally`.

mod examples;
mod literal;
mod properties;
mod refusals;
mod rules;
mod stages;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::stages::{Escalation, GroupSeats, Stage, Stages};
use countersign::domain::tally::{
    Case, Count, Delegation, Human, People, Refusal, Seated, Tally, Verdict, Vote, tally,
};
use countersign::ids::PersonId;
use uuid::Uuid;

/// The id of somebody of that name: the name itself, so that ids are ordered as names are.
fn id(name: &str) -> PersonId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    PersonId::from_uuid(Uuid::from_bytes(bytes))
}

fn name(id: PersonId) -> String {
    let bytes = id.uuid().into_bytes();
    let letters = bytes.into_iter().take_while(|it| *it != 0);
    letters.map(char::from).collect()
}

fn names(ids: &[PersonId]) -> String {
    let names: Vec<String> = ids.iter().map(|it| name(*it)).collect();
    if names.is_empty() {
        return "–".to_owned();
    }
    names.join(" ")
}

fn ids(names: &str) -> Vec<PersonId> {
    names.split_whitespace().map(id).collect()
}

/// So many minutes after the request was made.
fn minute(minutes: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

/// A request with everybody around it.
#[derive(Debug, Clone)]
struct Scene {
    stages: Stages,
    accounts: Vec<Human>,
    delegations: Vec<Delegation>,
    votes: Vec<Vote>,
    asked_by: Vec<PersonId>,
    opened: Vec<Option<DateTime<Utc>>>,
    now: DateTime<Utc>,
    delegation: bool,
}

/// Stages as `A1 B2 then C1`, or with an escalation to D after 60 minutes `A1>D@60`; people as
/// `bob:A,B` with their groups, or `-bob:A` where that account is disabled. Alice asks.
fn scene(stages: &str, people: &str) -> Scene {
    let stages = stages.split(" then ").map(|stage| Stage {
        groups: stage.split_whitespace().map(seats).collect(),
    });
    Scene {
        stages: Stages::new(stages.collect()).unwrap(),
        accounts: people.split_whitespace().map(account).collect(),
        delegations: Vec::new(),
        votes: Vec::new(),
        asked_by: vec![id("alice")],
        opened: vec![Some(minute(0))],
        now: minute(0),
        delegation: true,
    }
}

fn seats(text: &str) -> GroupSeats {
    let (seats, escalation) = match text.split_once('>') {
        Some((seats, escalation)) => (seats, Some(escalation)),
        None => (text, None),
    };
    let (group, needed) = seats.split_at(1);
    GroupSeats {
        group: group.to_owned(),
        needed: needed.parse().unwrap(),
        escalation: escalation.map(|it| {
            let (to, minutes) = it.split_once('@').unwrap();
            Escalation::parse(to, &format!("PT{minutes}M")).unwrap()
        }),
    }
}

fn account(text: &str) -> Human {
    let (name, groups) = text.split_once(':').unwrap();
    Human {
        id: id(name.trim_start_matches('-')),
        is_active: !name.starts_with('-'),
        groups: groups.split(',').map(str::to_owned).collect(),
    }
}

impl Scene {
    /// Each of these has approved.
    fn votes(mut self, names: &str) -> Self {
        self.votes = ids(names).into_iter().map(approval).collect();
        self
    }

    /// `dan>gus eve>fay`
    fn delegations(mut self, text: &str) -> Self {
        let delegations = text.split_whitespace().map(|it| {
            let (from, to) = it.split_once('>').unwrap();
            Delegation {
                from: id(from),
                to: id(to),
            }
        });
        self.delegations = delegations.collect();
        self
    }

    fn asked_by(mut self, names: &str) -> Self {
        self.asked_by = ids(names);
        self
    }

    /// The minutes at which its stages were opened first.
    fn opened(mut self, minutes: &[i64]) -> Self {
        self.opened = minutes.iter().map(|it| Some(minute(*it))).collect();
        self
    }

    fn at(mut self, now: i64) -> Self {
        self.now = minute(now);
        self
    }

    fn count<T>(&self, look: impl FnOnce(&Count<'_>) -> T) -> T {
        let people = People::new(self.accounts.clone(), &self.delegations);
        look(&tally(Case {
            stages: &self.stages,
            opened: &self.opened,
            now: self.now,
            votes: &self.votes,
            people: &people,
            asked_by: &self.asked_by,
            delegation: self.delegation,
        }))
    }

    fn tally(&self) -> Tally {
        self.count(|count| count.tally().clone())
    }

    /// The tally in a line.
    fn told(&self) -> String {
        match self.tally() {
            Tally::Complete { seats } => {
                let seats: Vec<String> = seats.iter().map(seated).collect();
                format!("complete: {}", seats.join(", "))
            }
            Tally::Open {
                stage,
                have,
                needed,
                can,
                fillable,
            } => {
                let not = if fillable { "" } else { "not " };
                let can = names(&can);
                format!("stage {stage}, {have} of {needed}, can {can}, {not}fillable")
            }
        }
    }

    /// Why that person may not vote.
    fn may_vote(&self, person: &str) -> Result<(), Refusal> {
        self.count(|count| count.may_vote(id(person)))
    }

    fn may_deny(&self, person: &str) -> Result<(), Refusal> {
        self.count(|count| count.may_deny(id(person)))
    }
}

fn approval(person: PersonId) -> Vote {
    Vote {
        person,
        verdict: Verdict::Approve,
    }
}

fn seated(it: &Seated) -> String {
    let place = format!("{} {}{}", name(it.person), it.seat.group, it.seat.stage);
    match it.stood_in_for {
        Some(other) => format!("{place} for {}", name(other)),
        None => place,
    }
}
