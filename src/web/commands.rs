//! What a person types to use a grant.

/// Where AWS is for the people who read the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// Another endpoint than AWS's own (the demo's sandbox), without a slash at the end.
    pub endpoint_url: Option<String>,
    /// The region that is signed for.
    pub region: String,
}

impl Aws {
    /// AssumeRole with the AWS CLI.
    #[must_use]
    pub fn cli(&self, role_arn: &str, session: &str) -> String {
        let endpoint = self
            .endpoint_url
            .as_ref()
            .map_or(String::new(), |url| format!(" \\\n  --endpoint-url {url}"));
        format!(
            "aws sts assume-role --region {} \\\n  --role-arn {role_arn} \\\n  --role-session-name {session}{endpoint}",
            self.region
        )
    }

    /// AssumeRole with curl.
    #[must_use]
    pub fn curl(&self, role_arn: &str, session: &str) -> String {
        let region = &self.region;
        let url = self
            .endpoint_url
            .clone()
            .unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
        format!(
            // The shell puts the keys in: no page ever holds a secret.
            "curl {url}/ --aws-sigv4 aws:amz:{region}:sts \\\n  \
             --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \\\n  \
             -d Action=AssumeRole -d Version=2011-06-15 \\\n  -d RoleArn={role_arn} \\\n  -d RoleSessionName={session}"
        )
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
