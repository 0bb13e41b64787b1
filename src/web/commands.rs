//! What a person types to use a grant.

use crate::domain::arn::{Arn, Kind};
use crate::domain::signed_call::domain_of;

/// Where AWS is for the people who read the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// Another endpoint than AWS's own (the demo's sandbox), without a slash at the end.
    pub endpoint_url: Option<String>,
    /// The region that is signed for.
    pub region: String,
}

/// What is typed where a code of a second factor belongs.
const CODE: &str = "CODE";

/// How a role is assumed.
#[derive(Debug, Clone, Copy)]
pub struct Assume<'a> {
    /// ARN of the role.
    pub role_arn: &'a str,
    /// The session name.
    pub session: &'a str,
    /// The second factor's device, where one is needed.
    pub mfa_serial: Option<&'a str>,
    /// The external ID, where one is needed.
    pub external_id: Option<&'a str>,
    /// Whether the keys that it is assumed with are those of a session, which have a token.
    pub with_token: bool,
}

impl Aws {
    /// AssumeRole with the AWS CLI.
    #[must_use]
    pub fn cli(&self, assume: Assume<'_>) -> String {
        use std::fmt::Write as _;
        let endpoint = self
            .endpoint_url
            .as_ref()
            .map_or(String::new(), |url| format!(" \\\n  --endpoint-url {url}"));
        let (role, session) = (quoted(assume.role_arn), quoted(assume.session));
        let mut more = String::new();
        if let Some(id) = assume.external_id {
            let _ = write!(more, " \\\n  --external-id {}", quoted(id));
        }
        if let Some(serial) = assume.mfa_serial {
            let serial = quoted(serial);
            let _ = write!(more, " \\\n  --serial-number {serial} --token-code {CODE}");
        }
        format!(
            "aws sts assume-role --region {} \\\n  --role-arn {role} \\\n  \
             --role-session-name {session}{more}{endpoint}",
            self.region
        )
    }

    /// GetSessionToken with the AWS CLI: a session of the person's own that has the second factor.
    #[must_use]
    pub fn session_token(&self, mfa_serial: &str) -> String {
        let endpoint = self.endpoint_url.as_ref();
        let endpoint = endpoint.map_or(String::new(), |url| format!(" --endpoint-url {url}"));
        format!(
            "aws sts get-session-token --region {} \\\n  --serial-number {} --token-code {CODE}{endpoint}",
            self.region,
            quoted(mfa_serial)
        )
    }

    /// AssumeRole with curl.
    #[must_use]
    pub fn curl(&self, assume: Assume<'_>) -> String {
        let region = &self.region;
        let url = self
            .endpoint_url
            .clone()
            .unwrap_or_else(|| format!("https://sts.{region}.{}", domain_of(region)));
        let mut fields = vec![
            field("RoleArn", assume.role_arn),
            field("RoleSessionName", assume.session),
        ];
        fields.extend(assume.external_id.map(|id| field("ExternalId", id)));
        if let Some(serial) = assume.mfa_serial {
            fields.push(field("SerialNumber", serial));
            fields.push(field("TokenCode", CODE));
        }
        let token = if assume.with_token {
            "-H \"X-Amz-Security-Token: $AWS_SESSION_TOKEN\" \\\n  "
        } else {
            ""
        };
        format!(
            // The shell puts the keys in: no page ever holds a secret.
            "curl {url}/ --aws-sigv4 aws:amz:{region}:sts \\\n  \
             --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \\\n  \
             {token}-d Action=AssumeRole -d Version=2011-06-15 \\\n  {}",
            fields.join(" \\\n  ")
        )
    }

    /// A profile with which AWS's tools assume the role themselves, with the keys of another one.
    #[must_use]
    pub fn profile(&self, name: &str, assume: Assume<'_>) -> String {
        let Assume {
            role_arn, session, ..
        } = assume;
        let line = |key: &str, value: Option<&str>| {
            value.map_or(String::new(), |value| format!("\n{key} = {value}"))
        };
        let asked = [
            line("external_id", assume.external_id),
            line("mfa_serial", assume.mfa_serial),
        ]
        .concat();
        let endpoint = self
            .endpoint_url
            .as_ref()
            .map_or(String::new(), |url| format!("\nendpoint_url = {url}"));
        let region = &self.region;
        format!(
            "[profile {name}]\nrole_arn = {role_arn}\nrole_session_name = {session}{asked}\n\
             source_profile = default\nregion = {region}{endpoint}"
        )
    }

