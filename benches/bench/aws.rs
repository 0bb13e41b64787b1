//! The SDK as the bare driver uses it, and the calls that the stand-in has logged.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use aws_sdk_iam::Client;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::Outcome;
use crate::catalog::{BARE, key};

pub const GUARD: &str = "CountersignGuard";

pub fn client(endpoint: &str) -> Client {
    let (id, secret) = key(BARE);
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(id, secret, None, None, "bench"))
        .build();
    Client::from_conf(config)
}

/// The trust policy as it is now.
pub async fn trust(aws: &Client, role: &str) -> Outcome<Value> {
    let answer = aws.get_role().role_name(role).send().await?;
    let role = answer.role.ok_or("an answer without a role")?;
    let text = role.assume_role_policy_document.unwrap_or_default();
    let text = percent_decode_str(&text).decode_utf8()?.into_owned();
    Ok(serde_json::from_str(&text)?)
}

/// The Sids of a document's statements.
pub fn sids(document: &Value) -> Vec<String> {
    let statements = document["Statement"].as_array();
    let sids = statements.into_iter().flatten();
    sids.filter_map(|it| it["Sid"].as_str())
        .map(ToOwned::to_owned)
        .collect()
}

/// The stand-in's log from some moment on.
pub struct Calls {
    file: PathBuf,
    from: u64,
}

impl Calls {
    pub fn from_now(file: &std::path::Path) -> Self {
        let from = std::fs::metadata(file).map_or(0, |it| it.len());
        Self {
            file: file.to_owned(),
            from,
        }
    }

    /// How often an IAM user called each action since then.
    pub fn of(&self, user: &str) -> Outcome<BTreeMap<String, usize>> {
        let mut file = std::fs::File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let caller = format!(":user/{user} ");
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| line.contains(&caller)) {
            let action = line.split("action=\"").nth(1);
            let action = action.and_then(|rest| rest.split('"').next());
            let action = action.ok_or_else(|| format!("no action in {line}"))?;
            *counts.entry(action.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }
}
