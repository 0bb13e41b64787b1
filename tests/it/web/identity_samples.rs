//! AWS identities of somebody, and the page that lists them.

use countersign::app::identities::ListedIdentity;
use countersign::domain::identity::{AwsIdentity, Source};
use countersign::domain::person::Principal;
use countersign::error::FieldError;
use countersign::ids::{PersonId, PrincipalId};
use countersign::web::commands::Aws;
use countersign::web::identities::Identities;
use countersign::web::page::Here;

use super::facts::*;
use super::samples::*;
use crate::support::catalog::{role_arn, user_arn};

/// A user, somebody hostile's, and a session of a role.
pub fn identities() -> Vec<Principal> {
    let of = |arn: String, session: Option<&str>| Principal {
        id: PrincipalId::new(),
        person: PersonId::new(),
        account: "111122223333".to_owned(),
        arn,
        session: session.map(str::to_owned),
        unique_id: None,
    };
    vec![
        of(user_arn("prod-admin"), None),
        of(HOSTILE.to_owned(), None),
        of(role_arn("Developers"), Some("alice@example.com")),
    ]
}

/// The page, with a line to type and perhaps what was wrong.
pub fn linking(errors: Vec<FieldError>) -> Identities {
    let source = [Source::Catalog, Source::Linked, Source::Template];
    let listed = source.into_iter().zip(identities());
    let listed = listed.map(|(source, of)| ListedIdentity {
        id: PrincipalId::from_uuid(uuid::Uuid::nil()),
        is_own_account: source != Source::Template,
        identity: AwsIdentity {
            account: of.account,
            arn: of.arn,
            session: of.session,
        },
        source,
        verified_at: (source != Source::Catalog).then(|| now() - minutes(90)),
    });
    let aws = Aws {
        endpoint_url: Some("http://127.0.0.1:4566".to_owned()),
        region: "us-east-1".to_owned(),
    };
    Identities {
        frame: frame(Here::Elsewhere, "Alice Archer", 0),
        identities: listed.collect(),
        command: aws.sign(&"0123456789abcdef".repeat(4)),
        errors,
    }
}

/// The page after a link that was refused.
pub fn link_refused() -> Identities {
    linking(errors(
        "",
        "One AWS identity is one person's. (identity_taken)",
    ))
}
