//! Links that sign in to the console with the session of a role (IAM User Guide, "Enable custom
//! identity broker access to the AWS console").

use aws_config::SdkConfig;
use form_urlencoded::Serializer;
use secrecy::{ExposeSecret as _, SecretString};

use super::AwsError;
use super::assume::Session;
use super::form::{Answer, Forms, Unsent};
use crate::domain::arn::Arn;

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
}

impl Federation {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let endpoint = sdk.endpoint_url();
        Self {
            endpoint: endpoint.map(|url| format!("{}/federation", url.trim_end_matches('/'))),
        }
    }

    /// A link that signs in to the console of the role's partition with a session of it. Whoever
    /// has the link is signed in, so that it is a secret.
    ///
    /// # Errors
    /// `Denied` when AWS makes none; `Throttled` and `Unclear` when it does not say.
    pub(super) async fn link(
        &self,
        forms: &Forms,
        role_arn: &str,
        session: &Session,
        issuer: &str,
    ) -> Result<SecretString, AwsError> {
        let place = Arn::read(role_arn).and_then(|arn| place(arn.partition));
        let place = place.ok_or(AwsError::Denied)?;
        let endpoint = self.endpoint.as_deref().unwrap_or(place.federation);
        let token = token(forms, endpoint, session).await?;
        let query = Serializer::new(String::new())
            .append_pair("Action", "login")
            .append_pair("Issuer", issuer)
            .append_pair("Destination", place.console)
            .append_pair("SigninToken", token.expose_secret())
            .finish();
        Ok(format!("{endpoint}?{query}").into())
    }
}

/// Asks for a sign-in token, once.
async fn token(forms: &Forms, endpoint: &str, session: &Session) -> Result<SecretString, AwsError> {
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
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = forms.post(endpoint, kind, form).await;
    let Answer { status, body } = answer.map_err(|unsent| {
        let kind = match unsent {
            Unsent::Request => AwsError::Denied,
            Unsent::Late | Unsent::Connection(_) => AwsError::Unclear,
        };
        failed(&unsent.to_string(), kind)
    })?;
    match status {
        200 => {}
        429 => return Err(failed("429", AwsError::Throttled)),
        400..=499 => return Err(failed(&status.to_string(), AwsError::Denied)),
        _ => return Err(failed(&status.to_string(), AwsError::Unclear)),
    }
    let token = body.and_then(|body| token_of(&body));
    token.ok_or_else(|| failed("an answer that cannot be read", AwsError::Unclear))
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
