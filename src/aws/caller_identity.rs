//! Whose keys somebody has: a GetCallerIdentity that they sign in their own shell, and that
//! Countersign sends for them (STS API Reference).

use std::collections::BTreeMap;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;

use super::form::Answer;
use super::read::{role_by_name, unvouched};
use super::{Aws, AwsError, Clouds, Purpose};
use crate::clock;
use crate::domain::identity::Signer;
use crate::domain::signed_call::{BODY, CHALLENGE, CONTENT_TYPE, Sendable, SignedCall, sts_host};
use crate::policy::authority::Unvouched;

/// Where STS is for a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sts {
    /// The URL of the one call.
    url: String,
    /// The host that is signed for.
    pub host: String,
}

impl Sts {
    /// By the name of the region, or at the `endpoint` that stands in for AWS; `None` where there
    /// is no such region.
    fn of(region: &str, endpoint: Option<&str>) -> Option<Self> {
        let host = sts_host(region)?;
        let (scheme, host) = match endpoint.and_then(|url| url.split_once("://")) {
            Some((scheme, rest)) => {
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                (scheme, host.to_owned())
            }
            None => ("https", host),
        };
        let url = format!("{scheme}://{host}/");
        Some(Self { url, host })
    }
}

/// Why STS names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// It does not take the signature, with its own code.
    #[error("STS does not take the signature: {0}")]
    Refused(String),
    /// It did not answer, or not as STS does.
    #[error("STS gives no clear answer")]
    Silent,
}

/// The role of a session, as its account shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleOfSession {
    /// Its ARN, with its path.
    pub arn: String,
    /// Its unique id.
    pub id: String,
    /// Why nobody vouches for the names of its sessions, if so.
    pub unvouched: Option<Unvouched>,
}

impl Clouds {
    /// Where STS is for a region; `None` where there is none of that name.
    #[must_use]
    pub fn sts(&self, region: &str) -> Option<Sts> {
        Sts::of(region, self.endpoint_url())
    }

    /// Sends a call that somebody has signed, once and nowhere else, and tells who that is.
    ///
    /// # Errors
    /// When STS does not take the signature, or says nothing.
    pub async fn who_signed(&self, sts: &Sts, call: &Sendable) -> Result<Signer, NotTold> {
        let headers = call
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let answer = self.forms().post(&sts.url, headers, BODY.to_owned()).await;
        let Answer { status, body } = answer.map_err(|unsent| failed(&unsent.to_string()))?;
        let body = body.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = body.unwrap_or_default();
        match status {
            200 => {
                let told = leaf(&text, "Arn").zip(leaf(&text, "UserId"));
                let told = told.map(|(arn, user_id)| Signer {
                    arn: arn.to_owned(),
                    user_id: user_id.to_owned(),
                });
                told.ok_or_else(|| failed("an answer that cannot be read"))
            }
            // AWS asks for fewer calls by 400 as well.
            400..=499 if leaf(&text, "Code") != Some("Throttling") => {
                let code = leaf(&text, "Code").unwrap_or("no code");
                let plain = code.chars().filter(char::is_ascii_alphanumeric).take(64);
                Err(NotTold::Refused(plain.collect()))
            }
            other => Err(failed(&other.to_string())),
        }
    }
}

/// The role of that name in the account, if there is one.
///
/// # Errors
/// Whatever the read fails with.
pub async fn role_of_session(aws: &Aws, name: &str) -> Result<Option<RoleOfSession>, AwsError> {
    let aws = &aws.used_for(Purpose::Looking);
    let role = Box::pin(role_by_name(aws, name)).await?;
    Ok(role.map(|role| RoleOfSession {
        unvouched: unvouched(&role),
        arn: role.arn,
        id: role.id,
    }))
}

/// The text of the one element of that name. What STS answers has no attributes, and no name that
/// is looked for here needs to be escaped.
fn leaf<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

/// The line in the log of a call that told nobody. It holds nothing that was sent or answered.
fn failed(why: &str) -> NotTold {
    tracing::warn!(
        aws.call = "GetCallerIdentity",
        error = why,
        "AWS call failed"
    );
    NotTold::Silent
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// There is no such region.
    #[error(
        "there is no region {0:?} of AWS that is known: name one with --region, such as us-east-1"
    )]
    Region(String),
    /// The shell has no keys.
    #[error(
        "this shell has no AWS keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE after \
         `aws sso login`"
    )]
    Credentials(#[source] Option<CredentialsError>),
    /// The challenge is none.
    #[error(
        "the challenge must be the 64 letters and digits of the page: copy the whole line from there"
    )]
    Challenge,
    /// A fault of ours.
    #[error("cannot sign")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs a GetCallerIdentity with the keys of this shell, and the challenge with it. Nothing is
/// sent. Without a region that of the environment or the profile, else us-east-1.
///
/// # Errors
/// When there are no keys, or the region or the challenge cannot be.
pub async fn sign_challenge(
    challenge: &str,
    region: Option<String>,
) -> Result<SignedCall, NotSigned> {
    if challenge.len() != 64 || !challenge.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(NotSigned::Challenge);
    }
    let chain = RegionProviderChain::first_try(region.map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(Region::from_static("us-east-1"));
    let sdk = aws_config::defaults(BehaviorVersion::latest()).region(chain);
    let sdk = sdk.load().await;
    let region = sdk.region().map_or("", Region::as_ref).to_owned();
    let sts = Sts::of(&region, sdk.endpoint_url());
    let sts = sts.ok_or_else(|| NotSigned::Region(region.clone()))?;
    let keys = match sdk.credentials_provider() {
        Some(provider) => provider.provide_credentials().await,
        None => return Err(NotSigned::Credentials(None)),
    };
    let keys: Identity = keys
        .map_err(|error| NotSigned::Credentials(Some(error)))?
        .into();
    let mut headers = BTreeMap::from([
        ("content-type".to_owned(), CONTENT_TYPE.to_owned()),
        ("host".to_owned(), sts.host.clone()),
        (CHALLENGE.to_owned(), challenge.to_owned()),
    ]);
    let signature = signature(&sts, &region, &keys, &headers)?;
    headers.extend(signature);
    Ok(SignedCall { headers, region })
}

/// The headers that a signature adds.
fn signature(
    sts: &Sts,
    region: &str,
    keys: &Identity,
    headers: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, NotSigned> {
    let params = SigningParams::builder()
        .identity(keys)
        .region(region)
        .name("sts")
        .time(clock::of_this_machine())
        .settings(SigningSettings::default())
        .build();
    let params = params.map_err(|error| NotSigned::Signing(Box::new(error)))?;
    let signed: Result<_, SigningError> = (|| {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(BODY.as_bytes());
        let request = SignableRequest::new("POST", sts.url.as_str(), headers, body)?;
        sign(request, &params.into())
    })();
    let signed = signed.map_err(|error| NotSigned::Signing(Box::new(error)))?;
    let (instructions, _) = signed.into_parts();
    let added = instructions.headers();
    Ok(added
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
