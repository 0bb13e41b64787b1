//! The AWS identities of people: linked by themselves, or made of what their provider says of them.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

mod alike;
mod chosen;
mod functions;
mod humans;
mod linked;
mod refused;
mod sides;
mod taken;

use std::time::Duration;

use axum::http::StatusCode;
use countersign::sandbox::Sandbox;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::sandbox::{self, ACCOUNT, ALLOW_ALL, OTHER, account, account_of, role, user};
use crate::support::app::TestApp;
use crate::support::catalog::Catalog;
use crate::support::elevation::{OWN_NAME, document};
use crate::support::portal::{Answer, Browser, Portal};
use crate::support::signer::Shell;

/// The role that people come as; its sessions have their names from IAM.
pub const DEVELOPERS: &str = "arn:aws:iam::111122223333:role/team/developers";

/// A portal beside an AWS with users and roles that the catalog does not name.
pub struct World {
    pub portal: Portal,
    pub aws: Sandbox,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut Catalog)) -> Self {
        let app = TestApp::with(change).await;
        let trust = sandbox::trusts(&format!("arn:aws:iam::{ACCOUNT}:user/alice"));
        let mut own = account(&trust);
        let comes = sandbox::identity("Allow", "sts:AssumeRole", "{}");
        own.users = ["alice", "bob", "alice-2"]
            .map(|name| user(name, Some(&comes)))
            .to_vec();
        own.users.push(user("admin", Some(ALLOW_ALL)));
        let anybody = sandbox::trusts(&format!("arn:aws:iam::{ACCOUNT}:root"));
        let mut developers = role("developers", &document(OWN_NAME));
        "/team/".clone_into(&mut developers.path);
        let others = ["anybody", "manager"].map(|name| role(name, &anybody));
        own.roles.extend(others.into_iter().chain([developers]));
        let elsewhere = account_of(OTHER, vec![user("elsewhere", None)], vec![]);
        let aws = sandbox::start_all(vec![own, elsewhere]).await;
        let app = app.with_aws(&aws, Duration::from_secs(30)).await;
        Self {
            portal: app.portal(),
            aws,
        }
    }

    /// The keys of a user of that AWS.
    pub fn shell(&self, name: &str) -> Shell {
        Shell::of(name, &self.aws.url())
    }

    /// The keys of a session of a role, as which a user comes.
    pub async fn session(&self, user: &str, role: &str, session: &str) -> Shell {
        let (_, sts) = sandbox::as_user(&self.aws, user);
        let call = sts.assume_role().role_arn(role).role_session_name(session);
        let session = call.send().await.unwrap();
        Shell::of_session(session.credentials().unwrap(), &self.aws.url())
    }

    /// How often STS was asked whose keys somebody has.
    pub fn asked(&self) -> usize {
        let calls = self.aws.knobs().calls();
        let asked = calls.iter().filter(|it| it.action == "GetCallerIdentity");
        asked.count()
    }

    pub async fn one(&self, sql: &str) -> String {
        let one = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql.to_owned()));
        one.fetch_one(&self.portal.db.pool).await.unwrap()
    }

    /// Whose identities there are that count: name, ARN, session and source of each.
    pub async fn identities(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', w.name, p.arn, p.role_session_name, p.source)
                   FROM principals p JOIN people w ON w.id = p.person
                   WHERE p.ended_at IS NULL AND p.conflict_with IS NULL ORDER BY p.arn, w.name";
        let all = sqlx::query_scalar(sql);
        all.fetch_all(&self.portal.db.pool).await.unwrap()
    }

    /// Outcome, code and details of the events of that action, the oldest first.
    pub async fn events(&self, action: &str) -> Vec<(String, Option<String>, Value)> {
        let sql = "SELECT outcome, code, details FROM audit_events WHERE action = $1 ORDER BY id";
        let rows = sqlx::query_as(sql).bind(action);
        rows.fetch_all(&self.portal.db.pool).await.unwrap()
    }
}

/// The challenge that a page shows.
pub fn challenge(page: &Answer) -> String {
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let (_, rest) = page.body.split_once("countersign identity sign ").unwrap();
    // Behind the end of the line.
    rest.split_whitespace().nth(1).unwrap().to_owned()
}

/// A new challenge for whoever looks at the page.
pub async fn challenged(browser: &Browser<'_>) -> String {
    challenge(&browser.get("/me/identities").await)
}

/// Pastes what a shell has printed.
pub async fn paste(browser: &Browser<'_>, signed: &Value) -> Answer {
    let signed = signed.to_string();
    let form = [("signed", signed.as_str())];
    browser.post("/me/identities", &form).await
}

/// Links whoever the keys are.
pub async fn link(browser: &Browser<'_>, shell: &Shell) -> Answer {
    let challenge = challenged(browser).await;
    paste(browser, &shell.sign(&challenge)).await
}

/// Asserts that something was refused with that status and word.
pub fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{code}: {}", answer.body);
    assert!(answer.body.contains(code), "{code}: {}", answer.body);
}
