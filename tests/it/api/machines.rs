//! Machines ask on behalf of people, see what they have asked for, and decide nothing.

use countersign::domain::scope::{Scope, Scopes};
use countersign::ids::MachineId;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::api::{Answer, Api, ask};
use crate::support::app::TestApp;
use crate::support::machines::{Machine, token};

/// A service, and a machine of bob's with a token.
async fn service() -> (Api, MachineId, String) {
    let service = TestApp::new().await.api().await;
    let machine = Machine::of("bob").made(&service).await;
    let token = token(&service, "bob", machine, Scopes::OF_MACHINES).await;
    (service, machine, token)
}

fn ask_for(named: &str) -> Value {
    let mut body = ask();
    body["on_behalf_of"] = json!(named);
    body
}

async fn asked(service: &Api, token: &str, named: &str) -> Answer {
    let body = ask_for(named);
    service.call(token, "POST", "/requests", &body).await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_machine_asks_on_behalf_of_a_person_who_is_told_and_may_withdraw() {
    let (service, machine, token) = service().await;
    let person = service.ctx("alice").await.person.id.to_string();
    for named in [person.as_str(), "alice@example.com"] {
        let made = asked(&service, &token, named).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.body["person_id"], person.as_str());
        let by = &made.body["requested_by"];
        assert_eq!(
            (&by["kind"], &by["id"]),
            (&json!("machine"), &json!(machine.to_string()))
        );
        let sql = "SELECT actor_kind, actor_id, details->>'on_behalf_of' FROM audit_events
                   WHERE subject = $1 AND action = 'request.submitted'";
        let row = sqlx::query(sql).bind(id(&made));
        let row = row.fetch_one(service.pool()).await.unwrap();
        let row: (String, String, String) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(
            row,
            ("machine".to_owned(), machine.to_string(), person.clone())
        );
        // Hers: in her lists, in what concerns her, and hers to take back.
        let alice = service.token("alice").await;
        let mine = service
            .call(&alice, "GET", "/requests?mine=true", &Value::Null)
            .await;
        assert_eq!(mine.body["items"][0]["id"], made.body["id"]);
        let path = format!("/audit-events?subject={}", id(&made));
        let log = service.call(&alice, "GET", &path, &Value::Null).await;
        assert_eq!(log.body["items"][0]["actor"]["kind"], "machine");
        let path = format!("/requests/{}/withdraw", id(&made));
        let withdrawn = service.call(&alice, "POST", &path, &json!({})).await;
        assert_eq!(withdrawn.body["state"], "withdrawn", "{}", withdrawn.body);
    }
}

/// The owner of a machine's token asks for an accomplice and approves.
#[tokio::test]
async fn attack_1_whoever_owns_the_machine_that_asked_decides_nothing_of_it() {
    let (service, machine, token) = service().await;
    let request = id(&asked(&service, &token, "alice@example.com").await);
    let approve = format!("/requests/{request}/approve");
    let deny = format!("/requests/{request}/deny");
    let refuses = async |name: &str| {
        let token = service.token(name).await;
        for path in [&approve, &deny] {
            let body = if path == &deny {
                json!({"comment": "no"})
            } else {
                json!({})
            };
            let refused = service.call(&token, "POST", path, &body).await;
            assert_eq!(told(&refused), (403, "self_approval"), "{name} {path}");
        }
        let waiting = service
            .call(&token, "GET", "/requests?waiting=true", &Value::Null)
            .await;
        assert_eq!(waiting.body["items"], json!([]), "{name}");
        // Whatever a verb forgets, Postgres refuses.
        let person = service.ctx(name).await.person.id;
        let vote = "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at) VALUES (gen_random_uuid(), $1, 1, 1, $2, 'approve', 60, 'api', $3)";
        let request = request.parse::<countersign::ids::RequestId>().unwrap();
        let vote = sqlx::query(vote)
            .bind(request.uuid())
            .bind(person.uuid())
            .bind(service.start);
        let error = vote.execute(service.pool()).await.unwrap_err();
        let error = error.into_database_error().unwrap();
        assert_eq!(error.constraint(), Some("self_approval"), "{name}");
    };
    refuses("bob").await;
    refuses("alice").await;
    // Whoever it belongs to now, and whoever it did then.
    let carol = service.ctx("carol").await.person.id.uuid();
    let machine = machine.uuid();
    let moved = format!("UPDATE machines SET owner = '{carol}' WHERE id = '{machine}'");
    service.as_owner(&moved).await;
    refuses("bob").await;
    refuses("carol").await;
    let other = service.token("dave").await;
    let approved = service.call(&other, "POST", &approve, &json!({})).await;
    assert_eq!(approved.body["state"], "approved", "{}", approved.body);
}

