//! Tokens and machines are made in the portal, by a session, and by nothing else.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::http::header::AUTHORIZATION;
use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use countersign::ids::TokenId;
use serde_json::json;

use crate::support::api::Api;
use crate::support::app::TestApp;
use crate::support::portal::{Answer, Browser, FORM, Portal};

const GOOD: [(&str, &str); 4] = [
    ("name", "laptop"),
    ("expires_in", "PT720H"),
    ("scopes", "request:read"),
    ("scopes", "request:create"),
];

/// The one token on a page.
fn shown(answer: &Answer) -> String {
    let form = regex_lite::Regex::new("cs[nm]_[0-9A-Za-z]{49}").unwrap();
    let all: Vec<_> = form.find_iter(&answer.body).collect();
    assert_eq!(all.len(), 1, "{}", answer.body);
    all[0].as_str().to_owned()
}

async fn world() -> (Portal, Api) {
    let company = TestApp::new().await;
    (company.portal(), company.api().await)
}

async fn me(api: &Api, token: &str) -> u16 {
    let answer = api.call(token, "GET", "/people/me", &json!({})).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn a_token_is_on_the_page_that_answers_its_making_and_on_no_other() {
    let (portal, api) = world().await;
    let alice = portal.browser("alice").await;
    let made = alice.post("/me/tokens", &GOOD).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    assert_eq!(made.header("cache-control"), "no-store");
    let token = shown(&made);
    assert_eq!(me(&api, &token).await, 200);
    for page in ["/me/tokens", "/me/sessions", "/", "/audit"] {
        let seen = alice.get(page).await;
        assert_eq!(seen.status, StatusCode::OK, "{page}");
        assert!(!seen.body.contains(&token[10..]), "{page}");
    }
    let list = alice.get("/me/tokens").await.body;
    for told in [
        "laptop",
        &token[..10],
        "request:read",
        "request:create",
        "Works until",
    ] {
        assert!(list.contains(told), "{told}: {list}");
    }
    // Nor is it in the rows that tell of it.
    let rows = "SELECT count(*) FROM (SELECT t::text FROM api_tokens t UNION SELECT e::text FROM audit_events e) it (x) WHERE x LIKE '%' || $1 || '%'";
    let found = sqlx::query_scalar(rows).bind(&token[10..]);
    let found: i64 = found.fetch_one(portal.pool()).await.unwrap();
    assert_eq!(found, 0);
    let ids = api.call(&token, "GET", "/tokens", &json!({})).await;
    let id = ids.body["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        ids.body["items"][0]["scopes"],
        json!(["request:create", "request:read"])
    );
    let bob = portal.browser("bob").await;
    let path = format!("/me/tokens/{id}/revoke");
    assert_eq!(bob.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(me(&api, &token).await, 200);
    let revoked = alice.post(&path, &[]).await;
    assert_eq!(revoked.place(), "/me/tokens");
    assert_eq!(me(&api, &token).await, 401);
    let again = alice.post(&path, &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.body);
    assert!(alice.get("/me/tokens").await.body.contains("Revoked"));
}

#[tokio::test]
async fn what_does_not_fit_is_told_field_by_field_and_nothing_is_made() {
    let (portal, _) = world().await;
    let alice = portal.browser("alice").await;
    for (change, told) in [
        (("name", " "), "Name must not be empty"),
        (("name", "a\u{202e}b"), "id=\"name-error\""),
        (("expires_in", "PT2161H"), "Works for must be from 1 second"),
        (("expires_in", "PT0S"), "Works for must be from 1 second"),
        (("expires_in", "soon"), "id=\"expires_in-error\""),
        (("scopes", "everything"), "Scopes must be those on offer"),
    ] {
        let mut form = GOOD.to_vec();
        form.retain(|(name, _)| *name != change.0);
        form.push(change);
        let answer = alice.post("/me/tokens", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    let none: Vec<_> = GOOD.into_iter().filter(|it| it.0 != "scopes").collect();
    let answer = alice.post("/me/tokens", &none).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let more: Vec<_> = GOOD.into_iter().chain([("admin", "yes")]).collect();
    let answer = alice.post("/me/tokens", &more).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(portal.count("api_tokens").await, 0);
}

const MACHINE: [(&str, &str); 5] = [
    ("name", "deploys"),
    ("owner", "bob@example.com"),
    ("scopes", "request:create"),
    ("scopes", "request:read"),
    ("entitlements", "prod-admin, prod-root"),
];

async fn machine(ada: &Browser<'_>) -> String {
    let made = ada.post("/admin/machines", &MACHINE).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    made.place().to_owned()
}

#[tokio::test]
async fn an_admin_gives_a_machine_to_another_owner_and_nobody_else_does() {
    let (portal, api) = world().await;
    let (ada, bob) = (portal.browser("ada").await, portal.browser("bob").await);
    let place = machine(&ada).await;
    let give = place.replace("/tokens", "/owner");
    let old = shown(&bob.post(&place, &GOOD).await);
    assert_eq!(
        api.call(&old, "GET", "/requests", &json!({})).await.status,
        200
    );
    assert!(ada.get(&place).await.body.contains(&give));
    assert!(!bob.get(&place).await.body.contains(&give));
    let carols = [("owner", "carol@example.com")];
    assert_eq!(bob.post(&give, &carols).await.status, StatusCode::FORBIDDEN);
    let wrong = ada.post(&give, &[("owner", "<zoe>")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("id=\"owner-error\""), "{}", wrong.body);
    assert!(
        wrong.body.contains("&#60;zoe&#62;"),
        "what was typed stays: {}",
        wrong.body
    );
    let more = [("owner", "carol@example.com"), ("name", "x")];
    assert_eq!(
        ada.post(&give, &more).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let given = ada.post(&give, &carols).await;
    assert_eq!(given.place(), place);
    assert!(ada.get(&place).await.body.contains("<dd>Carol</dd>"));
    assert_eq!(
        api.call(&old, "GET", "/requests", &json!({})).await.status,
        401
    );
    assert_eq!(bob.get(&place).await.status, StatusCode::NOT_FOUND);
    let carol = portal.browser("carol").await;
    assert_eq!(carol.get(&place).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_admin_makes_a_machine_and_its_owner_gives_it_tokens_until_it_is_ended() {
    let (portal, api) = world().await;
    let (ada, bob, alice) = (
        portal.browser("ada").await,
        portal.browser("bob").await,
        portal.browser("alice").await,
    );
    let refused = bob.post("/admin/machines", &MACHINE).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        bob.get("/admin/machines").await.status,
        StatusCode::FORBIDDEN
    );
    let place = machine(&ada).await;
    let page = bob.get(&place).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("prod-admin, prod-root"), "{}", page.body);
    assert!(bob.get("/admin/machines").await.body.contains(&place));
    assert_eq!(alice.get(&place).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        alice.post(&place, &GOOD).await.status,
        StatusCode::NOT_FOUND
    );
    let more = [
        ("name", "x"),
        ("expires_in", "PT1H"),
        ("scopes", "request:decide"),
    ];
    let refused = bob.post(&place, &more).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let token = shown(&bob.post(&place, &GOOD).await);
    assert!(token.starts_with("csm_"));
    let list = api.call(&token, "GET", "/requests", &json!({})).await;
    assert_eq!(list.status, 200, "{}", list.body);
    assert!(bob.get(&place).await.body.contains(&token[..10]));
    let end = place.replace("/tokens", "/end");
    assert_eq!(alice.post(&end, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.post(&end, &[]).await.place(), place);
    let list = api.call(&token, "GET", "/requests", &json!({})).await;
    assert_eq!(list.status, 401);
    let over = bob.get(&place).await.body;
    assert!(
        over.contains("Ended") && !over.contains("Make the token"),
        "{over}"
    );
    for (path, form) in [(&end, &[][..]), (&place, &GOOD[..])] {
        let again = ada.post(path, form).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "{path}: {}", again.body);
    }
}

#[tokio::test]
async fn a_machine_that_could_ask_for_anything_or_be_anybody_is_not_made() {
    let (portal, _) = world().await;
    let ada = portal.browser("ada").await;
    let issuer = ("issuer", "https://tokens.example.com");
    for (changes, told) in [
        (
            vec![("entitlements", "*")],
            "Entitlements must be named each",
        ),
        (vec![("entitlements", " , ")], "Entitlements must name each"),
        (vec![("entitlements", "prod-admin x")], "`x` is not"),
        (vec![("owner", "zoe@example.com")], "Owner must be"),
        (
            vec![("scopes", "request:decide")],
            "Scopes must be one or more of request:create request:read",
        ),
        (vec![("name", "")], "Name must not be empty"),
        (vec![issuer], "Claims must have `sub`"),
        (
            vec![issuer, ("claims", "repository = octo/app")],
            "Claims must have `sub`",
        ),
        (vec![issuer, ("claims", "sub")], "Claims must be lines"),
        (
            vec![issuer, ("claims", "sub = a\nsub = b")],
            "Claims must be lines",
        ),
        (
            vec![issuer, ("claims", "{\"sub\": 1}")],
            "Claims must be lines",
        ),
        (
            vec![
                ("issuer", "http://tokens.example.com"),
                ("claims", "sub = a"),
            ],
            "Issuer must be the issuer’s URL, by https",
        ),
        (
            vec![
                ("issuer", "https://u:p@tokens.example.com"),
                ("claims", "sub = a"),
            ],
            "without user and password",
        ),
        (vec![("claims", "sub = a")], "Issuer is missing"),
    ] {
        let mut form: Vec<_> = MACHINE.to_vec();
        form.retain(|(name, _)| changes.iter().all(|change| change.0 != *name));
        form.extend(changes);
        let answer = ada.post("/admin/machines", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
        let body = answer.body.replace("&#39;", "’").replace("&#x27;", "’");
        assert!(body.contains(told), "{told}: {body}");
    }
    assert_eq!(portal.count("machines").await, 0);
    let mut good = MACHINE.to_vec();
    good.extend([issuer, ("claims", "sub = repo:octo/app\nref = a=b")]);
    let made = ada.post("/admin/machines", &good).await;
    let page = ada.get(made.place()).await.body;
    assert!(
        page.contains("repo:octo/app") && page.contains("a=b"),
        "{page}"
    );
    let same = ada.post("/admin/machines", &MACHINE).await;
    assert_eq!(same.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(same.body.contains("Name is that of another machine"));
}

/// A stolen token makes neither a token nor a machine.
#[tokio::test]
async fn attack_11_a_stolen_token_breeds_no_other() {
    let (portal, api) = world().await;
    let stolen = api.token("ada").await;
    let place = machine(&portal.browser("ada").await).await;
    let before = portal.count("api_tokens").await;
    for path in [
        "/me/tokens",
        "/admin/machines",
        place.as_str(),
        "/tokens/new",
    ] {
        let answer = api.call(&stolen, "POST", path, &json!({"name": "x"})).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    let answer = api
        .call(&stolen, "POST", "/tokens", &json!({"name": "x"}))
        .await;
    assert_eq!(answer.status, 405, "{}", answer.body);
    // The portal reads cookies alone, and none that holds a token.
    let cookie = format!("countersign={stolen}");
    for cookie in ["", cookie.as_str()] {
        let browser = Browser {
            portal: &portal,
            cookie: cookie.to_owned(),
        };
        for path in ["/me/tokens", "/admin/machines", place.as_str()] {
            let sent = browser
                .request(Method::POST, path)
                .header("sec-fetch-site", "same-origin")
                .header("content-type", FORM)
                .header(AUTHORIZATION, format!("Bearer {stolen}"));
            let form = "name=x&expires_in=PT1H&scopes=request:read";
            let answer = portal
                .send(sent.body(axum::body::Body::from(form)).unwrap())
                .await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
            assert!(answer.place().starts_with("/sign-in"), "{path}");
        }
    }
    // And the API none.
    let session = portal.browser("ada").await.cookie;
    let answer = api
        .raw("GET", "/people/me", &[("cookie", &session)], Vec::new())
        .await;
    assert_eq!(answer.status, 401);
    let after = (
        portal.count("api_tokens").await,
        portal.count("machines").await,
    );
    assert_eq!(after, (before, 1));
}

#[tokio::test]
async fn whoever_revokes_by_the_api_revokes_their_own() {
    let (portal, api) = world().await;
    let (alice, bob, ada) = (
        api.token("alice").await,
        api.token("bob").await,
        api.token("ada").await,
    );
    let ids = async |token: &str| {
        let list = api.call(token, "GET", "/tokens", &json!({})).await;
        let items = list.body["items"].as_array().unwrap().clone();
        let ids = items.iter().map(|it| it["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    let [own] = &ids(&alice).await[..] else {
        panic!("one of hers");
    };
    let revoke = async |token: &str, id: &str| {
        let path = format!("/tokens/{id}/revoke");
        let answer = api.call(token, "POST", &path, &json!({})).await;
        (answer.status.as_u16(), answer.code().to_owned())
    };
    let gone = TokenId::new().to_string();
    assert_eq!(revoke(&bob, own).await.0, 404);
    assert_eq!(revoke(&ada, &gone).await.0, 404);
    // An admin's token that is not for admins' work revokes what is theirs.
    let less = api
        .token_with("ada", countersign::domain::scope::Scopes::USUAL)
        .await;
    assert_eq!(revoke(&less, own).await.0, 404);
    assert_eq!(revoke(&ada, own).await.0, 200);
    assert_eq!(me(&api, &alice).await, 401);
    assert_eq!(revoke(&ada, own).await, (409, "wrong_state".to_owned()));
    let other = &ids(&bob).await[0];
    portal.later(TimeDelta::days(2));
    let ada = api.token("ada").await;
    assert_eq!(revoke(&ada, other).await, (409, "wrong_state".to_owned()));
}

/// Who asked for whom stands on the page, and on the start page of whom it is for.
#[tokio::test]
async fn a_person_is_told_by_whom_they_were_asked_for() {
    let (portal, api) = world().await;
    let place = machine(&portal.browser("ada").await).await;
    let bob = portal.browser("bob").await;
    let token = shown(&bob.post(&place, &GOOD).await);
    let mut body = crate::support::api::ask();
    body["on_behalf_of"] = json!("alice@example.com");
    let made = api.call(&token, "POST", "/requests", &body).await;
    let request = format!("/requests/{}", made.body["id"].as_str().unwrap());
    let alice = portal.browser("alice").await;
    let told = "asked by deploys for Alice";
    for page in ["/", "/requests"] {
        let seen = alice.get(page).await.body;
        assert!(seen.contains(told), "{page}: {seen}");
    }
    let seen = alice.get(&request).await.body;
    assert!(
        seen.contains("The machine deploys asked on behalf of Alice"),
        "{seen}"
    );
    assert!(seen.contains("Withdraw request"));
    // Its owner could see it as an approver, and is offered nothing.
    let seen = bob.get(&request).await.body;
    assert!(!seen.contains("Your decision"), "{seen}");
    let carol = portal.browser("carol").await.get(&request).await.body;
    assert!(carol.contains("Your decision"), "{carol}");
    assert!(!carol.contains("Can decide: Bob"), "{carol}");
}
