//! Signed out by the provider: whatever comes first, no session is left of a sign-in that had begun
//! before.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use countersign::db::sessions::{self, NewSession};
use countersign::db::sign_in::{self, Turn};
use countersign::domain::sign_in::{Groups, Identity, Logout};
use countersign::ids::PersonId;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use super::{Change, World};
use crate::support::another;
use crate::support::portal::{Answer, Browser, FORM};
use crate::support::provider::Key;
use crate::support::wait::until_async;

impl World {
    /// A logout token's claims, for all of alice's sessions.
    fn logout(&self) -> Value {
        let now = self.now().timestamp();
        json!({
            "iss": self.provider.issuer,
            "aud": "countersign",
            "iat": now,
            "exp": now + 120,
            "jti": format!("logout-{}", another()),
            "sub": "alice-1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        })
    }

    async fn log_out(&self, claims: &Value) -> Answer {
        self.log_out_with(&self.provider.key.sign(claims)).await
    }

    async fn log_out_with(&self, token: &str) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("logout_token", token)
            .finish();
        // No Origin and no Sec-Fetch-Site: it is no browser.
        let request = self
            .portal
            .stranger()
            .request(Method::POST, "/oidc/back-channel-logout")
            .header(CONTENT_TYPE, FORM);
        self.portal
            .send(request.body(Body::from(body)).unwrap())
            .await
    }
}

async fn is_signed_in(browser: &Browser<'_>) -> bool {
    browser.get("/requests").await.status == StatusCode::OK
}

#[tokio::test]
async fn a_logout_of_a_person_ends_their_sessions_and_nobody_elses() {
    let world = World::new().await;
    let (first, second) = (world.alice().await, world.alice().await);
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["sub"] = json!("bob-1");
    let bob = world.browser(&world.come_back(&flow, &claims).await);
    world.portal.later(TimeDelta::seconds(2));
    let logout = world.logout();
    let answer = world.log_out(&logout).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!is_signed_in(&first).await);
    assert!(!is_signed_in(&second).await);
    assert!(is_signed_in(&bob).await);
    assert_eq!(world.portal.done("session.ended").await, 2);
    // Who signs in again is in, and the same token once more ends nothing.
    world.portal.later(TimeDelta::seconds(4));
    let again = world.alice().await;
    assert_eq!(world.log_out(&logout).await.status, StatusCode::OK);
    assert!(is_signed_in(&again).await);
    assert_eq!(world.portal.done("session.ended").await, 2);
}

#[tokio::test]
async fn a_logout_of_a_session_ends_that_one_alone() {
    let world = World::new().await;
    let one = world.alice().await;
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["sid"] = json!("another");
    let other = world.browser(&world.come_back(&flow, &claims).await);
    let mut logout = world.logout();
    logout["sid"] = json!("another");
    assert_eq!(world.log_out(&logout).await.status, StatusCode::OK);
    assert!(is_signed_in(&one).await);
    assert!(!is_signed_in(&other).await);
    // Of somebody else's session no more than its own person can be signed out.
    logout["jti"] = json!("second");
    logout["sid"] = json!("at-the-provider");
    logout["sub"] = json!("bob-1");
    assert_eq!(world.log_out(&logout).await.status, StatusCode::OK);
    assert!(is_signed_in(&one).await);
    logout["jti"] = json!("third");
    logout.as_object_mut().unwrap().remove("sub");
    assert_eq!(world.log_out(&logout).await.status, StatusCode::OK);
    assert!(!is_signed_in(&one).await);
}

