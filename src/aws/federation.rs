//! Links that sign in to the console with the session of a role (IAM User Guide, "Enable custom
//! identity broker access to the AWS console").

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sts::error::DisplayErrorContext;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use form_urlencoded::Serializer;
use secrecy::{ExposeSecret as _, SecretString};

use super::AwsError;
use super::assume::Session;
use crate::domain::arn::Arn;
use crate::domain::fetch::MOST_TO_ANSWER;

/// How long a connection may take to come about.
const MOST_TO_CONNECT: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where people of a partition sign in.
struct Place {
    /// The federation endpoint.
    federation: &'static str,
    /// The home of the console.
    console: &'static str,
}

/// By the partition of an ARN. AWS documents the first; the other two are what public code uses.
fn place(partition: &str) -> Option<Place> {
    let (federation, console) = match partition {
        "aws" => (
            "https://signin.aws.amazon.com/federation",
            "https://console.aws.amazon.com/",
        ),
        "aws-us-gov" => (
            "https://signin.amazonaws-us-gov.com/federation",
            "https://console.amazonaws-us-gov.com/",
        ),
        "aws-cn" => (
            "https://signin.amazonaws.cn/federation",
            "https://console.amazonaws.cn/",
        ),
        _ => return None,
    };
    Some(Place {
        federation,
        console,
    })
}

/// The federation endpoints.
#[derive(Debug)]
pub(super) struct Federation {
    /// In the place of AWS's own, where `AWS_ENDPOINT_URL` names another AWS: the stand-in has
    /// everything at one address.
    endpoint: Option<String>,
    http: OnceLock<Connector>,
}

impl Federation {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let endpoint = sdk.endpoint_url();
        Self {
            endpoint: endpoint.map(|url| format!("{}/federation", url.trim_end_matches('/'))),
            http: OnceLock::new(),
        }
    }

    /// A link that signs in to the console of the role's partition with a session of it. Whoever
    /// has the link is signed in, so that it is a secret.
    ///
    /// # Errors
    /// `Denied` when AWS makes none; `Throttled` and `Unclear` when it does not say.
    pub(super) async fn link(
        &self,
        role_arn: &str,
        session: &Session,
        issuer: &str,
    ) -> Result<SecretString, AwsError> {
        let place = Arn::read(role_arn).and_then(|arn| place(arn.partition));
        let place = place.ok_or(AwsError::Denied)?;
        let endpoint = self.endpoint.as_deref().unwrap_or(place.federation);
        let most = MOST_TO_ANSWER.to_std().unwrap_or_default();
        let token = tokio::time::timeout(most, self.token(endpoint, session)).await;
        let token =
            token.unwrap_or_else(|_| Err(failed("no answer in time", AwsError::Unclear)))?;
        let query = Serializer::new(String::new())
            .append_pair("Action", "login")
            .append_pair("Issuer", issuer)
            .append_pair("Destination", place.console)
            .append_pair("SigninToken", token.expose_secret())
            .finish();
        Ok(format!("{endpoint}?{query}").into())
    }

    /// Asks for a sign-in token, once.
    async fn token(&self, endpoint: &str, session: &Session) -> Result<SecretString, AwsError> {
        let session = serde_json::json!({
            "sessionId": session.issued.access_key_id,
            "sessionKey": session.secret.expose_secret(),
            "sessionToken": session.token.expose_secret(),
        });
        // No SessionDuration: with one, AWS refuses the session of whoever is a session itself, and
        // without it the console lasts as long as the session.
        let form = Serializer::new(String::new())
            .append_pair("Action", "getSigninToken")
            .append_pair("Session", &session.to_string())
            .finish();
        // POST: an address is what proxies write into their logs.
        let mut request = HttpRequest::new(SdkBody::from(form));
        let is_url = request.set_method("POST").is_ok() && request.set_uri(endpoint).is_ok();
        if !is_url {
            return Err(failed("the endpoint is no URL", AwsError::Denied));
        }
        let kind = "application/x-www-form-urlencoded";
        request.headers_mut().insert("content-type", kind);
        // A redirect is an answer like any other: the secret goes to nobody else.
        let answer = self.http().call(request).await;
        // What the error tells is the connection's: nothing of the form is in it.
        let answer = answer
            .map_err(|error| failed(&DisplayErrorContext(&error).to_string(), AwsError::Unclear))?;
        let status = answer.status().as_u16();
        match status {
            200 => {}
            429 => return Err(failed("429", AwsError::Throttled)),
            400..=499 => return Err(failed(&status.to_string(), AwsError::Denied)),
            _ => return Err(failed(&status.to_string(), AwsError::Unclear)),
        }
        let body = read(answer.into_body()).await;
        let token = body.and_then(|body| token_of(&body));
        token.ok_or_else(|| failed("an answer that cannot be read", AwsError::Unclear))
    }

    /// The SDK's own client, with its TLS and its proxies.
    fn http(&self) -> &Connector {
        self.http.get_or_init(|| {
            let settings = HttpConnectorSettings::builder().connect_timeout(MOST_TO_CONNECT);
            ConnectorBuilder::default()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .proxy_config(ProxyConfig::from_env())
                .connector_settings(settings.build())
                .build()
        })
    }
}

/// An answer as a whole, unless it is longer than any that is meant for us.
async fn read(body: SdkBody) -> Option<Vec<u8>> {
    let mut parts = ByteStream::new(body);
    let mut all = Vec::new();
    while let Some(part) = parts.next().await {
        all.extend_from_slice(&part.ok()?);
        if all.len() > LONGEST {
            return None;
        }
    }
    Some(all)
}

fn token_of(body: &[u8]) -> Option<SecretString> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let token = answer.get("SigninToken")?.as_str()?;
    (!token.is_empty()).then(|| token.into())
}

/// The line in the log of a call that gave no token. It holds nothing that was sent or answered.
fn failed(why: &str, kind: AwsError) -> AwsError {
    tracing::warn!(
        aws.call = "getSigninToken",
        error.code = kind.code(),
        error = why,
        "AWS call failed"
    );
    kind
}
