//! ID tokens that do not hold: the cases of the conformance suite for relying parties by their
//! names, and more.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use countersign::config::Config;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{Change, Flow, World};
use crate::support::portal::Answer;
use crate::support::provider::Key;

/// Comes back with changed claims, and asserts that the check of that name has failed.
async fn assert_fails(world: &World, check: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    change(&mut claims);
    let answer = world.come_back(&flow, &claims).await;
    let failed = world.assert_refused(&answer, 403, "token_invalid").await;
    assert_eq!(failed.as_deref(), Some(check), "{name}");
    // Which one it was, is nobody's business but the operator's.
    assert!(
        !answer.body.contains(&format!(">{check}<")),
        "{}",
        answer.body
    );
}

/// Takes a claim away.
fn without(claims: &mut Value, name: &str) {
    claims.as_object_mut().unwrap().remove(name);
}

/// NUL, which Postgres takes in no text.
#[tokio::test]
async fn what_no_database_holds_is_left_out_where_nobody_depends_on_it() {
    let world = World::new().await;
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    for claim in ["name", "email", "sid", "acr", "preferred_username"] {
        claims[claim] = json!("a\0lice@example.com");
    }
    claims["groups"] = json!(["developers", "adm\0ins"]);
    let answer = world.come_back(&flow, &claims).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let stored =
        "SELECT concat_ws(' ', p.name, p.email, array_to_string(p.groups, ','), s.sid, s.acr)
                  FROM people p JOIN sessions s ON s.person = p.id";
    let stored: String = sqlx::query_scalar(stored)
        .fetch_one(&world.portal.db.pool)
        .await
        .unwrap();
    assert_eq!(stored, "alice-1  developers");
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    let known =
        |config: &mut Config| config.oidc.extra_audiences = vec!["another-known".to_owned()];
    let world = World::with(known).await;
    let now = world.portal.start.timestamp();
    let cases: [(&str, &str, Change); 25] = [
        ("oidcc-client-test-invalid-iss", "iss", |it, _| {
            it["iss"] = json!("https://evil.example")
        }),
        ("iss with a slash more", "iss", |it, _| {
            it["iss"] = json!(format!("{}/", it["iss"].as_str().unwrap()));
        }),
        ("no iss", "iss", |it, _| without(it, "iss")),
        ("oidcc-client-test-missing-sub", "sub", |it, _| {
            without(it, "sub")
        }),
        ("an empty sub", "sub", |it, _| it["sub"] = json!("")),
        ("a long sub", "sub", |it, _| {
            it["sub"] = json!("s".repeat(256))
        }),
        ("a sub that is no text", "sub", |it, _| it["sub"] = json!(7)),
        ("a sub that no database holds", "sub", |it, _| {
            it["sub"] = json!("alice\0-1")
        }),
        ("oidcc-client-test-invalid-aud", "aud", |it, _| {
            it["aud"] = json!("another")
        }),
        ("oidcc-client-test-missing-aud", "aud", |it, _| {
            without(it, "aud")
        }),
        ("an aud that is not known beside ours", "aud", |it, _| {
            it["aud"] = json!(["countersign", "another"]);
            it["azp"] = json!("countersign");
        }),
        ("an aud that is known alone", "aud", |it, _| {
            it["aud"] = json!(["another-known"])
        }),
        ("an aud that is no text", "aud", |it, _| {
            it["aud"] = json!(["countersign", 7])
        }),
        ("several aud without azp", "azp", |it, _| {
            it["aud"] = json!(["countersign", "another-known"]);
        }),
        ("azp of another", "azp", |it, _| {
            it["azp"] = json!("another-known")
        }),
        ("oidcc-client-test-missing-iat", "iat", |it, _| {
            without(it, "iat")
        }),
        ("an old iat", "iat", |it, now| it["iat"] = json!(now - 661)),
        ("an iat to come", "iat", |it, now| {
            it["iat"] = json!(now + 61)
        }),
        ("no exp", "exp", |it, _| without(it, "exp")),
        ("exp is over", "exp", |it, now| it["exp"] = json!(now - 60)),
        ("exp as text", "exp", |it, now| {
            it["exp"] = json!((now + 300).to_string())
        }),
        ("nbf to come", "nbf", |it, now| it["nbf"] = json!(now + 61)),
        ("oidcc-client-test-nonce-invalid", "nonce", |it, _| {
            it["nonce"] = json!("another")
        }),
        ("no nonce", "nonce", |it, _| without(it, "nonce")),
        ("a logout token", "events", |it, _| {
            it["events"] = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
        }),
    ];
    for (name, check, change) in cases {
        assert_fails(&world, check, name, |claims| change(claims, now)).await;
    }
    assert_eq!(world.portal.done("session.started").await, 0);
}