/// A logout whose key nobody can ask for is not refused for good: a provider may send again what
/// had an error of the server.
#[tokio::test]
async fn a_logout_that_nobody_can_judge_for_now_is_to_be_sent_again() {
    let world = World::new().await;
    let down = Some((StatusCode::SERVICE_UNAVAILABLE, b"{}".to_vec()));
    let flow = world.start("/").await;
    let claims = world.claims(&flow);
    world.provider.breaks(down.clone());
    // Also a moment later, when the keys are not asked for again.
    for _ in 0..2 {
        let status = world.log_out(&world.logout()).await.status;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
    }
    world.provider.breaks(None);
    world.portal.later(TimeDelta::seconds(10));
    let alice = world.browser(&world.come_back(&flow, &claims).await);
    // It signs with a new key, and does not answer.
    let new = Key::new(Algorithm::ES256);
    world.provider.publishes(vec![new.public()]);
    world.provider.breaks(down);
    world.portal.later(TimeDelta::seconds(20));
    let token = new.sign(&world.logout());
    for _ in 0..2 {
        let status = world.log_out_with(&token).await.status;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
    }
    assert!(is_signed_in(&alice).await);
    world.provider.breaks(None);
    world.portal.later(TimeDelta::seconds(30));
    assert_eq!(world.log_out_with(&token).await.status, StatusCode::OK);
    assert!(!is_signed_in(&alice).await);
}

/// The logout overtakes the browser on its way back.
#[tokio::test]
async fn a_logout_that_comes_before_the_callback_leaves_no_session() {
    for by_session in [false, true] {
        let world = World::new().await;
        let flow = world.start("/").await;
        let claims = world.claims(&flow);
        let mut logout = world.logout();
        if by_session {
            logout["sid"] = json!("at-the-provider");
        }
        // In the same second, and a moment after.
        world.portal.later(TimeDelta::milliseconds(300));
        assert_eq!(world.log_out(&logout).await.status, StatusCode::OK);
        let answer = world.come_back(&flow, &claims).await;
        world.assert_refused(&answer, 400, "sign_in_expired").await;
        assert_eq!(world.portal.done("session.started").await, 0);
        // Who begins anew is in.
        world.portal.later(TimeDelta::milliseconds(600));
        let flow = world.start("/").await;
        let mut claims = world.claims(&flow);
        claims["sid"] = json!("a-new-one");
        let answer = world.come_back(&flow, &claims).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }
}

/// A session is being made, and its transaction is open, when the logout comes: the logout waits
/// for it, and ends it.
#[tokio::test]
async fn a_logout_meanwhile_waits_for_the_session_and_ends_it() {
    let world = World::new().await;
    let (now, db) = (world.now(), &world.portal.db);
    // Of their own, which wait for locks as long as it takes.
    let connect = async || PgConnection::connect(&db.app_url).await.unwrap();
    let (mut making, mut leaving) = (connect().await, connect().await);
    let identity = Identity {
        issuer: "https://login.example".to_owned(),
        subject: "alice-1".to_owned(),
        name: "Alice".to_owned(),
        email: String::new(),
        email_verified: false,
        groups: Groups::Known(vec![]),
        sid: None,
        auth_time: None,
        acr: None,
        aws: None,
    };
    let logout = Logout {
        issuer: identity.issuer.clone(),
        subject: Some(identity.subject.clone()),
        sid: None,
        issued_at: now,
        id: "logout-1".to_owned(),
    };
    let mut tx = making.begin().await.unwrap();
    sign_in::turn(&mut tx, Turn::SigningIn).await.unwrap();
    assert!(
        !sign_in::is_signed_out(&mut tx, &identity, now)
            .await
            .unwrap()
    );
    let person = sign_in::person(&mut tx, PersonId::new(), &identity, now)
        .await
        .unwrap();
    let session = NewSession {
        token_hash: &[7; 32],
        person,
        identity: Some(&identity),
        user_agent: "",
        began_at: now,
        expires_at: now + TimeDelta::hours(1),
    };
    sessions::start(&mut tx, &session, now).await.unwrap();
    let ending = async {
        let mut tx = leaving.begin().await.unwrap();
        sign_in::turn(&mut tx, Turn::SigningOut).await.unwrap();
        let before = now + TimeDelta::seconds(1);
        let ended = sign_in::sign_out(&mut tx, &logout, before, now).await;
        tx.commit().await.unwrap();
        ended.unwrap()
    };
    let committing = async {
        let mut admin = db.superuser().await;
        until_async("the logout waits", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let waiting: i64 = sqlx::query_scalar(waiting)
                .fetch_one(&mut admin)
                .await
                .unwrap();
            waiting == 1
        })
        .await;
        tx.commit().await.unwrap();
    };
    let (ended, ()) = tokio::join!(ending, committing);
    assert_eq!(ended, [person]);
}

