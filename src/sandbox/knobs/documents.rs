//! Documents and what they belong to: lag, and edits by another hand.

use std::collections::BTreeMap;

use super::Knobs;
use crate::sandbox::arn::locate;
use crate::sandbox::doc::Doc;
use crate::sandbox::iam::{self, NewRole};
use crate::sandbox::state::{Bucket, Mfa, Policies, State};
use crate::sandbox::wire::Fault as Refusal;

/// A document with a data plane of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// The trust policy of a role, by ARN.
    Trust(String),
    /// An inline policy of a role, by ARN and name.
    RolePolicy(String, String),
    /// An inline policy of a user, by ARN and name.
    UserPolicy(String, String),
    /// A managed policy of an account's own, by ARN; it must be there.
    Managed(String),
    /// That a managed policy is attached, by the ARNs of the user or role and of the policy.
    Attachment(String, String),
    /// The permissions boundary of a user or role, by ARN.
    Boundary(String),
    /// The policy of a bucket.
    Bucket(String),
}

impl Knobs {
    /// The data plane stands still for this document.
    pub fn freeze(&self, document: &Document) {
        self.edit(|state, mode| {
            with_doc(state, document, |doc| doc.freeze(mode.now, mode.delay));
        });
    }

    /// The data plane follows again.
    pub fn thaw(&self, document: &Document) {
        self.edit(|state, _| with_doc(state, document, Doc::thaw));
    }

    /// The role's trust policy as it is read.
    #[must_use]
    pub fn trust(&self, role: &str) -> Option<String> {
        let state = self.state();
        let (account, name) = locate(role)?;
        let role = state.accounts.get(&account)?.roles.get(&name)?;
        role.trust
            .control(false)
            .map(|version| state.shown(version))
    }

    /// Puts a role's trust policy, as another hand would.
    ///
    /// # Errors
    /// As IAM refuses it.
    pub fn put_trust(&self, role: &str, text: &str) -> Result<(), Refusal> {
        self.edit(|state, mode| iam::put_trust(state, role, text, mode))
    }

    /// An inline policy of a role.
    #[must_use]
    pub fn role_policy(&self, role: &str, policy: &str) -> Option<String> {
        let state = self.state();
        let (account, name) = locate(role)?;
        let role = state.accounts.get(&account)?.roles.get(&name)?;
        role.policies
            .inline
            .get(policy)?
            .control(false)?
            .text
            .clone()
    }

    /// Puts or, without a text, deletes an inline policy of a role.
    ///
    /// # Errors
    /// As IAM refuses it.
    pub fn put_role_policy(
        &self,
        role: &str,
        policy: &str,
        text: Option<&str>,
    ) -> Result<(), Refusal> {
        self.edit(|state, mode| iam::put_role_policy(state, role, policy, text, mode))
    }

    /// An inline policy of a user.
    #[must_use]
    pub fn user_policy(&self, user: &str, policy: &str) -> Option<String> {
        let state = self.state();
        let (account, name) = locate(user)?;
        let user = state.accounts.get(&account)?.users.get(&name)?;
        let doc = user.policies.inline.get(policy)?;
        doc.control(false)?.text.clone()
    }

    /// Puts or, without a text, deletes an inline policy of a user.
    ///
    /// # Errors
    /// As IAM refuses it.
    pub fn put_user_policy(
        &self,
        user: &str,
        policy: &str,
        text: Option<&str>,
    ) -> Result<(), Refusal> {
        self.edit(|state, mode| iam::put_user_policy(state, user, policy, text, mode))
    }

    /// Puts or, without a text, deletes a managed policy of an account's own.
    ///
    /// # Errors
    /// Where there is no such account, and as IAM refuses it.
    pub fn put_managed_policy(&self, arn: &str, text: Option<&str>) -> Result<(), Refusal> {
        self.edit(|state, mode| iam::put_managed(state, arn, text, mode))
    }

    /// Attaches a managed policy to a user or role, or detaches it, whatever the quota is.
    pub fn attach(&self, arn: &str, policy: &str, on: bool) {
        self.edit(|state, mode| {
            let doc = find(
                state,
                &Document::Attachment(arn.to_owned(), policy.to_owned()),
            )?;
            doc.write(on.then_some(policy), BTreeMap::new(), mode.now);
            Some(())
        });
    }

    /// Puts or, without one, deletes the permissions boundary of a user or role.
    pub fn put_boundary(&self, arn: &str, boundary: Option<&str>) {
        self.edit(|state, mode| {
            let doc = find(state, &Document::Boundary(arn.to_owned()))?;
            doc.write(boundary, BTreeMap::new(), mode.now);
            Some(())
        });
    }