#[tokio::test]
async fn claims_at_the_edge_of_what_fits_are_taken() {
    let known =
        |config: &mut Config| config.oidc.extra_audiences = vec!["another-known".to_owned()];
    let world = World::with(known).await;
    let now = world.portal.start.timestamp();
    let cases: [(&str, Change); 8] = [
        ("as it is", |_, _| ()),
        ("a known aud beside ours", |it, _| {
            it["aud"] = json!(["another-known", "countersign"]);
            it["azp"] = json!("countersign");
        }),
        ("aud as a list of one", |it, _| {
            it["aud"] = json!(["countersign"])
        }),
        ("exp within the skew", |it, now| it["exp"] = json!(now - 59)),
        ("the latest exp that there is", |it, _| {
            it["exp"] = json!(DateTime::<Utc>::MAX_UTC.timestamp())
        }),
        ("iat within the skew", |it, now| it["iat"] = json!(now + 60)),
        ("an iat ten minutes ago", |it, now| {
            it["iat"] = json!(now - 600)
        }),
        ("parts of a second", |it, now| {
            it["exp"] = serde_json::from_str(&format!("{now}.75")).unwrap();
        }),
    ];
    for (name, change) in cases {
        let flow = world.start("/").await;
        let mut claims = world.claims(&flow);
        change(&mut claims, now);
        let answer = world.come_back(&flow, &claims).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{name}: {}",
            answer.body
        );
    }
}

/// Comes back with a token that is made for the flow.
async fn come_back(world: &World, token: impl FnOnce(&Flow) -> String) -> Answer {
    let flow = world.start("/").await;
    let token = token(&flow);
    world.come_back_with(&flow, &token).await
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn only_what_the_providers_key_has_signed_is_taken() {
    let world = World::new().await;
    let key = world.provider.key.clone();
    let kid = Some(key.kid.clone());
    let forged = |name: &'static str, check: &'static str, token: Box<dyn Fn(&Value) -> String>| {
        (name, check, token)
    };
    let own = key.clone();
    let (a, b, c, d, e, f, g) = (
        own.clone(),
        own.clone(),
        own.clone(),
        own.clone(),
        own.clone(),
        own.clone(),
        own,
    );
    let stranger = Key::new(Algorithm::ES256);
    let public = key.public().to_string();
    let cases = [
        forged(
            "oidcc-client-test-idtoken-sig-none",
            "header",
            Box::new(move |claims| {
                format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims))
            }),
        ),
        forged(
            "HMAC with the public key",
            "alg",
            Box::new(move |claims| {
                let mut header = Header::new(Algorithm::HS256);
                header.kid = kid.clone();
                encode(
                    &header,
                    claims,
                    &EncodingKey::from_secret(public.as_bytes()),
                )
                .unwrap()
            }),
        ),
        forged(
            "oidcc-client-test-invalid-sig",
            "signature",
            Box::new(move |claims| {
                let token = a.sign(claims);
                let (signed, signature) = token.rsplit_once('.').unwrap();
                let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
                bytes[7] ^= 1;
                format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
            }),
        ),
        forged(
            "another body under the same signature",
            "signature",
            Box::new(move |claims| {
                let token = b.sign(claims);
                let mut other = claims.clone();
                other["sub"] = json!("bob-1");
                let all: Vec<_> = token.split('.').collect();
                format!("{}.{}.{}", all[0], part(&other), all[2])
            }),
        ),
        forged(
            "another's key under our kid",
            "signature",
            Box::new(move |claims| {
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some(c.kid.clone());
                stranger.sign_as(&header, claims)
            }),
        ),
        forged(
            "a kid that is not known",
            "kid",
            Box::new(move |claims| {
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some("../../etc/passwd".to_owned());
                d.sign_as(&header, claims)
            }),
        ),
        forged(
            "crit",
            "crit",
            Box::new(move |claims| {
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some(e.kid.clone());
                header.crit = Some(vec!["exp".to_owned()]);
                f.sign_as(&header, claims)
            }),
        ),
        forged(
            "a logout token's typ",
            "typ",
            Box::new(move |claims| {
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some(g.kid.clone());
                header.typ = Some("logout+jwt".to_owned());
                g.sign_as(&header, claims)
            }),
        ),
        forged("no token", "header", Box::new(|_| "a.b".to_owned())),
    ];
    for (name, check, token) in cases {
        let answer = come_back(&world, |flow| token(&world.claims(flow))).await;
        let failed = world.assert_refused(&answer, 403, "token_invalid").await;
        assert_eq!(failed.as_deref(), Some(check), "{name}");
    }
    assert_eq!(world.portal.done("session.started").await, 0);
}

