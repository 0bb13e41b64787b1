//! What of ours may stand on a user or role, and what removes it.

use crate::aws::GUARD_NAME;
use crate::aws::inventory::Holder;
use crate::domain::arn::{Arn, Kind as ArnKind};
use crate::policy::document::{Document, names_itself};
use crate::policy::inline::{self, Reach};
use crate::policy::{guard, trust};

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An inline policy of a grant.
    Policy,
    /// The guard of this installation.
    Guard,
    /// A statement of a grant in a trust policy. It does not say of which installation.
    Statement,
}

/// Something that nobody looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// ARN of the user or role that has it.
    pub arn: String,
    /// What it is.
    pub kind: Kind,
    /// Name of the policy, or the statement's Sid.
    pub name: String,
    /// Until when it allows anything, or what it does, in words.
    pub allows: String,
}

impl Orphan {
    /// The command that removes it.
    #[must_use]
    pub fn mend(&self) -> String {
        let named = &self.name;
        if let Some(user) = Arn::name_of(&self.arn, ArnKind::User) {
            return format!("aws iam delete-user-policy --user-name {user} --policy-name {named}");
        }
        let role = Arn::name_of(&self.arn, ArnKind::Role).unwrap_or_default();
        match self.kind {
            Kind::Policy | Kind::Guard => {
                format!("aws iam delete-role-policy --role-name {role} --policy-name {named}")
            }
            Kind::Statement => format!(
                "aws iam update-assume-role-policy --role-name {role} --policy-document FILE   # without {named}"
            ),
        }
    }
}

/// What of ours a user or role has.
pub(super) fn on(holder: &Holder, installation: &str) -> Vec<Orphan> {
    let orphan = |kind, name: &str, allows| Orphan {
        arn: holder.arn.clone(),
        kind,
        name: name.to_owned(),
        allows,
    };
    let mut found = Vec::new();
    for (name, text) in &holder.policies {
        if inline::grant_of(name, installation).is_some() {
            found.push(orphan(Kind::Policy, name, allows(text)));
        } else if name == GUARD_NAME {
            let role_id = holder.role_id.as_deref().unwrap_or_default();
            let writer = guard::read(text, role_id).installation;
            if writer.as_deref() == Some(installation) {
                let told = "denies sessions of the role that grants gave".to_owned();
                found.push(orphan(Kind::Guard, name, told));
            }
        }
    }
    let document = holder.trust.as_deref().map(Document::parse);
    for (sid, statement) in document.iter().flatten().flat_map(Document::ours) {
        // A Sid that only looks like ours is somebody's own.
        if names_itself(sid, statement.text) {
            let until = trust::date(&statement.node());
            let told = until.map_or_else(
                || "lets somebody in without an end".to_owned(),
                |date| format!("lets somebody in until {}", date.to_rfc3339()),
            );
            found.push(orphan(Kind::Statement, sid, told));
        }
    }
    found
}

fn allows(text: &str) -> String {
    match inline::reach(text) {
        Reach::Nothing => "allows nothing".to_owned(),
        Reach::Until(date) => format!("allows what it says until {}", date.to_rfc3339()),
        Reach::Longest => "allows what it says without an end".to_owned(),
    }
}
