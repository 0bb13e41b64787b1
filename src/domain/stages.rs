//! Who has to approve: stages in order, in each groups side by side, each with its seats.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::duration::{self, InvalidDuration};

/// How many stages there may be.
pub const MOST_STAGES: usize = 5;
/// How many groups a stage may have.
pub const MOST_GROUPS: usize = 5;
/// How many seats all stages may have together.
pub const MOST_SEATS: i16 = 10;

/// Why stages were refused. Stages count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStages {
    /// There is no stage.
    #[error("must have at least one stage")]
    None,
    /// There are too many stages.
    #[error("must have at most {MOST_STAGES} stages, not {0}")]
    Stages(usize),
    /// A stage without groups.
    #[error("stage {0} must name at least one group")]
    NoGroups(usize),
    /// A stage of too many groups.
    #[error("stage {stage} must name at most {MOST_GROUPS} groups, not {groups}")]
    Groups {
        /// Which stage.
        stage: usize,
        /// How many it names.
        groups: usize,
    },
    /// More or fewer seats for one group than there can be.
    #[error("stage {stage}, group {group}: needed must be from 1 to {MOST_SEATS}, not {needed}")]
    Needed {
        /// Which stage.
        stage: usize,
        /// Which group.
        group: String,
        /// What was sent.
        needed: i16,
    },
    /// Too many seats in all.
    #[error("all stages together must need at most {MOST_SEATS} people, not {0}")]
    Seats(i16),
    /// A group stands twice in a stage.
    #[error("stage {stage} names the group {group} twice: say once how many are needed")]
    Twice {
        /// Which stage.
        stage: usize,
        /// Which group.
        group: String,
    },
    /// A group escalates to itself.
    #[error("stage {stage}, group {group}: escalate_to must be another group")]
    ToItself {
        /// Which stage.
        stage: usize,
        /// Which group.
        group: String,
    },
}

/// Why the seats of one group could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEscalation {
    /// One key without the other.
    #[error("escalate_to and escalate_after go together: leave out both, or none")]
    Half,
    /// `escalate_after` is no duration.
    #[error("escalate_after {0}")]
    Duration(#[from] InvalidDuration),
    /// `escalate_after` is none that can be waited for.
    #[error("escalate_after must be longer than nothing, and at most PT8760H")]
    Length,
}

/// Whom else a group's seats are open to, once the stage has been open for so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// The other group.
    pub to: String,
    /// Seconds after the stage was first opened.
    pub after_seconds: i32,
}

impl Escalation {
    /// The longest that an escalation may wait, in seconds: a year.
    const LONGEST: i64 = 8760 * 3600;

    /// An escalation to that group after an ISO 8601 duration.
    ///
    /// # Errors
    /// When the duration is none, or is one that cannot be waited for.
    pub fn parse(to: &str, after: &str) -> Result<Self, InvalidEscalation> {
        let seconds = duration::parse(after)?;
        let fits = (1..=Self::LONGEST).contains(&seconds);
        let after_seconds = i32::try_from(seconds).ok().filter(|_| fits);
        Ok(Self {
            to: to.to_owned(),
            after_seconds: after_seconds.ok_or(InvalidEscalation::Length)?,
        })
    }

    /// When it is due, in a stage that was first opened at `opened`.
    #[must_use]
    pub fn due_at(&self, opened: DateTime<Utc>) -> DateTime<Utc> {
        let wait = TimeDelta::seconds(i64::from(self.after_seconds));
        opened
            .checked_add_signed(wait)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// The seats of one group in a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct GroupSeats {
    /// The group.
    pub group: String,
    /// How many of it have to approve.
    pub needed: i16,
    /// Whom else its seats are open to, in time.
    pub escalation: Option<Escalation>,
}

/// [`GroupSeats`] as the catalog writes them.
#[derive(Serialize, Deserialize)]
struct Words {
    group: String,
    #[serde(default = "one")]
    needed: i16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalate_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalate_after: Option<String>,
}

const fn one() -> i16 {
    1
}

impl TryFrom<Words> for GroupSeats {
    type Error = InvalidEscalation;

