//! What is under way while somebody is disabled: it is done before and ends with the rest, or it is
//! not done at all.

use countersign::app::approve::approve;
use countersign::app::ctx::Ctx;
use countersign::app::disable::{self, disable};
use countersign::app::enable;
use countersign::app::end::end;
use countersign::app::sign_in::{self, Browser};
use countersign::app::submit::submit;
use countersign::error::Error;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::support::app::{TestApp, ask, code};
use crate::support::wait::somebody_waits;

/// A transaction of the owner that has disabled somebody, not committed.
async fn disabling(company: &TestApp, name: &str) -> PgConnection {
    let mut owner = PgConnection::connect(&company.db.owner_url).await.unwrap();
    let sql = format!(
        "BEGIN; UPDATE people SET status = 'disabled', disabled_at = now() WHERE name = '{name}'"
    );
    owner
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
    owner
}

#[tokio::test]
async fn a_verb_that_comes_while_its_caller_is_disabled_does_nothing() {
    let company = TestApp::new().await;
    let (alice, bob, dave) = (
        company.ctx("alice").await,
        company.ctx("bob").await,
        company.ctx("dave").await,
    );
    let asked = company.ask("prod-admin").await.id;
    let granted = company.ask("prod-admin").await.id;
    let shown = approve(&company.ctx("carol").await, granted, None, None).await;
    let grant = shown.unwrap().grant.unwrap().id;
    type Verb = Box<dyn Future<Output = Result<(), Error>> + Send>;
    let verbs: [(&str, Verb); 3] = {
        let (one, two, three) = (bob.clone(), dave.clone(), alice.clone());
        [
            (
                "Bob",
                Box::new(async move { approve(&one, asked, None, None).await.map(drop) }),
            ),
            (
                "Dave",
                Box::new(async move { end(&two, grant, None).await.map(drop) }),
            ),
            (
                "Alice",
                Box::new(async move { submit(&three, ask("prod-admin")).await.map(drop) }),
            ),
        ]
    };
    let before = (
        company.count("requests").await,
        company.count("audit_events").await,
    );
    let mut admin = company.db.superuser().await;
    for (name, verb) in verbs {
        let mut owner = disabling(&company, name).await;
        let trying = tokio::spawn(Box::into_pin(verb));
        somebody_waits(&mut admin).await;
        owner.execute("COMMIT").await.unwrap();
        assert_eq!(code(trying.await.unwrap()), "unauthenticated", "{name}");
    }
    assert_eq!(company.count("decisions").await, 1);
    let after = (
        company.count("requests").await,
        company.count("audit_events").await,
    );
    assert_eq!(after, before);
    let open = "grants WHERE state = 'scheduled'";
    assert_eq!(company.count(open).await, 1);
}

#[tokio::test]
async fn a_session_that_begins_while_its_person_is_disabled_is_none() {
    let company = TestApp::new().await;
    let bob = company.ctx("bob").await.person.id;
    let mut admin = company.db.superuser().await;
    let mut owner = disabling(&company, "Bob").await;
    let app = company.app.clone();
    let trying = tokio::spawn(async move { sign_in::start(&app, bob, Browser::default()).await });
    somebody_waits(&mut admin).await;
    owner.execute("COMMIT").await.unwrap();
    assert_eq!(code(trying.await.unwrap()), "disabled");
    assert_eq!(company.count("sessions").await, 0);
}

#[tokio::test]
async fn who_disables_somebody_waits_for_what_they_are_doing_and_ends_it() {
    let company = TestApp::new().await;
    let (ada, alice) = (company.ctx("ada").await, company.ctx("alice").await);
    let id = alice.person.id;
    // A request and a session of alice's, not committed yet.
    let request = company.ask("prod-admin").await.id;
    let mut app = PgConnection::connect(&company.db.app_url).await.unwrap();
    let begun = format!(
        "BEGIN; SELECT person_acts('{alice}');
         INSERT INTO sessions (token_hash, id, person, user_agent, began_at, created_at, last_seen_at, expires_at)
         SELECT decode(repeat('00', 32), 'hex'), gen_random_uuid(), '{alice}', '', submitted_at, submitted_at, submitted_at,
                submitted_at + interval '1 day' FROM requests;
         INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).* FROM requests r",
        alice = id.uuid()
    );
    app.execute(sqlx::raw_sql(AssertSqlSafe(begun)))
        .await
        .unwrap();
    let mut admin = company.db.superuser().await;
    let disabled = tokio::spawn(async move { disable(&ada, id, "Left").await });
    somebody_waits(&mut admin).await;
    app.execute("COMMIT").await.unwrap();
    disabled.await.unwrap().unwrap();
    assert_eq!(company.count("sessions WHERE ended_at IS NULL").await, 0);
    assert_eq!(company.count("requests WHERE state = 'pending'").await, 0);
    assert_eq!(
        company
            .events(request, "request.withdrawn", "success")
            .await,
        1
    );
}

/// Whoever is first: nothing of alice's is open afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn disabling_against_an_approval_leaves_nothing_open() {
    let company = TestApp::new().await;
    let (ada, bob) = (company.ctx("ada").await, company.ctx("bob").await);
    for round in 0..20 {
        let request = company.ask("prod-admin").await.id;
        let leaver = if round % 2 == 0 { "alice" } else { "bob" };
        let id = company.ctx(leaver).await.person.id;
        let before = company.count("decisions").await;
        let (one, other): (Ctx, Ctx) = (ada.clone(), bob.clone());
        let disabled = tokio::spawn(async move { disable(&one, id, "Left").await });
        let approved = tokio::spawn(async move { approve(&other, request, None, None).await });
        disabled.await.unwrap().unwrap();
        let approved = approved.await.unwrap();
        let votes = company.count("decisions").await - before;
        assert_eq!(votes == 1, approved.is_ok(), "{approved:?}");
        let open = "grants g JOIN people p ON p.id = g.person
                    WHERE p.status = 'disabled' AND g.state IN ('scheduled', 'opening', 'active')";
        assert_eq!(company.count(open).await, 0);
        let pending = "requests r JOIN people p ON p.id = r.person
                       WHERE p.status = 'disabled' AND r.state = 'pending'";
        assert_eq!(company.count(pending).await, 0);
        match approved {
            Ok(_) => {}
            Err(error) if leaver == "alice" => assert_eq!(error.told_code(), "wrong_state"),
            Err(error) => assert_eq!(error.told_code(), "unauthenticated"),
        }
        let email = format!("{leaver}@example.com");
        let back = enable::by_command(&company.admin, "test", &email);
        back.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_against_a_sign_in_leaves_no_session() {
    let company = TestApp::new().await;
    let bob = company.ctx("bob").await.person.id;
    for _ in 0..20 {
        let (app, admin) = (company.app.clone(), company.admin.clone());
        let signing_in =
            tokio::spawn(async move { sign_in::start(&app, bob, Browser::default()).await });
        let disabling = tokio::spawn(async move {
            disable::by_command(&admin, "test", "bob@example.com", None).await
        });
        disabling.await.unwrap().unwrap();
        let told = code(signing_in.await.unwrap());
        assert!(["-", "disabled"].contains(&told), "{told}");
        let working = "sessions WHERE ended_at IS NULL";
        assert_eq!(company.count(working).await, 0);
        let back = enable::by_command(&company.admin, "test", "bob@example.com");
        back.await.unwrap();
    }
}
