//! Who comes by the trust policy of a role in another account: their own account has to let them,
//! and tells who they are.

use sqlx::PgConnection;

use super::look::AsWhom;
use crate::app::ctx::Ctx;
use crate::aws::{self, AwsError};
use crate::db;
use crate::domain::account::ManagerRole;
use crate::domain::demands::ExternalId;
use crate::domain::entitlement::{Method, Terms};
use crate::domain::person::Principal;
use crate::error::{Error, RoleError};
use crate::policy::Identity;

/// Who comes from another account than the role's.
pub(super) struct Home {
    principal: Principal,
    /// As whom Countersign works in their account.
    manager: Option<ManagerRole>,
}

/// Their own account, where they come from another one by the role's trust policy.
pub(super) async fn home(
    conn: &mut PgConnection,
    terms: &Terms,
    user: Option<&Principal>,
) -> sqlx::Result<Option<Home>> {
    let user = user.filter(|it| it.account != terms.account);
    let Some(user) = user.filter(|_| terms.method == Method::TrustPolicy) else {
        return Ok(None);
    };
    let manager = db::accounts::manager(conn, &user.account).await?;
    Ok(Some(Home {
        principal: user.clone(),
        manager,
    }))
}

/// Who that is there; `None` where AWS knows nobody of that ARN.
pub(super) async fn at_home(
    ctx: &Ctx,
    terms: &Terms,
    role_arn: &str,
    home: &Home,
    (_, now): &AsWhom,
) -> Result<Result<Option<Identity>, Error>, AwsError> {
    let Home { principal, manager } = home;
    let arn = &principal.arn;
    let unseen = || Ok(Err(RoleError::UserUnseen(arn.clone()).into()));
    let cloud = match ctx.app.clouds().of_arn(arn, manager.as_ref(), *now).await {
        Ok(cloud) => cloud,
        Err(AwsError::Denied) => return unseen(),
        Err(error) => return Err(error),
    };
    let identity = match Box::pin(aws::check_principal(&cloud, arn)).await {
        Ok(Some(identity)) => identity,
        Ok(None) => return Ok(Ok(None)),
        // Whoever took the name later would be let in (docs/guard.md, C8), and nobody could tell.
        Err(AwsError::Denied) => return unseen(),
        Err(error) => return Err(error),
    };
    let external_id = terms.demands.external_id.as_ref().map(ExternalId::as_str);
    let who = principal.who();
    let userid = who.userid(&identity.id);
    let asked = aws::may_assume(&cloud, who, &userid, role_arn, external_id, *now);
    match Box::pin(asked).await {
        Ok(false) => Ok(Err(RoleError::NotAllowedAtHome(arn.clone()).into())),
        // Without the right to simulate nobody is kept from asking.
        Ok(true) | Err(AwsError::Denied) => Ok(Ok(Some(identity))),
        Err(error) => Err(error),
    }
}
