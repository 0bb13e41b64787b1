//! How a grant is used, as its page tells it.

use super::RequestPage;
use crate::domain::demands::ExternalId;
use crate::domain::person;
use crate::web::commands;

impl RequestPage {
    pub(super) fn cli_command(&self) -> String {
        self.command(commands::Aws::cli)
    }

    pub(super) fn curl_command(&self) -> String {
        self.command(commands::Aws::curl)
    }

    /// The requester's device, where AWS asks for a second factor.
    pub(super) fn mfa_serial(&self) -> Option<String> {
        let arn = self.request.principal_arn.as_deref();
        arn.filter(|_| self.request.terms.demands.mfa)
            .and_then(person::mfa_serial)
    }

    /// A session of the requester's own that has the second factor.
    pub(super) fn session_token_command(&self) -> Option<String> {
        let serial = self.mfa_serial()?;
        Some(self.aws.session_token(&serial))
    }

    /// A profile that assumes the role, with the person's own keys.
    pub(super) fn role_profile(&self) -> String {
        let name = &self.request.terms.name;
        self.command(|aws, assume| aws.profile(name, assume))
    }

    /// The console's Switch Role, while AWS takes the name that it sends.
    pub(super) fn switch_role(&self) -> Option<String> {
        self.grant.as_ref()?.usable_console_name()?;
        let terms = &self.request.terms;
        self.aws
            .switch_role(terms.role_arn.as_deref()?, &terms.name)
    }

    pub(super) fn profile(&self) -> String {
        self.fetching().profile(&self.request.terms.name, &self.aws)
    }

    pub(super) fn fetching(&self) -> commands::Fetching<'_> {
        commands::Fetching {
            public_url: &self.public_url,
            grant: self.grant.as_ref().map_or("", |grant| &grant.grant_name),
        }
    }

    pub(super) fn try_command(&self) -> String {
        self.aws.list_users()
    }

    fn command(&self, write: impl Fn(&commands::Aws, commands::Assume<'_>) -> String) -> String {
        // The grant's own name always works; the console name may be barred.
        let name = self.grant.as_ref().map_or("", |grant| &grant.grant_name);
        // Nothing is assumed where no role is opened.
        let role_arn = self.request.terms.role_arn.as_deref();
        let mfa_serial = self.mfa_serial();
        let external_id = self.request.terms.demands.external_id.as_ref();
        role_arn.map_or_else(String::new, |role_arn| {
            let assume = commands::Assume {
                role_arn,
                session: name,
                mfa_serial: mfa_serial.as_deref(),
                external_id: external_id.map(ExternalId::as_str),
                with_token: self.request.principal_session.is_some(),
            };
            write(&self.aws, assume)
        })
    }
}