    /// The console's Switch Role with everything filled in, which takes the session name from who
    /// is signed in. Another endpoint than AWS's own has no such page.
    #[must_use]
    pub fn switch_role(&self, role_arn: &str, shown: &str) -> Option<String> {
        let arn = Arn::read(role_arn)?;
        if self.endpoint_url.is_some() || arn.kind != Kind::Role {
            return None;
        }
        let domain = match arn.partition {
            "aws" => "aws.amazon.com",
            "aws-us-gov" => "amazonaws-us-gov.com",
            "aws-cn" => "amazonaws.cn",
            _ => return None,
        };
        // With the path, if the role has one.
        let (_, role) = role_arn.split_once(":role/")?;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("account", arn.account)
            .append_pair("roleName", role)
            .append_pair("displayName", shown)
            .finish();
        Some(format!("https://signin.{domain}/switchrole?{query}"))
    }

    /// What shows whose keys a shell has, for the page that gave the challenge.
    #[must_use]
    pub fn sign(&self, challenge: &str) -> String {
        let endpoint = self.endpoint_url.as_ref();
        let endpoint = endpoint.map_or(String::new(), |url| format!("AWS_ENDPOINT_URL={url} "));
        let region = &self.region;
        format!("{endpoint}countersign identity sign \\\n  {challenge} --region {region}")
    }

    /// ListUsers with the session's keys: an ordinary action that shows whether they live.
    #[must_use]
    pub fn list_users(&self) -> String {
        let url = self
            .endpoint_url
            .as_deref()
            .unwrap_or("https://iam.amazonaws.com");
        format!(
            // IAM has one endpoint for all regions, whose calls are signed for us-east-1.
            "curl {url}/ --aws-sigv4 aws:amz:us-east-1:iam \\\n  --user \"$SESSION_KEY_ID:$SESSION_SECRET\" \\\n  \
             -H \"X-Amz-Security-Token: $SESSION_TOKEN\" \\\n  -d Action=ListUsers -d Version=2010-05-08"
        )
    }
}

/// Whether a shell and a form take the text as it is. IAM allows any visible ASCII in a path, so
/// that an ARN may hold what a shell would run.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/_.,@-".contains(&byte);
    text.bytes().all(plain)
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// One field of a form, for curl.
fn field(name: &str, value: &str) -> String {
    if is_plain(value) {
        format!("-d {name}={value}")
    } else {
        format!("--data-urlencode {}", quoted(&format!("{name}={value}")))
    }
}

/// Where credentials of a grant are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Fetching<'a> {
    /// What browsers call us, without a slash at the end.
    pub public_url: &'a str,
    /// The grant's id.
    pub grant: &'a str,
}

impl Fetching<'_> {
    /// One call of the API, whose answer is what AWS's tools take. The token comes from the
    /// environment, so that no file holds it, and reaches curl by its input, so that no list of
    /// processes shows it.
    #[must_use]
    pub fn curl(&self) -> String {
        let Self { public_url, grant } = self;
        format!(
            "printf \"Authorization: Bearer %s\" \"$COUNTERSIGN_TOKEN\" | \
             curl -fsS -X POST -H @- {public_url}/api/v1/grants/{grant}/credentials"
        )
    }

    /// A profile whose credentials AWS's tools fetch anew whenever they need to.
    #[must_use]
    pub fn profile(&self, name: &str, aws: &Aws) -> String {
        // Tools run the line without a shell, and only a shell knows the token.
        let process = format!("credential_process = sh -c '{}'", self.curl());
        let endpoint = aws
            .endpoint_url
            .as_ref()
            .map_or(String::new(), |url| format!("\nendpoint_url = {url}"));
        let region = &aws.region;
        format!("[profile {name}]\n{process}\nregion = {region}{endpoint}")
    }

    /// The same once, for one shell, with where these credentials are good.
    #[must_use]
    pub fn exports(&self, aws: &Aws) -> String {
        // jq quotes each value for the shell, whatever is in it.
        let export = |name: &str, field: &str| format!(r#""export {name}=\(.{field} | @sh)""#);
        let read = [
            export("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            export("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            export("AWS_SESSION_TOKEN", "SessionToken"),
        ]
        .join(", ");
        let endpoint = aws
            .endpoint_url
            .as_ref()
            .map_or(String::new(), |url| format!(" AWS_ENDPOINT_URL={url}"));
        format!(
            "eval \"$({} \\\n  | jq -r '{read}')\"\nexport AWS_REGION={}{endpoint}",
            self.curl(),
            aws.region
        )
    }
}
