//! What the role that we have connected as may do.

use sqlx::PgConnection;

use super::migrate::APP_ROLE;

/// Something that the role of `serve` must not be, own or be able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// What it is, as the rest of a sentence about the role.
    pub what: String,
    /// SQL for an administrator.
    pub remedy: String,
}

/// A login role, seen with the eyes of the database.
#[derive(Debug)]
pub(super) struct Login {
    pub role: String,
    /// Quoted.
    pub schema: String,
    pub is_member: bool,
    pub may_write_catalog: bool,
    pub excess: Vec<Excess>,
}

/// The role that has connected; nothing where the database has no schema of ours.
pub(super) async fn of(conn: &mut PgConnection) -> sqlx::Result<Option<Login>> {
    // `session_user`: a role can be set to work as another one, which `excess` tells. Membership is
    // asked beside the right to write, since an owner or a superuser has that too.
    let found = sqlx::query!(
        r#"SELECT session_user::text AS "role!", quote_ident(n.nspname) AS "schema!",
                  has_table_privilege(events.oid, 'INSERT') AND EXISTS (
                      SELECT FROM pg_auth_members m JOIN pg_roles app ON app.oid = m.roleid JOIN pg_roles me
                          ON me.oid = m.member
                      WHERE app.rolname = $1 AND me.rolname = session_user) AS "is_member!",
                  coalesce(has_table_privilege(to_regclass('people'), 'INSERT, UPDATE')
                      AND has_table_privilege(to_regclass('api_tokens'), 'INSERT'), false) AS "may_write_catalog!"
           FROM pg_class events JOIN pg_namespace n ON n.oid = events.relnamespace
               WHERE events.oid = to_regclass('audit_events')"#,
        APP_ROLE
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(found) = found else {
        return Ok(None);
    };
    Ok(Some(Login {
        role: found.role,
        schema: found.schema,
        is_member: found.is_member,
        may_write_catalog: found.may_write_catalog,
        excess: excess(conn).await?,
    }))
}

/// Whatever the role is beyond a member of [`APP_ROLE`]: attributes, other memberships,
/// possessions, rights on database, schema and tables. Rights are counted wherever they come from:
/// its own, its group's or everybody's.
async fn excess(conn: &mut PgConnection) -> sqlx::Result<Vec<Excess>> {
    sqlx::query_file_as!(Excess, "src/db/excess.sql", APP_ROLE)
        .fetch_all(conn)
        .await
}
