//! People who leave: what ends, who may say so, and what serve may not do by itself.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::disable::{self, disable};
use countersign::app::enable::{self, enable};
use countersign::app::find::{self, Page, PeopleFilter};
use countersign::app::sign_in::{self, Browser};
use countersign::app::submit::submit;
use countersign::app::tokens;
use countersign::authn;
use countersign::ids::{GrantId, RequestId};
use secrecy::ExposeSecret as _;

use crate::support::app::{TestApp, ask, code, have, wanted};
use crate::support::catalog::user_arn;

/// The company, in which dave may ask as well.
pub async fn company() -> TestApp {
    TestApp::with(|catalog| {
        catalog.regroup("dave", &["developers", "approvers"]);
        catalog.person("dave").principals = vec![user_arn("dave")];
    })
    .await
}

/// A grant of alice's, by carol.
async fn granted(company: &TestApp) -> GrantId {
    let request = company.ask("prod-admin").await.id;
    let shown = approve(&company.ctx("carol").await, request, None, None).await;
    shown.unwrap().grant.unwrap().id
}

pub async fn one(company: &TestApp, sql: &str) -> String {
    let sql = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()));
    sql.fetch_one(company.pool()).await.unwrap()
}

async fn state_of(company: &TestApp, id: RequestId) -> (String, i32) {
    let bob = company.ctx("bob").await;
    let view = find::request(&bob, id).await.unwrap();
    (view.request.state.as_str().to_owned(), view.request.version)
}

/// alice with everything that somebody can have.
pub struct Alice {
    session: String,
    token: String,
    /// Pending.
    request: RequestId,
    active: GrantId,
    scheduled: GrantId,
    /// dave's, which needs two and which she has approved.
    pub approved: RequestId,
}

impl Alice {
    pub async fn new(company: &TestApp) -> Self {
        let alice = company.ctx("alice").await;
        let active = granted(company).await;
        company.open_grants().await;
        let session = sign_in::start(&company.app, alice.person.id, Browser::default());
        let session = session.await.unwrap();
        let day = TimeDelta::days(1);
        let token = tokens::create(
            &company.admin,
            "test",
            "alice@example.com",
            wanted("test", day),
        );
        let (_, token) = token.await.unwrap();
        let approved = submit(&company.ctx("dave").await, ask("prod-root")).await;
        let approved = approved.unwrap().request().id;
        approve(&alice, approved, None, None).await.unwrap();
        Self {
            session: session.expose_secret().to_owned(),
            token: token.expose_secret().to_owned(),
            request: company.ask("prod-admin").await.id,
            active,
            scheduled: granted(company).await,
            approved,
        }
    }
}

#[tokio::test]
async fn whoever_is_disabled_has_nothing_left_and_it_is_on_record() {
    let company = company().await;
    let had = Alice::new(&company).await;
    let (ada, alice) = (company.ctx("ada").await, company.ctx("alice").await);
    let id = alice.person.id;
    company.as_owner("UPDATE targets SET due_at = NULL").await;
    let (_, version) = state_of(&company, had.approved).await;

    disable(&ada, id, "Left the company").await.unwrap();

    let session = authn::session(&company.app, &had.session).await;
    assert_eq!(code(session), "unauthenticated");
    let token = authn::bearer(&company.app, &had.token).await;
    assert_eq!(code(token), "unauthenticated");
    assert_eq!(state_of(&company, had.request).await.0, "withdrawn");
    let grants = "SELECT string_agg(state || ' ' || cause || ' ' || coalesce(p.name, '-'), ', ' ORDER BY g.id)
                  FROM grants g LEFT JOIN people p ON p.id = g.closing_by";
    let told = one(&company, grants).await;
    assert_eq!(
        told,
        "closing person_disabled Ada, ended person_disabled Ada"
    );
    // First in the closing order, as other early ends are.
    let due =
        "SELECT (due_at < '2027-01-14T12:00:00Z')::text FROM targets WHERE arn LIKE '%prod-admin'";
    assert_eq!(one(&company, due).await, "true");
    // The request of somebody else waits for one voice more than before.
    let now = state_of(&company, had.approved).await;
    assert_eq!(now, ("pending".to_owned(), version + 1));
    let seen = find::request(&company.ctx("bob").await, had.approved).await;
    let seen = seen.unwrap();
    assert_eq!(have(&seen), 0);
    assert_eq!(seen.approvers.named, ["Bob", "Carol", "Erin"]);

    for (subject, action, times) in [
        (id.to_string(), "person.disabled", 1),
        (id.to_string(), "session.ended", 1),
        (had.request.to_string(), "request.withdrawn", 1),
        (had.active.to_string(), "grant.closing", 1),
        (had.scheduled.to_string(), "grant.ended", 1),
    ] {
        let told = company.events(&subject, action, "success").await;
        assert_eq!(told, times, "{action}");
    }
    let details = "SELECT details::text FROM audit_events WHERE action = 'person.disabled'";
    let details: serde_json::Value = serde_json::from_str(&one(&company, details).await).unwrap();
    let expected = serde_json::json!({"reason": "Left the company", "sessions": 1, "tokens": 1, "requests": 1,
                                      "grants": 2, "approvals": 1});
    assert_eq!(details, expected);
    let by =
        "SELECT actor_kind || ' ' || channel FROM audit_events WHERE action = 'request.withdrawn'";
    assert_eq!(one(&company, by).await, "system system");
    let revoked = "SELECT count(*)::text FROM audit_events WHERE action = 'token.revoked'";
    assert_eq!(one(&company, revoked).await, "1");
}

