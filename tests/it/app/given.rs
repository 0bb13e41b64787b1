//! Machines get another owner and leave their names, and what ends while somebody is on the way
//! with it is told as what it is.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::asker::Asker;
use countersign::app::caller::Credential;
use countersign::app::disable;
use countersign::app::find;
use countersign::app::machines;
use countersign::app::sign_in;
use countersign::app::submit::submit;
use countersign::app::tokens;
use countersign::app::withdraw::withdraw;
use countersign::authn;
use countersign::domain::machine::Machine as Known;
use countersign::domain::scope::Scopes;
use countersign::ids::MachineId;
use sqlx::AssertSqlSafe;

use crate::support::app::{TestApp, ask, code, wanted};
use crate::support::catalog::user_arn;
use crate::support::machines::{Machine, session, token};

async fn one(company: &TestApp, sql: &str) -> String {
    let sql = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
    sql.fetch_one(company.pool()).await.unwrap()
}

/// A machine as it calls with a token.
async fn calling(company: &TestApp, token: &str) -> Known {
    match authn::bearer(&company.app, token).await.unwrap() {
        authn::Bearer::Machine(machine) => machine,
        authn::Bearer::Person(..) => panic!("a person"),
    }
}

async fn owner(company: &TestApp, id: MachineId) -> String {
    let sql = format!(
        "SELECT p.name FROM machines m JOIN people p ON p.id = m.owner WHERE m.id = '{}'",
        id.uuid()
    );
    one(company, &sql).await
}

#[tokio::test]
async fn a_machine_gets_another_owner_and_keeps_no_token_of_the_one_before() {
    let company = TestApp::new().await;
    let machine = Machine::of("bob").made(&company).await;
    let old = token(&company, "bob", machine, Scopes::OF_MACHINES).await;
    let asker = Asker {
        app: company.app.clone(),
        machine: calling(&company, &old).await,
    };
    let alice = "alice@example.com";
    let ctx = asker.on_behalf_of(Some(alice), "prod-admin").await.unwrap();
    let before = submit(&ctx, ask("prod-admin")).await.unwrap().request();
    let (ada, ada_session) = session(&company, "ada").await;
    let (bob, bob_session) = session(&company, "bob").await;
    let carols = "carol@example.com";
    let nobody = MachineId::new();
    for (who, of, id, to, refused) in [
        (&bob, &bob_session, machine, carols, "forbidden"),
        (&ada, &ada_session, nobody, carols, "not_found"),
        (&ada, &ada_session, machine, "zoe", "invalid_field"),
        (
            &ada,
            &ada_session,
            machine,
            "bob@example.com",
            "invalid_field",
        ),
        (&ada, &ada_session, machine, carols, "-"),
        (&ada, &ada_session, machine, carols, "invalid_field"),
    ] {
        let given = machines::give(who, of, id, to).await;
        assert_eq!(code(given), refused, "{to}");
    }
    assert_eq!(owner(&company, machine).await, "Carol");
    let told = "SELECT details::text FROM audit_events WHERE action = 'machine.given' AND outcome = 'success'";
    let told: serde_json::Value = serde_json::from_str(&one(&company, told).await).unwrap();
    let ids = async |name: &str| company.ctx(name).await.person.id.to_string();
    let expected =
        serde_json::json!({"owner_id": ids("carol").await, "owner_before_id": ids("bob").await});
    assert_eq!(told, expected);
    // bob may have kept it, and would ask by it for what he then approves.
    assert_eq!(
        code(authn::bearer(&company.app, &old).await),
        "unauthenticated"
    );
    let revoked = "SELECT count(*)::text FROM audit_events WHERE action = 'token.revoked'";
    assert_eq!(one(&company, revoked).await, "1");
    assert_eq!(
        code(submit(&ctx, ask("prod-admin")).await),
        "unauthenticated"
    );
    // Neither of them decides on what it has asked for; bob does on what it asks for now.
    let carol = company.ctx("carol").await;
    let bob = company.ctx("bob").await;
    for who in [&carol, &bob] {
        assert_eq!(
            code(approve(who, before.id, None, None).await),
            "self_approval"
        );
    }
    let new = token(&company, "carol", machine, Scopes::OF_MACHINES).await;
    let asker = Asker {
        app: company.app.clone(),
        machine: calling(&company, &new).await,
    };
    let ctx = asker.on_behalf_of(Some(alice), "prod-admin").await.unwrap();
    let after = submit(&ctx, ask("prod-admin")).await.unwrap().request();
    assert_eq!(
        code(approve(&carol, after.id, None, None).await),
        "self_approval"
    );
    assert_eq!(code(approve(&bob, after.id, None, None).await), "-");
    // What has ended is given to nobody.
    machines::end(&ada, &ada_session, machine).await.unwrap();
    let over = machines::give(&ada, &ada_session, machine, "bob@example.com").await;
    assert_eq!(code(over), "wrong_state");
}

