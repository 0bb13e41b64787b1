//! The federation endpoint and the console, as a broker and a browser use them.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use chrono::TimeDelta;
use countersign::sandbox::{Fault, Rule, When};
use serde_json::{Value, json};

use super::*;

const HUB: &str = "arn:aws:iam::111122223333:role/hub";

/// alice's browser and broker: redirects are not followed, cookies are kept.
pub struct Browser<'a> {
    sandbox: &'a Sandbox,
    http: reqwest::Client,
}

impl<'a> Browser<'a> {
    pub fn new(sandbox: &'a Sandbox) -> Self {
        let http = reqwest::Client::builder().cookie_store(true);
        let http = http.redirect(reqwest::redirect::Policy::none());
        Self {
            sandbox,
            http: http.build().unwrap(),
        }
    }

    async fn federation(&self, params: &[(&str, &str)]) -> (u16, String) {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let url = format!("{}/federation?{query}", self.sandbox.url());
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A sign-in token for a session, or why not.
    pub async fn token(
        &self,
        session: &AssumeRoleOutput,
        seconds: Option<&str>,
    ) -> Result<String, String> {
        let keys = session.credentials().unwrap();
        let session = json!({
            "sessionId": keys.access_key_id(),
            "sessionKey": keys.secret_access_key(),
            "sessionToken": keys.session_token(),
        });
        let session = session.to_string();
        let mut params = vec![("Action", "getSigninToken"), ("Session", &session)];
        params.extend(seconds.map(|it| ("SessionDuration", it)));
        let (status, body) = self.federation(&params).await;
        if status != 200 {
            return Err(format!("{status} {body}"));
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        Ok(body["SigninToken"].as_str().unwrap().to_owned())
    }

    /// Signs in; the status.
    pub async fn login(&self, token: &str) -> u16 {
        let (destination, issuer) = ("https://console.aws.amazon.com/", "https://a.example");
        let (status, _) = self
            .federation(&[
                ("Action", "login"),
                ("Issuer", issuer),
                ("Destination", destination),
                ("SigninToken", token),
            ])
            .await;
        status
    }

    /// The keys that the console works with, if the browser is signed in.
    pub async fn keys(&self) -> Option<Value> {
        let url = format!("{}/console/keys", self.sandbox.url());
        let answer = self.http.get(url).send().await.unwrap();
        if answer.status() == 401 {
            return None;
        }
        Some(answer.json().await.unwrap())
    }

    pub async fn page(&self) -> String {
        let url = format!("{}/console", self.sandbox.url());
        let answer = self.http.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// Clients with the keys that the console works with.
    pub async fn clients(&self) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
        let keys = self.keys().await.expect("signed in");
        let text = |name: &str| keys[name].as_str().unwrap().to_owned();
        let token = Some(text("SessionToken"));
        let (id, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
        credentials(
            self.sandbox,
            Credentials::new(id, secret, token, None, "test"),
        )
    }
}

/// alice may assume `prod-admin` and `hub`, and `hub` may assume `prod-admin`.
async fn start_hub() -> Sandbox {
    let mut account = account(&trusts("*"));
    account.roles.push(role("hub", &trusts(ALICE)));
    start_with(account).await
}

fn ask(sts: &aws_sdk_sts::Client) -> AssumeRoleFluentBuilder {
    let call = sts.assume_role().role_arn(ROLE);
    call.role_session_name("grant_1")
}

async fn chained(sandbox: &Sandbox, seconds: Option<i32>) -> AssumeRoleOutput {
    let call = as_user(sandbox, "alice").1.assume_role().role_arn(HUB);
    let hub = call.role_session_name("hub").send().await.unwrap();
    let call = ask(&as_session(sandbox, &hub).1);
    call.set_duration_seconds(seconds).send().await.unwrap()
}

#[tokio::test]
async fn a_sign_in_token_opens_the_console_under_the_name_of_the_session() {
    let sandbox = start_hub().await;
    let browser = Browser::new(&sandbox);
    let session = ask(&as_user(&sandbox, "alice").1).send().await.unwrap();
    assert!(browser.keys().await.is_none());
    assert!(browser.page().await.contains("not signed in"));
    let token = browser.token(&session, None).await.unwrap();
    assert_eq!(browser.login(&token).await, 303);
    let (one, two) = (browser.keys().await.unwrap(), browser.keys().await.unwrap());
    assert_ne!(
        one["AccessKeyId"], two["AccessKeyId"],
        "made anew each time"
    );
    let old = session.credentials().unwrap().access_key_id();
    assert_ne!(one["AccessKeyId"], old);
    let (iam, sts) = browser.clients().await;
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), session.assumed_role_user().map(|it| it.arn()));
    assert_eq!(code(iam.list_users().send().await), "ok");
    let page = browser.page().await;
    assert!(page.contains("assumed-role/prod-admin/grant_1"), "{page}");
    assert!(page.contains("iam:ListUsers works"), "{page}");
    // A Deny by name ends it.
    let id = sandbox.knobs().unique_id(ROLE).unwrap();
    let deny = format!(r#"{{"StringEquals":{{"aws:userid":"{id}:grant_1"}}}}"#);
    let deny = identity("Deny", "*", &deny);
    sandbox
        .knobs()
        .put_role_policy(ROLE, "guard", Some(&deny))
        .unwrap();
    assert_eq!(code(iam.list_users().send().await), "AccessDenied");
    let page = browser.page().await;
    assert!(page.contains("explicit deny"), "{page}");
}

#[tokio::test]
async fn a_sign_in_token_works_15_minutes_for_whoever_has_it_as_often_as_they_like() {
    let sandbox = start_hub().await;
    let knobs = sandbox.knobs();
    knobs.set_clock("2026-06-01T12:00:00Z".parse().unwrap());
    let session = ask(&as_user(&sandbox, "alice").1).send().await.unwrap();
    let token = Browser::new(&sandbox).token(&session, None).await.unwrap();
    for _ in 0..2 {
        let other = Browser::new(&sandbox);
        assert_eq!(other.login(&token).await, 303);
        assert!(other.keys().await.is_some());
    }
    knobs.advance(TimeDelta::seconds(899));
    assert_eq!(Browser::new(&sandbox).login(&token).await, 303);
    let browser = Browser::new(&sandbox);
    knobs.advance(TimeDelta::seconds(1));
    assert_eq!(browser.login(&token).await, 400);
    assert!(browser.keys().await.is_none());
    assert_eq!(browser.login("other").await, 400);
    knobs.without(Rule::SigninTokensEnd);
    assert_eq!(browser.login(&token).await, 303);
}

#[tokio::test]
async fn the_console_ends_with_the_session_or_after_the_duration_that_was_asked_for() {
    let sandbox = start_hub().await;
    let knobs = sandbox.knobs();
    knobs.set_clock("2026-06-01T12:00:00Z".parse().unwrap());
    for (seconds, minutes) in [(None, 60), (Some("7200"), 120), (Some("900"), 15)] {
        let browser = Browser::new(&sandbox);
        let session = ask(&as_user(&sandbox, "alice").1).send().await.unwrap();
        let token = browser.token(&session, seconds).await.unwrap();
        assert_eq!(browser.login(&token).await, 303);
        knobs.advance(TimeDelta::minutes(minutes) - TimeDelta::seconds(1));
        assert!(browser.keys().await.is_some(), "{seconds:?}");
        let (iam, _) = browser.clients().await;
        assert_eq!(code(iam.list_users().send().await), "ok");
        knobs.advance(TimeDelta::seconds(1));
        assert!(browser.keys().await.is_none(), "{seconds:?}");
        assert_eq!(code(iam.list_users().send().await), "ExpiredToken");
    }
}

#[tokio::test]
async fn chained_credentials_open_it_only_without_a_duration() {
    let sandbox = start_hub().await;
    let browser = Browser::new(&sandbox);
    for (asked, seconds, opens) in [
        (None, None, true),
        (Some(900), None, false),
        (Some(3_600), None, false),
        (None, Some("3600"), false),
    ] {
        let session = chained(&sandbox, asked).await;
        let token = browser.token(&session, seconds).await;
        assert_eq!(token.is_ok(), opens, "{asked:?} {seconds:?} {token:?}");
        let long = ask(&as_user(&sandbox, "alice").1).set_duration_seconds(asked);
        let long = long.send().await.unwrap();
        assert!(
            browser.token(&long, seconds).await.is_ok(),
            "long-term keys may"
        );
    }
}

#[tokio::test]
async fn what_is_no_session_of_a_role_gets_no_token() {
    let sandbox = start_hub().await;
    let browser = Browser::new(&sandbox);
    let session = ask(&as_user(&sandbox, "alice").1).send().await.unwrap();
    for seconds in ["899", "43201", "x"] {
        let refused = browser.token(&session, Some(seconds)).await.unwrap_err();
        assert!(refused.starts_with("400 "), "{refused}");
    }
    for session in [
        "",
        "{}",
        r#"{"sessionId":"ASIA","sessionKey":"x","sessionToken":"y"}"#,
    ] {
        let params = [("Action", "getSigninToken"), ("Session", session)];
        let (status, body) = browser.federation(&params).await;
        assert!(status == 400 || status == 403, "{session} {body}");
    }
    let (status, _) = browser.federation(&[("Action", "getSession")]).await;
    assert_eq!(status, 400);
    let sts = as_user(&sandbox, "alice").1;
    let own = sts.get_session_token().send().await.unwrap();
    let own = AssumeRoleOutput::builder()
        .credentials(own.credentials().unwrap().clone())
        .build();
    assert!(browser.token(&own, None).await.is_err());
    sandbox.knobs().advance(TimeDelta::hours(1));
    assert!(browser.token(&session, None).await.is_err(), "it has ended");
}

#[tokio::test]
async fn the_session_policy_and_the_time_of_issue_of_the_consoles_keys_can_be_taken_otherwise() {
    let sandbox = start_hub().await;
    let knobs = sandbox.knobs();
    knobs.set_clock("2026-06-01T12:00:00Z".parse().unwrap());
    let narrow = identity("Allow", "iam:ListUsers", "{}");
    let call = ask(&as_user(&sandbox, "alice").1).policy(narrow);
    let session = call.send().await.unwrap();
    let browser = Browser::new(&sandbox);
    let token = browser.token(&session, None).await.unwrap();
    knobs.advance(TimeDelta::minutes(1));
    assert_eq!(browser.login(&token).await, 303);
    let roles = async || code(browser.clients().await.0.list_roles().send().await);
    let users = async || code(browser.clients().await.0.list_users().send().await);
    assert_eq!(roles().await, "AccessDenied");
    let cut = r#"{"DateLessThanEquals":{"aws:TokenIssueTime":"2026-06-01T12:00:00Z"}}"#;
    let cut = identity("Deny", "*", cut);
    knobs.put_role_policy(ROLE, "guard", Some(&cut)).unwrap();
    assert_eq!(users().await, "ok", "a cut by time misses it");
    knobs.without(Rule::ConsoleKeysAreNew);
    assert_eq!(users().await, "AccessDenied");
    knobs.put_role_policy(ROLE, "guard", None).unwrap();
    knobs.without(Rule::ConsoleKeepsSessionPolicy);
    assert_eq!(roles().await, "ok");
}

#[tokio::test]
async fn the_federation_endpoint_fails_and_is_logged_like_any_call_without_its_secrets() {
    let sandbox = start_hub().await;
    let knobs = sandbox.knobs();
    let session = ask(&as_user(&sandbox, "alice").1).send().await.unwrap();
    let browser = Browser::new(&sandbox);
    let fault = Fault::Error {
        status: 503,
        code: "ServiceUnavailable".to_owned(),
        message: "x".to_owned(),
    };
    knobs.fail("GetSigninToken", 1, When::BeforeEffect, fault);
    let refused = browser.token(&session, None).await.unwrap_err();
    assert_eq!(refused, "503 ServiceUnavailable: x");
    let token = browser.token(&session, None).await.unwrap();
    assert_eq!(browser.login(&token).await, 303);
    let calls = knobs.calls();
    let last: Vec<_> = calls.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(last, ["AssumeRole", "GetSigninToken", "ConsoleLogin"]);
    let text = format!("{calls:?}");
    let secret = session.credentials().unwrap().secret_access_key();
    assert!(!text.contains(secret) && !text.contains(&token), "{text}");
    assert_eq!(calls[1].caller, session.assumed_role_user().unwrap().arn());
}
