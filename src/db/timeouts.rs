//! How long the database may take, told to the server with each connection and kept on our own
//! side: a server that is silent enforces nothing.

use std::time::Duration;

/// What is waited for at most, on the connections of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a free connection, or a new one.
    pub acquire: Duration,
    /// For a lock that somebody else holds.
    pub lock: Duration,
    /// For the end of one statement.
    pub statement: Duration,
    /// For the next statement of a transaction, before the server ends it: its client has stopped,
    /// and holds rows.
    pub idle_in_transaction: Duration,
    /// For one piece of work as a whole, on our own clock.
    pub step: Duration,
}

impl Timeouts {
    /// For verbs and pages: somebody waits for them, and can come again.
    #[must_use]
    pub fn of_verbs(lease: Duration) -> Self {
        let most = |seconds, share| Duration::from_secs(seconds).min(lease / share);
        Self {
            acquire: most(5, 1),
            lock: Duration::from_millis(1500).min(lease / 3),
            statement: most(10, 2),
            // A stopped process holds its rows no longer than that (docs/guard.md, H9).
            idle_in_transaction: most(5, 2),
            step: Duration::from_secs(15).min(lease / 3 * 2),
        }
    }

    /// For commands, which may have much to write, and whose end somebody watches.
    #[must_use]
    pub const fn of_commands() -> Self {
        Self {
            acquire: Duration::from_secs(5),
            lock: Duration::from_secs(10),
            statement: Duration::from_mins(1),
            idle_in_transaction: Duration::from_secs(10),
            step: Duration::from_mins(5),
        }
    }

    /// For the worker: each step is over long before the lease that it works under.
    #[must_use]
    pub fn of_worker(lease: Duration) -> Self {
        let most = |seconds, share| Duration::from_secs(seconds).min(lease / share);
        Self {
            acquire: most(5, 3),
            lock: most(5, 4),
            statement: most(10, 3),
            idle_in_transaction: most(5, 2),
            step: most(15, 2),
        }
    }

    /// The server's settings. Those of TCP mean nothing on a Unix socket.
    pub(super) fn settings(&self) -> [(&'static str, String); 7] {
        // 0 would mean to the server that there is no limit.
        let milliseconds = |it: Duration| it.as_millis().max(1).to_string();
        [
            ("lock_timeout", milliseconds(self.lock)),
            ("statement_timeout", milliseconds(self.statement)),
            (
                "idle_in_transaction_session_timeout",
                milliseconds(self.idle_in_transaction),
            ),
            // A client that is gone without a word lets go of its rows after half a minute at most.
            ("tcp_keepalives_idle", "15".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "30000".to_owned()),
        ]
    }
}
