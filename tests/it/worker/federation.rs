//! The console's sign-in as one that is not what it should be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use countersign::aws::{AwsError, Clouds, Session};
use countersign::domain::fetch::Issued;
use secrecy::ExposeSecret as _;

use crate::support::console::parameter;

const TOKEN: &str = r#"{"SigninToken":"abc"}"#;

/// What it was asked: method, address, type and body.
type Asked = Arc<Mutex<Vec<(Method, String, String, String)>>>;

/// An AWS that answers everything in the same way.
async fn always(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (Clouds, Asked) {
    let asked = Asked::default();
    let told = Arc::clone(&asked);
    let hear = async move |method: Method, uri: Uri, headers: HeaderMap, body: String| {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let said = (method, uri.to_string(), kind, body);
        told.lock().unwrap().push(said);
        answer()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(hear);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let patience = Duration::from_secs(3);
    (
        Clouds::with(&endpoint, "AKIA", "secret", patience).await,
        asked,
    )
}

fn session() -> Session {
    Session {
        issued: Issued {
            access_key_id: "ASIAQ3EGRIKLMNOPQRST".to_owned(),
            expires_at: DateTime::UNIX_EPOCH,
            packed_percent: None,
        },
        role_id: None,
        secret: "the+secret".into(),
        token: "the/token==".into(),
    }
}

async fn link(clouds: &Clouds, partition: &str) -> Result<String, AwsError> {
    let role = format!("arn:{partition}:iam::111122223333:role/prod-admin");
    let session = session();
    let made = clouds.console_link(&role, &session, "https://a.example");
    Ok(made.await?.expose_secret().to_owned())
}

#[tokio::test]
async fn the_session_is_in_the_form_alone_and_each_partition_has_a_console_of_its_own() {
    let (clouds, asked) = always(|| TOKEN.into_response()).await;
    for (partition, console) in [
        ("aws", "https://console.aws.amazon.com/"),
        ("aws-us-gov", "https://console.amazonaws-us-gov.com/"),
        ("aws-cn", "https://console.amazonaws.cn/"),
    ] {
        let made = link(&clouds, partition).await.unwrap();
        assert_eq!(parameter(&made, "Destination"), console);
        assert_eq!(parameter(&made, "Issuer"), "https://a.example");
        assert_eq!(parameter(&made, "SigninToken"), "abc");
    }
    assert_eq!(link(&clouds, "aws-iso").await, Err(AwsError::Denied));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    let (method, address, kind, body) = &asked[0];
    assert_eq!((method, address.as_str()), (&Method::POST, "/federation"));
    assert_eq!(kind, "application/x-www-form-urlencoded");
    let sent: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
    let json = r#"{"sessionId":"ASIAQ3EGRIKLMNOPQRST","sessionKey":"the+secret","sessionToken":"the/token=="}"#;
    let expected = [
        ("Action".into(), "getSigninToken".into()),
        ("Session".into(), json.into()),
    ];
    assert_eq!(sent, expected);
}

/// The secrets go to nobody whom an answer names.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let elsewhere = move || (status, [(header::LOCATION, "/elsewhere")], TOKEN).into_response();
        let (clouds, asked) = always(elsewhere).await;
        assert_eq!(link(&clouds, "aws").await, Err(AwsError::Unclear));
        assert_eq!(asked.lock().unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_token_or_too_long_makes_no_link() {
    let padded = |spaces: usize| format!("{}{TOKEN}", " ".repeat(spaces));
    for text in ["", "abc", "{}", r#"{"SigninToken":""}"#, "[]"] {
        let (clouds, _) = always(move || text.into_response()).await;
        assert_eq!(link(&clouds, "aws").await, Err(AwsError::Unclear), "{text}");
    }
    let (clouds, _) = always(move || padded(65_000).into_response()).await;
    assert!(link(&clouds, "aws").await.is_ok());
    let (clouds, _) = always(move || padded(66_000).into_response()).await;
    assert_eq!(link(&clouds, "aws").await, Err(AwsError::Unclear));
}

/// Nobody waits for it longer than ten seconds.
#[tokio::test]
async fn silence_is_waited_for_no_longer_than_ten_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let clouds = Clouds::with(&endpoint, "AKIA", "secret", Duration::from_secs(60)).await;
    let most = Duration::from_secs(13);
    let told = tokio::time::timeout(most, link(&clouds, "aws")).await;
    assert_eq!(told.expect("in time"), Err(AwsError::Unclear));
}
