//! What the loop would find and do, told and not done: `countersign reconcile --dry-run`, and
//! whether a person may leave it to the loop again.

use futures_util::{StreamExt as _, stream};

use crate::app::App;
use crate::app::orphans::{self, Found};
use crate::app::resume::resume;
use crate::aws::AwsError;
use crate::config::Config;
use crate::db;
use crate::db::standing::Place;
use crate::domain::arn::{Arn, Kind};
use crate::domain::target::Condition;
use crate::error::Error;
use crate::worker::{Foreseen, Settings, Unforeseen, Worker};

/// How many accounts are looked at at a time: none waits for one that does not answer.
const AT_A_TIME: usize = 8;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// AWS is not as the database has it.
    Divergence,
    /// It could not be looked at.
    Unseen,
    /// What the loop does next.
    Next,
    /// Somebody should know it.
    Note,
}

impl About {
    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Divergence => "diverges",
            Self::Unseen => "unseen",
            Self::Next => "next",
            Self::Note => "note",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub about: About,
    /// The word for its kind.
    pub kind: &'static str,
    /// In words.
    pub told: String,
    /// The command that mends it, where the loop does not.
    pub mend: Option<String>,
}

/// The lines of a role, user or account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Of which.
    pub title: String,
    /// At least one.
    pub lines: Vec<Line>,
}

impl Section {
    fn of(title: String, lines: Vec<Line>) -> Option<Self> {
        (!lines.is_empty()).then_some(Self { title, lines })
    }
}

fn line(about: About, kind: &'static str, told: impl Into<String>) -> Line {
    Line {
        about,
        kind,
        told: told.into(),
        mend: None,
    }
}

/// A target, and what was foreseen of it.
#[derive(Debug)]
pub struct Looked {
    /// Which.
    pub place: Place,
    /// What, or why nothing was.
    pub foreseen: Result<Foreseen, AwsError>,
}

impl Looked {
    /// Whether AWS is as the database has it.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let foreseen = self.foreseen.as_ref();
        foreseen.is_ok_and(|it| it.diverges.is_empty() && !it.unplanned)
    }

    /// Its lines, where there is something to tell.
    #[must_use]
    pub fn section(&self) -> Option<Section> {
        let Place { arn, condition, .. } = &self.place;
        let kind = match Arn::read(arn).map(|it| it.kind) {
            Some(Kind::User) => "user",
            _ => "role",
        };
        let title = match condition {
            Condition::Ok => format!("{kind} {arn}"),
            other => format!("{kind} {arn} ({})", other.as_str()),
        };
        Section::of(title, self.lines())
    }

    fn lines(&self) -> Vec<Line> {
        let foreseen = match &self.foreseen {
            Ok(foreseen) => foreseen,
            Err(error) => return vec![line(About::Unseen, error.code(), error.to_string())],
        };
        let diverges = foreseen.diverges.iter();
        let diverges = diverges.map(|it| line(About::Divergence, it.word(), it.to_string()));
        let mut lines: Vec<Line> = diverges.collect();
        if foreseen.unplanned {
            let told = "what AWS shows makes the planning break down; closings go on without it";
            lines.push(line(About::Divergence, "unplanned", told));
        }
        if foreseen.denied {
            let told = "a guard stands on the role, which denies what is handed out for grants that nothing cuts";
            lines.push(line(About::Divergence, "guarded", told));
        }
        let next = foreseen.next.iter();
        lines.extend(next.map(|it| line(About::Next, "step", it)));
        lines.extend(foreseen.waits.iter().map(|id| Line {
            mend: Some(format!("countersign target resume {}", self.place.arn)),
            ..line(
                About::Note,
                "waits",
                format!("{id} opens once a person says so"),
            )
        }));
        lines
    }
}

/// Looks at every role and user, or at one, and at everybody else in the accounts.
///
/// # Errors
/// When the database does not answer, or has no such role or user. What AWS does not tell is told.
pub async fn dry_run(
    app: &App,
    config: &Config,
    arn: Option<&str>,
) -> Result<(usize, Vec<Section>), Error> {
    let places = app
        .read(async |conn| Ok(db::standing::places(conn, arn).await?))
        .await?;
    if places.is_empty() && arn.is_some() {
        return Err(Error::field("target", "is not in the catalog"));
    }
    let count = places.len();
    let looked = look(app, config, places).await?;
    let mut sections: Vec<Section> = looked.iter().filter_map(Looked::section).collect();
    if arn.is_none() {
        let found = orphans::find(app).await?;
        sections.extend(found.iter().filter_map(of_account));
    }
    Ok((count, sections))
}

