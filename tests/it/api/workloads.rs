//! Workload identities: a JWT that a machine's issuer has signed, in the place of a token.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use countersign::ids::MachineId;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::support::api::{Answer, Api, ask};
use crate::support::app::TestApp;
use crate::support::machines::Machine;
use crate::support::provider::{Key, Provider};

const SUBJECT: &str = "repo:octo/app:ref:refs/heads/main";

/// A claim at a time, in seconds.
type Claim = fn(i64) -> Value;

struct World {
    service: Api,
    issuer: Provider,
    machine: MachineId,
}

impl World {
    async fn new() -> Self {
        let service = TestApp::new().await.api().await;
        let issuer = Provider::start().await;
        let claims = [("sub", SUBJECT), ("environment", "prod")];
        let machine = Machine::of("bob").signed_by(&issuer.issuer, &claims);
        let machine = machine.made(&service).await;
        Self {
            service,
            issuer,
            machine,
        }
    }

    fn now(&self) -> i64 {
        self.service.clock.given().unwrap().timestamp()
    }

    /// What the issuer says of the workload now.
    fn claims(&self) -> Value {
        json!({
            "iss": self.issuer.issuer, "aud": self.service.app.public_url(), "sub": SUBJECT,
            "environment": "prod", "run": 7, "iat": self.now(), "exp": self.now() + 300,
        })
    }

    async fn ask(&self, token: &str) -> Answer {
        let mut body = ask();
        body["on_behalf_of"] = json!("alice@example.com");
        self.service.call(token, "POST", "/requests", &body).await
    }

