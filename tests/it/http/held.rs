//! Clients that leave something undone.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use countersign::api;
use countersign::serve::http::Limits;
use futures_util::stream;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, Semaphore};

use super::{LIMITS, NEVER, PATIENCE, SHORT, Server, read_until, rest};
use crate::support::app::TestApp;
use crate::support::wait;

const HEAD: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// Answers once it is told to; tells what it has begun with.
fn slow() -> (Router, Arc<Semaphore>, Arc<Notify>) {
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (begins, waits) = (Arc::clone(&begun), Arc::clone(&go));
    let answer = async move || {
        begins.add_permits(1);
        waits.notified().await;
        "at last"
    };
    (Router::new().route("/", get(answer)), begun, go)
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_cut() {
    let limits = Limits {
        head: SHORT,
        ..LIMITS
    };
    let server = Server::start(hello(), limits).await;
    for sent in ["", "GET", "GET / HTTP/1.1\r\nX"] {
        let mut held = server.send(sent).await;
        assert_eq!(rest(&mut held).await, "", "{sent}");
    }
}

#[tokio::test]
async fn a_later_head_is_cut_as_well() {
    let limits = Limits {
        head: Duration::from_secs(2),
        ..LIMITS
    };
    let server = Server::start(hello(), limits).await;
    let mut held = server.send(HEAD).await;
    read_until(&mut held, "hello").await;
    held.write_all(b"GET / HTTP/1.1\r\nX").await.unwrap();
    assert_eq!(rest(&mut held).await, "");
}

#[tokio::test]
async fn the_limit_of_a_head_is_none_of_the_time_between_two_requests() {
    let head = Duration::from_secs(3);
    let server = Server::start(hello(), Limits { head, ..LIMITS }).await;
    let mut kept = server.send(HEAD).await;
    read_until(&mut kept, "hello").await;
    tokio::time::sleep(head + Duration::from_secs(1)).await;
    kept.write_all(HEAD.as_bytes()).await.unwrap();
    read_until(&mut kept, "hello").await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    // hyper counts both together.
    let limits = Limits {
        idle: SHORT,
        head: Duration::from_secs(2),
        ..LIMITS
    };
    let server = Server::start(hello(), limits).await;
    let mut idle = server.send(HEAD).await;
    read_until(&mut idle, "hello").await;
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_to_its_end_is_cut_with_a_problem() {
    let service = TestApp::new().await.api().await;
    let token = service.token("alice").await;
    let router = Router::new().nest("/api/v1", api::router(service.app.clone()));
    let portal = TestApp::new().await.portal();
    let limits = Limits {
        body: SHORT,
        ..LIMITS
    };
    let server = Server::start(router.fallback_service(portal.router.clone()), limits).await;
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    for (path, kind, begins) in [
        ("/api/v1/requests", json, "{\"entitlement\":"),
        (
            "/api/v1/grants/grant_01h455vb4pex5vsknk084sn02q/end",
            json,
            "",
        ),
        ("/sign-in", form, "person="),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\n\
             sec-fetch-site: same-origin\r\ncontent-length: 1000\r\n\r\n{begins}"
        );
        let answer = rest(&mut server.send(&head).await).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.contains("request_timeout"), "{path}: {answer}");
    }
    assert_eq!(service.count("requests").await, 0);
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_is_cut() {
    let cut = Arc::new(Semaphore::new(0));
    let endless = Arc::clone(&cut);
    let answer = async move || {
        // Dropped with the connection.
        let guard = DropPermit(endless.clone());
        Body::from_stream(stream::unfold(guard, async |guard| {
            let chunk = Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65536]));
            Some((chunk, guard))
        }))
    };
    let limits = Limits {
        answer: SHORT,
        ..LIMITS
    };
    let server = Server::start(Router::new().route("/", get(answer)), limits).await;
    let _reads_nothing = server.send(HEAD).await;
    let waited = tokio::time::timeout(PATIENCE, cut.acquire()).await;
    drop(waited.expect("the connection is cut").unwrap());
}

struct DropPermit(Arc<Semaphore>);

impl Drop for DropPermit {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[tokio::test]
async fn beyond_the_cap_the_longest_idle_connection_gives_way() {
    let limits = Limits {
        connections: 4,
        ..LIMITS
    };
    let server = Server::start(hello(), limits).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(server.send("GET / HTTP/1.1\r\nX").await);
    }
    assert!(server.ask("/").await.ends_with("hello"));
    // Accepted in order, so the first have given way.
    for held in &mut held[..8] {
        assert_eq!(rest(held).await, "");
    }
    let last = held.last_mut().unwrap();
    last.write_all(b": y\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(last, "hello").await;
}

#[tokio::test]
async fn what_is_being_answered_does_not_give_way_and_the_next_is_refused() {
    let (slow, begun, go) = slow();
    let limits = Limits {
        connections: 2,
        ..LIMITS
    };
    let server = Server::start(slow, limits).await;
    let mut busy = [server.send(HEAD).await, server.send(HEAD).await];
    begun.acquire_many(2).await.unwrap().forget();
    let mut refused = server.send("").await;
    let refusal = rest(&mut refused).await;
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.contains("retry-after: 2"), "{refusal}");
    go.notify_waiters();
    for busy in &mut busy {
        read_until(busy, "at last").await;
    }
}

#[tokio::test]
async fn what_is_being_answered_when_it_stops_comes_to_its_end() {
    let (slow, begun, go) = slow();
    let server = Server::start(slow, LIMITS).await;
    let mut idle = server.send("").await;
    let mut busy = server.send(HEAD).await;
    begun.acquire().await.unwrap().forget();
    server.stop.send_replace(true);
    assert_eq!(rest(&mut idle).await, "");
    wait::until_async("it takes no more", async || {
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err()
    })
    .await;
    go.notify_waiters();
    assert!(rest(&mut busy).await.ends_with("at last"));
    let ended = tokio::time::timeout(PATIENCE, server.ended).await;
    ended.expect("it has ended").unwrap();
}

#[test]
fn in_production_idle_connections_outlive_those_of_load_balancers() {
    let limits = Limits::of(100);
    assert!(limits.idle > Duration::from_mins(1));
    for limit in [limits.head, limits.body, limits.answer] {
        assert!(limit <= Duration::from_secs(30) && limit < NEVER);
    }
}
