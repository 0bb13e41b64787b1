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
        // else's edit is lost; and a user may have been made anew since. A slow database must not
        // keep a closing waiting for ever, so that only the first few are read anew.
        let is_read_anew = key != DocumentKey::Guard;
        if is_read_anew && looked_at.elapsed() > FRESH && self.too_old < MOST_TOO_OLD {
            self.too_old += 1;
            return self.give_up(sending);
        }
        // What is written twice in one pass is undone as fast as we write.
        self.repeats |= !self.sent.insert(meaning(&sending.write));
        let sent = send(&self.aws, self.arn(), &sending).await;
        match sent {
            Ok(()) => {
                // The answer has to be on record before the lease is over.
                let left = worker
                    .settings
                    .lease
                    .saturating_sub(sending.held_at.elapsed());
                let policy = sending.policy.clone();
                self.answer = Some((sending, Answer::Done));
                self.read_back(key, policy.as_deref(), left / 2).await
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

    async fn read_back(
        &mut self,
        key: DocumentKey,
        policy: Option<&str>,
        limit: Duration,
    ) -> Round {
        let Some(mut seen) = self.seen.take().filter(Seen::is_fresh) else {
            return Round::Again;
        };
        let limit = limit.min(self.look_limit());
        let read = seen.read_back(&self.aws, limit, self.arn(), key, policy);
        match read.await {
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
        let carried = match write.key {
            DocumentKey::Inline(grant) => Some(grant),
            DocumentKey::Trust | DocumentKey::Guard => None,
        };
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
            // The text of an end that AWS does not take is no reason to leave the policy there.
            AwsError::Full | AwsError::Malformed if carried.is_some() && !self.ended_refused => {
                self.ended_refused = true;
                return Round::Again;
            }
            AwsError::Full | AwsError::Malformed | AwsError::Protected | AwsError::Denied
                if is_guard && !self.guard_refused =>
            {
                self.guard_refused = true;
                self.trouble = Some(error);
            }
            // What cannot be taken away keeps nothing else on the user from closing or opening.
            AwsError::Full | AwsError::Malformed | AwsError::Protected | AwsError::Denied
                if write.opens.is_empty()
                    && carried.is_some_and(|grant| self.kept_there.insert(grant)) =>
            {
                self.kept = Some(error);
                return Round::Again;
            }
            AwsError::Full | AwsError::Malformed | AwsError::Protected | AwsError::Denied
                if write.opens.is_empty() && write.key == DocumentKey::Trust =>
            {
                self.kept = Some(error);
                return Round::Failed(error);
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
    let (key, text) = (write.key, write.text());
    let revision = format!("CountersignRev{}i", write.revision);
    let said = fingerprint(&text.replacen(&revision, "", 1));
    fingerprint(&format!("{key} {}", hex::encode(said)))
}

async fn send(aws: &Aws, arn: &str, sending: &Sending) -> Result<(), AwsError> {
    let write = &sending.write;
    match (&sending.policy, &write.text) {
        (None, _) => apply::put_trust(aws, arn, write.text()).await,
        (Some(policy), Some(text)) => apply::put_policy(aws, arn, policy, text).await,
        (Some(policy), None) => apply::delete_policy(aws, arn, policy).await,
    }
}