#[tokio::test]
async fn tokens_that_are_no_logout_tokens_sign_nobody_out() {
    let world = World::new().await;
    let alice = world.alice().await;
    let flow = world.start("/").await;
    let id_token = world.claims(&flow);
    world.portal.later(TimeDelta::seconds(2));
    let now = world.now().timestamp();
    let cases: [(&str, Change); 19] = [
        ("a sub that no database holds", |it, _| {
            it["sub"] = json!("a\0")
        }),
        ("a jti that no database holds", |it, _| {
            it["jti"] = json!("a\0")
        }),
        ("another issuer", |it, _| {
            it["iss"] = json!("https://evil.example")
        }),
        ("another audience", |it, _| it["aud"] = json!("another")),
        ("no audience", |it, _| remove(it, "aud")),
        ("old", |it, now| it["iat"] = json!(now - 661)),
        ("to come", |it, now| it["iat"] = json!(now + 61)),
        ("no iat", |it, _| remove(it, "iat")),
        ("over", |it, now| it["exp"] = json!(now - 60)),
        ("no exp", |it, _| remove(it, "exp")),
        ("no jti", |it, _| remove(it, "jti")),
        ("an empty jti", |it, _| it["jti"] = json!("")),
        ("no events", |it, _| remove(it, "events")),
        ("another event", |it, _| {
            it["events"] = json!({ "https://example.com": {} })
        }),
        ("an event that is no object", |it, _| {
            it["events"] = json!({ "http://schemas.openid.net/event/backchannel-logout": true });
        }),
        ("a nonce", |it, _| it["nonce"] = json!("n")),
        ("neither sub nor sid", |it, _| remove(it, "sub")),
        ("a sub that is no text", |it, _| it["sub"] = json!(1)),
        ("an empty sub", |it, _| it["sub"] = json!("")),
    ];
    let assert_ignored = async |name: &str, token: String| {
        let answer = world.log_out_with(&token).await;
        // The address of all of them is the same one, which nobody knows here.
        if answer.status != StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(answer.body, r#"{"error":"invalid_request"}"#, "{name}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        assert!(is_signed_in(&alice).await, "{name}");
    };
    for (name, change) in cases {
        let mut claims = world.logout();
        change(&mut claims, now);
        assert_ignored(name, world.provider.key.sign(&claims)).await;
    }
    assert_ignored("an ID token", world.provider.key.sign(&id_token)).await;
    let stranger = Key::new(Algorithm::ES256);
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(world.provider.key.kid.clone());
    assert_ignored("forged", stranger.sign_as(&header, &world.logout())).await;
    header.typ = Some("at+jwt".to_owned());
    let access = world.provider.key.sign_as(&header, &world.logout());
    assert_ignored("an access token", access).await;
    assert_ignored("nothing", String::new()).await;
    assert_eq!(world.portal.count("logouts").await, 0);
}

fn remove(claims: &mut Value, name: &str) {
    claims.as_object_mut().unwrap().remove(name);
}

#[tokio::test]
async fn logouts_and_attempts_are_forgotten_when_they_meet_nothing_any_more() {
    let world = World::new().await;
    world.start("/").await;
    world.log_out(&world.logout()).await;
    let tidy = async || {
        countersign::app::sign_in::tidy(&world.portal.app)
            .await
            .unwrap()
    };
    tidy().await;
    assert_eq!(world.portal.count("sign_in_attempts").await, 1);
    assert_eq!(world.portal.count("logouts").await, 1);
    world.portal.later(TimeDelta::minutes(10));
    tidy().await;
    assert_eq!(world.portal.count("sign_in_attempts").await, 0);
    assert_eq!(world.portal.count("logouts").await, 1);
    world
        .portal
        .later(TimeDelta::hours(24) + TimeDelta::seconds(1));
    tidy().await;
    assert_eq!(world.portal.count("logouts").await, 0);
}
