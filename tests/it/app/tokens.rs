//! How tokens look, and how long they work.

use chrono::TimeDelta;
use countersign::app::{secrets, tokens};
use countersign::authn::{Bearer, bearer};
use countersign::error::{CallerError, Error};
use secrecy::ExposeSecret;

use crate::support::app::{TestApp, wanted};

#[tokio::test]
async fn tokens_work_until_they_expire_or_are_revoked() {
    let company = TestApp::new().await;
    let hour = TimeDelta::hours(1);
    let (id, token) = tokens::create(
        &company.admin,
        "cli",
        "bob@example.com",
        wanted("test", hour),
    )
    .await
    .unwrap();
    let token = token.expose_secret();
    let form = regex_lite::Regex::new("^csn_[0-9A-Za-z]{49}$").unwrap();
    assert!(form.is_match(token), "{token}");
    let Bearer::Person(bob, _) = bearer(&company.app, token).await.unwrap() else {
        panic!("it speaks for a person");
    };
    assert_eq!(bob.name, "Bob");
    for forged in [
        "",
        "csn_",
        "csn_AAAA",
        &token[..token.len() - 1],
        &format!("{token}A"),
    ] {
        assert!(matches!(
            bearer(&company.app, forged).await,
            Err(Error::Caller(CallerError::Unauthenticated))
        ));
    }
    tokens::revoke(&company.admin, "cli", id).await.unwrap();
    assert!(matches!(
        bearer(&company.app, token).await,
        Err(Error::Caller(CallerError::Unauthenticated))
    ));
    let (id, other) = tokens::create(
        &company.admin,
        "cli",
        "bob@example.com",
        wanted("test", hour),
    )
    .await
    .unwrap();
    company.later(hour);
    let late = tokens::revoke(&company.admin, "cli", id).await;
    assert!(late.is_err(), "it works no more, and nothing is on record");
    assert!(matches!(
        bearer(&company.app, other.expose_secret()).await,
        Err(Error::Caller(CallerError::Unauthenticated))
    ));
}

/// A typing error, or a token of somebody else's making: nobody is looked up for it.
#[tokio::test]
async fn a_token_whose_checksum_is_wrong_costs_no_look_up() {
    // Worked out with another program (zlib's crc32 of these 43 letters is 0xaa866f5c).
    let letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
    assert!(secrets::is_token(&format!("csn_{letters}37cCQ0")));
    assert!(!secrets::is_token(&format!("csn_{letters}000000")));

    let company = TestApp::new().await;
    let hour = TimeDelta::hours(1);
    let made = tokens::create(
        &company.admin,
        "cli",
        "bob@example.com",
        wanted("test", hour),
    )
    .await;
    let token = made.unwrap().1;
    let token = token.expose_secret();
    company.app.close().await;
    assert!(matches!(
        bearer(&company.app, token).await,
        Err(Error::Busy)
    ));
    let of_before = format!("csn_{}", "0123456789abcdef".repeat(4));
    assert!(matches!(
        bearer(&company.app, &of_before).await,
        Err(Error::Busy)
    ));
    for place in [4, 20, 46, 47, 52] {
        let mut other = token.to_owned();
        let letter = if &token[place..=place] == "x" {
            "y"
        } else {
            "x"
        };
        other.replace_range(place..=place, letter);
        assert!(
            matches!(
                bearer(&company.app, &other).await,
                Err(Error::Caller(CallerError::Unauthenticated))
            ),
            "{other}"
        );
    }
    // Those of machines look alike, and this is none.
    let other = token.replace("csn_", "csm_");
    assert!(secrets::is_token(&other), "{other}");
    for other in [
        of_before.to_uppercase(),
        of_before.replace('a', "g"),
        of_before.replace("csn_", "csm_"),
    ] {
        assert!(!secrets::is_token(&other), "{other}");
    }
}
