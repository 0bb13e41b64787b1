//! When a token or a session was last used: written apart from the call, which neither waits for it
//! nor fails with it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ctx::App;
use crate::db;
use crate::db::lent::{self, Lent};

/// How long one write may take.
const LIMIT: Duration = Duration::from_secs(2);
/// What was used, by the hash of its secret.
#[derive(Debug, Clone, Copy)]
pub enum Used {
    /// An API token.
    Token([u8; 32]),
    /// A session of the portal.
    Session([u8; 32]),
}

impl App {
    /// Puts a use on record, some time soon, if the database takes it.
    pub fn used(&self, what: Used, now: DateTime<Utc>) {
        if self.desk().is_open() {
            let app = self.clone();
            tokio::spawn(async move { app.write_use(what, now).await });
        }
    }

    async fn write_use(&self, what: Used, now: DateTime<Utc>) {
        let Ok(_turn) = self.desk().turn.acquire().await else {
            return;
        };
        // Asked again: whoever was before us may have failed.
        if !self.desk().is_open() {
            return;
        }
        let written = lent::in_time("last use", LIMIT, async {
            let mut conn = Lent::take(self.callers()).await?;
            match what {
                Used::Token(hash) => db::tokens::used(&mut conn, &hash, now).await?,
                Used::Session(hash) => db::sessions::used(&mut conn, &hash, now).await?,
            }
            conn.give_back();
            Ok::<_, sqlx::Error>(())
        });
        match written.await {
            // Nobody needs it any more.
            Ok(()) | Err(sqlx::Error::PoolClosed) => {}
            Err(error) => {
                self.desk().shut();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the last use of tokens and sessions is not written for a minute"
                );
            }
        }
    }
}