    /// Makes a bucket, empty and without a policy. Nothing happens where there is no such account.
    pub fn create_bucket(&self, account: &str, bucket: &str) {
        self.edit(|state, _| {
            let account = state.accounts.get_mut(account)?;
            account.buckets.insert(bucket.to_owned(), Bucket::default())
        });
    }

    /// Puts an object into a bucket that is there.
    pub fn put_object(&self, bucket: &str, key: &str, text: &str) {
        self.edit(|state, _| {
            let bucket = state.bucket_mut(bucket)?;
            bucket.objects.insert(key.to_owned(), text.to_owned())
        });
    }

    /// Puts or, without a text, deletes the policy of a bucket.
    ///
    /// # Errors
    /// As S3 refuses it.
    pub fn put_bucket_policy(&self, bucket: &str, text: Option<&str>) -> Result<(), Refusal> {
        self.edit(|state, mode| iam::put_bucket_policy(state, bucket, text, mode))
    }

    /// Deletes a user, whatever it has.
    pub fn delete_user(&self, arn: &str) {
        self.edit(|state, _| {
            locate(arn)
                .and_then(|(account, name)| state.accounts.get_mut(&account)?.users.remove(&name))
        });
    }

    /// Makes a user with an access key.
    pub fn create_user(&self, arn: &str, access_key_id: &str, secret: &str) {
        self.edit(|state, mode| {
            iam::create_user(state, arn, Some((access_key_id, secret)), mode.now)
        });
    }

    /// Gives a user an MFA device that shows this code; its serial number.
    pub fn give_mfa(&self, arn: &str, code: &str) -> Option<String> {
        self.edit(|state, _| {
            let (account, name) = locate(arn)?;
            let serial = format!("arn:aws:iam::{account}:mfa/{name}");
            let account = state.accounts.get_mut(&account)?;
            account.users.get_mut(&name)?.mfa = Some(Mfa {
                serial: serial.clone(),
                code: code.to_owned(),
            });
            Some(serial)
        })
    }

    /// Deletes a role, whatever it has.
    pub fn delete_role(&self, arn: &str) {
        self.edit(|state, _| {
            locate(arn)
                .and_then(|(account, name)| state.accounts.get_mut(&account)?.roles.remove(&name))
        });
    }

    /// Makes a role.
    ///
    /// # Errors
    /// As IAM refuses it.
    pub fn create_role(&self, arn: &str, trust: &str) -> Result<(), Refusal> {
        let new = NewRole {
            arn,
            trust,
            seconds: 3_600,
            description: "",
            tags: BTreeMap::new(),
            boundary: None,
        };
        self.edit(|state, mode| iam::create_role(state, new, mode))
    }

    /// The unique id of a user or role.
    #[must_use]
    pub fn unique_id(&self, arn: &str) -> Option<String> {
        self.state().id_of(arn)
    }
}

/// The policies of a user or role.
fn policies<'a>(state: &'a mut State, arn: &str) -> Option<&'a mut Policies> {
    let (account, name) = locate(arn)?;
    let account = state.accounts.get_mut(&account)?;
    if arn.contains(":user/") {
        return Some(&mut account.users.get_mut(&name)?.policies);
    }
    Some(&mut account.roles.get_mut(&name)?.policies)
}

fn find<'a>(state: &'a mut State, document: &Document) -> Option<&'a mut Doc> {
    match document {
        Document::Trust(arn) => {
            let (account, name) = locate(arn)?;
            let role = state.accounts.get_mut(&account)?.roles.get_mut(&name)?;
            Some(&mut role.trust)
        }
        Document::RolePolicy(arn, name) | Document::UserPolicy(arn, name) => {
            let inline = &mut policies(state, arn)?.inline;
            Some(inline.entry(name.clone()).or_default())
        }
        Document::Managed(arn) => {
            let mut accounts = state.accounts.values_mut();
            Some(&mut accounts.find_map(|it| it.managed.get_mut(arn))?.doc)
        }
        Document::Attachment(arn, policy) => {
            let attached = &mut policies(state, arn)?.attached;
            Some(attached.entry(policy.clone()).or_default())
        }
        Document::Boundary(arn) => Some(&mut policies(state, arn)?.boundary),
        Document::Bucket(name) => Some(&mut state.bucket_mut(name)?.policy),
    }
}

fn with_doc(state: &mut State, document: &Document, change: impl FnOnce(&mut Doc)) {
    if let Some(doc) = find(state, document) {
        change(doc);
    }
}