#[tokio::test]
async fn each_algorithm_that_is_taken_works_with_a_key_of_its_own() {
    let world = World::new().await;
    let algorithms = [
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ];
    let keys = algorithms.map(Key::new);
    world
        .provider
        .publishes(keys.iter().map(Key::public).collect());
    for key in &keys {
        let answer = come_back(&world, |flow| key.sign(&world.claims(flow))).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{:?}: {}",
            key.algorithm,
            answer.body
        );
    }
    // The same RSA key, with the algorithm that it is not for.
    let mut header = Header::new(Algorithm::PS256);
    header.kid = Some(keys[0].kid.clone());
    let answer = come_back(&world, |flow| keys[0].sign_as(&header, &world.claims(flow))).await;
    let failed = world.assert_refused(&answer, 403, "token_invalid").await;
    assert_eq!(failed.as_deref(), Some("kid"));
}

/// oidcc-client-test-kid-absent-single-jwks and -multiple-jwks.
#[tokio::test]
async fn without_a_kid_the_one_key_that_fits_is_taken_and_of_two_none() {
    let world = World::new().await;
    let nameless = Header::new(Algorithm::ES256);
    let token = |flow: &Flow| world.provider.key.sign_as(&nameless, &world.claims(flow));
    let rsa = Key::new(Algorithm::RS256);
    world
        .provider
        .publishes(vec![rsa.public(), world.provider.key.public()]);
    let answer = come_back(&world, token).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);

    let world = World::new().await;
    let token = |flow: &Flow| world.provider.key.sign_as(&nameless, &world.claims(flow));
    let another = Key::new(Algorithm::ES256);
    world
        .provider
        .publishes(vec![another.public(), world.provider.key.public()]);
    let answer = come_back(&world, token).await;
    let failed = world.assert_refused(&answer, 403, "token_invalid").await;
    assert_eq!(failed.as_deref(), Some("kid"));

    let world = World::new().await;
    let token = |flow: &Flow| world.provider.key.sign_as(&nameless, &world.claims(flow));
    let mut encrypts = Key::new(Algorithm::ES256).public();
    encrypts["use"] = json!("enc");
    world
        .provider
        .publishes(vec![encrypts, world.provider.key.public()]);
    let answer = come_back(&world, token).await;
    assert_eq!(
        answer.status,
        StatusCode::SEE_OTHER,
        "a key for encryption signs nothing"
    );
}

/// oidcc-client-test-signing-key-rotation.
#[tokio::test]
async fn a_new_key_is_found_and_strangers_cannot_have_the_provider_asked_again_and_again() {
    let world = World::new().await;
    world.alice().await;
    assert_eq!(world.provider.key_calls(), 1);
    let new = Key::new(Algorithm::ES256);
    world.provider.publishes(vec![new.public()]);
    // The first question was just now, so that the second waits for ten seconds. A token of a key
    // that is not known yet is refused until then, however often it comes.
    for _ in 0..5 {
        let answer = come_back(&world, |flow| new.sign(&world.claims(flow))).await;
        world.assert_refused(&answer, 403, "token_invalid").await;
    }
    assert_eq!(world.provider.key_calls(), 1);
    world.portal.later(TimeDelta::seconds(10));
    let answer = come_back(&world, |flow| new.sign(&world.claims(flow))).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(world.provider.key_calls(), 2);
    // The one that is not published any more signs nothing.
    let answer = come_back(&world, |flow| world.provider.key.sign(&world.claims(flow))).await;
    world.assert_refused(&answer, 403, "token_invalid").await;
}

#[tokio::test]
async fn an_answer_without_an_id_token_signs_nobody_in() {
    let world = World::new().await;
    let flow = world.start("/").await;
    let code = world
        .provider
        .answers(StatusCode::OK, json!({ "access_token": "x" }));
    let query = [("code", code.as_str()), ("state", flow.asked("state"))];
    let answer = world.call_back(&flow, &query).await;
    let failed = world.assert_refused(&answer, 403, "token_invalid").await;
    assert_eq!(failed.as_deref(), Some("id_token"));
}

#[tokio::test]
async fn a_code_works_once_whatever_browser_brings_it() {
    let world = World::new().await;
    let (first, second) = (world.start("/").await, world.start("/").await);
    let code = world
        .provider
        .code(&world.provider.key.sign(&world.claims(&first)));
    let with = async |flow: &Flow| {
        let query = [("code", code.as_str()), ("state", flow.asked("state"))];
        world.call_back(flow, &query).await
    };
    assert_eq!(with(&first).await.status, StatusCode::SEE_OTHER);
    let answer = with(&second).await;
    world.assert_refused(&answer, 400, "sign_in_refused").await;
}
