//! A shell with somebody's AWS keys, which signs a GetCallerIdentity as it is told, the wrong way
//! too (SigV4 by hand: it is not the program's own).

use std::collections::BTreeMap;

use aws_sdk_sts::types::Credentials;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sandbox;

/// What is signed.
#[derive(Debug, Clone)]
pub struct Shell {
    key: String,
    secret: String,
    token: Option<String>,
    /// The host that is signed for.
    pub host: String,
    pub region: String,
    pub service: String,
    pub body: String,
    /// The names of the headers that are signed.
    pub signed: Vec<String>,
    /// More headers.
    pub more: BTreeMap<String, String>,
}

impl Shell {
    /// With a user's own keys, at an AWS of that URL.
    pub fn of(name: &str, url: &str) -> Self {
        let (key, secret) = sandbox::key(name);
        Self {
            key,
            secret,
            token: None,
            host: url.trim_start_matches("http://").to_owned(),
            region: "us-east-1".to_owned(),
            service: "sts".to_owned(),
            body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
            signed: ["host", "x-amz-date", "x-countersign-challenge"]
                .map(str::to_owned)
                .to_vec(),
            more: BTreeMap::new(),
        }
    }

    /// With the keys of a session.
    pub fn of_session(keys: &Credentials, url: &str) -> Self {
        let mut shell = Self {
            key: keys.access_key_id().to_owned(),
            secret: keys.secret_access_key().to_owned(),
            token: Some(keys.session_token().to_owned()),
            ..Self::of("", url)
        };
        shell.signed.insert(2, "x-amz-security-token".to_owned());
        shell
    }

    /// What it prints for a challenge.
    pub fn sign(&self, challenge: &str) -> Value {
        let now = DateTime::<Utc>::from(countersign::clock::of_this_machine());
        let at = now.format("%Y%m%dT%H%M%SZ").to_string();
        let mut headers = self.more.clone();
        headers.insert("x-amz-date".to_owned(), at.clone());
        headers.insert("x-countersign-challenge".to_owned(), challenge.to_owned());
        if let Some(token) = &self.token {
            headers.insert("x-amz-security-token".to_owned(), token.clone());
        }
        let value = |name: &String| match name.to_lowercase().as_str() {
            "host" => self.host.clone(),
            other => headers.get(other).cloned().unwrap_or_default(),
        };
        let lines: String = self
            .signed
            .iter()
            .map(|name| format!("{name}:{}\n", value(name)))
            .collect();
        let names = self.signed.join(";");
        let hash = |text: &str| hex::encode(Sha256::digest(text));
        let request = format!("POST\n/\n\n{lines}\n{names}\n{}", hash(&self.body));
        let scope = format!("{}/{}/{}/aws4_request", &at[..8], self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hash(&request));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        let signature = hex::encode(mac(&key, &text));
        let credential = format!("{}/{scope}", self.key);
        headers.insert(
            "authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
            ),
        );
        json!({ "headers": headers, "region": self.region })
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