#[tokio::test]
async fn a_machine_sees_what_it_has_asked_for_and_nothing_else() {
    let (service, _, own) = service().await;
    let other = Machine::of("carol").made(&service).await;
    let other = token(&service, "carol", other, Scopes::OF_MACHINES).await;
    let mine = id(&asked(&service, &own, "alice@example.com").await);
    let hers = service.ask("prod-admin").await.id.to_string();
    let carol = service.token("carol").await;
    let approve = async |request: &str| {
        let path = format!("/requests/{request}/approve");
        let approved = service.call(&carol, "POST", &path, &json!({})).await;
        approved.body["grant_id"].as_str().unwrap().to_owned()
    };
    let (my_grant, her_grant) = (approve(&mine).await, approve(&hers).await);
    let get = async |token: &str, path: &str| {
        let answer = service.call(token, "GET", path, &Value::Null).await;
        (
            answer.status.as_u16(),
            answer.code().to_owned(),
            answer.body,
        )
    };
    for (token, path, wanted) in [
        (&own, format!("/requests/{mine}"), 200),
        (&own, format!("/grants/{my_grant}"), 200),
        (&own, format!("/requests/{hers}"), 404),
        (&own, format!("/grants/{her_grant}"), 404),
        (&other, format!("/requests/{mine}"), 404),
        (&other, format!("/grants/{my_grant}"), 404),
        (
            &own,
            "/requests/req_00000000000000000000000000".to_owned(),
            404,
        ),
    ] {
        assert_eq!(get(token, &path).await.0, wanted, "{path}");
    }
    let ids = |body: &Value| {
        let items = body["items"].as_array().unwrap().iter();
        items
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&get(&own, "/requests").await.2),
        std::slice::from_ref(&mine)
    );
    assert_eq!(ids(&get(&own, "/grants").await.2), [my_grant]);
    assert!(ids(&get(&other, "/requests").await.2).is_empty());
    assert!(ids(&get(&other, "/grants").await.2).is_empty());
    for path in [
        "/people/me",
        "/entitlements",
        "/revocations",
        "/tokens",
        "/requests?waiting=true",
    ] {
        let (status, code, _) = get(&own, path).await;
        assert_eq!((status, code.as_str()), (403, "forbidden"), "{path}");
    }
    let (status, code, _) = get(&own, "/audit-events").await;
    assert_eq!((status, code.as_str()), (403, "insufficient_scope"));
}

#[tokio::test]
async fn a_machine_ends_and_takes_back_what_it_has_asked_for_and_fetches_nothing() {
    let (service, machine, own) = service().await;
    let carol = service.token("carol").await;
    let post = async |token: &str, path: &str| {
        let answer = service.call(token, "POST", path, &json!({})).await;
        (
            answer.status.as_u16(),
            answer.code().to_owned(),
            answer.body,
        )
    };
    let granted = async |request: &str| {
        let approve = format!("/requests/{request}/approve");
        let (_, _, approved) = post(&carol, &approve).await;
        service.open_grants().await;
        approved["grant_id"].as_str().unwrap().to_owned()
    };
    let hers = service.ask("prod-admin").await.id.to_string();
    let her_grant = granted(&hers).await;
    let waiting = service.ask("prod-admin").await.id.to_string();
    let mine = id(&asked(&service, &own, "alice@example.com").await);
    let my_grant = granted(&mine).await;
    for path in [
        format!("/grants/{her_grant}/end"),
        format!("/requests/{waiting}/withdraw"),
    ] {
        let (status, code, _) = post(&own, &path).await;
        assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
    }
    for verb in ["credentials", "console-link"] {
        let path = format!("/grants/{my_grant}/{verb}");
        let (status, code, _) = post(&own, &path).await;
        assert_eq!((status, code.as_str()), (403, "forbidden"), "{path}");
    }
    let (status, _, ended) = post(&own, &format!("/grants/{my_grant}/end")).await;
    assert_eq!((status, &ended["cause"]), (202, &json!("released")));
    let sql = "SELECT actor_id FROM audit_events WHERE subject = $1 AND action = 'grant.closing'";
    let row = sqlx::query(sql).bind(&my_grant).fetch_one(service.pool());
    let by: String = row.await.unwrap().get(0);
    assert_eq!(by, machine.to_string());
    let again = id(&asked(&service, &own, "alice@example.com").await);
    let (status, _, taken) = post(&own, &format!("/requests/{again}/withdraw")).await;
    assert_eq!((status, &taken["state"]), (200, &json!("withdrawn")));
    let sql = "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND actor_id = $1";
    let refused = sqlx::query(sql).bind(machine.to_string());
    let refused: i64 = refused.fetch_one(service.pool()).await.unwrap().get(0);
    assert_eq!(refused, 4, "each refusal is on record as the machine's");
}

