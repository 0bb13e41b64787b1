//! Whoever answers a request knows where it comes from: limits count by address.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;

use super::{LIMITS, Server, rest};

#[tokio::test]
async fn each_request_knows_the_address_that_it_comes_from() {
    let told = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| format!("from {peer}.");
    let server = Server::start(Router::new().route("/", get(told)), LIMITS).await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stream = server.send(request).await;
    let ours = stream.local_addr().unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with(&format!("from {ours}.")), "{answer}");
}
