//! What is told: a line for each check.

use crate::db::doctor::Account;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ok,
    /// Somebody should know it, and nothing fails for it.
    Warning,
    /// Something fails, or will, until it is mended.
    Missing,
}

impl State {
    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How it came out.
    pub state: State,
    /// What was checked.
    pub check: &'static str,
    /// What was found, and what it means.
    pub told: String,
    /// What mends it: commands, or lines of a configuration.
    pub mends: Vec<String>,
}

/// The checks of one account, role or user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Of which.
    pub title: String,
    /// In the order in which they were made.
    pub lines: Vec<Line>,
}

impl Section {
    /// One without lines yet.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
        }
    }

    /// It is as it should be.
    pub fn ok(&mut self, check: &'static str, told: impl Into<String>) {
        self.add::<&str>(State::Ok, check, told, &[]);
    }

    pub(super) fn warn<M: AsRef<str>>(
        &mut self,
        check: &'static str,
        told: impl Into<String>,
        mends: &[M],
    ) {
        self.add(State::Warning, check, told, mends);
    }

    /// Something is missing.
    pub fn lacks<M: AsRef<str>>(
        &mut self,
        check: &'static str,
        told: impl Into<String>,
        mends: &[M],
    ) {
        self.add(State::Missing, check, told, mends);
    }

    fn add<M: AsRef<str>>(
        &mut self,
        state: State,
        check: &'static str,
        told: impl Into<String>,
        mends: &[M],
    ) {
        self.lines.push(Line {
            state,
            check,
            told: told.into(),
            mends: mends.iter().map(|it| it.as_ref().to_owned()).collect(),
        });
    }
}

/// What gives an account everything that Countersign needs in it.
pub(super) fn set_up(account: &Account) -> String {
    let id = &account.id;
    format!("countersign aws-setup --account {id}   # prints what account {id} has to be given")
}

/// An ARN as a shell takes it: a path may hold any visible character.
pub(super) fn quoted(arn: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b":/+=,.@_-".contains(&b);
    if arn.bytes().all(is_plain) {
        arn.to_owned()
    } else {
        format!("'{}'", arn.replace('\'', r"'\''"))
    }
}
