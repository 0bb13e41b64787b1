//! An OpenID provider that does as it is told, the wrong thing too. What a real one does is asked
//! of a real one (tests/browser/oidc.mjs).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::another;

/// What it signs with.
#[derive(Clone)]
pub struct Key {
    pub algorithm: Algorithm,
    pub kid: String,
    encoding: EncodingKey,
}

impl Key {
    pub fn new(algorithm: Algorithm) -> Self {
        let encoding = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => {
                let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
                // RSAPrivateKey stands behind 26 bytes that say what it is.
                EncodingKey::from_rsa_der(&der.as_ref()[26..])
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            other => panic!("no key of {other:?}"),
        };
        Self {
            algorithm,
            kid: format!("key-{}", another()),
            encoding,
        }
    }

    /// As the provider publishes it.
    pub fn public(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token of it.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        self.sign_as(&header, claims)
    }

    pub fn sign_as(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.encoding).unwrap()
    }
}

/// A call of the token endpoint.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub form: HashMap<String, String>,
    pub authorization: String,
}

#[derive(Default)]
struct Shared {
    discovery: Value,
    keys: Vec<Value>,
    /// What the token endpoint answers to a code; a code works once.
    answers: HashMap<String, (StatusCode, Value)>,
    exchanges: Vec<Exchange>,
    /// How often it was asked for its description, and for its keys.
    calls: usize,
    key_calls: usize,
    /// What it answers to everything, in the place of what it should.
    broken: Option<(StatusCode, Vec<u8>)>,
}

/// The provider, on a port of its own.
pub struct Provider {
    pub issuer: String,
    pub key: Key,
    shared: Arc<Mutex<Shared>>,
    server: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Key::new(Algorithm::ES256);
        let shared = Arc::new(Mutex::new(Shared {
            discovery: json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "end_session_endpoint": format!("{issuer}/end"),
            }),
            keys: vec![key.public()],
            ..Shared::default()
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            issuer,
            key,
            shared,
            server,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.shared.lock().unwrap())
    }

    /// Changes what it says of itself.
    pub fn describes(&self, name: &str, value: Value) {
        self.change(|it| it.discovery[name] = value);
    }

    /// Publishes other keys.
    pub fn publishes(&self, keys: Vec<Value>) {
        self.change(|it| it.keys = keys);
    }

    /// Answers everything with that, until `None`.
    pub fn breaks(&self, with: Option<(StatusCode, Vec<u8>)>) {
        self.change(|it| it.broken = with);
    }

    /// A code for which it gives this token.
    pub fn code(&self, id_token: &str) -> String {
        self.answers(
            StatusCode::OK,
            json!({ "token_type": "Bearer", "access_token": "unused", "id_token": id_token }),
        )
    }

    /// A code to which it answers this.
    pub fn answers(&self, status: StatusCode, body: Value) -> String {
        let code = format!("code-{}", another());
        self.change(|it| it.answers.insert(code.clone(), (status, body)));
        code
    }

    /// The calls of its token endpoint.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.change(|it| it.exchanges.clone())
    }

    /// How often it was asked what it is.
    pub fn calls(&self) -> usize {
        self.change(|it| it.calls)
    }

    /// How often its keys were asked for.
    pub fn key_calls(&self) -> usize {
        self.change(|it| it.key_calls)
    }
}

type Shares = State<Arc<Mutex<Shared>>>;

fn broken(shared: &Shared) -> Option<Response> {
    let (status, body) = shared.broken.clone()?;
    Some((status, [("location", "/elsewhere")], body).into_response())
}

async fn discovery(State(shared): Shares) -> Response {
    let mut shared = shared.lock().unwrap();
    shared.calls += 1;
    broken(&shared).unwrap_or_else(|| Json(shared.discovery.clone()).into_response())
}

async fn keys(State(shared): Shares) -> Response {
    let mut shared = shared.lock().unwrap();
    shared.key_calls += 1;
    broken(&shared).unwrap_or_else(|| Json(json!({ "keys": shared.keys })).into_response())
}

async fn token(
    State(shared): Shares,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mut shared = shared.lock().unwrap();
    let authorization = headers.get("authorization");
    let code = form.get("code").cloned().unwrap_or_default();
    shared.exchanges.push(Exchange {
        authorization: authorization
            .map_or("", |it| it.to_str().unwrap())
            .to_owned(),
        form,
    });
    if let Some(broken) = broken(&shared) {
        return broken;
    }
    match shared.answers.remove(&code) {
        Some((status, body)) => (status, Json(body)).into_response(),
        None => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        )
            .into_response(),
    }
}
