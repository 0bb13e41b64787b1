//! The way there and back: what the browser is sent with, what it has to bring, and where it ends.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{World, pair, set_cookies};
use crate::support::portal::ORIGIN;

#[tokio::test]
async fn a_browser_is_sent_with_everything_that_ties_the_answer_to_it() {
    let world = World::new().await;
    let flow = world.start("/requests").await;
    assert_eq!(flow.asked("response_type"), "code");
    assert_eq!(flow.asked("client_id"), "countersign");
    assert_eq!(
        flow.asked("redirect_uri"),
        format!("{ORIGIN}/sign-in/callback")
    );
    assert_eq!(flow.asked("scope"), "openid profile email");
    assert_eq!(flow.asked("code_challenge_method"), "S256");
    assert_eq!(flow.asked("code_challenge").len(), 43);
    let another = world.start("/requests").await;
    for own in ["state", "nonce", "code_challenge"] {
        assert!(flow.asked(own).len() >= 43, "{own}");
        assert_ne!(flow.asked(own), another.asked(own), "{own}");
    }
    let done = world.come_back(&flow, &world.claims(&flow)).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(done.place(), "/requests");
    // The secret of the challenge is shown to nobody but the provider.
    let [exchange] = &world.provider.exchanges()[..] else {
        panic!("one exchange");
    };
    let verifier = &exchange.form["code_verifier"];
    assert_eq!(
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
        flow.asked("code_challenge")
    );
    assert_eq!(exchange.form["grant_type"], "authorization_code");
    assert_eq!(exchange.form["redirect_uri"], flow.asked("redirect_uri"));
    assert_eq!(exchange.form["client_id"], "countersign");
    assert_eq!(exchange.authorization, "");
}

#[tokio::test]
async fn the_cookie_of_an_attempt_is_for_this_host_and_goes_when_it_is_used() {
    let world = World::new().await;
    let started = world.portal.stranger().get("/sign-in/start").await;
    let [set] = set_cookies(&started).collect::<Vec<_>>()[..] else {
        panic!("one cookie");
    };
    assert!(
        set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"),
        "{set}"
    );
    let flow = world.start("/").await;
    let done = world.come_back(&flow, &world.claims(&flow)).await;
    assert_eq!(pair(&done, "countersign-signin="), "countersign-signin=");
    assert!(set_cookies(&done).any(|it| it.contains("Max-Age=0")));
}

#[tokio::test]
async fn a_secret_goes_where_the_provider_takes_it() {
    let secret = || SecretString::from("s3cret /+");
    let world = World::with(|config| config.oidc.client_secret = Some(secret())).await;
    world.alice().await;
    let basic = world.provider.exchanges()[0].clone();
    // Encoded as in a form before (RFC 6749, 2.3.1).
    let pair = STANDARD.encode("countersign:s3cret+%2F%2B");
    assert_eq!(basic.authorization, format!("Basic {pair}"));
    assert!(!basic.form.contains_key("client_secret"));

    let world = World::with(|config| config.oidc.client_secret = Some(secret())).await;
    let methods = json!(["client_secret_post", "private_key_jwt"]);
    world
        .provider
        .describes("token_endpoint_auth_methods_supported", methods);
    world.alice().await;
    let posted = world.provider.exchanges()[0].clone();
    assert_eq!(posted.authorization, "");
    assert_eq!(posted.form["client_secret"], "s3cret /+");
    assert_eq!(posted.form["client_id"], "countersign");
}

#[tokio::test]
async fn an_attempt_works_once_in_its_own_browser_and_for_ten_minutes() {
    let world = World::new().await;
    let (own, other) = (world.start("/").await, world.start("/").await);
    let claims = world.claims(&own);
    // Another browser's state, and no cookie at all: neither attempt is used up by it.
    let mut crossed = own.clone();
    crossed.cookie = other.cookie.clone();
    let answer = world.come_back(&crossed, &claims).await;
    world.assert_refused(&answer, 400, "sign_in_expired").await;
    crossed.cookie = String::new();
    let answer = world.come_back(&crossed, &claims).await;
    world.assert_refused(&answer, 400, "sign_in_expired").await;
    assert_eq!(
        world.come_back(&own, &claims).await.status,
        StatusCode::SEE_OTHER
    );
    let again = world.come_back(&own, &claims).await;
    world.assert_refused(&again, 400, "sign_in_expired").await;
    world.portal.later(TimeDelta::minutes(10));
    let late = world.come_back(&other, &world.claims(&other)).await;
    world.assert_refused(&late, 400, "sign_in_expired").await;
    // No code was shown to the provider but for the one that was signed in.
    assert_eq!(world.provider.exchanges().len(), 1);
}

#[tokio::test]
async fn an_attempt_that_was_refused_is_used_up() {
    let world = World::new().await;
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    claims["nonce"] = json!("another");
    let answer = world.come_back(&flow, &claims).await;
    let check = world.assert_refused(&answer, 403, "token_invalid").await;
    assert_eq!(check.as_deref(), Some("nonce"));
    let answer = world.come_back(&flow, &world.claims(&flow)).await;
    world.assert_refused(&answer, 400, "sign_in_expired").await;
}

