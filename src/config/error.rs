use std::path::PathBuf;

/// Why the configuration is refused. Never holds a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: {message}", .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// There is no such key.
    #[error("unknown configuration key {key} (in {place})")]
    Unknown {
        /// The key as it would stand in the file.
        key: String,
        /// The file, or the variable.
        place: String,
    },
    /// The value does not fit.
    #[error("configuration key {key} (in {place}): {reason}")]
    Invalid {
        /// The key as it would stand in the file.
        key: String,
        /// The file, or the variable.
        place: String,
        /// What is expected.
        reason: String,
    },
    /// A key that this command needs is not set.
    #[error("configuration key {0} is not set, in the file nor as a variable: {1}")]
    Missing(&'static str, &'static str),
    /// Two values do not go together.
    #[error("configuration: {0}")]
    Conflict(&'static str),
}