/// Should a session or token be left, by a restore or whatever else.
#[tokio::test]
async fn the_status_alone_keeps_sessions_and_tokens_out() {
    let company = company().await;
    let had = Alice::new(&company).await;
    assert_eq!(code(authn::session(&company.app, &had.session).await), "-");
    let sql = "UPDATE people SET status = 'disabled', disabled_at = now() WHERE name = 'Alice'";
    company.as_owner(sql).await;
    let session = authn::session(&company.app, &had.session).await;
    assert_eq!(code(session), "unauthenticated");
    let token = authn::bearer(&company.app, &had.token).await;
    assert_eq!(code(token), "unauthenticated");
}

#[tokio::test]
async fn enabling_brings_back_nothing_of_what_has_ended() {
    let company = company().await;
    let had = Alice::new(&company).await;
    let (ada, alice) = (company.ctx("ada").await, company.ctx("alice").await);
    disable(&ada, alice.person.id, "Left").await.unwrap();
    enable(&ada, alice.person.id).await.unwrap();
    assert_eq!(
        company
            .events(alice.person.id, "person.enabled", "success")
            .await,
        1
    );
    let session = authn::session(&company.app, &had.session).await;
    assert_eq!(code(session), "unauthenticated");
    let token = authn::bearer(&company.app, &had.token).await;
    assert_eq!(code(token), "unauthenticated");
    assert_eq!(state_of(&company, had.request).await.0, "withdrawn");
    let open = "SELECT count(*)::text FROM grants WHERE state NOT IN ('closing', 'ended')";
    assert_eq!(one(&company, open).await, "0");
    // They may ask again.
    let asked = submit(&alice, ask("prod-admin")).await;
    assert!(asked.is_ok(), "{asked:?}");
}

#[tokio::test]
async fn an_admin_disables_others_and_says_why() {
    let company = company().await;
    let (ada, bob, otto) = (
        company.ctx("ada").await,
        company.ctx("bob").await,
        company.ctx("otto").await,
    );
    let carol = company.ctx("carol").await.person.id;
    let nobody = "person_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    for (who, of, reason, refused) in [
        (&bob, carol, "Left", "forbidden"),
        (&otto, carol, "Left", "forbidden"),
        (&bob, nobody, "Left", "forbidden"),
        (&ada, ada.person.id, "Left", "forbidden"),
        (&ada, nobody, "Left", "not_found"),
        (&ada, carol, " ", "invalid_field"),
        (&ada, carol, "\u{202e}", "invalid_field"),
        (&ada, carol, "Left", "-"),
        (&ada, carol, "Left", "wrong_state"),
    ] {
        let before = company.events(of, "person.disabled", "refused").await;
        assert_eq!(code(disable(who, of, reason).await), refused, "{reason}");
        let told = company.events(of, "person.disabled", "refused").await - before;
        assert_eq!(told, i64::from(refused != "-"), "{refused}");
    }
    for (who, of, refused) in [
        (&bob, carol, "forbidden"),
        (&ada, nobody, "not_found"),
        (&ada, bob.person.id, "wrong_state"),
        (&ada, carol, "-"),
        (&ada, carol, "wrong_state"),
    ] {
        assert_eq!(code(enable(who, of).await), refused);
    }
}

