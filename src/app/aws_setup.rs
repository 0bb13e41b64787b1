//! What an account of AWS has to be given, so that Countersign can work there: as a template.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::ctx::App;
use crate::db;
use crate::domain::account::{ManagerRole, Needs};
use crate::domain::arn::{Arn, Kind};
use crate::error::Error;
use crate::policy::assumable;
use crate::policy::rights::{policy, trust};

/// Name of the policy in the templates.
const POLICY: &str = "countersign";

/// What an account has to be given.
#[derive(Debug)]
pub struct Setup {
    account: String,
    manager: Option<ManagerRole>,
    /// As whom Countersign works by itself.
    hub: String,
    needs: Needs,
}

/// What an account of the catalog has to be given. Without `hub`, an ARN, STS tells who Countersign
/// is.
///
/// # Errors
/// When the catalog has no such account, or STS does not tell.
pub async fn setup(app: &App, account: &str, hub: Option<String>) -> Result<Setup, Error> {
    let (manager, needs) = app
        .read(async |conn| {
            let known = db::accounts::needs(conn, account).await?;
            known.ok_or_else(|| Error::field("account", "is not in the catalog"))
        })
        .await?;
    let hub = match hub {
        Some(arn) => arn,
        None => who_we_are(app).await?,
    };
    // A session is let in by its role.
    let hub = assumable::stands_for(&hub);
    if !is_principal(&hub) {
        return Err(Error::field(
            "hub",
            "must be the ARN of an IAM role or user",
        ));
    }
    Ok(Setup {
        account: account.to_owned(),
        manager,
        hub,
        needs,
    })
}

async fn who_we_are(app: &App) -> Result<String, Error> {
    let own = app.clouds().of("", None, DateTime::<Utc>::UNIX_EPOCH).await;
    let told = match own {
        Ok(own) => own
            .identify()
            .await
            .map(|()| own.known_us().map(str::to_owned)),
        Err(error) => Err(error),
    };
    told.ok().flatten().ok_or_else(|| {
        Error::field(
            "hub",
            "is missing: STS does not tell who Countersign is. Name its role or user by ARN",
        )
    })
}

fn is_principal(arn: &str) -> bool {
    Arn::read(arn).is_some_and(|read| matches!(read.kind, Kind::Role | Kind::User))
}

impl Setup {
    /// As whom Countersign works in the account.
    fn us(&self) -> &str {
        self.manager
            .as_ref()
            .map_or(&self.hub, |manager| &manager.arn)
    }

    fn policy(&self) -> Value {
        let mut us = vec![self.us()];
        us.extend((self.us() != self.hub).then_some(self.hub.as_str()));
        policy(&self.needs, &us)
    }

    /// What the owners of the roles that Countersign assumes have to put into their trust policies.
    fn statements(&self) -> Value {
        let us = self.us();
        let tagged = self.needs.tagged();
        let by_role = self.needs.assumed().into_iter().map(|arn| {
            let statements = if tagged.contains(&arn) {
                assumable::statements_with_tags(us)
            } else {
                assumable::statements(us)
            };
            let statements = serde_json::from_str(&format!("[{statements}]"));
            (arn.to_owned(), statements.unwrap_or_default())
        });
        Value::Object(by_role.collect())
    }

    /// As a template of CloudFormation, in JSON.
    #[must_use]
    pub fn cloudformation(&self) -> Value {
        let described = format!("What Countersign needs in account {}", self.account);
        let resources = match self.manager_role() {
            Some((manager, path, name)) => json!({"CountersignManager": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": name, "Path": path, "MaxSessionDuration": 3600,
                    "AssumeRolePolicyDocument": trust(manager, &self.hub),
                    "Policies": [{"PolicyName": POLICY, "PolicyDocument": self.policy()}],
                    "Tags": [{"Key": "countersign", "Value": "manager"}],
                },
            }}),
            None => json!({"Countersign": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"ManagedPolicyName": POLICY, "PolicyDocument": self.policy()},
            }}),
        };
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": described,
            "Metadata": {"TrustStatementsOfRoles": self.statements()},
            "Resources": resources,
        })
    }

    /// As a file of Terraform, in its JSON form.
    #[must_use]
    pub fn terraform(&self) -> Value {
        let resources = match self.manager_role() {
            Some((manager, path, name)) => json!({
                "aws_iam_role": {"countersign_manager": {
                    "name": name, "path": path, "max_session_duration": 3600,
                    "assume_role_policy": trust(manager, &self.hub).to_string(),
                    "tags": {"countersign": "manager"},
                }},
                "aws_iam_role_policy": {"countersign": {
                    "name": POLICY, "role": "${aws_iam_role.countersign_manager.id}",
                    "policy": self.policy().to_string(),
                }},
            }),
            None => json!({"aws_iam_policy": {"countersign": {
                "name": POLICY, "policy": self.policy().to_string(),
            }}}),
        };
        json!({
            "//": {"account": self.account, "trust statements of roles": self.statements()},
            "resource": resources,
        })
    }

    /// The manager role with its path and name.
    fn manager_role(&self) -> Option<(&ManagerRole, &str, &str)> {
        let manager = self.manager.as_ref()?;
        let (_, resource) = manager.arn.split_once(":role")?;
        let name = resource.rfind('/')?;
        Some((manager, &resource[..=name], &resource[name + 1..]))
    }
}
