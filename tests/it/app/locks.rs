//! Locks are taken in one order, so that nobody waits in a circle: people by id, their sessions by
//! id, machines, tokens.

use chrono::TimeDelta;
use countersign::app::ctx::Ctx;
use countersign::app::disable::{self, disable};
use countersign::app::enable;
use countersign::app::machines;
use countersign::app::sign_in::{self, Browser};
use countersign::domain::scope::Scopes;
use countersign::domain::sign_in::Logout;
use countersign::ids::PersonId;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::support::app::{TestApp, code};
use crate::support::machines::{Machine, session, token};
use crate::support::wait::somebody_waits;

/// A transaction of the owner.
async fn begun(company: &TestApp, sql: &str) -> PgConnection {
    let mut owner = PgConnection::connect(&company.db.owner_url).await.unwrap();
    run(&mut owner, &format!("BEGIN; {sql}")).await;
    owner
}

/// Fails where it is the one that Postgres takes out of a circle.
async fn run(conn: &mut PgConnection, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    conn.execute(sql).await.unwrap();
}

/// Two admins, the one with the greater id first.
async fn admins(company: &TestApp) -> (Ctx, Ctx) {
    let (one, other) = (company.ctx("ada").await, company.ctx("dave").await);
    if one.person.id.uuid() > other.person.id.uuid() {
        (one, other)
    } else {
        (other, one)
    }
}

/// What holds an account as who disables it does.
fn lock(id: PersonId) -> String {
    format!(
        "SELECT FROM people WHERE id = '{}' FOR NO KEY UPDATE",
        id.uuid()
    )
}

async fn company() -> TestApp {
    TestApp::with(|it| it.regroup("dave", &["admins"])).await
}

/// The machine is being ended, by a transaction that has not come to its tokens yet.
#[tokio::test]
async fn the_end_of_a_machine_and_of_its_owner_do_not_wait_for_each_other() {
    let company = company().await;
    let machine = Machine::of("bob").made(&company).await;
    token(&company, "bob", machine, Scopes::OF_MACHINES).await;
    let mut admin = company.db.superuser().await;
    let of = format!("= '{}'", machine.uuid());
    let ended = format!("UPDATE machines SET ended_at = created_at WHERE id {of}");
    let mut ending = begun(&company, &ended).await;
    let (ada, bob) = (company.ctx("ada").await, company.ctx("bob").await.person.id);
    let disabled = tokio::spawn(async move { disable(&ada, bob, "Left").await });
    somebody_waits(&mut admin).await;
    let revoked = format!("UPDATE api_tokens SET revoked_at = created_at WHERE machine {of}");
    run(&mut ending, &format!("{revoked}; COMMIT")).await;
    disabled.await.unwrap().unwrap();
}

/// The one with the smaller id holds their own account and comes to the other's next.
#[tokio::test]
async fn two_admins_who_disable_each_other_do_not_wait_for_each_other() {
    let company = company().await;
    let (greater, smaller) = admins(&company).await;
    let (first, second) = (smaller.person.id, greater.person.id);
    let mut admin = company.db.superuser().await;
    let mut holding = begun(&company, &lock(first)).await;
    let disabled = tokio::spawn(async move { disable(&greater, first, "Left").await });
    somebody_waits(&mut admin).await;
    run(&mut holding, &format!("{}; COMMIT", lock(second))).await;
    disabled.await.unwrap().unwrap();
}

/// Both at once: one of them is disabled, and is told so.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_admins_who_disable_each_other_one_stays() {
    let company = company().await;
    let (one, other) = admins(&company).await;
    for _ in 0..10 {
        let (first, second) = (one.clone(), other.clone());
        let (of_first, of_second) = (first.person.id, second.person.id);
        let both = [
            tokio::spawn(async move { disable(&first, of_second, "Left").await }),
            tokio::spawn(async move { disable(&second, of_first, "Left").await }),
        ];
        let mut codes = Vec::new();
        for done in both {
            codes.push(code(done.await.unwrap()));
        }
        let is_first = codes == ["-", "unauthenticated"];
        assert!(is_first || codes == ["unauthenticated", "-"], "{codes:?}");
        let left = if is_first { of_second } else { of_first }.to_string();
        let back = enable::by_command(&company.admin, "test", &left);
        back.await.unwrap();
    }
}

