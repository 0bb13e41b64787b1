//! Which methods let somebody in who comes as what they are in AWS (docs/carrier.md, *Who may have
//! what*).

use super::authority::is_of_identity_center;
use super::capacity::is_protected;
use crate::domain::entitlement::Method;
use crate::domain::person::Who;

/// The methods that can let an identity in, where an authority vouches for the session names of a
/// role. Credentials are handed out to everybody.
#[must_use]
pub fn methods(who: Who<'_>) -> &'static [Method] {
    match who.session {
        None => &Method::ALL,
        // Nobody but AWS puts a policy on it.
        Some(_) if is_of_identity_center(who.arn) => &[Method::TrustPolicy, Method::StsCredentials],
        Some(_) if is_protected(who.arn) => &[Method::StsCredentials],
        Some(_) => &Method::ALL,
    }
}

/// Why an identity cannot be let in by that method, if so; `mfa`: a second factor is asked for.
#[must_use]
pub fn obstacle(who: Who<'_>, method: Method, mfa: bool) -> Option<String> {
    let methods = methods(who);
    if !methods.contains(&method) {
        let words: Vec<&str> = methods.iter().map(|it| it.as_str()).collect();
        return Some(format!(
            "{} is a role that only AWS changes, so that nothing can be put on it: it goes with {} alone, and not \
             with {}",
            who.arn,
            words.join(" and "),
            method.as_str()
        ));
    }
    // docs/guard.md, H8.
    (mfa && who.session.is_some()).then(|| {
        format!(
            "{} is a role, whose sessions never have a second factor that AWS knows of \
             (aws:MultiFactorAuthPresent), and MFA is asked for: come as an IAM user, or have the \
             catalog offer it as sts_credentials",
            who.arn
        )
    })
}