#[tokio::test]
async fn the_command_line_does_the_same_by_id_and_by_address() {
    let company = company().await;
    let had = Alice::new(&company).await;
    let alice = company.ctx("alice").await.person.id;
    let (admin, email) = (&company.admin, "alice@example.com");
    let done = disable::by_command(admin, "command line", email, None).await;
    assert_eq!(done.unwrap().0, alice);
    assert_eq!(state_of(&company, had.request).await.0, "withdrawn");
    let grants = "SELECT string_agg(state || ' ' || cause, ', ' ORDER BY id) FROM grants WHERE closing_by IS NULL";
    let told = one(&company, grants).await;
    assert_eq!(told, "closing person_disabled, ended person_disabled");
    let by =
        "SELECT actor_kind || ' ' || channel FROM audit_events WHERE action = 'person.disabled'";
    assert_eq!(one(&company, by).await, "machine cli");
    let again = disable::by_command(admin, "command line", &alice.to_string(), None).await;
    assert_eq!(code(again), "wrong_state");
    let day = TimeDelta::days(1);
    let token = tokens::create(admin, "test", email, wanted("test", day)).await;
    assert_eq!(code(token), "disabled");
    let id = alice.to_string();
    enable::by_command(admin, "command line", &id)
        .await
        .unwrap();
    let again = enable::by_command(admin, "command line", &id).await;
    assert_eq!(code(again), "wrong_state");
    let unknown = disable::by_command(admin, "command line", "nobody@example.com", None).await;
    assert_eq!(code(unknown), "invalid_field");
}

#[tokio::test]
async fn admins_see_who_there_is_with_what_they_have() {
    let company = company().await;
    Alice::new(&company).await;
    let ada = company.ctx("ada").await;
    let page = Page {
        cursor: None,
        limit: 3,
    };
    let listed = async |text: &str, page| {
        let filter = PeopleFilter {
            text: text.to_owned(),
        };
        let found = find::people(&ada, &filter, page).await.unwrap();
        let names: Vec<_> = found.items.iter().map(|it| it.name.clone()).collect();
        (names, found.next)
    };
    let (names, next) = listed("", page).await;
    assert_eq!(names, ["Ada", "Alice", "Bob"]);
    let (names, _) = listed(
        "",
        Page {
            cursor: next,
            ..page
        },
    )
    .await;
    assert_eq!(names, ["Carol", "Dave", "Erin"]);
    assert_eq!(listed("ALICE@", page).await.0, ["Alice"]);
    assert_eq!(listed("%", page).await.0, [""; 0]);
    let id = ada.person.id.to_string();
    assert_eq!(listed(&id, page).await.0, ["Ada"]);

    let alice = company.ctx("alice").await.person.id;
    let had = find::person(&ada, alice).await.unwrap();
    assert_eq!(
        (had.sessions, had.tokens, had.requests, had.grants),
        (1, 1, 1, 2)
    );
    disable(&ada, alice, "Left").await.unwrap();
    let has = find::person(&ada, alice).await.unwrap();
    assert_eq!(
        (has.sessions, has.tokens, has.requests, has.grants),
        (0, 0, 0, 0)
    );
    assert_eq!(
        (has.status(), has.disabled_by.as_deref()),
        ("disabled", Some("Ada"))
    );
    let otto = company.ctx("otto").await;
    let refused = find::people(&otto, &PeopleFilter::default(), page).await;
    assert_eq!(code(refused), "forbidden");
    assert_eq!(code(find::person(&otto, alice).await), "forbidden");
}

#[tokio::test]
async fn equal_verified_addresses_are_a_hint_and_decide_nothing() {
    let company = company().await;
    company
        .change(|it| it.person("bob").email = "Alice@Example.com".to_owned())
        .await;
    let (ada, bob) = (company.ctx("ada").await, company.ctx("bob").await);
    let seen = find::person(&ada, bob.person.id).await.unwrap();
    assert_eq!(seen.alike, ["Alice, alice of demo"]);
    assert!(seen.others.is_empty());
    let request = company.ask("prod-admin").await.id;
    assert!(approve(&bob, request, None, None).await.is_ok());
    company
        .as_owner("UPDATE people SET email_verified = false WHERE name = 'Alice'")
        .await;
    let seen = find::person(&ada, bob.person.id).await.unwrap();
    assert!(seen.alike.is_empty());
}