/// Who makes a machine for somebody holds that account as well.
#[tokio::test]
async fn who_makes_a_machine_for_whoever_disables_them_does_not_wait_for_them() {
    let company = company().await;
    let (greater, smaller) = admins(&company).await;
    let email = smaller.person.email.clone();
    let first = smaller.person.id;
    let name = greater.person.name.to_lowercase();
    let (ctx, secret) = session(&company, &name).await;
    let mut wanted = Machine::of("bob").0;
    wanted.owner = email;
    let mut admin = company.db.superuser().await;
    let mut holding = begun(&company, &lock(first)).await;
    let made = tokio::spawn(async move { machines::create(&ctx, &secret, wanted).await });
    somebody_waits(&mut admin).await;
    run(
        &mut holding,
        &format!("{}; COMMIT", lock(greater.person.id)),
    )
    .await;
    made.await.unwrap().unwrap();
}

/// A sign-in that replaces a session of the same person, and the end of that person.
#[tokio::test]
async fn a_sign_in_that_replaces_a_session_holds_its_person_first() {
    let company = company().await;
    let (bob, old) = session(&company, "bob").await;
    let id = bob.person.id;
    let mut admin = company.db.superuser().await;
    let left = format!(
        "UPDATE people SET status = 'disabled', disabled_at = now() WHERE id = '{}'",
        id.uuid()
    );
    let mut disabling = begun(&company, &left).await;
    let app = company.app.clone();
    let signing_in = tokio::spawn(async move {
        let browser = Browser {
            session: Some(&old),
            ..Browser::default()
        };
        sign_in::start(&app, id, browser).await
    });
    somebody_waits(&mut admin).await;
    let ended = "UPDATE sessions SET ended_at = created_at";
    run(&mut disabling, &format!("{ended}; COMMIT")).await;
    assert_eq!(code(signing_in.await.unwrap()), "disabled");
}

/// Whoever ends the sessions of somebody, of whom the first by id is the last in the table.
#[tokio::test]
async fn sessions_are_ended_by_their_ids() {
    for is_logout in [false, true] {
        let company = company().await;
        let (bob, _) = session(&company, "bob").await;
        session(&company, "bob").await;
        for sql in [
            "UPDATE sessions SET issuer = 'https://login.example', subject = 'bob'",
            "UPDATE sessions SET sid = 'x' WHERE id = (SELECT id FROM sessions ORDER BY id LIMIT 1)",
        ] {
            company.as_owner(sql).await;
        }
        let mut admin = company.db.superuser().await;
        let lock = |order: &str| {
            format!(
                "SELECT FROM sessions WHERE id = (SELECT id FROM sessions ORDER BY id {order} LIMIT 1) FOR UPDATE"
            )
        };
        let mut holding = begun(&company, &lock("")).await;
        let (app, owner) = (company.app.clone(), company.admin.clone());
        let logout = Logout {
            issuer: "https://login.example".to_owned(),
            subject: Some("bob".to_owned()),
            sid: None,
            issued_at: company.start,
            id: "logout-1".to_owned(),
        };
        let ended = tokio::spawn(async move {
            if is_logout {
                company.later(TimeDelta::seconds(2));
                sign_in::logged_out(&app, &logout).await
            } else {
                let done = disable::by_command(&owner, "test", &bob.person.email, None);
                done.await.map(drop)
            }
        });
        somebody_waits(&mut admin).await;
        run(&mut holding, &format!("{}; COMMIT", lock("DESC"))).await;
        ended.await.unwrap().unwrap();
    }
}