#[tokio::test]
async fn whoever_is_not_named_well_is_asked_for_in_vain() {
    let (service, _, machine) = service().await;
    let set = async |sql: &str| service.as_owner(sql).await;
    let nobody = "person_00000000000000000000000000";
    for named in [
        nobody,
        "zoe@example.com",
        "ALICE@example.com",
        "alice",
        "",
        "%@%",
        "a\0@b",
    ] {
        let refused = asked(&service, &machine, named).await;
        assert_eq!(told(&refused), (422, "person_unknown"), "{named}");
        assert_eq!(refused.body["errors"][0]["field"], "on_behalf_of");
    }
    let missing = service.call(&machine, "POST", "/requests", &ask()).await;
    assert_eq!(told(&missing), (422, "person_unknown"));
    // An address that is nobody's for sure is nobody's.
    set("UPDATE people SET email_verified = false WHERE name = 'Alice'").await;
    let refused = asked(&service, &machine, "alice@example.com").await;
    assert_eq!(told(&refused), (422, "person_unknown"));
    set("UPDATE people SET email_verified = true WHERE name = 'Alice'").await;
    set("UPDATE people SET email = 'alice@example.com' WHERE name = 'Mallory'").await;
    let refused = asked(&service, &machine, "alice@example.com").await;
    assert_eq!(told(&refused), (422, "person_unknown"));
    set("UPDATE people SET email = 'mallory@example.com' WHERE name = 'Mallory'").await;
    // Who may not ask is not asked for.
    let refused = asked(&service, &machine, "mallory@example.com").await;
    assert_eq!(told(&refused), (409, "not_eligible"));
    for entitlement in ["prod-root", "no-such-thing", "*"] {
        let mut body = ask_for("alice@example.com");
        body["entitlement"] = json!(entitlement);
        let refused = service.call(&machine, "POST", "/requests", &body).await;
        assert_eq!(told(&refused), (404, "not_found"), "{entitlement}");
    }
    // People ask for themselves, for themselves too.
    let alice = service.token("alice").await;
    let refused = asked(&service, &alice, "alice@example.com").await;
    assert_eq!(told(&refused), (403, "forbidden"));
    assert_eq!(service.count("requests").await, 0);
    let made = asked(&service, &machine, "alice@example.com").await;
    assert_eq!(made.status, 201, "{}", made.body);
}

/// An address that two accounts have verified names a human where it is one human's.
#[tokio::test]
async fn an_address_of_two_accounts_of_one_human_names_the_one_that_counts_for_both() {
    let (service, _, machine) = service().await;
    service
        .change(|it| it.person("mallory").email = "alice@example.com".to_owned())
        .await;
    let refused = asked(&service, &machine, "alice@example.com").await;
    assert_eq!(told(&refused), (422, "person_unknown"), "of two humans");
    service.change(|it| it.join("mallory", "alice")).await;
    let made = asked(&service, &machine, "alice@example.com").await;
    assert_eq!(made.status, 201, "{}", made.body);
    let alice = service.ctx("alice").await.person.id.to_string();
    assert_eq!(made.body["person_id"], alice.as_str());
    // By the id it is the account that is named, whichever that is.
    let mallory = service.ctx("mallory").await.person.id.to_string();
    let refused = asked(&service, &machine, &mallory).await;
    assert_eq!(told(&refused), (409, "not_eligible"));
}

/// Another's words are not the machine's: what it repeats is what it asked for itself.
#[tokio::test]
async fn a_repetition_is_one_of_the_same_caller() {
    let (service, _, machine) = service().await;
    let alice = service.token("alice").await;
    let own = ask();
    let mut behalf = own.clone();
    behalf["on_behalf_of"] = json!("alice@example.com");
    let first = service.call(&alice, "POST", "/requests", &own).await;
    let other = service.call(&machine, "POST", "/requests", &behalf).await;
    let again = service.call(&machine, "POST", "/requests", &behalf).await;
    assert_eq!(
        [&first, &other, &again].map(|it| it.status.as_u16()),
        [201, 201, 200]
    );
    assert_ne!(id(&first), id(&other));
    assert_eq!(id(&other), id(&again));
}

#[tokio::test]
async fn a_machine_has_no_more_than_its_token_and_no_more_than_it_has_itself() {
    let (service, machine, _) = service().await;
    let reads = token(&service, "bob", machine, Scopes::of(&[Scope::Read])).await;
    let refused = asked(&service, &reads, "alice@example.com").await;
    assert_eq!(told(&refused), (403, "insufficient_scope"));
    let asks = token(&service, "bob", machine, Scopes::of(&[Scope::Create])).await;
    let made = asked(&service, &asks, "alice@example.com").await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!("/requests/{}", id(&made));
    let refused = service.call(&asks, "GET", &path, &Value::Null).await;
    assert_eq!(told(&refused), (403, "insufficient_scope"));
    let seen = service.call(&reads, "GET", &path, &Value::Null).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    // It is let do less: its tokens follow.
    let less = "UPDATE machines SET scopes = '{request:create}'";
    service.as_owner(less).await;
    let refused = service.call(&reads, "GET", &path, &Value::Null).await;
    assert_eq!(told(&refused), (403, "insufficient_scope"));
    service
        .as_owner("UPDATE machines SET ended_at = created_at")
        .await;
    let over = asked(&service, &asks, "alice@example.com").await;
    assert_eq!(told(&over), (401, "unauthenticated"));
}
