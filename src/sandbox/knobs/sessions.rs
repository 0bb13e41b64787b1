//! Sessions that no call of the stand-in gives out.

use super::Knobs;
use crate::sandbox::arn::locate;
use crate::sandbox::state::Holder;
use crate::sandbox::sts::{keep, session};

/// The keys of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: String,
    /// What has to be sent with each call.
    pub session_token: String,
}

impl Knobs {
    /// A session of a role, as an authority gives it (Identity Center, AssumeRoleWithSAML): under
    /// the name that the authority says. `None` where there is no such role.
    #[must_use]
    pub fn session_of(&self, role: &str, name: &str, seconds: i64) -> Option<SessionKeys> {
        self.edit(|state, mode| {
            let (account, of) = locate(role)?;
            let id = state.accounts.get(&account)?.roles.get(&of)?.id.clone();
            let holder = Holder::Role {
                account,
                id,
                session_name: name.to_owned(),
                source_identity: None,
            };
            let new = session(holder, false, seconds, mode.now);
            let (secret_access_key, session_token) = (new.secret.clone(), new.token.clone());
            Some(SessionKeys {
                access_key_id: keep(state, new, mode.now),
                secret_access_key,
                session_token,
            })
        })
    }
}
