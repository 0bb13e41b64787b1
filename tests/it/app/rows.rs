//! Rows: what they cannot become, and that nothing is lost in them.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::find;
use countersign::app::sign_in;
use countersign::authn::session;
use countersign::db::{grants, requests};
use countersign::domain::Change;
use countersign::domain::audit::{Actor, By, Channel};
use countersign::domain::cause::Cause;
use countersign::domain::grant::{Closing, Grant, GrantState};
use countersign::domain::request::Request;
use countersign::domain::text::Words;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use secrecy::ExposeSecret;

use crate::support::app::TestApp;
use crate::support::catalog::{self, ACCOUNT, Catalog, Entitlement, Person, role_arn, user_arn};
use crate::support::parts::FOLLOW;
use crate::support::wait;
use crate::web::facts::tallied;

#[tokio::test]
async fn what_is_on_record_cannot_be_changed_by_sql() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    let mut conn = <sqlx::PgConnection as sqlx::Connection>::connect(&company.db.owner_url)
        .await
        .unwrap();
    for sql in [
        "UPDATE audit_events SET actor_name = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "UPDATE decisions SET verdict = 'deny', comment = 'x'",
        "DELETE FROM decisions",
        "TRUNCATE decisions",
        "UPDATE requests SET justification = 'x'",
        "UPDATE requests SET duration_seconds = 1",
        "UPDATE requests SET state = 'pending', closed_at = NULL",
        "UPDATE requests SET state = 'denied'",
        "DELETE FROM requests",
        "UPDATE grants SET deadline = deadline + interval '1 hour'",
        "UPDATE grants SET principal_arn = 'x'",
        "DELETE FROM grants",
    ] {
        let result = sqlx::query(sql).execute(&mut conn).await;
        assert!(result.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn a_grant_needs_its_approvals_by_sql_too() {
    let company = TestApp::new().await;
    let request = company.ask("prod-root").await;
    approve(&company.ctx("bob").await, request.id, None, None)
        .await
        .unwrap();
    let mut conn = company.pool().acquire().await.unwrap();
    let by = By::system("test", company.start);
    let terms = request.terms.clone();
    let countersign::domain::request::Approval::Complete(_, grant) =
        request.approve(tallied(2, 2), 60, None, &by).unwrap()
    else {
        panic!("two are enough");
    };
    let error = grants::insert(&mut conn, &grant, &terms).await.unwrap_err();
    assert_eq!(
        error.as_database_error().unwrap().constraint(),
        Some("approvals_missing")
    );
}

/// A grant's course, as letters: Open, opeNed, End, Close, closeD; what does not go with the state
/// is left out.
fn walk(mut grant: Grant, course: &[u8], ctx: &countersign::app::ctx::Ctx) -> Vec<Change<Grant>> {
    let mut changes = Vec::new();
    for (step, letter) in course.iter().enumerate() {
        let at = grant.approved_at + TimeDelta::seconds(i64::try_from(step).unwrap() + 1);
        let by = By {
            actor: Actor::System { part: "test" },
            channel: Channel::System,
            at,
        };
        let reason = (letter % 2 == 0).then(|| Words::parse("Fertig – \u{1f525}\nja").unwrap());
        let cause = Cause::ALL[usize::from(*letter) % Cause::ALL.len()];
        let next = match letter % 5 {
            0 => grant.clone().open(&by),
            1 => grant.clone().opened(&by),
            2 => grant
                .clone()
                .end(Cause::Revoked, ctx.person.id, reason, &by),
            3 if !matches!(
                cause,
                Cause::Released | Cause::Revoked | Cause::NotEligible | Cause::CouldNotOpen
            ) =>
            {
                grant.clone().close(cause, &by)
            }
            _ => grant.clone().closed(&by),
        };
        let Ok(change) = next else { continue };
        grant = change.value.clone();
        changes.push(change);
    }
    changes
}

#[test]
fn grants_come_back_as_they_were_stored() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (company, bob) = runtime.block_on(async {
        let company = TestApp::new().await;
        let bob = company.ctx("bob").await;
        (company, bob)
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&proptest::collection::vec(any::<u8>(), 0..8), |course| {
            runtime.block_on(async {
                let id = company.ask("prod-admin").await.id;
                approve(&bob, id, None, None).await.unwrap();
                let grant = find::request(&bob, id).await.unwrap().grant.unwrap();
                for change in walk(grant, &course, &bob) {
                    let mut tx = company.pool().begin().await.unwrap();
                    let mut stored = grants::store(&mut tx, change).await.unwrap();
                    sqlx::raw_sql(FOLLOW).execute(&mut *tx).await.unwrap();
                    let was_open = matches!(
                        stored.state,
                        GrantState::Active { .. }
                            | GrantState::Closing(Closing {
                                opened_at: Some(_),
                                ..
                            })
                            | GrantState::Ended {
                                opened_at: Some(_),
                                ..
                            }
                    );
                    stored.marks.sent_until = was_open.then_some(stored.deadline);
                    let read = grants::lock(&mut tx, stored.id).await.unwrap().unwrap();
                    tx.commit().await.unwrap();
                    assert_eq!(stored, read);
                }
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn requests_come_back_as_they_were_stored() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let company = runtime.block_on(TestApp::new());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let input = (
        "[a-zA-Z0-9 äß\u{1f525}\n\t'\"\\\\]{0,40}x",
        5..28_800_i64,
        proptest::option::of(1..2_000_000_i64),
        0..4_u8,
    );
    runner
        .run(&input, |(text, seconds, start, fate)| {
            runtime.block_on(async {
                let alice = company.ctx("alice").await;
                let input = countersign::app::submit::NewRequest {
                    entitlement: "prod-admin".to_owned(),
                    principal: None,
                    duration_seconds: seconds,
                    justification: text.clone(),
                    starts_at: start
                        .map(|it| company.start + TimeDelta::microseconds(it * 1_000_003)),
                    ticket: Some("https://tickets.example/1".to_owned()),
                    unread: vec![],
                };
                let asked = countersign::app::submit::submit(&alice, input).await;
                let request: Request = asked.unwrap().request();
                let mut tx = company.pool().begin().await.unwrap();
                let read = requests::lock(&mut tx, request.id).await.unwrap().unwrap();
                assert_eq!(request, read);
                let by = By::system("test", company.start + TimeDelta::microseconds(7));
                let change = match fate {
                    0 => request.withdraw(&by),
                    1 => request.expire(None, &by),
                    2 => request.deny(&Words::parse("no").unwrap(), &by),
                    _ => return,
                };
                let stored = requests::store(&mut tx, change.unwrap()).await.unwrap();
                let read = requests::lock(&mut tx, stored.id).await.unwrap().unwrap();
                assert_eq!(stored, read);
                tx.commit().await.unwrap();
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_catalog_applied_twice_changes_nothing() {
    let company = TestApp::new().await;
    let again = company.apply(&company.catalog().render()).await.unwrap();
    assert_eq!(again.changes, Vec::<String>::new());
    assert_eq!(
        company
            .events("catalog", "catalog.applied", "success")
            .await,
        2
    );
}

/// What is wrong with a catalog, and what is said of it.
fn mistakes() -> [(catalog::Change, &'static str); 18] {
    fn alice(catalog: &mut Catalog) -> &mut Person {
        catalog.person("alice")
    }
    fn offer(catalog: &mut Catalog) -> &mut Entitlement {
        catalog.entitlement("prod-admin")
    }
    [
        (|it| offer(it).needed = 11, "needed"),
        (
            |it| {
                offer(it).more.insert("need".into(), 1.into());
            },
            "need",
        ),
        (
            |it| offer(it).max_duration = "8 hours".into(),
            "max_duration",
        ),
        (|it| offer(it).max_duration = "PT13H".into(), "max_duration"),
        (|it| offer(it).role_arn = user_arn("prod-admin"), "role_arn"),
        (|it| it.account(ACCOUNT).id = "1111".into(), "12 digits"),
        (
            |it| it.account(ACCOUNT).name = "Pro\0d".into(),
            "account 111122223333: name",
        ),
        (
            |it| alice(it).name = "Al\0ice".into(),
            "alice@example.com: name",
        ),
        (
            |it| alice(it).subject = "a\u{202e}lice".into(),
            "alice@example.com: subject",
        ),
        (
            |it| alice(it).issuer = "de\nmo".into(),
            "alice@example.com: issuer",
        ),
        (
            |it| alice(it).email.insert(0, '\0'),
            "alice@example.com: email",
        ),
        (
            |it| it.regroup("ada", &["adm\u{7}ins"]),
            "ada@example.com: groups",
        ),
        (
            |it| alice(it).principals = vec![user_arn("al\0ice")],
            "alice@example.com: principals",
        ),
        (
            |it| it.entitlement("prod-root").description = "Needs \0two.".into(),
            "prod-root: description",
        ),
        (
            |it| offer(it).role_arn = role_arn("prod-\0admin"),
            "prod-admin: role_arn",
        ),
        (
            |it| offer(it).requester_group = "dev\0".into(),
            "prod-admin: requester_group",
        ),
        (
            |it| offer(it).approver_group = "app\0".into(),
            "prod-admin: approver_group",
        ),
        (
            |it| offer(it).role_arn = "arn:aws:iam::444455556666:role/prod-admin".into(),
            "not in the catalog",
        ),
    ]
}

#[tokio::test]
async fn a_wrong_catalog_is_refused_in_words() {
    let company = TestApp::new().await;
    for (change, says) in mistakes() {
        let mut catalog = company.catalog();
        change(&mut catalog);
        let error = company.apply(&catalog.render()).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn sessions_end_by_sign_out_idleness_and_age() {
    let company = TestApp::new().await;
    let bob = company.ctx("bob").await;
    let app = &company.app;
    let start = || sign_in::start(app, bob.person.id, sign_in::Browser::default());
    let signed_out = start().await.unwrap();
    assert_eq!(
        session(app, signed_out.expose_secret()).await.unwrap().id,
        bob.person.id
    );
    sign_in::end(app, &bob.person, signed_out.expose_secret())
        .await
        .unwrap();
    assert!(session(app, signed_out.expose_secret()).await.is_err());
    let (idle, used) = (start().await.unwrap(), start().await.unwrap());
    for minutes in (20..720).step_by(20) {
        company.later(TimeDelta::minutes(minutes));
        assert!(
            session(app, used.expose_secret()).await.is_ok(),
            "{minutes}"
        );
        // It is written beside the call.
        wait::until_async("the use is on record", async || {
            let seen = sqlx::query_scalar::<_, i64>(
                "SELECT count(*) FROM sessions WHERE last_seen_at = $1",
            );
            let at = company.start + TimeDelta::minutes(minutes);
            seen.bind(at).fetch_one(company.pool()).await.unwrap() == 1
        })
        .await;
    }
    assert!(session(app, idle.expose_secret()).await.is_err());
    company.later(TimeDelta::minutes(720));
    assert!(session(app, used.expose_secret()).await.is_err());
}

#[tokio::test]
async fn only_a_missing_account_is_told_as_one() {
    let company = TestApp::new().await;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&company.db.owner_url)
        .await
        .unwrap();
    let broken = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'the foreign key store is away'; END $$;
        CREATE TRIGGER broken BEFORE INSERT ON targets FOR EACH ROW EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(broken).execute(&mut owner).await.unwrap();
    let failed = company.apply(&company.catalog().render()).await;
    assert!(
        matches!(
            failed,
            Err(countersign::app::catalog::CatalogError::Failed(_))
        ),
        "{failed:?}"
    );
}
