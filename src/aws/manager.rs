//! Who Countersign is by itself, and the session that it takes of an account's manager role.

use aws_sdk_iam::config::Credentials;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use tokio::sync::OnceCell;

use super::{AwsError, Refusal};
use crate::domain::account::ManagerRole;
use crate::domain::arn::Arn;

/// RoleSessionName of every session of a manager role: what CloudTrail shows in the account.
const SESSION_NAME: &str = "countersign";
/// The most that AWS gives to whoever is a session already (*role chaining*; seconds). As an IAM
/// user we could have more, and need not.
const LONGEST: i32 = 3_600;

/// Countersign's own identity, the hub: whoever it is before it assumes anything.
#[derive(Debug)]
pub(super) struct Hub {
    /// STS of our own region, which does not depend on another one.
    pub(super) sts: aws_sdk_sts::Client,
    caller: OnceCell<Caller>,
}

/// Who makes calls.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// A role's session or a user, as STS tells it; of a manager role the role itself.
    pub(super) arn: String,
    /// `AIDA…`, or `AROA…:name` of a session.
    user_id: String,
}

/// A session of a manager role.
pub(super) struct Managing {
    pub(super) credentials: Credentials,
    pub(super) caller: Caller,
}

impl Hub {
    pub(super) fn new(sts: aws_sdk_sts::Client) -> Self {
        Self {
            sts,
            caller: OnceCell::new(),
        }
    }

    /// Who we are. A failure is not kept: the next look asks again.
    pub(super) async fn known_caller(&self) -> Result<&Caller, AwsError> {
        self.caller.get_or_try_init(|| caller(&self.sts)).await
    }

    /// The same, as far as it is known.
    pub(super) fn known(&self) -> Option<&Caller> {
        self.caller.get()
    }

    /// Assumes a manager role. Without SourceIdentity and tags: whatever this session has, the
    /// sessions that it hands out would have to keep, and those are to carry their person's.
    ///
    /// # Errors
    /// `Denied` when STS refuses, `Throttled`, else `Unreachable`: nothing that is to be done in
    /// the account was sent, so that there is nothing to wait for.
    pub(super) async fn assume(&self, manager: &ManagerRole) -> Result<Managing, AwsError> {
        // The SDK's futures are large.
        let answer = Box::pin(self.call(manager).send()).await;
        let session = match answer.map_err(|error| AwsError::of("AssumeRole", &error)) {
            Ok(answer) => managing(manager, answer).ok_or(AwsError::Unreachable),
            Err(AwsError::Unclear | AwsError::Unreachable) => Err(AwsError::Unreachable),
            Err(AwsError::Throttled) => Err(AwsError::Throttled),
            // Whatever STS does not like: it is not about a role that somebody asks for.
            Err(_) => Err(AwsError::Denied),
        };
        if let Err(error) = &session {
            tracing::warn!(
                manager.arn,
                error.code = error.code(),
                "the manager role cannot be assumed: nothing opens and nothing closes in its account"
            );
        }
        session
    }

    /// Assumes a manager role that has just refused us, for what AWS names in its refusal alone.
    pub(super) async fn why_refused(&self, manager: &ManagerRole) -> Option<&'static str> {
        let answer = Box::pin(self.call(manager).send()).await;
        Refusal::of(&answer.err()?).action
    }

    fn call(&self, manager: &ManagerRole) -> AssumeRoleFluentBuilder {
        let call = self.sts.assume_role().role_arn(&manager.arn);
        let call = call.role_session_name(SESSION_NAME);
        let call = call.duration_seconds(LONGEST);
        call.set_external_id(manager.external_id.clone())
    }
}

impl Caller {
    /// Whether it is that role: by its unique id, or by account and name (case and path do not tell
    /// roles apart).
    pub(super) fn is(&self, role_arn: &str, role_id: &str) -> bool {
        // Of a role's session STS tells `AROA…:name`; the role's id stands before the colon.
        let own_id = self.user_id.split(':').next();
        let own = Arn::read(&self.arn);
        let same_name = Arn::read(role_arn)
            .zip(own)
            .is_some_and(|(role, own)| role.is_same_role(&own));
        own_id == Some(role_id) || same_name
    }
}

/// Asks STS whose keys the client has.
pub(super) async fn caller(sts: &aws_sdk_sts::Client) -> Result<Caller, AwsError> {
    let answer = sts.get_caller_identity().send().await;
    let answer = answer.map_err(|error| AwsError::of("GetCallerIdentity", &error))?;
    Ok(Caller {
        arn: answer.arn.unwrap_or_default(),
        user_id: answer.user_id.unwrap_or_default(),
    })
}

/// The session that STS gave; `None` where it gave no keys.
fn managing(manager: &ManagerRole, answer: AssumeRoleOutput) -> Option<Managing> {
    let given = answer.credentials?;
    let user_id = answer.assumed_role_user.map(|user| user.assumed_role_id);
    Some(Managing {
        credentials: Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            None,
            "manager role",
        ),
        caller: Caller {
            // The ARN of the session has no path, and trust policies name the role with it.
            arn: manager.arn.clone(),
            user_id: user_id.unwrap_or_default(),
        },
    })
}