#[tokio::test]
async fn the_name_of_a_machine_is_free_again_when_it_has_ended() {
    let company = TestApp::new().await;
    let (ada, secret) = session(&company, "ada").await;
    let mut wanted = Machine::of("bob").0;
    wanted.name = "deploys".to_owned();
    let make = async || machines::create(&ada, &secret, wanted.clone()).await;
    let first = make().await.unwrap();
    assert_eq!(code(make().await), "invalid_field");
    machines::end(&ada, &secret, first).await.unwrap();
    make().await.unwrap();
    assert_eq!(code(make().await), "invalid_field");
    let names =
        "SELECT string_agg(name || ' ' || (ended_at IS NULL), ', ' ORDER BY id) FROM machines";
    assert_eq!(one(&company, names).await, "deploys false, deploys true");
}

/// The person on whose behalf it asks, the machine itself, and the session that makes something of
/// it: each has ended since it was looked up.
#[tokio::test]
async fn what_ends_on_the_way_is_told_as_what_it_is() {
    let company = TestApp::with(|it| {
        it.regroup("dave", &["developers"]);
        it.person("dave").principals = vec![user_arn("dave")];
    })
    .await;
    let machine = Machine::of("bob").made(&company).await;
    let made = token(&company, "bob", machine, Scopes::OF_MACHINES).await;
    let asker = Asker {
        app: company.app.clone(),
        machine: calling(&company, &made).await,
    };
    let named = Some("alice@example.com");
    let ctx = asker.on_behalf_of(named, "prod-admin").await.unwrap();
    let asked = submit(&ctx, ask("prod-admin")).await.unwrap().request();
    let (bob, secret) = session(&company, "bob").await;
    let admin = &company.admin;
    let left = disable::by_command(admin, "test", "alice@example.com", None).await;
    left.unwrap();
    // The machine is signed in; it is alice who may not ask any more.
    assert_eq!(code(submit(&ctx, ask("prod-admin")).await), "not_eligible");
    assert_eq!(code(withdraw(&ctx, asked.id).await), "not_eligible");
    let own = countersign::app::ctx::Ctx {
        credential: Credential::SESSION,
        ..ctx.clone()
    };
    assert_eq!(code(withdraw(&own, asked.id).await), "unauthenticated");
    let again = asker.on_behalf_of(named, "prod-admin").await;
    assert_eq!(code(again), "person_unknown");

    let dave = Some("dave@example.com");
    let ctx = asker.on_behalf_of(dave, "prod-admin").await.unwrap();
    machines::end(&bob, &secret, machine).await.unwrap();
    assert_eq!(
        code(submit(&ctx, ask("prod-admin")).await),
        "unauthenticated"
    );

    sign_in::end(&company.app, &bob.person, &secret)
        .await
        .unwrap();
    let day = wanted("test", TimeDelta::days(1));
    let token = tokens::make(&bob, &secret, None, day).await;
    assert_eq!(code(token), "unauthenticated");
    assert!(find::request(&bob, asked.id).await.is_ok());
}
