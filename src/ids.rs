//! TypeIDs (prefix and 26 characters of base32) over UUIDv7, one type for each kind of row.

use type_safe_id::{StaticType, TypeSafeId};

/// The text is not a TypeID of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected `{expected}_` and 26 characters of base32")]
pub struct InvalidId {
    /// The prefix of the kind that was expected.
    pub expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $prefix:literal) => {
        #[derive(Default)]
        struct $kind;
        impl StaticType for $kind {
            const TYPE: &'static str = $prefix;
        }

        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// The prefix that stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, ordered by the time of its making (UUIDv7).
            #[expect(clippy::new_without_default, reason = "every call gives another id")]
            #[must_use]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }

            /// The id of an existing row.
            #[must_use]
            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            /// The value that the database stores.
            #[must_use]
            pub const fn uuid(self) -> uuid::Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                TypeSafeId::<$kind>::from_uuid(self.0).fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse::<TypeSafeId<$kind>>()
                    .map(|id| Self(id.uuid()))
                    .map_err(|_| InvalidId { expected: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

// A prefix stands in audit rows, and that of grants in session names at AWS: it never changes.
id!(/// A person's ask for one entitlement.
    RequestId, Req, "req");
id!(/// The effect on AWS of an approved request; also its pinned session name.
    GrantId, GrantKind, "grant");
id!(/// A grant on one target.
    PartId, PartKind, "part");
id!(/// One time that STS is asked for credentials of a grant.
    FetchId, FetchKind, "fetch");
id!(/// One try whether an ended grant's sessions are denied.
    ProbeId, ProbeKind, "probe");
id!(/// An admin's word that everything of a scope ends.
    RevocationId, RevocationKind, "revocation");
id!(/// One immutable row of the audit log.
    EventId, EventKind, "event");
id!(/// What may be asked for.
    EntitlementId, Ent, "ent");
id!(/// An IAM role or user whose policies we write.
    TargetId, TargetKind, "target");
id!(/// Someone who signs in.
    PersonId, PersonKind, "person");
id!(/// The AWS identity that a person switches from.
    PrincipalId, PrincipalKind, "identity");
id!(/// A browser that is signed in (never its cookie).
    SessionId, SessionKind, "session");
id!(/// A form that waits for a sign-in.
    DraftId, DraftKind, "draft");
id!(/// An API token (never its secret).
    TokenId, TokenKind, "token");
id!(/// A program that asks on behalf of people.
    MachineId, MachineKind, "machine");
id!(/// Who decides for whom, for some time.
    DelegationId, DelegationKind, "delegation");