    async fn assert_refused(&self, token: &str, what: &str) {
        let answer = self.ask(token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        assert_eq!(answer.code(), "unauthenticated", "{what}");
    }
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

#[tokio::test]
async fn what_the_issuer_has_signed_asks_as_the_machine() {
    let world = World::new().await;
    // It signs for programs alone, and nobody signs in there.
    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        world.issuer.describes(endpoint, Value::Null);
    }
    let mut claims = world.claims();
    for audience in [claims["aud"].clone(), json!([claims["aud"]])] {
        claims["aud"] = audience;
        let made = world.ask(&world.issuer.key.sign(&claims)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let by = &made.body["requested_by"]["id"];
        assert_eq!(by, &json!(world.machine.to_string()));
    }
    claims["exp"] = json!(world.now() + 3600);
    let token = world.issuer.key.sign(&claims);
    let list = world
        .service
        .call(&token, "GET", "/requests", &Value::Null)
        .await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        (world.issuer.calls(), world.issuer.key_calls()),
        (1, 1),
        "its description and its keys are remembered"
    );
}

#[tokio::test]
async fn what_does_not_hold_is_nobodys() {
    let world = World::new().await;
    let cases: [(&str, &str, Claim); 17] = [
        ("another audience", "aud", |_| {
            json!("https://other.example")
        }),
        ("no audience", "aud", |_| Value::Null),
        ("one more audience", "aud", |_| {
            json!(["http://127.0.0.1:8080", "https://other.example"])
        }),
        ("a life that is too long", "exp", |now| json!(now + 3601)),
        ("no end", "exp", |_| Value::Null),
        ("an end as a text", "exp", |now| {
            json!((now + 300).to_string())
        }),
        ("over before it began", "exp", |now| json!(now - 1)),
        ("of the future", "iat", |now| json!(now + 62)),
        ("no beginning", "iat", |_| Value::Null),
        ("not yet", "nbf", |now| json!(now + 62)),
        ("not yet, as a text", "nbf", |_| json!("soon")),
        ("another subject", "sub", |_| {
            json!("repo:octo/app:ref:refs/heads/evil")
        }),
        ("a longer subject", "sub", |_| json!(format!("{SUBJECT}:x"))),
        ("another case", "sub", |_| json!(SUBJECT.to_uppercase())),
        ("a subject in a list", "sub", |_| json!([SUBJECT])),
        ("another claim", "environment", |_| json!("test")),
        ("no claim", "environment", |_| Value::Null),
    ];
    for (what, claim, value) in cases {
        let mut claims = world.claims();
        match value(world.now()) {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        let token = world.issuer.key.sign(&claims);
        world.assert_refused(&token, what).await;
    }
    let mut over = world.claims();
    over["iat"] = json!(world.now() - 400);
    over["exp"] = json!(world.now() - 60);
    world
        .assert_refused(&world.issuer.key.sign(&over), "over")
        .await;
    over["exp"] = json!(world.now() - 59);
    assert_eq!(world.ask(&world.issuer.key.sign(&over)).await.status, 201);
    assert_eq!(world.service.count("requests").await, 1);
    let made = world.ask(&world.issuer.key.sign(&world.claims())).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

#[tokio::test]
async fn what_the_issuer_has_not_signed_is_nobodys() {
    let world = World::new().await;
    let (key, claims) = (&world.issuer.key, world.claims());
    let good = key.sign(&claims);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("a JWT");
    };
    // The public key, as a secret that both know.
    let public = key.public().to_string();
    let hs256 = part(&json!({"alg": "HS256", "kid": key.kid}));
    let signed = format!("{hs256}.{payload}");
    let shared = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
    let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&shared, signed.as_bytes()));
    let forged = Key::new(Algorithm::ES256);
    let mut same_kid = Header::new(Algorithm::ES256);
    same_kid.kid = Some(key.kid.clone());
    let other_typ = Header {
        typ: Some("logout+jwt".to_owned()),
        ..same_kid.clone()
    };
    let mut more = claims.clone();
    more["sub"] = json!("x");
    for (what, token) in [
        (
            "alg none",
            format!(
                "{}.{payload}.",
                part(&json!({"alg": "none", "kid": key.kid}))
            ),
        ),
        ("HS256 with the public key", format!("{signed}.{mac}")),
        (
            "another's key of that kid",
            forged.sign_as(&same_kid, &claims),
        ),
        ("an unknown kid", forged.sign(&claims)),
        ("another kind of token", key.sign_as(&other_typ, &claims)),
        ("no signature", format!("{header}.{payload}.")),
        (
            "other claims",
            format!("{header}.{}.{signature}", part(&more)),
        ),
        ("no JSON", format!("{header}.AAAA.{signature}")),
        ("nothing", "..".to_owned()),
        ("four parts", format!("{good}.x")),
    ] {
        world.assert_refused(&token, what).await;
    }
    let made = world.ask(&good).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

#[tokio::test]
async fn an_issuer_that_is_no_machines_is_not_asked() {
    let world = World::new().await;
    let other = Provider::start().await;
    let mut claims = world.claims();
    claims["iss"] = json!(other.issuer);
    world
        .assert_refused(&other.key.sign(&claims), "no machine's")
        .await;
    assert_eq!((other.calls(), other.key_calls()), (0, 0));
    // Nor is a token of one issuer taken for one of the other.
    claims["iss"] = json!(world.issuer.issuer);
    let token = other.key.sign(&claims);
    world
        .assert_refused(&token, "signed by somebody else")
        .await;
}

#[tokio::test]
async fn keys_that_rotate_are_found() {
    let world = World::new().await;
    let old = world.issuer.key.sign(&world.claims());
    assert_eq!(world.ask(&old).await.status, 201);
    let new = Key::new(Algorithm::EdDSA);
    world.issuer.publishes(vec![new.public()]);
    world.service.later(TimeDelta::seconds(11));
    let made = world.ask(&new.sign(&world.claims())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let old = world.issuer.key.sign(&world.claims());
    world
        .assert_refused(&old, "a key that was taken back")
        .await;
}

#[tokio::test]
async fn where_two_machines_fit_nobody_calls() {
    let world = World::new().await;
    let token = world.issuer.key.sign(&world.claims());
    assert_eq!(world.ask(&token).await.status, 201);
    let twin = Machine::of("carol").signed_by(&world.issuer.issuer, &[("sub", SUBJECT)]);
    let twin = twin.made(&world.service).await;
    world.assert_refused(&token, "two fit").await;
    let end = format!(
        "UPDATE machines SET ended_at = created_at WHERE id = '{}'",
        twin.uuid()
    );
    world.service.as_owner(&end).await;
    assert_eq!(world.ask(&token).await.status, 201);
    let end = "UPDATE machines SET ended_at = created_at";
    world.service.as_owner(end).await;
    world.assert_refused(&token, "ended").await;
}

#[tokio::test]
async fn while_the_issuer_is_silent_nobody_can_tell() {
    let world = World::new().await;
    let token = world.issuer.key.sign(&world.claims());
    world.issuer.breaks(Some((
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        b"later".to_vec(),
    )));
    let answer = world.ask(&token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (502, "provider_unreachable")
    );
    world.issuer.breaks(None);
    world.service.later(TimeDelta::seconds(11));
    let token = world.issuer.key.sign(&world.claims());
    assert_eq!(world.ask(&token).await.status, 201);
}
