//! What is known of a write that AWS did not answer: without a connection nothing was sent, and
//! with one nobody can tell.

use std::time::Duration;

use countersign::aws::{AwsError, Clouds, apply};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::cloud::as_ourselves;
use crate::support::rows::ROLE;

/// Longer than a connection may take to come about, and over soon.
const TIMEOUT: Duration = Duration::from_secs(4);

async fn write(endpoint: &str) -> Result<(), AwsError> {
    let clouds = Clouds::with(endpoint, "AKIAX", "secret", TIMEOUT).await;
    apply::put_trust(&as_ourselves(&clouds, ROLE).await, ROLE, "{}").await
}

/// What a server does with a connection.
#[derive(Debug, Clone, Copy)]
enum Server {
    Closes,
    Babbles,
    IsSilent,
}

/// Its address; it serves until the test ends.
async fn server(what: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match what {
                Server::Closes => {}
                Server::Babbles => drop(stream.write_all(b"This is no TLS at all.\r\n\r\n").await),
                Server::IsSilent => held.push(stream),
            }
        }
    });
    address.to_string()
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let no_tls = format!("https://{}", server(Server::Babbles).await);
    let no_handshake = format!("https://{}", server(Server::IsSilent).await);
    for endpoint in [&nobody, "http://nowhere.invalid", &no_tls, &no_handshake] {
        assert_eq!(
            write(endpoint).await,
            Err(AwsError::Unreachable),
            "{endpoint}"
        );
    }
}

#[tokio::test]
async fn with_a_connection_nobody_can_tell() {
    for what in [Server::Closes, Server::IsSilent] {
        let endpoint = format!("http://{}", server(what).await);
        assert_eq!(write(&endpoint).await, Err(AwsError::Unclear), "{what:?}");
    }
}
