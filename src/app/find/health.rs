//! Whether what the catalog offers could be approved at all, by the people that there are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::super::ctx::Ctx;
use crate::db;
use crate::db::approvers::Member;
use crate::domain::entitlement::Entitlement;
use crate::domain::stages::{MOST_SEATS, Stages};
use crate::domain::tally::{self, Case, Human, People, Tally};
use crate::error::{CallerError, Error};
use crate::ids::PersonId;

/// How many people are named.
const NAMED: usize = 20;

/// An entitlement, and who could approve it.
#[derive(Debug, Clone)]
pub struct Health {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// Its groups of approvers, each once, with how many people are in each.
    pub groups: Vec<(String, usize)>,
    /// How many people are in any of them.
    pub approvers: usize,
    /// Whether nobody's request could ever be approved.
    pub never: bool,
    /// Who may ask, and could not have it approved since they are needed as approvers themselves;
    /// the first of them where there are many.
    pub stuck: Vec<String>,
    /// Whether there are more than are named.
    pub more: bool,
}

/// Every entitlement with its health, by name.
///
/// # Errors
/// `Forbidden` for all but auditors and admins.
pub async fn health(ctx: &Ctx) -> Result<Vec<Health>, Error> {
    if !ctx.sees_all() {
        return Err(CallerError::Forbidden.into());
    }
    let read = ctx.app.read_at(async |conn, now| {
        let entitlements = db::catalog::all_entitlements(conn).await?;
        let groups: BTreeSet<&str> = entitlements
            .iter()
            .flat_map(|it| it.terms.stages.groups().chain([&*it.terms.requester_group]))
            .collect();
        let groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
        let members = db::approvers::members(conn, &groups).await?;
        let all = entitlements.into_iter();
        Ok(all.map(|it| of(it, &members, now)).collect())
    });
    read.await
}

fn of(entitlement: Entitlement, members: &[Member], now: DateTime<Utc>) -> Health {
    let stages = &entitlement.terms.stages;
    let named: BTreeSet<&str> = stages.groups().collect();
    // Who is in the same of its groups is the same to it.
    let mut alike: BTreeMap<Vec<&str>, Vec<&Member>> = BTreeMap::new();
    for member in members {
        let own = member.groups.iter().map(String::as_str);
        let own: Vec<&str> = own.filter(|it| named.contains(it)).collect();
        if !own.is_empty() {
            alike.entry(own).or_default().push(member);
        }
    }
    // One more of them than there are seats is as good as all.
    let enough = usize::try_from(MOST_SEATS).unwrap_or(usize::MAX) + 1;
    let humans = alike.values().flat_map(|it| it.iter().take(enough));
    let humans = humans.map(|it| Human {
        id: it.id,
        is_active: true,
        groups: it.groups.clone(),
    });
    let people = People::new(humans.collect(), &[]);
    let asks = &entitlement.terms.requester_group;
    let may_ask = |it: &&Member| it.groups.contains(asks);
    let mut stuck = Vec::new();
    for same in alike.values() {
        // Any of them stands for the others.
        if same.iter().copied().any(|it| may_ask(&it))
            && !fills(stages, &people, &[same[0].id], now)
        {
            stuck.extend(
                same.iter()
                    .copied()
                    .filter(may_ask)
                    .map(|it| it.name.clone()),
            );
        }
    }
    let asking = members.iter().filter(may_ask).count();
    let never = !fills(stages, &people, &[], now) || (asking > 0 && stuck.len() == asking);
    stuck.sort();
    let more = stuck.len() > NAMED;
    stuck.truncate(NAMED);
    let count = |group: &str| {
        members
            .iter()
            .filter(|it| it.groups.iter().any(|own| own == group))
            .count()
    };
    Health {
        groups: named
            .iter()
            .map(|it| ((*it).to_owned(), count(it)))
            .collect(),
        approvers: alike.values().map(Vec::len).sum(),
        never,
        stuck,
        more,
        entitlement,
    }
}

/// Whether these people could fill every seat, with everybody whom its escalations would add.
fn fills(stages: &Stages, people: &People, asked_by: &[PersonId], now: DateTime<Utc>) -> bool {
    let long_ago: Vec<_> = stages
        .iter()
        .map(|_| Some(DateTime::<Utc>::MIN_UTC))
        .collect();
    let count = tally::tally(Case {
        stages,
        opened: &long_ago,
        now,
        votes: &[],
        people,
        asked_by,
        delegation: false,
    });
    match count.tally() {
        Tally::Open { fillable, .. } => *fillable,
        Tally::Complete { .. } => true,
    }
}
