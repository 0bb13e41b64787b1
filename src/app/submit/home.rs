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

/// A user of another account than the role's.
pub(super) struct Home {
    arn: String,
    /// As whom Countersign works in the user's account.
    manager: Option<ManagerRole>,
}

/// The user's own account, where they come from another one by the role's trust policy.
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
        arn: user.arn.clone(),
        manager,
    }))
}

/// The user's unique id; `None` where AWS knows no such user.
pub(super) async fn at_home(
    ctx: &Ctx,
    terms: &Terms,
    role_arn: &str,
    home: &Home,
    (_, now): &AsWhom,
) -> Result<Result<Option<String>, Error>, AwsError> {
    let Home { arn, manager } = home;
    let unseen = || Ok(Err(RoleError::UserUnseen(arn.clone()).into()));
    let cloud = match ctx.app.clouds().of_arn(arn, manager.as_ref(), *now).await {
        Ok(cloud) => cloud,
        Err(AwsError::Denied) => return unseen(),
        Err(error) => return Err(error),
    };
    let external_id = terms.demands.external_id.as_ref().map(ExternalId::as_str);
    let allowed = async {
        let asked = aws::may_assume(&cloud, arn, role_arn, external_id, *now);
        match Box::pin(asked).await {
            // Without the right to simulate nobody is kept from asking.
            Err(AwsError::Denied) => Ok(true),
            other => other,
        }
    };
    let (id, allowed) = tokio::join!(Box::pin(aws::check_principal(&cloud, arn)), allowed);
    match (id, allowed) {
        // Whoever took the name later would be let in (docs/guard.md, C8), and nobody could tell.
        (Err(AwsError::Denied), _) => unseen(),
        (Err(error), _) => Err(error),
        (Ok(Some(_)), Ok(false)) => Ok(Err(RoleError::NotAllowedAtHome(arn.clone()).into())),
        (Ok(Some(_)), Err(error)) => Err(error),
        (Ok(id), _) => Ok(Ok(id)),
    }
}
