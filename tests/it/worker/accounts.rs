//! Two accounts in one process: what AWS says in one says nothing of the other.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use countersign::aws::{Aws, AwsError, Clouds, check};
use countersign::sandbox::{Fault, Sandbox, When};

use crate::sandbox::{self, ROLE};
use crate::support::cloud::as_ourselves;

const OTHER: &str = "444455556666";

/// Both accounts, asked as one identity of the stand-in.
async fn accounts(aws: &Sandbox) -> (Aws, Aws) {
    let (key, secret) = sandbox::key("admin");
    let clouds = Clouds::with(&aws.url(), &key, &secret, Duration::from_secs(60)).await;
    let other = format!("arn:aws:iam::{OTHER}:role/x");
    (
        as_ourselves(&clouds, ROLE).await,
        as_ourselves(&clouds, &other).await,
    )
}

/// Looks at somebody whom no look has found before.
async fn look(account: &Aws) -> Result<(), AwsError> {
    match check(account, ROLE, Some("arn:aws:iam::111122223333:user/nobody")).await {
        Ok(seen) => {
            assert_eq!(seen.principal, None);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[tokio::test]
async fn a5_one_that_is_throttled_does_not_slow_down_the_other() {
    let aws = sandbox::start(r#"{"Version":"2012-10-17","Statement":[]}"#).await;
    let (slow, free) = accounts(&aws).await;
    // Clients are slow the first time.
    look(&slow).await.unwrap();
    look(&free).await.unwrap();
    let throttled = Fault::Error {
        status: 400,
        code: "Throttling".to_owned(),
        message: "Rate exceeded".to_owned(),
    };
    aws.knobs()
        .fail("GetUser", 1, When::BeforeEffect, throttled);
    assert_eq!(look(&slow).await, Err(AwsError::Throttled));
    let timed = async |account| {
        let began = Instant::now();
        look(account).await.unwrap();
        began.elapsed()
    };
    let (waited, at_once) = tokio::join!(timed(&slow), timed(&free));
    // What was saved up is worth nothing in the one account, and is all there in the other.
    assert!(waited > 2 * at_once, "{waited:?} and {at_once:?}");
}

#[tokio::test]
async fn a5_a_clock_that_differs_in_one_says_nothing_of_the_other() {
    let aws = sandbox::start(r#"{"Version":"2012-10-17","Statement":[]}"#).await;
    let (wrong, right) = accounts(&aws).await;
    let (asked_at, now) = (Instant::now(), aws.knobs().now());
    aws.knobs().date_ahead(TimeDelta::minutes(1));
    look(&wrong).await.unwrap();
    // Nobody knows as yet.
    assert!(!right.has_another_time(now, asked_at));
    aws.knobs().date_ahead(TimeDelta::zero());
    look(&right).await.unwrap();
    assert!(wrong.has_another_time(now, asked_at));
    assert!(!right.has_another_time(now, asked_at));
}

#[tokio::test]
async fn an_account_keeps_what_it_knows() {
    let aws = sandbox::start(r#"{"Version":"2012-10-17","Statement":[]}"#).await;
    let (key, secret) = sandbox::key("admin");
    let clouds = Clouds::with(&aws.url(), &key, &secret, Duration::from_secs(60)).await;
    let looks = async |arn: &str| {
        look(&as_ourselves(&clouds, arn).await).await.unwrap();
        let calls = aws.knobs().calls();
        calls.iter().filter(|call| call.action == "GetRole").count()
    };
    assert_eq!(looks(ROLE).await, 1);
    assert_eq!(looks(ROLE).await, 1, "it was seen a moment ago");
    let elsewhere = format!("arn:aws:iam::{OTHER}:role/x");
    assert_eq!(
        looks(&elsewhere).await,
        2,
        "in the other account it was not"
    );
    assert_eq!(looks("no ARN at all").await, 3);
}
