//! One write: sent once, read back, and what its refusal means.

use std::time::{Duration, Instant};

use super::look::{FRESH, Seen};
use super::pass::{Pass, Round};
use super::record::{Answer, Sending};
use crate::aws::{Aws, AwsError, apply};
use crate::domain::target::DocumentKey;
use crate::policy::{Write, fingerprint};

/// How many trust writes are given up in one pass since their reads were older.
const MOST_TOO_OLD: u8 = 3;

impl Pass<'_> {
    /// Sends what was intended from a look of that time.
    pub(super) async fn write(&mut self, sending: Sending, looked_at: Instant) -> Round {
        let (worker, key) = (self.worker, sending.write.key);
        // Nobody may begin to work on the target while our call may still be under way
        // (docs/guard.md, H4).
        if sending.held_at.elapsed() + self.aws.timeout() >= worker.settings.lease {
            return self.give_up(sending);
        }
        // A trust policy is written from what was read: the older that is, the more of somebody
        // else's edit is lost. A slow database must not keep a closing waiting for ever, so that
        // only the first few are read anew.
        let is_trust = key == DocumentKey::Trust;
        if is_trust && looked_at.elapsed() > FRESH && self.too_old < MOST_TOO_OLD {
            self.too_old += 1;
            return self.give_up(sending);
        }
        // What is written twice in one pass is undone as fast as we write.
        self.repeats |= !self.sent.insert(meaning(&sending.write));
        let sent = send(&self.aws, self.role_arn(), &sending.write).await;
        match sent {
            Ok(()) => {
                // The answer has to be on record before the lease is over.
                let left = worker
                    .settings
                    .lease
                    .saturating_sub(sending.held_at.elapsed());
                self.answer = Some((sending, Answer::Done));
                self.read_back(key, left / 2).await
            }
            Err(error) => {
                // What a refused document would have changed, or an unanswered one has, is looked
                // for anew.
                self.seen = None;
                let round = self.refused(&sending.write, error);
                // Without an answer the write may still land: what is on record of it stays.
                if error != AwsError::Unclear {
                    self.answer = Some((sending, Answer::Refused));
                }
                round
            }
        }
    }

    /// The write is not sent, and everything is read anew.
    fn give_up(&mut self, sending: Sending) -> Round {
        self.answer = Some((sending, Answer::NotSent));
        self.seen = None;
        Round::Again
    }

    async fn read_back(&mut self, key: DocumentKey, limit: Duration) -> Round {
        let Some(mut seen) = self.seen.take().filter(Seen::is_fresh) else {
            return Round::Again;
        };
        let limit = limit.min(self.look_limit());
        match seen.read_back(&self.aws, limit, self.role_arn(), key).await {
            Ok(()) => {
                self.seen = Some(seen);
                Round::Again
            }
            Err(error) => Round::Failed(error),
        }
    }

    /// AWS did not do it. A document that it does not take is tried without what it opens; a guard
    /// that it does not take at all keeps no statement in.
    fn refused(&mut self, write: &Write, error: AwsError) -> Round {
        let is_guard = write.key == DocumentKey::Guard;
        match error {
            // Whether it is gone the plan says, from the next look (docs/guard.md, C14).
            AwsError::Gone => return Round::Again,
            AwsError::Full | AwsError::Malformed | AwsError::Protected
                if !self.closings_only && (is_guard || !write.opens.is_empty()) =>
            {
                self.refused.clone_from(&write.opens);
                self.malformed = error == AwsError::Malformed;
                // With nothing to be left out, there is only the refusal to be told.
                self.trouble = self.refused.is_empty().then_some(error);
            }
            AwsError::Full | AwsError::Malformed | AwsError::Protected | AwsError::Denied
                if is_guard && !self.guard_refused =>
            {
                self.guard_refused = true;
                self.trouble = Some(error);
            }
            _ => return Round::Failed(error),
        }
        self.closings_only = true;
        Round::Again
    }
}

/// What a write says, whatever its revision, and of which document.
fn meaning(write: &Write) -> [u8; 32] {
    // Each guard has a revision of its own, with which none would ever be a repetition.
    let (key, text) = (write.key.as_str(), write.text());
    let revision = format!("CountersignRev{}i", write.revision);
    let said = fingerprint(&text.replacen(&revision, "", 1));
    fingerprint(&format!("{key} {}", hex::encode(said)))
}

async fn send(aws: &Aws, role_arn: &str, write: &Write) -> Result<(), AwsError> {
    match (write.key, &write.text) {
        (DocumentKey::Guard, Some(text)) => apply::put_guard(aws, role_arn, text).await,
        (DocumentKey::Guard, None) => apply::delete_guard(aws, role_arn).await,
        (DocumentKey::Trust, _) => apply::put_trust(aws, role_arn, write.text()).await,
    }
}
