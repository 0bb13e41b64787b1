//! What every signed token of a provider has in common (RFC 7515, RFC 7519): its header, the key
//! that it names, and its signature. What the claims say is for others to look at.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// What a provider may sign with. Nothing that is signed with a shared secret: whoever knows the
/// public key could sign with it.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why a token is not what its provider signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Not a signed JWT, or of an algorithm that nobody knows (`none` among them).
    Header,
    /// An algorithm that is not taken.
    Algorithm,
    /// `crit` names an extension, and none is understood.
    Critical,
    /// A token of another kind.
    Type,
    /// No key of the provider's, or several.
    Key,
    /// The signature is not of that key.
    Signature,
}

impl Broken {
    /// The check that has failed, as the log and the audit log call it.
    pub const fn check(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Algorithm => "alg",
            Self::Critical => "crit",
            Self::Type => "typ",
            Self::Key => "kid",
            Self::Signature => "signature",
        }
    }
}

/// What a token's `typ` may be; `None` is no `typ` at all.
pub(super) type Types = &'static [Option<&'static str>];

/// The header of a token, where it may be looked at any further.
pub(super) fn header(token: &str, types: Types) -> Result<Header, Broken> {
    let header = decode_header(token).map_err(|_| Broken::Header)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Broken::Algorithm);
    }
    if header.crit.is_some() {
        return Err(Broken::Critical);
    }
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    let typ = typ.as_deref();
    // `application/` may be left out (RFC 7515, 4.1.9).
    let typ = typ.map(|it| it.strip_prefix("application/").unwrap_or(it));
    if !types.contains(&typ) {
        return Err(Broken::Type);
    }
    Ok(header)
}

/// The key that a token names: the one of its `kid`, or where it names none, the only one that
/// fits.
pub(super) fn key<'a>(keys: &'a [Jwk], header: &Header) -> Option<&'a Jwk> {
    let named = |key: &&Jwk| match &header.kid {
        Some(kid) => key.common.key_id.as_ref() == Some(kid),
        None => true,
    };
    let mut fitting = keys
        .iter()
        .filter(named)
        .filter(|key| fits(key, header.alg));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Some(key),
        _ => None,
    }
}

/// Whether a key signs with that algorithm, and is meant for signatures.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let common = &key.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let may_verify = common
        .key_operations
        .as_ref()
        .is_none_or(|all| all.contains(&KeyOperations::Verify));
    let says_so = common
        .key_algorithm
        .is_none_or(|it| it.to_string() == format!("{algorithm:?}"));
    let is_of_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(it), Algorithm::ES256) => {
            it.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::EllipticCurve(it), Algorithm::ES384) => {
            it.curve == EllipticCurve::P384
        }
        (AlgorithmParameters::OctetKeyPair(it), Algorithm::EdDSA) => {
            it.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    is_for_signatures && may_verify && says_so && is_of_kind
}

/// The claims of a token that is signed with that key.
pub(super) fn claims(token: &str, header: &Header, key: &Jwk) -> Result<Claims, Broken> {
    let key = DecodingKey::from_jwk(key).map_err(|_| Broken::Key)?;
    let mut validation = Validation::new(header.alg);
    // Times and names are compared by whoever asked for the token, with the database's time.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = decode::<Claims>(token, &key, &validation);
    decoded
        .map(|token| token.claims)
        .map_err(|_| Broken::Signature)
}
