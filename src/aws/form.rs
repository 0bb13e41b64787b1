//! Forms that no call of the SDK sends, by the SDK's own HTTP client, with its TLS and its proxies.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sts::error::DisplayErrorContext;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::domain::fetch::MOST_TO_ANSWER;

/// How long a connection may take to come about.
const MOST_TO_CONNECT: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Sends forms.
#[derive(Debug, Default)]
pub(super) struct Forms(OnceLock<Connector>);

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `None` where it broke off, or is longer than any that is meant for us.
    pub(super) body: Option<Vec<u8>>,
}

/// Why there is no answer, for the log. It holds nothing that was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    #[error("the endpoint is no URL, or a header is none")]
    Request,
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Connection(String),
}

impl Forms {
    /// Sends a form, once. A redirect is an answer like any other: what is sent goes to nobody
    /// else.
    ///
    /// # Errors
    /// When there is no answer within ten seconds.
    pub(super) async fn post(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (&str, &str)>,
        form: String,
    ) -> Result<Answer, Unsent> {
        // POST: an address is what proxies write into their logs.
        let mut request = HttpRequest::new(SdkBody::from(form));
        let is_url = request.set_method("POST").is_ok() && request.set_uri(url).is_ok();
        if !is_url {
            return Err(Unsent::Request);
        }
        for (name, value) in headers {
            let added = request
                .headers_mut()
                .try_insert(name.to_owned(), value.to_owned());
            added.map_err(|_| Unsent::Request)?;
        }
        let most = MOST_TO_ANSWER.to_std().unwrap_or_default();
        let answer = tokio::time::timeout(most, self.call(request)).await;
        answer.unwrap_or(Err(Unsent::Late))
    }

    async fn call(&self, request: HttpRequest) -> Result<Answer, Unsent> {
        let answer = self.http().call(request).await;
        // What the error tells is the connection's: nothing of the form is in it.
        let answer =
            answer.map_err(|error| Unsent::Connection(DisplayErrorContext(&error).to_string()))?;
        Ok(Answer {
            status: answer.status().as_u16(),
            body: read(answer.into_body()).await,
        })
    }

    fn http(&self) -> &Connector {
        self.0.get_or_init(|| {
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