/// What became of a target that was to be taken back into service with all others.
#[derive(Debug)]
pub enum Resumed {
    /// Grants may open on it again.
    Done,
    /// A person has to look at it first, and why.
    Left(String),
}

/// Takes every role and user back into service that is in safe mode, and on which nothing is found
/// that a person would have to judge: neither by a look now nor by one since safe mode began, and
/// no grant that would open for it, since its end may be what was lost.
///
/// # Errors
/// When the database does not answer.
pub async fn resume_all(app: &App, config: &Config) -> Result<Vec<(Looked, Resumed)>, Error> {
    let places = app
        .read(async |conn| Ok(db::standing::places(conn, None).await?))
        .await?;
    let is_safe = |place: &Place| place.condition == Condition::SafeMode;
    let places = places.into_iter().filter(is_safe).collect();
    let mut all = Vec::new();
    for looked in look(app, config, places).await? {
        let resumed = resume_looked(app, &looked).await?;
        all.push((looked, resumed));
    }
    Ok(all)
}

async fn resume_looked(app: &App, looked: &Looked) -> Result<Resumed, Error> {
    let left = |why: &str| Ok(Resumed::Left(why.to_owned()));
    let Ok(foreseen) = &looked.foreseen else {
        return left("it could not be looked at");
    };
    if !looked.agrees() {
        return left("AWS is not as the database has it");
    }
    if !foreseen.waits.is_empty() {
        return left("grants would open on it whose end may be lost");
    }
    if !foreseen.uncut.is_empty() {
        return left("keys may be handed out on it for grants whose end may be lost");
    }
    let Place {
        target, safe_since, ..
    } = looked.place;
    let has_traces = app.read(async |conn| match safe_since {
        Some(since) => Ok(db::standing::has_traces(conn, target, since).await?),
        None => Ok(false),
    });
    if has_traces.await? {
        return left("something was found on it since safe mode began");
    }
    match resume(app, "command line", &looked.place.arn).await {
        Ok(_) => Ok(Resumed::Done),
        // The time of P, or somebody who was quicker.
        Err(error) if !error.fields().is_empty() => left(&error.about().detail),
        Err(error) => Err(error),
    }
}

/// Looks at these targets, account by account. One that does not answer is asked once.
///
/// # Errors
/// When the database does not answer.
pub async fn look(app: &App, config: &Config, places: Vec<Place>) -> Result<Vec<Looked>, Error> {
    let worker = &Worker::new(
        app.pool().clone(),
        app.clock().clone(),
        app.clouds().clone(),
        Settings::from(config),
        app.wake(),
    );
    let accounts = places.chunk_by(|one, next| one.account == next.account);
    let accounts = accounts.map(async |places| {
        let mut looked = Vec::with_capacity(places.len());
        let mut silent = None;
        for place in places {
            let foreseen = match silent {
                Some(error) => Err(error),
                // On the heap: the SDK's futures are large.
                None => match Box::pin(worker.foresee(place)).await {
                    Ok(foreseen) => Ok(foreseen),
                    Err(Unforeseen::Aws(error)) => Err(error),
                    Err(Unforeseen::Database(error)) => return Err(Error::from(error)),
                },
            };
            silent = foreseen
                .as_ref()
                .err()
                .copied()
                .filter(|it| has_no_answer(*it));
            let place = place.clone();
            looked.push(Looked { place, foreseen });
        }
        Ok(looked)
    });
    let all: Vec<_> = stream::iter(accounts).buffered(AT_A_TIME).collect().await;
    let all: Result<Vec<Vec<Looked>>, Error> = all.into_iter().collect();
    Ok(all?.into_iter().flatten().collect())
}

const fn has_no_answer(error: AwsError) -> bool {
    matches!(
        error,
        AwsError::Unclear | AwsError::Unreachable | AwsError::Throttled
    )
}

fn of_account(found: &Found) -> Option<Section> {
    let lines = match &found.orphans {
        Ok(orphans) => {
            let lines = orphans.iter().map(|orphan| {
                let (arn, policy, allows) = (&orphan.arn, &orphan.name, &orphan.allows);
                let told =
                    format!("{arn} has {policy}, which belongs to no grant there and {allows}");
                Line {
                    mend: Some(orphan.mend()),
                    ..line(About::Divergence, "orphan", told)
                }
            });
            lines.collect()
        }
        Err(AwsError::Denied) => {
            let told = "without iam:GetAccountAuthorizationDetails nobody is looked at whom the catalog does not have";
            vec![line(About::Note, "orphans", told)]
        }
        Err(error) => vec![line(About::Unseen, error.code(), error.to_string())],
    };
    Section::of(format!("account {}", found.account), lines)
}