#[tokio::test]
async fn a_browser_ends_at_a_place_of_ours_and_nowhere_else() {
    let world = World::new().await;
    let long = format!("/{}", "a".repeat(5000));
    for (next, place) in [
        ("/requests?state=pending", "/requests?state=pending"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/sign-in", "/"),
        ("/sign-out", "/"),
        ("/d/eyJhbGciOi", "/"),
        (long.as_str(), "/"),
        ("", "/"),
    ] {
        let flow = world.start(next).await;
        let answer = world.come_back(&flow, &world.claims(&flow)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{next}");
        assert_eq!(answer.place(), place, "{next}");
    }
}

#[tokio::test]
async fn what_the_provider_says_of_itself_is_told_in_our_own_words() {
    let world = World::new().await;
    for (error, words) in [
        ("access_denied", "you may not use Countersign"),
        ("server_error", "trouble of its own"),
        ("login_required", "something more"),
        ("invalid_scope", "as it is configured"),
        ("<script>alert(1)</script>", "not said why"),
    ] {
        let flow = world.start("/").await;
        let said = [
            ("error", error),
            ("error_description", "Call 555-0100 at once"),
            ("state", flow.asked("state")),
        ];
        let answer = world.call_back(&flow, &said).await;
        world.assert_refused(&answer, 400, "sign_in_refused").await;
        assert!(answer.body.contains(words), "{error}: {}", answer.body);
        assert!(!answer.body.contains("555-0100"), "{}", answer.body);
        assert!(!answer.body.contains("alert(1)"), "{}", answer.body);
    }
    let flow = world.start("/").await;
    let answer = world
        .call_back(&flow, &[("state", flow.asked("state"))])
        .await;
    world.assert_refused(&answer, 400, "sign_in_refused").await;
}

#[tokio::test]
async fn an_answer_of_another_provider_is_refused() {
    let world = World::new().await;
    let come_back = async |iss: Option<&str>| {
        let flow = world.start("/").await;
        let code = world
            .provider
            .code(&world.provider.key.sign(&world.claims(&flow)));
        let mut query = vec![("code", code.as_str()), ("state", flow.asked("state"))];
        query.extend(iss.map(|iss| ("iss", iss)));
        world.call_back(&flow, &query).await
    };
    let own = world.provider.issuer.clone();
    assert_eq!(come_back(None).await.status, StatusCode::SEE_OTHER);
    assert_eq!(come_back(Some(&own)).await.status, StatusCode::SEE_OTHER);
    for other in ["https://evil.example", &format!("{own}/"), ""] {
        let answer = come_back(Some(other)).await;
        world.assert_refused(&answer, 400, "sign_in_refused").await;
    }
    assert_eq!(
        world.provider.exchanges().len(),
        2,
        "no code went out for the others"
    );

    // Where it promises to name itself, an answer without a name is somebody else's.
    let world = World::new().await;
    let promise = "authorization_response_iss_parameter_supported";
    world.provider.describes(promise, json!(true));
    let flow = world.start("/").await;
    let answer = world.come_back(&flow, &world.claims(&flow)).await;
    world.assert_refused(&answer, 400, "sign_in_refused").await;
}

#[tokio::test]
async fn after_ten_failures_an_address_waits_and_who_is_signed_in_goes_on() {
    let world = World::new().await;
    let alice = world.alice().await;
    for _ in 0..11 {
        let flow = world.start("/").await;
        let wrong = [("code", "x"), ("state", "not-mine")];
        let answer = world.call_back_from([192, 0, 2, 1], &flow, &wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    let flow = world.start("/").await;
    let code = world
        .provider
        .code(&world.provider.key.sign(&world.claims(&flow)));
    let right = [("code", code.as_str()), ("state", flow.asked("state"))];
    let answer = world.call_back_from([192, 0, 2, 1], &flow, &right).await;
    assert_eq!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        answer.body
    );
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(
        world.refused().await.len(),
        11,
        "what is not looked at leaves no event"
    );
    // From elsewhere the same attempt still works: it was not used up.
    let answer = world.call_back_from([198, 51, 100, 1], &flow, &right).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(alice.get("/requests").await.status, StatusCode::OK);
}

/// What was typed when a session was over goes to the provider and back with the attempt, and is
/// shown to nobody else who comes back.
#[tokio::test]
async fn what_was_typed_comes_back_with_its_own_person() {
    let world = World::new().await;
    let portal = &world.portal;
    let ask = [("justification", "The disk is full")];
    for (subject, is_kept) in [("alice-1", true), ("mallory-1", false)] {
        let alice = world.alice().await;
        alice.post("/me/sessions/end-all", &[]).await;
        let sent = alice.post("/entitlements/prod-admin", &ask).await;
        let page = alice.get(sent.place()).await;
        let start = page.body.split("href=\"/sign-in/start?").nth(1).unwrap();
        let query = start.split('"').next().unwrap().replace("&amp;", "&");
        let flow = world.set_out(&query).await;
        let mut claims = world.claims(&flow);
        claims["sub"] = json!(subject);
        let answer = world.come_back(&flow, &claims).await;
        let place = "/entitlements/prod-admin?draft=draft_";
        assert!(answer.place().starts_with(place), "{}", answer.place());
        let page = world.browser(&answer).get(answer.place()).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert_eq!(page.body.contains("The disk is full"), is_kept, "{subject}");
        assert_eq!(portal.count("drafts").await, 1, "{subject}");
    }
}
