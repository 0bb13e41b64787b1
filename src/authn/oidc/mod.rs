//! Countersign as the relying party of an OpenID provider: the authorization code flow with PKCE,
//! `state` and `nonce` (OpenID Connect Core 1.0, 3.1), and back-channel logout. Nothing here writes
//! to the database: `app/sign_in.rs` does.

mod claims;
mod discovery;
mod exchange;
mod http;
mod id_token;
mod jwt;
mod keys;
mod logout_token;
mod remembered;
pub mod workload;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use form_urlencoded::Serializer;

use claims::Expected;
use discovery::Discovered;
use exchange::Client;
use http::{Http, told};
use jwt::{Broken, Claims, Types};
use keys::Keys;
use remembered::Remembered;

use crate::app::sign_in::Begun;
use crate::config::{Config, Oidc};
use crate::domain::sign_in::{Attempt, Groups, Identity, Logout};
use crate::error::{Refusal, SignInError};

/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "/sign-in/callback";
/// Countersign, as the provider knows it.
#[derive(Debug)]
pub struct RelyingParty {
    issuer: String,
    client: Client,
    settings: Oidc,
    http: Http,
    known: Remembered<Arc<Discovered>>,
    keys: Keys,
}

impl RelyingParty {
    /// The relying party of a configuration that names a provider.
    #[must_use]
    pub fn new(config: &Config) -> Option<Self> {
        let settings = config.oidc.clone();
        let client = Client {
            id: settings.client_id.clone()?,
            secret: settings.client_secret.clone(),
            redirect_uri: format!("{}{CALLBACK}", config.public_url()),
        };
        Some(Self {
            issuer: settings.issuer.clone()?,
            client,
            settings,
            http: Http::default(),
            known: Remembered::default(),
            keys: Keys::default(),
        })
    }

    /// Where to send a browser whose attempt has begun.
    ///
    /// # Errors
    /// `Unreachable` when the provider does not say where.
    pub async fn authorize(&self, begun: &Begun) -> Result<String, SignInError> {
        let provider = self.provider(begun.at).await?;
        let endpoint = &provider.authorization_endpoint;
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", &self.client.redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &begun.challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{sign}{query}"))
    }

    /// Whom the provider tells of for a code. `iss` is who the answer says it comes from, and `now`
    /// the database's time.
    ///
    /// # Errors
    /// When the answer is another provider's, the code is not taken, the token does not hold, or
    /// the person's groups are unknown.
    pub async fn identity(
        &self,
        attempt: &Attempt,
        code: &str,
        iss: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Identity, SignInError> {
        let provider = self.provider(now).await?;
        let is_ours = match iss {
            Some(iss) => iss == self.issuer,
            None => !provider.names_itself,
        };
        if !is_ours {
            return Err(SignInError::Refused(Refusal::Issuer));
        }
        let token =
            exchange::id_token(&self.http, &self.client, &provider, (attempt, code)).await?;
        let claims = self
            .verified(&provider, &token, id_token::TYPES, now)
            .await?;
        let claims = claims.map_err(|broken| SignInError::TokenInvalid(broken.check()))?;
        let (expected, nonce) = (self.expected(now), &attempt.nonce);
        let identity = id_token::identity(&claims, &expected, nonce, &self.settings);
        let identity = identity.map_err(SignInError::TokenInvalid)?;
        match &identity.groups {
            Groups::Unknown => Err(SignInError::GroupsUnknown),
            Groups::Known(_) | Groups::InCatalog => Ok(identity),
        }
    }

    /// The groups that may sign in; none where all may.
    #[must_use]
    pub fn allowed_groups(&self) -> &[String] {
        &self.settings.allowed_groups
    }

    /// Whom a logout token signs out; `None` where it does not hold.
    ///
    /// # Errors
    /// `Unreachable` when the provider's keys cannot be had.
    pub async fn logout(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Logout>, SignInError> {
        let provider = self.provider(now).await?;
        let claims = self
            .verified(&provider, token, logout_token::TYPES, now)
            .await?;
        let claims = claims.map_err(Broken::check);
        let logout = claims.and_then(|it| logout_token::logout(&it, &self.expected(now)));
        Ok(logout
            .inspect_err(|check| tracing::warn!(check, "a logout token does not hold"))
            .ok())
    }

    /// Where people sign out of the provider itself, where that is known without asking.
    pub fn end_session_url(&self) -> Option<String> {
        self.known.last()?.end_session_endpoint.clone()
    }

    /// The provider's host, for a button.
    #[must_use]
    pub fn host(&self) -> &str {
        let (_, rest) = self.issuer.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    fn expected(&self, now: DateTime<Utc>) -> Expected<'_> {
        Expected {
            issuer: &self.issuer,
            client_id: &self.client.id,
            extra_audiences: &self.settings.extra_audiences,
            now,
            skew: TimeDelta::from_std(self.settings.clock_skew).unwrap_or_default(),
        }
    }

    /// The claims of a token that the provider has signed; or why it is not one.
    async fn verified(
        &self,
        provider: &Discovered,
        token: &str,
        types: Types,
        now: DateTime<Utc>,
    ) -> Result<Result<Claims, Broken>, SignInError> {
        let header = match jwt::header(token, types) {
            Ok(header) => header,
            Err(broken) => return Ok(Err(broken)),
        };
        let key = self
            .keys
            .find(&self.http, &provider.jwks_uri, &header, now)
            .await;
        match key? {
            Some(key) => Ok(jwt::claims(token, &header, &key)),
            None => Ok(Err(Broken::Key)),
        }
    }

    /// The provider as it describes itself.
    async fn provider(&self, now: DateTime<Utc>) -> Result<Arc<Discovered>, SignInError> {
        let known = self.known.get(now, async || {
            let document = self.http.get(&discovery::address(&self.issuer)).await;
            let provider = document.and_then(|it| discovery::read(&it, &self.issuer));
            provider.map(Arc::new).inspect_err(told)
        });
        known.await
    }
}
