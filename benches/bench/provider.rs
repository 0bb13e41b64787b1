//! An OpenID provider of the driver's own process, as quick as can be: what a sign-in takes beyond
//! its answer is the product's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::stage::now;

pub const CLIENT: &str = "countersign";

pub struct Provider {
    pub issuer: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    issuer: String,
    key: EncodingKey,
    /// When it answered the last code.
    answered: Mutex<Option<Instant>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    pub async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            key: EncodingKey::from_ec_der(pair.to_pkcs8v1()?.as_ref()),
            answered: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self {
            issuer,
            shared,
            server,
        })
    }

    pub fn answered(&self) -> Option<Instant> {
        *self
            .shared
            .answered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn describe(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = &shared.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    // unwrap: the key is of that algorithm
    let mut jwk = Jwk::from_encoding_key(&shared.key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some("bench".to_owned());
    Json(json!({ "keys": [jwk] }))
}

/// A code is what the sign-in was sent with, the nonce, and whose it is.
async fn token(
    State(shared): State<Arc<Shared>>,
    Form(form): Form<HashMap<String, String>>,
) -> Json<Value> {
    let code = form.get("code").map_or("", String::as_str);
    let (subject, nonce) = code.split_once('.').unwrap_or_default();
    let at = now().timestamp();
    let claims = json!({
        "iss": shared.issuer, "aud": CLIENT, "sub": subject, "nonce": nonce, "iat": at, "exp": at + 300,
        "name": subject, "email": format!("{subject}@example.com"), "email_verified": true,
        "groups": ["team-00", "team-01", "team-02"],
    });
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("bench".to_owned());
    // unwrap: the key is of that algorithm
    let token = encode(&header, &claims, &shared.key).unwrap();
    *shared
        .answered
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    Json(json!({ "token_type": "Bearer", "access_token": "unused", "id_token": token }))
}