    fn try_from(words: Words) -> Result<Self, InvalidEscalation> {
        let escalation = match (words.escalate_to, words.escalate_after) {
            (Some(to), Some(after)) => Some(Escalation::parse(&to, &after)?),
            (None, None) => None,
            _ => return Err(InvalidEscalation::Half),
        };
        Ok(Self {
            group: words.group,
            needed: words.needed,
            escalation,
        })
    }
}

impl From<GroupSeats> for Words {
    fn from(seats: GroupSeats) -> Self {
        let escalation = seats.escalation;
        let (escalate_to, escalate_after) = escalation
            .map(|it| (it.to, duration::print(it.after_seconds)))
            .unzip();
        Self {
            group: seats.group,
            needed: seats.needed,
            escalate_to,
            escalate_after,
        }
    }
}

/// Groups that are asked at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The groups, each with its seats.
    pub groups: Vec<GroupSeats>,
}

impl Stage {
    /// How many have to approve in it.
    #[must_use]
    pub fn seats(&self) -> i16 {
        let needed = self.groups.iter().map(|it| it.needed);
        needed.fold(0, i16::saturating_add)
    }
}

/// Every stage, in the order in which they open; within the limits. Which names groups may have is
/// the catalog's to say: what was stored once is read whatever the rules are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Stage>", into = "Vec<Stage>")]
pub struct Stages(Vec<Stage>);

impl Stages {
    /// These stages.
    ///
    /// # Errors
    /// When they go beyond the limits, or a stage names a group twice.
    pub fn new(stages: Vec<Stage>) -> Result<Self, InvalidStages> {
        if stages.is_empty() {
            return Err(InvalidStages::None);
        }
        if stages.len() > MOST_STAGES {
            return Err(InvalidStages::Stages(stages.len()));
        }
        for (number, stage) in (1..).zip(&stages) {
            check(number, stage)?;
        }
        let seats = stages.iter().map(Stage::seats).fold(0, i16::saturating_add);
        if seats > MOST_SEATS {
            return Err(InvalidStages::Seats(seats));
        }
        Ok(Self(stages))
    }

    /// The short form: one stage of one group.
    ///
    /// # Errors
    /// When `needed` is not from 1 to [`MOST_SEATS`].
    pub fn one(group: &str, needed: i16) -> Result<Self, InvalidStages> {
        let groups = vec![GroupSeats {
            group: group.to_owned(),
            needed,
            escalation: None,
        }];
        Self::new(vec![Stage { groups }])
    }

    /// Each stage, the first one first.
    pub fn iter(&self) -> std::slice::Iter<'_, Stage> {
        self.0.iter()
    }

    /// How many people have to approve in all.
    #[must_use]
    pub fn seats(&self) -> i16 {
        self.0.iter().map(Stage::seats).sum()
    }
}

impl<'a> IntoIterator for &'a Stages {
    type Item = &'a Stage;
    type IntoIter = std::slice::Iter<'a, Stage>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl TryFrom<Vec<Stage>> for Stages {
    type Error = InvalidStages;

    fn try_from(stages: Vec<Stage>) -> Result<Self, InvalidStages> {
        Self::new(stages)
    }
}

impl From<Stages> for Vec<Stage> {
    fn from(stages: Stages) -> Self {
        stages.0
    }
}

fn check(number: usize, stage: &Stage) -> Result<(), InvalidStages> {
    let groups = &stage.groups;
    if groups.is_empty() {
        return Err(InvalidStages::NoGroups(number));
    }
    if groups.len() > MOST_GROUPS {
        return Err(InvalidStages::Groups {
            stage: number,
            groups: groups.len(),
        });
    }
    for (nth, seats) in groups.iter().enumerate() {
        check_group(number, seats)?;
        if groups[..nth].iter().any(|it| it.group == seats.group) {
            return Err(InvalidStages::Twice {
                stage: number,
                group: seats.group.clone(),
            });
        }
    }
    Ok(())
}

fn check_group(stage: usize, seats: &GroupSeats) -> Result<(), InvalidStages> {
    let group = || seats.group.clone();
    if !(1..=MOST_SEATS).contains(&seats.needed) {
        return Err(InvalidStages::Needed {
            stage,
            group: group(),
            needed: seats.needed,
        });
    }
    let to_itself = |it: &Escalation| it.to == seats.group;
    if seats.escalation.as_ref().is_some_and(to_itself) {
        return Err(InvalidStages::ToItself {
            stage,
            group: group(),
        });
    }
    Ok(())
}
