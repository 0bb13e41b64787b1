//! What an entitlement of a catalog file opens: a role, perhaps for less than it may; or what
//! people's own users are allowed for a time.

use toml::Spanned;

use super::fields::Fields;
use super::file::{Identity, account_id, identity};
use crate::domain::arn::{Arn, Kind};
use crate::domain::entitlement::{Method, PolicyArns, Scope};
use crate::domain::text::all_seen;
use crate::policy::{attach, session};

/// What an entitlement opens.
#[derive(Debug)]
pub(super) struct Opens {
    /// The role; none where people's own users are allowed something.
    pub role: Option<Spanned<Identity>>,
    /// The account of that role, or of those users.
    pub account: Spanned<String>,
    /// What those users are allowed, statement by statement.
    pub statements: Vec<String>,
}

/// Reads what an entitlement of that method opens; `mfa`: for those with a second factor.
pub(super) fn opens(fields: &mut Fields<'_>, method: Option<Method>, mfa: bool) -> Option<Opens> {
    match method {
        Some(method) if method.opens_role() => role(fields),
        Some(_) => users(fields, mfa),
        // Which of these keys belong there is not known, only whether each fits by itself.
        None => {
            let _ = fields.maybe_text("role_arn", role_arn);
            let _ = fields.maybe_text("account", account_id);
            let _ = fields.maybe_text("policy", |text| policy(text, mfa));
            None
        }
    }
}

fn role(fields: &mut Fields<'_>) -> Option<Opens> {
    let role = fields.text("role_arn", role_arn);
    let what = "goes with method = \"attach\" alone: the account of a role is in its ARN";
    let has_no_account = fields.must_lack("account", what);
    let what =
        "goes with method = \"attach\" alone: what a role allows is in the role's own policies";
    let has_no_policy = fields.must_lack("policy", what);
    let role = role.filter(|_| has_no_account && has_no_policy)?;
    let account = Spanned::new(role.span(), role.get_ref().account.clone());
    Some(Opens {
        role: Some(role),
        account,
        statements: Vec::new(),
    })
}

fn users(fields: &mut Fields<'_>, mfa: bool) -> Option<Opens> {
    let account = fields.text("account", account_id);
    let statements = fields.text("policy", |text| policy(text, mfa));
    let what = "does not go with method = \"attach\", which opens no role: account says whose users get the policy";
    let has_no_role = fields.must_lack("role_arn", what);
    Some(Opens {
        role: None,
        account: account.filter(|_| has_no_role)?,
        statements: statements?.into_inner(),
    })
}

fn role_arn(text: &str) -> Result<Identity, String> {
    identity(text, Kind::Role)
}

/// The statements of a policy that may be attached. Lines break where they like: white space does
/// not count.
fn policy(text: &str, mfa: bool) -> Result<Vec<String>, String> {
    all_seen(text).map_err(|it| it.to_string())?;
    attach::check(text, mfa).map_err(|it| it.to_string())
}

/// What sessions may do that are handed out.
pub(super) fn scope(fields: &mut Fields<'_>, method: Option<Method>) -> Option<Scope> {
    let text = fields.maybe_text("scope_down", scope_down)?;
    let arns = fields.list("policy_arns", managed_policy)?;
    let at = text.as_ref().map(Spanned::span);
    let at = at.or_else(|| arns.first().map(Spanned::span));
    let (Some(at), Some(method)) = (at, method) else {
        return Some(Scope::Role);
    };
    let key = if text.is_some() {
        "scope_down"
    } else {
        "policy_arns"
    };
    if method != Method::StsCredentials {
        let what = "goes with method = \"sts_credentials\" alone: no other session is Countersign's to limit";
        fields.refuse(at, key, what);
        return None;
    }
    let arns: Vec<String> = arns.into_iter().map(Spanned::into_inner).collect();
    let scope = match (text, PolicyArns::try_from(arns)) {
        (Some(_), Ok(_)) => {
            let what =
                "cannot stand beside policy_arns: AWS would allow what either of them allows";
            fields.refuse(at, key, what);
            return None;
        }
        (Some(text), Err(_)) => Scope::ScopeDown(text.into_inner()),
        (None, Ok(arns)) => Scope::PolicyArns(arns),
        (None, Err(_)) => Scope::Role,
    };
    // Each deadline is as long as any other.
    match session::policy(&scope, chrono::DateTime::UNIX_EPOCH) {
        Ok(_) => Some(scope),
        Err(unfit) => {
            fields.refuse(at, key, &unfit.to_string());
            None
        }
    }
}

/// Lines break where they like: white space does not count.
fn scope_down(text: &str) -> Result<String, String> {
    all_seen(text).map_err(|it| it.to_string())?;
    Ok(text.to_owned())
}

fn managed_policy(text: &str) -> Result<String, String> {
    let is_policy = |arn: &Arn<'_>| arn.name.starts_with("policy/") && !arn.account.is_empty();
    if Arn::read(text).is_some_and(|arn| is_policy(&arn))
        && text.bytes().all(|b| b.is_ascii_graphic())
    {
        return Ok(text.to_owned());
    }
    Err(
        "must be ARNs of managed policies such as arn:aws:iam::aws:policy/ReadOnlyAccess"
            .to_owned(),
    )
}