/// What serve's role may not do by itself, and what the functions for it refuse.
#[tokio::test]
async fn as_the_application_nobody_is_disabled_or_enabled_wrongly() {
    let company = company().await;
    let pool = company.pool();
    let refusal = async |sql: &str| {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let error = sqlx::raw_sql(sql).execute(pool).await.unwrap_err();
        let error = error.into_database_error().unwrap();
        let constraint = error.constraint().map(ToOwned::to_owned);
        constraint.unwrap_or_else(|| error.code().unwrap_or_default().into_owned())
    };
    let of = |name: &str| format!("(SELECT id FROM people WHERE name = '{name}')");
    let (alice, bob) = (of("Alice"), of("Bob"));
    company.change(|it| it.join("dave", "alice")).await;
    for (call, refused) in [
        (
            format!("person_disabled({alice}, {alice}, now())"),
            "managed_by_themselves",
        ),
        // By the other account of the same human.
        (
            format!("person_disabled({alice}, {}, now())", of("Dave")),
            "managed_by_themselves",
        ),
        (
            format!("person_disabled({alice}, gen_random_uuid(), now())"),
            "managed_by_nobody",
        ),
        (format!("person_disabled({alice}, {bob}, NULL)"), "disabled"),
        (
            format!("person_disabled(NULL, {bob}, now())"),
            "told_nothing",
        ),
        (
            "person_disabled(NULL, NULL, now())".to_owned(),
            "told_nothing",
        ),
        (
            format!("person_enabled({alice}, NULL)"),
            "managed_by_nobody",
        ),
        (format!("person_enabled(NULL, {bob})"), "told_nothing"),
        ("person_enabled(NULL, NULL)".to_owned(), "managed_by_nobody"),
        (
            format!("person_enabled({alice}, {alice})"),
            "managed_by_themselves",
        ),
        (
            format!("person_enabled({alice}, gen_random_uuid())"),
            "managed_by_nobody",
        ),
    ] {
        assert_eq!(refusal(&format!("SELECT {call}")).await, refused, "{call}");
    }
    let disabled = disable::by_command(&company.admin, "test", "carol@example.com", None);
    disabled.await.unwrap();
    let by_carol = format!("SELECT person_enabled({}, {})", of("Alice"), of("Carol"));
    assert_eq!(refusal(&by_carol).await, "managed_by_nobody");
    let session = format!(
        "INSERT INTO sessions (token_hash, id, person, user_agent, began_at, created_at, last_seen_at, expires_at)
         SELECT decode(repeat('00', 32), 'hex'), gen_random_uuid(), {}, '', now(), now(), now(), now() + interval '1 hour'",
        of("Carol")
    );
    assert_eq!(refusal(&session).await, "person_disabled");
    for write in [
        "UPDATE people SET status = 'active', disabled_at = NULL, disabled_by = NULL",
        "UPDATE people SET same_as = NULL",
        "SELECT FROM people FOR UPDATE",
        "UPDATE api_tokens SET revoked_at = NULL",
        "INSERT INTO api_tokens SELECT * FROM api_tokens",
    ] {
        assert_eq!(refusal(write).await, "42501", "{write}");
    }
    // Nobody who is not there, or is so already, is changed.
    for call in [
        format!(
            "SELECT (sessions IS NULL)::text FROM person_disabled(gen_random_uuid(), {bob}, now())"
        ),
        format!(
            "SELECT (sessions IS NULL)::text FROM person_disabled({}, {bob}, now())",
            of("Carol")
        ),
        format!("SELECT (NOT person_enabled({alice}, {bob}))::text"),
        "SELECT (NOT person_acts(NULL))::text".to_owned(),
        "SELECT (NOT person_acts_on(NULL, NULL))::text".to_owned(),
        format!("SELECT (NOT person_acts_on(NULL, {bob}))::text"),
        format!("SELECT (NOT person_acts_on({}, {bob}))::text", of("Carol")),
        format!("SELECT person_acts_on({bob}, NULL)::text"),
    ] {
        assert_eq!(one(&company, &call).await, "true", "{call}");
    }
}
